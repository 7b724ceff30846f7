// Package archive keeps raw packets and gives them back, bit for bit.
//
// A directory holds segments of about 64 MiB, 00000001.seg and so on in order
// of time. A segment is a row of blocks; a block is packets of about 256 KiB,
// compressed with S2 if that makes it smaller, with the identifiers of the
// sessions that its packets belong to and checksums of all. An index beside a
// segment that is full, 00000001.idx, says which blocks have packets of a
// session; it can be made again from the segment, so nothing is lost with it,
// nor with the process that was writing.
//
// A [Writer] writes, one at a time; any number of [Reader]s read meanwhile, in
// any process. What is damaged is passed over and told as a [*Damage].
package archive

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tyto/packet"
	"tyto/store"
)

// Sizes, unless Options say otherwise.
const (
	DefaultSegmentBytes = 64 << 20
	DefaultBlockBytes   = 256 << 10
)

// MaxPacket is the longest packet that is kept, in captured bytes.
const MaxPacket = 16 << 20

// MaxUID is the longest identifier of a session, in bytes.
const MaxUID = 64

// Packet is a packet of the archive.
type Packet struct {
	packet.Frame        // Index is not kept
	UID          string // of its session; empty if it has none

	datagram string // of a fragment: what it is a part of
}

// Segment is a part of an archive: what retention removes at once.
type Segment struct {
	Number      uint32
	First, Last int64 // earliest and latest time of its packets, ns
	Packets     uint64
	Bytes       int64 // on disk, with its index
}

// Damage is a part of a segment that could not be read.
type Damage struct {
	Path   string
	Offset int64
	What   string
}

// Error says where and what; the rest of the archive was read.
func (d *Damage) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s; what is around it was read", d.Path, d.Offset, d.What)
}

// ErrForeign says that a file where a segment should be is none.
var ErrForeign = errors.New("not a segment of a tyto archive")

const (
	segmentSuffix = ".seg"
	indexSuffix   = ".idx"
	segmentMagic  = "tytopkt\x01"
)

func segmentPath(dir string, n uint32) string {
	return filepath.Join(dir, fmt.Sprintf("%08d%s", n, segmentSuffix))
}

func indexPath(segment string) string {
	return strings.TrimSuffix(segment, segmentSuffix) + indexSuffix
}

// numbers returns the numbers of the segments of a directory, in order.
func numbers(dir string) ([]uint32, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []uint32
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		if !ok || len(name) != 8 {
			continue
		}
		if n, err := strconv.ParseUint(name, 10, 32); err == nil && n > 0 && n < math.MaxUint32 {
			list = append(list, uint32(n))
		}
	}
	slices.Sort(list)
	return list, nil
}

// Retain removes the oldest segments of an archive until k is met, and returns
// those it removed. The newest segment always stays.
func Retain(dir string, k store.Keep) ([]Segment, error) {
	r, err := Open(dir)
	if err != nil {
		return nil, err
	}
	all, err := r.Segments()
	if err != nil {
		return nil, err
	}
	var total int64
	for _, s := range all {
		total += s.Bytes
	}
	var removed []Segment
	for _, s := range all[:max(len(all)-1, 0)] {
		if (k.Before == 0 || s.Last >= k.Before) && (k.Bytes == 0 || total <= k.Bytes) {
			continue
		}
		if err := remove(segmentPath(dir, s.Number)); err != nil {
			return removed, fmt.Errorf("remove packets: %w", err)
		}
		total -= s.Bytes
		removed = append(removed, s)
	}
	return removed, nil
}

// remove removes a segment, its index first: an index alone means nothing.
func remove(segment string) error {
	if err := os.Remove(indexPath(segment)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Remove(segment)
}
