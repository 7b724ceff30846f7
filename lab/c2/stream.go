package c2

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"
)

// streamPath is where an agent opens a stream of messages in one request.
const streamPath = "/v1.Sync/Subscribe"

// streamChannel has one stream of HTTP/2 for all messages, each way with its
// length before it, as remote procedure calls do it.
type streamChannel struct {
	plan Plan
	up   *io.PipeWriter
	down io.ReadCloser
	conn net.Conn
}

func openStream(p Plan) *streamChannel {
	p.HTTP2, p.KeepAlive = true, true
	return &streamChannel{plan: p}
}

func (c *streamChannel) limit() int { return 64 << 10 }

func (c *streamChannel) close() {
	if c.up != nil {
		c.up.Close()
		io.Copy(io.Discard, c.down) // the controller ends it
		c.down.Close()
		c.conn.Close()
		c.up = nil
	}
}

// connect opens the stream.
func (c *streamChannel) connect(ctx context.Context) error {
	body, up := io.Pipe()
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { c.conn = i.Conn }}
	q, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodPost, "https://"+c.plan.Name+streamPath, body)
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/grpc")
	a, err := httpsClient(c.plan).Do(q)
	if err != nil {
		return err
	}
	if a.StatusCode != http.StatusOK || a.ProtoMajor != 2 {
		a.Body.Close()
		return fmt.Errorf("no stream: %s %s", a.Proto, a.Status)
	}
	c.up, c.down = up, a.Body
	return nil
}

func (c *streamChannel) exchange(ctx context.Context, up []byte) (down []byte, events []Event, err error) {
	began := time.Now()
	if c.up == nil {
		if err := c.connect(ctx); err != nil {
			return nil, nil, err
		}
		events = []Event{{T0: began.UnixNano(), T1: time.Now().UnixNano(), State: "handshake"}}
		began = time.Now()
	}
	if err = writeMessage(c.up, up); err == nil {
		down, err = readMessage(c.down)
	}
	events = append(events, Event{T0: began.UnixNano(), T1: time.Now().UnixNano()})
	for i := range events {
		events[i].Proto, events[i].Local, events[i].Remote = "tcp", c.conn.LocalAddr().String(), c.conn.RemoteAddr().String()
	}
	return down, events, err
}

// serveStream answers the messages of an agent's stream.
func (c *controller) serveStream(w http.ResponseWriter, q *http.Request) {
	stream := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/grpc")
	err := stream.Flush()
	for err == nil {
		var m []byte
		if m, err = readMessage(q.Body); err == nil {
			m, err = c.handle(m)
		}
		if err == nil {
			err = writeMessage(w, m)
		}
		if err == nil {
			err = stream.Flush()
		}
	}
}

// writeMessage writes a message with its length in a stream of them: a byte that
// is 0, four with the length.
func writeMessage(w io.Writer, m []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))), m...))
	return err
}

func readMessage(r io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	m := make([]byte, n)
	_, err := io.ReadFull(r, m)
	return m, err
}
