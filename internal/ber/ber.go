// Package ber reads ASN.1 values in the Basic or Distinguished Encoding Rules
// (ITU-T X.690) from untrusted bytes.
//
// A [Reader] is bounded and its failure sticks, as that of wire.Cursor: read
// the fields a type has, then ask once whether all of them were there. Nothing
// here allocates, except where a string is the result; nesting is limited to
// [MaxDepth], so following the structure of any input ends soon.
package ber

import "strconv"

// MaxDepth is how deep elements may be nested: readers of what is deeper are
// failed from the start.
const MaxDepth = 40

// maxLength is the longest content that is believed in, in bytes.
const maxLength = 1<<31 - 1

// Tag is an element's identifier: for tag numbers up to 30 the identifier octet
// itself (class, constructed bit and number, X.690 section 8.1.2), else that
// octet with the number shifted left by eight.
type Tag uint32

// Universal tags.
const (
	Boolean     Tag = 0x01
	Integer     Tag = 0x02
	BitString   Tag = 0x03
	OctetString Tag = 0x04
	Null        Tag = 0x05
	OID         Tag = 0x06
	Enumerated  Tag = 0x0a
	UTF8String  Tag = 0x0c
	GeneralTime Tag = 0x18
	GeneralStr  Tag = 0x1b
	Sequence    Tag = 0x30
	Set         Tag = 0x31
)

// Context returns the constructed context-specific tag with a number below 31:
// the wrapper of an explicit tag.
func Context(n uint8) Tag { return 0xa0 | Tag(n) }

// Primitive returns the primitive context-specific tag with a number below 31.
func Primitive(n uint8) Tag { return 0x80 | Tag(n) }

// Application returns the constructed application tag with a number below 31.
func Application(n uint8) Tag { return 0x60 | Tag(n) }

// Constructed reports whether the element's content is elements.
func (t Tag) Constructed() bool { return t&0x20 != 0 }

// Element is one element that was read. The zero Element is what reading past
// the end gives.
type Element struct {
	Tag  Tag
	Body []byte // the content; part of the reader's slice
	Raw  []byte // the whole element, identifier and length included

	depth uint8
}

// Reader reads elements off the front of a byte slice. The zero value is empty.
// After a read that fails every later read returns nothing and OK is false.
type Reader struct {
	b     []byte
	off   int
	depth uint8
	bad   bool
}

// New returns a reader over b, which it does not copy.
func New(b []byte) Reader { return Reader{b: b} }

// OK reports whether every read so far was well-formed and within bounds.
func (r *Reader) OK() bool { return !r.bad }

// Fail marks the reader as failed: for values out of their range.
func (r *Reader) Fail() { r.bad, r.off = true, len(r.b) }

// More reports whether there is something left to read.
func (r *Reader) More() bool { return r.off < len(r.b) }

// Rest returns the unread bytes without reading them.
func (r *Reader) Rest() []byte { return r.b[r.off:] }

// Peek returns the tag of the next element; 0 at the end or if it is malformed.
func (r *Reader) Peek() Tag {
	t, _, _ := identifier(r.b[r.off:])
	return t
}

// Next reads the next element, whatever it is.
func (r *Reader) Next() Element {
	b := r.b[r.off:]
	h := header(b)
	if h.state != whole {
		r.Fail()
		return Element{}
	}
	end, after := h.size+h.length, h.size+h.length
	if h.indefinite {
		n := endOfContents(b[h.size:], int(r.depth)+1)
		if n < 0 {
			r.Fail()
			return Element{}
		}
		end, after = h.size+n, h.size+n+2
	}
	if after > len(b) {
		r.Fail()
		return Element{}
	}
	r.off += after
	return Element{Tag: h.tag, Body: b[h.size:end:end], Raw: b[:after:after], depth: r.depth}
}

// Want reads the next element, which must have the given tag.
func (r *Reader) Want(t Tag) Element {
	if r.Peek() != t {
		r.Fail()
		return Element{}
	}
	return r.Next()
}

// Enter reads the next element, which must have the given tag, and returns a
// reader of its content. If it is not there, both are failed.
func (r *Reader) Enter(t Tag) Reader {
	e := r.Want(t)
	in := e.Reader()
	in.bad = in.bad || r.bad
	if in.bad {
		r.Fail()
	}
	return in
}

// Optional reads the next element if it has the given tag; otherwise it reads
// nothing and ok is false.
func (r *Reader) Optional(t Tag) (e Element, ok bool) {
	if !r.More() || r.Peek() != t {
		return Element{}, false
	}
	e = r.Next()
	return e, r.OK()
}

// Int reads an INTEGER or ENUMERATED of at most eight octets.
func (r *Reader) Int() int64 {
	e := r.Next()
	if e.Tag != Integer && e.Tag != Enumerated || len(e.Body) == 0 || len(e.Body) > 8 {
		r.Fail()
		return 0
	}
	return e.Int()
}

// Bytes reads a primitive string type: the content of any primitive element.
func (r *Reader) Bytes() []byte {
	e := r.Next()
	if e.Tag.Constructed() {
		r.Fail()
		return nil
	}
	return e.Body
}

