package feature

import (
	"math"
	"strconv"

	"tyto/sequence"
)

// reach is how many messages before and after one are seen with it.
const reach = 8

// window is what the features of all of a session's messages are made of.
type window struct {
	s     *sequence.Sequence
	quiet float64
	moves []move
}

// move is what is known of a message from those before it.
type move struct {
	gap          float64 // ns since the end of the one before; infinite for the first
	same, other  float64 // ns since the latest of this direction and the other; -1 for none
	lead, echo   bool
	comb         bool
	place        float64    // in its burst, from 1
	burst, total [2]float64 // bytes up to it
}

func newWindow(s *sequence.Sequence) *window {
	w := &window{s: s, quiet: quietOf(s.RTT), moves: make([]move, len(s.Messages))}
	var last [2]*sequence.Message
	var v move
	for i := range s.Messages {
		m := &s.Messages[i]
		v.gap, v.same, v.other, v.echo, v.comb = math.Inf(1), -1, -1, false, false
		if i > 0 {
			v.gap = pause(&s.Messages[i-1], m)
		}
		if p := last[m.Dir]; p != nil {
			v.same, v.comb = pause(p, m), isComb(p, m)
		}
		if p := last[m.Dir.Other()]; p != nil {
			v.other, v.echo = pause(p, m), m.Bytes <= small && isEcho(p, m, s.RTT)
		}
		v.lead = v.gap > w.quiet
		if v.lead {
			v.place, v.burst = 0, [2]float64{}
		}
		v.place++
		v.burst[m.Dir] += float64(m.Bytes)
		v.total[m.Dir] += float64(m.Bytes)
		w.moves[i], last[m.Dir] = v, m
	}
	return w
}

// message writes the features of message i.
func (r *row) message(w *window, i int) {
	all, v := w.s.Messages, &w.moves[i]
	for k := -reach; k <= reach; k++ {
		size := 0.
		if j := i + k; j >= 0 && j < len(all) {
			size = signed(&all[j])
		}
		r.put("size"+offset(k, r.naming), size)
	}
	for k := 1 - reach; k <= reach; k++ {
		gap := -1.
		if j := i + k; j >= 1 && j < len(all) {
			gap = decades(w.moves[j].gap)
		}
		r.put("gap"+offset(k, r.naming), gap)
	}
	m := &all[i]
	r.put("carrier", float64(w.s.Carrier))
	r.put("rtt", decades(float64(w.s.RTT)))
	r.put("took", decades(float64(m.Took)))
	r.put("gap-trips", trips(min(v.gap, 1000*second), w.s.RTT))
	r.put("gap-same", since(v.same))
	r.put("gap-other", since(v.other))
	r.put("position", bits(float64(i)))
	r.put("since-start", decades(float64(m.Time-all[0].Time)))
	r.put("place", bits(v.place))
	r.both("burst", [2]float64{bits(v.burst[0]), bits(v.burst[1])})
	r.both("total", [2]float64{bits(v.total[0]), bits(v.total[1])})
	r.around(w, i)
}

// around writes what the window has as a whole.
func (r *row) around(w *window, i int) {
	from, to := max(i-reach, 0), min(i+reach+1, len(w.moves))
	var bytes, leads [2]float64
	var smalls, echoes, combs float64
	for k := from; k < to; k++ {
		m, v := &w.s.Messages[k], &w.moves[k]
		bytes[m.Dir] += float64(m.Bytes)
		smalls += count(m.Bytes <= small)
		leads[m.Dir] += count(v.lead)
		echoes += count(v.echo)
		combs += count(v.comb)
	}
	n := float64(to - from)
	r.both("window-bytes", [2]float64{bits(bytes[0]), bits(bytes[1])})
	r.both("window-leads", [2]float64{leads[0] / n, leads[1] / n})
	r.put("window-small", smalls/n)
	r.put("window-echoes", echoes/n)
	r.put("window-comb", combs/n)
	r.put("window-time", decades(float64(w.s.Messages[to-1].Time-w.s.Messages[from].Time)))
}

// since is a time on the scale of decades, -1 if there is none.
func since(ns float64) float64 {
	if ns < 0 {
		return -1
	}
	return decades(ns)
}

func count(ok bool) float64 {
	if ok {
		return 1
	}
	return 0
}

// offset names a place in the window.
func offset(k int, naming bool) string {
	if !naming {
		return ""
	}
	return strconv.Itoa(k)
}
