package packet

// UDP ports of tunnels.
const (
	portGTPU     = 2152
	portTeredo   = 3544
	portVXLAN    = 4789
	portVXLANGPE = 4790
	portGRE      = 4754
	portGeneve   = 6081
	portVXLANOld = 8472 // Linux, before the assignment
)

// GRE protocol types that are not EtherTypes of their own.
const (
	greERSPAN  = 0x88be // types I and II
	greERSPAN3 = 0x22eb
	greWCCP    = 0x883e
	greAruba   = 0x8200 // and 255 more: 802.11 frames from Aruba access points
)

// encapsulated enters the tunnels that run over IP itself. Other protocols are
// where the walk ends.
func (w *walk) encapsulated() step {
	switch w.p.Proto {
	case ProtoIPIP:
		return w.into(LayerIPv4, atIPv4)
	case ProtoIPv6:
		return w.into(LayerIPv6, atIPv6)
	case protoMPLS:
		return w.into(LayerMPLS, atMPLS)
	case ProtoGRE:
		return w.gre()
	case protoEthernet:
		return w.into(LayerEthernet, atEthernet)
	case protoEtherIP:
		if !w.need(2) || w.b[0]>>4 != 3 {
			return w.other()
		}
		if !w.carry(LayerEthernet, 0) {
			return stop
		}
		w.skip(2)
		return atEthernet
	}
	return w.other()
}

// into enters a tunnel that has no header of its own.
func (w *walk) into(kind Layer, next step) step {
	if !w.carry(kind, 0) {
		return stop
	}
	return next
}

// gre reads a GRE header: version 0 (RFC 2784 and 2890, with the routing of RFC
// 1701), or version 1, which carries PPP (RFC 2637).
func (w *walk) gre() step {
	if !w.layer(LayerGRE) || !w.need(4) {
		return stop
	}
	const (
		hasChecksum, hasRouting, hasKey, hasSeq, hasAck = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
		version                                         = 7
	)
	flags, proto := be16(w.b), be16(w.b[2:])
	hdr := 4
	if flags&(hasChecksum|hasRouting) != 0 {
		hdr += 4
	}
	key := hdr
	if flags&hasKey != 0 {
		hdr += 4
	}
	if flags&hasSeq != 0 {
		hdr += 4
	}
	switch flags & version {
	case 0:
	case 1:
		if flags&hasAck != 0 {
			hdr += 4
		}
	default:
		w.p.Flaws |= FlawVersion
		return stop
	}
	if !w.need(hdr) {
		return stop
	}
	var id uint32
	if flags&hasKey != 0 {
		id = be32(w.b[key:])
	}
	if flags&version == 1 {
		const callID, sizeShift = 0xffff, 16
		size := int(id >> sizeShift)
		if proto != etherPPP || flags&hasKey == 0 || flags&hasSeq == 0 || size == 0 || hdr+size > w.wire { // without a sequence number only acknowledges
			return stop
		}
		if !w.carry(LayerGRE, id&callID) {
			return stop
		}
		w.limit(hdr + size)
		w.skip(hdr)
		return atPPP
	}
	if flags&hasRouting != 0 {
		n, ok := routingEntries(w.b[hdr:])
		if !ok {
			w.p.Flaws |= FlawTruncated
			return stop
		}
		hdr += n
	}
	return w.grePayload(proto, id, hdr, flags&hasSeq != 0)
}

// routingEntries returns the length of the source route entries of RFC 1701:
// family, offset, length and so many bytes, up to an entry of family and length
// zero.
func routingEntries(b []byte) (n int, ok bool) {
	for len(b)-n >= 4 {
		family, size := be16(b[n:]), int(b[n+3])
		n += 4
		if family == 0 && size == 0 {
			return n, true
		}
		if size > len(b)-n {
			return 0, false
		}
		n += size
	}
	return 0, false
}

