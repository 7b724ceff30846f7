// Package stunnel is a plain service that is reached through TLS.
package stunnel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
	"tyto/lab/pki"
)

// Scenario wraps each connection to inner services in TLS of its own.
var Scenario = lab.Scenario{
	Name:       "stunnel",
	Doc:        "Services are reached through stunnel, each connection in a TLS connection of its own. Teaches what is inside TLS that is not the web's, SSH too.",
	Labels:     []label.Label{label.Tunnel},
	Techniques: []string{"T1572", "T1573.002"},
	Twin:       "https-download",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{variant("stunnel", "stunnel"), variant("socat", "stunnel"), variant("stunnel", "socat")},
	Params: append(inner.Params("40", "300", "2000"),
		lab.Param{Name: "port", Doc: "of the server; the next is for SSH", Values: []string{"443", "443", "992", "8443", "5061"}},
		lab.Param{Name: "tls", Doc: "newest version allowed", Values: []string{"1.3", "1.3", "1.2"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

func variant(client, server string) lab.Variant {
	return lab.Variant{Name: client + "-" + server, Needs: inner.Needs(client, server)}
}

const name = "gate.corp.example"

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	s, err := inner.Start(ctx, r, server, false)
	if err != nil {
		return err
	}
	authority, err := pki.New(r, "Gate Root")
	if err != nil {
		return err
	}
	cert, err := authority.Issue("rsa", name)
	if err != nil {
		return err
	}
	err = errors.Join(cert.Write(server, "gate"), server.Write("both.pem", cert.Chain+cert.Key, 0o600), client.Write("ca.pem", authority.PEM, 0o644))
	if err != nil {
		return err
	}
	ours, theirs, _ := strings.Cut(r.Variant(), "-")
	r.Installed(client, ours)
	r.Installed(server, theirs)
	web := r.ParamInt("port")
	ports := map[string][2]int{"web": {web, s.Port}, "ssh": {web + 1, 22}} // outer, inner
	for _, p := range ports {
		if err := serve(ctx, r, theirs, p[0], p[1]); err != nil {
			return err
		}
	}
	return s.Carry(ctx, r, func(ctx context.Context, activity string) (inner.Way, error) {
		outer := ports["web"][0]
		if activity == "shell" {
			outer = ports["ssh"][0]
		}
		port := inner.LocalPort(activity)
		p, err := connect(ctx, r, ours, port, outer)
		return inner.Way{Addr: "127.0.0.1", Web: port, SSH: port, Outer: inner.Single(lab.Of(p)), Each: true, Labels: []label.Label{label.Tunnel}}, err
	})
}

// serve starts a server that unwraps connections to an outer port.
func serve(ctx context.Context, r *lab.Run, kind string, outer, port int) error {
	h := r.Host("server")
	file := fmt.Sprintf("gate-%d.conf", outer)
	args := []string{"stunnel", file}
	conf := fmt.Sprintf("foreground = yes\nsyslog = no\npid =\n[gate]\naccept = 0.0.0.0:%d\nconnect = 127.0.0.1:%d\ncert = gate.pem\nkey = gate.key\nsslVersionMax = TLSv%s\n", outer, port, r.Param("tls"))
	if kind == "socat" {
		args = []string{"socat", fmt.Sprintf("OPENSSL-LISTEN:%d,reuseaddr,fork,nodelay,cert=both.pem,verify=0,openssl-max-proto-version=TLS%s", outer, r.Param("tls")), fmt.Sprintf("TCP4:127.0.0.1:%d,nodelay", port)}
	}
	if err := h.Write(file, conf, 0o600); err != nil {
		return err
	}
	if _, err := h.Start(ctx, lab.Command{Args: args}); err != nil {
		return err
	}
	return h.WaitListen(ctx, "tcp", outer)
}

// connect starts a client that wraps connections to a port of its own host.
func connect(ctx context.Context, r *lab.Run, kind string, port, outer int) (*lab.Process, error) {
	h, server := r.Host("client"), r.Host("server").Addr()
	file := fmt.Sprintf("gate-%d.conf", port)
	args := []string{"stunnel", file}
	conf := fmt.Sprintf("foreground = yes\nsyslog = no\npid =\n[gate]\nclient = yes\naccept = 127.0.0.1:%d\nconnect = %s:%d\nsni = %s\ncheckHost = %s\nCAfile = ca.pem\nverifyChain = yes\nsslVersionMax = TLSv%s\n", port, server, outer, name, name, r.Param("tls"))
	if kind == "socat" {
		args = []string{"socat", fmt.Sprintf("TCP4-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork,nodelay", port), fmt.Sprintf("OPENSSL:%s:%d,nodelay,cafile=ca.pem,commonname=%s,snihost=%s,openssl-max-proto-version=TLS%s", server, outer, name, name, r.Param("tls"))}
	}
	if err := h.Write(file, conf, 0o600); err != nil {
		return nil, err
	}
	p, err := h.Start(ctx, lab.Command{Args: args})
	if err != nil {
		return nil, err
	}
	return p, h.WaitListen(ctx, "tcp", port)
}
