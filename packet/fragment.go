package packet

import (
	"bytes"
	"hash/maphash"
)

// Bounds of what is kept of unfinished datagrams.
const (
	defaultFragmentBytes = 4 << 20
	maxDatagrams         = 4096 // unfinished at a time
	maxPieces            = 512  // of one datagram, apart from each other
	fragmentTimeout      = 30e9 // nanoseconds of packet time from the first fragment
)

// fragment is what an IP header says about the piece of a datagram at hand.
type fragment struct {
	id     uint32
	off    int
	more   bool
	next   uint8 // upper-layer protocol, or next header
	maxEnd int   // the datagram's largest length
}

// fragment takes up the fragment the walk is at. If that completes its
// datagram, the walk is at the datagram's start and fragment reports true.
func (w *walk) fragment(f fragment) bool {
	d, p := w.d, w.p
	d.Fragments++
	p.Fragment = true
	size := w.wire
	if f.more && size%8 != 0 {
		p.Flaws |= FlawLength
		if p.Version == 6 { // RFC 8200 section 4.5
			return false
		}
		size &^= 7
	}
	if size == 0 {
		p.Flaws |= FlawLength
		return false
	}
	if f.off+size > f.maxEnd {
		p.Flaws |= FlawFragmentTooLarge
		return false
	}
	if d.frags == nil {
		d.frags = newFragments(d.MaxFragmentBytes)
	}
	k := datagramKey{src: p.Src, dst: p.Dst, id: f.id, vlan: p.VLAN, version: p.Version}
	if p.Version == 4 {
		k.proto = p.Proto
	}
	r := d.frags.add(k, p.Time, p.IPBytes, f, size, w.b[:min(size, len(w.b))])
	p.Flaws |= r.flaws
	d.Expired += r.expired
	if !r.done {
		return false
	}
	d.Reassembled++
	w.b, w.wire = r.b, r.size
	p.Proto = r.next
	p.IPBytes = r.ipBytes
	p.Fragment = false
	p.Cut = len(r.b) < r.size
	p.Payload, p.PayloadBytes = w.b, uint32(w.wire)
	return true
}

// datagramKey names a datagram (RFC 791, RFC 8200 section 4.5); proto is zero
// for IPv6.
type datagramKey struct {
	src, dst Addr
	id       uint32
	vlan     uint16
	proto    uint8
	version  uint8
}

// datagram is a datagram of which pieces were received. Indices are of
// fragments.grams and fragments.slabs; 0 is none.
type datagram struct {
	key          datagramKey
	first        int64  // time of the first fragment
	chain        uint32 // next in the bucket, or in the free list
	older, newer uint32
	head, tail   uint32 // pieces by offset
	last         uint32 // last block of the last piece
	pieces       int
	have         int // bytes of all pieces
	end          int // of the last piece
	total        int // length, once the last fragment was received; 0 before
	ipBytes      uint32
	next         uint8
	dead         bool // its fragments are discarded, RFC 5722
}

// block holds a piece of a datagram, or more of one whose bytes did not fit.
type block struct {
	more  uint32 // next block of the piece; or next free block
	next  uint32 // first block of the next piece; valid in a piece's first block
	off   uint32 // of the piece in the datagram; likewise
	size  uint32 // on the wire; likewise
	bytes uint32 // captured; likewise
	b     [blockData]byte
}

const (
	blockBytes = 512
	blockData  = blockBytes - 20
	slabBlocks = 128
	bucketMask = maxDatagrams - 1
)

// fragments keeps unfinished datagrams in blocks of a pool, so that it neither
// allocates once it has grown nor holds more than it was told, however small
// the fragments and wherever they lie.
type fragments struct {
	seed     maphash.Seed
	buckets  [maxDatagrams]uint32
	grams    []datagram // [0] is unused
	freeGram uint32
	oldest   uint32
	newest   uint32
	count    int

	slabs      []*[slabBlocks]block
	freeBlock  uint32
	freeBlocks int
	used       int // blocks taken from slabs so far, in use or free
	limit      int

	out []byte // the datagram completed last
}

func newFragments(maxBytes int) *fragments {
	if maxBytes <= 0 {
		maxBytes = defaultFragmentBytes
	}
	return &fragments{
		seed:  maphash.MakeSeed(),
		grams: make([]datagram, 1, 16),
		limit: maxBytes / blockBytes,
		out:   make([]byte, maxDatagram),
	}
}

// result is what became of a fragment.
type result struct {
	flaws   Flaw
	expired uint64
	done    bool // the rest is valid
	b       []byte
	size    int // of the datagram; b is shorter if the capture lacks bytes
	ipBytes uint32
	next    uint8
}

