// Package feature makes numbers of what can be heard of a session, as people
// who know traffic would: totals and ratios, quantiles, who leads, echoes,
// bursts, combs. They are what the baselines of evaluations see.
//
// The thoughts behind them are those of flow meters, of RITA's beacon scores
// (Bowley skewness and median deviation of intervals), of GGFAST (the first
// sizes with their signs), and of Zhang and Paxson, "Detecting backdoors", 2000
// (small messages at the pace of fingers). As a [sequence.Sequence] has no
// addresses, ports, content or absolute time, neither have they.
package feature

import (
	"math"
	"slices"

	"tyto/sequence"
	"tyto/session"
)

// Names are the names of a session's features, in the order of [Session].
var Names = namesOf(func(r *row) { r.session(new(sequence.Sequence)) })

// MessageNames are the names of a message's features, in the order of
// [Messages].
var MessageNames = namesOf(func(r *row) {
	s := &sequence.Sequence{Messages: make([]sequence.Message, 1)}
	r.message(newWindow(s), 0)
})

// Session is a session's features.
func Session(s *sequence.Sequence) []float32 {
	r := row{values: make([]float32, 0, len(Names))}
	r.session(s)
	return r.values
}

// Messages appends the features of every message of a session: one row after the
// other, each of len(MessageNames).
func Messages(to []float32, s *sequence.Sequence) []float32 {
	r := row{values: slices.Grow(to, len(s.Messages)*len(MessageNames))}
	w := newWindow(s)
	for i := range s.Messages {
		r.message(w, i)
	}
	return r.values
}

// row is features that are being written.
type row struct {
	values []float32
	naming bool
	names  []string
}

func namesOf(write func(*row)) []string {
	r := row{naming: true}
	write(&r)
	return r.names
}

func (r *row) put(name string, v float64) {
	if r.naming {
		r.names = append(r.names, name)
	}
	r.values = append(r.values, float32(v))
}

// sides are what a feature of a direction is called.
var sides = [2]string{session.Orig: "-up", session.Resp: "-down"}

func (r *row) both(name string, v [2]float64) {
	for d, side := range sides {
		r.put(name+side, v[d])
	}
}

const (
	millisecond = 1e6 // ns
	second      = 1e9

	small     = 160 // bytes of a keystroke or its echo, at most
	echoBytes = 16  // by which a keystroke and its echo differ, at most
	echoTrips = 2   // round trips from one to the other, at most
	fullSized = 600 // bytes of a packet that is acknowledged inside a tunnel, at least
	ackSized  = 120 // bytes of what acknowledges it, at most

	paceFrom = 10 * millisecond // between keystrokes
	paceTo   = 2 * second
	combFrom = 17.5 * millisecond // between messages of OpenSSH's obfuscation: 18 to 22 ms
	combTo   = 22.5 * millisecond
	longIdle = second
)

// quietOf is the pause, in ns, after which a message begins something new.
func quietOf(rtt int64) float64 { return max(60*millisecond, 2*float64(rtt)) }

// bits is the binary logarithm of a number, one added.
func bits(v float64) float64 { return math.Log2(1 + v) }

// decades is a time on a logarithmic scale: 0 at 10 µs and less, 1 at 100 µs.
func decades(ns float64) float64 { return math.Log10(max(ns, 1e4) / 1e4) }

// trips is a time in round trips, logarithmic; -1 if that of the session cannot
// be told.
func trips(ns float64, rtt int64) float64 {
	if rtt <= 0 {
		return -1
	}
	return bits(ns / float64(rtt))
}

// share is a part of a whole, 0 of nothing.
func share(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}

// signed is a message's size, logarithmic, less than 0 from the responder.
func signed(m *sequence.Message) float64 {
	v := bits(float64(m.Content))
	if m.Dir == session.Resp {
		return -v
	}
	return v
}

// pause is the time from the end of a message to the beginning of a later one.
func pause(from, to *sequence.Message) float64 {
	return float64(max(to.Time-from.Time-from.Took, 0))
}