// Reader returns a reader of the element's content. It is failed where the
// element is nested too deep.
func (e Element) Reader() Reader {
	if e.depth >= MaxDepth {
		return Reader{bad: true}
	}
	return Reader{b: e.Body, depth: e.depth + 1}
}

// Int returns the content as a signed number, whatever the tag; of more than
// eight octets the last eight count.
func (e Element) Int() int64 {
	var v int64
	for i, c := range e.Body {
		if i == 0 {
			v = int64(int8(c))
			continue
		}
		v = v<<8 | int64(c)
	}
	return v
}

// Uint returns the content as an unsigned number, whatever the tag; of more
// than eight octets the last eight count.
func (e Element) Uint() uint64 {
	var v uint64
	for _, c := range e.Body {
		v = v<<8 | uint64(c)
	}
	return v
}

// Explicit returns the only element inside an explicit tag; the zero Element if
// there is none.
func (e Element) Explicit() Element {
	r := e.Reader()
	return r.Next()
}

// Bits32 returns the first 32 bits of a BIT STRING, bit 0 of the ASN.1 type in
// the most significant place; bits that are not there are zero.
func (e Element) Bits32() uint32 {
	var v uint32
	for i := 1; i < 5; i++ {
		v <<= 8
		if i < len(e.Body) {
			v |= uint32(e.Body[i])
		}
	}
	return v
}

// state is how much of an element's header could be read.
type state uint8

const (
	partial state = iota // more bytes are needed
	broken               // the bytes are no header
	whole
)

type head struct {
	tag        Tag
	size       int // octets of identifier and length
	length     int // octets of content; 0 if indefinite
	indefinite bool
	state      state
}

// identifier reads the identifier octets: the tag and how many they are.
func identifier(b []byte) (Tag, int, state) {
	if len(b) == 0 {
		return 0, 0, partial
	}
	if b[0]&0x1f != 0x1f {
		return Tag(b[0]), 1, whole
	}
	n := Tag(0)
	for i := 1; i < 4; i++ {
		if i >= len(b) {
			return 0, 0, partial
		}
		n = n<<7 | Tag(b[i]&0x7f)
		if b[i] < 0x80 {
			return Tag(b[0]) | n<<8, i + 1, whole
		}
	}
	return 0, 0, broken
}

func header(b []byte) (h head) {
	h.tag, h.size, h.state = identifier(b)
	if h.state != whole {
		return h
	}
	h.state = partial
	if h.size >= len(b) {
		return h
	}
	c := b[h.size]
	h.size++
	switch {
	case c < 0x80:
		h.length = int(c)
	case c == 0x80:
		h.indefinite = true
		if !h.tag.Constructed() {
			h.state = broken
			return h
		}
	case c > 0x88:
		h.state = broken
		return h
	default:
		for range c & 0x7f {
			if h.size >= len(b) {
				return h
			}
			h.length = h.length<<8 | int(b[h.size])
			h.size++
			if h.length > maxLength {
				h.state = broken
				return h
			}
		}
	}
	h.state = whole
	return h
}

// endOfContents returns where the end-of-contents octets of an element of
// indefinite length are in its content; -1 if they are not there.
func endOfContents(b []byte, depth int) int {
	open := 1
	for off := 0; ; {
		if off+2 <= len(b) && b[off] == 0 && b[off+1] == 0 {
			if open--; open == 0 {
				return off
			}
			off += 2
			continue
		}
		h := header(b[off:])
		if h.state != whole {
			return -1
		}
		off += h.size
		if h.indefinite {
			if open++; open+depth > MaxDepth {
				return -1
			}
			continue
		}
		if h.length > len(b)-off {
			return -1
		}
		off += h.length
	}
}

// Size returns the length in bytes of the element of definite length that b
// starts with, identifier and length included: for framing a stream, where the
// element may be longer than what has arrived. It is 0 while too few bytes are
// there to tell and -1 if they are no header of a definite length.
func Size(b []byte) int {
	h := header(b)
	switch {
	case h.state == partial:
		return 0
	case h.state == broken || h.indefinite:
		return -1
	}
	return h.size + h.length
}

// Head returns the tag and content of the element that b starts with, as far as
// the content is there, and the length it should have. ok is false if b has no
// whole header of a definite length. For probes and for elements that are cut.
func Head(b []byte) (t Tag, body []byte, length int, ok bool) {
	h := header(b)
	if h.state != whole || h.indefinite {
		return 0, nil, 0, false
	}
	return h.tag, b[h.size:min(len(b), h.size+h.length)], h.length, true
}

// AppendOID appends the dotted form of an OBJECT IDENTIFIER's content to b. It
// stops at a subidentifier of more than 32 bits.
func AppendOID(b, body []byte) []byte {
	var v uint64
	first := true
	for _, c := range body {
		v = v<<7 | uint64(c&0x7f)
		if v > 1<<32-1 {
			return b
		}
		if c >= 0x80 {
			continue
		}
		if first {
			x := min(v/40, 2)
			b = strconv.AppendUint(b, x, 10)
			v -= x * 40
			first = false
		}
		b = append(b, '.')
		b = strconv.AppendUint(b, v, 10)
		v = 0
	}
	return b
}
