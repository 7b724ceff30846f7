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

func source() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// near reports whether a time is about another.
func near(got, want int64) bool { return got-want < ms/2 && want-got < ms/2 }

// TestAnswers wants gaps to change by what the round trip changes, where the
// sensor sees it, and the time to think to stay.
func TestAnswers(t *testing.T) {
	var c talk
	c.handshake(20 * ms) // the sensor is at the originator
	c.packet(5*ms, session.Orig, 0, 100)
	c.packet(20*ms+7*ms, session.Resp, 0, 50) // the server worked for 7 ms
	c.packet(300*ms, session.Orig, 0, 100)    // the client thought
	c.packet(20*ms, session.Resp, 0, 50)
	for _, tt := range []struct {
		name  string
		place float64
		want  []int64 // gaps, ms
	}{
		{"originator", 0, []int64{100, 0, 5, 107, 300, 100}},
		{"middle", 0.5, []int64{50, 50, 5, 57, 350, 50}},
		{"responder", 1, []int64{0, 100, 5, 7, 400, 0}},
	} {
		out := Augment(source(), &c.s, &Plan{Network: Network{RTT: 100 * time.Millisecond, Place: tt.place}})
		if len(out.Entries) != len(c.s.Entries) {
			t.Fatalf("%s: %d entries", tt.name, len(out.Entries))
		}
		for i, want := range tt.want {
			if got := out.Entries[i+1].Time - out.Entries[i].Time; !near(got, want*ms) {
				t.Errorf("%s: gap %d is %v, want %d ms", tt.name, i, time.Duration(got), want)
			}
		}
		if s := sequence.Recover(out.Proto, slices.Values(out.Entries)); !near(s.RTT, 100*ms) {
			t.Errorf("%s: a round trip of %v is heard", tt.name, time.Duration(s.RTT))
		}
	}
}

// TestTyping wants the pace of fingers to stay on slow networks, and echoes late.
func TestTyping(t *testing.T) {
	var c talk
	c.handshake(10 * ms)
	from := t0 + c.now
	for range 8 {
		c.packet(150*ms, session.Orig, 0, 36)
		c.packet(11*ms, session.Resp, 0, 36)
	}
	c.s.Typing = []Span{{from, t0 + c.now, session.Orig}}
	out := Augment(source(), &c.s, &Plan{Network: Network{RTT: 400 * time.Millisecond}})
	var keys, echoes []int64
	for _, e := range out.Entries[3:] {
		if e.Dir == session.Orig {
			keys = append(keys, e.Time)
		} else {
			echoes = append(echoes, e.Time)
		}
	}
	for i := range keys {
		if got := echoes[i] - keys[i]; !near(got, 401*ms) {
			t.Errorf("echo %d after %v", i, time.Duration(got))
		}
		if i > 0 && !near(keys[i]-keys[i-1], 161*ms) {
			t.Errorf("key %d after %v", i, time.Duration(keys[i]-keys[i-1]))
		}
	}
}

// TestRhythm wants media at its own rate whatever the round trip, but a program
// that asks again as soon as it is answered slower.
func TestRhythm(t *testing.T) {
	media := Session{Proto: packet.ProtoUDP, RTT: 10 * ms}
	for i := range int64(200) {
		media.Entries = append(media.Entries,
			session.Entry{Time: t0 + i*20*ms, Dir: session.Orig, Bytes: 172, Packets: 1},
			session.Entry{Time: t0 + i*20*ms + 8*ms, Dir: session.Resp, Bytes: 172, Packets: 1})
	}
	var asks talk
	asks.handshake(10 * ms)
	for range 200 {
		asks.packet(ms/5, session.Orig, 0, 100)
		asks.packet(10*ms, session.Resp, 0, 100)
	}
	took := func(in *Session) time.Duration {
		e := Augment(source(), in, &Plan{Network: Network{RTT: 200 * time.Millisecond}}).Entries
		return time.Duration(e[len(e)-1].Time - e[0].Time).Round(time.Second)
	}
	if got := took(&media); got > 5*time.Second {
		t.Errorf("4 s of media took %v", got)
	}
	if got := took(&asks.s); got != 40*time.Second {
		t.Errorf("200 questions took %v, want 40 s", got)
	}
}

