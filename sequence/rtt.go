package sequence

import (
	"slices"

	"tyto/packet"
	"tyto/session"
)

// roundTrips estimates the time between the end points from what a sensor
// anywhere between them sees. A handshake of TCP shows it: SYN to the answer is
// the way to the responder and back, the answer to what ends the handshake the
// way to the originator and back. Without one, the times are taken in which
// either side reacted after both were quiet. Times of packets that merely
// followed each other say nothing where both sides speak at once, as they do in
// tunnels; they are taken only if nothing else is there, the shortest, which the
// sides' own work makes longer, never shorter.
type roundTrips struct {
	syn, answer int64 // times of the first, 0 for none
	handshake   int64 // 0 for none
	last        [2]int64
	began       int64 // when the side that speaks began to
	spoke       session.Direction
	any         bool
	answered    [2]int64 // shortest time until a side answered the other, 0 for none
	reacted     [2]reactions
	fresh       int // how many more turns are reactions
}

const (
	// quiet is for how long nobody speaks before what starts again is answered
	// by a reaction and not by what was on its way, ns.
	quiet = 100e6
	// reactionTurns is how many turns after quiet are reactions: the answer, and
	// the answer to that.
	reactionTurns = 2
	// slowest is the longest that a reaction takes, ns: what comes later was not
	// waiting for what came before.
	slowest = 1500e6
)

// reactions are times in which a side reacted, ns: the first of them.
type reactions struct {
	n  int
	at [64]int64
}

func (r *reactions) add(d int64) {
	if r.n < len(r.at) {
		r.at[r.n] = d
		r.n++
	}
}

// typical returns the lower quartile: most reactions wait for work besides, some
// were no reactions.
func (r *reactions) typical() int64 {
	if r.n == 0 {
		return 0
	}
	list := r.at[:r.n]
	slices.Sort(list)
	return list[(r.n-1)/8]
}

func (t *roundTrips) packet(e session.Entry) {
	const flags = uint8(packet.SYN | packet.FIN | packet.RST)
	repeat := e.Kind&session.Repeat != 0
	switch {
	case e.Kind&uint8(packet.SYN) != 0 && e.Dir == session.Orig:
		t.syn, t.answer = e.Time, 0 // of several the last is the one that was answered, if any was
		return
	case e.Kind&uint8(packet.SYN) != 0:
		if t.answer == 0 {
			t.answer = e.Time
		}
		return
	case t.handshake == 0 && t.syn != 0 && t.answer != 0 && e.Dir == session.Orig && e.Kind&flags == 0 && !repeat:
		t.handshake = e.Time - t.syn
	}
	if e.Bytes == 0 || repeat {
		return
	}
	t.spoken(e)
}

// spoken notes a packet with new bytes.
func (t *roundTrips) spoken(e session.Entry) {
	turned := t.any && t.spoke != e.Dir
	if turned {
		d := max(e.Time-t.last[e.Dir.Other()], 1)
		if a := &t.answered[e.Dir]; *a == 0 || d < *a {
			*a = d
		}
		if r := max(e.Time-t.began, 1); t.fresh > 0 && r <= slowest {
			t.reacted[e.Dir].add(r)
			t.fresh--
		}
	}
	if !t.any || e.Time-max(t.last[0], t.last[1]) >= quiet {
		if !turned || t.fresh == 0 {
			t.fresh = reactionTurns
		}
		t.began = e.Time
	} else if turned {
		t.began = e.Time
	}
	t.any, t.spoke = true, e.Dir
	t.last[e.Dir] = e.Time
}

// estimate returns the round trip in ns, 0 if there is nothing to tell it from.
func (t *roundTrips) estimate() int64 {
	if t.handshake > 0 {
		return t.handshake
	}
	sum := int64(0)
	for dir := range t.reacted {
		if d := t.reacted[dir].typical(); d > 0 {
			sum += d
		} else if d = t.answered[dir]; d <= slowest {
			sum += d
		}
	}
	if sum == 0 {
		sum = min(t.answered[0], t.answered[1])
	}
	return sum
}
