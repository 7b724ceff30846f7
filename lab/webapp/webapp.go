// Package webapp puts web applications on the hosts of a lab. An application is
// an http.Handler that runs as a process of a host, alone or behind nginx;
// either way the log of its requests tells when each was made and over, and by
// which connection it came.
package webapp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/pki"
)

// Options say how an application is served.
type Options struct {
	Kind    string      // "go" or "nginx": who speaks to the clients
	Name    string      // of the server in its certificate and in the clients' /etc/hosts
	Port    int         // 443 if zero
	HTTP1   bool        // HTTP/2 is not spoken
	Key     string      // of the certificate, "ecdsa" or "rsa"; "ecdsa" if empty
	Program string      // of the scenario, which calls Serve
	Args    []string    // of the program, after those that Serve takes
	Clients []*lab.Host // know the name and trust the certificate
}

// Server is a web server with an application.
type Server struct {
	Front *lab.Process // speaks TLS
	App   *lab.Process // the application; Front itself without nginx
	Host  *lab.Host
	name  string
	port  int
}

// Request is what the server tells of a request. Times are on the capture's
// clock.
type Request struct {
	Began, Over  label.Time
	Method, Path string // Path has the query
	Status       int
	Sent         int64          // bytes of the answer
	From         netip.AddrPort // as the server saw it
	to           netip.AddrPort
}

// How Serve is called.
const (
	alone  = "tls"
	alone1 = "tls-http1"
	behind = "plain"
	// backend is where the application listens behind nginx, on loopback.
	backend = "127.0.0.1:8000"
)

// Start starts the application on h and waits until it listens.
func Start(ctx context.Context, r *lab.Run, h *lab.Host, o Options) (*Server, error) {
	s := &Server{Host: h, name: o.Name, port: o.Port}
	if s.port == 0 {
		s.port = 443
	}
	if o.Key == "" {
		o.Key = "ecdsa"
	}
	if _, err := Certify(ctx, r, h, o.Key, o.Name, o.Clients...); err != nil {
		return nil, err
	}
	mode, addr, http2 := alone, fmt.Sprint(":", s.port), " http2"
	if o.HTTP1 {
		mode, http2 = alone1, ""
	}
	if o.Kind == "nginx" {
		mode, addr = behind, backend
	}
	var err error
	s.App, err = h.Start(ctx, lab.Command{Program: o.Program, Args: append([]string{mode, addr}, o.Args...)})
	if err != nil {
		return nil, err
	}
	s.Front = s.App
	switch o.Kind {
	case "go":
		r.Software(h.Name(), "net/http", runtime.Version())
	case "nginx":
		r.Installed(h, "nginx")
		if err := errors.Join(h.WaitListen(ctx, "tcp", 8000), h.Write("nginx.conf", fmt.Sprintf(nginxConf, s.port, http2, backend), 0o644)); err != nil {
			return nil, err
		}
		if s.Front, err = h.Start(ctx, lab.Command{Args: []string{"nginx", "-p", h.Dir(), "-c", "nginx.conf"}}); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("there is no web server %q", o.Kind)
	}
	return s, h.WaitListen(ctx, "tcp", s.port)
}

// nginxConf has the application's streams pass through unbuffered, so that the
// times of requests are those of the wire.
const nginxConf = `daemon off; user root; worker_processes 1; error_log stderr warn; pid nginx.pid;
events { worker_connections 256; }
http {
	log_format times "@ $msec $request_time $remote_addr:$remote_port $request_method $request_uri $status $bytes_sent";
	access_log /dev/stdout times;
	map $http_upgrade $connection_header { default upgrade; "" ""; }
	server {
		listen %d ssl%s; ssl_certificate server.pem; ssl_certificate_key server.key;
		client_max_body_size 0; client_body_temp_path body; proxy_temp_path temp;
		location / {
			proxy_pass http://%s; proxy_http_version 1.1; proxy_read_timeout 1h; proxy_send_timeout 1h;
			proxy_buffering off; proxy_request_buffering off;
			proxy_set_header Host $host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_header;
		}
	}
}
`

// Certify gives a host a certificate for a name, in server.pem and server.key,
// and makes the clients know the name and trust it.
func Certify(ctx context.Context, r *lab.Run, h *lab.Host, key, name string, clients ...*lab.Host) (*pki.Authority, error) {
	authority, err := pki.New(r, "Lab Root R1")
	if err != nil {
		return nil, err
	}
	cert, err := authority.Issue(key, name)
	if err != nil {
		return nil, err
	}
	err = errors.Join(cert.Write(h, "server"), authority.Trust(ctx, clients...))
	for _, c := range clients {
		err = errors.Join(err, c.Names(map[string]*lab.Host{name: h}))
	}
	return authority, err
}

// URL returns the address of a path, which begins with a slash.
func (s *Server) URL(path string) string { return "https://" + s.Authority() + path }

