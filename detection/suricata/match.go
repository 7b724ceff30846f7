package suricata

import (
	"slices"

	"tyto/detection"
	"tyto/internal/fields"
	"tyto/packet"
	"tyto/session"
)

// Payload is looked at up to StreamBytes of each direction of a stream, and to
// maxDatagrams datagrams of a session.
const (
	StreamBytes  = 8 << 10
	maxDatagrams = 32
	laneBytes    = 8 << 20 // of streams, of a lane at once
	maxStates    = 100_000
	maxPending   = 16
	maxBits      = 256
	maxSpare     = 64
)

// state is what is known of a session: its flowbits, and the first bytes of its
// streams.
type state struct {
	bits      []int32
	stream    [2]window // by who sent the first packet: roles may be exchanged
	datagrams int
	pending   []pending
	unread    bool
}

// window is the first bytes of a direction.
type window struct {
	bytes []byte
	at    int64 // when the first came
	full  bool
}

// pending is a rule that matched a record but for its flowbits, which the payload
// may set: that is looked at later.
type pending struct {
	rule int32
	mark detection.Mark
}

// matcher evaluates rules on a lane.
type matcher struct {
	set    *Rules
	states map[session.UID]*state
	held   int      // bytes of streams
	spare  [][]byte // of streams that are over
	stamp  []uint32 // of each rule: the round in which it was a candidate
	round  uint32
	cand   []int32
	values [][]byte // of slots
	lowers [][]byte
	wanted map[portKey]bool // whether a rule about payload may be about such sessions
}

type portKey struct {
	orig, resp uint16
	proto      uint8
}

// NewMatcher returns a matcher of the rules.
func (s *Rules) NewMatcher() detection.Matcher {
	s.Ready()
	m := matcher{set: s, states: make(map[session.UID]*state), stamp: make([]uint32, len(s.List)), wanted: make(map[portKey]bool)}
	if s.kinds[payloadKind] != nil {
		return &payloadMatcher{m}
	}
	return &m
}

// payloadMatcher is a matcher if there are rules about payload.
type payloadMatcher struct{ matcher }

// Wants implements detection.Matcher.
func (m *matcher) Wants(kind string) bool { return m.set.kinds[kind] != nil }

// stateOf returns a session's state, which is made if it is new; nil if there is
// no room.
func (m *matcher) stateOf(uid session.UID) *state {
	st := m.states[uid]
	if st == nil {
		if len(m.states) >= maxStates {
			return nil
		}
		st = new(state)
		m.states[uid] = st
	}
	return st
}

// Record implements detection.Matcher.
func (m *matcher) Record(s *session.Session, at int64, r *fields.Reader, found []detection.Mark) []detection.Mark {
	k := m.set.kinds[r.Kind()]
	m.begin(k)
	for i := range k.slots {
		sl := &k.slots[i]
		value := r.Text(sl.buffer.fields[sl.dir])
		m.values[i] = m.values[i][:0]
		if len(value) > 0 {
			if sl.buffer.form != nil {
				m.values[i] = sl.buffer.form(m.values[i], value)
			} else {
				m.values[i] = append(m.values[i], value...)
			}
		}
		m.look(k, i)
	}
	return m.candidates(k, s, at, found)
}

// begin starts a round of candidates among the rules of a kind.
func (m *matcher) begin(k *kind) {
	for len(m.values) < len(k.slots) {
		m.values, m.lowers = append(m.values, nil), append(m.lowers, nil)
	}
	m.round++
	m.cand = append(m.cand[:0], k.always...)
}

// look looks for the texts of rules in a slot's value.
func (m *matcher) look(k *kind, i int) {
	m.lowers[i] = m.lowers[i][:0]
	if len(m.values[i]) == 0 {
		return
	}
	m.lowers[i] = detection.AppendLower(m.lowers[i], m.values[i])
	k.slots[i].texts.find(m.lowers[i], m.candidate)
}

func (m *matcher) candidate(rule int32) {
	if m.stamp[rule] != m.round {
		m.stamp[rule] = m.round
		m.cand = append(m.cand, rule)
	}
}

