package lab

import (
	"math/rand/v2"
	"net/netip"
)

// nat translates the addresses of one site to a public one (RFC 3022), with the
// same port where it is free.
type nat struct {
	public netip.Addr
	rng    *rand.Rand
	out    map[natKey]uint16
	in     map[natPort]netip.AddrPort
	pieces map[piece]netip.Addr // where later fragments go
}

type natKey struct {
	proto  byte
	inside netip.AddrPort
}

type natPort struct {
	proto byte
	port  uint16
}

// piece names the fragments of one packet.
type piece struct {
	src, dst netip.Addr
	id       uint16
	proto    byte
}

// maxPieces is how many fragmented packets are remembered at a time.
const maxPieces = 1024

func newNAT(public netip.Addr, rng *rand.Rand) *nat {
	return &nat{public, rng, make(map[natKey]uint16), make(map[natPort]netip.AddrPort), make(map[piece]netip.Addr)}
}

// port returns the public port of an inside one, 0 if all are taken.
func (n *nat) port(proto byte, inside netip.AddrPort) uint16 {
	key := natKey{proto, inside}
	if p, ok := n.out[key]; ok {
		return p
	}
	p := inside.Port()
	for range 1 << 12 {
		if _, taken := n.in[natPort{proto, p}]; !taken {
			n.out[key], n.in[natPort{proto, p}] = p, inside
			return p
		}
		p = uint16(1024 + n.rng.IntN(1<<16-1024))
	}
	return 0
}

// outward translates a packet that leaves the site; false if it cannot.
func (n *nat) outward(d datagram) bool {
	switch {
	case d.hasPorts():
		p := n.port(d.proto(), d.source())
		if p == 0 {
			return false
		}
		d.setSrcPort(p)
	case d.isEcho():
		id := n.port(protoICMP, netip.AddrPortFrom(d.src(), d.echoID()))
		if id == 0 {
			return false
		}
		d.setEchoID(id)
	case d.isICMPError():
		n.quoted(d, func(q datagram) {
			if q.hasPorts() {
				q.setDstPort(n.port(q.proto(), q.destination()))
			}
			q.setDst(n.public)
		})
	}
	d.setSrc(n.public)
	return true
}

// inner returns where a packet to the public address goes.
func (n *nat) inner(d datagram) (to netip.AddrPort, ok bool) {
	switch {
	case d.hasPorts():
		to, ok = n.in[natPort{d.proto(), d.port(2)}]
		if ok && d.fragment()&flagMF != 0 {
			if len(n.pieces) >= maxPieces {
				clear(n.pieces)
			}
			n.pieces[piece{d.src(), d.dst(), d.id(), d.proto()}] = to.Addr()
		}
	case d.isEcho():
		to, ok = n.in[natPort{protoICMP, d.echoID()}]
	case d.isICMPError():
		n.quoted(d, func(q datagram) {
			if q.hasPorts() {
				to, ok = n.in[natPort{q.proto(), q.port(0)}]
			} else if q.isEcho() {
				to, ok = n.in[natPort{protoICMP, q.echoID()}]
			}
		})
	case !d.first():
		var a netip.Addr
		a, ok = n.pieces[piece{d.src(), d.dst(), d.id(), d.proto()}]
		to = netip.AddrPortFrom(a, 0)
	}
	return to, ok
}

// inward translates a packet that enters the site, to where inner said.
func (n *nat) inward(d datagram, to netip.AddrPort) {
	switch {
	case d.hasPorts():
		d.setDstPort(to.Port())
	case d.isEcho():
		d.setEchoID(to.Port())
	case d.isICMPError():
		n.quoted(d, func(q datagram) {
			if q.hasPorts() {
				q.setSrcPort(to.Port())
			} else if q.isEcho() {
				q.setEchoID(to.Port())
			}
			q.setSrc(to.Addr())
		})
	}
	d.setDst(to.Addr())
}

// quoted calls f with the packet that an ICMP error is about, of which there
// may be no more than eight bytes after the header, and mends the checksum.
func (n *nat) quoted(d datagram, f func(q datagram)) {
	body := d.payload()
	if len(body) < 8+ipHeader {
		return
	}
	q := datagram{body[8:], int(body[8]&15) * 4}
	if q.header < ipHeader || len(q.data) < q.header {
		return
	}
	f(q)
	body[2], body[3] = 0, 0
	sum := internetSum(body)
	body[2], body[3] = byte(sum>>8), byte(sum)
}
