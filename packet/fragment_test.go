package packet

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// arrival is a fragment and what must become of it.
type arrival struct {
	at    int // seconds
	id    int
	off   int
	last  bool
	data  string
	lost  int    // bytes at the end that were not captured
	want  string // payload of the datagram, if the fragment completes it
	bytes uint32 // IP length of all its fragments
	flaws Flaw
}

func (a *arrival) frame(version int) Frame {
	b := fragmentOf(version, a.id, a.off, !a.last, []byte(a.data))
	return Frame{Time: int64(a.at) * 1e9, Data: b[:len(b)-a.lost], Wire: uint32(len(b)), Link: LinkRaw}
}

// fragmentOf is a fragment of a UDP datagram from 192.0.2.1 to 192.0.2.2, or
// from 2001:db8::1 to 2001:db8::2.
func fragmentOf(version, id, off int, more bool, data []byte) []byte {
	flag := 0
	if more {
		flag = 1
	}
	if version == 6 {
		b := raw("60000000"+number(8+len(data), 2)+"2c 40"+addr6a+addr6b, "11 00", number(off|flag, 2), number(id, 4))
		return append(b, data...)
	}
	b := raw("4500", number(20+len(data), 2), number(id, 2), number(off/8|flag<<13, 2), "40 11 0000 c0000201 c0000202")
	return append(b, data...)
}

type reassemblyTest struct {
	name        string
	version     int // 0: both
	arrivals    []arrival
	reassembled uint64
	expired     uint64
}

func (tt *reassemblyTest) frames() (f []Frame) {
	for _, a := range tt.arrivals {
		f = append(f, a.frame(max(tt.version, 4)))
	}
	return f
}

// Thirty-two bytes: a UDP header and three pieces of payload.
const (
	head  = "\x13\x88\x00\x35\x00\x20\x00\x00"
	one   = "ABCDEFGH"
	two   = "IJKLMNOP"
	three = "QRSTUVWX"
)

var reassemblyTests = []reassemblyTest{
	{name: "in order", reassembled: 1, arrivals: []arrival{
		{data: head + one}, {off: 16, data: two}, {off: 24, data: three, last: true, want: one + two + three, bytes: 32},
	}},
	{name: "backwards", reassembled: 1, arrivals: []arrival{
		{off: 24, data: three, last: true}, {off: 16, data: two}, {data: head + one, want: one + two + three, bytes: 32},
	}},
	{name: "middle comes last", reassembled: 1, arrivals: []arrival{
		{off: 24, data: three, last: true}, {data: head}, {off: 8, data: one + two, want: one + two + three, bytes: 32},
	}},
	{name: "last piece shorter", reassembled: 1, arrivals: []arrival{
		{data: "\x13\x88\x00\x35\x00\x0b\x00\x00"}, {off: 8, data: "ABC", last: true, want: "ABC", bytes: 11},
	}},
	{name: "twice the same", reassembled: 1, arrivals: []arrival{
		{data: head + one}, {data: head + one}, {off: 8, data: one + two},
		{off: 24, data: three, last: true, want: one + two + three, bytes: 16 + 16 + 16 + 8},
	}},
	{name: "overlaps fill gaps", reassembled: 1, arrivals: []arrival{
		{off: 8, data: one}, {off: 24, data: three, last: true},
		{data: head + one + two + three, want: one + two + three, bytes: 48},
	}},
	{name: "first bytes win", version: 4, reassembled: 1, arrivals: []arrival{
		{data: head}, {off: 16, data: two}, {off: 8, data: one + "########" + three, last: true, flaws: FlawFragmentOverlap,
			want: one + two + three, bytes: 40},
	}},
	{name: "different bytes", version: 6, expired: 1, arrivals: []arrival{
		{data: head}, {off: 16, data: two}, {off: 8, data: one + "########" + three, last: true, flaws: FlawFragmentOverlap},
		{data: head}, {off: 8, data: one + two + three, last: true}, // silently discarded
		{at: 31, id: 1, data: head},
	}},
	{name: "beyond the end", version: 4, reassembled: 1, arrivals: []arrival{
		{off: 24, data: three, last: true}, {off: 16, data: two + three + "########", flaws: FlawFragmentOverlap},
		{off: 32, data: "########", flaws: FlawFragmentOverlap},
		{data: head + one, want: one + two + three, bytes: 8 + 24 + 8 + 16},
	}},
	{name: "two ends", version: 4, reassembled: 1, arrivals: []arrival{
		{off: 24, data: three, last: true}, {off: 16, data: two, last: true, flaws: FlawFragmentOverlap},
		{data: head + one, want: one + two + three, bytes: 32},
	}},
	{name: "an end before what came", version: 4, arrivals: []arrival{
		{off: 24, data: three}, {off: 16, data: two, last: true, flaws: FlawFragmentOverlap}, {data: head + one},
	}},
	{name: "too large", arrivals: []arrival{
		{data: head}, {off: 65528, data: one + two, last: true, flaws: FlawFragmentTooLarge},
	}},
	{name: "odd length", version: 4, reassembled: 1, arrivals: []arrival{
		{data: head + "ABC", flaws: FlawLength}, {off: 8, data: one + two + three, last: true, want: one + two + three, bytes: 11 + 24},
	}},
	{name: "odd length", version: 6, arrivals: []arrival{
		{data: head + "ABC", flaws: FlawLength}, {off: 8, data: one + two + three, last: true},
	}},
	{name: "nothing", arrivals: []arrival{{flaws: FlawLength}, {off: 8, last: true, flaws: FlawLength}}},
	{name: "too late", expired: 1, arrivals: []arrival{
		{data: head}, {at: 31, off: 8, data: one + two + three, last: true},
	}},
	{name: "just in time", reassembled: 1, arrivals: []arrival{
		{data: head}, {at: 30, off: 8, data: one + two + three, last: true, want: one + two + three, bytes: 32},
	}},
	{name: "clock set back", expired: 1, arrivals: []arrival{
		{at: 100, data: head}, {at: 10, id: 2, data: head},
	}},
	{name: "two datagrams", reassembled: 2, arrivals: []arrival{
		{data: head}, {id: 1, data: head},
		{off: 8, data: one + two + three, last: true, want: one + two + three, bytes: 32},
		{id: 1, off: 8, data: three + two + one, last: true, want: three + two + one, bytes: 32},
	}},
	{name: "capture cut", reassembled: 1, arrivals: []arrival{
		{data: head}, {off: 8, data: one, lost: 3}, {off: 16, data: two + three, last: true, want: "ABCDE", bytes: 32},
	}},
	{name: "capture cut, then seen whole", version: 4, reassembled: 1, arrivals: []arrival{
		{data: head, lost: 8}, {data: head}, {off: 8, data: one + two + three, last: true, bytes: 40},
	}},
}

