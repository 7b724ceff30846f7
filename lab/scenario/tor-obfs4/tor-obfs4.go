// Package torobfs4 is connections through Tor over a bridge with obfs4.
package torobfs4

import (
	"context"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/anon"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario reaches a host through a bridge of a private Tor network.
var Scenario = lab.Scenario{
	Name:       "tor-obfs4",
	Doc:        "Programs reach another host through Tor over a bridge with obfs4, whose bytes are random from the first on and whose packets have random sizes. Teaches tunnels that do not want to be known.",
	Labels:     []label.Label{label.Proxy, label.Tunnel},
	Techniques: []string{"T1090.003", "T1573.002"},
	Twin:       "shadowsocks",
	Hosts:      append(append([]string{"client", "bridge"}, anon.TorRelays...), "web"),
	Variants:   []lab.Variant{{Name: "tor-obfs4proxy", Needs: anon.TorNeeds("obfs4proxy")}},
	Params: append(inner.Params("40", "150", "500"),
		lab.Param{Name: "padding", Doc: "whether idle connections and circuits are padded", Values: []string{"1", "1", "0"}},
		lab.Param{Name: "port", Doc: "of the bridge", Values: []string{"443", "9443", "4223", "27015"}},
		lab.Param{Name: "iat", Doc: "obfs4's mode of packet times: 0 as they come, 1 random, 2 random with random sizes", Values: []string{"0", "0", "1", "2"}},
		lab.Param{Name: "socks", Doc: "port of the client's proxy", Values: []string{"9050", "9150"}},
	),
	Programs: inner.Programs(),
	Limit:    12 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, web := r.Host("client"), r.Host("web")
	s, err := inner.Start(ctx, r, web, true)
	if err != nil {
		return err
	}
	t, err := anon.StartTor(ctx, r, []int{9001})
	if err != nil {
		return err
	}
	bridge, err := t.Bridge(ctx, r.Host("bridge"), r.Param("port"), r.Param("iat"))
	if err != nil {
		return err
	}
	r.Installed(client, "obfs4proxy")
	p, err := t.Client(ctx, client, r.ParamInt("socks"), fmt.Sprintf("UseBridges 1\nClientTransportPlugin obfs4 exec /usr/bin/obfs4proxy\n%s\nConnectionPadding %[2]s\nCircuitPadding %[2]s\n", bridge, r.Param("padding")))
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.Proxy, label.Tunnel)
	up := r.Segment(lab.Of(p), label.StateHandshake, "bootstrap")
	if err := inner.Says(ctx, p, "Bootstrapped 100%"); err != nil {
		return err
	}
	up()
	way := inner.Way{Proxy: "socks5h://127.0.0.1:" + r.Param("socks"), Addr: web.Addr().String(), Outer: inner.Single(lab.Of(p)), Device: true, Retry: true}
	if err := s.Carry(ctx, r, func(context.Context, string) (inner.Way, error) { return way, nil }); err != nil {
		return err
	}
	p.Stop()
	return nil
}
