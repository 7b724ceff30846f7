package augment

import (
	"math"
	"math/rand/v2"

	"tyto/session"
)

// rhythm tells whether a side sends by a clock of its own, such as media or
// OpenSSH's chaff, rather than in answer to what it hears: its gaps are alike,
// and it does not act right after something arrived.
type rhythm struct {
	gap     int64   // before its latest packet
	replies float64 // how often lately it acted right after an arrival, 0 to 1
}

const (
	rhythmLeast = 4e6   // ns
	rhythmMost  = 300e6 // ns
)

// steady takes the next packet: the wait since the side's latest, and since the
// arrival after it, if that is what it may reply to.
func (t *rhythm) steady(wait, since int64, reply bool) bool {
	alike := wait >= rhythmLeast && wait <= rhythmMost && math.Abs(float64(wait-t.gap)) < 0.15*float64(wait)+1e6
	prompt := 0.
	if reply && since < max(1_500_000, wait*15/100) {
		prompt = 1
	}
	t.replies += 0.25 * (prompt - t.replies)
	t.gap = wait
	return alike && t.replies < 0.5
}

// jitter is a delay that comes on top of the least: gamma-distributed, and about
// the same for packets that follow each other closely.
type jitter struct {
	at    int64
	delay float64
	began bool
}

const jitterTime = 60e6 // ns after which a delay is mostly another

// next is the delay of a packet sent at a time, ns; deviation is its standard
// deviation. With shape 2 the mean is sqrt(2) deviations.
func (j *jitter) next(r *rand.Rand, at int64, deviation float64) int64 {
	if deviation <= 0 {
		return 0
	}
	keep := 0.
	if j.began {
		keep = math.Exp(-float64(max(at-j.at, 0)) / jitterTime)
	}
	// A mixture of the old and a new draw of a gamma distribution with shape 2.
	if fresh := (r.ExpFloat64() + r.ExpFloat64()) * deviation / math.Sqrt2; !j.began || r.Float64() > keep {
		j.delay = fresh
	}
	j.at, j.began = at, true
	return int64(j.delay)
}

// window is how much a sender has in flight. It starts with ten segments and
// grows by what is acknowledged (slow start, RFC 5681 and RFC 6928), and starts
// again after a pause (RFC 2861). Congestion avoidance is left out: what is lost
// in a session of this size does not bring it there.
type window struct {
	flying []flight // by time; those before head have landed
	head   int
	inside uint32 // bytes in flight
	size   uint32
	most   uint32
	rtt    int64
	last   int64 // when it sent last
}

// flight are bytes that are acknowledged at a time.
type flight struct {
	at    int64
	bytes uint32
}

const (
	firstWindow = 10 * 1448
	fullWindow  = 1 << 20
	restart     = 200e6 // ns, beside the round trip
)

func (w *window) begin(most uint32, rtt int64) {
	if most == 0 {
		most = fullWindow
	}
	w.size, w.most, w.rtt = min(firstWindow, most), most, rtt
}

// land takes the acknowledgements up to now.
func (w *window) land(now int64) {
	for w.head < len(w.flying) && w.flying[w.head].at <= now {
		f := w.flying[w.head]
		w.head++
		w.inside -= f.bytes
		w.size = min(w.size+f.bytes, w.most)
	}
	if w.head == len(w.flying) {
		w.flying, w.head = w.flying[:0], 0
	}
}

// wait returns when the next packets of e can be sent, and how many of them:
// whole packets of each bytes.
func (w *window) wait(now int64, e session.Entry, each uint32) (int64, session.Entry) {
	if w.last != 0 && now-w.last > w.rtt+restart {
		w.size = min(w.size, firstWindow)
	}
	w.land(now)
	need := min(e.Bytes, max(each, 1))
	for w.head < len(w.flying) && w.inside+need > w.size {
		now = max(now, w.flying[w.head].at)
		w.land(now)
	}
	w.last = now
	room := uint32(0)
	if w.size > w.inside {
		room = w.size - w.inside
	}
	if e.Packets <= 1 || e.Bytes <= room || each == 0 {
		return now, e
	}
	n := max(room/each, 1)
	if n >= e.Packets {
		return now, e
	}
	e.Packets, e.Bytes = n, n*each
	return now, e
}

// sent notes bytes that are acknowledged at a time.
func (w *window) sent(bytes uint32, at int64) {
	if bytes == 0 {
		return
	}
	w.flying = append(w.flying, flight{at, bytes})
	w.inside += bytes
}