func TestReassembly(t *testing.T) {
	for _, tt := range reassemblyTests {
		versions := []int{tt.version}
		if tt.version == 0 {
			versions = []int{4, 6}
		}
		for _, v := range versions {
			t.Run(tt.name, func(t *testing.T) { tt.run(t, v) })
		}
	}
}

func (tt *reassemblyTest) run(t *testing.T, version int) {
	var d Decoder
	var p Packet
	for i, a := range tt.arrivals {
		f := a.frame(version)
		d.Decode(&f, &p)
		check(t, &f, &d, &p)
		if p.Flaws != a.flaws {
			t.Errorf("fragment %d: flaws %b, want %b", i, p.Flaws, a.flaws)
		}
		if done := a.bytes != 0; p.Fragment == done {
			t.Errorf("fragment %d: completed %v, want %v", i, !p.Fragment, done)
		}
		if p.Fragment || len(p.Payload) == 0 {
			continue
		}
		headers := uint32(i+1) * 20
		if version == 6 {
			headers = uint32(i+1) * 48
		}
		if tt.reassembled == 1 && p.IPBytes != a.bytes+headers {
			t.Errorf("fragment %d: %d IP bytes, want %d", i, p.IPBytes, a.bytes+headers)
		}
		if string(p.Payload) != a.want || p.SrcPort != 5000 || p.DstPort != 53 {
			t.Errorf("fragment %d: payload %q, ports %d %d, want %q", i, p.Payload, p.SrcPort, p.DstPort, a.want)
		}
		if cut := len(p.Payload) < int(p.PayloadBytes); cut != p.Cut {
			t.Errorf("fragment %d: cut %v", i, p.Cut)
		}
	}
	if d.Fragments != uint64(len(tt.arrivals)) || d.Reassembled != tt.reassembled || d.Expired != tt.expired {
		t.Errorf("%d fragments, %d reassembled, %d expired; want %d, %d, %d",
			d.Fragments, d.Reassembled, d.Expired, len(tt.arrivals), tt.reassembled, tt.expired)
	}
	if d.frags != nil {
		d.frags.verify(t)
	}
}

