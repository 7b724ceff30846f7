// Package websockettunnel is TCP connections inside WebSockets.
package websockettunnel

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
	"tyto/lab/pki"
)

// Scenario reaches services through WebSockets over TLS or in the clear.
var Scenario = lab.Scenario{
	Name:       "websocket-tunnel",
	Doc:        "TCP connections are inside WebSocket connections over TLS or in the clear, to the tunnel's own server or through nginx. Teaches tunnels beside web chats and dashboards.",
	Labels:     []label.Label{label.Tunnel},
	Techniques: []string{"T1572", "T1071.001"},
	Twin:       "websocket-chat",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "wss-python", Needs: inner.Needs("python3", "py:websockets")},
		{Name: "wss-nginx", Needs: inner.Needs("python3", "py:websockets", "nginx")},
		{Name: "ws-python", Needs: inner.Needs("python3", "py:websockets")},
		{Name: "ws-nginx", Needs: inner.Needs("python3", "py:websockets", "nginx")},
	},
	Params: append(inner.Params("40", "300", "2000"),
		lab.Param{Name: "port", Doc: "of the server; usual is 443 or 80", Values: []string{"usual", "usual", "9443", "3000"}},
		lab.Param{Name: "path", Doc: "that the URLs begin with, where nginx is in front", Values: []string{"/tunnel/", "/api/v2/stream/", "/ws/"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

var (
	//go:embed tunnel.py
	tunnel string
	//go:embed nginx.conf
	nginx string
)

const name = "edge.corp.example"

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	s, err := inner.Start(ctx, r, server, false)
	if err != nil {
		return err
	}
	authority, err := pki.New(r, "Edge Root")
	if err != nil {
		return err
	}
	cert, err := authority.Issue("ecdsa", name)
	if err != nil {
		return err
	}
	err = errors.Join(cert.Write(server, "edge"), client.Write("ca.pem", authority.PEM, 0o644), client.Names(map[string]*lab.Host{name: server}),
		server.Write("tunnel.py", tunnel, 0o644), client.Write("tunnel.py", tunnel, 0o644))
	if err != nil {
		return err
	}
	scheme, kind, _ := strings.Cut(r.Variant(), "-")
	port := r.Param("port")
	if port == "usual" {
		port = map[string]string{"wss": "443", "ws": "80"}[scheme]
	}
	path, listen, args, trust := "/", port, []string{"0.0.0.0", port}, []string{}
	if scheme == "wss" {
		trust, listen = []string{"ca.pem"}, port+" ssl"
	}
	switch {
	case kind == "nginx":
		path, args = r.Param("path"), []string{"127.0.0.1", "7000"}
		r.Installed(server, "nginx")
		if err := server.Write("nginx.conf", fmt.Sprintf(nginx, listen, path), 0o644); err != nil {
			return err
		}
		if _, err := server.Start(ctx, lab.Command{Args: []string{"nginx", "-p", server.Dir(), "-c", "nginx.conf"}}); err != nil {
			return err
		}
	case scheme == "wss":
		args = append(args, "edge.pem", "edge.key")
	}
	args = append([]string{"/usr/bin/python3", "tunnel.py", "server"}, append(args, fmt.Sprint("web=", s.Port), "ssh=22")...)
	r.Installed(server, "py:websockets")
	if _, err := server.Start(ctx, lab.Command{Args: args}); err != nil {
		return err
	}
	for _, p := range []string{args[4], port} {
		var n int
		fmt.Sscan(p, &n)
		if err := server.WaitListen(ctx, "tcp", n); err != nil {
			return err
		}
	}
	r.Installed(client, "py:websockets")
	return s.Carry(ctx, r, func(ctx context.Context, activity string) (inner.Way, error) {
		entry, to := inner.LocalPort(activity), "web"
		if activity == "shell" {
			to = "ssh"
		}
		url := fmt.Sprintf("%s://%s:%s%s%s", scheme, name, port, path, to)
		p, err := client.Start(ctx, lab.Command{Args: append([]string{"/usr/bin/python3", "tunnel.py", "client", fmt.Sprint(entry), url}, trust...)})
		if err != nil {
			return inner.Way{}, err
		}
		return inner.Way{Addr: "127.0.0.1", Web: entry, SSH: entry, Outer: inner.Single(lab.Of(p)), Each: true, Labels: []label.Label{label.Tunnel}}, client.WaitListen(ctx, "tcp", entry)
	})
}
