package packet

import "encoding/binary"

// EtherTypes that are decoded.
const (
	etherIPv4      = 0x0800
	etherARP       = 0x0806
	etherRARP      = 0x8035
	etherBridge    = 0x6558 // Ethernet in GRE and Geneve
	etherVLAN      = 0x8100 // IEEE 802.1Q
	etherPPP       = 0x880b
	etherIPv6      = 0x86dd
	etherMPLS      = 0x8847
	etherMPLSUp    = 0x8848 // upstream-assigned labels, once multicast
	etherDiscovery = 0x8863 // PPPoE
	etherSession   = 0x8864 // PPPoE
	etherQinQ      = 0x88a8 // IEEE 802.1ad
	etherBackbone  = 0x88e7 // IEEE 802.1ah
	etherFabric    = 0x8903 // Cisco FabricPath
	etherMetadata  = 0x8909 // Cisco security group tag
	etherVNTag     = 0x8926 // tag between Cisco fabric extenders
	etherETag      = 0x893f // IEEE 802.1BR
	etherNSH       = 0x894f // RFC 8300
	etherQinQOld   = 0x9100 // double tags before 802.1ad
	minEtherType   = 0x0600 // lower values are lengths (IEEE 802.3 3.2.6)
)

// Address families in the header of the null and loop link types; IPv6's
// differs between systems.
const (
	afInet         = 2
	afInet6Linux   = 10
	afInet6BSD     = 24
	afInet6FreeBSD = 28
	afInet6Darwin  = 30
)

// link starts the walk at the frame's link type.
func (w *walk) link(t LinkType) step {
	switch t {
	case LinkEthernet:
		return atEthernet
	case LinkNull, LinkLoop:
		return w.null()
	case LinkRaw, LinkRawBSD, LinkRawOBSD:
		return atIP
	case LinkIPv4:
		return atIPv4
	case LinkIPv6:
		return atIPv6
	case LinkSLL:
		return w.sll()
	case LinkSLL2:
		return w.sll2()
	case LinkPPP:
		return atPPP
	case LinkPPPHDLC:
		return w.hdlc()
	case LinkCHDLC:
		return w.ciscoHDLC()
	case LinkPPPoE:
		return w.pppoe()
	case Link80211:
		return at80211
	case LinkRadiotap:
		return w.radiotap()
	case LinkPrism, LinkAVS:
		return w.prism()
	case LinkPPI:
		return w.ppi()
	case LinkNFLog:
		return w.nflog()
	}
	w.p.Flaws |= FlawUnknownLink
	return stop
}

// ethernet reads an Ethernet II or IEEE 802.3 header.
func (w *walk) ethernet() step {
	if !w.need(14) || !w.layer(LayerEthernet) {
		return stop
	}
	p := w.p
	p.EthDst = MAC(w.b[0:6])
	p.EthSrc = MAC(w.b[6:12])
	w.ether = be16(w.b[12:])
	w.skip(14)
	if w.ether == etherIPv4 {
		return atIPv4
	}
	return atEtherType
}

// looksEthernet reports whether b, of wire bytes, starts with an Ethernet
// header that names a protocol one expects to find bridged.
func looksEthernet(b []byte, wire int) bool {
	if len(b) < 17 {
		return false
	}
	switch t := be16(b[12:]); t {
	case etherIPv4:
		return b[14]>>4 == 4
	case etherIPv6:
		return b[14]>>4 == 6
	case etherARP, etherRARP, etherVLAN, etherQinQ, etherMPLS, etherSession, etherDiscovery,
		0x8809, 0x88cc, 0x888e, 0x8902, 0x9000: // slow protocols, LLDP, EAPOL, CFM, loopback test
		return true
	default:
		if t >= minEtherType || int(t) > wire-14 {
			return false
		}
		switch be16(b[14:]) {
		case sapSNAP, sapSTP, sapOSI:
			return b[16] == unnumbered
		}
		return false
	}
}

