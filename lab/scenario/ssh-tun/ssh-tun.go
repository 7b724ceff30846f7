// Package sshtun is a VPN of OpenSSH's own (ssh -w).
package sshtun

import (
	"time"

	"tyto/lab"
	"tyto/lab/desk"
	"tyto/lab/inner"
	"tyto/lab/label"
	"tyto/lab/sshmore"
)

// Scenario brings a tunnel device up over SSH, uses what is behind it, and
// takes it down.
var Scenario = lab.Scenario{
	Name:       "ssh-tun",
	Doc:        "OpenSSH carries whole packets or frames (ssh -w): a VPN in one TCP connection. Teaches what is inside when each inner packet is a message of SSH.",
	Labels:     []label.Label{label.VPN, label.Tunnel},
	Techniques: []string{"T1572"},
	Twin:       "openvpn-tcp",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{{Name: "openssh-openssh", Needs: inner.Needs("ip")}},
	Params: append(inner.Params("40", "300", "1500"), sshmore.Port,
		lab.Param{Name: "layer", Doc: "packets or frames", Values: []string{"point-to-point", "point-to-point", "ethernet"}},
		lab.Param{Name: "compression", Doc: "by SSH", Values: []string{"no", "no", "yes"}},
		lab.Param{Name: "alive", Doc: "seconds between keepalives of both sides, 0 for none", Values: []string{"0", "10", "15"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      desk.SSHTun,
}
