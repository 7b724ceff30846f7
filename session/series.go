package session

import "encoding/binary"

// Series is a compact, bounded list of what a session's packets looked like:
// time, direction, payload bytes and flags, and the messages that analyzers
// found in them (TLS records, SSH packets). It is what the later stages recover
// messages from. Entries are variable-length: three to four bytes for most.
//
// A series that reaches its bound keeps its start and goes on coarser: runs of
// packets in one direction become one entry.
//
// The zero value is an empty series. Its blocks belong to a Pool.
type Series struct {
	last       int64  // time of the latest entry, µs
	head, tail uint32 // first and last block in the pool, 0 for none
	Packets    uint32 // packets in entries
	Messages   uint32 // entries for messages
	Dropped    uint32 // packets for which there was no room
	used       uint16 // bytes used in the tail block
	blocks     uint16
	// Packets that wait to become one entry, once a series is near its bound.
	runBytes   uint32
	runPackets uint8
	runDir     Direction
	flipped    bool
}

// Entry is one element of a series.
type Entry struct {
	Time    int64     // ns
	Dir     Direction // who sent it
	Message bool      // a message rather than a packet
	Kind    uint8     // of a message: the protocol's own kind; of a packet: TCP flags that matter (FIN, SYN, RST, PSH), and Repeat
	Bytes   uint32    // payload of the packet or size of the message on the wire
	Packets uint32    // how many packets were gathered in the entry; 1 unless the series is long
}

// Repeat in the Kind of a TCP packet's entry says that all its bytes were sent
// before.
const Repeat = 1 << 4

const (
	blockBytes   = 64
	maxBlocks    = 1024 // 64 KiB a session
	coarseBlocks = 768  // from here on runs are gathered
	shortEntry   = 8
	maxEntry     = 1 + 2*binary.MaxVarintLen64 + 2*binary.MaxVarintLen32
)

// Pool holds the blocks of the series of one shard. It grows in steps and
// reuses what is given back.
type Pool struct {
	slabs [][]block
	free  uint32
	next  uint32
	inUse int
	// Limit is how many bytes the pool may use; 0 is no limit. When it is
	// reached series stop growing, and count what they drop.
	Limit int
}

type block struct {
	next uint32
	b    [blockBytes - 4]byte
}

const slabBlocks = 4096

// Bytes returns the memory in use.
func (p *Pool) Bytes() int { return p.inUse * blockBytes }

func (p *Pool) at(i uint32) *block { return &p.slabs[(i-1)/slabBlocks][(i-1)%slabBlocks] }

func (p *Pool) get() uint32 {
	if p.Limit > 0 && p.Bytes() >= p.Limit {
		return 0
	}
	p.inUse++
	if i := p.free; i != 0 {
		b := p.at(i)
		p.free = b.next
		b.next = 0
		return i
	}
	if int(p.next) == len(p.slabs)*slabBlocks {
		p.slabs = append(p.slabs, make([]block, slabBlocks))
	}
	p.next++
	return p.next
}

// Entry header bits: direction, message, gathered, then five bits of kind.
const (
	hdrResp   = 1 << 7
	hdrMsg    = 1 << 6
	hdrRun    = 1 << 5
	hdrKind   = 0x1f
	timeShift = 1000 // times are kept in microseconds
)

