package augment

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tyto/packet"
	"tyto/sequence"
	"tyto/session"
)

// sizesOf are payload packets' bytes, negative from the responder.
func sizesOf(entries []session.Entry, message bool) (all []int) {
	for _, e := range entries {
		if e.Message != message || e.Bytes == 0 {
			continue
		}
		n := int(e.Bytes)
		if e.Dir == session.Resp {
			n = -n
		}
		all = append(all, n)
	}
	return all
}

func bulk() *Session {
	var c talk
	c.handshake(20 * ms)
	c.packet(ms, session.Orig, pushed, 100)
	c.packet(ms, session.Orig, pushed, 50)
	c.packet(20*ms, session.Resp, 0, 1448)
	c.message(session.Resp, kindData, 3000)
	c.packet(ms/10, session.Resp, 0, 1448)
	c.packet(ms/10, session.Resp, pushed, 804)
	c.message(session.Resp, kindData, 700)
	c.packet(20*ms, session.Orig, pushed, 30)
	return &c.s
}

func TestSegments(t *testing.T) {
	for mtu, want := range map[int][]int{
		1500: {100, 50, -1448, -1448, -804, 30},
		1252: {100, 50, -1200, -1200, -1200, -100, 30},
		9000: {100, 50, -3700, 30},
	} {
		in := bulk()
		out := Augment(source(), in, &Plan{Segments: Segments{mtu}})
		if got := sizesOf(out.Entries, false); !slices.Equal(got, want) {
			t.Errorf("MTU %d: packets of %v, want %v", mtu, got, want)
		}
		if got, want := sizesOf(out.Entries, true), []int{-3000, -700}; !slices.Equal(got, want) {
			t.Errorf("MTU %d: messages of %v, want %v", mtu, got, want)
		}
	}
	udp := Session{Proto: packet.ProtoUDP, Entries: []session.Entry{{Time: t0, Bytes: 1300, Packets: 1}, {Time: t0, Bytes: 1300, Packets: 1, Message: true}, {Time: t0, Bytes: 90, Packets: 1}}}
	out := Augment(source(), &udp, &Plan{Segments: Segments{1228}})
	if got, want := sizesOf(out.Entries, false), []int{1200, 100 + againHeaders, 90}; !slices.Equal(got, want) {
		t.Errorf("datagrams of %v, want %v", got, want)
	}
}

// TestSameMessages wants what is recovered not to depend on cuts and offload.
func TestSameMessages(t *testing.T) {
	in := shell(20 * ms)
	for i := range in.Entries {
		if e := &in.Entries[i]; e.Message {
			*e = session.Entry{Time: e.Time, Dir: e.Dir, Packets: 1} // as if the protocol showed none
		}
	}
	in.Entries = slices.DeleteFunc(in.Entries, func(e session.Entry) bool { return e.Bytes == 0 && e.Kind == 0 && e.Time > t0+21*ms })
	want := sequence.Recover(in.Proto, slices.Values(in.Entries))
	for _, p := range []Plan{{Segments: Segments{1300}}, {Segments: Segments{9000}}, {Offload: Offload{[2]uint32{65000, 65000}}}} {
		out := Augment(source(), in, &p)
		got := sequence.Recover(out.Proto, slices.Values(out.Entries))
		if len(got.Messages) != len(want.Messages) {
			t.Fatalf("%+v: %d messages, want %d", p, len(got.Messages), len(want.Messages))
		}
		for i := range got.Messages {
			if got.Messages[i].Bytes != want.Messages[i].Bytes {
				t.Errorf("%+v: message %d of %d bytes, want %d", p, i, got.Messages[i].Bytes, want.Messages[i].Bytes)
			}
		}
	}
}

func TestOffload(t *testing.T) {
	out := Augment(source(), bulk(), &Plan{Offload: Offload{[2]uint32{65000, 65000}}})
	if got, want := sizesOf(out.Entries, false), []int{100, 50, -3700, 30}; !slices.Equal(got, want) {
		t.Errorf("packets of %v, want %v", got, want)
	}
	if from := out.From[5]; from != (Origin{5, 8}) {
		t.Errorf("the large packet is of %v", from)
	}
}

