package packet

// tcp reads a TCP header (RFC 9293).
func (w *walk) tcp() {
	p := w.p
	if !w.layer(LayerTCP) || !w.need(20) {
		return
	}
	b := w.b
	hdr := int(b[12]>>4) * 4
	if hdr < 20 || hdr > w.wire {
		p.Flaws |= FlawTruncated
		return
	}
	p.Transport = true
	p.SrcPort = be16(b)
	p.DstPort = be16(b[2:])
	p.Seq = be32(b[4:])
	p.Ack = be32(b[8:])
	p.Flags = TCPFlags(b[13])
	p.Window = be16(b[14:])
	if hdr > 20 {
		p.tcpOptions(b[20:min(hdr, len(b))])
	}
	w.skip(hdr)
	p.Payload, p.PayloadBytes = w.b, uint32(w.wire)
}

// maxWScale is the largest shift count; receivers use it for larger ones (RFC
// 7323 section 2.3).
const maxWScale = 14

// tcpOptions reads the options that matter. A malformed one ends them.
func (p *Packet) tcpOptions(b []byte) {
	const end, nop, mss, wscale, timestamps = 0, 1, 2, 3, 8
	if len(b) == 12 && be32(b) == nop<<24|nop<<16|timestamps<<8|10 { // RFC 7323 appendix A: nearly all of them
		p.HasTS, p.TSVal, p.TSEcr = true, be32(b[4:]), be32(b[8:])
		return
	}
	for len(b) > 0 {
		kind := b[0]
		if kind == nop {
			b = b[1:]
			continue
		}
		if kind == end || len(b) < 2 {
			return
		}
		n := int(b[1])
		if n < 2 || n > len(b) {
			return
		}
		switch {
		case kind == mss && n == 4:
			p.MSS = be16(b[2:])
		case kind == wscale && n == 3:
			p.HasWScale, p.WScale = true, min(b[2], maxWScale)
		case kind == timestamps && n == 10:
			p.HasTS, p.TSVal, p.TSEcr = true, be32(b[2:]), be32(b[6:])
		}
		b = b[n:]
	}
}

// udp reads a UDP header (RFC 768) and enters the tunnels that run over UDP.
func (w *walk) udp() step {
	p := w.p
	if !w.layer(LayerUDP) || !w.need(8) {
		return stop
	}
	b := w.b
	p.Transport = true
	p.SrcPort = be16(b)
	p.DstPort = be16(b[2:])
	n := int(be16(b[4:]))
	switch {
	case n >= 8 && n <= w.wire:
		w.limit(n)
	case n == 0 && w.wire > maxDatagram: // RFC 2675 section 4
	default:
		p.Flaws |= FlawLength // the IP length counts
	}
	w.skip(8)
	p.Payload, p.PayloadBytes = w.b, uint32(w.wire)
	return w.udpTunnel()
}

// icmp reads an ICMP (RFC 792) or ICMPv6 (RFC 4443) header up to its checksum.
func (w *walk) icmp(l Layer) {
	p := w.p
	if !w.layer(l) || !w.need(4) {
		return
	}
	p.Transport = true
	p.SrcPort, p.DstPort = uint16(w.b[0]), uint16(w.b[1])
	w.skip(4)
	p.Payload, p.PayloadBytes = w.b, uint32(w.wire)
}

// sctp reads an SCTP common header (RFC 9260). The payload are the chunks.
func (w *walk) sctp() {
	p := w.p
	if !w.layer(LayerSCTP) || !w.need(12) {
		return
	}
	p.Transport = true
	p.SrcPort, p.DstPort = be16(w.b), be16(w.b[2:])
	w.skip(12)
	p.Payload, p.PayloadBytes = w.b, uint32(w.wire)
}
