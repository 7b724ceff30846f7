// Package socksproxy is connections through a SOCKS proxy.
package socksproxy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario reaches a third host through a SOCKS 5 proxy.
var Scenario = lab.Scenario{
	Name:       "socks-proxy",
	Doc:        "Programs reach another host through a SOCKS 5 proxy, each connection in one of its own. Teaches what is inside after a cleartext handshake.",
	Labels:     []label.Label{label.Proxy, label.Tunnel},
	Techniques: []string{"T1090.002"},
	Twin:       "http-connect",
	Hosts:      []string{"client", "proxy", "web"},
	Variants: []lab.Variant{
		{Name: "curl-microsocks", Needs: inner.Needs("microsocks", "nc", "ncat")},
		{Name: "curl-dante", Needs: inner.Needs("danted@dante-server", "nc", "ncat")},
	},
	Params: append(inner.Params("40", "300", "2000"),
		lab.Param{Name: "port", Doc: "of the proxy", Values: []string{"1080", "1080", "9050", "8080", "443"}},
		lab.Param{Name: "auth", Doc: "how the client is known", Values: []string{"none", "password"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

const (
	user     = "pxuser"
	dantConf = `logoutput: stderr
internal: 0.0.0.0 port = %s
external: %s
user.privileged: root
user.unprivileged: root
clientmethod: none
socksmethod: %s
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
`
)

func run(ctx context.Context, r *lab.Run) error {
	proxy, web := r.Host("proxy"), r.Host("web")
	s, err := inner.Start(ctx, r, web, true)
	if err != nil {
		return err
	}
	if err := proxy.Names(map[string]*lab.Host{s.Name: web}); err != nil {
		return err
	}
	way := inner.Way{Proxy: fmt.Sprintf("socks5h://%s:%s", proxy.Addr(), r.Param("port")), Outer: lab.Of, Each: true, Labels: []label.Label{label.Proxy, label.Tunnel}}
	password := ""
	if r.Param("auth") == "password" {
		password = fmt.Sprintf("px%08x", r.Rand().Uint32())
		way.Login = user + ":" + password
	}
	_, kind, _ := strings.Cut(r.Variant(), "-")
	if err := start(ctx, r, kind, password); err != nil {
		return err
	}
	if err := proxy.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
		return err
	}
	return s.Carry(ctx, r, func(context.Context, string) (inner.Way, error) { return way, nil })
}

// start starts the proxy, which asks for a password if there is one.
func start(ctx context.Context, r *lab.Run, kind, password string) error {
	h, port := r.Host("proxy"), r.Param("port")
	args, method := []string{"microsocks", "-p", port}, "none"
	if password != "" {
		args, method = append(args, "-u", user, "-P", password), "username"
	}
	r.Installed(h, map[string]string{"microsocks": "microsocks", "dante": "danted@dante-server"}[kind])
	if kind == "dante" {
		args = []string{"danted", "-f", "danted.conf"}
		if err := h.Write("danted.conf", fmt.Sprintf(dantConf, port, h.Addr(), method), 0o644); err != nil {
			return err
		}
		if password != "" {
			if err := h.AddUser(ctx, user, password); err != nil {
				return err
			}
		}
	}
	_, err := h.Start(ctx, lab.Command{Args: args})
	return err
}
