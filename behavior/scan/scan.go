// Package scan measures how widely a device tries others: how many addresses it
// tried on a port, and ports on an address, and how many of these refused or
// were silent. It counts distinct ones exactly up to a bound, over a sliding pair
// of windows, so that slow scans add up.
package scan

import "tyto/packet"

// Kind says what is counted.
type Kind uint8

// Kinds of scans.
const (
	Horizontal Kind = iota + 1 // many addresses, one port
	Vertical                   // one address, many ports
)

// String returns the kind's name.
func (k Kind) String() string { return [...]string{"none", "horizontal", "vertical"}[k] }

// Try is one attempt to reach something.
type Try struct {
	At     int64 // ns
	From   packet.Addr
	To     packet.Addr
	Port   uint16
	Failed bool // refused or not answered
	Empty  bool // connected, and nothing was said
}

// Count is what a source tried in its window.
type Count struct {
	Kind     Kind
	From     packet.Addr
	To       packet.Addr // of Vertical
	Port     uint16      // of Horizontal
	Distinct int         // addresses, or ports
	Vain     int         // of these: refused, silent, or connected without a word
	First    int64       // ns
	Last     int64
}

// Share returns which part of what was tried was in vain.
func (c *Count) Share() float64 { return float64(c.Vain) / float64(max(c.Distinct, 1)) }

// Limits.
const (
	// Window is how long tries are remembered, in ns of packet time: two of these.
	Window      = int64(3600e9)
	maxSources  = 20_000
	maxDistinct = 4096 // of one source
)

type group struct {
	from packet.Addr
	to   packet.Addr
	port uint16
	kind Kind
}

type target struct {
	to   packet.Addr
	port uint16
}

type state struct {
	Count
	seen map[target]bool // whether in vain
}

// Table counts tries. The zero value is ready for use.
type Table struct {
	Overflow uint64 // tries for which there was no room
	groups   map[group]*state
	last     int64
}

// Add notes a try and returns the counts that it made grow: of the horizontal
// and of the vertical group, nil if it was known. They are valid until the next
// call.
func (t *Table) Add(y Try) (horizontal, vertical *Count) {
	if t.groups == nil {
		t.groups = make(map[group]*state)
	}
	t.expire(y.At)
	return t.add(group{from: y.From, port: y.Port, kind: Horizontal}, y), t.add(group{from: y.From, to: y.To, kind: Vertical}, y)
}

func (t *Table) add(g group, y Try) *Count {
	s := t.groups[g]
	if s == nil {
		if len(t.groups) >= maxSources {
			t.Overflow++
			return nil
		}
		s = &state{Count: Count{Kind: g.kind, From: g.from, To: g.to, Port: g.port, First: y.At}, seen: make(map[target]bool)}
		t.groups[g] = s
	}
	s.Last = max(s.Last, y.At)
	key, vain := target{y.To, y.Port}, y.Failed || y.Empty
	before, known := s.seen[key]
	switch {
	case known && before && !vain:
		s.seen[key] = false
		s.Vain--
		return nil
	case known:
		return nil
	case len(s.seen) >= maxDistinct:
		t.Overflow++
		return nil
	}
	s.seen[key] = vain
	s.Distinct++
	if vain {
		s.Vain++
	}
	return &s.Count
}

// expire forgets groups that have not been tried for a window, when one is over.
func (t *Table) expire(now int64) {
	if now-t.last < Window {
		return
	}
	t.last = now
	for g, s := range t.groups {
		if now-s.Last > Window {
			delete(t.groups, g)
		}
	}
}
