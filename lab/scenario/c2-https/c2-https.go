// Package c2https is a beacon over HTTPS.
package c2https

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
)

// Scenario lets an agent check in over HTTPS and gives it work now and then.
var Scenario = lab.Scenario{
	Name:       "c2-https",
	Doc:        "An agent checks in with its controller over HTTPS and is given work at times. Teaches rhythm and jitter, and when a beacon is tasked.",
	Labels:     c2.Labels(),
	Techniques: []string{"T1071.001", "T1573.002", "T1041", "T1105"},
	Twin:       "https-api-poll",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		variant("go-go"), variant("curl-go", "curl"), variant("go-nginx", "nginx"), variant("curl-nginx", "curl", "nginx"),
	},
	Params: append(c2.Params(),
		lab.Param{Name: "http", Doc: "version", Values: []string{"1", "2"}},
		lab.Param{Name: "connection", Doc: "a new one each time, or one for all; always new with curl", Values: []string{"new", "keep"}},
		lab.Param{Name: "shape", Doc: "of messages: bare, in cookies and pages, in JSON with padding", Values: []string{"raw", "cookie", "json"}},
		lab.Param{Name: "part", Doc: "kB of a file in one message", Values: []string{"16", "64", "512"}},
		lab.Param{Name: "certificate", Doc: "checked by the agent or not", Values: []string{"checked", "ignored"}},
		lab.Param{Name: "name", Doc: "of the server", Values: []string{"cdn-sync.example", "api.telemetry.example", "www.weather.example.net", "static.example.org"}}),
	Programs: c2.Programs(),
	Limit:    6 * time.Minute,
	Run:      run,
}

func variant(name string, needs ...string) lab.Variant {
	return lab.Variant{Name: name, Needs: append(needs, "openssl", "ss", "ps", "ip")}
}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	p, err := c2.Draw(r, false)
	if err != nil {
		return err
	}
	program, web, _ := strings.Cut(r.Variant(), "-")
	if program == "curl" {
		r.SetParam("connection", "new")
		r.Installed(client, "curl")
	}
	if r.Param("connection") == "new" && r.Param("part") == "16" {
		r.SetParam("part", "64") // a connection for each of so many takes too long
	}
	p.Transport, p.Client, p.Front, p.Name = "https", program, web == "nginx", r.Param("name")
	p.Server = netip.AddrPortFrom(server.Addr(), 443)
	p.HTTP2, p.KeepAlive, p.Shape = r.Param("http") == "2", r.Param("connection") == "keep", r.Param("shape")
	p.Insecure, p.Part = r.Param("certificate") == "ignored", 1024*r.ParamInt("part")
	if err := c2.Secure(ctx, r, client, server, p); err != nil {
		return err
	}
	s, err := c2.Prepare(ctx, r, client, server, p)
	if err != nil {
		return err
	}
	return s.Play(ctx, r, client, server)
}
