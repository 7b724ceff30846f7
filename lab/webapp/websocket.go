package webapp

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Types of WebSocket messages (RFC 6455, section 5.2).
const (
	Text   = 1
	Binary = 2
	closes = 8
	ping   = 9
	pong   = 10
)

// maxMessage is the size of the largest message that is read.
const maxMessage = 1 << 20

// Socket is a WebSocket connection without extensions. Write may be called by
// several goroutines, Read by one.
type Socket struct {
	conn   net.Conn
	in     *bufio.Reader
	client bool
	mu     sync.Mutex
}

// Upgrade makes a request a WebSocket connection. The caller closes it.
func Upgrade(w http.ResponseWriter, q *http.Request) (*Socket, error) {
	key := q.Header.Get("Sec-WebSocket-Key")
	if key == "" {
		http.Error(w, "a WebSocket request is wanted", http.StatusBadRequest)
		return nil, errors.New("no WebSocket request")
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept(key) + "\r\n"
	if p := q.Header.Get("Sec-WebSocket-Protocol"); p != "" {
		answer += "Sec-WebSocket-Protocol: " + p + "\r\n"
	}
	if _, err := io.WriteString(conn, answer+"\r\n"); err != nil {
		conn.Close()
		return nil, err
	}
	return &Socket{conn: conn, in: rw.Reader}, nil
}

// accept is the server's answer to a client's key.
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// DialSocket opens a WebSocket connection to a wss URL. The caller closes it.
func DialSocket(address string) (*Socket, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	conn, err := tls.Dial("tcp4", net.JoinHostPort(u.Hostname(), port), &tls.Config{NextProtos: []string{"http/1.1"}})
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, 16)
	rand.Read(nonce)
	key := base64.StdEncoding.EncodeToString(nonce)
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nOrigin: https://%s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"+
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", u.RequestURI(), u.Host, u.Host, key)
	in := bufio.NewReader(conn)
	var answer *http.Response
	if err == nil {
		answer, err = http.ReadResponse(in, &http.Request{Method: http.MethodGet})
	}
	if err == nil && (answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Sec-WebSocket-Accept") != accept(key)) {
		err = fmt.Errorf("no WebSocket: %s", answer.Status)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Socket{conn: conn, in: in, client: true}, nil
}

// Read returns the next message, or io.EOF after the other side's close. Pings
// are answered on the way.
func (s *Socket) Read() (kind byte, data []byte, err error) {
	for {
		final, op, part, err := s.frame()
		if err != nil {
			return 0, nil, err
		}
		switch op {
		case closes:
			s.Write(closes, part)
			return 0, nil, io.EOF
		case ping:
			if err := s.Write(pong, part); err != nil {
				return 0, nil, err
			}
			continue
		case pong:
			continue
		case Text, Binary:
			kind, data = op, part
		default:
			data = append(data, part...)
		}
		if len(data) > maxMessage {
			return 0, nil, errors.New("a WebSocket message is too long")
		}
		if final {
			return kind, data, nil
		}
	}
}

func (s *Socket) frame() (final bool, op byte, data []byte, err error) {
	var head [2]byte
	if _, err = io.ReadFull(s.in, head[:]); err != nil {
		return false, 0, nil, err
	}
	size := uint64(head[1] & 0x7f)
	if n := map[uint64]int{126: 2, 127: 8}[size]; n > 0 {
		var long [8]byte
		if _, err = io.ReadFull(s.in, long[8-n:]); err != nil {
			return false, 0, nil, err
		}
		size = binary.BigEndian.Uint64(long[:])
	}
	if size > maxMessage {
		return false, 0, nil, errors.New("a WebSocket frame is too long")
	}
	var mask [4]byte
	if head[1]&0x80 != 0 {
		if _, err = io.ReadFull(s.in, mask[:]); err != nil {
			return false, 0, nil, err
		}
	}
	data = make([]byte, size)
	_, err = io.ReadFull(s.in, data)
	for i := range data {
		data[i] ^= mask[i%4]
	}
	return head[0]&0x80 != 0, head[0] & 0x0f, data, err
}

// Write sends a message.
func (s *Socket) Write(kind byte, data []byte) error {
	frame := []byte{0x80 | kind}
	var masked byte
	if s.client {
		masked = 0x80
	}
	switch n := len(data); {
	case n < 126:
		frame = append(frame, masked|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, masked|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, masked|127), uint64(n))
	}
	if s.client {
		var mask [4]byte
		rand.Read(mask[:])
		frame = append(frame, mask[:]...)
		for i, b := range data {
			frame = append(frame, b^mask[i%4])
		}
	} else {
		frame = append(frame, data...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.conn.Write(frame)
	return err
}

// Ping sends a ping, as keepalive.
func (s *Socket) Ping() error { return s.Write(ping, nil) }

// Close says good-bye, waits a moment for the answer, and closes. Nobody may
// read at that time.
func (s *Socket) Close() error {
	s.Write(closes, []byte{0x03, 0xe8}) // normal closure
	return s.conn.Close()
}

// Leave says good-bye: the reader gets io.EOF when the other side has answered.
func (s *Socket) Leave() error {
	s.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	return s.Write(closes, []byte{0x03, 0xe8})
}
