// Package v2raywebsocket is connections through v2ray inside WebSockets.
package v2raywebsocket

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/anon"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario reaches a third host through WebSockets over TLS.
var Scenario = lab.Scenario{
	Name:       "v2ray-websocket",
	Doc:        "Programs reach another host through v2ray inside WebSockets over TLS, to v2ray itself or through nginx, which has a web site too. Teaches proxies that look like a site's own WebSockets.",
	Labels:     []label.Label{label.Proxy, label.Tunnel},
	Techniques: []string{"T1090.002", "T1573.002", "T1071.001"},
	Twin:       "websocket-chat",
	Hosts:      []string{"client", "proxy", "web"},
	Variants: []lab.Variant{
		{Name: "vmess-v2ray", Needs: inner.Needs("v2ray", "nc")}, {Name: "vmess-nginx", Needs: inner.Needs("v2ray", "nc", "nginx")},
		{Name: "vless-nginx", Needs: inner.Needs("v2ray", "nc", "nginx")},
	},
	Params: anon.V2RayParams(
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "8443"}},
		lab.Param{Name: "path", Doc: "of the URL", Values: []string{"/", "/ws", "/api/v1/events", "/chat"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

//go:embed nginx.conf
var nginx string

func run(ctx context.Context, r *lab.Run) error {
	proxy := r.Host("proxy")
	protocol, front, _ := strings.Cut(r.Variant(), "-")
	v := anon.V2Ray{
		Protocol: protocol, Network: "ws", Port: r.ParamInt("port"), TLS: front == "v2ray",
		Settings: anon.Object{"path": r.Param("path"), "headers": anon.Object{"Host": anon.Name}},
	}
	if front == "nginx" {
		v.Behind = 10000 + r.Rand().IntN(20000)
		v.Front = func(ctx context.Context) error {
			r.Installed(proxy, "nginx")
			if err := proxy.Write("nginx.conf", fmt.Sprintf(nginx, r.Param("port"), r.Param("path"), v.Behind), 0o644); err != nil {
				return err
			}
			_, err := proxy.Start(ctx, lab.Command{Args: []string{"nginx", "-p", proxy.Dir(), "-c", "nginx.conf"}})
			return err
		}
	}
	return v.Carry(ctx, r)
}
