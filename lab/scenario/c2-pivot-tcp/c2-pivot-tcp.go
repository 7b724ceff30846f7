// Package c2pivottcp is a beacon that reaches its controller through another.
package c2pivottcp

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
)

// Scenario lets an agent speak TCP to one on another host of its site, which
// takes what it says to the controller over HTTPS.
var Scenario = lab.Scenario{
	Name:       "c2-pivot-tcp",
	Doc:        "An agent without a way out speaks TCP to an agent on the next host, which carries it to the controller in its own HTTPS check-ins. Teaches chains of beacons.",
	Labels:     append(c2.Labels(), label.Tunnel),
	Techniques: []string{"T1090.001", "T1071.001", "T1095", "T1573"},
	Twin:       "stunnel",
	Hosts:      []string{"client", "pivot", "server"},
	Near:       []string{"pivot"},
	Variants: []lab.Variant{
		variant("reverse-go"), variant("bind-go"), variant("reverse-nginx", "nginx"), variant("bind-nginx", "nginx"),
	},
	Params: append(c2.Params(),
		lab.Param{Name: "port", Doc: "between the agents", Values: []string{"4444", "8080", "445", "9100", "50050"}},
		lab.Param{Name: "outer", Doc: "interval of the agent in the middle", Values: []string{"200ms", "500ms", "1s"}},
		lab.Param{Name: "connection", Doc: "of the agent in the middle: a new one each time, or one for all", Values: []string{"new", "keep"}},
		lab.Param{Name: "shape", Doc: "of its messages: bare, in cookies and pages, in JSON with padding", Values: []string{"raw", "cookie", "json"}},
		lab.Param{Name: "name", Doc: "of the server", Values: []string{"cdn-sync.example", "api.telemetry.example", "static.example.org"}}),
	Programs: c2.Programs(),
	Limit:    8 * time.Minute,
	Run:      run,
}

func variant(name string, needs ...string) lab.Variant {
	return lab.Variant{Name: name, Needs: append(needs, "openssl", "ss", "ps", "ip")}
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
	outer.KeepAlive, outer.Name, outer.Front = r.Param("connection") == "keep", r.Param("name"), web == "nginx"
	outer.Server, outer.Bind = netip.AddrPortFrom(server.Addr(), 443), way == "bind"
	if outer.Interval, err = time.ParseDuration(r.Param("outer")); err != nil {
		return err
	}
	if err := c2.Secure(ctx, r, pivot, server, outer); err != nil {
		return err
	}
	inner.Transport, inner.Bind, inner.Part = "tcp", outer.Bind, 16<<10
	inner.Server = netip.AddrPortFrom(pivot.Addr(), uint16(r.ParamInt("port")))
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
	middle := lab.Command{Program: "pivot", Args: []string{":" + r.Param("port")}}
	var p *lab.Process
	err = lab.Together(ctx, func(ctx context.Context) error {
		if way == "bind" {
			if err := client.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
				return err
			}
			middle.Args[0] = fmt.Sprint(client.Addr()) + middle.Args[0]
		}
		var err error
		if p, err = pivot.Start(ctx, middle); err != nil {
			return err
		}
		return p.Wait(ctx)
	}, func(ctx context.Context) error {
		if way == "reverse" {
			if err := pivot.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
				return err
			}
		}
		return s.Work(ctx, client)
	})
	if err != nil {
		return err
	}
	if err := s.Finish(r, client, server); err != nil {
		return err
	}
	outer.Bind = false // of its own flows, it is the originator
	return c2.Tell(r, p, outer)
}
