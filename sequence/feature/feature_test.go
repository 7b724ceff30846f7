package feature

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tyto/sequence"
	"tyto/session"
)

// said makes a sequence of lines such as "1.5s > 36": time, direction (> is from
// the originator) and bytes. The round trip is 40 ms.
func said(t *testing.T, text string) *sequence.Sequence {
	t.Helper()
	s := &sequence.Sequence{Carrier: sequence.Chunks, RTT: 40 * millisecond}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		var at, arrow string
		var bytes uint32
		if _, err := fmt.Sscan(line, &at, &arrow, &bytes); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		d, err := time.ParseDuration(at)
		if err != nil {
			t.Fatal(err)
		}
		s.Messages = append(s.Messages, sequence.Message{Time: int64(d), Dir: session.Direction(strings.Index("><", arrow)), Bytes: bytes, Content: bytes, Parts: 1})
	}
	return s
}

// expect compares features with what was worked out by hand.
func expect(t *testing.T, names []string, row []float32, want map[string]float64) {
	t.Helper()
	for name, w := range want {
		i := slices.Index(names, name)
		if i < 0 {
			t.Errorf("no feature %q", name)
			continue
		}
		if got := float64(row[i]); math.Abs(got-w) > 1e-5 {
			t.Errorf("%s: %v, want %v", name, got, w)
		}
	}
}

const typed = `
0s     > 100
0.04s  < 200
1s     > 36
1.04s  < 36
1.2s   > 36
1.24s  < 40
1.4s   > 36
1.44s  < 1200
4.44s  < 36`

func TestTyped(t *testing.T) {
	expect(t, Names, Session(said(t, typed)), map[string]float64{
		"carrier":          float64(sequence.Chunks),
		"rtt":              math.Log10(4000), // of 10 µs
		"duration":         math.Log10(444000),
		"duration-trips":   bits(111),
		"messages-up":      bits(4),
		"messages-down":    bits(5),
		"messages-share":   4. / 9,
		"bytes-up":         bits(208),
		"bytes-down":       bits(1512),
		"bytes-share":      208. / 1720,
		"rate-up":          bits(208 / 4.44),
		"size-50-up":       bits(36),
		"size-most-down":   bits(1200),
		"size-variety-up":  2. / 4,
		"size-mode-up":     3. / 4,
		"size-mode-down":   2. / 5,
		"small-up":         1,
		"small-down":       3. / 5,
		"same-size-up":     2. / 4,
		"gap-50-up":        bits(5), // 1 s, 0.2 s, 0.2 s
		"pause-50":         decades(0.1 * second),
		"idle":             3 / 4.44,
		"leads-up":         bits(4),
		"leads-down":       bits(1),
		"leads-share":      4. / 5,
		"leads-small-up":   1,
		"leads-small-down": 1. / 5,
		"lead-interval":    decades(0.6 * second), // 1, 0.2, 0.2 and 3.04 s
		"echo-up":          2. / 4,                // 36 and 40; not 200 and 1200
		"echo-down":        0,
		"pace-up":          3. / 4,
		"turns":            bits(8),
		"turn-bytes-up":    bits(36),
		"burst-messages":   bits(2),
		"burst-most-down":  bits(1200),
		"burst-share":      1236. / 1720,
		"first-1":          bits(100),
		"first-2":          -bits(200),
		"first-8":          -bits(1200),
		"comb-run":         0,
		"acks":             0,
	})
}

func TestComb(t *testing.T) {
	expect(t, Names, Session(said(t, `
0s    > 36
20ms  > 36
38ms  > 36
60ms  > 36
200ms > 36
220ms > 36`)), map[string]float64{"comb-up": 4. / 6, "comb-down": 0, "comb-run": bits(3)})
}

func TestBeacon(t *testing.T) {
	expect(t, Names, Session(said(t, `
0s   > 200
10s  > 200
20s  > 200
30s  > 200`)), map[string]float64{"lead-interval": 6, "lead-variation": 0, "lead-skew": 0, "lead-deviation": 0, "leads-share": 1, "messages-share": 1, "idle": 1})
}

