package auto

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// quicConfig has first packets of a size that the network lets pass.
func quicConfig(packet int) *quic.Config {
	return &quic.Config{InitialPacketSize: uint16(packet), HandshakeIdleTimeout: 15 * time.Second, MaxIdleTimeout: 5 * time.Minute}
}

// ServeHTTP3 is a program of a scenario that serves the files of the directory
// "site" on port 443 over HTTP/3 and HTTP/2. What is posted is told as webapp.ServeFiles does it, what is put is
// kept by the last element of its path. Its argument is the size of the first
// packets. It tells of each request as "@ tcp|udp LOCAL REMOTE BEGAN OVER METHOD
// PATH", with times in nanoseconds.
func ServeHTTP3(ctx context.Context, args []string) error {
	var packet int
	if _, err := fmt.Sscan(args[0], &packet); err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair("server.pem", "server.key")
	if err != nil {
		return err
	}
	secure := &tls.Config{Certificates: []tls.Certificate{cert}}
	files := http.FileServer(http.Dir("site"))
	var mu sync.Mutex // of what is told
	handler := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		began, proto := time.Now(), "udp"
		if q.ProtoMajor < 3 {
			proto = "tcp"
		}
		switch q.Method {
		case http.MethodPost:
			var first [200]byte
			n, _ := q.Body.Read(first[:])
			mu.Lock()
			webapp.Report("post", "%s %q", path.Clean(q.URL.Path), first[:n])
			mu.Unlock()
			w.WriteHeader(http.StatusNoContent)
		case http.MethodPut:
			data, err := io.ReadAll(q.Body)
			if err == nil {
				err = os.WriteFile(path.Base(q.URL.Path), data, 0o644)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		default:
			files.ServeHTTP(w, q)
		}
		mu.Lock()
		fmt.Printf("@ %s %s %s %d %d %s %s\n", proto, q.Context().Value(http.LocalAddrContextKey), q.RemoteAddr, began.UnixNano(), time.Now().UnixNano(), q.Method, q.URL.Path)
		mu.Unlock()
	})
	over3 := &http3.Server{Addr: ":443", Handler: handler, QUICConfig: quicConfig(packet), TLSConfig: http3.ConfigureTLSConfig(secure)}
	over2 := &http.Server{Addr: ":443", Handler: handler, TLSConfig: secure.Clone()}
	context.AfterFunc(ctx, func() { over2.Close(); over3.Close() })
	failed := make(chan error, 2)
	go func() { failed <- over2.ListenAndServeTLS("", "") }()
	go func() { failed <- over3.ListenAndServe() }()
	if err := <-failed; ctx.Err() == nil {
		return err
	}
	return nil
}

// HTTP3 is a server of ServeHTTP3.
type HTTP3 struct {
	App    *lab.Process
	Host   *lab.Host
	Name   string
	Packet int // bytes of the first packets
}

// PacketParam is the knob of QUIC's first packets.
func PacketParam() lab.Param {
	return lab.Param{Name: "packet", Doc: "bytes of the first packets, as far as the network lets them pass", Values: []string{"1200", "1252", "1280", "1350"}}
}

// StartHTTP3 starts the scenario's program "server", which is ServeHTTP3, on a
// host, by a name that the client knows and trusts.
func StartHTTP3(ctx context.Context, r *lab.Run, h *lab.Host, name string, files map[string]string) (*HTTP3, error) {
	const headers = 28 // of IP and UDP
	s := &HTTP3{Host: h, Name: name, Packet: r.ParamInt("packet")}
	if s.Packet > r.Profile().MTU-headers {
		s.Packet = 1200
		r.SetParam("packet", "1200")
	}
	if _, err := webapp.Certify(ctx, r, h, "ecdsa", name, r.Host("client")); err != nil {
		return nil, err
	}
	if err := h.WriteFiles("site", files); err != nil {
		return nil, err
	}
	r.Software(h.Name(), "quic-go", "0.65.0")
	var err error
	if s.App, err = h.Start(ctx, lab.Command{Program: "server", Args: []string{fmt.Sprint(s.Packet)}}); err != nil {
		return nil, err
	}
	if err := h.WaitListen(ctx, "udp", 443); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, s.App.Output())
	}
	return s, h.WaitListen(ctx, "tcp", 443)
}

// KeyHash is the hash of the server's public key, as Chromium wants it.
func (s *HTTP3) KeyHash(ctx context.Context) (string, error) {
	const script = "openssl x509 -in server.pem -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64"
	out, err := s.Host.Run(ctx, lab.Command{Args: []string{"sh", "-c", script}})
	return strings.TrimSpace(string(out)), err
}