// candidates evaluates the candidates on the values of slots: those that set
// flowbits first, as Suricata does, then in the order of the file.
func (m *matcher) candidates(k *kind, s *session.Session, at int64, found []detection.Mark) []detection.Mark {
	slices.Sort(m.cand)
	for _, setters := range [...]bool{true, false} {
		for _, i := range m.cand {
			r := m.set.List[i]
			if r.sets() != setters {
				continue
			}
			if dir, ok := m.content(k, r, s); ok {
				found = m.matched(s, i, m.mark(k, r, i, dir, at), found)
			}
		}
	}
	return found
}

// sets reports whether a rule sets flowbits.
func (r *Rule) sets() bool {
	return slices.ContainsFunc(r.bits, func(b bit) bool { return b.op == "set" || b.op == "toggle" })
}

// content reports in which direction all parts of a rule match.
func (m *matcher) content(k *kind, r *Rule, s *session.Session) (session.Direction, bool) {
	for d := range session.Direction(2) {
		if !r.dirs[d] || !m.parts(k, r, d) || !m.set.meets(r, s, d) {
			continue
		}
		return d, true
	}
	return 0, false
}

func (m *matcher) parts(k *kind, r *Rule, d session.Direction) bool {
	for i := range r.parts {
		at := k.slot(r.parts[i].buffer, d)
		if len(m.values[at]) == 0 || !matches(r.parts[i].checks, m.values[at], m.lowers[at]) {
			return false
		}
	}
	return true
}

// mark makes the mark of a match, which tells the first buffer's value.
func (m *matcher) mark(k *kind, r *Rule, i int32, d session.Direction, at int64) detection.Mark {
	mark := detection.Mark{At: at, By: &ruleRule, Entry: i, Field: "payload to the server"}
	if d == session.Resp {
		mark.Field = "payload to the client"
	}
	if b := r.parts[0].buffer; b != nil {
		value := m.values[k.slot(b, d)]
		mark.Field, mark.Value = b.name, string(value[:min(len(value), 120)])
	}
	return mark
}

// matched does what a rule does that matches but for its flowbits.
func (m *matcher) matched(s *session.Session, i int32, mark detection.Mark, found []detection.Mark) []detection.Mark {
	r := m.set.List[i]
	if len(r.bits) > 0 {
		st := m.stateOf(s.UID)
		if st == nil {
			return found
		}
		if !st.allows(r) {
			if len(st.pending) < maxPending && m.set.kinds[payloadKind] != nil && r.kind != payloadKind {
				st.pending = append(st.pending, pending{i, mark})
			}
			return found
		}
		st.apply(r)
	}
	if r.noAlert {
		return found
	}
	return append(found, mark)
}

// allows reports whether flowbits are as a rule wants them.
func (st *state) allows(r *Rule) bool {
	for _, b := range r.bits {
		some := slices.ContainsFunc(b.names, func(n int32) bool { return slices.Contains(st.bits, n) })
		if b.op == "isset" && !some || b.op == "isnotset" && some {
			return false
		}
	}
	return true
}

func (st *state) apply(r *Rule) {
	for _, b := range r.bits {
		for _, n := range b.names {
			at := slices.Index(st.bits, n)
			switch {
			case at < 0 && (b.op == "set" || b.op == "toggle") && len(st.bits) < maxBits:
				st.bits = append(st.bits, n)
			case at >= 0 && (b.op == "unset" || b.op == "toggle"):
				st.bits = slices.Delete(st.bits, at, at+1)
			}
		}
	}
}

// Payload implements detection.PayloadMatcher.
func (m *payloadMatcher) Payload(s *session.Session, dir session.Direction, data []byte, at int64, found []detection.Mark) ([]detection.Mark, bool) {
	if !m.payloadWanted(s) {
		return found, false
	}
	st := m.stateOf(s.UID)
	if st == nil || st.unread {
		return found, false
	}
	if s.Proto != packet.ProtoTCP {
		if st.datagrams >= maxDatagrams {
			return found, false
		}
		st.datagrams++
		return m.payload(s, dir, data[:min(len(data), StreamBytes)], at, found), true
	}
	w := &st.stream[physical(s, dir)]
	n := min(len(data), StreamBytes-len(w.bytes))
	switch {
	case w.full:
	case m.held+n > laneBytes:
		m.release(st)
		st.unread = true
		m.set.Unread.Add(1)
		return found, false
	default:
		if len(w.bytes) == 0 {
			w.at = at
			if k := len(m.spare); k > 0 {
				w.bytes, m.spare = m.spare[k-1], m.spare[:k-1]
			}
		}
		w.bytes = append(w.bytes, data[:n]...)
		m.held += n
		w.full = len(w.bytes) == StreamBytes
	}
	return found, !st.stream[0].full || !st.stream[1].full
}

