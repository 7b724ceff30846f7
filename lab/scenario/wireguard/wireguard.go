// Package wireguard is a VPN of WireGuard.
package wireguard

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario brings up a WireGuard tunnel and uses what is behind it.
var Scenario = lab.Scenario{
	Name:       "wireguard",
	Doc:        "A VPN of WireGuard carries one thing or several. Teaches its handshakes every two minutes, and inner packets padded to 16 bytes.",
	Labels:     []label.Label{label.VPN, label.Tunnel},
	Techniques: []string{"T1572"},
	Twin:       "openvpn-udp",
	Hosts:      []string{"client", "server"},
	// The kernel's own is the machine's to load, and speaks the same.
	Variants: []lab.Variant{{Name: "go-go", Needs: inner.Needs("wireguard-go", "wg")}},
	Params:   inner.WireGuardParams(),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	s, err := inner.Start(ctx, r, r.Host("server"), true)
	if err != nil {
		return err
	}
	v, err := inner.UpWireGuard(ctx, r)
	if err != nil {
		return err
	}
	return v.Carry(ctx, r, s, inner.Direct(v.Addr, lab.Of(v.Client)))
}
