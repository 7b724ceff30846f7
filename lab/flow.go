package lab

import (
	"fmt"
	"net/netip"
	"slices"

	"tyto/lab/label"
)

// flow is one session on the wire. Its addresses are those that its hosts have;
// outside is the originator's address beyond the NAT, if there is one.
type flow struct {
	proto    byte
	src, dst netip.AddrPort
	outside  netip.AddrPort
	from, to *Host    // to is nil where there is no such host
	owners   []*owner // of the originator's socket, in the order they were found
	began    label.Time
	asked    bool       // the owner was looked up, or is being
	lastFrom label.Time // when the originator sent
	ending   bool       // a FIN or RST was sent: a new SYN begins another flow

	// At the sensor.
	packets int64
	t0, t1  label.Time
}

// flowKey is the same for both directions.
type flowKey struct {
	proto byte
	a, b  netip.AddrPort
}

func keyOf(proto byte, src, dst netip.AddrPort) flowKey {
	if src.Compare(dst) > 0 {
		src, dst = dst, src
	}
	return flowKey{proto, src, dst}
}

// protoName is the name in label.Flow.
func protoName(proto byte) string {
	switch proto {
	case protoTCP:
		return "tcp"
	case protoUDP:
		return "udp"
	case protoICMP:
		return "icmp"
	case protoSCTP:
		return "sctp"
	}
	return fmt.Sprintf("ip-%d", proto)
}

// seen counts a packet that the sensor saw.
func (f *flow) seen(t label.Time) {
	if f.packets == 0 || t < f.t0 {
		f.t0 = t
	}
	f.t1 = max(f.t1, t)
	f.packets++
}

// endpoints returns the flow's addresses for its key: those of the packet, but
// the type and code of an ICMP message for its ports. An echo reply is one of
// its request.
func endpoints(d datagram, src, dst netip.AddrPort) (netip.AddrPort, netip.AddrPort) {
	if !d.isICMP() {
		return src, dst
	}
	kind, code := d.payload()[0], d.payload()[1]
	if kind == echoReply {
		return netip.AddrPortFrom(src.Addr(), uint16(code)), netip.AddrPortFrom(dst.Addr(), echoRequest)
	}
	return netip.AddrPortFrom(src.Addr(), uint16(kind)), netip.AddrPortFrom(dst.Addr(), uint16(code))
}

// owned adds an owner.
func (f *flow) owned(o *owner) {
	if o != nil && !slices.ContainsFunc(f.owners, func(p *owner) bool { return p.process == o.process }) {
		f.owners = append(f.owners, o)
	}
}
