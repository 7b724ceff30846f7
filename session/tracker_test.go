package session

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tyto/packet"
)

// recorder is a Handler that writes down what it is told.
type recorder struct {
	got    [2]bytes.Buffer
	gaps   [2]int
	out    []string
	refuse bool
	flipAt int // exchange the roles at this delivery
	n      int
}

func (r *recorder) Data(s *Session, dir Direction, data []byte, _ int64) bool {
	r.n++
	if r.flipAt == r.n {
		s.Flip()
		r.got[0], r.got[1] = r.got[1], r.got[0]
		dir = dir.Other()
	}
	r.got[dir].Write(data)
	return !r.refuse
}

func (r *recorder) Gap(_ *Session, dir Direction, n int, _ int64) bool {
	r.gaps[dir] += n
	r.got[dir].WriteString(strings.Repeat("?", min(n, 64)))
	return true
}

func (r *recorder) Anomaly(_ *Session, name string, _ int64) {
	r.out = append(r.out, "anomaly "+name)
}

func (r *recorder) Ended(s *Session, _ int64) {
	o, p := &s.Sides[Orig], &s.Sides[Resp]
	r.out = append(r.out, fmt.Sprintf("%s:%d > %s:%d %s %s bytes %d/%d packets %d/%d missed %d/%d duration %.3f",
		s.Orig, s.OrigPort, s.Resp, s.RespPort, s.State, &s.History, o.Bytes, p.Bytes, o.Packets, p.Packets, o.Missed, p.Missed, float64(s.Duration())/1e9))
}

const testStart = int64(1_700_000_000_000_000_000)