// knownEther reports whether the EtherType is decoded.
func knownEther(t uint16) bool {
	switch t {
	case etherIPv4, etherIPv6, etherARP, etherRARP, etherBridge, etherVLAN, etherQinQ, etherQinQOld, etherPPP,
		etherMPLS, etherMPLSUp, etherSession, etherDiscovery, etherBackbone, etherFabric, etherMetadata, etherVNTag, etherETag, etherNSH:
		return true
	}
	return false
}

// etherType goes on with what the EtherType says.
func (w *walk) etherType() step {
	switch w.ether {
	case etherIPv4:
		return atIPv4
	case etherIPv6:
		return atIPv6
	case etherARP, etherRARP:
		w.arp()
		return stop
	case etherVLAN, etherQinQ, etherQinQOld:
		return w.vlan()
	case etherMPLS, etherMPLSUp:
		return atMPLS
	case etherSession:
		return w.pppoe()
	case etherDiscovery:
		w.layer(LayerPPPoE)
		return stop
	case etherBridge:
		return atEthernet
	case etherPPP:
		return atPPP
	case etherBackbone:
		return w.tag(4, atEthernet)
	case etherFabric:
		return w.tag(2, atEthernet)
	case etherMetadata:
		return w.tag(6, atEtherType)
	case etherVNTag:
		return w.tag(4, atEtherType)
	case etherETag:
		return w.tag(6, atEtherType)
	case etherNSH:
		return w.serviceHeader()
	}
	if w.ether < minEtherType {
		if int(w.ether) > w.wire {
			w.p.Flaws |= FlawLength
			return w.other()
		}
		w.limit(int(w.ether))
		return atLLC
	}
	w.p.Flaws |= FlawUnknownEther
	return w.other()
}

// vlan reads an IEEE 802.1Q tag. Identifier 0 marks a priority only.
func (w *walk) vlan() step {
	if !w.need(4) || !w.layer(LayerVLAN) {
		return stop
	}
	p := w.p
	id := be16(w.b) & 0xfff
	switch {
	case p.VLAN == 0:
		p.VLAN = id
	case p.InnerVLAN == 0:
		p.InnerVLAN = id
	}
	w.ether = be16(w.b[2:])
	w.skip(4)
	return atEtherType
}

// tag passes over n bytes of a tag whose identifier is not kept, and the
// EtherType after it if that is what comes next.
func (w *walk) tag(n int, next step) step {
	if next == atEtherType {
		n += 2
	}
	if !w.need(n) || !w.layer(LayerVLAN) {
		return stop
	}
	if next == atEtherType {
		w.ether = be16(w.b[n-2:])
	}
	w.skip(n)
	return next
}

// LLC headers: pairs of service access points (ISO/IEC 8802-2) and the control
// byte of unnumbered information.
const (
	sapSNAP    = 0xaaaa
	sapSTP     = 0x4242
	sapOSI     = 0xfefe
	sapIP      = 0x0606
	unnumbered = 3
)

// llc reads an IEEE 802.2 header and SNAP.
func (w *walk) llc() step {
	if !w.need(3) {
		return stop
	}
	sap, control := be16(w.b), w.b[2]
	if sap == sapIP && control == unnumbered {
		w.skip(3)
		return atIPv4
	}
	if sap != sapSNAP || control != unnumbered {
		return w.other()
	}
	if !w.need(8) {
		return stop
	}
	oui := be32(w.b[2:]) & 0xffffff
	w.ether = be16(w.b[6:])
	if oui != 0 && oui != 0x0000f8 { // RFC 1042, IEEE 802.1H
		return w.other()
	}
	w.skip(8)
	return atEtherType
}

