// Package openvpnudp is a VPN of OpenVPN over UDP.
package openvpnudp

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario brings a VPN up, uses what is behind it, and takes it down.
var Scenario = lab.Scenario{
	Name:       "openvpn-udp",
	Doc:        "A VPN of OpenVPN over UDP carries one thing or several. Teaches what is inside by sizes and times alone, as each inner packet is one of its own.",
	Labels:     []label.Label{label.VPN, label.Tunnel},
	Techniques: []string{"T1572"},
	Twin:       "wireguard",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{{Name: "openvpn-openvpn", Needs: inner.Needs("openvpn")}},
	Params:     inner.OpenVPNParams("1194", "1194", "1194", "443", "53", "51194"),
	Programs:   inner.Programs(),
	Limit:      10 * time.Minute,
	Run:        func(ctx context.Context, r *lab.Run) error { return inner.OpenVPN(ctx, r, "udp") },
}
