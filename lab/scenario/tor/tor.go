// Package tor is connections through Tor.
package tor

import (
	"context"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/anon"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario reaches a host through a private Tor network.
var Scenario = lab.Scenario{
	Name:       "tor",
	Doc:        "Programs reach another host through Tor, over three relays of a private network. Teaches TLS connections that carry cells of one size, whatever is inside.",
	Labels:     []label.Label{label.Proxy, label.Tunnel},
	Techniques: []string{"T1090.003", "T1573.002"},
	Twin:       "https-download",
	Hosts:      append(append([]string{"client"}, anon.TorRelays...), "web"),
	Variants:   []lab.Variant{{Name: "tor", Needs: anon.TorNeeds()}},
	Params: append(inner.Params("40", "150", "500"),
		lab.Param{Name: "padding", Doc: "whether idle connections and circuits are padded", Values: []string{"1", "1", "0"}},
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
	t, err := anon.StartTor(ctx, r, []int{9001, 9001, 443, 8443})
	if err != nil {
		return err
	}
	guard := anon.TorRelays[r.Rand().IntN(len(anon.TorRelays))]
	p, err := t.Client(ctx, client, r.ParamInt("socks"), fmt.Sprintf("EntryNodes %s\nConnectionPadding %[2]s\nCircuitPadding %[2]s\n", guard, r.Param("padding")))
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.Proxy, label.Tunnel)
	r.Note("the guard is " + guard + "; connections to other relays are for the network's documents")
	up := r.Segment(lab.Of(p), label.StateHandshake, "bootstrap")
	if err := inner.Says(ctx, p, "Bootstrapped 100%"); err != nil {
		return err
	}
	up()
	way := inner.Way{Proxy: "socks5h://127.0.0.1:" + r.Param("socks"), Addr: web.Addr().String(), Outer: inner.Single(t.Entry(p, guard)), Device: true, Retry: true}
	if err := s.Carry(ctx, r, func(context.Context, string) (inner.Way, error) { return way, nil }); err != nil {
		return err
	}
	p.Stop()
	return nil
}
