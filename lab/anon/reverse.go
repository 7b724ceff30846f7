package anon

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"tyto/lab/webapp"
)

// Reverse is how a tunnel is made that is opened from inside and used from
// outside. It is the only argument of ReverseAgent and ReverseServer, as JSON.
type Reverse struct {
	Address string // the server's: where it listens, and to what the agent connects
	Name    string // in its certificate
	Path    string // of a WebSocket; the frames are in TLS itself if it is empty
	Plain   bool   // the server does not speak TLS, a web server before it does
	// Entries are where the server listens for those outside, and the target
	// that each leads to.
	Entries map[string]string
	Targets map[string]string // what the agent connects to, by name
	Beat    time.Duration     // between signs of life of the agent; none if 0
}

func parseReverse(args []string) (v Reverse, err error) {
	if len(args) != 1 {
		return v, errors.New("one argument is needed: JSON")
	}
	err = json.Unmarshal([]byte(args[0]), &v)
	return v, err
}

// ReverseAgent is the program inside. It tells the event "up" when it is
// connected.
func ReverseAgent(ctx context.Context, args []string) error {
	v, err := parseReverse(args)
	if err != nil {
		return err
	}
	conn, err := v.connect(ctx)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	m := newMux(conn, func(s *muxStream, target string) {
		defer s.Close()
		c, err := net.Dial("tcp", v.Targets[target])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		relay(s, c.(*net.TCPConn))
	})
	webapp.Report("up", "")
	if v.Beat > 0 {
		go func() {
			for range time.Tick(v.Beat) {
				if m.ping() != nil {
					return // run tells why
				}
			}
		}()
	}
	if err := m.run(); ctx.Err() == nil {
		return err
	}
	return nil
}

func (v Reverse) connect(ctx context.Context) (frames, error) {
	if v.Path != "" {
		_, port, err := net.SplitHostPort(v.Address)
		if err != nil {
			return nil, err
		}
		s, err := webapp.DialSocket("wss://" + net.JoinHostPort(v.Name, port) + v.Path)
		return messages{s}, err
	}
	d := tls.Dialer{Config: &tls.Config{ServerName: v.Name}}
	c, err := d.DialContext(ctx, "tcp", v.Address)
	return &lengths{Conn: c}, err
}

// ReverseServer is the program outside, for one agent, with the certificate in
// server.pem and server.key. It tells the event "up" when the agent is there.
func ReverseServer(ctx context.Context, args []string) error {
	v, err := parseReverse(args)
	if err != nil {
		return err
	}
	l, err := v.listen()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	if v.Path == "" {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		return v.use(ctx, &lengths{Conn: c})
	}
	done := make(chan error, 2)
	routes := http.NewServeMux()
	routes.HandleFunc("GET "+v.Path, func(w http.ResponseWriter, q *http.Request) {
		s, err := webapp.Upgrade(w, q)
		if err == nil {
			err = v.use(ctx, messages{s})
		}
		done <- err
	})
	go func() { done <- http.Serve(l, routes) }()
	return <-done
}

func (v Reverse) listen() (net.Listener, error) {
	if v.Plain {
		return net.Listen("tcp", v.Address)
	}
	cert, err := tls.LoadX509KeyPair("server.pem", "server.key")
	if err != nil {
		return nil, err
	}
	return tls.Listen("tcp", v.Address, &tls.Config{Certificates: []tls.Certificate{cert}})
}

// use lets those outside use the connection of an agent, until that ends.
func (v Reverse) use(ctx context.Context, conn frames) error {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	m := newMux(conn, nil)
	for entry, target := range v.Entries {
		go func() {
			err := accept(ctx, entry, func(c *net.TCPConn) {
				s, err := m.open(target)
				if err != nil {
					c.Close()
					return // run tells why
				}
				relay(s, c)
			})
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
	webapp.Report("up", "")
	return m.run()
}

// messages are frames that are WebSocket messages.
type messages struct{ *webapp.Socket }

func (f messages) read() ([]byte, error) {
	_, data, err := f.Socket.Read()
	return data, err
}

func (f messages) write(frame []byte) error { return f.Socket.Write(webapp.Binary, frame) }

// lengths are frames that have their length in two bytes before them.
type lengths struct {
	net.Conn
	in *bufio.Reader // made by the first read
	mu sync.Mutex
}

func (f *lengths) read() ([]byte, error) {
	if f.in == nil {
		f.in = bufio.NewReader(f.Conn)
	}
	var size [2]byte
	if _, err := io.ReadFull(f.in, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(f.in, frame)
	return frame, err
}

func (f *lengths) write(frame []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.Conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(frame))), frame...))
	return err
}
