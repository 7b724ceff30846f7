package entity

import (
	"math"

	"tyto/session"
)

// PathQuery says which paths are wanted. The zero value of a field does not
// restrict.
type PathQuery struct {
	After, Before int64           // the first hop begins, and the last one has begun, in ns
	MaxHops       int             // 0 means 4
	Via           map[string]bool // applications of the hops
}

// Hop is one step of a path: a session from one entity to another.
type Hop struct {
	From, To ID
	Via      string
	At       int64 // when it began, or when the path came to its session, which was open
	UID      session.UID
}

// step is where a search has come to.
type step struct {
	node   ID
	at     int64
	parent int // index of the step before, -1 at the start
	via    uint16
	uid    session.UID
}

// Path returns the time-respecting path of sessions from a device or address to
// another that arrives first: each hop begins, or its session is still open,
// when the hop before it has begun. Within a device it goes on from any of its
// addresses. nil if there is none. Relations remember the first session and the
// latest few, so a path that is told exists, but one may be missed.
func (v View) Path(from, to ID, q PathQuery) []Hop {
	if v.g.Name(from) == "" || v.g.Name(to) == "" {
		return nil
	}
	s := search{View: v, q: q, best: make(map[ID]int64), via: make([]bool, len(v.g.vias.list))}
	for i, name := range v.g.vias.list {
		s.via[i] = q.Via == nil || q.Via[name]
	}
	if s.q.Before == 0 {
		s.q.Before = math.MaxInt64
	}
	s.q.Before = min(s.q.Before, v.at)
	if s.q.MaxHops == 0 {
		s.q.MaxHops = 4
	}
	return s.run(from, to)
}

// search finds earliest arrivals, hop by hop.
type search struct {
	View
	q     PathQuery
	via   []bool
	steps []step
	best  map[ID]int64 // earliest arrival so far
}

func (s *search) run(from, to ID) []Hop {
	start := s.q.After
	if start == 0 {
		start = math.MinInt64
	}
	s.arrive(step{node: from, at: start, parent: -1})
	target, found := make(map[ID]bool), -1
	for _, id := range s.parts(to) {
		target[id] = true
	}
	lo := 0
	for range s.q.MaxHops {
		hi := len(s.steps)
		for i := lo; i < hi; i++ {
			if s.steps[i].at > s.best[s.steps[i].node] {
				continue // another way was faster
			}
			s.expand(i)
		}
		lo = hi
	}
	for i, t := range s.steps {
		if target[t.node] && t.parent >= 0 && (found < 0 || t.at < s.steps[found].at) {
			found = i
		}
	}
	return s.hops(found)
}

// parts returns the entities that are one with another.
func (s *search) parts(id ID) []ID {
	if d := s.c.of[id]; d != nil {
		return d.parts
	}
	return []ID{id}
}

// expand follows the sessions that start where a step has come to.
func (s *search) expand(i int) {
	at := s.steps[i].at
	for n := s.g.nodes.at(uint32(s.steps[i].node)).head[out]; n != 0; {
		e := s.g.edges.at(n)
		n = e.next[out]
		if e.kind != TalkedTo || e.last < at || e.first > s.q.Before || !s.via[e.via] || e.failed == e.count {
			continue
		}
		if when, uid, ok := s.g.contactFrom(e, at); ok && when <= s.q.Before {
			s.arrive(step{node: e.to, at: when, parent: i, via: e.via, uid: uid})
		}
	}
}

// arrive adds a step, and one for each other address of the same device, if
// none was there before.
func (s *search) arrive(t step) {
	s.come(t)
	for _, id := range s.parts(t.node) {
		if s.g.nodes.at(uint32(id)).kind == Address {
			s.come(step{id, t.at, t.parent, t.via, t.uid})
		}
	}
}

func (s *search) come(t step) {
	if have, ok := s.best[t.node]; ok && have <= t.at {
		return
	}
	s.best[t.node] = t.at
	s.steps = append(s.steps, t)
}

// contactFrom returns the first known session of a relation that begins at or
// after a time, or that is open then.
func (g *Graph) contactFrom(e *edge, at int64) (when int64, uid session.UID, ok bool) {
	if e.first >= at {
		return e.first, e.uid, true
	}
	latest, latestUID := e.first, e.uid
	when = math.MaxInt64
	if e.contacts != 0 {
		c := g.rings.at(e.contacts)
		for i := range min(c.n, ringContacts) {
			if t := c.times[i]; t >= at && t < when {
				when, uid, ok = t, c.uids[i], true
			}
			if c.times[i] >= latest {
				latest, latestUID = c.times[i], c.uids[i]
			}
		}
	}
	if ok {
		return when, uid, true
	}
	if e.last >= at { // the latest one is open
		return at, latestUID, true
	}
	return 0, uid, false
}

// hops returns the way to a step.
func (s *search) hops(i int) []Hop {
	if i < 0 {
		return nil
	}
	var list []Hop
	for ; s.steps[i].parent >= 0; i = s.steps[i].parent {
		t := &s.steps[i]
		list = append(list, Hop{From: s.steps[t.parent].node, To: t.node, Via: s.g.vias.list[t.via], At: t.at, UID: t.uid})
	}
	for a, b := 0, len(list)-1; a < b; a, b = a+1, b-1 {
		list[a], list[b] = list[b], list[a]
	}
	return list
}
