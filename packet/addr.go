package packet

import (
	"encoding/binary"
	"net/netip"
)

// Addr is an IPv4 or IPv6 address. IPv4 addresses are kept in their
// IPv4-mapped IPv6 form (RFC 4291 section 2.5.5.2), so one comparable,
// pointer-free type is the key of every table; netip.Addr is half as large
// again and holds a pointer. The zero value is no address.
type Addr [16]byte

// Addr4 returns the address of the first four bytes of b, which must be there.
func Addr4(b []byte) Addr {
	return Addr{10: 0xff, 11: 0xff, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}
}

// Addr16 returns the address of the first sixteen bytes of b, which must be there.
func Addr16(b []byte) Addr { return Addr(b[:16]) }

// AddrOf returns the Addr with the same value; it is zero for an invalid one.
func AddrOf(a netip.Addr) Addr {
	if !a.IsValid() {
		return Addr{}
	}
	return Addr(a.As16())
}

// Is4 reports whether a is an IPv4 address.
func (a Addr) Is4() bool {
	return binary.BigEndian.Uint64(a[:8]) == 0 && binary.BigEndian.Uint32(a[8:12]) == 0xffff
}

// IsZero reports whether a is the zero value, which is also the IPv6
// unspecified address.
func (a Addr) IsZero() bool { return a == Addr{} }

// Bytes returns the address in network form: four or sixteen bytes.
func (a *Addr) Bytes() []byte {
	if a.Is4() {
		return a[12:]
	}
	return a[:]
}

// Netip returns the same address as a netip.Addr.
func (a Addr) Netip() netip.Addr { return netip.AddrFrom16(a).Unmap() }

// String returns the address in its usual text form.
func (a Addr) String() string { return string(a.AppendTo(nil)) }

// AppendTo appends the text form of a to b.
func (a Addr) AppendTo(b []byte) []byte {
	if !a.Is4() {
		return netip.AddrFrom16(a).AppendTo(b)
	}
	for i := 12; i < 16; i++ {
		if i > 12 {
			b = append(b, '.')
		}
		v := a[i]
		if v >= 100 {
			b = append(b, '0'+v/100)
		}
		if v >= 10 {
			b = append(b, '0'+v/10%10)
		}
		b = append(b, '0'+v%10)
	}
	return b
}

// IsPrivate reports whether a belongs to a site: private (RFC 1918, RFC 4193),
// link-local, loopback or shared (RFC 6598) space.
func (a Addr) IsPrivate() bool {
	n := a.Netip()
	return n.IsPrivate() || n.IsLinkLocalUnicast() || n.IsLoopback() ||
		a.Is4() && a[12] == 100 && a[13]&0xc0 == 64
}

// IsMulticast reports whether a is a multicast or the limited broadcast address.
func (a Addr) IsMulticast() bool {
	if a.Is4() {
		return a[12] >= 224 && a[12] < 240 || binary.BigEndian.Uint32(a[12:]) == 0xffffffff
	}
	return a[0] == 0xff
}

// MAC is a link-layer address.
type MAC [6]byte

// IsZero reports whether no address is known.
func (m MAC) IsZero() bool { return m == MAC{} }

// AppendTo appends m as six hexadecimal pairs with colons.
func (m MAC) AppendTo(b []byte) []byte {
	const hex = "0123456789abcdef"
	return append(b,
		hex[m[0]>>4], hex[m[0]&15], ':', hex[m[1]>>4], hex[m[1]&15], ':', hex[m[2]>>4], hex[m[2]&15], ':',
		hex[m[3]>>4], hex[m[3]&15], ':', hex[m[4]>>4], hex[m[4]&15], ':', hex[m[5]>>4], hex[m[5]&15])
}

// String returns m as six hexadecimal pairs with colons.
func (m MAC) String() string { return string(m.AppendTo(nil)) }