// verify reports what must hold between fragments.
func (f *fragments) verify(t *testing.T) {
	t.Helper()
	blocks, n := 0, 0
	var older uint32
	for i := f.oldest; i != 0; i = f.grams[i].newer {
		g := &f.grams[i]
		if g.older != older || f.find(g.key) != i {
			t.Fatal("datagram is lost")
		}
		have, pieces, end := 0, 0, 0
		for p := g.head; p != 0; p = f.block(p).next {
			b := f.block(p)
			if int(b.off) < end {
				t.Fatal("pieces overlap")
			}
			end = int(b.off + b.size)
			have += int(b.size)
			pieces++
			for q := p; q != 0; q = f.block(q).more {
				blocks++
			}
			if b.next == 0 && g.tail != p {
				t.Fatal("last piece is not the last")
			}
		}
		if have != g.have || pieces != g.pieces || end != g.end {
			t.Fatalf("have %d bytes, %d pieces up to %d; noted %d, %d, %d", have, pieces, end, g.have, g.pieces, g.end)
		}
		older = i
		n++
	}
	if n != f.count || f.newest != older || n > maxDatagrams {
		t.Fatalf("%d datagrams, %d noted", n, f.count)
	}
	if blocks != f.used-f.freeBlocks || f.used > f.limit {
		t.Fatalf("%d blocks in datagrams, %d taken of %d, %d free", blocks, f.used, f.limit, f.freeBlocks)
	}
}

// TestReassemblyRandom cuts datagrams up at random, with overlaps of the same
// bytes, mixes the pieces, and compares with what was cut.
func TestReassemblyRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var d Decoder
	var p Packet
	type piece struct {
		id   int
		data []byte
		raw  []byte
	}
	for round := range 300 {
		version := 4 + round%2*2
		var pieces []piece
		var datagrams [][]byte
		for id := range 1 + r.IntN(5) {
			n := 9 + r.IntN(3000)
			if r.IntN(20) == 0 {
				n = 65500 - r.IntN(100)
			}
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			copy(data, raw("1388 0035", number(n, 2), "0000"))
			datagrams = append(datagrams, data)
			step := max(8, n/(1+r.IntN(200)))
			for off := 0; off < n; {
				size := min(8+r.IntN(step), n-off)
				if off+size < n {
					size &^= 7
				}
				start := max(off-r.IntN(3)*8, 0) // overlaps what was before
				b := fragmentOf(version, round<<3|id, start, off+size < n, data[start:off+size])
				pieces = append(pieces, piece{id, data, b})
				off += size
			}
		}
		r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		done := make([]bool, len(datagrams))
		for _, piece := range pieces {
			f := Frame{Time: int64(round) * 1e9, Data: piece.raw, Link: LinkRaw}
			d.Decode(&f, &p)
			if p.Flaws != 0 {
				t.Fatalf("flaws %b", p.Flaws)
			}
			if p.Fragment {
				continue
			}
			if done[piece.id] {
				t.Fatal("completed twice")
			}
			done[piece.id] = true
			if !bytes.Equal(p.Payload, piece.data[8:]) || int(p.PayloadBytes) != len(piece.data)-8 {
				t.Fatalf("datagram of %d bytes differs", len(piece.data))
			}
		}
		for id, done := range done {
			if !done {
				t.Fatalf("round %d: datagram %d of %d bytes is not complete", round, id, len(datagrams[id]))
			}
		}
		d.frags.verify(t)
	}
}

// TestReassemblyModel feeds arbitrary fragments, conflicting ones too, to the
// decoder and to an array of bytes of which the first written stay.
func TestReassemblyModel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 2000 {
		var d Decoder
		var p Packet
		var model [256]byte
		var have [256]bool
		total, highest, conflict := 0, 0, false
		for range 40 {
			off, n := r.IntN(16)*8, 8+r.IntN(4)*8
			more := off == 0 || r.IntN(4) > 0
			data := bytes.Repeat([]byte{byte(r.IntN(2))}, n)
			end := off + n
			f := Frame{Data: fragmentOf(4, round, off, more, data), Link: LinkRaw}
			d.Decode(&f, &p)

			conflict = false
			switch {
			case total != 0 && end > total:
				conflict = true
				end = total
			case more || end == total:
			case total != 0 || highest > end:
				conflict = true
			default:
				total = end
			}
			for i := off; i < end; i++ {
				if have[i] {
					conflict = conflict || model[i] != data[i-off]
					continue
				}
				have[i], model[i] = true, data[i-off]
				highest = max(highest, i+1)
			}
			whole := total != 0
			for _, h := range have[:total] {
				whole = whole && h
			}
			if got := p.Flaws&FlawFragmentOverlap != 0; got != conflict {
				t.Fatalf("round %d: conflict %v, want %v", round, got, conflict)
			}
			if p.Fragment == whole {
				t.Fatalf("round %d: complete %v, want %v", round, !p.Fragment, whole)
			}
			d.frags.verify(t)
			if whole {
				if got := d.frags.out[:total]; !bytes.Equal(got, model[:total]) {
					t.Fatalf("round %d: got %v, want %v", round, got, model[:total])
				}
				break
			}
		}
	}
}