// TestSuites wants the sizes that the protocols' documents give.
func TestSuites(t *testing.T) {
	for _, tt := range []struct {
		suite         Suite
		content, size uint32
	}{
		{TLS12GCM, 100, 129}, {TLS12Chacha, 100, 121}, {TLS12CBC, 100, 149}, {TLS12CBC, 16, 69}, {TLS13, 100, 122},
		{SSHChacha, 10, 36}, {SSHGCM, 10, 36}, {SSHETM, 10, 52}, {SSHCTR, 10, 64}, {SSHGCM, 100, 132}, {SSHChacha, 100, 132},
		{WireGuard, 0, 32}, {WireGuard, 60, 96}, {OpenVPN, 60, 84},
	} {
		if got := tt.suite.Size(tt.content); got != tt.size {
			t.Errorf("suite %d: %d bytes are %d, want %d", tt.suite, tt.content, got, tt.size)
		}
		if got := tt.suite.Content(tt.size, 0); got > tt.content+15 || tt.suite.Size(got) != tt.size {
			t.Errorf("suite %d: %d bytes hold %d, which are %d", tt.suite, tt.size, got, tt.suite.Size(got))
		}
	}
}

// TestContent wants each size to be that of what it may hold.
func TestContent(t *testing.T) {
	for s := TLS12GCM; s < suites; s++ {
		for n := range uint32(1500) {
			size := s.Size(n)
			if c := s.Content(size, n); s.Size(c) != size {
				t.Fatalf("suite %d: %d bytes hold %d, which are %d", s, size, c, s.Size(c))
			}
		}
	}
}

func TestCipher(t *testing.T) {
	for to, want := range map[Suite]struct {
		key  uint32
		kind uint8
	}{SSHChacha: {36, kindChunk}, SSHGCM: {36, kindPacket}, SSHETM: {52, kindPacket}, SSHCTR: {64, kindChunk}} {
		out := Augment(source(), shell(20*ms), &Plan{Cipher: Cipher{to}})
		var d draft
		d.begin(source(), &Session{Proto: out.Proto, Entries: out.Entries})
		if got := d.suite(); got != to {
			t.Errorf("suite %d was made, %d is heard", to, got)
		}
		key := out.Entries[len(out.Entries)/3]
		for _, e := range out.Entries[11:] {
			if e.Message {
				key = e
				break
			}
		}
		if key.Bytes != want.key || key.Kind != want.kind {
			t.Errorf("suite %d: the first key is %+v", to, key)
		}
	}
	in := shell(20 * ms)
	if out := Augment(source(), in, &Plan{Cipher: Cipher{TLS13}}); !slices.Equal(out.Entries, in.Entries) {
		t.Error("SSH became TLS")
	}
}

func TestPadding(t *testing.T) {
	out := Augment(source(), bulk(), &Plan{Padding: Padding{Multiple: 64}})
	if got, want := sizesOf(out.Entries, true), []int{-(22 + 47*64), -(22 + 11*64)}; !slices.Equal(got, want) {
		t.Errorf("messages of %v, want %v", got, want)
	}
	sum := 0
	for _, n := range sizesOf(out.Entries, false) {
		if n < 0 {
			sum -= n
		}
	}
	if want := 44 + 58*64; sum != want {
		t.Errorf("%d bytes in packets, want %d", sum, want)
	}
}

func TestWrites(t *testing.T) {
	var c talk
	c.handshake(20 * ms)
	c.packet(ms, session.Orig, pushed, 100)
	c.packet(ms/10, session.Orig, pushed, 50)
	c.packet(20*ms, session.Resp, pushed, 40)
	out := Augment(source(), &c.s, &Plan{Writes: Writes{Merge: 1}})
	if got, want := sizesOf(out.Entries, false), []int{150, -40}; !slices.Equal(got, want) || out.From[3] != (Origin{3, 4}) {
		t.Errorf("packets of %v from %v, want %v", got, out.From, want)
	}
	out = Augment(source(), &c.s, &Plan{Writes: Writes{Split: 1}})
	got := sizesOf(out.Entries, false)
	if len(got) != 6 || got[0]+got[1]+got[2]+got[3] != 150 || got[4]+got[5] != -40 {
		t.Errorf("packets of %v", got)
	}
}

