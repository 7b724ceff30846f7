package packet

import "encoding/binary"

// radiotap passes over the radio header in front of an 802.11 frame
// (radiotap.org). Of its fields only the flags matter here: they tell about a
// frame check sequence at the end and padding after the 802.11 header.
func (w *walk) radiotap() step {
	if !w.need(8) {
		return stop
	}
	const (
		hasTime, hasFlags, hasMore = 1 << 0, 1 << 1, 1 << 31
		flagFCS, flagPadded        = 0x10, 0x20
	)
	b := w.b
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if b[0] != 0 || n < 8 || n > w.wire {
		w.p.Flaws |= FlawLength
		return stop
	}
	present := binary.LittleEndian.Uint32(b[4:])
	off := 8
	for more := present; more&hasMore != 0 && off+4 <= min(n, len(b)); off += 4 {
		more = binary.LittleEndian.Uint32(b[off:])
	}
	if present&hasTime != 0 {
		off = (off+7)&^7 + 8
	}
	var flags byte
	if present&hasFlags != 0 && off < min(n, len(b)) {
		flags = b[off]
	}
	w.skip(n)
	if flags&flagFCS != 0 && w.wire >= 4 {
		w.limit(w.wire - 4)
	}
	if flags&flagPadded != 0 {
		return w.dot11Padded(4)
	}
	return at80211
}

// prism passes over the header of Prism and AVS captures of 802.11 frames. Both
// say their length in their second word; a capture of one type may hold the
// other's header.
func (w *walk) prism() step {
	if !w.need(8) {
		return stop
	}
	const avs = 0x80211000
	n := int(binary.LittleEndian.Uint32(w.b[4:]))
	if be32(w.b)&^0xfff == avs {
		n = int(be32(w.b[4:]))
	}
	if n < 8 || n > w.wire {
		w.p.Flaws |= FlawLength
		return stop
	}
	w.skip(n)
	return at80211
}

// ppi passes over a Per-Packet Information header, which names the link type
// of what follows.
func (w *walk) ppi() step {
	if !w.need(8) {
		return stop
	}
	n, link := int(binary.LittleEndian.Uint16(w.b[2:])), binary.LittleEndian.Uint32(w.b[4:])
	if n < 8 || n > w.wire {
		w.p.Flaws |= FlawLength
		return stop
	}
	w.skip(n)
	if link >= uint32(LinkUndefined) || LinkType(link) == LinkPPI {
		w.p.Flaws |= FlawUnknownLink
		return stop
	}
	return w.link(LinkType(link))
}

// dot11 reads an IEEE 802.11 header. Only unencrypted, unfragmented data is
// followed.
func (w *walk) dot11() step { return w.dot11Padded(1) }

// dot11Padded reads an 802.11 header that is padded to a multiple of align.
func (w *walk) dot11Padded(align int) step {
	if !w.need(10) || !w.layer(Layer80211) {
		return stop
	}
	const (
		management, control, data            = 0, 1, 2
		toDS, fromDS, more, protected, order = 1, 2, 4, 0x40, 0x80
		subNoData, subQoS                    = 4, 8
		qosAggregate                         = 0x80
	)
	b, p := w.b, w.p
	kind, sub, flags := b[0]>>2&3, b[0]>>4, b[1]
	p.EthDst = MAC(b[4:10])
	if b[0]&3 != 0 || kind == control || kind > data || !w.need(24) {
		return stop
	}
	p.EthSrc = MAC(b[10:16])
	if kind == management {
		return stop
	}
	hdr := 24
	switch flags & (toDS | fromDS) {
	case toDS:
		p.EthDst = MAC(b[16:22])
	case fromDS:
		p.EthSrc = MAC(b[16:22])
	case toDS | fromDS:
		if !w.need(30) {
			return stop
		}
		p.EthDst, p.EthSrc = MAC(b[16:22]), MAC(b[24:30])
		hdr = 30
	}
	aggregate := false
	if sub&subQoS != 0 {
		if !w.need(hdr + 2) {
			return stop
		}
		aggregate = b[hdr]&qosAggregate != 0
		hdr += 2
		if flags&order != 0 {
			hdr += 4 // HT control
		}
	}
	number := b[22] & 0xf
	if sub&subNoData != 0 || flags&(protected|more) != 0 || number != 0 {
		return stop
	}
	hdr = (hdr + align - 1) / align * align
	if w.wire < hdr {
		p.Flaws |= FlawTruncated
		return stop
	}
	w.skip(hdr)
	if aggregate {
		return w.firstOfMany()
	}
	return atLLC
}

// firstOfMany reads the first of the frames that were sent as one (A-MSDU). A
// Packet has room for no more.
func (w *walk) firstOfMany() step {
	if !w.need(14) {
		return stop
	}
	n := int(be16(w.b[12:]))
	w.p.EthDst, w.p.EthSrc = MAC(w.b[:6]), MAC(w.b[6:12])
	w.skip(14)
	if n > w.wire {
		w.p.Flaws |= FlawLength
		return stop
	}
	w.limit(n)
	return atLLC
}
