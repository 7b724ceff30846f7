package protocol

import (
	"encoding/binary"

	"tyto/session"
)

// What a session sends before it is recognised is kept and given to the analyzer
// afterwards: in the order it came, each piece with its own time and direction.
// Flow.pieces tells them; a piece is a head, followed in place by the datagram.
// The bytes of a stream are in Flow.buf instead, where probes see them whole.
//
//	time (8), bytes (4), direction (1)
const pieceHead = 13

// maxKept bounds the datagrams of a session that wait for recognition, heads
// included. Their number is bounded by maxProbeDatagrams.
const maxKept = 4 << 10

// keepPart keeps the next part of a stream.
func (e *Engine) keepPart(f *Flow, dir session.Direction, data []byte) {
	e.keep(f, dir, data)
	f.pieces = appendHead(e.grow(f.pieces, pieceHead), f.Now, dir, len(data))
}

// keepDatagram keeps a datagram, if there is still room.
func (e *Engine) keepDatagram(f *Flow, dir session.Direction, data []byte) {
	if f.fits(data) {
		b := appendHead(e.grow(f.pieces, pieceHead+len(data)), f.Now, dir, len(data))
		f.pieces = append(b, data...)
	}
}

// fits reports whether there is room for one more datagram.
func (f *Flow) fits(data []byte) bool {
	return len(f.pieces)+pieceHead+len(data) <= maxKept
}

func appendHead(b []byte, now int64, dir session.Direction, n int) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(now))
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	return append(b, byte(dir))
}

// piece is a head as it was kept.
type piece struct {
	now   int64
	bytes int
	dir   session.Direction
}

func readHead(b []byte) piece {
	return piece{int64(binary.BigEndian.Uint64(b)), int(binary.BigEndian.Uint32(b[8:])), session.Direction(b[12])}
}

// step returns how far the next piece is.
func (f *Flow) step(p piece) int {
	if f.Datagram() {
		return pieceHead + p.bytes
	}
	return pieceHead
}

// dropParts forgets the parts of one direction of a stream. Datagrams stay: none
// of them depends on another.
func (f *Flow) dropParts(dir session.Direction) {
	if f.Datagram() {
		return
	}
	left := f.pieces[:0]
	for b := f.pieces; len(b) >= pieceHead; b = b[pieceHead:] {
		if readHead(b).dir != dir {
			left = append(left, b[:pieceHead]...)
		}
	}
	f.pieces = left
}

// flip exchanges the roles of a session that is being recognised.
func (f *Flow) flip() {
	f.Session.Flip()
	f.buf[0], f.buf[1] = f.buf[1], f.buf[0]
	f.seen[0], f.seen[1] = f.seen[1], f.seen[0]
	f.seenLen[0], f.seenLen[1] = f.seenLen[1], f.seenLen[0]
	f.first = f.first.Other()
	for b := f.pieces; len(b) >= pieceHead; {
		p := readHead(b)
		b[pieceHead-1] = byte(p.dir.Other())
		b = b[f.step(p):]
	}
}

// replay gives the analyzer what was kept: the pieces, then what an earlier
// analyzer left of a stream, the given direction first.
func (e *Engine) replay(f *Flow, first session.Direction) {
	pieces, buf, now := f.pieces, f.buf, f.Now
	f.pieces, f.buf = nil, [2][]byte{}
	defer func() { // also if the analyzer panics
		f.Now = now
		e.give(pieces)
		e.give(buf[0])
		e.give(buf[1])
	}()
	// Roles may be exchanged once more, after a handover.
	flipped := f.Session.Flags & session.Flipped
	to := func(dir session.Direction, data []byte) {
		if f.Session.Flags&session.Flipped != flipped {
			dir = dir.Other()
		}
		if len(data) > 0 {
			e.deliver(f, dir, data)
		}
	}
	rest := buf
	for b := pieces; len(b) >= pieceHead; {
		p := readHead(b)
		f.Now = p.now
		if f.Datagram() {
			to(p.dir, b[pieceHead:pieceHead+p.bytes])
		} else {
			n := min(p.bytes, len(rest[p.dir]))
			to(p.dir, rest[p.dir][:n])
			rest[p.dir] = rest[p.dir][n:]
		}
		b = b[f.step(p):]
	}
	f.Now = now
	to(first, rest[first])
	to(first.Other(), rest[first.Other()])
}
