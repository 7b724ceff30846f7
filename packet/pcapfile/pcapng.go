package pcapfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"tyto/packet"
)

// Block types (draft-ietf-opsawg-pcapng section 4). All others are skipped.
const (
	blockSection   = 0x0a0d0d0a // the same in either byte order
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockNames     = 4
	blockEnhanced  = 6
)

const (
	byteOrderMagic = 0x1a2b3c4d

	blockOverhead = 12 // type, length, and length again
	// maxBlock bounds the blocks that are read as a whole: a frame and 64 KiB
	// for its header and options.
	maxBlock = MaxFrame + 64<<10

	maxInterfaces = 65536 // of a section; obsolete packet blocks can name no more
)

// pcapng decodes pcapng files.
type pcapng struct {
	big        bool    // the section is big-endian
	interfaces []iface // of the section
	last       int64   // time of the latest frame
	names      nameSet
}

// iface is what an interface description says about the frames of the interface.
type iface struct {
	link  packet.LinkType
	snap  uint32 // 0 if there is no limit
	clock clock
}

// clock turns the timestamps of an interface into nanoseconds since the epoch.
type clock struct {
	mul    uint64 // ns = units * mul / div >> shift + offset
	div    uint64
	shift  uint8
	offset int64 // nanoseconds
}

// microseconds is the resolution of interfaces that tell none.
var microseconds = clock{mul: 1000, div: 1}

// resolution sets the unit of the clock from an if_tsresol option: the negated
// power of ten or, with the highest bit set, of two.
func (c *clock) resolution(v uint8) {
	n := v & 0x7f
	switch {
	case v >= 0x80:
		c.mul, c.div, c.shift = 1e9, 1, n
	case n <= 9:
		c.mul, c.div, c.shift = pow10(9-n), 1, 0
	default:
		c.mul, c.div, c.shift = 1, pow10(min(n-9, 19)), 0
		if n-9 > 19 {
			c.mul = 0 // a unit so small that 64 bits of it are under a nanosecond
		}
	}
}

func pow10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// nanos converts; times outside of the years 1678 to 2262 become the nearest in them.
func (c *clock) nanos(units uint64) int64 {
	hi, lo := bits.Mul64(units, c.mul)
	switch {
	case c.shift >= 64:
		lo, hi = hi>>(c.shift-64), 0
	case c.shift > 0:
		lo, hi = lo>>c.shift|hi<<(64-c.shift), hi>>c.shift
	case c.div > 1:
		lo /= c.div // mul is 1 then, so hi is 0
	}
	if hi != 0 || lo > math.MaxInt64 {
		lo = math.MaxInt64
	}
	return addSaturating(int64(lo), c.offset)
}

func addSaturating(a, b int64) int64 {
	s := a + b
	switch {
	case a > 0 && b > 0 && s < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && s >= 0:
		return math.MinInt64
	}
	return s
}

// secondsToNanos saturates.
func secondsToNanos(s int64) int64 {
	const limit = math.MaxInt64 / 1_000_000_000
	return min(max(s, -limit), limit) * 1e9
}

// start checks what there is of the first block.
func (p *pcapng) start(head []byte) *fault {
	if f := p.section(head); f != nil {
		return &fault{problem: "starts like a pcapng file, but has no valid byte-order mark", hint: "copy it again from where it came"}
	}
	if len(head) < 16 || p.u16(head[12:]) == 1 {
		return nil
	}
	return &fault{problem: fmt.Sprintf("is a pcapng file of version %d.%d, which is not known", p.u16(head[12:]), p.u16(head[14:])),
		hint: "convert it with the program that wrote it"}
}

func (p *pcapng) cut(buf []byte, b *packet.Block) step {
	for off := 0; ; {
		rest := buf[off:]
		if len(rest) < blockOverhead {
			return step{used: off, need: blockOverhead}
		}
		kind := p.u32(rest)
		if kind == blockSection {
			if f := p.section(rest); f != nil {
				return step{used: off, fault: f}
			}
		}
		length := p.u32(rest[4:])
		if f := checkLength(kind, length, rest); f != nil {
			return step{used: off, fault: f}
		}
		if uint64(length) > uint64(len(rest)) {
			if isKnown(kind) && length <= maxBlock {
				return step{used: off, need: int(length)}
			}
			return step{used: len(buf), skip: int64(length) - int64(len(rest))}
		}
		// What is skipped may be passed over without being seen as a whole, so its
		// end is never looked at.
		if trailer := p.u32(rest[length-4:]); trailer != length && isKnown(kind) {
			return step{used: off, fault: &fault{problem: fmt.Sprintf("%s has %d bytes by its head and %d by its end", blockName(kind), length, trailer)}}
		}
		if f := p.block(kind, rest[8:length-4], b); f != nil {
			return step{used: off, fault: f}
		}
		off += int(length)
	}
}

// section reads the byte order and the version of a section header block.
func (p *pcapng) section(h []byte) *fault {
	switch uint32(byteOrderMagic) {
	case binary.LittleEndian.Uint32(h[8:]):
		p.big = false
	case binary.BigEndian.Uint32(h[8:]):
		p.big = true
	default:
		return &fault{problem: "the section header has no valid byte-order mark"}
	}
	return nil
}

func checkLength(kind, length uint32, h []byte) *fault {
	switch {
	case kind == 0 && length == 0 && bytes.Equal(h[:blockOverhead], make([]byte, blockOverhead)):
		return zeros()
	case length < minBlock(kind) || length%4 != 0:
		return &fault{problem: fmt.Sprintf("%s claims a length of %d bytes, which is not possible", blockName(kind), length)}
	case length > maxBlock && kind != blockNames && isKnown(kind):
		return &fault{problem: fmt.Sprintf("%s claims a length of %d bytes, where at most %d are possible", blockName(kind), length, maxBlock)}
	}
	return nil
}

