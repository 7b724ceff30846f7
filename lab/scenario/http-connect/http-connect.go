// Package httpconnect is connections through an HTTP proxy.
package httpconnect

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
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
	user      = "pxuser"
	tinyConf  = "Port %s\nTimeout 600\nMaxClients 50\nConnectPort 443\nConnectPort 80\nConnectPort 22\n%s"
	squidConf = `http_port %s
pid_filename none
access_log none
cache_log /dev/null
cache_store_log none
cache deny all
cache_effective_user proxy
coredump_dir none
shutdown_lifetime 0 seconds
max_filedescriptors 1024
dns_nameservers 127.0.0.1
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
	way := inner.Way{Proxy: fmt.Sprintf("http://%s:%s", proxy.Addr(), r.Param("port")), Outer: lab.Of, Each: true, Labels: []label.Label{label.Proxy, label.Tunnel}}
	if r.Param("auth") == "password" {
		way.Login = fmt.Sprintf("%s:px%08x", user, r.Rand().Uint32())
	}
	_, kind, _ := strings.Cut(r.Variant(), "-")
	if err := start(ctx, r, kind, way.Login); err != nil {
		return err
	}
	if err := proxy.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
		return err
	}
	return s.Carry(ctx, r, func(context.Context, string) (inner.Way, error) { return way, nil })
}

// helper answers squid's question whether a name and password are right.
const helper = "#!/bin/sh\nwhile read name password; do [ \"$name:$password\" = '%s' ] && echo OK || echo ERR; done\n"

// start starts the proxy, which asks for name and password if there is a login.
func start(ctx context.Context, r *lab.Run, kind, login string) error {
	h, port := r.Host("proxy"), r.Param("port")
	name, password, asks := strings.Cut(login, ":")
	args, conf, lines := []string{"tinyproxy", "-d", "-c", "proxy.conf"}, tinyConf, ""
	if asks {
		lines = fmt.Sprintf("BasicAuth %s %s\n", name, password)
	}
	r.Installed(h, map[string]string{"tinyproxy": "tinyproxy@tinyproxy-bin", "squid": "squid"}[kind])
	if kind == "squid" {
		args, conf = []string{"squid", "-N", "-f", "proxy.conf"}, squidConf+"%s"
		lines = "http_access allow all\n"
		if asks {
			lines = fmt.Sprintf("auth_param basic program %s/helper\nauth_param basic children 1\nacl known proxy_auth REQUIRED\nhttp_access allow known\n", h.Dir())
			if err := h.Write("helper", fmt.Sprintf(helper, login), 0o755); err != nil {
				return err
			}
		}
	}
	if err := h.Write("proxy.conf", fmt.Sprintf(conf, port, lines), 0o644); err != nil {
		return err
	}
	_, err := h.Start(ctx, lab.Command{Args: args})
	return err
}
