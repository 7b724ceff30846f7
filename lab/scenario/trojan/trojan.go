// Package trojan is connections through a trojan server.
package trojan

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/anon"
	"tyto/lab/inner"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario reaches a third host through trojan's TLS connections.
var Scenario = lab.Scenario{
	Name:       "trojan",
	Doc:        "Programs reach another host through trojan, each connection in a TLS connection of its own that looks like a web client's. Teaches proxies inside ordinary TLS.",
	Labels:     []label.Label{label.Proxy, label.Tunnel},
	Techniques: []string{"T1090.002", "T1573.002"},
	Twin:       "https-download",
	Hosts:      []string{"client", "proxy", "web"},
	Variants: []lab.Variant{
		{Name: "trojan-trojan", Needs: inner.Needs("trojan", "nc")}, {Name: "v2ray-v2ray", Needs: inner.Needs("v2ray", "nc")},
	},
	Params: anon.V2RayParams(
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "8443"}},
		lab.Param{Name: "tls", Doc: "newest version allowed by trojan", Values: []string{"1.3", "1.3", "1.2"}},
		lab.Param{Name: "alpn", Doc: "that trojan's client offers", Values: []string{"h2 http/1.1", "http/1.1"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	if r.Variant() == "v2ray-v2ray" {
		return anon.V2Ray{Protocol: "trojan", Network: "tcp", Settings: anon.Object{}, TLS: true, Port: r.ParamInt("port")}.Carry(ctx, r)
	}
	r.SetParam("mux", "0") // it has none
	client, proxy, web := r.Host("client"), r.Host("proxy"), r.Host("web")
	s, err := inner.Start(ctx, r, web, true)
	if err != nil {
		return err
	}
	authority, err := webapp.Certify(ctx, r, proxy, "ecdsa", anon.Name, client)
	if err != nil {
		return err
	}
	if err := client.Write("ca.pem", authority.PEM, 0o644); err != nil {
		return err
	}
	if err := proxy.Names(map[string]*lab.Host{s.Name: web}); err != nil {
		return err
	}
	password := []string{fmt.Sprintf("tj%016x", r.Rand().Uint64())}
	common := anon.Object{"password": password, "log_level": 1, "tcp": anon.Object{"no_delay": true, "keep_alive": true, "prefer_ipv4": true}}
	suites := anon.Object{"cipher": "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384", "cipher_tls13": "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"}
	if r.Param("tls") == "1.2" {
		suites["cipher_tls13"] = ""
	}
	there := anon.Object{"cert": "server.pem", "key": "server.key", "key_password": "", "alpn": []string{"http/1.1"}, "prefer_server_cipher": true}
	err = anon.WriteJSON(proxy, "trojan.json", merge(common, anon.Object{
		"run_type": "server", "local_addr": "0.0.0.0", "local_port": r.ParamInt("port"), "remote_addr": "127.0.0.1", "remote_port": 80, "ssl": merge(suites, there),
	}))
	if err != nil {
		return err
	}
	r.Installed(proxy, "trojan")
	if _, err := proxy.Start(ctx, lab.Command{Args: []string{"trojan", "-c", "trojan.json"}}); err != nil {
		return err
	}
	if err := proxy.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
		return err
	}
	r.Installed(client, "trojan")
	here := anon.Object{"verify": true, "verify_hostname": true, "cert": "ca.pem", "sni": anon.Name, "alpn": strings.Fields(r.Param("alpn"))}
	return s.Carry(ctx, r, anon.Entries(r, func(port int) (lab.Command, error) {
		file := fmt.Sprintf("trojan-%d.json", port)
		return lab.Command{Args: []string{"trojan", "-c", file}}, anon.WriteJSON(client, file, merge(common, anon.Object{
			"run_type": "client", "local_addr": "127.0.0.1", "local_port": port, "remote_addr": proxy.Addr().String(), "remote_port": r.ParamInt("port"), "ssl": merge(suites, here),
		}))
	}, label.Proxy, label.Tunnel))
}

func merge(a, b anon.Object) anon.Object {
	all := make(anon.Object)
	for _, o := range []anon.Object{a, b} {
		for k, v := range o {
			all[k] = v
		}
	}
	return all
}
