package anon

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

const (
	dnsMessage   = "application/dns-message" // RFC 8484
	mostDNSBytes = 1 << 16
)

// DoH is DNS over HTTPS between the host "client" and an honest resolver on the
// host "resolver", which asks the host "server".
type DoH struct {
	Kind   string // of the resolver: "unbound", or "go", the scenario's program "resolver"
	Port   int    // of the resolver
	Domain string // what the server answers for
	Method string // as DoHStub takes it
	HTTP   string // version, as DoHStub takes it
}

// resolverName is in the resolver's certificate.
const resolverName = "dns.example.net"

const unboundConf = `server:
 username: ""
 chroot: ""
 pidfile: ""
 use-syslog: no
 access-control: 0.0.0.0/0 allow
 module-config: iterator
 prefetch: no
 interface: 0.0.0.0@%[1]d
 https-port: %[1]d
 tls-service-key: server.key
 tls-service-pem: server.pem
 directory: %[2]s
forward-zone:
 name: "%[3]s"
 forward-addr: %[4]s
`

// Start starts the resolver, and on the client the scenario's program "stub",
// which it returns. The flows of both get the labels.
func (d DoH) Start(ctx context.Context, r *lab.Run, labels ...label.Label) (*lab.Process, error) {
	client := r.Host("client")
	resolver, err := d.resolve(ctx, r)
	if err != nil {
		return nil, err
	}
	r.Label(lab.Of(resolver), labels...)
	r.Software("client", "net/http", runtime.Version())
	url := fmt.Sprintf("https://%s:%d/dns-query", resolverName, d.Port)
	stub, err := client.Start(ctx, lab.Command{Program: "stub", Args: []string{url, d.Method, d.HTTP}})
	if err != nil {
		return nil, err
	}
	r.Label(lab.Of(stub), labels...)
	return stub, client.WaitListen(ctx, "udp", 53)
}

// resolve starts the resolver.
func (d DoH) resolve(ctx context.Context, r *lab.Run) (*lab.Process, error) {
	h, server, client := r.Host("resolver"), r.Host("server"), r.Host("client")
	if d.Kind == "go" {
		s, err := webapp.Start(ctx, r, h, webapp.Options{
			Kind: "go", Name: resolverName, Port: d.Port, Program: "resolver", Args: []string{server.Addr().String() + ":53"}, Clients: []*lab.Host{client},
		})
		if err != nil {
			return nil, err
		}
		return s.App, nil
	}
	if _, err := webapp.Certify(ctx, r, h, "ecdsa", resolverName, client); err != nil {
		return nil, err
	}
	if err := h.Write("dns.conf", fmt.Sprintf(unboundConf, d.Port, h.Dir(), d.Domain, server.Addr()), 0o644); err != nil {
		return nil, err
	}
	r.Installed(h, "unbound")
	p, err := h.Start(ctx, lab.Command{Args: []string{"unbound", "-d", "-c", h.Dir() + "/dns.conf"}})
	if err != nil {
		return nil, err
	}
	return p, h.WaitListen(ctx, "tcp", d.Port)
}

// DoHStub is a program that hands each DNS message which comes to port 53 of
// 127.0.0.1 to a resolver over HTTPS. Its arguments are the resolver's URL,
// "GET" or "POST", and the version of HTTP, "1" or "2": with 1 each question
// that is not answered yet has a connection.
func DoHStub(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("a URL, a method and a version are needed")
	}
	transport := &http.Transport{ForceAttemptHTTP2: args[2] == "2", IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 8, TLSClientConfig: &tls.Config{}}
	if args[2] == "1" {
		transport.TLSNextProto = make(map[string]func(string, *tls.Conn) http.RoundTripper)
	}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	return answer(ctx, "127.0.0.1:53", func(question []byte) ([]byte, error) {
		q, err := dohRequest(ctx, args[1], args[0], question)
		if err != nil {
			return nil, err
		}
		a, err := client.Do(q)
		if err != nil {
			return nil, err
		}
		defer a.Body.Close()
		if a.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the resolver says %s", a.Status)
		}
		return io.ReadAll(io.LimitReader(a.Body, mostDNSBytes))
	})
}

// dohRequest is the request of a question (RFC 8484, section 4.1).
func dohRequest(ctx context.Context, method, url string, question []byte) (q *http.Request, err error) {
	if method == http.MethodGet {
		q, err = http.NewRequestWithContext(ctx, method, url+"?dns="+base64.RawURLEncoding.EncodeToString(question), nil)
	} else {
		q, err = http.NewRequestWithContext(ctx, method, url, bytes.NewReader(question))
	}
	if err != nil {
		return nil, err
	}
	q.Header.Set("Accept", dnsMessage)
	if method == http.MethodPost {
		q.Header.Set("Content-Type", dnsMessage)
	}
	return q, nil
}

// DoHServer is a program that answers DNS over HTTPS with what a server of DNS
// says. Its arguments are those of webapp.Serve and the server's address.
func DoHServer(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("three arguments are needed")
	}
	return webapp.Serve(ctx, args, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		question, err := dohQuestion(q)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a, err := ask(args[2], question)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", dnsMessage)
		w.Header().Set("Cache-Control", "max-age=0")
		w.Write(a) // a client that has gone gets nothing
	}))
}

// dohQuestion reads the question of a request.
func dohQuestion(q *http.Request) ([]byte, error) {
	if q.Method == http.MethodGet {
		return base64.RawURLEncoding.DecodeString(q.URL.Query().Get("dns"))
	}
	return io.ReadAll(io.LimitReader(q.Body, mostDNSBytes))
}

// ask sends a question by UDP and returns the answer.
func ask(server string, question []byte) ([]byte, error) {
	c, err := net.Dial("udp", server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second)) // Read tells if it cannot be set
	if _, err := c.Write(question); err != nil {
		return nil, err
	}
	a := make([]byte, mostDNSBytes)
	n, err := c.Read(a)
	return a[:n], err
}

// answer answers the datagrams that come to an address, several at a time,
// until ctx ends. Those for which there is no answer get none.
func answer(ctx context.Context, address string, find func([]byte) ([]byte, error)) error {
	l, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		question := make([]byte, mostDNSBytes)
		n, from, err := l.ReadFrom(question)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			a, err := find(question[:n])
			if err == nil {
				_, err = l.WriteTo(a, from)
			}
			if err != nil && ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}
