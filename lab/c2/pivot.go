package c2

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"
)

// An agent that has no way to its controller speaks TCP to another, which
// takes what it says along when it checks in itself. A message there is its
// length in 4 bytes and the masked bytes.

// tcpChannel is the far agent's side.
type tcpChannel struct {
	plan Plan
	conn net.Conn
}

// openTCP connects to the other agent, or waits for it to connect.
func openTCP(p Plan) (channel, error) {
	if !p.Bind {
		c, err := net.Dial("tcp4", p.Server.String())
		return &tcpChannel{plan: p, conn: c}, err
	}
	l, err := net.Listen("tcp4", fmt.Sprintf(":%d", p.Server.Port()))
	if err != nil {
		return nil, err
	}
	defer l.Close()
	c, err := l.Accept()
	return &tcpChannel{plan: p, conn: c}, err
}

func (c *tcpChannel) limit() int { return 32 << 10 }

func (c *tcpChannel) close() { c.conn.Close() }

func (c *tcpChannel) exchange(_ context.Context, up []byte) ([]byte, []Event, error) {
	began := time.Now()
	c.conn.SetDeadline(began.Add(time.Minute))
	if err := sendFrame(c.conn, mask(c.plan, 0, up)); err != nil {
		return nil, nil, err
	}
	down, err := receiveFrame(c.conn)
	e := Event{T0: began.UnixNano(), T1: time.Now().UnixNano(), Proto: "tcp", Local: c.conn.LocalAddr().String(), Remote: c.conn.RemoteAddr().String()}
	return mask(c.plan, 0, down), []Event{e}, err
}

func sendFrame(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

func receiveFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// pivotFile is the plan of the agent in the middle. Its Agent is its own name,
// Checkins are not looked at: it ends when the far agent does.
const pivotFile = "pivot.json"

// runPivot is a program of the lab: the agent in the middle, with the address
// where it listens (":PORT") or connects.
func runPivot(ctx context.Context, args []string) error {
	if err := inLab(); err != nil {
		return err
	}
	p, err := readPlan(pivotFile)
	if err != nil || len(args) != 1 {
		return errors.Join(err, fmt.Errorf("arguments %q", args))
	}
	rng := rand.New(rand.NewPCG(p.Seed, 4))
	up, err := open(p, rng)
	if err != nil {
		return err
	}
	defer up.close()
	far, err := linkFar(ctx, p, args[0])
	if err != nil {
		return err
	}
	defer far.Close()
	said := make(chan []byte)
	go func() {
		defer close(said)
		for {
			b, err := receiveFrame(far)
			if err != nil {
				return
			}
			said <- b
		}
	}()
	a := &agent{plan: p, channel: up, rng: rng, out: json.NewEncoder(os.Stdout)}
	for {
		if _, err := a.checkIn(ctx); err != nil {
			return err
		}
		select {
		case b, ok := <-said:
			if !ok {
				return nil
			}
			m, err := a.say(ctx, message{Kind: "relay", Data: mask(p, 0, b)}, "tunnel", "another agent")
			if err == nil {
				err = sendFrame(far, mask(p, 0, m.Data))
			}
			if err != nil {
				return err
			}
		default:
		}
		if err := sleep(ctx, p.pause(p.Interval, rng)); err != nil {
			return err
		}
	}
}

// linkFar connects to the far agent or waits for it.
func linkFar(ctx context.Context, p Plan, addr string) (net.Conn, error) {
	if p.Bind {
		host, err := net.ResolveTCPAddr("tcp4", addr)
		if err == nil {
			err = checkAddr(host.AddrPort().Addr())
		}
		if err != nil {
			return nil, err
		}
		var d net.Dialer
		return d.DialContext(ctx, "tcp4", addr)
	}
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	return l.Accept()
}