// arp reads an ARP or RARP message.
func (w *walk) arp() {
	if !w.need(8) {
		return
	}
	b := w.b
	const ethernet, ieee802 = 1, 6
	if hw := be16(b); hw != ethernet && hw != ieee802 || be16(b[2:]) != etherIPv4 || b[4] != 6 || b[5] != 4 {
		w.other()
		return
	}
	if !w.need(28) || !w.layer(LayerARP) {
		return
	}
	w.p.rare().ARP = ARP{
		Op:        be16(b[6:]),
		SenderMAC: MAC(b[8:14]),
		SenderIP:  Addr4(b[14:18]),
		TargetMAC: MAC(b[18:24]),
		TargetIP:  Addr4(b[24:28]),
	}
	w.skip(28)
}

// null reads the address family of BSD loopback captures, in the byte order of
// whoever captured.
func (w *walk) null() step {
	if !w.need(4) || !w.layer(LayerNull) {
		return stop
	}
	raw := be32(w.b)
	family := raw
	if raw > 0xffff {
		family = binary.LittleEndian.Uint32(w.b)
	}
	w.skip(4)
	switch family {
	case afInet:
		return atIPv4
	case afInet6Linux, afInet6BSD, afInet6FreeBSD, afInet6Darwin:
		return atIPv6
	}
	if w.ether = uint16(raw); w.ether == etherIPv4 || w.ether == etherIPv6 { // some systems write an EtherType
		return atEtherType
	}
	w.p.Flaws |= FlawUnknownEther
	return w.other()
}

// sll reads the header of Linux captures of "any" interface.
func (w *walk) sll() step {
	if !w.need(16) || !w.layer(LayerSLL) {
		return stop
	}
	b := w.b
	if be16(b[4:]) == 6 {
		w.p.EthSrc = MAC(b[6:12])
	}
	w.ether = be16(b[14:])
	hw := be16(b[2:])
	w.skip(16)
	return w.linux(hw)
}

// sll2 reads the second version of that header.
func (w *walk) sll2() step {
	if !w.need(20) || !w.layer(LayerSLL) {
		return stop
	}
	b := w.b
	if b[11] == 6 {
		w.p.EthSrc = MAC(b[12:18])
	}
	w.ether = be16(b)
	hw := be16(b[8:])
	w.skip(20)
	return w.linux(hw)
}

// linux goes on after a Linux cooked header: its protocol is an EtherType, with
// values of the kernel's own below that range, unless the hardware says
// otherwise.
func (w *walk) linux(hardware uint16) step {
	const (
		greHW, radiotapHW = 778, 803
		rawIPX, llc       = 1, 4
	)
	switch {
	case hardware == radiotapHW:
		return w.radiotap()
	case hardware == greHW && w.ether == 0:
		return w.other()
	case w.ether == llc:
		return atLLC
	case w.ether < minEtherType:
		return w.other()
	}
	return atEtherType
}

// PPP protocol numbers that are decoded.
const (
	pppIPv4   = 0x0021
	pppIPv6   = 0x0057
	pppMPLS   = 0x0281
	pppMPLSUp = 0x0283
)

// ppp reads a PPP header (RFC 1661), with or without HDLC's address and control
// (RFC 1662) and with the protocol in one byte or two.
func (w *walk) ppp() step {
	if !w.need(1) || !w.layer(LayerPPP) {
		return stop
	}
	if len(w.b) >= 2 && be16(w.b) == 0xff03 {
		w.skip(2)
	}
	if !w.need(1) {
		return stop
	}
	proto, n := uint16(w.b[0]), 1
	if proto&1 == 0 {
		if !w.need(2) {
			return stop
		}
		proto, n = be16(w.b), 2
	}
	w.skip(n)
	switch proto {
	case pppIPv4:
		return atIPv4
	case pppIPv6:
		return atIPv6
	case pppMPLS, pppMPLSUp:
		return atMPLS
	}
	return w.other()
}

// hdlc decides between PPP and Cisco HDLC, which share a link type.
func (w *walk) hdlc() step {
	if !w.need(1) {
		return stop
	}
	const unicast, multicast = 0x0f, 0x8f
	if w.b[0] == unicast || w.b[0] == multicast {
		return w.ciscoHDLC()
	}
	return atPPP
}

