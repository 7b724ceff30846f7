// Package web starts HTTPS servers of two implementations on the hosts of a
// lab. Both serve files and tell when each request began and was over.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/pki"
)

// Server is a web server that listens on port 443 and serves what is in Root.
type Server struct {
	Process *lab.Process
	Root    string // directory on the host
}

// Request is what a server tells of a request. Times are on the capture's clock.
type Request struct {
	Began, Over label.Time
	Method      string
	Path        string
}

// Needs are the programs of a server of that kind, for lab.Variant.Needs.
func Needs(kind string) []string {
	return map[string][]string{"nginx": {"nginx", "openssl"}, "go": {"openssl"}}[kind]
}

// Programs are for lab.Scenario.Programs of scenarios that use this package.
func Programs() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"web": serve}
}

// Start starts a server of kind "nginx" or "go" and waits until it listens.
func Start(ctx context.Context, r *lab.Run, h *lab.Host, kind string, c pki.Certificate) (*Server, error) {
	s := &Server{Root: h.Dir() + "/www"}
	var command lab.Command
	switch kind {
	case "nginx":
		command = lab.Command{Args: []string{"nginx", "-p", h.Dir(), "-c", "nginx.conf"}}
		r.Installed(h, "nginx")
	case "go":
		command = lab.Command{Program: "web"}
		r.Software(h.Name(), "net/http", runtime.Version())
	default:
		return nil, fmt.Errorf("there is no web server %q", kind)
	}
	err := errors.Join(c.Write(h, "server"), h.Write("nginx.conf", nginxConf, 0o644), h.Write("www/index.html", "<p>It works.</p>\n", 0o644))
	if err != nil {
		return nil, err
	}
	if s.Process, err = h.Start(ctx, command); err != nil {
		return nil, err
	}
	return s, h.WaitListen(ctx, "tcp", 443)
}

const nginxConf = `daemon off; user root; error_log stderr warn; pid nginx.pid;
events { worker_connections 256; }
http {
	log_format times "$msec $request_time $request_method $uri"; access_log /dev/stdout times;
	server { listen 443 ssl http2; ssl_certificate server.pem; ssl_certificate_key server.key; root www; }
}
`

// serve is the server written in Go. It tells of each request what nginx is
// told to.
func serve(ctx context.Context, _ []string) error {
	files := http.FileServer(http.Dir("www"))
	server := &http.Server{Addr: ":443", TLSConfig: &tls.Config{}, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		began := time.Now()
		files.ServeHTTP(w, q)
		over := time.Now()
		fmt.Printf("%.6f %.6f %s %s\n", float64(over.UnixMicro())/1e6, over.Sub(began).Seconds(), q.Method, q.URL.Path)
	})}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ListenAndServeTLS("server.pem", "server.key"); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Stop ends the server and returns the requests it told of, in the order they
// were over.
func (s *Server) Stop() (all []Request, err error) {
	s.Process.Stop()
	for line := range strings.Lines(s.Process.Output()) {
		var q Request
		var over, took float64
		if n, _ := fmt.Sscanf(line, "%f %f %s %s", &over, &took, &q.Method, &q.Path); n != 4 {
			return nil, fmt.Errorf("the web server says %q", line)
		}
		q.Over = label.Time(over * 1e9)
		q.Began = q.Over - label.Time(took*1e9)
		all = append(all, q)
	}
	return all, nil
}
