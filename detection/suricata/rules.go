package suricata

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"tyto/packet"
	"tyto/session"
)

// Rules are rules that were loaded, ready to be evaluated by many at once.
type Rules struct {
	List    []*Rule
	Skipped []Skip
	// Unread are sessions whose payload was not looked at for want of memory.
	Unread atomic.Uint64

	home  func(packet.Addr) bool
	bits  map[string]int32
	kinds map[string]*kind
	ready bool
}

// Skip is why some rules are not used: how many, and where the first are.
type Skip struct {
	Reason string
	Count  int
	Lines  []string // FILE:LINE
}

// kind is the rules about one kind of records, or the payload.
type kind struct {
	rules  []int32
	slots  []slot
	always []int32 // rules without a text to look for first
}

// slot is a buffer in one direction.
type slot struct {
	buffer *buffer // nil: payload
	dir    session.Direction
	texts  *automaton
}

// Limits.
const (
	maxRules   = 200_000
	skipLines  = 5
	maxReasons = 500
	// MaxRuleBytes is how long a file of rules may be.
	MaxRuleBytes = 128 << 20
)

// NewRules returns a set without rules. Home reports what $HOME_NET is.
func NewRules(home func(packet.Addr) bool) *Rules {
	return &Rules{home: home, bits: make(map[string]int32), kinds: make(map[string]*kind)}
}

// Load reads rules, one a line; a backslash at its end joins a line with the next.
// Rules that cannot be evaluated are in Skipped.
func (s *Rules) Load(name string, data []byte) error {
	if len(data) > MaxRuleBytes {
		return fmt.Errorf("rules %s: more than %d MiB", name, MaxRuleBytes>>20)
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return fmt.Errorf("rules %s: binary data; give a file of Suricata rules", name)
	}
	var whole []byte
	line, start := 0, 0
	for text := range bytes.Lines(data) {
		line++
		if len(whole) == 0 {
			start = line
		}
		text = bytes.TrimSpace(text)
		if joined, ok := bytes.CutSuffix(text, []byte{'\\'}); ok {
			whole = append(append(whole, joined...), ' ')
			continue
		}
		whole = append(whole, text...)
		if len(whole) > 0 && whole[0] != '#' {
			s.add(name, start, string(whole))
		}
		whole = whole[:0]
	}
	return nil
}

func (s *Rules) add(file string, line int, text string) {
	r, err := parseRule(text)
	var reasons unknown
	switch {
	case errors.As(err, &reasons):
		for _, u := range reasons {
			s.skip(u, file, line)
		}
		return
	case err != nil:
		s.skip(err.Error(), file, line)
		return
	case len(s.List) >= maxRules:
		s.skip(fmt.Sprintf("more than %d rules", maxRules), file, line)
		return
	}
	r.File, r.Line = file, line
	for i := range r.bits {
		for k, n := range r.bits[i].names {
			r.bits[i].names[k] = s.bit(r.bitNames[n])
		}
	}
	r.bitNames = nil
	s.List = append(s.List, r)
	s.index(int32(len(s.List)-1), r)
}

func (s *Rules) skip(reason, file string, line int) {
	i := slices.IndexFunc(s.Skipped, func(k Skip) bool { return k.Reason == reason })
	if i < 0 {
		if len(s.Skipped) >= maxReasons {
			reason = "other reasons"
			i = slices.IndexFunc(s.Skipped, func(k Skip) bool { return k.Reason == reason })
		}
		if i < 0 {
			i = len(s.Skipped)
			s.Skipped = append(s.Skipped, Skip{Reason: reason})
		}
	}
	k := &s.Skipped[i]
	k.Count++
	if len(k.Lines) < skipLines {
		k.Lines = append(k.Lines, fmt.Sprintf("%s:%d", file, line))
	}
}

// bit numbers a flowbit.
func (s *Rules) bit(name string) int32 {
	n, ok := s.bits[name]
	if !ok {
		n = int32(len(s.bits))
		s.bits[name] = n
	}
	return n
}