// ciscoHDLC reads the header of Cisco's HDLC (RFC 1547 section 4.3.1).
func (w *walk) ciscoHDLC() step {
	if !w.need(4) {
		return stop
	}
	w.ether = be16(w.b[2:])
	w.skip(4)
	if w.ether == sapOSI {
		return w.other()
	}
	return atEtherType
}

// pppoe reads a PPPoE session header (RFC 2516).
func (w *walk) pppoe() step {
	if !w.need(6) || !w.layer(LayerPPPoE) {
		return stop
	}
	b := w.b
	const session = 0
	if b[0] != 0x11 || b[1] != session {
		return stop
	}
	n := int(be16(b[4:]))
	w.skip(6)
	if n > w.wire {
		w.p.Flaws |= FlawLength
		n = w.wire
	}
	w.limit(n)
	return atPPP
}

// mpls reads a label stack (RFC 3032) and finds out what it carries, which the
// labels do not say: the first half byte of an IP packet is its version, that
// of a pseudowire's control word is 0 (RFC 4385, RFC 4928).
func (w *walk) mpls() step {
	if !w.layer(LayerMPLS) {
		return stop
	}
	for bottom := false; !bottom; {
		if !w.need(4) {
			return stop
		}
		bottom = w.b[2]&1 != 0
		w.skip(4)
	}
	if !w.need(1) {
		return stop
	}
	if looksEthernet(w.b, w.wire) && !looksIP(w.b, w.wire) {
		return atEthernet
	}
	switch w.b[0] >> 4 {
	case 4:
		return atIPv4
	case 6:
		return atIPv6
	case 0:
		if !w.need(4) {
			return stop
		}
		if looksEthernet(w.b[4:], w.wire-4) || be16(w.b) == 0 {
			w.skip(4)
			return atEthernet
		}
	}
	return w.other()
}

// serviceHeader reads a network service header (RFC 8300).
func (w *walk) serviceHeader() step {
	if !w.need(8) || !w.layer(LayerOther) {
		return stop
	}
	n := int(w.b[1]&0x3f) * 4
	next := w.b[3]
	if n < 8 || n > w.wire {
		w.p.Flaws |= FlawLength
		return stop
	}
	w.skip(n)
	return w.nextProtocol(next)
}

// nextProtocol goes on with a protocol of the registry that VXLAN-GPE and NSH
// share.
func (w *walk) nextProtocol(n uint8) step {
	switch n {
	case 1:
		return atIPv4
	case 2:
		return atIPv6
	case 3:
		return atEthernet
	case 4:
		return w.serviceHeader()
	case 5:
		return atMPLS
	}
	return w.other()
}

// nflog reads the attributes of a Linux netfilter log message up to the packet.
// They are in the byte order of whoever captured.
func (w *walk) nflog() step {
	if !w.need(4) {
		return stop
	}
	const (
		hwAddr, payload    = 8, 9
		familyV4, familyV6 = 2, 10
	)
	family := w.b[0]
	w.skip(4)
	for w.need(4) {
		n, kind := int(binary.LittleEndian.Uint16(w.b)), binary.LittleEndian.Uint16(w.b[2:])
		if kind&0xff == 0 && kind != 0 || n > w.wire {
			n, kind = int(be16(w.b)), be16(w.b[2:])
		}
		if n < 4 || n > w.wire {
			w.p.Flaws |= FlawLength
			return stop
		}
		switch kind {
		case payload:
			w.limit(n)
			w.skip(4)
			switch family {
			case familyV4:
				return atIPv4
			case familyV6:
				return atIPv6
			}
			return atIP
		case hwAddr:
			if b := w.b; len(b) >= 14 && n >= 14 && be16(b[4:]) == 6 {
				w.p.EthSrc = MAC(b[8:14])
			}
		}
		w.skip((n + 3) &^ 3)
	}
	return stop
}
