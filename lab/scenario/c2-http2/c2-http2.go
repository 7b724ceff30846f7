// Package c2http2 is a beacon inside one long HTTP/2 connection.
package c2http2

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
)

// Scenario lets an agent check in by streams of one connection, or by messages
// in one of its streams.
var Scenario = lab.Scenario{
	Name:       "c2-http2",
	Doc:        "An agent holds one HTTP/2 connection to its controller: each check-in is a stream, or all are messages of one stream as in remote procedure calls; pings keep it open. Teaches a beacon's rhythm where there are no new sessions.",
	Labels:     c2.Labels(),
	Techniques: []string{"T1071.001", "T1573.002", "T1041", "T1105"},
	Twin:       "telemetry-push",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "streams-go", Needs: []string{"openssl", "ss", "ps", "ip"}}, {Name: "streams-nginx", Needs: []string{"nginx", "openssl", "ss", "ps", "ip"}},
		{Name: "one-go", Needs: []string{"openssl", "ss", "ps", "ip"}},
	},
	Params: c2.AllParams(
		lab.Param{Name: "shape", Doc: "of messages in streams of their own: bare, in cookies and pages, in JSON with padding", Values: []string{"raw", "cookie", "json"}},
		lab.Param{Name: "part", Doc: "kB of a file in one message", Values: []string{"4", "16", "64"}},
		lab.Param{Name: "ping", Doc: "time after which a silent connection is pinged; none if 0", Values: []string{"0s", "3s", "10s"}},
		lab.Param{Name: "certificate", Doc: "checked by the agent or not", Values: []string{"checked", "ignored"}},
		lab.Param{Name: "name", Doc: "of the server", Values: []string{"grpc.sync.example.net", "api.telemetry.example", "edge.cdn-sync.example"}}),
	Programs: c2.Programs(),
	Limit:    6 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	p, err := c2.Draw(r, false)
	if err != nil {
		return err
	}
	streams, front, _ := strings.Cut(r.Variant(), "-")
	p.Transport, p.Client, p.Front, p.Name = "https", "go", front == "nginx", r.Param("name")
	if p.Shape = r.Param("shape"); streams == "one" {
		p.Transport = "stream"
		r.SetParam("shape", "raw")
	}
	if p.Ping, err = time.ParseDuration(r.Param("ping")); err != nil {
		return err
	}
	p.Server, p.HTTP2, p.KeepAlive = netip.AddrPortFrom(server.Addr(), 443), true, true
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
