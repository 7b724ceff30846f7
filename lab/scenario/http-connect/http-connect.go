// Package httpconnect is connections through an HTTP proxy.
package httpconnect

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/anon"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario reaches a third host with CONNECT.
var Scenario = lab.Scenario{
	Name:       "http-connect",
	Doc:        "Programs reach another host through an HTTP proxy with CONNECT, each connection in one of its own. Teaches TLS and SSH that begin after a cleartext request.",
	Labels:     []label.Label{label.Proxy, label.Tunnel},
	Techniques: []string{"T1090.002"},
	Twin:       "https-download",
	Hosts:      []string{"client", "proxy", "web"},
	Variants: []lab.Variant{
		{Name: "curl-tinyproxy", Needs: inner.Needs("tinyproxy@tinyproxy-bin", "nc", "ncat")},
		{Name: "curl-squid", Needs: inner.Needs("squid", "nc", "ncat")},
	},
	Params: append(inner.Params("40", "300", "2000"),
		lab.Param{Name: "port", Doc: "of the proxy", Values: []string{"3128", "8080", "8888", "80", "443"}},
		lab.Param{Name: "auth", Doc: "how the client is known", Values: []string{"none", "password"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

const (
	user     = "pxuser"
	tinyConf = "Port %s\nTimeout 600\nMaxClients 50\nConnectPort 443\nConnectPort 80\nConnectPort 22\n%s"
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
	way := inner.Way{Proxy: fmt.Sprintf("http://%s:%s", proxy.Addr(), r.Param("port")), Outer: lab.Of, Each: true, Labels: []label.Label{label.Proxy, label.Tunnel}}
	if r.Param("auth") == "password" {
		way.Login = fmt.Sprintf("%s:px%08x", user, r.Rand().Uint32())
	}
	_, kind, _ := strings.Cut(r.Variant(), "-")
	if err := start(ctx, r, kind, way.Login); err != nil {
		return err
	}
	return s.Carry(ctx, r, func(context.Context, string) (inner.Way, error) { return way, nil })
}

// start starts the proxy, which asks for name and password if there is a login.
func start(ctx context.Context, r *lab.Run, kind, login string) error {
	h := r.Host("proxy")
	if kind == "squid" {
		return anon.Squid(ctx, r, h, r.ParamInt("port"), login)
	}
	r.Installed(h, "tinyproxy@tinyproxy-bin")
	asks := ""
	if name, password, ok := strings.Cut(login, ":"); ok {
		asks = fmt.Sprintf("BasicAuth %s %s\n", name, password)
	}
	if err := h.Write("proxy.conf", fmt.Sprintf(tinyConf, r.Param("port"), asks), 0o644); err != nil {
		return err
	}
	if _, err := h.Start(ctx, lab.Command{Args: []string{"tinyproxy", "-d", "-c", "proxy.conf"}}); err != nil {
		return err
	}
	return h.WaitListen(ctx, "tcp", r.ParamInt("port"))
}
