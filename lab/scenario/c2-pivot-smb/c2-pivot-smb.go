// Package c2pivotsmb is a beacon that reaches its controller through another,
// over a named pipe.
package c2pivotsmb

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
	"tyto/lab/winrpc"
)

// Scenario lets two agents of one site speak over a named pipe of SMB; the one
// in the middle takes what the other says to the controller over HTTPS.
var Scenario = lab.Scenario{
	Name:       "c2-pivot-smb",
	Doc:        "An agent without a way out speaks over a named pipe of SMB to an agent on the next host, which carries it to the controller in its own HTTPS check-ins. Teaches a beacon inside file sharing.",
	Labels:     append(c2.Labels(), label.Tunnel),
	Techniques: []string{"T1090.001", "T1071.002", "T1071.001", "T1021.002", "T1573"},
	Twin:       "service-admin",
	Hosts:      []string{"client", "pivot", "server"},
	Near:       []string{"pivot"},
	Variants:   []lab.Variant{variant("reverse-go"), variant("bind-go"), variant("reverse-nginx", "nginx"), variant("bind-nginx", "nginx")},
	Params: append(c2.Params(),
		lab.Param{Name: "pipe", Doc: "its name", Values: []string{"msagent_4f", "mojo.5688.8052", "status_4f", "wkssvc2", "spoolss3", "postex_a1c0"}},
		lab.Param{Name: "encryption", Doc: "of SMB", Values: []string{"off", "off", "required"}},
		lab.Param{Name: "outer", Doc: "interval of the agent in the middle", Values: []string{"200ms", "500ms", "1s"}},
		lab.Param{Name: "shape", Doc: "of its messages: bare, in cookies and pages, in JSON with padding", Values: []string{"raw", "cookie", "json"}},
		lab.Param{Name: "name", Doc: "of the server", Values: []string{"cdn-sync.example", "api.telemetry.example", "static.example.org"}}),
	Programs: c2.Programs(),
	Limit:    8 * time.Minute,
	Run:      run,
}

func variant(name string, needs ...string) lab.Variant {
	return lab.Variant{Name: name, Needs: append(append(needs, "openssl", "ss", "ps", "ip"), winrpc.Needs()...)}
}

func run(ctx context.Context, r *lab.Run) error {
	client, pivot, server := r.Host("client"), r.Host("pivot"), r.Host("server")
	way, web, _ := strings.Cut(r.Variant(), "-")
	r.SetParam("size", fmt.Sprint(min(r.ParamInt("size"), 150))) // each part waits for a check-in
	inner, err := c2.Draw(r, false)
	if err != nil {
		return err
	}
	outer := inner
	outer.Agent, outer.Tasks, outer.Transport, outer.Client, outer.Shape = "pivot", nil, "https", "go", r.Param("shape")
	outer.KeepAlive, outer.Name, outer.Front = true, r.Param("name"), web == "nginx"
	outer.Server, outer.Bind = netip.AddrPortFrom(server.Addr(), 443), way == "bind"
	if outer.Interval, err = time.ParseDuration(r.Param("outer")); err != nil {
		return err
	}
	if err := c2.Secure(ctx, r, pivot, server, outer); err != nil {
		return err
	}
	inner.Transport, inner.Bind, inner.Part = "tcp", outer.Bind, 16<<10
	inner.Server = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), winrpc.FarPort)
	if err := outer.WritePivot(pivot); err != nil {
		return err
	}
	controller := inner // which the agents' messages reach over HTTPS
	controller.Transport, controller.Shape, controller.Front = "https", outer.Shape, outer.Front
	s, err := c2.Prepare(ctx, r, client, server, controller)
	if err != nil {
		return err
	}
	s.Plan = inner
	if err := s.Give(client); err != nil {
		return err
	}
	middle, err := winrpc.Bridged(ctx, r, s, r.Param("pipe"), winrpc.Options{Encrypt: r.Param("encryption") == "required"})
	if err != nil {
		return err
	}
	if err := s.Finish(r, client, server); err != nil {
		return err
	}
	outer.Bind = false // of its own flows, it is the originator
	return c2.Tell(r, middle, outer)
}