func (s *Series) add(p *Pool, e Entry) bool {
	var b [maxEntry]byte
	h := e.Kind & hdrKind
	if (e.Dir == Resp) != s.flipped {
		h |= hdrResp
	}
	if e.Message {
		h |= hdrMsg
	}
	if e.Packets > 1 {
		h |= hdrRun
	}
	b[0] = h
	n := 1
	n += binary.PutVarint(b[n:], e.Time/timeShift-s.last)
	n += binary.PutUvarint(b[n:], uint64(e.Bytes))
	if e.Packets > 1 {
		n += binary.PutUvarint(b[n:], uint64(e.Packets))
	}
	if s.tail == 0 || int(s.used)+n > len(block{}.b) {
		if s.blocks >= maxBlocks {
			return false
		}
		i := p.get()
		if i == 0 {
			return false
		}
		if s.tail != 0 {
			t := p.at(s.tail)
			for k := int(s.used); k < len(t.b); k++ {
				t.b[k] = padding
			}
			t.next = i
		} else {
			s.head = i
		}
		s.tail, s.used = i, 0
		s.blocks++
	}
	to := p.at(s.tail).b[s.used:]
	if n <= shortEntry && len(to) >= shortEntry {
		*(*[shortEntry]byte)(to) = *(*[shortEntry]byte)(b[:]) // faster than a copy of n; what is too much is overwritten
	} else {
		copy(to, b[:n])
	}
	s.used += uint16(n)
	s.last = e.Time / timeShift
	return true
}

// padding fills the end of a block that the next entry did not fit into: a
// gathered message, which is never written.
const padding = hdrMsg | hdrRun

// AddPacket appends a packet with n bytes of payload.
func (s *Series) AddPacket(p *Pool, now int64, dir Direction, flags uint8, n int) {
	if s.blocks >= coarseBlocks {
		s.gather(p, now, dir, flags, n)
		return
	}
	if !s.add(p, Entry{Time: now, Dir: dir, Kind: flags, Bytes: uint32(n), Packets: 1}) {
		s.Dropped++
		return
	}
	s.Packets++
}

// gather makes one entry of up to 64 packets that follow each other in one
// direction.
func (s *Series) gather(p *Pool, now int64, dir Direction, flags uint8, n int) {
	if s.runPackets > 0 && (s.runDir != dir || s.runPackets >= 64) {
		s.closeRun(p, now)
	}
	s.runBytes += uint32(n)
	s.runPackets++
	s.runDir = dir
}

func (s *Series) closeRun(p *Pool, now int64) {
	if s.add(p, Entry{Time: now, Dir: s.runDir, Bytes: s.runBytes, Packets: uint32(s.runPackets)}) {
		s.Packets += uint32(s.runPackets)
	} else {
		s.Dropped += uint32(s.runPackets)
	}
	s.runBytes, s.runPackets = 0, 0
}

// AddMessage appends a message of n bytes on the wire.
func (s *Series) AddMessage(p *Pool, now int64, dir Direction, kind uint8, n int) {
	if p == nil || s.blocks >= coarseBlocks || n < 0 {
		return
	}
	if s.add(p, Entry{Time: now, Dir: dir, Message: true, Kind: kind, Bytes: uint32(n), Packets: 1}) {
		s.Messages++
	}
}

func (s *Series) flip() { s.flipped, s.runDir = !s.flipped, s.runDir.Other() }

// All calls yield with the entries in order of time.
func (s *Series) All(p *Pool) func(yield func(Entry) bool) {
	return func(yield func(Entry) bool) {
		var last int64
		for i := s.head; i != 0; i = p.at(i).next {
			b := p.at(i).b[:]
			if i == s.tail {
				b = b[:s.used]
			}
			for len(b) > 0 && b[0] != padding {
				e := Entry{Dir: Direction(b[0] >> 7), Message: b[0]&hdrMsg != 0, Kind: b[0] & hdrKind, Packets: 1}
				if s.flipped {
					e.Dir = e.Dir.Other()
				}
				gathered := b[0]&hdrRun != 0
				dt, n := binary.Varint(b[1:])
				b = b[1+n:]
				last += dt
				e.Time = last * timeShift
				v, n := binary.Uvarint(b)
				b = b[n:]
				e.Bytes = uint32(v)
				if gathered {
					v, n = binary.Uvarint(b)
					b = b[n:]
					e.Packets = uint32(v)
				}
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Free gives a series' blocks back and empties it.
func (s *Series) Free(p *Pool) {
	if s.tail != 0 {
		p.at(s.tail).next = p.free
		p.free = s.head
		p.inUse -= int(s.blocks)
	}
	*s = Series{}
}