// add takes up a fragment of size bytes, of which data was captured.
func (f *fragments) add(k datagramKey, now int64, ipBytes uint32, frag fragment, size int, data []byte) (r result) {
	for i := f.oldest; i != 0 && f.grams[i].stale(now); i = f.oldest {
		f.remove(i)
		r.expired++
	}
	i := f.find(k)
	if i == 0 {
		if f.count == maxDatagrams {
			f.evict(f.oldest, &r)
		}
		i = f.create(k, now)
	}
	g := &f.grams[i]
	g.ipBytes += ipBytes
	if g.dead {
		return r
	}
	if frag.off == 0 && (g.head == 0 || f.block(g.head).off > 0) {
		g.next = frag.next
	}
	size = g.bound(frag.off, size, frag.more, &r)
	data = data[:min(size, len(data))]
	if size > 0 {
		blocks := len(data)/blockData + 1
		if frag.off < g.end { // may fill gaps, each with blocks of its own
			blocks += g.pieces
		}
		if !f.room(i, blocks, &r) {
			f.evict(i, &r)
			return r
		}
		f.insert(g, frag.off, size, data, &r)
	}
	if g.pieces > maxPieces {
		r.flaws |= FlawFragmentDropped
	}
	if r.flaws&FlawFragmentOverlap != 0 && k.version == 6 || g.pieces > maxPieces {
		f.free(g)
		g.dead = true
		return r
	}
	if g.total == 0 || g.have < g.total {
		return r
	}
	r.done, r.size, r.ipBytes, r.next = true, g.total, g.ipBytes, g.next
	r.b = f.assemble(g)
	f.remove(i)
	return r
}

// stale reports whether the datagram's time is over. The clock of a capture may
// jump either way.
func (g *datagram) stale(now int64) bool {
	return now-g.first > fragmentTimeout || g.first-now > fragmentTimeout
}

// bound notes the datagram's length if the fragment is the last, and returns
// the part of size that lies within it. What contradicts an earlier fragment is
// not believed.
func (g *datagram) bound(off, size int, more bool, r *result) int {
	end := off + size
	switch {
	case g.total != 0 && end > g.total:
		r.flaws |= FlawFragmentOverlap
		return max(g.total-off, 0)
	case more || end == g.total:
	case g.total != 0 || g.end > end:
		r.flaws |= FlawFragmentOverlap
	default:
		g.total = end
	}
	return size
}

// insert stores the bytes that the datagram does not have yet, and compares the
// others.
func (f *fragments) insert(g *datagram, off, size int, data []byte, r *result) {
	pos, end := off, off+size
	prev := uint32(0)
	if pos >= g.end {
		prev = g.tail
		f.store(g, prev, pos, end, data)
		return
	}
	for i := g.head; i != 0 && pos < end; i = f.block(i).next {
		b := f.block(i)
		from, to := int(b.off), int(b.off+b.size)
		if to <= pos {
			prev = i
			continue
		}
		if from >= end {
			break
		}
		if from > pos {
			f.store(g, prev, pos, from, data[min(pos-off, len(data)):])
			pos = from
		}
		to = min(to, end)
		if !f.equal(i, pos, data[min(pos-off, len(data)):min(to-off, len(data))]) {
			r.flaws |= FlawFragmentOverlap
		}
		pos, prev = to, i
	}
	if pos < end {
		f.store(g, prev, pos, end, data[min(pos-off, len(data)):])
	}
}

// store adds a piece after prev with those of its bytes that were captured. A
// piece that continues the last one is joined to it: fragments that arrive in
// order are one piece, however small they are.
func (f *fragments) store(g *datagram, prev uint32, pos, end int, data []byte) {
	data = data[:min(end-pos, len(data))]
	g.have += end - pos
	if prev != 0 && prev == g.tail && pos == g.end {
		p := f.block(prev)
		if p.bytes == p.size {
			used := int(p.bytes) % blockData
			if used == 0 {
				used = blockData
			}
			p.size += uint32(end - pos)
			p.bytes += uint32(len(data))
			g.end = end
			g.last = f.fill(g.last, used, data)
			return
		}
	}
	i := f.take()
	b := f.block(i)
	b.off, b.size, b.bytes = uint32(pos), uint32(end-pos), uint32(len(data))
	last := f.fill(i, 0, data)
	if prev == g.tail {
		g.tail, g.last, g.end = i, last, end
	}
	if prev == 0 {
		b.next, g.head = g.head, i
	} else {
		p := f.block(prev)
		b.next, p.next = p.next, i
	}
	g.pieces++
}

