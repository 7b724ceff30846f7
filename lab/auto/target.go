package auto

import (
	"context"
	"net"
	"net/netip"

	"tyto/lab"
)

// Targets gives a host so many addresses, its own included, as if each were a
// machine, and makes some of them not answer: dead % of all but the first.
func Targets(ctx context.Context, r *lab.Run, h *lab.Host, count, dead int) (addrs []string, alive map[string]bool, err error) {
	addrs, alive = []string{h.Addr().String()}, map[string]bool{h.Addr().String(): true}
	for len(addrs) < count {
		a, err := h.AddAddr(ctx)
		if err != nil {
			return nil, nil, err
		}
		addrs = append(addrs, a.String())
		if r.Rand().IntN(100) >= dead {
			alive[a.String()] = true
		} else if _, err := h.Run(ctx, lab.Command{Args: []string{"ip", "addr", "del", a.String() + "/32", "dev", "eth0"}}); err != nil {
			return nil, nil, err
		}
	}
	return addrs, alive, nil
}

// Flow selects a flow by its addresses, either as its originator or as its
// responder sees them. Of ICMP the ports are type and code.
func Flow(proto string, local, remote netip.AddrPort) lab.Selector {
	return lab.Conn(endpoints{nil, addr{proto, local}, addr{proto, remote}})
}

// Echoes selects the echo requests of a host to an address, and their answers.
func Echoes(from *lab.Host, to netip.Addr) lab.Selector {
	const echoRequest = 8
	return Flow("icmp", netip.AddrPortFrom(from.Addr(), echoRequest), netip.AddrPortFrom(to, 0))
}

// endpoints is the two addresses of a flow: all that a Selector asks for.
type endpoints struct {
	net.Conn
	local, remote addr
}

func (e endpoints) LocalAddr() net.Addr  { return e.local }
func (e endpoints) RemoteAddr() net.Addr { return e.remote }

type addr struct {
	network string
	netip.AddrPort
}

func (a addr) Network() string { return a.network }
