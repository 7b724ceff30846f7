// Package grevxlan is a network in plain encapsulation.
package grevxlan

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario puts one network inside another without encryption.
var Scenario = lab.Scenario{
	Name:       "gre-vxlan",
	Doc:        "Packets are inside GRE or VXLAN, in the clear. Teaches what encapsulation does to sizes, where the truth of the inner sessions can be read.",
	Labels:     []label.Label{label.Tunnel},
	Techniques: []string{"T1572"},
	Twin:       "ipsec-esp",
	Hosts:      []string{"client", "server"},
	Inbound:    true, // neither passes a NAT, and VXLAN's two directions are two flows
	Variants:   []lab.Variant{{Name: "vxlan-linux", Needs: inner.Needs("ip")}, {Name: "gre-python", Needs: inner.Needs("ip", "python3")}},
	Params: append(inner.Params("40", "300", "2000"),
		lab.Param{Name: "port", Doc: "of VXLAN", Values: []string{"4789", "4789", "8472"}},
		lab.Param{Name: "source", Doc: "port of VXLAN's packets: one of a range by inner session, or the same as port; always that with a mix", Values: []string{"range", "same"}},
		lab.Param{Name: "key", Doc: "of GRE or network identifier of VXLAN", Values: []string{"7", "100", "5001", "70000"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

// gre is a GRE tunnel of its own: not every kernel has one.
//
//go:embed gre.py
var gre string

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	s, err := inner.Start(ctx, r, server, true)
	if err != nil {
		return err
	}
	if r.Param("inner") == "mix" {
		r.SetParam("source", "same") // whose flow is whose could not be told
	}
	network := fmt.Sprintf("10.88.%d.", r.Rand().IntN(250))
	for i, h := range []*lab.Host{server, client} {
		other := client
		if h == client {
			other = server
		}
		addr := fmt.Sprintf("%s%d/24", network, i+1)
		if r.Variant() == "gre-python" {
			err = startGRE(ctx, r, h, other, addr)
		} else {
			err = startVXLAN(ctx, r, h, other, addr)
		}
		if err != nil {
			return err
		}
	}
	outer := lab.Selector{} // nothing else is on the wire
	if r.Variant() == "gre-python" {
		outer = lab.Service(server, "ip-47", 0)
	}
	r.Label(outer, label.Tunnel)
	return s.Carry(ctx, r, inner.Direct(network+"1", outer))
}

func startVXLAN(ctx context.Context, r *lab.Run, h, other *lab.Host, addr string) error {
	port := r.ParamInt("port")
	first, end := 32768, 61000
	if r.Param("source") == "same" {
		first, end = port, port+1
	}
	script := fmt.Sprintf("ip link add vx0 type vxlan id %s remote %s local %s dev eth0 dstport %d srcport %d %d && ip addr add %s dev vx0 && ip link set vx0 up",
		r.Param("key"), other.Addr(), h.Addr(), port, first, end, addr)
	out, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", "uname -r && " + script}})
	r.Software(h.Name(), "linux", string(out[:max(0, len(out)-1)]))
	return err
}

func startGRE(ctx context.Context, r *lab.Run, h, other *lab.Host, addr string) error {
	if err := h.Write("gre.py", gre, 0o644); err != nil {
		return err
	}
	r.Installed(h, "python3")
	p, err := h.Start(ctx, lab.Command{Args: []string{"/usr/bin/python3", "gre.py", h.Addr().String(), other.Addr().String(), r.Param("key"), addr, fmt.Sprint(r.Profile().MTU - 28)}})
	if err != nil {
		return err
	}
	return inner.Says(ctx, p, "up\n")
}