// grePayload enters a GRE version 0 tunnel whose header is hdr bytes long. What
// is not decoded remains GRE.
func (w *walk) grePayload(proto uint16, id uint32, hdr int, sequenced bool) step {
	switch proto {
	case greERSPAN, greERSPAN3:
		return w.erspan(proto, hdr, sequenced)
	case greWCCP:
		if !w.need(hdr + 1) {
			return stop
		}
		skip := hdr
		if w.b[hdr]>>4 != 4 {
			skip += 4 // redirect header of version 2
		}
		if !w.need(skip) || !w.carry(LayerGRE, id) {
			return stop
		}
		w.skip(skip)
		return atIPv4
	}
	if proto == etherMetadata { // here the EtherType comes before the tag
		if !w.need(hdr+8) || !knownEther(be16(w.b[hdr:])) || !w.carry(LayerGRE, id) {
			return stop
		}
		w.ether = be16(w.b[hdr:])
		w.skip(hdr + 8)
		w.layer(LayerVLAN)
		return atEtherType
	}
	if proto&0xff00 == greAruba {
		if len(w.b) < hdr+24 || w.b[hdr]&0xf != 8 || !w.carry(LayerGRE, id) { // only data frames
			return stop
		}
		w.skip(hdr)
		return at80211
	}
	if !knownEther(proto) || !w.carry(LayerGRE, id) {
		return stop
	}
	w.skip(hdr)
	w.ether = proto
	return atEtherType
}

// erspan enters mirrored traffic behind a GRE header of hdr bytes: type I has
// no header, type II one of 8 bytes and a GRE sequence number, type III one of
// 12 bytes and an optional part of 8.
func (w *walk) erspan(proto uint16, hdr int, sequenced bool) step {
	const (
		sessionID = 0x3ff
		ethernet  = 0
		ip        = 2
	)
	next := atEthernet
	var id uint32
	n := hdr
	switch {
	case proto == greERSPAN3:
		n += 12
		if !w.need(n) {
			return stop
		}
		b := w.b[hdr:]
		id = uint32(be16(b[2:]) & sessionID)
		frame, optional := b[10]>>2&0x1f, b[11]&1 != 0
		if optional {
			n += 8
		}
		switch frame {
		case ethernet:
		case ip:
			next = atIP
		default:
			return stop
		}
	case sequenced:
		n += 8
		if !w.need(n) {
			return stop
		}
		id = uint32(be16(w.b[hdr+2:]) & sessionID)
	}
	if !w.need(n) || !w.layer(LayerERSPAN) || !w.carry(LayerERSPAN, id) {
		return stop
	}
	w.skip(n)
	return next
}

// udpTunnel enters a tunnel if the ports suggest one and the bytes agree;
// otherwise the packet stays what it is.
func (w *walk) udpTunnel() step {
	switch w.p.DstPort {
	case portVXLAN, portVXLANOld:
		return w.vxlan(false)
	case portVXLANGPE:
		return w.vxlan(true)
	case portGeneve:
		return w.geneve()
	case portGRE:
		return w.greInUDP()
	}
	if w.p.DstPort == portGTPU || w.p.SrcPort == portGTPU {
		return w.gtpu()
	}
	if w.p.DstPort == portTeredo || w.p.SrcPort == portTeredo {
		return w.teredo()
	}
	return stop
}

// greInUDP enters GRE over UDP (RFC 8086) if it carries IP or Ethernet.
func (w *walk) greInUDP() step {
	const hasChecksum, hasKey, hasSeq = 0x8000, 0x2000, 0x1000
	b := w.b
	if len(b) < 4 || be16(b)&^(hasChecksum|hasKey|hasSeq) != 0 {
		return stop
	}
	hdr := 4
	for _, field := range [...]uint16{hasChecksum, hasKey, hasSeq} {
		if be16(b)&field != 0 {
			hdr += 4
		}
	}
	if hdr > len(b) {
		return stop
	}
	ok := false
	switch be16(b[2:]) {
	case etherIPv4, etherIPv6:
		ok = looksIP(b[hdr:], w.wire-hdr)
	case etherBridge:
		ok = looksEthernet(b[hdr:], w.wire-hdr)
	}
	if !ok {
		return stop
	}
	return w.gre()
}

// enter records the tunnel's header of hdr bytes and its carrier.
func (w *walk) enter(kind Layer, id uint32, hdr int, next step) step {
	if !w.layer(kind) || !w.carry(kind, id) {
		return stop
	}
	w.skip(hdr)
	return next
}

