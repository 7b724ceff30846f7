package c2

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// webSocket is a connection of RFC 6455, as far as agents need it: messages of
// one frame.
type webSocket struct {
	net.Conn
	r   *bufio.Reader
	rng *rand.Rand // of masks; nil on the server's side, which has none

	mu sync.Mutex // of writes
}

func newWebSocket(c net.Conn, rng *rand.Rand) *webSocket {
	return &webSocket{Conn: c, r: bufio.NewReader(c), rng: rng}
}

const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// maxFrame is the size of the largest message.
const maxFrame = 16 << 20

// acceptKey answers the client's key (RFC 6455, 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// dialWebSocket connects to the plan's server with TLS.
func dialWebSocket(ctx context.Context, p Plan, rng *rand.Rand) (*webSocket, error) {
	d := tls.Dialer{Config: &tls.Config{ServerName: p.Name, InsecureSkipVerify: p.Insecure, NextProtos: []string{"http/1.1"}}}
	c, err := d.DialContext(ctx, "tcp4", p.Server.String())
	if err != nil {
		return nil, err
	}
	nonce := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, rng.Uint64()), rng.Uint64())
	key := base64.StdEncoding.EncodeToString(nonce)
	fmt.Fprintf(c, "GET /socket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nOrigin: https://%[1]s\r\n\r\n", p.Name, key)
	w := newWebSocket(c, rng)
	a, err := http.ReadResponse(w.r, nil)
	if err == nil && (a.StatusCode != http.StatusSwitchingProtocols || a.Header.Get("Sec-WebSocket-Accept") != acceptKey(key)) {
		err = errors.New("websocket: " + a.Status)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return w, nil
}

// acceptWebSocket turns a request into a connection.
func acceptWebSocket(w http.ResponseWriter, q *http.Request) (*webSocket, error) {
	c, buffer, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", acceptKey(q.Header.Get("Sec-WebSocket-Key")))
	return &webSocket{Conn: c, r: buffer.Reader}, err
}

// send sends a message in one frame.
func (w *webSocket) send(op byte, data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := []byte{0x80 | op}
	switch n := len(data); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	if w.rng == nil {
		_, err := w.Write(append(b, data...))
		return err
	}
	b[1] |= 0x80
	mask := binary.LittleEndian.AppendUint32(nil, w.rng.Uint32())
	b = append(b, mask...)
	for i, c := range data {
		b = append(b, c^mask[i%4])
	}
	_, err := w.Write(b)
	return err
}

// receive returns the next message; it answers pings. io.EOF is the other's
// goodbye.
func (w *webSocket) receive() ([]byte, error) {
	for {
		op, data, err := w.frame()
		switch {
		case err != nil:
			return nil, err
		case op == opClose:
			return nil, io.EOF
		case op == opPing:
			if err := w.send(opPong, data); err != nil {
				return nil, err
			}
		case op == opText, op == opBinary:
			return data, nil
		}
	}
}

func (w *webSocket) frame() (op byte, data []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(w.r, head[:2]); err != nil {
		return 0, nil, err
	}
	op, masked, n := head[0]&15, head[1]&0x80 != 0, uint64(head[1]&127)
	if n >= 126 {
		size := map[uint64]int{126: 2, 127: 8}[n]
		if _, err := io.ReadFull(w.r, head[8-size:]); err != nil {
			return 0, nil, err
		}
		clear(head[:8-size])
		n = binary.BigEndian.Uint64(head[:])
	}
	if n > maxFrame {
		return 0, nil, fmt.Errorf("websocket: a frame of %d bytes", n)
	}
	var mask [4]byte
	if masked {
		if _, err := io.ReadFull(w.r, mask[:]); err != nil {
			return 0, nil, err
		}
	}
	data = make([]byte, n)
	_, err = io.ReadFull(w.r, data)
	for i := range data {
		data[i] ^= mask[i%4]
	}
	return op, data, err
}

// bye says goodbye and closes.
func (w *webSocket) bye() {
	w.send(opClose, []byte{3, 232}) // 1000, normal closure
	w.Close()
}

// wsChannel has one connection for all messages.
type wsChannel struct {
	plan Plan
	rng  *rand.Rand
	ws   *webSocket
}

func (c *wsChannel) limit() int { return 64 << 10 }

func (c *wsChannel) close() {
	if c.ws != nil {
		c.ws.bye()
		c.ws = nil
	}
}

func (c *wsChannel) exchange(ctx context.Context, up []byte) (down []byte, events []Event, err error) {
	began := time.Now()
	if c.ws == nil {
		if c.ws, err = dialWebSocket(ctx, c.plan, c.rng); err != nil {
			return nil, nil, err
		}
		events = []Event{{T0: began.UnixNano(), T1: time.Now().UnixNano(), State: "handshake"}}
		began = time.Now()
	}
	c.ws.SetDeadline(began.Add(30 * time.Second))
	if err = c.ws.send(opBinary, up); err == nil {
		down, err = c.ws.receive()
	}
	events = append(events, Event{T0: began.UnixNano(), T1: time.Now().UnixNano()})
	for i := range events {
		events[i].Proto, events[i].Local, events[i].Remote = "tcp", c.ws.LocalAddr().String(), c.ws.RemoteAddr().String()
	}
	return down, events, err
}

// serveWebSocket answers an agent's messages on its connection.
// The agent notices what goes wrong: its connection ends.
func (c *controller) serveWebSocket(w http.ResponseWriter, q *http.Request) {
	ws, err := acceptWebSocket(w, q)
	if err != nil {
		return
	}
	defer ws.Close()
	for err == nil {
		var message []byte
		if message, err = ws.receive(); err == nil {
			message, err = c.handle(message)
		}
		if err == nil {
			err = ws.send(opBinary, message)
		}
	}
}
