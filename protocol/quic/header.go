package quic

import (
	"strconv"

	"tyto/internal/wire"
)

// kind is the kind of a packet with a long header, whatever the version writes
// for it.
type kind uint8

const (
	kindUnknown kind = iota // the version is not known
	kindInitial
	kindZeroRTT
	kindHandshake
	kindRetry
	kindNegotiation
)

// header is a long header (RFC 8999 section 5.1, RFC 9000 section 17.2).
type header struct {
	kind       kind
	fixed      bool // the fixed bit is set; both sides may agree that it need not be (RFC 9287)
	version    uint32
	dcid, scid []byte
	token      []byte
	number     int // offset of the packet number; Initial only
	payload    int // offset of what follows the header's fields in the clear
	bytes      int // length of the packet, header included
}

// longHeader reads the packet with a long header at the start of a datagram.
func longHeader(b []byte) (h header, ok bool) {
	c := wire.New(b)
	first := c.U8()
	h.fixed = first&0x40 != 0
	h.version = c.U32()
	if v, google := tagVersion(h.version); google && v < 49 {
		return googleHeader(b, h)
	}
	d := c.Vec8()
	s := c.Vec8()
	h.dcid, h.scid = d.Rest(), s.Rest()
	if !c.OK() || len(h.dcid) > maxCID || len(h.scid) > maxCID {
		return h, false
	}
	h.payload, h.bytes = c.Offset(), len(b)
	if h.version == 0 {
		h.kind = kindNegotiation
		return h, c.Len() >= 4 && c.Len()%4 == 0
	}
	if saltOf(h.version) == nil {
		return h, len(h.dcid)+len(h.scid) > 0
	}
	h.kind = kindOf(h.version, first)
	if h.kind == kindRetry {
		return h, c.Len() > 16
	}
	if h.kind == kindInitial {
		n := varint(&c)
		if n > uint64(c.Len()) {
			return h, false
		}
		h.token = c.Bytes(int(n))
	}
	n := varint(&c)
	h.number = c.Offset()
	h.payload = h.number
	if !c.OK() || n > uint64(c.Len()) || n < 4 {
		return h, false
	}
	h.bytes = h.number + int(n)
	return h, true
}

// kindOf tells the kind of packet; version 2 numbers them differently (RFC 9369
// section 3.2).
func kindOf(version uint32, first uint8) kind {
	t := first >> 4 & 3
	if version == version2 || version == version2Draft {
		t = (t - 1) & 3
	}
	return [4]kind{kindInitial, kindZeroRTT, kindHandshake, kindRetry}[t]
}

// varint reads a variable-length integer (RFC 9000 section 16).
func varint(c *wire.Cursor) uint64 {
	v := uint64(c.U8())
	n := 1<<(v>>6) - 1
	v &= 0x3f
	switch n {
	case 1:
		return v<<8 | uint64(c.U8())
	case 3:
		return v<<24 | uint64(c.U24())
	case 7:
		return v<<56 | uint64(c.U24())<<32 | uint64(c.U32())
	}
	return v
}

// Versions with names of their own.
const (
	version1      = 0x00000001
	version2      = 0x6b3343cf
	version2Draft = 0x709a50c4
)

// tagVersion returns the number of one of Google's versions, which are written
// Q046 or T051.
func tagVersion(v uint32) (n int, ok bool) {
	if c := v >> 24; c != 'Q' && c != 'T' {
		return 0, false
	}
	for shift := 16; shift >= 0; shift -= 8 {
		d := v >> shift & 0xff
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int(d-'0')
	}
	return n, n > 0
}

// known reports whether a version is one that is read or recognised.
func known(v uint32) bool {
	_, google := tagVersion(v)
	return google || saltOf(v) != nil
}

// versionName names a version as Zeek does.
func versionName(v uint32) string {
	switch {
	case v == 0:
		return ""
	case v == version1:
		return "1"
	case v == version2:
		return "quicv2"
	case v>>8 == 0xff0000:
		return "draft-" + strconv.Itoa(int(v&0xff))
	case v>>8 == 0xfaceb0:
		return "mvfst-" + strconv.FormatUint(uint64(v), 16)
	}
	if _, ok := tagVersion(v); ok {
		return string([]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
	return "unknown-" + strconv.FormatUint(uint64(v), 16)
}
