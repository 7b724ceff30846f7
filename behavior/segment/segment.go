// Package segment turns what is thought of each message of a session into spans
// of time in which the session does one thing.
package segment

import (
	"math"

	"tyto/behavior"
	"tyto/sequence"
	"tyto/session"
)

// Idle is the state of a span without messages.
const Idle = "idle"

// QuietAfter is how long nothing is sent before a session is said to be idle, ns.
const QuietAfter = 10e9

// evidence is how much the probabilities of states weigh against transitions:
// messages that follow each other are not independent witnesses.
const evidence = 0.5

// Decoder finds the likeliest course of states (Viterbi 1967). It keeps its
// memory and is for one goroutine.
type Decoder struct {
	States []string
	// Transition is the log probability of a message's state (column) after
	// that of the message before (row).
	Transition []float64

	score, next []float64
	back        []uint8
	path        []uint8
}

// MaxStates is how many states a Decoder may have.
const MaxStates = 255

// Decode appends the segments of a session to a list. p holds the logarithms of
// the probabilities of the states of each message, row after row; there may be
// fewer rows than messages: what comes after the last row is left out.
func (d *Decoder) Decode(to []behavior.Segment, messages []sequence.Message, p []float64) []behavior.Segment {
	states := len(d.States)
	n := min(len(messages), len(p)/states)
	if n == 0 {
		return to
	}
	d.viterbi(messages[:n], p)
	from := 0
	for i := 1; i <= n; i++ {
		quiet := i < n && apart(messages, i) >= QuietAfter
		if i < n && d.path[i] == d.path[from] && !quiet {
			continue
		}
		to = append(to, d.segment(messages[from:i], p[from*states:], int(d.path[from])))
		if quiet {
			to = addIdle(to, end(&messages[i-1]), messages[i].Time)
		}
		from = i
	}
	return to
}

// apart is how long nothing was sent before message i, ns.
func apart(messages []sequence.Message, i int) int64 {
	return messages[i].Time - end(&messages[i-1])
}

func end(m *sequence.Message) int64 { return m.Time + m.Took }

// addIdle adds a span without messages, or makes the last longer if it is idle
// itself.
func addIdle(to []behavior.Segment, from, until int64) []behavior.Segment {
	if last := &to[len(to)-1]; last.State == Idle {
		last.To = until
		return to
	}
	return append(to, behavior.Segment{From: from, To: until, State: Idle, P: 1})
}

// viterbi leaves the likeliest state of each message in path.
func (d *Decoder) viterbi(messages []sequence.Message, p []float64) {
	states, n := len(d.States), len(messages)
	d.score, d.next = resize(d.score, states), resize(d.next, states)
	d.back, d.path = resize(d.back, n*states), resize(d.path, n)
	for s := range states {
		d.score[s] = max(p[s], least)
	}
	for i := 1; i < n; i++ {
		d.advance(i, apart(messages, i) >= QuietAfter, p[i*states:][:states])
	}
	best := 0
	for s := range states {
		if d.score[s] > d.score[best] {
			best = s
		}
	}
	for i := n - 1; i >= 0; i-- {
		d.path[i] = uint8(best)
		best = int(d.back[i*states+best])
	}
}

// advance goes on to message i; after quiet any state is as likely as any.
func (d *Decoder) advance(i int, quiet bool, p []float64) {
	states := len(d.States)
	score, next, back := d.score[:states], d.next[:states], d.back[i*states:][:states]
	for s := range next {
		next[s] = math.Inf(-1)
	}
	for b, v := range score {
		row := d.Transition[b*states:][:states]
		for s := range next {
			w := v
			if !quiet {
				w += row[s]
			}
			if w > next[s] {
				next[s], back[s] = w, uint8(b)
			}
		}
	}
	for s := range next {
		next[s] += evidence * max(p[s], least)
	}
	d.score, d.next = d.next, d.score
}

// least is the least logarithm of a probability that counts.
const least = -20

// segment describes messages that are in one state.
func (d *Decoder) segment(messages []sequence.Message, p []float64, state int) behavior.Segment {
	s := behavior.Segment{From: messages[0].Time, State: d.States[state], Messages: len(messages)}
	for i := range messages {
		m := &messages[i]
		s.To = max(s.To, end(m))
		s.P += math.Exp(p[i*len(d.States)+state]) / float64(len(messages))
		if m.Dir == session.Orig {
			s.Orig += uint64(m.Bytes)
		} else {
			s.Resp += uint64(m.Bytes)
		}
	}
	return s
}

// resize returns v with n elements, which are not cleared.
func resize[T any](v []T, n int) []T {
	if cap(v) < n {
		return make([]T, n)
	}
	return v[:n]
}