// TestLayers wants the handshake of the tunnel first, then messages as large as
// content and all layers are.
func TestLayers(t *testing.T) {
	in := shell(20 * ms)
	for _, tt := range []struct {
		layers [2]Layer
		proto  uint8
		first  uint32 // bytes of the first message or, with two layers, SYN
		key    uint32 // of a key of 36 bytes
		kind   uint8
	}{
		{[2]Layer{{TLSProxy}}, packet.ProtoTCP, 0, 58, kindData},
		{[2]Layer{{SSHForward}}, packet.ProtoTCP, 0, 84, kindPacket},
		{[2]Layer{{SSHHidden}}, packet.ProtoTCP, 0, 76, kindChunk},
		{[2]Layer{{WGTunnel}}, packet.ProtoUDP, 148, 128, kindTransport},
		{[2]Layer{{VPNTunnel}}, packet.ProtoUDP, 14, 112, kindDataV2},
		{[2]Layer{{TLSProxy}, {WGTunnel}}, packet.ProtoUDP, 148, 144, kindTransport},
	} {
		out := Augment(source(), in, &Plan{Layers: tt.layers})
		if out.Proto != tt.proto || out.Entries[0].Bytes != tt.first || out.From[0].First != Handshake {
			t.Errorf("%v: protocol %d, begins with %+v of %v", tt.layers, out.Proto, out.Entries[0], out.From[0])
		}
		found := false
		for i, e := range out.Entries {
			if f := out.From[i]; !f.Made() && e.Message && in.Entries[f.First].Bytes == 36 {
				found = true
				if e.Bytes != tt.key || e.Kind != tt.kind {
					t.Errorf("%v: a key is %+v", tt.layers, e)
				}
			}
		}
		if s := sequence.Recover(out.Proto, slices.Values(out.Entries)); !found || s.Carrier != sequence.Records {
			t.Errorf("%v: keys are there: %v; %v are heard", tt.layers, found, s.Carrier)
		}
		if k := out.Warp.Knots[0]; k.In != k.Out {
			t.Errorf("%v: the session was moved by %d", tt.layers, k.Out-k.In)
		}
	}
}

// TestHidden wants keys on a grid with chaff between them, which taking chaff
// away undoes.
func TestHidden(t *testing.T) {
	in := shell(20 * ms)
	for seed := range uint64(6) {
		out := Augment(rand.New(rand.NewPCG(seed, 2)), in, &Plan{Keys: HideKeys})
		chaff, keys := 0, 0
		for i, e := range out.Entries {
			if e.Message || e.Dir == session.Resp || e.Bytes != 36 {
				continue
			}
			if out.From[i].First == Chaff {
				chaff++
			} else {
				keys++
				if was := in.Entries[out.From[i].First].Time; e.Time < was || e.Time-was > 24*ms {
					t.Errorf("seed %d: a key is held back %v", seed, time.Duration(e.Time-was))
				}
			}
		}
		if keys != 20 || chaff < 150 || chaff > 600 {
			t.Errorf("seed %d: %d keys, %d chaff", seed, keys, chaff)
		}
		again := Augment(source(), &Session{Proto: in.Proto, Entries: slices.Clone(out.Entries), Typing: in.Typing, Keys: in.Keys}, &Plan{Keys: ShowKeys})
		if got, want := sizesOf(again.Entries, true), sizesOf(in.Entries, true); len(got) < len(want) || len(got) > len(want)+8 {
			t.Errorf("seed %d: %d messages after chaff was taken away, want about %d", seed, len(got), len(want))
		}
	}
}

