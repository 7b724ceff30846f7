package augment

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"tyto/packet"
	"tyto/sequence"
	"tyto/session"
)

const (
	ms = int64(1e6)
	t0 = int64(1_700_000_000_000_000_000)
)

// talk builds sessions as a sensor at the originator sees them.
type talk struct {
	now int64
	s   Session
}

func (c *talk) packet(after int64, dir session.Direction, kind uint8, n uint32) {
	c.now += after
	c.s.Entries = append(c.s.Entries, session.Entry{Time: t0 + c.now, Dir: dir, Kind: kind, Bytes: n, Packets: 1})
}

func (c *talk) message(dir session.Direction, kind uint8, n uint32) {
	c.s.Entries = append(c.s.Entries, session.Entry{Time: t0 + c.now, Dir: dir, Message: true, Kind: kind, Bytes: n, Packets: 1})
}

// record is a packet with one message.
func (c *talk) record(after int64, dir session.Direction, kind uint8, n uint32) {
	c.packet(after, dir, pushed, n)
	c.message(dir, kind, n)
}

func (c *talk) handshake(rtt int64) {
	c.s.Proto = packet.ProtoTCP
	c.packet(0, session.Orig, syn, 0)
	c.packet(rtt, session.Resp, syn, 0)
	c.packet(ms/10, session.Orig, 0, 0)
}

// shell is an SSH session: a handshake, two typed lines with echo, an output,
// and a download.
func shell(rtt int64) *Session {
	var c talk
	c.handshake(rtt)
	c.record(ms, session.Orig, kindBanner, 41)
	c.record(rtt+ms, session.Resp, kindBanner, 41)
	c.record(ms, session.Orig, kindKex, 1208)
	c.record(rtt+ms, session.Resp, kindKex, 1088)
	for range 2 {
		const way = ms / 20 // from the originator to the sensor
		from := t0 + c.now + 900*ms - way
		for range 10 {
			c.s.Keys = append(c.s.Keys, t0+c.now+900*ms-way)
			c.record(900*ms, session.Orig, kindPacket, 36)
			c.record(rtt+ms, session.Resp, kindPacket, 36)
			c.now -= 700 * ms
		}
		c.s.Typing = append(c.s.Typing, Span{from, t0 + c.now + 700*ms, session.Orig})
		c.now += 700 * ms
		c.record(10*ms, session.Resp, kindPacket, 500)
	}
	c.record(2000*ms, session.Orig, kindPacket, 100)
	after := rtt + ms
	for range 20 {
		c.packet(after, session.Resp, 0, 1448)
		c.message(session.Resp, kindPacket, 1448)
		after = ms / 10
	}
	c.packet(ms, session.Orig, uint8(packet.FIN), 0)
	c.packet(rtt, session.Resp, uint8(packet.FIN), 0)
	return &c.s
}

// plans change one thing each, and all at once.
func plans() map[string]Plan {
	all := map[string]Plan{
		"rtt":       {Network: Network{RTT: 80 * time.Millisecond}},
		"place":     {Network: Network{RTT: 80 * time.Millisecond, Place: 1}},
		"short":     {Network: Network{RTT: 200 * time.Microsecond, Place: 0.5}},
		"jitter":    {Network: Network{RTT: 30 * time.Millisecond, Place: 0.3, Jitter: 5 * time.Millisecond}},
		"loss":      {Network: Network{RTT: 30 * time.Millisecond, Place: 0.5, Loss: 0.03}},
		"rate":      {Network: Network{RTT: 30 * time.Millisecond, Place: 0.5, Rate: [2]float64{1e6, 2e6}}},
		"nagle":     {Network: Network{RTT: 150 * time.Millisecond, Nagle: true, DelayAck: 40 * time.Millisecond}},
		"small":     {Segments: Segments{MTU: 576}},
		"jumbo":     {Segments: Segments{MTU: 9000}},
		"offload":   {Offload: Offload{Bytes: [2]uint32{65535, 20000}}},
		"split":     {Writes: Writes{Split: 0.5}},
		"merge":     {Writes: Writes{Merge: 1}},
		"style":     {Style: Style{Scale: [2]float64{0.7, 1.4}, Shift: [2]uint32{32, 0}, Pace: 1.5}},
		"multiple":  {Padding: Padding{Multiple: 128}},
		"random":    {Padding: Padding{Random: 200}},
		"hide":      {Keys: HideKeys},
		"show":      {Keys: ShowKeys},
		"late":      {Capture: Capture{Skip: 4 * time.Second}},
		"early":     {Capture: Capture{Keep: 4 * time.Second}},
		"one side":  {Capture: Capture{Sides: OnlyResp}},
		"stamp":     {Capture: Capture{Stamp: time.Millisecond, Drift: 50}},
		"two layer": {Layers: [2]Layer{{TLSProxy}, {WGTunnel}}},
	}
	for s := TLS12GCM; s < suites; s++ {
		all["cipher "+string('0'+rune(s))] = Plan{Cipher: Cipher{s}}
	}
	for k := TLSProxy; k < layerKinds; k++ {
		all["layer "+string('0'+rune(k))] = Plan{Layers: [2]Layer{{k}}}
	}
	all["all"] = Plan{
		Keys: HideKeys, Writes: Writes{0.2, 0.5}, Cipher: Cipher{SSHChacha}, Padding: Padding{Multiple: 32}, Layers: [2]Layer{{SSHForward}, {VPNTunnel}},
		Segments: Segments{1400}, Network: Network{RTT: 90 * time.Millisecond, Place: 0.5, Jitter: 5 * time.Millisecond, Loss: 0.01}, Capture: Capture{Drift: 20},
	}
	return all
}

