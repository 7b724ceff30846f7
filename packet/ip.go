package packet

import "encoding/binary"

// IPv6 extension headers, and protocols that carry others; the rest of the
// numbers are in packet.go.
const (
	protoHopByHop = 0
	protoRouting  = 43
	protoFragment = 44
	protoDest     = 60
	protoEtherIP  = 97
	protoMobility = 135
	protoMPLS     = 137
	protoHIP      = 139
	protoShim6    = 140
	protoEthernet = 143 // RFC 8986
)

// maxExtensions bounds the extension headers followed in one IPv6 packet. RFC
// 8200 section 4.1 knows seven.
const maxExtensions = 16

// maxDatagram is the largest length of an IP packet without the jumbo option.
const maxDatagram = 65535

// ip decides between IPv4 and IPv6 where nothing else does.
func (w *walk) ip() step {
	if !w.need(1) {
		return stop
	}
	switch w.b[0] >> 4 {
	case 4:
		return atIPv4
	case 6:
		return atIPv6
	}
	w.p.Flaws |= FlawVersion
	return stop
}

// looksIP reports whether b, of wire bytes, starts with an IP header whose
// lengths agree with it.
func looksIP(b []byte, wire int) bool {
	if len(b) >= 20 && b[0]>>4 == 4 {
		n, hdr := int(be16(b[2:])), int(b[0]&15)*4
		return hdr >= 20 && n >= hdr && n <= wire
	}
	return len(b) >= 40 && b[0]>>4 == 6 && 40+int(be16(b[4:])) <= wire
}

// ipv4 reads an IPv4 header (RFC 791).
func (w *walk) ipv4() step {
	p := w.p
	if !w.need(20) {
		return stop
	}
	b := w.b
	if b[0]>>4 != 4 {
		p.Flaws |= FlawVersion
		return stop
	}
	if !w.layer(LayerIPv4) {
		return stop
	}
	p.Version = 4
	p.TTL = b[8]
	p.Proto = b[9]
	p.Src.set4(b[12:16])
	p.Dst.set4(b[16:20])

	hdr, total := int(b[0]&15)*4, int(be16(b[2:]))
	if total == 0 { // left to the interface by segmentation offload
		total = w.wire
	}
	p.IPBytes = uint32(total)
	if hdr < 20 || total < hdr {
		p.Flaws |= FlawLength
		return stop
	}
	if w.wire < hdr {
		p.Flaws |= FlawTruncated
		return stop
	}
	if total > w.wire {
		p.Flaws |= FlawLength
	}
	w.limit(total)
	p.Cut = len(w.b) < total
	w.skip(hdr)
	p.Payload, p.PayloadBytes = w.b, uint32(w.wire)

	if frag := be16(b[6:]); frag&0x3fff != 0 {
		f := fragment{
			id:     uint32(be16(b[4:])),
			off:    int(frag&0x1fff) * 8,
			more:   frag&0x2000 != 0,
			next:   p.Proto,
			maxEnd: maxDatagram - hdr,
		}
		if !w.fragment(f) {
			return stop
		}
	}
	return atTransport
}

// set4 is Addr4 in two stores: an address put together from bytes stalls whoever
// reads it back as a whole.
func (a *Addr) set4(b []byte) {
	binary.LittleEndian.PutUint64(a[:8], 0)
	binary.LittleEndian.PutUint64(a[8:], 0xffff<<16|uint64(binary.LittleEndian.Uint32(b))<<32)
}

// ipv6 reads an IPv6 header and its extension headers (RFC 8200).
func (w *walk) ipv6() step {
	p := w.p
	if !w.need(40) {
		return stop
	}
	b := w.b
	if b[0]>>4 != 6 {
		p.Flaws |= FlawVersion
		return stop
	}
	if !w.layer(LayerIPv6) {
		return stop
	}
	p.Version = 6
	p.TTL = b[7]
	p.Src = Addr16(b[8:24])
	p.Dst = Addr16(b[24:40])

	n := int(be16(b[4:]))
	total := 40 + n
	if n == 0 && (b[6] == protoHopByHop || w.wire > 40+maxDatagram) {
		total = w.wire // jumbogram: the option may say so, and hardware offload drops the option
	}
	if total > w.wire {
		p.Flaws |= FlawLength
	}
	p.IPBytes = uint32(total)
	w.limit(total)
	p.Cut = len(w.b) < total
	w.skip(40)
	return w.extensions(b[6], n == 0)
}

