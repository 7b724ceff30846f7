package dns

import (
	"strconv"

	"tyto/internal/wire"
	"tyto/packet"
)

// EDNS options that are read.
const (
	optSubnet   = 8
	optCookie   = 10
	optExtError = 15
)

// appendOptions appends the text of the client subnet and the cookie of a
// query's EDNS options.
func appendOptions(options, subnet, cookie []byte) ([]byte, []byte) {
	c := wire.New(options)
	for c.Len() > 0 {
		code, v := c.U16(), c.Vec16()
		if !c.OK() {
			break
		}
		switch {
		case code == optSubnet && len(subnet) == 0:
			subnet = appendSubnet(subnet, &v)
		case code == optCookie && len(cookie) == 0:
			cookie = appendHex(cookie, v.Rest()[:min(v.Len(), maxCookieHex/2)])
		}
	}
	return subnet, cookie
}

// appendSubnet appends a client subnet (RFC 7871 section 6) as a prefix, or
// nothing if it is malformed.
func appendSubnet(dst []byte, v *wire.Cursor) []byte {
	family, bits := v.U16(), v.U8()
	v.U8() // scope
	addr := v.Rest()
	var a packet.Addr
	switch {
	case !v.OK():
		return dst
	case family == 1 && bits <= 32 && len(addr) <= 4:
		a[10], a[11] = 0xff, 0xff
		copy(a[12:], addr)
		dst = a.AppendTo(dst)
	case family == 2 && bits <= 128 && len(addr) <= 16:
		copy(a[:], addr)
		dst = a.Netip().AppendTo(dst)
	default:
		return dst
	}
	return strconv.AppendUint(append(dst, '/'), uint64(bits), 10)
}

// extendedError returns the first extended error code, -1 if there is none.
func extendedError(options []byte) int {
	c := wire.New(options)
	for c.Len() > 0 {
		code, v := c.U16(), c.Vec16()
		if !c.OK() {
			break
		}
		if code == optExtError && v.Len() >= 2 {
			return int(v.U16())
		}
	}
	return -1
}