// TestWindow wants bulk that a fast network carried at once to wait for round
// trips on a slow one: ten segments, then twice as many.
func TestWindow(t *testing.T) {
	var c talk
	c.handshake(ms / 5)
	c.packet(ms, session.Orig, 0, 100)
	for range 70 {
		c.packet(ms/100, session.Resp, 0, 1448)
	}
	out := Augment(source(), &c.s, &Plan{Network: Network{RTT: 100 * time.Millisecond}})
	var flights []int
	var last int64
	for _, e := range out.Entries[4:] {
		if e.Time-last > 50*ms {
			flights = append(flights, 0)
		}
		flights[len(flights)-1]++
		last = e.Time
	}
	if want := []int{10, 20, 40}; !slices.Equal(flights, want) {
		t.Errorf("flights of %v, want %v", flights, want)
	}
}

// TestLoss wants packets that were lost sent again, late, marked where the
// sensor saw what comes after or the packet itself, and all bytes to arrive.
func TestLoss(t *testing.T) {
	in := shell(20 * ms)
	repeats, entries := 0, 0
	for seed := range uint64(50) {
		for _, place := range []float64{0, 0.5, 1} {
			p := Plan{Network: Network{RTT: 20 * time.Millisecond, Place: place, Loss: 0.03}}
			out := Augment(rand.New(rand.NewPCG(seed, 9)), in, &p)
			seen := make(map[int32]bool)
			for i, e := range out.Entries {
				if e.Message || e.Bytes == 0 {
					continue
				}
				entries++
				if e.Kind&session.Repeat != 0 {
					repeats++
				}
				seen[out.From[i].First] = true
			}
			for i, e := range in.Entries {
				if !e.Message && e.Bytes > 0 && !seen[int32(i)] {
					t.Fatalf("seed %d: entry %d never arrived", seed, i)
				}
			}
		}
	}
	if share := float64(repeats) / float64(entries); share < 0.01 || share > 0.04 {
		t.Errorf("%.3f of packets are repeats", share)
	}
}

// TestDatagramLoss wants datagrams lost for good with their messages, or sent
// again with them.
func TestDatagramLoss(t *testing.T) {
	var c talk
	c.s.Proto, c.s.RTT = packet.ProtoUDP, 20*ms
	for range 500 {
		c.record(10*ms, session.Orig, kindTransport, 96)
		c.record(20*ms, session.Resp, kindTransport, 128)
	}
	fewer, more := false, false
	for seed := range uint64(8) {
		out := Augment(rand.New(rand.NewPCG(seed, 1)), &c.s, &Plan{Network: Network{RTT: 30 * time.Millisecond, Place: 0.5, Loss: 0.02}})
		n := len(out.Entries)
		fewer, more = fewer || n < len(c.s.Entries), more || n > len(c.s.Entries)
		packets, messages := 0, 0
		for _, e := range out.Entries {
			if e.Message {
				messages++
			} else {
				packets++
			}
		}
		if packets != messages {
			t.Errorf("seed %d: %d messages of %d datagrams", seed, messages, packets)
		}
	}
	if !fewer || !more {
		t.Errorf("datagrams were lost in some sessions: %v, sent again in others: %v", fewer, more)
	}
}

// TestNagle wants small packets to wait for acknowledgements.
func TestNagle(t *testing.T) {
	var c talk
	c.handshake(100 * ms)
	for range 3 {
		c.packet(20*ms, session.Orig, 0, 10)
	}
	out := Augment(source(), &c.s, &Plan{Network: Network{RTT: 100 * time.Millisecond, Nagle: true}})
	e := out.Entries[3:]
	if !near(e[1].Time-e[0].Time, 100*ms) || !near(e[2].Time-e[1].Time, 0) && !near(e[2].Time-e[1].Time, 100*ms) {
		t.Errorf("waits of %v and %v", time.Duration(e[1].Time-e[0].Time), time.Duration(e[2].Time-e[1].Time))
	}
}