// extensions follows the chain of extension headers that starts with next, and
// sets Proto to what follows them. If unsized, the IPv6 payload length is 0.
func (w *walk) extensions(next uint8, unsized bool) step {
	p := w.p
	whole := false
	for i := range maxExtensions + 1 {
		p.Proto = next
		p.Payload, p.PayloadBytes = w.b, uint32(w.wire)
		switch next {
		case protoHopByHop, protoRouting, protoDest, protoMobility, protoHIP, protoShim6:
		case protoFragment:
			f, ok := w.fragmentHeader()
			if !ok {
				return stop
			}
			if whole { // a fragment of a fragment
				p.Flaws |= FlawExtension
				return stop
			}
			next = f.next
			if f.off == 0 && !f.more { // atomic fragment, RFC 6946
				continue
			}
			if !w.fragment(f) {
				return stop
			}
			next, whole = p.Proto, true
			continue
		case ProtoAH:
			n, ok := w.authHeader()
			if !ok {
				return stop
			}
			next = n
			continue
		default:
			return atTransport
		}
		if !w.need(8) {
			return stop
		}
		b := w.b
		n := (int(b[1]) + 1) * 8
		if n > w.wire || next == protoHopByHop && i > 0 {
			p.Flaws |= FlawExtension
			return stop
		}
		if next == protoHopByHop && unsized && !w.jumbo(b[:min(n, len(b))]) {
			p.Flaws |= FlawExtension
		}
		next = b[0]
		w.skip(n)
	}
	p.Flaws |= FlawExtension
	return stop
}

// jumbo looks for the jumbo payload option (RFC 2675) in a hop-by-hop header
// and takes the packet's length from it. It reports false if there is none or
// it contradicts the frame, whose length is then the packet's.
func (w *walk) jumbo(opts []byte) bool {
	const pad1, jumbo = 0, 0xc2
	for b := opts[2:]; len(b) >= 2; {
		if b[0] == pad1 {
			b = b[1:]
			continue
		}
		n := 2 + int(b[1])
		if n > len(b) {
			return false
		}
		if b[0] == jumbo && n == 6 {
			length := int64(be32(b[2:]))
			if length <= maxDatagram || length > int64(w.wire) {
				return false
			}
			w.limit(int(length))
			w.p.IPBytes = 40 + uint32(length)
			w.p.Cut = len(w.b) < w.wire
			return true
		}
		b = b[n:]
	}
	return false
}

// fragmentHeader reads an IPv6 fragment header.
func (w *walk) fragmentHeader() (fragment, bool) {
	if !w.need(8) {
		return fragment{}, false
	}
	b := w.b
	f := fragment{
		next:   b[0],
		off:    int(be16(b[2:]) &^ 7),
		more:   b[3]&1 != 0,
		id:     be32(b[4:]),
		maxEnd: maxDatagram,
	}
	w.skip(8)
	w.p.Payload, w.p.PayloadBytes = w.b, uint32(w.wire)
	return f, true
}

// authHeader passes over an authentication header (RFC 4302), which leaves
// what it protects readable, and returns the number of what follows.
func (w *walk) authHeader() (next uint8, ok bool) {
	if !w.need(12) || !w.layer(LayerAH) {
		return 0, false
	}
	next = w.b[0]
	n := (int(w.b[1]) + 2) * 4
	if n < 12 || n > w.wire {
		w.p.Flaws |= FlawLength
		return 0, false
	}
	w.skip(n)
	return next, true
}

// transport reads what Proto says the IP packet carries.
func (w *walk) transport() step {
	switch w.p.Proto {
	case ProtoTCP:
		w.tcp()
		return stop
	case ProtoUDP:
		return w.udp()
	case ProtoICMP:
		w.icmp(LayerICMP)
		return stop
	case ProtoICMPv6:
		w.icmp(LayerICMPv6)
		return stop
	case ProtoSCTP:
		w.sctp()
		return stop
	case ProtoAH:
		next, ok := w.authHeader()
		if !ok {
			return stop
		}
		w.p.Proto = next
		w.p.Payload, w.p.PayloadBytes = w.b, uint32(w.wire)
		return atTransport
	case ProtoESP:
		w.layer(LayerESP)
		return stop
	}
	return w.encapsulated()
}