// TestIdentity wants the zero plan to change nothing.
func TestIdentity(t *testing.T) {
	for _, in := range inputs(t) {
		out := Augment(rand.New(rand.NewPCG(1, 1)), in, &Plan{})
		if out.Proto != in.Proto || !slices.Equal(out.Entries, in.Entries) {
			t.Fatal("entries changed")
		}
		for i, f := range out.From {
			if f != (Origin{int32(i), int32(i)}) {
				t.Fatalf("entry %d comes from %v", i, f)
			}
		}
		for _, e := range in.Entries {
			if got := out.Warp.At(e.Time); got != e.Time {
				t.Fatalf("%d is moved by %d", e.Time, got-e.Time)
			}
		}
	}
}

// inputs are the synthetic sessions, and some of the corpus.
func inputs(tb testing.TB) []*Session {
	all := []*Session{shell(20 * ms), shell(ms / 5), {Proto: packet.ProtoUDP}}
	for i, r := range corpusRuns(tb) {
		if s, ok := mainSession(r); ok && i%25 == 0 && len(all) < 50 {
			all = append(all, s.input())
		}
	}
	return all
}

// TestLaws wants what holds of every plan: times do not go backwards, each entry
// is of something, the warp is monotone, and the seed decides everything.
func TestLaws(t *testing.T) {
	var a, b Augmenter
	for name, p := range plans() {
		for k, in := range inputs(t) {
			out := a.Augment(rand.New(rand.NewPCG(uint64(k), 7)), in, &p)
			if again := b.Augment(rand.New(rand.NewPCG(uint64(k), 7)), in, &p); !reflect.DeepEqual(out, again) {
				t.Fatalf("%s: input %d: the same seed gives another result", name, k)
			}
			checkLaws(t, name, k, in, &out)
		}
	}
}

// TestDrawn wants the same of plans that are drawn.
func TestDrawn(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var a Augmenter
	all := inputs(t)
	for k := range 1500 {
		p := Draw(r)
		if k%4 == 0 {
			p.Layers = DrawLayers(r)
		}
		in := all[k%len(all)]
		out := a.Augment(r, in, &p)
		checkLaws(t, "drawn", k, in, &out)
	}
}

func checkLaws(t *testing.T, name string, k int, in *Session, out *Result) {
	t.Helper()
	if len(out.From) != len(out.Entries) {
		t.Fatalf("%s: input %d: %d origins of %d entries", name, k, len(out.From), len(out.Entries))
	}
	for i, e := range out.Entries {
		f := out.From[i]
		switch {
		case i > 0 && e.Time < out.Entries[i-1].Time:
			t.Fatalf("%s: input %d: entry %d is %d ns before the one before", name, k, i, out.Entries[i-1].Time-e.Time)
		case f.Made() && (f.First < Background || int(f.Last) >= len(in.Entries)),
			!f.Made() && (f.Last < f.First || int(f.Last) >= len(in.Entries)):
			t.Fatalf("%s: input %d: entry %d is of %v", name, k, i, f)
		case !f.Made() && in.Entries[f.First].Dir != e.Dir:
			t.Fatalf("%s: input %d: entry %d has another direction than what it is of", name, k, i)
		case e.Packets == 0, e.Message && e.Bytes == 0, e.Bytes > 1<<24:
			t.Fatalf("%s: input %d: entry %d is %+v", name, k, i, e)
		}
	}
	for i, knot := range out.Warp.Knots {
		if i > 0 && (knot.In <= out.Warp.Knots[i-1].In || knot.Out < out.Warp.Knots[i-1].Out) {
			t.Fatalf("%s: input %d: the warp goes backwards at knot %d", name, k, i)
		}
	}
	s := sequence.Recover(out.Proto, slices.Values(out.Entries))
	if first := AppendEntries(nil, &s, out.Entries); len(first) != len(s.Messages) {
		t.Fatalf("%s: input %d: %d of %d messages are found in the entries", name, k, len(first), len(s.Messages))
	} else {
		for i, m := range s.Messages {
			if e := out.Entries[first[i]]; e.Dir != m.Dir || e.Time-out.Entries[0].Time != m.Time {
				t.Fatalf("%s: input %d: message %d does not begin with entry %d", name, k, i, first[i])
			}
		}
	}
}

