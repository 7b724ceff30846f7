// Package n2n is a VPN between the edges of n2n.
package n2n

import (
	"context"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario lets two edges find each other by a supernode, and uses what is
// behind the other.
var Scenario = lab.Scenario{
	Name:       "n2n",
	Doc:        "A VPN of n2n: edges register at a supernode and then send frames to each other, over UDP. Teaches VPNs without a handshake of their own.",
	Labels:     []label.Label{label.VPN, label.Tunnel},
	Techniques: []string{"T1572"},
	Twin:       "wireguard",
	Hosts:      []string{"client", "server", "supernode"},
	Variants:   []lab.Variant{{Name: "edge-edge", Needs: inner.Needs("edge@n2n", "supernode@n2n", "ping", "stdbuf@coreutils")}},
	Params: append(inner.Params("40", "300", "1500"),
		lab.Param{Name: "port", Doc: "of the supernode", Values: []string{"7654", "7777", "443", "1194"}},
		lab.Param{Name: "community", Doc: "name that is sent in the clear", Values: []string{"corp", "lab-net", "backup"}},
		lab.Param{Name: "mtu", Doc: "of the inner device", Values: []string{"1300", "1200", "1100"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server, supernode := r.Host("client"), r.Host("server"), r.Host("supernode")
	s, err := inner.Start(ctx, r, server, true)
	if err != nil {
		return err
	}
	r.Installed(supernode, "supernode@n2n")
	if _, err := supernode.Start(ctx, lab.Command{Args: []string{"supernode", "-l", r.Param("port"), "-v"}}); err != nil {
		return err
	}
	if err := supernode.WaitListen(ctx, "udp", r.ParamInt("port")); err != nil {
		return err
	}
	network, key := fmt.Sprintf("10.44.%d.", r.Rand().IntN(250)), fmt.Sprintf("n2n%08x", r.Rand().Uint32())
	edge := func(h *lab.Host, number string, port int) (*lab.Process, error) {
		r.Installed(h, "edge@n2n")
		return h.Start(ctx, lab.Command{Args: []string{
			"stdbuf", "-oL", "edge", "-v", "-d", "edge0", "-a", network + number, "-s", "255.255.255.0", "-c", r.Param("community"), "-k", key, "-M", r.Param("mtu"),
			"-l", fmt.Sprintf("%s:%s", supernode.Addr(), r.Param("port")), "-p", fmt.Sprint(port),
		}})
	}
	port := 10000 + r.Rand().IntN(40000)
	far, err := edge(server, "1", port)
	if err != nil {
		return err
	}
	r.Label(lab.Of(far), label.VPN, label.Tunnel)
	if err := server.WaitListen(ctx, "udp", port); err != nil {
		return err
	}
	p, err := edge(client, "2", 10000+r.Rand().IntN(40000))
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.VPN, label.Tunnel)
	up := r.Segment(lab.Of(p), label.StateHandshake, r.Param("community"))
	if err := inner.Answers(ctx, client, "edge0", network+"1"); err != nil {
		return err
	}
	// From now on the supernode has no part in it. edge prints ports as signed.
	if err := inner.Says(ctx, p, fmt.Sprintf("from remote peer [ip=%s:%d]", server.Addr(), int16(port))); err != nil {
		return err
	}
	up()
	carrier := lab.Of(p).And(lab.Service(server, "udp", port))
	if err := s.Carry(ctx, r, inner.Direct(network+"1", carrier)); err != nil {
		return err
	}
	p.Stop()
	return nil
}
