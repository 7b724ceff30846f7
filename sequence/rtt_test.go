package sequence_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"tyto/sequence"
	"tyto/session"
)

const udp = 17

// Both ends of a tunnel send whenever they like, and answer what comes after
// quiet: the round trip is that of the answers, not the time between packets
// that pass each other.
func TestRoundTripWithoutHandshake(t *testing.T) {
	for _, tt := range []struct {
		name       string
		near, far  int64 // ns from the sensor to the originator and the responder
		background bool
	}{
		{"in the middle", 20e6, 20e6, true},
		{"at the originator", 0.1e6, 60e6, true},
		{"at the responder", 45e6, 0.2e6, true},
		{"nothing besides", 20e6, 20e6, false},
	} {
		r := rand.New(rand.NewPCG(7, 7))
		var list []session.Entry
		add := func(at int64, dir session.Direction) {
			list = append(list, session.Entry{Time: at, Dir: dir, Bytes: 200 + uint32(r.IntN(900)), Packets: 1})
		}
		at := int64(1e9)
		for range 40 {
			add(at, session.Orig)
			answer := at + 2*tt.far + 1e6
			add(answer, session.Resp)
			add(answer+2*tt.near+1e6, session.Orig)
			at = answer + 2*tt.near + 1e6
			if tt.background { // transfers both ways, full speed
				for i := range int64(200) {
					add(at+30e6+i*0.4e6, session.Orig)
					add(at+30e6+i*0.4e6+int64(r.IntN(300e3)), session.Resp)
				}
				at += 130e6
			}
			at += 500e6 + int64(r.IntN(1e9))
		}
		slices.SortStableFunc(list, func(a, b session.Entry) int { return cmp.Compare(a.Time, b.Time) })
		q := sequence.Recover(udp, slices.Values(list))
		want := 2 * (tt.near + tt.far)
		if q.RTT < want || q.RTT > want+want/4+2e6 {
			t.Errorf("%s: the round trip is %.1f ms, want a little more than %.1f", tt.name, float64(q.RTT)/1e6, float64(want)/1e6)
		}
	}
}

// Whoever is asked every minute answers at once; whoever asks does not wait a
// minute for the answer.
func TestRoundTripOfPolling(t *testing.T) {
	var list []session.Entry
	for i := range int64(10) {
		list = append(list, session.Entry{Time: 1e9 + i*60e9, Dir: session.Orig, Bytes: 48, Packets: 1},
			session.Entry{Time: 1e9 + i*60e9 + 30e6, Dir: session.Resp, Bytes: 48, Packets: 1})
	}
	if q := sequence.Recover(udp, slices.Values(list)); q.RTT != 30e6 {
		t.Errorf("the round trip is %d ns, want 30 ms", q.RTT)
	}
}
