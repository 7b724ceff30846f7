package packet

import (
	"encoding/binary"
	"math/bits"
)

// Hash returns a hash of the protocol, the addresses and the ports which is the
// same for both directions. Of ICMP and ICMPv6 it takes the type where one type
// answers another, the same for both; of everything else without ports the
// addresses only. The same packet has the same hash everywhere and always.
func (p *Packet) Hash() uint64 {
	if !p.Transport {
		return hashEnds(p.Proto, &p.Src, &p.Dst, 0, 0)
	}
	switch p.Proto {
	case ProtoICMP:
		t := pair(icmpPairs, p.SrcPort)
		return hashEnds(p.Proto, &p.Src, &p.Dst, t, t)
	case ProtoICMPv6:
		t := pair(icmpv6Pairs, p.SrcPort)
		return hashEnds(p.Proto, &p.Src, &p.Dst, t, t)
	}
	return hashEnds(p.Proto, &p.Src, &p.Dst, p.SrcPort, p.DstPort)
}

// OuterHash returns the same for the i-th carrier, as if it were a packet of
// its own.
func (p *Packet) OuterHash(i int) uint64 {
	o := &p.Rare.Outers[i]
	return hashEnds(o.Proto, &o.Src, &o.Dst, o.SrcPort, o.DstPort)
}

// Types that ask and types that answer them.
var (
	icmpPairs   = [][2]uint8{{8, 0}, {10, 9}, {13, 14}, {15, 16}, {17, 18}, {42, 43}}
	icmpv6Pairs = [][2]uint8{{128, 129}, {130, 131}, {133, 134}, {135, 136}, {139, 140}, {144, 145}, {160, 161}}
)

// pair returns a number common to a type and its counterpart, 0 if it has none.
func pair(pairs [][2]uint8, t uint16) uint16 {
	for i, c := range pairs {
		if t == uint16(c[0]) || t == uint16(c[1]) {
			return uint16(i) + 1
		}
	}
	return 0
}

// Multipliers: the first hexadecimal digits of the fraction of pi, made odd.
const (
	mix0 = 0x243f6a8885a308d3
	mix1 = 0x13198a2e03707345
	mix2 = 0xa4093822299f31d1
	mix3 = 0x082efa98ec4e6c89
)

// mix multiplies to 128 bits and folds.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hashEnds mixes each end by itself and then their sum and difference, which do
// not depend on the direction.
func hashEnds(proto uint8, src, dst *Addr, srcPort, dstPort uint16) uint64 {
	a := hashEnd(src, srcPort)
	b := hashEnd(dst, dstPort)
	return mix(a+b+mix2, a^b^mix3^uint64(proto)<<32)
}

func hashEnd(a *Addr, port uint16) uint64 {
	hi, lo := binary.LittleEndian.Uint64(a[:8]), binary.LittleEndian.Uint64(a[8:])
	x, y := (hi^mix0)+uint64(port)*mix2, lo^mix1
	return mix(x, y) + bits.RotateLeft64(x, 32) ^ y // an operand chosen to be zero does not hide the other
}
