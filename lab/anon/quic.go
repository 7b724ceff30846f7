package anon

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/quic-go/quic-go"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// QUIC is how a tunnel inside QUIC is made. It is the only argument of
// QUICClient and QUICServer, as JSON.
type QUIC struct {
	Address    string // of the server
	Name       string // in its certificate
	ALPN       string
	KeepAlive  time.Duration // none if 0
	PacketSize uint16        // of UDP payloads at first, in bytes
	Probe      bool          // whether larger packets are tried
	// Entries are where the client listens, and what the server connects to
	// for those who come there; each gets a stream.
	Entries map[string]string
	Each    bool // each stream has a connection of its own
	// Device is an IP device instead of entries: its packets are datagrams.
	Device bool
	Addrs  [2]string // of the device of the client and of the server
	MTU    int       // of the device
}

// DeviceName is of the device on both hosts, if there is one.
const DeviceName = "quic0"

// QUICClient is the program of the originator. It tells the event "up" when
// the tunnel can be used.
func QUICClient(ctx context.Context, args []string) error {
	q, err := parseQUIC(args)
	if err != nil {
		return err
	}
	var only *quic.Conn
	if !q.Each {
		if only, err = q.dial(ctx); err != nil {
			return err
		}
		defer only.CloseWithError(0, "")
	}
	failed := make(chan error, 1+len(q.Entries))
	if q.Device {
		go func() { failed <- q.packets(ctx, only, q.Addrs[0], q.Addrs[1]) }()
	}
	for entry, target := range q.Entries {
		go func() {
			failed <- accept(ctx, entry, func(c *net.TCPConn) {
				if err := q.carry(ctx, only, c, target); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			})
		}()
	}
	webapp.Report("up", "")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// Up starts the client of a tunnel on a host, as the scenario's program
// "quic-client", waits until it can be used, and labels the connection if there
// is only one.
func (q QUIC) Up(ctx context.Context, r *lab.Run, h *lab.Host) (*lab.Process, error) {
	r.Software(h.Name(), "quic-go", moduleVersion("github.com/quic-go/quic-go"))
	p, err := StartProgram(ctx, h, "quic-client", q)
	if err != nil {
		return nil, err
	}
	if err := webapp.Await(ctx, p, "up", 1); err != nil {
		return nil, err
	}
	if !q.Each {
		r.Label(lab.Of(p), label.Tunnel)
		r.Span(lab.Of(p), p.Started(), webapp.Events(p)[0].At, label.StateHandshake, q.ALPN)
	}
	return p, nil
}

// Serve starts the server of a tunnel on a host, as the scenario's program
// "quic-server", on a port.
func (q QUIC) Serve(ctx context.Context, r *lab.Run, h *lab.Host, port int) error {
	r.Software(h.Name(), "quic-go", moduleVersion("github.com/quic-go/quic-go"))
	q.Address = fmt.Sprint("0.0.0.0:", port)
	if _, err := StartProgram(ctx, h, "quic-server", q); err != nil {
		return err
	}
	return h.WaitListen(ctx, "udp", port)
}

func parseQUIC(args []string) (q QUIC, err error) {
	if len(args) != 1 {
		return q, errors.New("one argument is needed: JSON")
	}
	err = json.Unmarshal([]byte(args[0]), &q)
	return q, err
}

func (q QUIC) config() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout: 30 * time.Second, MaxIdleTimeout: 2 * time.Minute, KeepAlivePeriod: q.KeepAlive,
		InitialPacketSize: q.PacketSize, DisablePathMTUDiscovery: !q.Probe, EnableDatagrams: q.Device,
	}
}

func (q QUIC) dial(ctx context.Context) (*quic.Conn, error) {
	return quic.DialAddr(ctx, q.Address, &tls.Config{ServerName: q.Name, NextProtos: []string{q.ALPN}}, q.config())
}

// carry carries a connection in a stream.
func (q QUIC) carry(ctx context.Context, conn *quic.Conn, c *net.TCPConn, target string) error {
	defer c.Close()
	if q.Each {
		own, err := q.dial(ctx)
		if err != nil {
			return err
		}
		conn = own
		defer own.CloseWithError(0, "")
	}
	s, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	if _, err := s.Write(append([]byte{byte(len(target))}, target...)); err != nil {
		return err
	}
	relay(stream{s}, c)
	return nil
}

// stream is a stream whose two directions end one after the other.
type stream struct{ *quic.Stream }

// CloseWrite says that no more comes.
func (s stream) CloseWrite() error { return s.Stream.Close() }

// Close ends both directions; what was sent still arrives.
func (s stream) Close() error {
	s.CancelRead(0)
	return s.Stream.Close()
}

// QUICServer is the program of the responder, with the certificate in
// server.pem and server.key.
func QUICServer(ctx context.Context, args []string) error {
	q, err := parseQUIC(args)
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair("server.pem", "server.key")
	if err != nil {
		return err
	}
	l, err := quic.ListenAddr(q.Address, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{q.ALPN}}, q.config())
	if err != nil {
		return err
	}
	defer l.Close()
	for {
		conn, err := l.Accept(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if q.Device {
			return q.packets(ctx, conn, q.Addrs[1], q.Addrs[0])
		}
		go serveStreams(ctx, conn)
	}
}

// serveStreams connects each stream of a connection to what it asks for.
func serveStreams(ctx context.Context, conn *quic.Conn) {
	for {
		s, err := conn.AcceptStream(ctx)
		if err != nil {
			return // the client has gone
		}
		go func() {
			if err := serveStream(s); err != nil {
				s.CancelRead(1)
				s.CancelWrite(1)
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

func serveStream(s *quic.Stream) error {
	length := make([]byte, 1)
	if _, err := io.ReadFull(s, length); err != nil {
		return err
	}
	target := make([]byte, length[0])
	if _, err := io.ReadFull(s, target); err != nil {
		return err
	}
	c, err := net.Dial("tcp", string(target))
	if err != nil {
		return err
	}
	relay(stream{s}, c.(*net.TCPConn))
	return nil
}

// packets carries the packets of a device as datagrams, until ctx ends. What
// does not fit into one is lost, as in any network.
func (q QUIC) packets(ctx context.Context, conn *quic.Conn, own, peer string) error {
	device, err := openDevice(ctx, DeviceName, own, peer, q.MTU)
	if err != nil {
		return err
	}
	defer device.Close()
	go func() {
		packet := make([]byte, 1<<16)
		for {
			n, err := device.Read(packet)
			if err != nil {
				return // it is closed below
			}
			var tooLarge *quic.DatagramTooLargeError
			if err := conn.SendDatagram(packet[:n]); err != nil && !errors.As(err, &tooLarge) {
				return
			}
		}
	}()
	for {
		packet, err := conn.ReceiveDatagram(ctx)
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := device.Write(packet); err != nil {
			return err
		}
	}
}