// Gap implements detection.PayloadMatcher: what follows a hole is not looked at.
func (m *payloadMatcher) Gap(s *session.Session, dir session.Direction) {
	if st := m.states[s.UID]; st != nil {
		st.stream[physical(s, dir)].full = true
	}
}

// physical is a direction by who sent the first packet.
func physical(s *session.Session, dir session.Direction) session.Direction {
	if s.Flags&session.Flipped != 0 {
		return dir.Other()
	}
	return dir
}

func (m *matcher) release(st *state) {
	for i := range st.stream {
		b := st.stream[i].bytes
		m.held -= len(b)
		if cap(b) > 0 && len(m.spare) < maxSpare {
			m.spare = append(m.spare, b[:0])
		}
		st.stream[i].bytes = nil
	}
}

// maxKeys bounds what is remembered of ports.
const maxKeys = 100_000

// payloadWanted reports whether some rule about payload may be about sessions
// with these ports.
func (m *matcher) payloadWanted(s *session.Session) bool {
	key := portKey{s.OrigPort, s.RespPort, s.Proto}
	wanted, known := m.wanted[key]
	if known {
		return wanted
	}
	for _, i := range m.set.kinds[payloadKind].rules {
		r := m.set.List[i]
		if (r.proto == 0 || r.proto == s.Proto || r.proto == packet.ProtoICMP && s.Proto == packet.ProtoICMPv6) &&
			(r.sport.has(s.OrigPort) && r.dport.has(s.RespPort) || r.sport.has(s.RespPort) && r.dport.has(s.OrigPort)) {
			wanted = true
			break
		}
	}
	if len(m.wanted) >= maxKeys {
		clear(m.wanted)
	}
	m.wanted[key] = wanted
	return wanted
}

// payload evaluates rules on the bytes of one direction.
func (m *matcher) payload(s *session.Session, dir session.Direction, data []byte, at int64, found []detection.Mark) []detection.Mark {
	k := m.set.kinds[payloadKind]
	m.begin(k)
	for i := range k.slots {
		m.values[i] = m.values[i][:0]
		if k.slots[i].dir == dir {
			m.values[i] = append(m.values[i], data...)
		}
		m.look(k, i)
	}
	return m.candidates(k, s, at, found)
}

// Ended implements detection.Matcher.
func (m *matcher) Ended(s *session.Session, found []detection.Mark) []detection.Mark {
	st := m.states[s.UID]
	if st != nil {
		bits := len(st.bits)
		for d := range session.Direction(2) {
			if w := &st.stream[physical(s, d)]; len(w.bytes) > 0 {
				found = m.payload(s, d, w.bytes, w.at, found)
			}
		}
		if w := &st.stream[physical(s, session.Orig)]; len(w.bytes) > 0 && len(st.bits) > bits {
			found = m.payload(s, session.Orig, w.bytes, w.at, found) // what the answer's flowbits allow
		}
		for _, p := range st.pending {
			r := m.set.List[p.rule]
			if st.allows(r) {
				st.apply(r)
				if !r.noAlert {
					found = append(found, p.mark)
				}
			}
		}
	}
	if st == nil && len(m.states) >= maxStates && m.set.kinds[payloadKind] != nil && m.payloadWanted(s) {
		m.set.Unread.Add(1)
	}
	if k := m.set.kinds[sessionKind]; k != nil {
		found = m.whole(k, s, found)
	}
	if st != nil {
		m.release(st)
		delete(m.states, s.UID)
	}
	return found
}

// whole evaluates rules about nothing but who talks to whom.
func (m *matcher) whole(k *kind, s *session.Session, found []detection.Mark) []detection.Mark {
	for _, i := range k.rules {
		r := m.set.List[i]
		for d := range session.Direction(2) {
			if s.Sides[d].Packets > 0 && m.set.meets(r, s, d) {
				found = m.matched(s, i, detection.Mark{At: s.First, By: &ruleRule, Entry: i, Field: "session"}, found)
				break
			}
		}
	}
	return found
}
