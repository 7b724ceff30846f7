package lab

import (
	"encoding/binary"
	"net/netip"
)

// ipv4 packets as the wire handles them: what comes from a host's kernel is
// well formed, but programs may send what they like through raw sockets, so
// view checks all that the rest relies on.

const (
	etherLen    = 14
	etherIPv4   = 0x0800
	ipHeader    = 20
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoSCTP   = 132
	flagDF      = 0x4000
	flagMF      = 0x2000
	offsetMask  = 0x1fff
	defaultTTL  = 64
	echoReply   = 0
	unreachable = 3
	echoRequest = 8
	timeExceded = 11
)

// datagram is a view of an IPv4 packet's bytes, without the link layer.
type datagram struct {
	data   []byte // as long as the header says
	header int    // bytes
}

func viewDatagram(data []byte) (datagram, bool) {
	if len(data) < ipHeader || data[0]>>4 != 4 {
		return datagram{}, false
	}
	header := int(data[0]&15) * 4
	total := int(binary.BigEndian.Uint16(data[2:]))
	if header < ipHeader || total < header || total > len(data) {
		return datagram{}, false
	}
	return datagram{data[:total], header}, true
}

func (d datagram) proto() byte         { return d.data[9] }
func (d datagram) ttl() int            { return int(d.data[8]) }
func (d datagram) src() netip.Addr     { return netip.AddrFrom4([4]byte(d.data[12:16])) }
func (d datagram) dst() netip.Addr     { return netip.AddrFrom4([4]byte(d.data[16:20])) }
func (d datagram) id() uint16          { return binary.BigEndian.Uint16(d.data[4:]) }
func (d datagram) payload() []byte     { return d.data[d.header:] }
func (d datagram) fragment() uint16    { return binary.BigEndian.Uint16(d.data[6:]) }
func (d datagram) first() bool         { return d.fragment()&offsetMask == 0 }
func (d datagram) fragmentable() bool  { return d.fragment()&flagDF == 0 }
func (d datagram) setSrc(a netip.Addr) { d.setAddr(12, a) }
func (d datagram) setDst(a netip.Addr) { d.setAddr(16, a) }
func (d datagram) setSrcPort(p uint16) { d.setPort(0, p) }
func (d datagram) setDstPort(p uint16) { d.setPort(2, p) }
func (d datagram) seal()               { sealHeader(d.data[:d.header]) }
func (d datagram) lowerTTL(by int)     { d.data[8] -= byte(by); d.seal() }
func (d datagram) hasPorts() bool      { return d.ported() && d.first() && len(d.payload()) >= 8 }
func (d datagram) ported() bool {
	p := d.proto()
	return p == protoTCP || p == protoUDP || p == protoSCTP
}
func (d datagram) port(at int) uint16 { return binary.BigEndian.Uint16(d.payload()[at:]) }
func (d datagram) isICMP() bool       { return d.proto() == protoICMP && d.first() && len(d.payload()) >= 8 }
func (d datagram) isEcho() bool {
	return d.isICMP() && (d.payload()[0] == echoRequest || d.payload()[0] == echoReply)
}
func (d datagram) isICMPError() bool {
	return d.isICMP() && (d.payload()[0] == unreachable || d.payload()[0] == timeExceded)
}
func (d datagram) echoID() uint16 { return d.port(4) }
func (d datagram) tcpFlags() (f byte) {
	if d.proto() == protoTCP && d.first() && len(d.payload()) >= 20 {
		f = d.payload()[13]
	}
	return f
}
func (d datagram) source() netip.AddrPort      { return netip.AddrPortFrom(d.src(), d.portOr(0)) }
func (d datagram) destination() netip.AddrPort { return netip.AddrPortFrom(d.dst(), d.portOr(2)) }

func (d datagram) portOr(at int) uint16 {
	if d.hasPorts() {
		return d.port(at)
	}
	return 0
}

// setAddr changes an address and the checksum of the transport that covers it
// (RFC 1624).
func (d datagram) setAddr(at int, a netip.Addr) {
	old, now := [4]byte(d.data[at:]), a.As4()
	copy(d.data[at:], now[:])
	if sum := d.checksum(); sum != nil && d.proto() != protoICMP {
		adjust(sum, binary.BigEndian.Uint16(old[:]), binary.BigEndian.Uint16(now[:]))
		adjust(sum, binary.BigEndian.Uint16(old[2:]), binary.BigEndian.Uint16(now[2:]))
	}
	d.seal()
}

func (d datagram) setPort(at int, port uint16) {
	p := d.payload()[at:]
	old := binary.BigEndian.Uint16(p)
	binary.BigEndian.PutUint16(p, port)
	if sum := d.checksum(); sum != nil {
		adjust(sum, old, port)
	}
}

// setEchoID changes the identifier of an ICMP echo.
func (d datagram) setEchoID(id uint16) { d.setPort(4, id) }

// checksum is where the transport's checksum is; nil if there is none to mend.
func (d datagram) checksum() []byte {
	at := -1
	switch d.proto() {
	case protoTCP:
		at = 16
	case protoUDP:
		at = 6
	case protoICMP:
		at = 2
	}
	if at < 0 || !d.first() || len(d.payload()) < at+2 {
		return nil
	}
	sum := d.payload()[at : at+2]
	if d.proto() == protoUDP && sum[0] == 0 && sum[1] == 0 {
		return nil // the sender makes none
	}
	return sum
}

func adjust(sum []byte, old, now uint16) {
	s := uint32(^binary.BigEndian.Uint16(sum)) + uint32(^old) + uint32(now)
	s = s>>16 + s&0xffff
	s += s >> 16
	binary.BigEndian.PutUint16(sum, ^uint16(s))
}

func sealHeader(h []byte) {
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], internetSum(h))
}

// internetSum is the checksum of RFC 1071.
func internetSum(b []byte) uint16 {
	var s uint32
	for len(b) >= 2 {
		s += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// icmpError makes a router's answer to a packet (RFC 792, RFC 1191): its header
// and as much of the rest as fits into 548 bytes.
func icmpError(from netip.Addr, kind, code byte, mtu int, about datagram) []byte {
	quote := about.data[:min(len(about.data), about.header+520)]
	p := make([]byte, ipHeader+8+len(quote))
	p[0], p[8], p[9] = 0x45, defaultTTL, protoICMP
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	src, dst := from.As4(), about.src().As4()
	copy(p[12:], src[:])
	copy(p[16:], dst[:])
	sealHeader(p[:ipHeader])
	icmp := p[ipHeader:]
	icmp[0], icmp[1] = kind, code
	binary.BigEndian.PutUint16(icmp[6:], uint16(mtu))
	copy(icmp[8:], quote)
	binary.BigEndian.PutUint16(icmp[2:], internetSum(icmp))
	return p
}

// fragmentDatagram cuts a packet into pieces of at most mtu bytes (RFC 791).
func fragmentDatagram(d datagram, mtu int) (pieces [][]byte) {
	room := (mtu - d.header) &^ 7
	body := d.payload()
	for at := 0; at < len(body); at += room {
		n := min(room, len(body)-at)
		p := make([]byte, d.header+n)
		copy(p, d.data[:d.header])
		copy(p[d.header:], body[at:at+n])
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		field := d.fragment() + uint16(at/8)
		if at+n < len(body) {
			field |= flagMF
		}
		binary.BigEndian.PutUint16(p[6:], field)
		sealHeader(p[:d.header])
		pieces = append(pieces, p)
	}
	return pieces
}