// fill writes data behind the used bytes of a block and into as many more as it
// takes, and returns the last of them.
func (f *fragments) fill(i uint32, used int, data []byte) uint32 {
	b := f.block(i)
	data = data[copy(b.b[used:], data):]
	for len(data) > 0 {
		i = f.take()
		b.more = i
		b = f.block(i)
		data = data[copy(b.b[:], data):]
	}
	return i
}

// equal reports whether the piece holds data at pos, as far as both were
// captured.
func (f *fragments) equal(piece uint32, pos int, data []byte) bool {
	b := f.block(piece)
	skip, left := pos-int(b.off), int(b.bytes)
	for len(data) > 0 && left > 0 {
		have := b.b[:min(left, len(b.b))]
		left -= len(have)
		if skip < len(have) {
			have = have[skip:]
			n := min(len(have), len(data))
			if !bytes.Equal(have[:n], data[:n]) {
				return false
			}
			data = data[n:]
		}
		skip = max(skip-blockData, 0)
		if b.more == 0 {
			break
		}
		b = f.block(b.more)
	}
	return true
}

// assemble puts the pieces together, up to the first byte that was not captured.
func (f *fragments) assemble(g *datagram) []byte {
	out := f.out[:0]
	for i := g.head; i != 0; {
		b := f.block(i)
		left, whole, next := int(b.bytes), b.bytes == b.size, b.next
		for {
			n := min(left, len(b.b))
			out = append(out, b.b[:n]...)
			left -= n
			if b.more == 0 {
				break
			}
			b = f.block(b.more)
		}
		if !whole {
			break
		}
		i = next
	}
	return out
}

// find returns the datagram's index.
func (f *fragments) find(k datagramKey) uint32 {
	for i := f.buckets[f.bucket(k)]; i != 0; i = f.grams[i].chain {
		if f.grams[i].key == k {
			return i
		}
	}
	return 0
}

// bucket is seeded: whoever sends fragments must not choose where they go.
func (f *fragments) bucket(k datagramKey) uint64 { return maphash.Comparable(f.seed, k) & bucketMask }

// create makes a datagram the newest.
func (f *fragments) create(k datagramKey, now int64) uint32 {
	i := f.freeGram
	if i != 0 {
		f.freeGram = f.grams[i].chain
	} else {
		i = uint32(len(f.grams))
		f.grams = append(f.grams, datagram{})
	}
	bucket := &f.buckets[f.bucket(k)]
	f.grams[i] = datagram{key: k, first: now, chain: *bucket, older: f.newest}
	*bucket = i
	if f.newest != 0 {
		f.grams[f.newest].newer = i
	} else {
		f.oldest = i
	}
	f.newest = i
	f.count++
	return i
}

// remove forgets a datagram.
func (f *fragments) remove(i uint32) {
	g := &f.grams[i]
	f.free(g)
	at := &f.buckets[f.bucket(g.key)]
	for *at != i {
		at = &f.grams[*at].chain
	}
	*at = g.chain
	if g.older != 0 {
		f.grams[g.older].newer = g.newer
	} else {
		f.oldest = g.newer
	}
	if g.newer != 0 {
		f.grams[g.newer].older = g.older
	} else {
		f.newest = g.older
	}
	g.chain, f.freeGram = f.freeGram, i
	f.count--
}

// evict removes a datagram for want of room.
func (f *fragments) evict(i uint32, r *result) {
	f.remove(i)
	r.expired++
	r.flaws |= FlawFragmentDropped
}

// room drops the oldest datagrams but keep until so many blocks can be taken.
func (f *fragments) room(keep uint32, blocks int, r *result) bool {
	for f.limit-f.used+f.freeBlocks < blocks {
		i := f.oldest
		if i == keep {
			i = f.grams[i].newer
		}
		if i == 0 {
			return false
		}
		f.evict(i, r)
	}
	return true
}

func (f *fragments) block(i uint32) *block { return &f.slabs[(i-1)/slabBlocks][(i-1)%slabBlocks] }

// take returns a free block, which room has made sure of.
func (f *fragments) take() uint32 {
	i := f.freeBlock
	if i != 0 {
		b := f.block(i)
		f.freeBlock = b.more
		f.freeBlocks--
		b.more = 0
		return i
	}
	if f.used == len(f.slabs)*slabBlocks {
		f.slabs = append(f.slabs, new([slabBlocks]block))
	}
	f.used++
	return uint32(f.used)
}

// free gives a datagram's blocks back.
func (f *fragments) free(g *datagram) {
	for i := g.head; i != 0; {
		next := f.block(i).next
		for i != 0 {
			b := f.block(i)
			more := b.more
			b.more, f.freeBlock = f.freeBlock, i
			f.freeBlocks++
			i = more
		}
		i = next
	}
	g.head, g.tail, g.last, g.pieces, g.have, g.end = 0, 0, 0, 0, 0, 0
}
