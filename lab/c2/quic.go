package c2

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/quic-go/quic-go"
)

// plainProtocol is the application protocol of messages in bare QUIC streams.
const plainProtocol = "sync/1"

// quicDialer opens QUIC connections from a socket of their own each.
type quicDialer struct {
	plan     Plan
	protocol string
	conn     *quic.Conn
	socket   *net.UDPConn
	events   []Event // of the handshake that nobody has told yet
}

func (d *quicDialer) config() *quic.Config {
	return &quic.Config{
		MaxIdleTimeout: 10 * time.Minute, HandshakeIdleTimeout: 15 * time.Second,
		KeepAlivePeriod: d.plan.Ping, InitialPacketSize: uint16(d.plan.PacketSize),
	}
}

func (d *quicDialer) dial(ctx context.Context) (*quic.Conn, error) {
	began := time.Now()
	var err error
	if d.socket, err = net.ListenUDP("udp4", nil); err != nil {
		return nil, err
	}
	secure := &tls.Config{ServerName: d.plan.Name, InsecureSkipVerify: d.plan.Insecure, NextProtos: []string{d.protocol}}
	if d.conn, err = quic.Dial(ctx, d.socket, net.UDPAddrFromAddrPort(d.plan.Server), secure, d.config()); err != nil {
		d.socket.Close()
		return nil, err
	}
	d.events = []Event{d.event(began)}
	d.events[0].State = "handshake"
	return d.conn, nil
}

// event is what happened in the connection since a time.
func (d *quicDialer) event(since time.Time) Event {
	local := fmt.Sprintf("%s:%d", d.plan.Local, d.socket.LocalAddr().(*net.UDPAddr).Port)
	return Event{T0: since.UnixNano(), T1: time.Now().UnixNano(), Proto: "udp", Local: local, Remote: d.plan.Server.String()}
}

// told adds the event since a time to those that nobody has told.
func (d *quicDialer) told(since time.Time) []Event {
	e := d.event(since)
	for _, h := range d.events {
		e.T0 = max(e.T0, h.T1)
	}
	all := append(d.events, e)
	d.events = nil
	return all
}

func (d *quicDialer) close() {
	if d.conn != nil {
		d.conn.CloseWithError(0, "")
		<-d.conn.Context().Done()
		d.socket.Close()
		d.conn = nil
	}
}

// quicChannel sends each message in a QUIC stream of its own.
type quicChannel struct{ quicDialer }

func openQUIC(p Plan) (channel, error) {
	return &quicChannel{quicDialer{plan: p, protocol: plainProtocol}}, nil
}

func (c *quicChannel) limit() int { return 128 << 10 }

func (c *quicChannel) exchange(ctx context.Context, up []byte) ([]byte, []Event, error) {
	if !c.plan.KeepAlive {
		defer c.close()
	}
	if c.conn == nil {
		if _, err := c.dial(ctx); err != nil {
			return nil, nil, err
		}
	}
	began := time.Now()
	s, err := c.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.SetDeadline(began.Add(60 * time.Second))
	if _, err := s.Write(up); err != nil {
		return nil, nil, err
	}
	s.Close()
	down, err := io.ReadAll(s)
	return down, c.told(began), err
}

// serveQUIC answers the messages in streams.
func (c *controller) serveQUIC(ctx context.Context) error {
	cert, err := tls.LoadX509KeyPair("cert.pem", "cert.key")
	if err != nil {
		return err
	}
	secure := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{plainProtocol}}
	l, err := quic.ListenAddr(":443", secure, (&quicDialer{plan: Plan{PacketSize: c.plan.PacketSize}}).config())
	if err != nil {
		return err
	}
	defer l.Close()
	for {
		conn, err := l.Accept(ctx)
		if err != nil {
			return nil // the end
		}
		go func() {
			for {
				s, err := conn.AcceptStream(ctx)
				if err != nil {
					return
				}
				go c.answerStream(s)
			}
		}()
	}
}

// answerStream answers the message in a stream. The agent notices what goes
// wrong: there is no answer.
func (c *controller) answerStream(s *quic.Stream) {
	defer s.Close()
	m, err := io.ReadAll(io.LimitReader(s, maxFrame))
	if err == nil {
		m, err = c.handle(m)
	}
	if err == nil {
		s.Write(m)
	}
}
