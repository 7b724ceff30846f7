// Package v2raykcp is connections through v2ray over mKCP.
package v2raykcp

import (
	"context"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/anon"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario reaches a third host through v2ray's own reliable streams over UDP.
var Scenario = lab.Scenario{
	Name:       "v2ray-kcp",
	Doc:        "Programs reach another host through v2ray over mKCP, streams in UDP datagrams that may begin like those of other protocols. Teaches tunnels that look like calls, WireGuard or nothing known.",
	Labels:     []label.Label{label.Proxy, label.Tunnel},
	Techniques: []string{"T1090.002", "T1573.001"},
	Twin:       "wireguard",
	Hosts:      []string{"client", "proxy", "web"},
	Variants:   []lab.Variant{{Name: "vmess", Needs: inner.Needs("v2ray", "nc")}},
	Params: anon.V2RayParams(
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"443", "3478", "10086", "51820", "29900"}},
		lab.Param{Name: "header", Doc: "that a datagram begins with", Values: []string{"none", "none", "srtp", "utp", "wechat-video", "dtls", "wireguard"}},
		lab.Param{Name: "mtu", Doc: "of a datagram", Values: []string{"1200", "1350", "1100"}},
		lab.Param{Name: "tti", Doc: "milliseconds between two turns to send", Values: []string{"20", "50", "100"}},
		lab.Param{Name: "seed", Doc: "whether a secret hides the datagrams", Values: []string{"no", "yes"}},
		lab.Param{Name: "congestion", Doc: "1 if it slows down where datagrams are lost", Values: []string{"0", "1"}},
		lab.Param{Name: "capacity", Doc: "megabytes per second that it sends at most", Values: []string{"2", "5", "20"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	settings := anon.Object{
		"mtu": min(r.ParamInt("mtu"), r.Profile().MTU-60), "tti": r.ParamInt("tti"), "header": anon.Object{"type": r.Param("header")}, "congestion": r.Param("congestion") == "1",
		"uplinkCapacity": r.ParamInt("capacity"), "downlinkCapacity": r.ParamInt("capacity"), "readBufferSize": 2, "writeBufferSize": 2,
	}
	if r.Param("seed") == "yes" {
		settings["seed"] = fmt.Sprintf("kc%08x", r.Rand().Uint32())
	}
	return anon.V2Ray{Protocol: "vmess", Network: "kcp", Settings: settings, Port: r.ParamInt("port")}.Carry(ctx, r)
}
