// Package v2raytcp is connections through v2ray over TCP or TLS.
package v2raytcp

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/anon"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario reaches a third host through v2ray, in one connection or many.
var Scenario = lab.Scenario{
	Name:       "v2ray-tcp",
	Doc:        "Programs reach another host through v2ray: vmess over TCP, bare or behind the look of an HTTP header, or vless over TLS; each connection in its own or many in one. Teaches proxies without a handshake and multiplexed ones.",
	Labels:     []label.Label{label.Proxy, label.Tunnel},
	Techniques: []string{"T1090.002", "T1573.001"},
	Twin:       "https-download",
	Hosts:      []string{"client", "proxy", "web"},
	Variants:   []lab.Variant{{Name: "vmess", Needs: inner.Needs("v2ray", "nc")}, {Name: "vless", Needs: inner.Needs("v2ray", "nc")}},
	Params: anon.V2RayParams(
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"443", "443", "10086", "8443", "16823"}},
		lab.Param{Name: "header", Doc: "that vmess puts in front", Values: []string{"none", "none", "http"}},
		lab.Param{Name: "host", Doc: "name in the header", Values: []string{"www.example.com", "cdn.example.net", "update.example.org"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	header := anon.Object{"type": "none"}
	if r.Variant() == "vless" {
		r.SetParam("header", "none") // there is TLS already
	} else if r.Param("header") == "http" {
		header = anon.Object{"type": "http", "request": anon.Object{
			"version": "1.1", "method": "GET", "path": []string{"/", "/index.html", "/api/list"}, "headers": anon.Object{
				"Host": []string{r.Param("host")}, "User-Agent": []string{"Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0"},
				"Accept-Encoding": []string{"gzip, deflate"}, "Connection": []string{"keep-alive"}, "Pragma": "no-cache"},
		}}
	}
	return anon.V2Ray{
		Protocol: r.Variant(), Network: "tcp", Settings: anon.Object{"header": header}, TLS: r.Variant() == "vless", Port: r.ParamInt("port"),
	}.Carry(ctx, r)
}
