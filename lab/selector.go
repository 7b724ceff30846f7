package lab

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
)

// Selector says which flows something is about. It is held against every flow
// when the run is over. The zero Selector is all flows.
type Selector struct{ terms []term }

type term struct {
	text  string // for errors
	match func(*flow) bool
}

func selector(match func(*flow) bool, format string, args ...any) Selector {
	return Selector{[]term{{fmt.Sprintf(format, args...), match}}}
}

// Of selects the flows whose originating socket belongs to p or to a process
// that p started, directly or not.
func Of(p *Process) Selector {
	return selector(func(f *flow) bool {
		return slices.ContainsFunc(f.owners, func(o *owner) bool {
			return o.process.Host == p.host.name && (o.mark == p.mark || slices.Contains(o.line, p.pid))
		})
	}, "flows of process %d on %s (%s)", p.pid, p.host.name, p.what())
}

// Running selects the flows whose originating socket belongs to a process of
// which the command line matches: for what is typed at a prompt.
func Running(command *regexp.Regexp) Selector {
	return selector(func(f *flow) bool {
		return slices.ContainsFunc(f.owners, func(o *owner) bool { return command.MatchString(o.process.Command) })
	}, "flows of processes like %s", command)
}

// Conn selects the flow of a connection that this program opened or accepted
// on a host.
func Conn(c net.Conn) Selector {
	network, local, remote := c.LocalAddr().Network(), addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())
	return selector(func(f *flow) bool {
		if protoName(f.proto) != network {
			return false
		}
		return f.dst == remote && f.src == local || f.dst == local && (f.src == remote || f.outside == remote)
	}, "the %s connection %s-%s", network, local, remote)
}

// Peer selects the flow of datagrams between a socket of this program and an
// address: what Conn is for a packet connection that serves several peers.
func Peer(c net.PacketConn, peer net.Addr, h *Host) Selector {
	local, remote := netip.AddrPortFrom(h.addr, addrPort(c.LocalAddr()).Port()), addrPort(peer)
	return selector(func(f *flow) bool {
		if f.proto != protoUDP {
			return false
		}
		return f.dst == remote && f.src == local || f.dst == local && (f.src == remote || f.outside == remote)
	}, "the datagrams %s-%s", local, remote)
}

func addrPort(a net.Addr) netip.AddrPort {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// Service selects the flows to a port of a host; proto is "tcp", "udp" or
// "icmp", whose port is not looked at. Port 0 is any.
func Service(h *Host, proto string, port int) Selector {
	return selector(func(f *flow) bool {
		return f.to == h && protoName(f.proto) == proto && (port == 0 || proto == "icmp" || int(f.dst.Port()) == port)
	}, "flows to %s %s port %d", h.name, proto, port)
}

// From selects the flows that a host opened.
func From(h *Host) Selector {
	return selector(func(f *flow) bool { return f.from == h }, "flows from %s", h.name)
}

// And selects the flows that both select.
func (s Selector) And(other Selector) Selector {
	return Selector{append(slices.Clip(s.terms), other.terms...)}
}

// Or selects the flows that either selects.
func (s Selector) Or(other Selector) Selector {
	return selector(func(f *flow) bool { return s.match(f) || other.match(f) }, "%s, or %s", s, other)
}

func (s Selector) match(f *flow) bool {
	for _, t := range s.terms {
		if !t.match(f) {
			return false
		}
	}
	return true
}

func (s Selector) String() string {
	if len(s.terms) == 0 {
		return "all flows"
	}
	text := s.terms[0].text
	for _, t := range s.terms[1:] {
		text += " and " + t.text
	}
	return text
}
