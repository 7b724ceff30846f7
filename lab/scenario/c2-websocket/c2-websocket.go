// Package c2websocket is a beacon inside one long WebSocket connection.
package c2websocket

import (
	"context"
	"net/netip"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
)

// Scenario lets an agent check in over a WebSocket and gives it work now and
// then.
var Scenario = lab.Scenario{
	Name:       "c2-websocket",
	Doc:        "An agent holds one WebSocket connection to its controller, checks in there and is given work at times. Teaches a beacon's rhythm inside one session.",
	Labels:     c2.Labels(),
	Techniques: []string{"T1071.001", "T1573.002", "T1041", "T1105"},
	Twin:       "websocket-chat",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "go-go", Needs: []string{"openssl", "ss", "ps", "ip"}}, {Name: "go-nginx", Needs: []string{"nginx", "openssl", "ss", "ps", "ip"}},
	},
	Params: append(c2.Params(),
		lab.Param{Name: "part", Doc: "kB of a file in one message", Values: []string{"4", "16", "64"}},
		lab.Param{Name: "certificate", Doc: "checked by the agent or not", Values: []string{"checked", "ignored"}},
		lab.Param{Name: "name", Doc: "of the server", Values: []string{"live.example.net", "push.telemetry.example", "ws.chat.example.org"}}),
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
	p.Transport, p.Client, p.Front, p.Name = "websocket", "go", r.Variant() == "go-nginx", r.Param("name")
	p.Server = netip.AddrPortFrom(server.Addr(), 443)
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