func TestOthers(t *testing.T) {
	in, other := shell(20*ms), bulk()
	out := Augment(source(), in, &Plan{Others: Others{Entries: other.Entries, After: 3e9}})
	var sum int
	for i, e := range out.Entries {
		if out.From[i].First == Background && !e.Message {
			sum += int(e.Bytes)
		}
	}
	if want := 180 + 3700; sum != want || len(out.Entries) != len(in.Entries)+12 {
		t.Errorf("%d bytes of the other session in %d entries, want %d", sum, len(out.Entries), want)
	}
}

func TestCapture(t *testing.T) {
	in := shell(20 * ms)
	for name, tt := range map[string]struct {
		c    Capture
		keep func(i int, e session.Entry) bool
	}{
		"late":     {Capture{Skip: time.Second}, func(_ int, e session.Entry) bool { return e.Time >= t0+1000*ms && !e.Message }},
		"early":    {Capture{Keep: time.Second}, func(_ int, e session.Entry) bool { return e.Time < t0+1000*ms }},
		"one side": {Capture{Sides: OnlyResp}, func(_ int, e session.Entry) bool { return e.Dir == session.Resp }},
		"mute":     {Capture{Mute: true}, func(_ int, e session.Entry) bool { return !e.Message }},
	} {
		var want []session.Entry
		for i, e := range in.Entries {
			if tt.keep(i, e) {
				want = append(want, e)
			}
		}
		if out := Augment(source(), in, &Plan{Capture: tt.c}); !slices.Equal(out.Entries, want) {
			t.Errorf("%s: %d entries, want %d", name, len(out.Entries), len(want))
		}
	}
	out := Augment(source(), in, &Plan{Capture: Capture{Stamp: time.Millisecond, Drift: 1000}})
	for i, e := range out.Entries {
		want := (in.Entries[i].Time - t0) * 1001 / 1000
		if e.Time%ms != 0 || e.Time-t0 > want || e.Time-t0 < want-ms {
			t.Fatalf("entry %d at %v, want %v", i, time.Duration(e.Time-t0), time.Duration(want))
		}
	}
}

// TestWarp wants a segment's borders to move with the messages in it.
func TestWarp(t *testing.T) {
	in := shell(20 * ms)
	for name, p := range plans() {
		out := Augment(source(), in, &p)
		for i, e := range out.Entries {
			f := out.From[i]
			if f.Made() || e.Message || e.Kind&session.Repeat != 0 || p.Network.Loss > 0 || p.Network.Nagle {
				continue
			}
			// What was sent in a span of typing is after its beginning.
			was := in.Entries[f.First]
			for _, s := range in.Typing {
				if was.Dir == session.Orig && was.Time >= s.From && out.Warp.At(s.From) > e.Time {
					t.Errorf("%s: entry %d is %v before the segment it is in", name, i, time.Duration(out.Warp.At(s.From)-e.Time))
				}
			}
		}
	}
	if got := (Warp{}).At(5); got != 5 {
		t.Errorf("no warp moves 5 to %d", got)
	}
}

// Another program's messages differ by whole blocks, its pauses by a factor; bulk,
// keystrokes and their pace stay.
func TestStyle(t *testing.T) {
	in := shell(40 * ms)
	out := Augment(source(), in, &Plan{Style: Style{Scale: [2]float64{1, 1.4}, Pace: 2}})
	if len(out.Entries) != len(in.Entries) {
		t.Fatalf("%d entries became %d", len(in.Entries), len(out.Entries))
	}
	larger := 0
	for i, e := range out.Entries {
		was := in.Entries[i]
		if e.Message && e.Kind == kindPacket {
			if (e.Bytes-was.Bytes)%16 != 0 || was.Bytes <= 64 && e.Bytes != was.Bytes {
				t.Errorf("a message of %d bytes became one of %d", was.Bytes, e.Bytes)
			}
			if e.Bytes > was.Bytes {
				larger++
			}
		}
	}
	if larger == 0 {
		t.Error("no message became larger")
	}
	took := func(list []session.Entry) int64 { return list[len(list)-1].Time - list[0].Time }
	if a, b := took(in.Entries), took(out.Entries); b <= a || b >= 2*a {
		t.Errorf("it took %d ms and takes %d: pauses are doubled, typing is not", a/ms, b/ms)
	}
}
