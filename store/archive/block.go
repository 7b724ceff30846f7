package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"

	"tyto/packet"
)

// A block on disk, numbers in little-endian order:
//
//	 0  4  "TBLK"
//	 4  4  bytes stored after this header
//	 8  4  bytes of the content
//	12  4  packets
//	16  8  earliest time of a packet, ns
//	24  8  latest time
//	32  4  CRC-32C of what is stored
//	36  1  1: S2; 0: as it is
//	37  3  0
//	40  4  CRC-32C of bytes 0 to 39
//
// The content, numbers as varints: the time of the first packet from the
// earliest; the number of sessions; for each the place of the session that
// carried it (one of those before it, from 1; 0: none), the length of its
// identifier and the identifier; then for each packet the session (from 1; 0:
// none), time (signed, from that of the packet before), link type, bytes on the
// wire, bytes captured, and these. A session that came out of several tunnels is
// there once for each.
const (
	blockHeader = 44
	blockMagic  = "TBLK"

	// maxContent is the most that a block may hold: a full one and the longest
	// packet.
	maxContent = 2*MaxPacket + 4<<20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockInfo is where a block is, and of when.
type blockInfo struct {
	offset      int64
	stored      uint32
	content     uint32
	packets     uint32
	first, last int64
	crc         uint32
	codec       uint8
}

func (b *blockInfo) end() int64 { return b.offset + blockHeader + int64(b.stored) }

func (b *blockInfo) overlaps(after, before int64) bool {
	return (after == 0 || b.last >= after) && (before == 0 || b.first < before)
}

// appendHeader appends the header of a block.
func (b *blockInfo) appendHeader(to []byte) []byte {
	from := len(to)
	le := binary.LittleEndian
	to = append(to, blockMagic...)
	to = le.AppendUint32(to, b.stored)
	to = le.AppendUint32(to, b.content)
	to = le.AppendUint32(to, b.packets)
	to = le.AppendUint64(to, uint64(b.first))
	to = le.AppendUint64(to, uint64(b.last))
	to = le.AppendUint32(to, b.crc)
	to = append(to, b.codec, 0, 0, 0)
	return le.AppendUint32(to, crc32.Checksum(to[from:], castagnoli))
}

// parseHeader reads a header; false if it is none.
func parseHeader(h []byte, offset int64) (b blockInfo, ok bool) {
	le := binary.LittleEndian
	if len(h) < blockHeader || string(h[:4]) != blockMagic || crc32.Checksum(h[:40], castagnoli) != le.Uint32(h[40:]) {
		return b, false
	}
	b = blockInfo{
		offset: offset, stored: le.Uint32(h[4:]), content: le.Uint32(h[8:]), packets: le.Uint32(h[12:]),
		first: int64(le.Uint64(h[16:])), last: int64(le.Uint64(h[24:])), crc: le.Uint32(h[32:]), codec: h[36],
	}
	return b, b.content <= maxContent && b.stored <= b.content && b.codec <= 1
}

// carried is a session of a block: its identifier, and the place of the one that
// carried it among those before it, from 1; 0 if it came out of no tunnel. An
// identifier may be empty: then packets of no session came out of the tunnel.
type carried struct {
	uid     string
	carrier uint64
}

// builder gathers the packets of a block.
type builder struct {
	packets []byte
	uids    []byte
	index   map[carried]uint64 // session, from 1
	order   []carried
	n       uint32
	first   int64
	last    int64
	latest  int64 // of the packet before

	content, stored []byte // used again
}

func (b *builder) reset() {
	b.packets, b.uids, b.order, b.n = b.packets[:0], b.uids[:0], b.order[:0], 0
	clear(b.index)
}

// bytes is about the size of the content.
func (b *builder) bytes() int { return len(b.packets) + len(b.uids) }

func (b *builder) add(f *packet.Frame, uid string, carriers []string) {
	if b.n == 0 {
		b.first, b.last, b.latest = f.Time, f.Time, f.Time
	}
	b.first, b.last = min(b.first, f.Time), max(b.last, f.Time)
	session := uint64(0)
	for _, c := range slices.Backward(carriers) {
		session = b.place(carried{c, session})
	}
	if uid != "" || session > 0 {
		session = b.place(carried{uid, session})
	}
	p := binary.AppendUvarint(b.packets, session)
	p = binary.AppendVarint(p, f.Time-b.latest)
	p = binary.AppendUvarint(p, uint64(f.Link))
	p = binary.AppendUvarint(p, uint64(f.Wire))
	p = binary.AppendUvarint(p, uint64(len(f.Data)))
	b.packets = append(p, f.Data...)
	b.latest = f.Time
	b.n++
}

// place returns the place of a session in the block.
func (b *builder) place(c carried) uint64 {
	i := b.index[c]
	if i == 0 {
		i = uint64(len(b.order) + 1)
		b.index[c] = i
		b.order = append(b.order, c)
		b.uids = binary.AppendUvarint(b.uids, c.carrier)
		b.uids = append(binary.AppendUvarint(b.uids, uint64(len(c.uid))), c.uid...)
	}
	return i
}

// encode returns the block as it is stored, valid until the next call. Start is
// the time of its first packet.
func (b *builder) encode(offset, start int64) (blockInfo, []byte) {
	b.content = binary.AppendVarint(b.content[:0], start-b.first)
	b.content = binary.AppendUvarint(b.content, uint64(len(b.order)))
	b.content = append(append(b.content, b.uids...), b.packets...)
	info := blockInfo{offset: offset, content: uint32(len(b.content)), packets: b.n, first: b.first, last: b.last}
	b.stored = s2.Encode(b.stored[:cap(b.stored)], b.content)
	stored := b.stored
	if len(stored) < len(b.content) {
		info.codec = 1
	} else {
		stored = b.content
	}
	info.stored, info.crc = uint32(len(stored)), crc32.Checksum(stored, castagnoli)
	return info, stored
}

// unpack checks what is stored of a block and returns its content.
func (b *blockInfo) unpack(stored, to []byte) ([]byte, error) {
	if crc32.Checksum(stored, castagnoli) != b.crc {
		return nil, errors.New("the checksum of a block is wrong")
	}
	if b.codec == 0 {
		return stored, nil
	}
	if n, err := s2.DecodedLen(stored); err != nil || n != int(b.content) {
		return nil, fmt.Errorf("a block has %d bytes instead of %d", n, b.content)
	}
	content, err := s2.Decode(to[:cap(to)], stored)
	if err != nil {
		return nil, fmt.Errorf("a block does not decompress: %w", err)
	}
	return content, nil
}

// cursor reads varints; after a failure everything is 0.
type cursor struct {
	b      []byte
	failed bool
}

func (c *cursor) uint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.failed, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) int() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.failed, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) bytes(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.failed, c.b = true, nil
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

// sessions reads the sessions of a block.
func (c *cursor) sessions() []carried {
	n := c.uint()
	if n > uint64(len(c.b)) {
		c.failed = true
		return nil
	}
	list := make([]carried, 0, n)
	for i := range n {
		k := carried{carrier: c.uint()}
		k.uid = string(c.bytes(c.uint()))
		if k.carrier > i {
			c.failed = true
		}
		list = append(list, k)
	}
	return list
}

// chosen says which sessions of a block are wanted: those that want accepts, and
// all that one of them carried.
func chosen(list []carried, want func(uid string) bool) []bool {
	yes := make([]bool, len(list)+1)
	for i, c := range list {
		yes[i+1] = yes[c.carrier] || want(c.uid)
	}
	return yes
}

// errContent says that a block is not what its checksum says it is: only a
// program that is no tyto writes such.
var errContent = errors.New("the content of a block contradicts itself")

// each calls yield with the packets of a block's content that choose chooses by
// the place of their session (0: of none). The packet is valid until yield
// returns.
func (b *blockInfo) each(content []byte, choose func([]carried) func(session uint64) bool, yield func(*Packet) error) error {
	c := cursor{b: content}
	start := c.int() + b.first
	list := c.sessions()
	if c.failed {
		return errContent
	}
	want := choose(list)
	p := Packet{Frame: packet.Frame{Time: start}}
	for range b.packets {
		session := c.uint()
		p.Time += c.int()
		link, wire := c.uint(), c.uint()
		p.Data = c.bytes(c.uint())
		if c.failed || session > uint64(len(list)) || link > 0xffff || wire > 0xffffffff {
			return errContent
		}
		if !want(session) {
			continue
		}
		p.Link, p.Wire, p.UID, p.datagram = packet.LinkType(link), uint32(wire), "", ""
		if session > 0 {
			p.UID = list[session-1].uid
		}
		if strings.HasPrefix(p.UID, datagramPrefix) {
			p.UID, p.datagram = "", p.UID
		}
		if err := yield(&p); err != nil {
			return err
		}
	}
	if len(c.b) > 0 {
		return errContent
	}
	return nil
}