// vxlan reads a VXLAN header (RFC 7348), or one of the generic protocol
// extension.
func (w *walk) vxlan(generic bool) step {
	const hdr, hasVNI, hasNext = 8, 0x08, 0x04
	b := w.b
	if len(b) < hdr || b[0]&hasVNI == 0 {
		return stop
	}
	id := be32(b[4:]) >> 8
	if !generic || b[0]&hasNext == 0 {
		if !looksEthernet(b[hdr:], w.wire-hdr) {
			return stop
		}
		return w.enter(LayerVXLAN, id, hdr, atEthernet)
	}
	inner, size := b[hdr:], w.wire-hdr
	next := b[3]
	ok := false
	switch next {
	case 1, 2:
		ok = looksIP(inner, size) && inner[0]>>4 == 2+2*next
	case 3:
		ok = looksEthernet(inner, size)
	case 4, 5:
		ok = b[1]|b[2] == 0 && len(inner) > 8
	}
	if !ok {
		return stop
	}
	if s := w.enter(LayerVXLAN, id, hdr, atIP); s == stop {
		return stop
	}
	return w.nextProtocol(next)
}

// geneve reads a Geneve header (RFC 8926) and passes over its options.
func (w *walk) geneve() step {
	const version, reserved = 0xc0, 0x3f
	b := w.b
	if len(b) < 8 || b[0]&version != 0 || b[1]&reserved != 0 || b[7] != 0 {
		return stop
	}
	hdr := 8 + int(b[0]&0x3f)*4
	proto := be16(b[2:])
	if hdr >= len(b) {
		return stop
	}
	inner, size := b[hdr:], w.wire-hdr
	ok := false
	switch proto {
	case etherBridge:
		ok = looksEthernet(inner, size)
	case etherIPv4, etherIPv6:
		ok = looksIP(inner, size)
	case etherMPLS, etherARP, etherNSH:
		ok = true
	}
	if !ok {
		return stop
	}
	w.ether = proto
	return w.enter(LayerGeneve, be32(b[4:])>>8, hdr, atEtherType)
}

// gtpu reads a GTP-U header (3GPP TS 29.281) with its extension headers. Only
// user packets (G-PDU) are tunnels: IP, or Ethernet frames of 5G sessions.
func (w *walk) gtpu() step {
	const (
		versionType, version1                 = 0xf0, 0x30 // version 1, protocol type GTP
		hasExtension, hasSeq, hasNumber       = 4, 2, 1
		gPDU                            uint8 = 0xff
	)
	b := w.b
	if len(b) < 8 || b[0]&versionType != version1 || b[1] != gPDU || 8+int(be16(b[2:])) > w.wire {
		return stop
	}
	id := be32(b[4:])
	end := 8 + int(be16(b[2:]))
	hdr := 8
	if b[0]&(hasExtension|hasSeq|hasNumber) != 0 {
		if len(b) < 12 {
			return stop
		}
		hdr = 12
		for next := b[11]; b[0]&hasExtension != 0 && next != 0; {
			if hdr >= len(b) {
				return stop
			}
			n := int(b[hdr]) * 4
			if n == 0 || n > len(b)-hdr {
				return stop
			}
			hdr += n
			next = b[hdr-1]
		}
	}
	if hdr >= min(end, len(b)) {
		return stop
	}
	next := atIP
	if inner := b[hdr:]; !looksIP(inner, end-hdr) {
		if !looksEthernet(inner, end-hdr) {
			return stop
		}
		next = atEthernet
	}
	if s := w.enter(LayerGTPU, id, hdr, next); s == stop {
		return stop
	}
	w.limit(end - hdr)
	return next
}

// teredo reads what may precede the IPv6 packet in a Teredo datagram: an
// authentication and an origin indication (RFC 4380 section 5.1.1).
func (w *walk) teredo() step {
	const auth, origin = 1, 0
	b := w.b
	hdr := 0
	if len(b) >= 4 && be16(b) == auth {
		hdr = 4 + int(b[2]) + int(b[3]) + 9 // nonce and confirmation
	}
	if len(b) >= hdr+8 && be16(b[hdr:]) == origin {
		hdr += 8
	}
	if hdr > len(b) {
		return stop
	}
	if inner := b[hdr:]; !looksIP(inner, w.wire-hdr) || inner[0]>>4 != 6 {
		return stop
	}
	return w.enter(LayerTeredo, 0, hdr, atIPv6)
}