func TestInnerAcks(t *testing.T) {
	expect(t, Names, Session(said(t, `
0s    < 1300
20ms  > 96
40ms  < 1300
400ms > 96`)), map[string]float64{"acks": 1. / 4})
}

func TestFirstTurnOfServer(t *testing.T) {
	expect(t, Names, Session(said(t, `0s < 21`)), map[string]float64{"leads-share": 0, "turns": 1, "first-1": -bits(21), "first-2": 0, "duration": 0})
}

func TestMessages(t *testing.T) {
	s := said(t, typed)
	rows := Messages(nil, s)
	width := len(MessageNames)
	if got, want := len(rows), 9*width; got != want {
		t.Fatalf("%d numbers, want %d", got, want)
	}
	expect(t, MessageNames, rows[:width], map[string]float64{
		"size-1": 0, "size0": bits(100), "size1": -bits(200), "size8": -bits(36),
		"gap0": -1, "gap1": decades(40 * millisecond), "gap2": decades(0.96 * second), "gap8": decades(3 * second),
		"position": 0, "since-start": 0, "place": 1, "gap-same": -1, "gap-other": -1,
		"window-leads-up": 4. / 9, "window-leads-down": 1. / 9, "window-echoes": 2. / 9, "window-small": 7. / 9,
		"window-bytes-up": bits(208), "window-time": decades(4.44 * second),
	})
	expect(t, MessageNames, rows[5*width:6*width], map[string]float64{ // the echo of 40 bytes
		"size-8": 0, "size-5": bits(100), "size0": -bits(40), "size-1": bits(36), "size3": -bits(36), "size4": 0,
		"gap0": decades(40 * millisecond), "gap-trips": bits(1), "gap-other": decades(40 * millisecond), "gap-same": decades(0.2 * second),
		"position": bits(5), "since-start": decades(1.24 * second), "place": bits(2), "burst-up": bits(36), "burst-down": bits(40),
		"total-up": bits(172), "total-down": bits(276),
	})
}

// noise is a random sequence.
func noise(r *rand.Rand) *sequence.Sequence {
	s := &sequence.Sequence{Carrier: sequence.Carrier(1 + r.IntN(3)), RTT: int64(r.IntN(3)) * 25e6}
	now := int64(0)
	for range r.IntN(60) {
		now += int64(math.Exp(r.Float64() * 23))
		size := uint32(1 + math.Exp(r.Float64()*11))
		s.Messages = append(s.Messages, sequence.Message{Time: now, Took: int64(r.IntN(2e6)), Dir: session.Direction(r.IntN(2)), Bytes: size, Content: size, Parts: 1})
	}
	return s
}

func TestFiniteAndSameWhenever(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		s := noise(r)
		one, each := Session(s), Messages(nil, s)
		if len(one) != len(Names) || len(each) != len(s.Messages)*len(MessageNames) {
			t.Fatalf("%d and %d features of %d messages", len(one), len(each), len(s.Messages))
		}
		for i, v := range append(slices.Clone(one), each...) {
			if v != v || math.IsInf(float64(v), 0) {
				t.Fatalf("feature %d is %v of %+v", i, v, s)
			}
		}
		for i := range s.Messages {
			s.Messages[i].Time += 12345678901
		}
		if !slices.Equal(one, Session(s)) || !slices.Equal(each, Messages(nil, s)) {
			t.Fatal("features depend on when a session began")
		}
	}
}

func TestNames(t *testing.T) {
	for _, names := range [][]string{Names, MessageNames} {
		if sorted := slices.Sorted(slices.Values(names)); len(slices.Compact(sorted)) != len(names) {
			t.Errorf("names twice in %v", names)
		}
	}
	if len(Names) < 60 || len(MessageNames) < 40 {
		t.Errorf("%d and %d features", len(Names), len(MessageNames))
	}
}

func BenchmarkSession(b *testing.B) {
	s := noise(rand.New(rand.NewPCG(3, 1)))
	for b.Loop() {
		Session(s)
	}
}

func BenchmarkMessages(b *testing.B) {
	s := noise(rand.New(rand.NewPCG(3, 1)))
	var rows []float32
	for b.Loop() {
		rows = Messages(rows[:0], s)
	}
}