// bytesOf are the bytes of packets with new payload, by whether they come from
// an input entry before or after a border.
func bytesOf(entries []session.Entry, from []Origin, border int32) (sums [2]uint64) {
	for i, e := range entries {
		first := int32(i)
		if from != nil {
			first = from[i].First
		}
		if e.Message || e.Kind&session.Repeat != 0 || first < 0 {
			continue
		}
		side := 0
		if first >= border {
			side = 1
		}
		sums[side] += uint64(e.Bytes)
	}
	return sums
}

// TestTotals wants the bytes of a segment in the segment's messages, where
// nothing is added and nothing lost.
func TestTotals(t *testing.T) {
	for _, name := range []string{"rtt", "place", "short", "jitter", "rate", "nagle", "small", "jumbo", "offload", "stamp", "merge"} {
		p := plans()[name]
		for k, in := range inputs(t) {
			if in.Proto != packet.ProtoTCP {
				continue
			}
			border := quietBorder(in.Entries)
			out := Augment(rand.New(rand.NewPCG(5, 6)), in, &p)
			want, got := bytesOf(in.Entries, nil, border), bytesOf(out.Entries, out.From, border)
			if got != want {
				t.Errorf("%s: input %d: %d bytes before and after entry %d, want %d", name, k, got, border, want)
			}
		}
	}
}

// quietBorder is an entry before which there is a pause, as between segments.
func quietBorder(entries []session.Entry) (best int32) {
	var longest int64
	for i := 1; i < len(entries); i++ {
		if gap := entries[i].Time - entries[i-1].Time; gap > longest {
			longest, best = gap, int32(i)
		}
	}
	return best
}

// TestNeverSmaller wants padding, ciphers and layers to keep payload.
func TestNeverSmaller(t *testing.T) {
	content := func(entries []session.Entry, overhead uint32) (n int64) {
		for _, e := range entries {
			if !e.Message && e.Kind&session.Repeat == 0 {
				n += int64(less(e.Bytes, overhead))
			}
		}
		return n
	}
	for name, p := range plans() {
		if p.Cipher.To == Unknown && p.Padding == (Padding{}) && p.Layers == [2]Layer{} {
			continue
		}
		in := shell(20 * ms)
		out := Augment(rand.New(rand.NewPCG(5, 6)), in, &p)
		if got, want := content(out.Entries, 0), content(in.Entries, 27); got < want {
			t.Errorf("%s: %d bytes of %d", name, got, want)
		}
	}
}

// TestNoMemory wants no memory once buffers have grown.
func TestNoMemory(t *testing.T) {
	in, r := shell(20*ms), rand.New(rand.NewPCG(1, 2))
	for name, p := range plans() {
		var a Augmenter
		for range 8 {
			a.Augment(r, in, &p)
		}
		if n := testing.AllocsPerRun(50, func() { a.Augment(r, in, &p) }); n >= 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkAugment(b *testing.B) {
	in := shell(20 * ms)
	for len(in.Entries) < 2000 {
		last := in.Entries[len(in.Entries)-1].Time
		for _, e := range shell(20 * ms).Entries[3:] {
			if e.Kind&uint8(packet.FIN) == 0 || e.Message {
				e.Time += last - t0
				in.Entries = append(in.Entries, e)
			}
		}
	}
	in.Entries = in.Entries[:2000]
	for _, name := range []string{"rtt", "loss", "small", "all"} {
		p := plans()[name]
		b.Run(name, func(b *testing.B) {
			var a Augmenter
			r := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				a.Augment(r, in, &p)
			}
		})
	}
	b.Run("drawn", func(b *testing.B) {
		var a Augmenter
		r := rand.New(rand.NewPCG(1, 2))
		for b.Loop() {
			p := Draw(r)
			a.Augment(r, in, &p)
		}
	})
}
