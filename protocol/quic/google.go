package quic

import (
	"bytes"
	"encoding/binary"

	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Google's versions that have salts: Q050 with Google's own handshake, T050 and
// T051 with TLS.
const (
	versionQ050 = 'Q'<<24 | '0'<<16 | '5'<<8 | '0'
	versionT050 = 'T'<<24 | '0'<<16 | '5'<<8 | '0'
	versionT051 = 'T'<<24 | '0'<<16 | '5'<<8 | '1'
)

// googleHeader reads the long header of Q044 to Q048: the lengths of both
// identifiers are in one byte, each less three.
func googleHeader(b []byte, h header) (header, bool) {
	c := wire.New(b)
	c.Skip(5)
	lengths := c.U8()
	size := func(n uint8) int {
		if n == 0 {
			return 0
		}
		return int(n) + 3
	}
	h.dcid = c.Bytes(size(lengths >> 4))
	h.scid = c.Bytes(size(lengths & 15))
	h.payload, h.bytes = c.Offset(), len(b)
	return h, c.OK() && len(b) > h.payload+16
}

// probeGoogle recognises the public header that versions up to Q043 have: flags
// with a version and a connection identifier of eight bytes.
func probeGoogle(b []byte) protocol.Verdict {
	if b[0]&0x89 != 0x09 || len(b) < 26 {
		return protocol.No
	}
	if _, ok := tagVersion(binary.BigEndian.Uint32(b[9:])); !ok {
		return protocol.No
	}
	return protocol.Sure
}

// publicHeader reads a packet of versions up to Q043, if it names its version.
func publicHeader(b []byte) (h header, ok bool) {
	c := wire.New(b)
	flags := c.U8()
	h.dcid = c.Bytes(8)
	h.version = c.U32()
	_, ok = tagVersion(h.version)
	c.Skip(1 << (flags >> 4 & 3)) // packet number, of 1, 2, 4 bytes; 8 stands for 6
	h.payload, h.bytes = c.Offset(), len(b)
	return h, ok && c.OK() && flags&9 == 9
}

// googleStream looks for Google's client hello in a packet that is not
// encrypted, of a version before Q050.
func (a *analyzer) googleStream(f *protocol.Flow, dir session.Direction, b []byte) {
	const searched = 64 // bytes in which headers of the packet and frame end
	if i := bytes.Index(b[:min(len(b), searched)], []byte("CHLO")); i >= 0 {
		a.googleHello(f, dir, b[i:])
	}
}

// maxTags bounds the entries of a hello of Google's.
const maxTags = 64

// googleHello reads the start of a client hello of Google's own handshake: a
// list of tags with the offset where the value of each ends.
func (a *analyzer) googleHello(f *protocol.Flow, dir session.Direction, b []byte) {
	if a.rec.serverName != "" || !bytes.HasPrefix(b, []byte("CHLO")) {
		return
	}
	c := wire.New(b)
	c.Skip(4)
	n := int(c.LE16())
	c.Skip(2)
	if n > maxTags {
		return
	}
	tags := wire.New(c.Bytes(8 * n))
	values := c.Rest()
	start := uint32(0)
	for tags.Len() > 0 {
		tag := tags.Bytes(4)
		end := tags.LE32()
		if !tags.OK() || end < start || end > uint32(len(values)) {
			break
		}
		v := values[start:end]
		start = end
		if len(v) == 0 || len(v) > 255 {
			continue
		}
		switch string(tag) {
		case "SNI\x00":
			a.rec.serverName = string(v)
		case "UAID":
			a.rec.userAgent = string(v)
		}
	}
	a.client = dir
	a.note(f, dir, 'S')
	server := f.Addr(dir.Other())
	if name := a.rec.serverName; name != "" {
		f.SetDomain(name, "sni")
		f.Observe(protocol.Observation{Kind: protocol.ServerName, Addr: server, Value: name, Source: "sni"})
	}
	if ua := a.rec.userAgent; ua != "" {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: ua})
	}
}

// skipGoogleACK passes over an ACK frame of Google's versions, whose type is
// 01NULLMM: N tells of more than one block, L and M the length of the numbers.
func skipGoogleACK(c *wire.Cursor, t uint8) {
	sizes := [4]int{1, 2, 4, 6}
	block := sizes[t&3]
	c.Skip(sizes[t>>2&3] + 2) // largest, delay
	n := 0
	if t&0x20 != 0 {
		n = int(c.U8())
	}
	c.Skip(block + n*(1+block))
	if stamps := int(c.U8()); stamps > 0 {
		c.Skip(1 + 4 + (stamps-1)*(1+2))
	}
}
