// Package reversehttpstunnel is a service inside that is reached from outside
// through a connection that was opened from inside.
package reversehttpstunnel

import (
	"context"
	_ "embed"
	"fmt"
	"runtime"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/anon"
	"tyto/lab/inner"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario lets an agent connect to a server, whose users work inside.
var Scenario = lab.Scenario{
	Name:       "reverse-https-tunnel",
	Doc:        "An agent opens a TLS or WebSocket connection to a server outside, whose users reach services of the agent's network through it. Teaches sessions in which the responder asks and the originator answers.",
	Labels:     []label.Label{label.ReverseTunnel, label.Tunnel},
	Techniques: []string{"T1572", "T1090.001", "T1071.001"},
	Twin:       "websocket-chat",
	Hosts:      []string{"client", "server", "inside"},
	Near:       []string{"inside"},
	Variants: []lab.Variant{
		{Name: "tls-go", Needs: inner.Needs()}, {Name: "websocket-go", Needs: inner.Needs()}, {Name: "websocket-nginx", Needs: inner.Needs("nginx")},
	},
	Params: append(inner.Params("40", "300", "1500"),
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "8443"}},
		lab.Param{Name: "name", Doc: "of the server", Values: []string{"updates.example.net", "www.example.org", "relay.example.com"}},
		lab.Param{Name: "path", Doc: "of the WebSocket", Values: []string{"/ws", "/api/v1/stream", "/socket/"}},
		lab.Param{Name: "place", Doc: "where the services are: at the agent, or on another host inside", Values: []string{"client", "inside"}},
		lab.Param{Name: "beat", Doc: "seconds between the agent's signs of life; 0 is none", Values: []string{"0", "5", "15", "30"}},
	),
	Programs: programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

func programs() map[string]func(context.Context, []string) error {
	all := inner.Programs()
	all["agent"], all["server"] = anon.ReverseAgent, anon.ReverseServer
	return all
}

//go:embed nginx.conf
var nginx string

func run(ctx context.Context, r *lab.Run) error {
	client, server, place := r.Host("client"), r.Host("server"), r.Host(r.Param("place"))
	s, err := inner.StartFor(ctx, r, server, place, true)
	if err != nil {
		return err
	}
	if _, err := webapp.Certify(ctx, r, server, "ecdsa", r.Param("name"), client); err != nil {
		return err
	}
	kind, front, _ := strings.Cut(r.Variant(), "-")
	web, ssh, behind := 20000+r.Rand().IntN(5000), 25000+r.Rand().IntN(5000), 30000+r.Rand().IntN(5000)
	v := anon.Reverse{
		Address: "0.0.0.0:" + r.Param("port"), Name: r.Param("name"), Beat: time.Duration(r.ParamInt("beat")) * time.Second,
		Entries: map[string]string{fmt.Sprint("127.0.0.1:", web): "web", fmt.Sprint("127.0.0.1:", ssh): "ssh"},
		Targets: map[string]string{"web": fmt.Sprintf("%s:%d", place.Addr(), s.Port), "ssh": fmt.Sprintf("%s:22", place.Addr())},
	}
	if kind == "websocket" {
		v.Path = r.Param("path")
	}
	r.Software("server", "net/http", runtime.Version())
	r.Software("client", "crypto/tls", runtime.Version())
	if front == "nginx" {
		v.Address, v.Plain = fmt.Sprint("127.0.0.1:", behind), true
		r.Installed(server, "nginx")
		if err := server.Write("nginx.conf", fmt.Sprintf(nginx, r.Param("port"), v.Path, behind), 0o644); err != nil {
			return err
		}
		if _, err := server.Start(ctx, lab.Command{Args: []string{"nginx", "-p", server.Dir(), "-c", "nginx.conf"}}); err != nil {
			return err
		}
	}
	far, err := anon.StartProgram(ctx, server, "server", v)
	if err != nil {
		return err
	}
	if v.Plain {
		if err := server.WaitListen(ctx, "tcp", behind); err != nil {
			return err
		}
	}
	if err := server.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
		return err
	}
	v.Address = fmt.Sprintf("%s:%s", server.Addr(), r.Param("port"))
	p, err := anon.StartProgram(ctx, client, "agent", v)
	if err != nil {
		return err
	}
	outer := lab.Of(p).And(lab.Service(server, "tcp", r.ParamInt("port")))
	r.Label(outer, label.ReverseTunnel, label.Tunnel)
	for _, end := range []*lab.Process{p, far} {
		if err := webapp.Await(ctx, end, "up", 1); err != nil {
			return err
		}
	}
	r.Span(outer, p.Started(), webapp.Events(p)[0].At, label.StateHandshake, kind)
	way := inner.Way{Addr: "127.0.0.1", Web: web, SSH: ssh, Outer: inner.Single(outer), Device: true, Reverse: true}
	if err := s.Carry(ctx, r, func(context.Context, string) (inner.Way, error) { return way, server.WaitListen(ctx, "tcp", web) }); err != nil {
		return err
	}
	p.Stop()
	return nil
}
