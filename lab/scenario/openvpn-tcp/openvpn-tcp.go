// Package openvpntcp is a VPN of OpenVPN over TCP.
package openvpntcp

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario brings a VPN up, uses what is behind it, and takes it down.
var Scenario = lab.Scenario{
	Name:       "openvpn-tcp",
	Doc:        "A VPN of OpenVPN over TCP carries one thing or several. Teaches inner packets that TCP joins and cuts, beside TLS on the same ports.",
	Labels:     []label.Label{label.VPN, label.Tunnel},
	Techniques: []string{"T1572"},
	Twin:       "openconnect",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{{Name: "openvpn-openvpn", Needs: inner.Needs("openvpn")}},
	Params:     inner.OpenVPNParams("1194", "1194", "443", "443", "8443"),
	Programs:   inner.Programs(),
	Limit:      10 * time.Minute,
	Run:        func(ctx context.Context, r *lab.Run) error { return inner.OpenVPN(ctx, r, "tcp") },
}
