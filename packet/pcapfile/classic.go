package pcapfile

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"tyto/packet"
)

// Magic numbers of pcap files, in the byte order of the writer.
const (
	magicMicros   = 0xa1b2c3d4
	magicNanos    = 0xa1b23c4d
	magicModified = 0xa1b2cd34
)

const (
	classicHeader  = 24
	recordHeader   = 16
	modifiedHeader = 24 // record header with interface, protocol and packet type
)

// classic decodes pcap files (draft-ietf-opsawg-pcap).
type classic struct {
	swap   bool // the file is big-endian
	magic  uint32
	link   packet.LinkType
	unit   int64  // nanoseconds in a unit of the second time field
	header int    // bytes before a frame
	snap   uint32 // what the header promises, at most limit
	limit  uint32
	// Files before version 2.3 have the two lengths in the other order, those
	// of 2.3 in either.
	lengths lengthOrder
}

type lengthOrder uint8

const (
	capturedFirst lengthOrder = iota
	wireFirst
	smallerFirst
)

// newClassic reads the file header, which must be there as a whole.
func newClassic(h []byte) (*classic, *fault) {
	c := &classic{unit: 1000, header: recordHeader}
	m := binary.LittleEndian.Uint32(h)
	if !isClassicMagic(m) {
		c.swap = true
		m = bits.ReverseBytes32(m)
	}
	switch m {
	case magicNanos:
		c.unit = 1
	case magicModified:
		c.header = modifiedHeader
	}
	c.magic = m
	major, minor := c.u16(h[4:]), c.u16(h[6:])
	// The tcpdump of DG/UX writes version 543.0.
	if major != 2 && major != 543 {
		return nil, &fault{problem: fmt.Sprintf("is a pcap file of version %d.%d, which is not known", major, minor),
			hint: "convert it with the program that wrote it"}
	}
	switch {
	case major == 543 || minor < 3:
		c.lengths = wireFirst
	case minor == 3:
		c.lengths = smallerFirst
	}
	c.snap = c.u32(h[16:])
	c.limit = min(max(c.snap, standardSnap), MaxFrame)
	if c.snap == 0 || c.snap > c.limit {
		c.snap = c.limit
	}
	// The upper half of the field tells the length of a frame check sequence.
	c.link = packet.LinkType(c.u32(h[20:]))
	return c, nil
}

func isClassicMagic(m uint32) bool {
	return m == magicMicros || m == magicNanos || m == magicModified
}

func (c *classic) cut(buf []byte, b *packet.Block) step {
	for off := 0; ; {
		if len(buf)-off < c.header {
			return step{used: off, need: c.header}
		}
		h := buf[off : off+recordHeader]
		length, wire := c.u32(h[8:]), c.u32(h[12:])
		if c.lengths != capturedFirst {
			length, wire = c.order(length, wire)
		}
		if length == 0 {
			s, frame := c.empty(buf[off:])
			if !frame {
				if s.used > 0 {
					off += s.used
					continue
				}
				s.used = off
				return s
			}
		}
		if length > c.limit {
			return step{used: off, fault: c.absurd(length)}
		}
		start := off + c.header
		end := start + int(length)
		if end > len(buf) {
			return step{used: off, need: end - off, doubt: length > c.snap}
		}
		b.Frames = append(b.Frames, packet.Frame{
			Time: int64(c.u32(h))*1e9 + int64(c.u32(h[4:]))*c.unit,
			Data: buf[start:end:end],
			Wire: max(wire, length),
			Link: c.link,
		})
		off = end
	}
}

// empty looks at a record without bytes, which may be none: captures that were
// joined byte for byte have a file header where a record would be, with its
// magic number in the place of the time and its always-zero fields in the place
// of the lengths; and files that were not written to the end are filled with
// zeros. It reports whether it is a record after all.
func (c *classic) empty(buf []byte) (s step, frame bool) {
	if [recordHeader]byte(buf) == [recordHeader]byte{} {
		return step{fault: zeros()}, false
	}
	if m := binary.LittleEndian.Uint32(buf); !isClassicMagic(m) && !isClassicMagic(bits.ReverseBytes32(m)) {
		return step{}, true
	}
	if v := string(buf[4:8]); v != "\x02\x00\x04\x00" && v != "\x00\x02\x00\x04" {
		return step{}, true
	}
	if len(buf) < classicHeader {
		return step{need: classicHeader}, false
	}
	next, f := newClassic(buf)
	if f != nil {
		return step{}, true
	}
	*c = *next
	return step{used: classicHeader}, false
}

func zeros() *fault {
	return &fault{truncated: true, problem: "only zeros where a packet should be",
		hint: "the capture was not written to its end, as after a crash or on a full disk"}
}

func (c *classic) absurd(length uint32) *fault {
	return &fault{problem: fmt.Sprintf("the next packet claims %d captured bytes, where at most %d are possible", length, c.limit)}
}

func (c *classic) order(first, second uint32) (length, wire uint32) {
	if c.lengths == wireFirst || first > second {
		return second, first
	}
	return first, second
}

func (c *classic) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if c.swap {
		return bits.ReverseBytes32(v)
	}
	return v
}

func (c *classic) u16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if c.swap {
		return bits.ReverseBytes16(v)
	}
	return v
}
