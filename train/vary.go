package train

import (
	"math"
	"math/rand/v2"
	"slices"

	"tyto/lab/label"
	"tyto/sequence"
	"tyto/sequence/augment"
	"tyto/sequence/feature"
	"tyto/session"
)

// variedShare is how often a session is seen as it could have been recorded
// elsewhere, instead of as it was recorded.
const variedShare = 0.7

// varier makes views of sessions. It keeps its memory: a view is valid until the
// next of the same slot.
type varier struct {
	augmenter augment.Augmenter
	typing    []augment.Span
	keys      []int64
	begins    []int32
}

// slot holds the memory of one view.
type slot struct {
	tokens []sequence.Token
	states []int32
	begins []float32
}

// view draws how a session is seen, and which part of at most limit messages.
func (v *varier) view(e *Example, r *rand.Rand, limit int, to *slot) view {
	if r.Float64() < variedShare {
		if x, ok := v.vary(e, r, limit, to); ok {
			return x
		}
	}
	from, until := window(len(e.Tokens), r, limit)
	return view{e, e.Tokens[from:until], e.Targets.States[from:until], e.Targets.Begins[from:until], features(e.Heard, from, until)}
}

// window draws which messages of n are seen.
func window(n int, r *rand.Rand, limit int) (from, to int) {
	if n <= limit {
		return 0, n
	}
	if r.IntN(3) > 0 { // beginnings say much
		from = r.IntN(n - limit + 1)
	}
	return from, from + limit
}

// vary augments a session. It reports false if nothing is left of it.
func (v *varier) vary(e *Example, r *rand.Rand, limit int, to *slot) (view, bool) {
	plan := augment.Draw(r)
	in := v.session(e)
	out := v.augmenter.Augment(r, &in, &plan)
	q := sequence.Recover(out.Proto, slices.Values(out.Entries))
	from, until := window(len(q.Messages), r, limit)
	if until == 0 {
		return view{}, false
	}
	v.begins = augment.AppendEntries(v.begins[:0], &q, out.Entries)
	q.Messages = q.Messages[:until] // what a message is depends on those before it
	to.tokens = sequence.AppendTokens(to.tokens[:0], &q)
	to.states = to.states[:0]
	for _, i := range v.begins[:until] {
		to.states = append(to.states, e.Targets.stateOf(out.From[i]))
	}
	to.begins = appendBegins(to.begins[:0], to.states)
	return view{e, to.tokens[from:], to.states[from:], to.begins[from:], features(q, from, until)}, true
}

// features are those of some messages of a session.
func features(q sequence.Sequence, from, until int) []float32 {
	q.Messages = q.Messages[from:until]
	return feature.Session(&q)
}

// stateOf returns the state of an entry that came from somewhere.
func (t *Targets) stateOf(o augment.Origin) int32 {
	switch {
	case !o.Made():
		return t.entries[o.First]
	case o.First == augment.Handshake:
		return int32(label.StateHandshake) - 1
	case o.First == augment.Chaff && o.Last >= 0:
		return t.entries[o.Last]
	}
	return Unknown
}

// session describes an example to the augmenter.
func (v *varier) session(e *Example) augment.Session {
	s := e.Session
	by := session.Orig
	if e.Targets.Control == controlResp {
		by = session.Resp
	}
	v.typing, v.keys = v.typing[:0], v.keys[:0]
	for i := range s.Flow.Segments {
		if g := &s.Flow.Segments[i]; g.State == label.StateKeystrokes {
			v.typing = append(v.typing, augment.Span{From: int64(g.T0), To: int64(g.T1), By: by})
		}
	}
	for _, k := range s.Flow.Keys {
		v.keys = append(v.keys, int64(k))
	}
	place := map[string]float64{"core": 0.5, "server": 1}[e.Run.Truth.Sensor]
	if s.Reversed {
		place = 1 - place
	}
	return augment.Session{
		Proto: Proto(s), Entries: s.Entries, RTT: int64(math.Round(float64(e.Run.Truth.Profile.RTT) * 1e9)), Place: place, Typing: v.typing, Keys: v.keys,
	}
}
