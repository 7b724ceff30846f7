// Package haproxytls is web sites behind a proxy that ends TLS.
package haproxytls

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/anon"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario uses a site through haproxy, at the site's end or the company's own.
var Scenario = lab.Scenario{
	Name:   "haproxy-tls",
	Doc:    "A web site is behind haproxy, which ends TLS; or a company inspects TLS with it: then the connections to the site are haproxy's. Benign traffic whose TLS and HTTP are not a browser's or server's own.",
	Labels: []label.Label{label.Browse, label.Download, label.Upload, label.Stream, label.Keepalive},
	Twin:   "stunnel",
	Hosts:  []string{"client", "inspector", "gate", "web"},
	Near:   []string{"inspector"},
	Variants: []lab.Variant{
		{Name: "terminate", Needs: inner.Needs("haproxy")}, {Name: "inspect", Needs: inner.Needs("haproxy")},
	},
	Params: append(inner.WebParams("40", "300", "2000"),
		lab.Param{Name: "port", Doc: "of haproxy at the site", Values: []string{"443", "443", "443", "8443"}},
		lab.Param{Name: "behind", Doc: "what haproxy at the site speaks to the web server", Values: []string{"http", "https"}},
		lab.Param{Name: "alpn", Doc: "what haproxy offers the client", Values: []string{"h2,http/1.1", "http/1.1"}},
		lab.Param{Name: "tls", Doc: "newest version allowed", Values: []string{"1.3", "1.3", "1.2"}},
		lab.Param{Name: "key", Doc: "of its certificate", Values: []string{"ecdsa", "rsa"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

// conf has haproxy keep a client's connection to the server for that client.
const conf = `global
	log stderr local0 err
defaults
	mode http
	timeout connect 40s
	timeout client 300s
	timeout server 300s
	http-reuse never
frontend front
	bind 0.0.0.0:%d ssl crt site.both alpn %s ssl-max-ver TLSv%s
	default_backend back
backend back
	server web %s %s
`

func run(ctx context.Context, r *lab.Run) error {
	client, web := r.Host("client"), r.Host("web")
	s, err := inner.Start(ctx, r, web, true)
	if err != nil {
		return err
	}
	r.SetParam("scheme", "https")
	s.Port = 443
	h, port, to := r.Host("gate"), r.ParamInt("port"), fmt.Sprintf("%s:443", web.Addr())
	how := "ssl verify required ca-file ca.pem verifyhost " + s.Name + " sni str(" + s.Name + ")"
	if r.Variant() == "inspect" {
		h, port = r.Host("inspector"), 443
		r.SetParam("port", "443")
	} else if r.Param("behind") == "http" {
		to, how = fmt.Sprintf("%s:80", web.Addr()), ""
	}
	cert, err := s.Authority.Issue(r.Param("key"), s.Name)
	if err != nil {
		return err
	}
	err = errors.Join(h.Write("site.both", cert.Chain+cert.Key, 0o600), h.Write("ca.pem", s.Authority.PEM, 0o644),
		h.Write("haproxy.cfg", fmt.Sprintf(conf, port, r.Param("alpn"), r.Param("tls"), to, how), 0o644))
	if err != nil {
		return err
	}
	r.Installed(h, "haproxy")
	p, err := h.Start(ctx, lab.Command{Args: []string{"haproxy", "-db", "-f", "haproxy.cfg"}})
	if err != nil {
		return err
	}
	if err := h.WaitListen(ctx, "tcp", port); err != nil {
		return err
	}
	r.Installed(client, "curl")
	way := inner.Way{Addr: h.Addr().String(), Web: port, Outer: lab.Of, Each: true}
	if r.Variant() == "inspect" {
		way.Outer, way.Early = inner.Single(lab.Of(p)), true
	}
	return s.Carry(ctx, r, func(_ context.Context, activity string) (inner.Way, error) {
		own := way
		own.Labels = []label.Label{anon.Plain[activity]}
		return own, nil
	})
}