// Authority is the server's name, with its port unless that is 443.
func (s *Server) Authority() string {
	if s.port == 443 {
		return s.name
	}
	return fmt.Sprintf("%s:%d", s.name, s.port)
}

// Stop ends the server and returns its requests, in the order they were over.
func (s *Server) Stop() (all []Request, err error) {
	s.App.Stop()
	s.Front.Stop()
	to := netip.AddrPortFrom(s.Host.Addr(), uint16(s.port))
	for line := range strings.Lines(s.Front.Output()) {
		q := Request{to: to}
		var over, took float64
		var from string
		if !strings.HasPrefix(line, "@ ") {
			continue
		}
		if n, _ := fmt.Sscanf(line, "@ %f %f %s %s %s %d %d", &over, &took, &from, &q.Method, &q.Path, &q.Status, &q.Sent); n != 7 {
			return nil, fmt.Errorf("the web server says %q", line)
		}
		if q.From, err = netip.ParseAddrPort(from); err != nil {
			return nil, err
		}
		q.Over = label.Time(over * 1e9)
		q.Began = q.Over - label.Time(took*1e9)
		all = append(all, q)
	}
	return all, nil
}

// Flow selects the flow of the connection that the request came by.
func (q *Request) Flow() lab.Selector {
	return lab.Conn(connection{local: net.TCPAddrFromAddrPort(q.to), remote: net.TCPAddrFromAddrPort(q.From)})
}

// connection is the two addresses of a connection: all that a Selector asks
// for.
type connection struct {
	net.Conn
	local, remote net.Addr
}

func (c connection) LocalAddr() net.Addr  { return c.local }
func (c connection) RemoteAddr() net.Addr { return c.remote }

// Tell tells of each request's connection that it is about the labels, that its
// handshake went on until the first request, and what each request was. The
// state 0 is not told. A request lasts from when the client sent it until it
// had the answer: to the times of the server, which is beyond the link, half of
// the round trip is added on both sides, and the slack where nothing else was
// going on in the connection.
func Tell(r *lab.Run, requests []Request, what func(*Request) (label.State, string), labels ...label.Label) {
	half := label.Time(r.Profile().RTT.Duration() / 2)
	requests = slices.Clone(requests)
	slices.SortFunc(requests, func(a, b Request) int { return cmp.Compare(a.Began, b.Began) })
	over := make(map[netip.AddrPort]label.Time) // of the requests of a connection so far
	for i := range requests {
		q := &requests[i]
		began := q.Began - half
		last, known := over[q.From]
		if !known {
			r.Label(q.Flow(), labels...)
			r.Span(q.Flow(), 0, began, label.StateHandshake, "") // from the first packet on
		} else if last < began {
			began = max(last, began-slackBefore)
		}
		end := q.Over + half + slackAfter
		for j := i + 1; j < len(requests); j++ {
			if next := &requests[j]; next.From == q.From {
				end = max(q.Over+half, min(end, next.Began-half))
				break
			}
		}
		if state, detail := what(q); state != 0 {
			r.Span(q.Flow(), began, end, state, detail)
		}
		over[q.From] = max(last, end)
	}
}

// A program of a busy machine sees a request later than its packet came: how
// much later than the link's delay a server may tell of it, and a client take
// its leave of the answer (what HTTP/2 has to say after it).
const (
	slackBefore = label.Time(100 * time.Millisecond)
	slackAfter  = label.Time(20 * time.Millisecond)
)

// Serve is a scenario's program that serves an application, until ctx ends.
// args are those that it was started with; their first two are for Serve.
func Serve(ctx context.Context, args []string, app http.Handler) error {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(ctx, "tcp4", args[1])
	if err != nil {
		return err
	}
	server := &http.Server{TLSConfig: &tls.Config{}, Handler: app}
	context.AfterFunc(ctx, func() { server.Close() })
	if args[0] == behind {
		err = server.Serve(l)
	} else {
		server.Handler = logged(app)
		if args[0] == alone1 {
			server.TLSConfig.NextProtos = []string{"http/1.1"}
			server.TLSNextProto = make(map[string]func(*http.Server, *tls.Conn, http.Handler)) // not HTTP/2
		}
		err = server.ServeTLS(l, "server.pem", "server.key")
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// logged tells of each request what nginx is told to. A connection that the
// application takes over ends with its handler.
func logged(app http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		c := &counter{ResponseWriter: w, status: http.StatusOK}
		began := time.Now()
		app.ServeHTTP(c, q)
		over := time.Now()
		fmt.Printf("@ %.6f %.6f %s %s %s %d %d\n", float64(over.UnixMicro())/1e6, over.Sub(began).Seconds(), q.RemoteAddr, q.Method, q.RequestURI, c.status, c.sent)
	})
}

// counter counts what is sent.
type counter struct {
	http.ResponseWriter
	status int
	sent   int64
}

func (c *counter) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.sent += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
