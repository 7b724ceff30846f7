// Package wire reads untrusted bytes.
//
// A [Cursor] is bounded and its failure sticks: read as many fields as the
// format has, then ask once, with [Cursor.OK], whether all of them were there.
// Nothing here allocates, panics on input, or looks past the slice it was given.
package wire

import "encoding/binary"

// Cursor reads big-endian and little-endian fields off the front of a byte
// slice. The zero value is an empty cursor. After a read past the end every
// later read returns zero and OK is false.
type Cursor struct {
	b   []byte
	off int
	bad bool
}

// New returns a cursor over b, which it does not copy.
func New(b []byte) Cursor { return Cursor{b: b} }

// OK reports whether every read so far was within bounds.
func (c *Cursor) OK() bool { return !c.bad }

// Fail marks the cursor as failed: for values that are out of their range.
func (c *Cursor) Fail() { c.bad = true; c.off = len(c.b) }

// Len returns the number of unread bytes.
func (c *Cursor) Len() int { return len(c.b) - c.off }

// Offset returns the number of bytes read.
func (c *Cursor) Offset() int { return c.off }

// Rest returns the unread bytes without reading them.
func (c *Cursor) Rest() []byte { return c.b[c.off:] }

// Bytes reads n bytes. The slice points into the cursor's own; it is nil when
// fewer than n bytes are left or n is negative.
func (c *Cursor) Bytes(n int) []byte {
	if n < 0 || n > len(c.b)-c.off {
		c.Fail()
		return nil
	}
	s := c.b[c.off : c.off+n : c.off+n]
	c.off += n
	return s
}

// Skip passes over n bytes.
func (c *Cursor) Skip(n int) {
	if n < 0 || n > len(c.b)-c.off {
		c.Fail()
		return
	}
	c.off += n
}

// Seek moves to an absolute offset of the slice.
func (c *Cursor) Seek(off int) {
	if off < 0 || off > len(c.b) || c.bad {
		c.Fail()
		return
	}
	c.off = off
}

// Sub reads n bytes as a cursor of their own. A sub-cursor of too few bytes is
// failed from the start, and so is c.
func (c *Cursor) Sub(n int) Cursor {
	b := c.Bytes(n)
	return Cursor{b: b, bad: c.bad}
}

// U8 reads one byte.
func (c *Cursor) U8() uint8 {
	if c.off >= len(c.b) {
		c.Fail()
		return 0
	}
	v := c.b[c.off]
	c.off++
	return v
}

// U16 reads two bytes, most significant first.
func (c *Cursor) U16() uint16 {
	if b := c.Bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// U24 reads three bytes, most significant first.
func (c *Cursor) U24() uint32 {
	if b := c.Bytes(3); b != nil {
		return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
	}
	return 0
}

// U32 reads four bytes, most significant first.
func (c *Cursor) U32() uint32 {
	if b := c.Bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// U64 reads eight bytes, most significant first.
func (c *Cursor) U64() uint64 {
	if b := c.Bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// LE16 reads two bytes, least significant first.
func (c *Cursor) LE16() uint16 {
	if b := c.Bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// LE32 reads four bytes, least significant first.
func (c *Cursor) LE32() uint32 {
	if b := c.Bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// LE64 reads eight bytes, least significant first.
func (c *Cursor) LE64() uint64 {
	if b := c.Bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Vec8 reads a byte count of one byte and that many bytes (TLS notation
// opaque<0..255>).
func (c *Cursor) Vec8() Cursor { return c.Sub(int(c.U8())) }

// Vec16 reads a byte count of two bytes and that many bytes.
func (c *Cursor) Vec16() Cursor { return c.Sub(int(c.U16())) }

// Vec24 reads a byte count of three bytes and that many bytes.
func (c *Cursor) Vec24() Cursor { return c.Sub(int(c.U24())) }