// TestStates runs the packet sequences of testdata/*.tcp: what Zeek's rules
// say about conn_state, history and byte counts, by hand.
//
// A line is a packet: "> SA seq 100 ack 5 len 10 at 1.5 win 0". The first of
// the file's "# want" lines say what must be told.
func TestStates(t *testing.T) {
	files, err := filepath.Glob("testdata/*.tcp")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata/*.tcp", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, section := range strings.Split(string(text), "\n== ")[1:] {
			title, body, _ := strings.Cut(section, "\n")
			t.Run(strings.ReplaceAll(title, " ", "-"), func(t *testing.T) { runStates(t, body) })
		}
	}
}

func runStates(t *testing.T, body string) {
	r := &recorder{}
	var pool Pool
	tr := NewTracker(r, &pool, Config{ServerPort: func(_ uint8, p uint16) bool { return p == 80 }})
	tr.Advance(testStart)
	now := testStart
	var want []string
	for i, line := range strings.Split(body, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if w, ok := strings.CutPrefix(line, "want "); ok {
			want = append(want, w)
			continue
		}
		p := parsePacket(t, line, i, &now)
		tr.Advance(p.Time)
		tr.Packet(&p, p.Hash(), UID{})
	}
	for step := range FlushSteps {
		tr.Flush(step, now)
	}
	if got := strings.Join(r.out, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	checkEmpty(t, tr, &pool)
}

func checkEmpty(t *testing.T, tr *Tracker, pool *Pool) {
	t.Helper()
	if tr.Active() != 0 || tr.waiting != 0 || pool.inUse != 0 || tr.table.n != 0 {
		t.Errorf("after the end: %d sessions, %d bytes waiting, %d series blocks, %d table entries", tr.Active(), tr.waiting, pool.inUse, tr.table.n)
	}
}

var client, server = packet.AddrOf(netip.MustParseAddr("10.0.0.1")), packet.AddrOf(netip.MustParseAddr("10.0.0.2"))

// parsePacket reads a line of a .tcp file. Sequence numbers are relative to
// 1000 for the client and 5000 for the server.
func parsePacket(t *testing.T, line string, index int, now *int64) packet.Packet {
	t.Helper()
	f := strings.Fields(line)
	p := packet.Packet{Version: 4, Proto: packet.ProtoTCP, Transport: true, Index: uint64(index), Window: 1000, Src: client, Dst: server, SrcPort: 40000, DstPort: 80}
	seqBase, ackBase := uint32(1000), uint32(5000)
	if f[0] == "<" {
		p.Src, p.Dst, p.SrcPort, p.DstPort = server, client, 80, 40000
		seqBase, ackBase = ackBase, seqBase
	}
	for _, c := range f[1] {
		p.Flags |= map[rune]packet.TCPFlags{'S': packet.SYN, 'A': packet.ACK, 'F': packet.FIN, 'R': packet.RST, 'P': packet.PSH, '.': 0}[c]
	}
	p.Seq, p.Ack = seqBase, ackBase
	*now += 1e6
	for i := 2; i+1 < len(f); i += 2 {
		v, err := strconv.ParseFloat(f[i+1], 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		switch f[i] {
		case "seq":
			p.Seq = seqBase + uint32(v)
		case "ack":
			p.Ack = ackBase + uint32(v)
		case "len":
			p.Payload = bytes.Repeat([]byte{'x'}, int(v))
			p.PayloadBytes = uint32(v)
		case "at":
			*now = testStart + int64(v*1e9)
		case "win":
			p.Window = uint16(v)
		default:
			t.Fatalf("%s: unknown word %s", line, f[i])
		}
	}
	p.Time = *now
	p.IPBytes = 40 + p.PayloadBytes
	return p
}

// TestReassembly sends a stream in pieces that are reordered, repeated and
// overlapping, over a wrap of the sequence space, and wants every byte once.
func TestReassembly(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 7))
		stream := make([]byte, 1+rng.IntN(5000))
		for i := range stream {
			stream[i] = byte('a' + rng.IntN(26))
		}
		isn := rng.Uint32()
		if seed%2 == 0 {
			isn = -uint32(rng.IntN(len(stream)))
		}
		r := &recorder{}
		var pool Pool
		tr := NewTracker(r, &pool, Config{})
		tr.Advance(testStart)
		send := func(flags packet.TCPFlags, seq uint32, data []byte) {
			p := packet.Packet{Version: 4, Proto: packet.ProtoTCP, Transport: true, Src: client, Dst: server, SrcPort: 40000, DstPort: 80, Window: 1000,
				Flags: flags, Seq: seq, Payload: data, PayloadBytes: uint32(len(data)), Time: testStart}
			tr.Packet(&p, p.Hash(), UID{})
		}
		send(packet.SYN, isn, nil)
		type piece struct{ from, to int }
		var pieces []piece
		for at := 0; at < len(stream); {
			n := min(1+rng.IntN(700), len(stream)-at)
			pieces = append(pieces, piece{at, at + n})
			at += n
		}
		for range rng.IntN(10) { // overlapping repetitions
			a, b := rng.IntN(len(stream)), rng.IntN(len(stream))
			pieces = append(pieces, piece{min(a, b), max(a, b) + 1})
		}
		rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		for _, p := range pieces {
			send(packet.ACK, isn+1+uint32(p.from), stream[p.from:p.to])
		}
		for step := range FlushSteps {
			tr.Flush(step, testStart)
		}
		if got := r.got[Orig].String(); got != string(stream) {
			t.Fatalf("seed %d: got %d bytes, want %d; gaps %d", seed, len(got), len(stream), r.gaps[Orig])
		}
		checkEmpty(t, tr, &pool)
	}
}

// TestSeriesOfPackets wants of a TCP session the handshake, what carries bytes,
// and marks on what is sent again; other acknowledgments are left out.
func TestSeriesOfPackets(t *testing.T) {
	r := &seriesRecorder{}
	tr := NewTracker(r, &r.pool, Config{})
	now := testStart
	send := func(dir Direction, flags packet.TCPFlags, seq, ack uint32, n int) {
		now += 1e6
		p := packet.Packet{Version: 4, Proto: packet.ProtoTCP, Transport: true, Src: client, Dst: server, SrcPort: 40000, DstPort: 80, Window: 1000,
			Flags: flags, Seq: seq, Ack: ack, Payload: make([]byte, n), PayloadBytes: uint32(n), Time: now}
		if dir == Resp {
			p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
		}
		tr.Packet(&p, p.Hash(), UID{})
	}
	send(Orig, packet.SYN, 99, 0, 0)
	send(Resp, packet.SYN|packet.ACK, 499, 100, 0)
	send(Orig, packet.ACK, 100, 500, 0)
	send(Orig, packet.ACK|packet.PSH, 100, 500, 10)
	send(Resp, packet.ACK, 500, 110, 0)
	send(Orig, packet.ACK|packet.PSH, 100, 500, 10)
	send(Resp, packet.ACK, 500, 110, 20)
	for step := range FlushSteps {
		tr.Flush(step, now)
	}
	const want = "[1 orig 2 0] [2 resp 2 0] [3 orig 0 0] [4 orig 8 10] [6 orig 24 10] [7 resp 0 20]"
	if got := strings.Join(r.entries, " "); got != want {
		t.Errorf("got entries (ms, direction, kind, bytes) %s, want %s", got, want)
	}
}

// seriesRecorder is a Handler that writes down series.
type seriesRecorder struct {
	recorder
	pool    Pool
	entries []string
}

func (r *seriesRecorder) Ended(s *Session, _ int64) {
	for e := range s.Series.All(&r.pool) {
		r.entries = append(r.entries, fmt.Sprint([]any{(e.Time - testStart) / 1e6, e.Dir, e.Kind, e.Bytes}))
	}
}

// TestFlipDuringDelivery exchanges the roles while out-of-order data is being
// delivered.
func TestFlipDuringDelivery(t *testing.T) {
	r := &recorder{flipAt: 1}
	var pool Pool
	tr := NewTracker(r, &pool, Config{})
	tr.Advance(testStart)
	send := func(flags packet.TCPFlags, seq uint32, data string) {
		p := packet.Packet{Version: 4, Proto: packet.ProtoTCP, Transport: true, Src: client, Dst: server, SrcPort: 40000, DstPort: 50000, Window: 1000,
			Flags: flags, Seq: seq, Payload: []byte(data), PayloadBytes: uint32(len(data)), Time: testStart}
		tr.Packet(&p, p.Hash(), UID{})
	}
	send(packet.ACK, 100, "a") // mid-session
	send(packet.ACK, 103, "d")
	send(packet.ACK, 101, "bc")
	for step := range FlushSteps {
		tr.Flush(step, testStart)
	}
	if got := r.got[Resp].String(); got != "abcd" {
		t.Errorf("got %q from the responder, want abcd", got)
	}
	checkEmpty(t, tr, &pool)
}

// TestBudget follows many more sessions than the budget allows and wants it
// kept, every session told, and the shedding counted.
func TestBudget(t *testing.T) {
	r := &recorder{}
	var pool Pool
	const memory = 4 << 20
	tr := NewTracker(r, &pool, Config{Memory: memory})
	const sessions = 50000
	for i := range sessions {
		now := testStart + int64(i)*1e6
		p := packet.Packet{Version: 4, Proto: packet.ProtoUDP, Transport: true, Src: client, Dst: server, SrcPort: uint16(i), DstPort: uint16(1024 + i>>16),
			Payload: []byte("hello"), PayloadBytes: 5, Time: now, Index: uint64(i)}
		p.Src[14], p.Src[15] = byte(i>>8), byte(i)
		if i%100 == 0 {
			tr.Advance(now)
			tr.shed(now)
			if n := tr.Bytes(); n > memory {
				t.Fatalf("after %d sessions: %d bytes, budget %d", i, n, memory)
			}
		}
		tr.Packet(&p, p.Hash(), UID{})
	}
	for step := range FlushSteps {
		tr.Flush(step, testStart)
	}
	if len(r.out) != sessions {
		t.Errorf("%d sessions told, want %d", len(r.out), sessions)
	}
	if tr.Counters.ShedSessions == 0 {
		t.Error("no shed sessions counted")
	}
	checkEmpty(t, tr, &pool)
}

func TestCommunityID(t *testing.T) {
	// From the specification's baseline_deflt.json.
	tests := []struct {
		proto        uint8
		src, dst     string
		sport, dport uint16
		want         string
	}{
		{6, "128.232.110.120", "66.35.250.204", 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{6, "66.35.250.204", "128.232.110.120", 80, 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{17, "192.168.1.52", "8.8.8.8", 54585, 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{132, "192.168.170.8", "192.168.170.56", 7, 80, "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="},
		{1, "192.168.0.89", "192.168.0.1", 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{1, "192.168.0.1", "192.168.0.89", 0, 8, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{1, "192.168.0.89", "192.168.0.1", 20, 0, "1:3o2RFccXzUgjl7zDpqmY7yJi8rI="},
		{58, "fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 135, 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
	}
	for _, tt := range tests {
		tuple := Tuple{Orig: packet.AddrOf(netip.MustParseAddr(tt.src)), Resp: packet.AddrOf(netip.MustParseAddr(tt.dst)), OrigPort: tt.sport, RespPort: tt.dport, Proto: tt.proto}
		if tt.proto == 58 {
			tuple.RespPort = 136
		}
		if got := string(tuple.AppendCommunityID(nil)); got != tt.want {
			t.Errorf("%s:%d > %s:%d: got %s, want %s", tt.src, tt.sport, tt.dst, tt.dport, got, tt.want)
		}
	}
}

func TestSeries(t *testing.T) {
	var pool Pool
	var s Series
	rng := rand.New(rand.NewPCG(1, 2))
	var want []Entry
	now := testStart
	for range 2000 {
		now += rng.Int64N(5_000_000) * 1000
		e := Entry{Time: now, Dir: Direction(rng.IntN(2)), Kind: uint8(rng.IntN(32)), Bytes: rng.Uint32N(70000), Packets: 1, Message: rng.IntN(3) == 0}
		if e.Message {
			s.AddMessage(&pool, now, e.Dir, e.Kind, int(e.Bytes))
		} else {
			s.AddPacket(&pool, now, e.Dir, e.Kind, int(e.Bytes))
		}
		want = append(want, e)
	}
	i := 0
	for e := range s.All(&pool) {
		if i < len(want) && e != want[i] {
			t.Fatalf("entry %d: got %+v, want %+v", i, e, want[i])
		}
		i++
	}
	if i != len(want) {
		t.Errorf("%d entries, want %d", i, len(want))
	}
	s.flip()
	for e := range s.All(&pool) {
		if e.Dir == want[0].Dir {
			t.Error("a flipped series has its directions exchanged")
		}
		break
	}
	s.Free(&pool)
	if pool.inUse != 0 {
		t.Errorf("%d blocks in use after Free", pool.inUse)
	}
}

// TestLongSeries wants a series to stay bounded and every packet to be in an
// entry or counted as dropped.
func TestLongSeries(t *testing.T) {
	var pool Pool
	var s Series
	const n = 500000
	for i := range n {
		s.AddPacket(&pool, testStart+int64(i)*1e6, Direction(i/30%2), 0, 1448)
	}
	if pool.Bytes() > 64<<10 {
		t.Errorf("%d bytes", pool.Bytes())
	}
	var packets uint32
	for e := range s.All(&pool) {
		packets += e.Packets
	}
	if got := packets + s.Dropped + uint32(s.runPackets); got != n || packets != s.Packets {
		t.Errorf("%d packets in entries (Packets says %d), %d dropped; want %d in all", packets, s.Packets, s.Dropped, n)
	}
}

func TestTable(t *testing.T) {
	var tb table
	tb.grow()
	rng := rand.New(rand.NewPCG(3, 4))
	have := make(map[uint32]uint32)
	next := uint32(1)
	for range 20000 {
		if rng.IntN(5) < 3 {
			tag := rng.Uint32N(5000) // many equal tags
			tb.add(tag, next)
			have[next] = tag
			next++
			continue
		}
		for id, tag := range have {
			tb.remove(tag, id)
			delete(have, id)
			break
		}
	}
	if tb.n != len(have) {
		t.Fatalf("table holds %d, want %d", tb.n, len(have))
	}
	mask := uint32(len(tb.slots) - 1)
	for id, tag := range have {
		found := false
		for i := tag & mask; tb.slots[i].id != 0; i = (i + 1) & mask {
			if tb.slots[i].id == id {
				found = true
				break
			}
		}
		if !found {
			t.Fatalf("session %d is not found", id)
		}
	}
}

// TestChosenEndPoints starts sessions whose hashes all meet in one place: the
// table takes a key, finds them all and spreads them like chance.
func TestChosenEndPoints(t *testing.T) {
	r := &recorder{refuse: true}
	var pool Pool
	tr := NewTracker(r, &pool, Config{})
	const n = 20000
	packetOf := func(i int) packet.Packet {
		return packet.Packet{Version: 4, Proto: packet.ProtoUDP, Transport: true, Src: client, Dst: server, SrcPort: uint16(i), DstPort: 9, Time: testStart}
	}
	for i := range n {
		p := packetOf(i)
		tr.Packet(&p, 7, UID{})
		p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
		tr.Packet(&p, 7, UID{})
	}
	if tr.Counters.Sessions != n || tr.Active() != n {
		t.Errorf("%d sessions, %d active, want %d", tr.Counters.Sessions, tr.Active(), n)
	}
	if tr.table.key == nil {
		t.Fatal("the table has no key")
	}
	far := uint32(0)
	mask := uint32(len(tr.table.slots) - 1)
	for i, sl := range tr.table.slots {
		if sl.id != 0 {
			far = max(far, (uint32(i)-sl.tag)&mask)
		}
	}
	if far > maxProbes/2 {
		t.Errorf("an entry is %d slots from its place", far)
	}
	for step := range FlushSteps {
		tr.Flush(step, testStart)
	}
	checkEmpty(t, tr, &pool)
}

func TestNoAllocations(t *testing.T) {
	r := &recorder{refuse: true}
	var pool Pool
	tr := NewTracker(r, &pool, Config{})
	tr.Advance(testStart)
	p := packet.Packet{Version: 4, Proto: packet.ProtoTCP, Transport: true, Src: client, Dst: server, SrcPort: 40000, DstPort: 80, Window: 1000,
		Flags: packet.ACK, Seq: 1, Payload: make([]byte, 100), PayloadBytes: 100, Time: testStart}
	hash := p.Hash()
	tr.Packet(&p, hash, UID{})
	if n := testing.AllocsPerRun(1000, func() {
		p.Seq += 100
		p.Time += 1e6
		tr.Packet(&p, hash, UID{})
	}); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}

// FuzzTracker sends arbitrary segments between two end points. Whatever they
// are, the tracker ends empty, within bounds, and delivers no more bytes than
// were sent.
func FuzzTracker(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x12\x00\x00\x00\x01\x00\x10\x00\x01\x00\x01\x20"))
	f.Fuzz(fuzzOne)
}

func fuzzOne(t *testing.T, in []byte) {
	r := &recorder{}
	var pool Pool
	tr := NewTracker(r, &pool, Config{Memory: 1 << 20})
	now := testStart
	payload := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	for range 1000 {
		if len(in) < 8 {
			break
		}
		p := packet.Packet{Version: 4, Proto: packet.ProtoTCP, Transport: true, Src: client, Dst: server, SrcPort: 40000, DstPort: 80}
		p.Flags = packet.TCPFlags(in[0])
		if in[1]&1 != 0 {
			p.Src, p.Dst, p.SrcPort, p.DstPort = server, client, 80, 40000
		}
		p.Seq = uint32(in[2])<<24 | uint32(in[3])<<8
		p.Ack = uint32(in[4])<<24 | uint32(in[5])<<8
		n := int(in[6]) << (in[1] >> 5)
		p.PayloadBytes = uint32(n)
		p.Payload = payload[:min(n, len(payload))]
		if in[1]&2 != 0 {
			p.Payload = p.Payload[:len(p.Payload)/2]
		}
		now += int64(in[7]) * 1e7
		p.Time = now
		tr.Advance(now)
		tr.Packet(&p, p.Hash(), UID{})
		in = in[8:]
	}
	for step := range FlushSteps {
		tr.Flush(step, now)
	}
	checkEmpty(t, tr, &pool)
}

func BenchmarkTracker(b *testing.B) {
	r := &recorder{refuse: true}
	var pool Pool
	tr := NewTracker(r, &pool, Config{})
	packets := make([]packet.Packet, 4096)
	hashes := make([]uint64, len(packets))
	for i := range packets {
		p := &packets[i]
		*p = packet.Packet{Version: 4, Proto: packet.ProtoUDP, Transport: true, Src: client, Dst: server, SrcPort: uint16(i % 1024), DstPort: 9999, PayloadBytes: 100, Payload: make([]byte, 100), Time: testStart}
		hashes[i] = p.Hash()
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		tr.Packet(&packets[i%len(packets)], hashes[i%len(packets)], UID{})
		i++
	}
}