// HTTP3Request is what a server tells of a request. Times are those at its
// client: half of the round trip is added.
type HTTP3Request struct {
	Fetched
	Proto, Method, Path string
}

// Stop ends the server, labels the flows of its requests, of which it tells the
// handshakes, and returns the requests in the order they were over.
func (s *HTTP3) Stop(r *lab.Run, l label.Label) (all []HTTP3Request, err error) {
	s.App.Stop()
	half := label.Time(r.Profile().RTT.Duration() / 2)
	first := make(map[string]HTTP3Request)
	for line := range strings.Lines(s.App.Output()) {
		var q HTTP3Request
		var local, remote string
		if !strings.HasPrefix(line, "@ ") {
			continue
		}
		if n, _ := fmt.Sscanf(line, "@ %s %s %s %d %d %s %s", &q.Proto, &local, &remote, &q.Began, &q.Over, &q.Method, &q.Path); n != 7 {
			return nil, fmt.Errorf("the server says %q", line)
		}
		from, err := netip.ParseAddrPort(remote)
		if err != nil {
			return nil, err
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		q.Flow, q.Key = Flow(q.Proto, netip.AddrPortFrom(s.Host.Addr(), 443), from), q.Proto+remote
		q.Began, q.Over = q.Began-half, q.Over+half
		all = append(all, q)
		if f, ok := first[q.Key]; !ok || q.Began < f.Began {
			first[q.Key] = q
		}
	}
	for _, q := range first {
		r.Label(q.Flow, l)
		r.Span(q.Flow, 0, q.Began, label.StateHandshake, "") // from the first packet on
	}
	return all, nil
}

// FetchHTTP3 is a program of a scenario that moves files over HTTP/3: its
// arguments are "keep" or "new" for the connection, the size of first packets,
// and then a pause in seconds, "get" or "put", a URL and a file each. It tells
// the events "handshake" and "moved" with its port, when it ended in nanoseconds
// since the epoch, the method and the file.
func FetchHTTP3(ctx context.Context, args []string) error {
	var packet int
	if _, err := fmt.Sscan(args[1], &packet); err != nil {
		return err
	}
	m := &mover{packet: packet}
	defer m.close()
	for i := 2; i+3 < len(args); i += 4 {
		pause, err := time.ParseDuration(args[i] + "s")
		if err != nil {
			return err
		}
		time.Sleep(pause)
		if err := m.move(ctx, args[i+1], args[i+2], args[i+3]); err != nil {
			return err
		}
		if args[0] == "new" {
			m.close()
		}
	}
	return nil
}

// mover has at most one connection.
type mover struct {
	packet    int
	transport *http3.Transport
	socket    *net.UDPConn
	ready     time.Time // when the last handshake was over
}

func (m *mover) close() {
	if m.transport != nil {
		m.transport.Close()
		m.socket.Close()
		m.transport = nil
	}
}

func (m *mover) port() int { return m.socket.LocalAddr().(*net.UDPAddr).Port }

// connect makes the transport, whose connection has a socket of its own.
func (m *mover) connect() {
	m.transport = &http3.Transport{Dial: func(ctx context.Context, addr string, secure *tls.Config, _ *quic.Config) (*quic.Conn, error) {
		began := time.Now()
		to, err := net.ResolveUDPAddr("udp4", addr)
		if err != nil {
			return nil, err
		}
		if m.socket, err = net.ListenUDP("udp4", nil); err != nil {
			return nil, err
		}
		c, err := quic.Dial(ctx, m.socket, to, secure, quicConfig(m.packet))
		m.ready = time.Now()
		fmt.Printf("! %d handshake %d %d - -\n", began.UnixNano(), m.port(), m.ready.UnixNano())
		return c, err
	}}
}

func (m *mover) move(ctx context.Context, method, url, file string) error {
	if m.transport == nil {
		m.connect()
	}
	began := time.Now()
	var body io.Reader
	if method == "put" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		body = f
	}
	q, err := http.NewRequestWithContext(ctx, strings.ToUpper(method), url, body)
	if err != nil {
		return err
	}
	a, err := m.transport.RoundTrip(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err == nil && a.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, a.Status)
	}
	if err != nil {
		return err
	}
	if m.ready.After(began) {
		began = m.ready
	}
	fmt.Printf("! %d moved %d %d %s %s\n", began.UnixNano(), m.port(), time.Now().UnixNano(), method, file)
	if method == "get" {
		return os.WriteFile(file, data, 0o644)
	}
	return nil
}