// index puts a rule where it is found.
func (s *Rules) index(i int32, r *Rule) {
	k := s.kinds[r.kind]
	if k == nil {
		k = new(kind)
		s.kinds[r.kind] = k
	}
	k.rules = append(k.rules, i)
	if r.kind == sessionKind {
		return
	}
	p, text := fastest(r)
	if text == nil {
		k.always = append(k.always, i)
	}
	for n := range r.parts {
		for d := range r.dirs {
			if !r.dirs[d] {
				continue
			}
			at := k.slot(r.parts[n].buffer, session.Direction(d))
			if text != nil && n == p {
				k.slots[at].texts.add(text, i)
			}
		}
	}
}

// slot returns the place of a buffer in a direction.
func (k *kind) slot(b *buffer, d session.Direction) int {
	at := slices.IndexFunc(k.slots, func(s slot) bool { return s.buffer == b && s.dir == d })
	if at < 0 {
		at = len(k.slots)
		k.slots = append(k.slots, slot{b, d, newAutomaton()})
	}
	return at
}

// longestText is how much of a content is looked for first.
const longestText = 32

// fastest returns the text of a rule to look for first: the one the rule names,
// else its longest. Nil: it has none that must be there.
func fastest(r *Rule) (part int, text []byte) {
	chosen := false
	for i := range r.parts {
		for k := range r.parts[i].checks {
			c := &r.parts[i].checks[k]
			if c.text == nil || c.negated || chosen && !c.fast || !c.fast && len(c.text) <= len(text) {
				continue
			}
			part, text, chosen = i, c.text, c.fast
			if c.fastLength > 0 {
				text = text[c.fastOffset : c.fastOffset+c.fastLength]
			}
		}
	}
	return part, text[:min(len(text), longestText)]
}

// Ready ends the loading of rules.
func (s *Rules) Ready() {
	if s.ready {
		return
	}
	s.ready = true
	for _, k := range s.kinds {
		for i := range k.slots {
			k.slots[i].texts.done()
		}
	}
}

// meets reports whether a rule's header and flow are met by what goes in a
// direction of a session.
func (s *Rules) meets(r *Rule, v *session.Session, dir session.Direction) bool {
	if !r.dirs[dir] || r.proto != 0 && r.proto != v.Proto && !(r.proto == packet.ProtoICMP && v.Proto == packet.ProtoICMPv6) {
		return false
	}
	if r.settled && (v.Sides[0].Packets == 0 || v.Sides[1].Packets == 0) {
		return false
	}
	src, dst, sport, dport := v.Orig, v.Resp, v.OrigPort, v.RespPort
	if dir == session.Resp {
		src, dst, sport, dport = dst, src, dport, sport
	}
	if s.ends(r, src, dst, sport, dport) {
		return true
	}
	return r.both && s.ends(r, dst, src, dport, sport)
}

func (s *Rules) ends(r *Rule, src, dst packet.Addr, sport, dport uint16) bool {
	return r.sport.has(sport) && r.dport.has(dport) && r.src.has(src, s.home(src)) && r.dst.has(dst, s.home(dst))
}

// Tell returns a line about what is loaded, and one for each reason why rules are
// not used.
func (s *Rules) Tell() string {
	var b strings.Builder
	kinds := make([]string, 0, len(s.kinds))
	for name, k := range s.kinds {
		kinds = append(kinds, fmt.Sprintf("%s %d", name, len(k.rules)))
	}
	slices.Sort(kinds)
	fmt.Fprintf(&b, "%d are used", len(s.List))
	if len(kinds) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(kinds, ", "))
	}
	list := slices.Clone(s.Skipped)
	slices.SortStableFunc(list, func(a, b Skip) int { return b.Count - a.Count })
	for _, k := range list {
		more := ""
		if k.Count > len(k.Lines) {
			more = " …"
		}
		fmt.Fprintf(&b, "\n  not used: %d × %s (%s%s)", k.Count, k.Reason, strings.Join(k.Lines, ", "), more)
	}
	return b.String()
}