// minBlock returns the length of a block without data and options.
func minBlock(kind uint32) uint32 {
	switch kind {
	case blockSection:
		return 28
	case blockInterface:
		return 20
	case blockPacket, blockEnhanced:
		return 32
	case blockSimple:
		return 16
	}
	return blockOverhead
}

func isKnown(kind uint32) bool {
	return kind == blockSection || kind >= blockInterface && kind <= blockNames || kind == blockEnhanced
}

func blockName(kind uint32) string {
	switch kind {
	case blockSection:
		return "the section header"
	case blockInterface:
		return "an interface description"
	case blockPacket, blockSimple, blockEnhanced:
		return "the next packet"
	case blockNames:
		return "a name resolution block"
	}
	return fmt.Sprintf("a block of type 0x%08x", kind)
}

// block reads the body of a block whose length was checked.
func (p *pcapng) block(kind uint32, body []byte, b *packet.Block) *fault {
	switch kind {
	case blockEnhanced:
		return p.frame(b, p.u32(body), body)
	case blockPacket:
		return p.frame(b, uint32(p.u16(body)), body)
	case blockSimple:
		return p.simple(b, body)
	case blockSection:
		if v := p.u16(body[4:]); v != 1 {
			return &fault{problem: fmt.Sprintf("a section of pcapng version %d.%d, which is not known", v, p.u16(body[6:]))}
		}
		p.interfaces = p.interfaces[:0]
	case blockInterface:
		return p.describe(body)
	case blockNames:
		p.resolve(body)
	}
	return nil
}

// frame reads an enhanced or an obsolete packet block, which differ in the
// width of the interface number only (sections 4.3 and A).
func (p *pcapng) frame(b *packet.Block, number uint32, body []byte) *fault {
	if uint64(number) >= uint64(len(p.interfaces)) {
		return &fault{problem: fmt.Sprintf("the next packet is from interface %d, of %d that are described", number, len(p.interfaces))}
	}
	i := &p.interfaces[number]
	length, wire := p.u32(body[12:]), p.u32(body[16:])
	if uint64(length) > uint64(len(body)-20) || length > MaxFrame {
		return &fault{problem: fmt.Sprintf("the next packet claims %d captured bytes in a block of %d", length, len(body)+blockOverhead)}
	}
	end := 20 + int(length)
	p.last = i.clock.nanos(uint64(p.u32(body[4:]))<<32 | uint64(p.u32(body[8:])))
	b.Frames = append(b.Frames, packet.Frame{
		Time: p.last,
		Data: body[20:end:end],
		Wire: max(wire, length),
		Link: i.link,
	})
	return nil
}

// simple reads a simple packet block, which has neither time nor interface:
// it is from the first interface (section 4.4).
func (p *pcapng) simple(b *packet.Block, body []byte) *fault {
	if len(p.interfaces) == 0 {
		return &fault{problem: "a packet comes before any interface is described"}
	}
	i := &p.interfaces[0]
	wire := p.u32(body)
	length := min(wire, uint32(len(body)-4), MaxFrame)
	if i.snap != 0 {
		length = min(length, i.snap)
	}
	end := 4 + int(length)
	b.Frames = append(b.Frames, packet.Frame{Time: p.last, Data: body[4:end:end], Wire: wire, Link: i.link})
	return nil
}

// Options of an interface description block (section 4.2).
const (
	optEnd        = 0
	optResolution = 9
	optOffset     = 14
)

func (p *pcapng) describe(body []byte) *fault {
	if len(p.interfaces) >= maxInterfaces {
		return &fault{problem: fmt.Sprintf("more than %d interfaces", maxInterfaces)}
	}
	i := iface{link: packet.LinkType(p.u16(body)), snap: p.u32(body[4:]), clock: microseconds}
	for code, value := range p.items(body[8:]) {
		switch {
		case code == optResolution && len(value) == 1:
			i.clock.resolution(value[0])
		case code == optOffset && len(value) == 8:
			seconds := uint64(p.u32(value))<<32 | uint64(p.u32(value[4:]))
			if !p.big {
				seconds = bits.RotateLeft64(seconds, 32)
			}
			i.clock.offset = secondsToNanos(int64(seconds))
		}
	}
	p.interfaces = append(p.interfaces, i)
	return nil
}

// Records of a name resolution block (section 4.5).
const (
	nameIPv4 = 1
	nameIPv6 = 2
)

func (p *pcapng) resolve(body []byte) {
	for code, value := range p.items(body) {
		var addr packet.Addr
		switch {
		case code == nameIPv4 && len(value) > 4:
			addr, value = packet.Addr4(value), value[4:]
		case code == nameIPv6 && len(value) > 16:
			addr, value = packet.Addr16(value), value[16:]
		default:
			continue
		}
		for host := range bytes.SplitSeq(value, []byte{0}) {
			if len(host) > 0 && len(host) <= maxHostName {
				p.names.add(Name{addr, string(host)})
			}
		}
	}
}

// items calls yield with each code and value of a list of options or records,
// up to the end mark or to what is malformed.
func (p *pcapng) items(b []byte) func(yield func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			code, n := p.u16(b), int(p.u16(b[2:]))
			b = b[4:]
			if code == optEnd || n > len(b) || !yield(code, b[:n]) {
				return
			}
			b = b[min((n+3)&^3, len(b)):]
		}
	}
}

func (p *pcapng) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if p.big {
		return bits.ReverseBytes32(v)
	}
	return v
}

func (p *pcapng) u16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if p.big {
		return bits.ReverseBytes16(v)
	}
	return v
}