// TestReassemblyNested decodes fragments inside a fragmented tunnel, with an
// extension header in the fragmented part.
func TestReassemblyNested(t *testing.T) {
	inner := raw("11 00 01 04 00000000", inUDP(5000, 53, repeat("61", 40))) // UDP next, padding
	half := func(off int, more bool, data []byte) []byte {
		b := fragmentOf(6, 1, off, more, data)
		b[40] = protoDest
		return b
	}
	var d Decoder
	var p Packet
	var id int
	send := func(packet []byte) {
		tunnel := append(raw("0000 86dd"), packet...)
		for off := 0; off < len(tunnel); off += 32 {
			end := min(off+32, len(tunnel))
			b := fragmentOf(4, id, off, end < len(tunnel), tunnel[off:end])
			b[9] = ProtoGRE
			f := Frame{Data: b, Link: LinkRaw}
			d.Decode(&f, &p)
		}
		id++
	}
	send(half(0, true, inner[:24]))
	if !p.Fragment || p.NOuters != 1 {
		t.Fatalf("first half: fragment %v, %d outers", p.Fragment, p.NOuters)
	}
	send(half(24, false, inner[24:]))
	if p.Fragment || p.Proto != ProtoUDP || p.DstPort != 53 || string(p.Payload) != string(bytes.Repeat([]byte("a"), 40)) {
		t.Fatalf("got %+v", p)
	}
	if p.IPBytes != uint32(2*48+len(inner)) {
		t.Errorf("%d IP bytes", p.IPBytes)
	}
	if o := p.Rare.Outers[0]; o.Payload != uint32(4+48+len(inner)-24) || o.Bytes != o.Payload+3*20 {
		t.Errorf("carrier %+v", o)
	}
	if d.Reassembled != 3 {
		t.Errorf("%d reassembled, want 3", d.Reassembled)
	}
}

// TestReassemblyBounds floods the decoder.
func TestReassemblyBounds(t *testing.T) {
	send := func(d *Decoder, p *Packet, id, off, n int) {
		f := Frame{Data: fragmentOf(6, id, off, true, make([]byte, n)), Link: LinkRaw}
		d.Decode(&f, p)
	}
	t.Run("bytes", func(t *testing.T) {
		d := Decoder{MaxFragmentBytes: 64 << 10}
		var p Packet
		for id := range 1000 {
			send(&d, &p, id, 0, 1440)
		}
		d.frags.verify(t)
		if d.Expired < 900 || p.Flaws != FlawFragmentDropped {
			t.Errorf("%d dropped, flaws %b", d.Expired, p.Flaws)
		}
		f := Frame{Data: fragmentOf(6, 999, 1440, false, make([]byte, 8)), Link: LinkRaw}
		if d.Decode(&f, &p); p.Fragment {
			t.Error("the newest datagram was dropped")
		}
	})
	t.Run("datagrams", func(t *testing.T) {
		var d Decoder
		var p Packet
		for id := range maxDatagrams + 10 {
			send(&d, &p, id, 0, 8)
		}
		d.frags.verify(t)
		if d.Expired != 10 || p.Flaws != FlawFragmentDropped {
			t.Errorf("%d dropped, flaws %b", d.Expired, p.Flaws)
		}
	})
	t.Run("pieces", func(t *testing.T) {
		var d Decoder
		var p Packet
		for i := range 2 * maxPieces {
			send(&d, &p, 1, i*16, 8)
		}
		d.frags.verify(t)
		if g := d.frags.grams[d.frags.oldest]; !g.dead || d.frags.freeBlocks != d.frags.used {
			t.Error("datagram of too many pieces was kept")
		}
	})
	t.Run("no room at all", func(t *testing.T) {
		d := Decoder{MaxFragmentBytes: 1}
		var p Packet
		send(&d, &p, 1, 0, 8)
		if d.frags.verify(t); p.Flaws != FlawFragmentDropped || !p.Fragment {
			t.Errorf("flaws %b", p.Flaws)
		}
	})
}

// TestReassemblyAllocates also runs out of memory on purpose.
func TestReassemblyAllocates(t *testing.T) {
	d := Decoder{MaxFragmentBytes: 256 << 10}
	var p Packet
	data := make([]byte, 1480)
	first, second := fragmentOf(4, 0, 0, true, data), fragmentOf(4, 0, 1480, false, data)
	id := uint16(0)
	run := func() {
		for i := range 100 {
			id++
			binary.BigEndian.PutUint16(first[4:], id)
			binary.BigEndian.PutUint16(second[4:], id)
			f := Frame{Data: first, Link: LinkRaw}
			d.Decode(&f, &p)
			if i%10 == 0 {
				continue
			}
			f.Data = second
			d.Decode(&f, &p)
			if p.Fragment {
				t.Fatal("not complete")
			}
		}
	}
	for range 30 {
		run()
	}
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if d.Expired == 0 {
		t.Error("nothing was dropped")
	}
}
