package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"slices"
)

// index says which blocks there are in a segment and which of them have packets
// of a session.
//
// On disk: "tytoidx\x01", the segment's length, the number of blocks and each
// as in its header, the number of sessions and for each, in order, its
// identifier and its blocks' numbers as differences, numbers as varints; then
// the CRC-32C of all that.
type index struct {
	blocks   []blockInfo
	sessions map[string][]uint32 // numbers of blocks, in order
	// listed are the sessions of an index that was read, as they are on disk:
	// looking through them costs less than a map of them.
	listed []byte
}

const indexMagic = "tytoidx\x01"

// add notes a block and the sessions in it.
func (x *index) add(b blockInfo, list []carried) {
	if x.sessions == nil {
		x.sessions = make(map[string][]uint32)
	}
	n := uint32(len(x.blocks))
	x.blocks = append(x.blocks, b)
	for _, c := range list {
		known := x.sessions[c.uid]
		if c.uid != "" && (len(known) == 0 || known[len(known)-1] != n) {
			x.sessions[c.uid] = append(known, n)
		}
	}
}

// holding returns the blocks with packets of sessions that want accepts, in order.
func (x *index) holding(want func(uid []byte) bool) []uint32 {
	var list []uint32
	for uid, blocks := range x.sessions {
		if want([]byte(uid)) {
			list = append(list, blocks...)
		}
	}
	c := cursor{b: x.listed}
	for len(c.b) > 0 {
		yes := want(c.bytes(c.uint()))
		last := uint32(0)
		for range c.count() {
			last += uint32(c.uint())
			if yes {
				list = append(list, last)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// write writes the index under its name when it is complete.
func (x *index) write(path string, segment int64) error {
	b := append([]byte(nil), indexMagic...)
	b = binary.AppendUvarint(b, uint64(segment))
	b = binary.AppendUvarint(b, uint64(len(x.blocks)))
	for i := range x.blocks {
		k := &x.blocks[i]
		for _, v := range []uint64{uint64(k.offset), uint64(k.stored), uint64(k.content), uint64(k.packets), uint64(k.crc), uint64(k.codec)} {
			b = binary.AppendUvarint(b, v)
		}
		b = binary.AppendVarint(binary.AppendVarint(b, k.first), k.last)
	}
	b = binary.AppendUvarint(b, uint64(len(x.sessions)))
	for _, uid := range x.uids() {
		list := x.sessions[uid]
		b = append(binary.AppendUvarint(b, uint64(len(uid))), uid...)
		b = binary.AppendUvarint(b, uint64(len(list)))
		last := uint32(0)
		for _, n := range list {
			b = binary.AppendUvarint(b, uint64(n-last))
			last = n
		}
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	temporary := path + ".new"
	if err := os.WriteFile(temporary, b, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// uids returns the sessions in the order of their identifiers.
func (x *index) uids() []string { return slices.Sorted(maps.Keys(x.sessions)) }

// errIndex says that an index is of no use; the segment is.
var errIndex = errors.New("the index is damaged or of another segment")

// readIndex reads the index of a segment of a length.
func readIndex(path string, segment int64) (*index, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseIndex(b, segment)
}

func parseIndex(b []byte, segment int64) (*index, error) {
	end := len(b) - 4
	if end < len(indexMagic) || string(b[:len(indexMagic)]) != indexMagic || crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return nil, errIndex
	}
	c := cursor{b: b[len(indexMagic):end]}
	if c.uint() != uint64(segment) {
		return nil, fmt.Errorf("%w: the segment has another length", errIndex)
	}
	x := new(index)
	for range c.count() {
		k := blockInfo{offset: int64(c.uint()), stored: uint32(c.uint()), content: uint32(c.uint()), packets: uint32(c.uint()), crc: uint32(c.uint()), codec: uint8(c.uint())}
		k.first, k.last = c.int(), c.int()
		if k.offset < 0 || k.end() > segment || k.content > maxContent || k.stored > k.content {
			return nil, errIndex
		}
		x.blocks = append(x.blocks, k)
	}
	sessions := c.count()
	x.listed = c.b
	for range sessions {
		c.bytes(c.uint())
		last := uint64(0)
		for range c.count() {
			last += c.uint()
			if last >= uint64(len(x.blocks)) {
				return nil, errIndex
			}
		}
	}
	if c.failed || len(c.b) > 0 {
		return nil, errIndex
	}
	return x, nil
}

// count reads a number of things, each of at least a byte.
func (c *cursor) count() uint64 {
	n := c.uint()
	if n > uint64(len(c.b)) {
		c.failed, c.b = true, nil
		return 0
	}
	return n
}
