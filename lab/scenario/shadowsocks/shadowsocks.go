// Package shadowsocks is connections through a shadowsocks server.
package shadowsocks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario reaches a third host through shadowsocks, plain or disguised.
var Scenario = lab.Scenario{
	Name:       "shadowsocks",
	Doc:        "Programs reach another host through shadowsocks, each connection in one of random bytes from the first on, or disguised as HTTP or TLS. Teaches proxies without a handshake.",
	Labels:     []label.Label{label.Proxy, label.Tunnel},
	Techniques: []string{"T1090.002", "T1573.001"},
	Twin:       "https-download",
	Hosts:      []string{"client", "proxy", "web"},
	Variants:   []lab.Variant{variant("plain"), variant("http", "obfs-local@simple-obfs"), variant("tls", "obfs-local@simple-obfs")},
	Params: append(inner.Params("40", "300", "2000"),
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"8388", "443", "80", "8443", "21080"}},
		lab.Param{Name: "cipher", Doc: "of the connections", Values: []string{"aes-128-gcm", "aes-256-gcm", "chacha20-ietf-poly1305", "xchacha20-ietf-poly1305"}},
		lab.Param{Name: "host", Doc: "name in the disguise", Values: []string{"www.example.com", "cdn.example.net", "update.example.org"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

func variant(disguise string, needs ...string) lab.Variant {
	return lab.Variant{Name: "libev-" + disguise, Needs: inner.Needs(append(needs, "ss-local", "ss-server", "nc")...)}
}

func run(ctx context.Context, r *lab.Run) error {
	client, proxy, web := r.Host("client"), r.Host("proxy"), r.Host("web")
	s, err := inner.Start(ctx, r, web, true)
	if err != nil {
		return err
	}
	if err := proxy.Names(map[string]*lab.Host{s.Name: web}); err != nil {
		return err
	}
	port := r.Param("port")
	common := []string{"-p", port, "-k", fmt.Sprintf("%016x", r.Rand().Uint64()), "-m", r.Param("cipher"), "-t", "600"}
	here, there := common, common
	if disguise := strings.TrimPrefix(r.Variant(), "libev-"); disguise != "plain" {
		here = append(here[:len(here):len(here)], "--plugin", "obfs-local", "--plugin-opts", fmt.Sprintf("obfs=%s;obfs-host=%s", disguise, r.Param("host")))
		there = append(there[:len(there):len(there)], "--plugin", "obfs-server", "--plugin-opts", "obfs="+disguise)
		r.Installed(client, "obfs-local@simple-obfs")
		r.Installed(proxy, "obfs-server@simple-obfs")
	}
	r.Installed(proxy, "ss-server")
	r.Installed(client, "ss-local")
	if _, err := proxy.Start(ctx, lab.Command{Args: append([]string{"ss-server", "-s", "0.0.0.0"}, there...)}); err != nil {
		return err
	}
	if err := proxy.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
		return err
	}
	// Each activity has a local end of its own: so it is known whose
	// connections those to the server are.
	return s.Carry(ctx, r, func(ctx context.Context, activity string) (inner.Way, error) {
		entry := inner.LocalPort(activity)
		p, err := client.Start(ctx, lab.Command{Args: append([]string{"ss-local", "-s", proxy.Addr().String(), "-b", "127.0.0.1", "-l", fmt.Sprint(entry)}, here...)})
		if err != nil {
			return inner.Way{}, err
		}
		return inner.Way{
			Proxy: fmt.Sprintf("socks5h://127.0.0.1:%d", entry), Outer: inner.Single(lab.Of(p)), Each: true, Labels: []label.Label{label.Proxy, label.Tunnel},
		}, client.WaitListen(ctx, "tcp", entry)
	})
}
