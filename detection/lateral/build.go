package lateral

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// builder joins hops to trees: each has a root, a control or a first hop.
type builder struct {
	hops     []*hop
	controls []*control
	actions  []action
	users    func(detection.Party) int // devices at home that use a party
	parent   []int                     // of a hop: index of the hop before it, -1 for none
	root     []*control
	why      []link
}

// link is why a hop follows from what was before.
type link struct {
	llr   float64
	claim string
}

// present is what it says, in nats, that somebody leads a session at the machine
// where a hop begins: few machines have anybody who could make it.
const present = 4

// link finds for each hop what it follows from best.
func (b *builder) link() {
	b.parent, b.root, b.why = make([]int, len(b.hops)), make([]*control, len(b.hops)), make([]link, len(b.hops))
	at := make(map[packet.Addr][]*control)
	for _, c := range b.controls {
		at[c.at] = append(at[c.at], c)
	}
	to := make(map[packet.Addr][]int) // hops before this one, by where they go
	of := make(map[session.UID]int)   // the first of them that a session is part of
	for i, h := range b.hops {
		b.parent[i] = -1
		best := link{llr: 0}
		for _, c := range at[h.From] {
			if slices.Contains(h.uids, c.uid) {
				continue
			}
			here := float64(present)
			if c.weak {
				here = 0 // most of those lead nobody
			}
			if llr, since, ok := c.acts.follows(h.First); ok && llr+here > best.llr {
				best = link{llr + here, fmt.Sprintf("%.1f s after %v acted in the session that leads %v", float64(since)/1e9, c.leader, c.at)}
				b.parent[i], b.root[i] = hopOf(c, of), c
			}
		}
		for _, k := range to[h.From] {
			if llr, claim := b.after(k, i); llr > best.llr {
				best = link{llr, claim}
				b.parent[i], b.root[i] = k, nil
			}
		}
		if c := b.root[i]; c != nil && !c.weak {
			best.llr -= present
		}
		b.why[i] = best
		to[h.To] = append(to[h.To], i)
		for _, uid := range h.uids {
			if _, ok := of[uid]; !ok {
				of[uid] = i
			}
		}
	}
}

// hopOf returns the hop that a control is part of, -1 if none is.
func hopOf(c *control, of map[session.UID]int) int {
	if k, ok := of[c.uid]; ok {
		return k
	}
	return -1
}

// after weighs that a hop follows from commands run where it starts.
func (b *builder) after(k, i int) (float64, string) {
	before, h := b.hops[k], b.hops[i]
	gap := h.First - before.First
	if before.To != h.From || !before.Exec || h.To == before.From || gap <= 0 || h.First-before.Last > linger {
		return 0, ""
	}
	// Effects of a command come soon, or an agent stays: half within a minute.
	llr := 0.3
	switch since := h.First - before.Last; {
	case since < 60e9:
		llr = 1.5
	case since < 300e9:
		llr = 1
	}
	return llr, fmt.Sprintf("%.0f s after commands were run on %v by %s", float64(gap)/1e9, h.From, before.via())
}

// tree is all that follows from one beginning.
type tree struct {
	control *control   // who works at the first machine, nil if nobody is seen
	others  []*control // of the same leader, at machines of the tree
	hops    []int
}

// trees gathers hops by their beginnings, in order of time.
func (b *builder) trees() []*tree {
	var list []*tree
	byControl := make(map[*control]*tree)
	byHop := make(map[int]*tree)
	of := make([]*tree, len(b.hops))
	for i := range b.hops {
		var t *tree
		switch c := b.root[i]; {
		case b.parent[i] >= 0:
			t = of[b.parent[i]]
		case c != nil:
			t = byControl[c]
			if t == nil {
				t = &tree{control: c}
				byControl[c] = t
				list = append(list, t)
			}
		default:
			t = &tree{}
			byHop[i] = t
			list = append(list, t)
		}
		t.hops = append(t.hops, i)
		of[i] = t
	}
	for _, t := range list {
		if t.control == nil {
			t.control = b.hops[t.hops[0]].control // a person's own first session
			if t.control != nil && t.control.reverse {
				t.control = nil
			}
		}
	}
	return b.join(list)
}

// join makes one of the trees that one leader outside leads, and of those that are
// led from a machine in them: control composes along the path.
func (b *builder) join(list []*tree) []*tree {
	led := make(map[string]*tree)
	machines := make(map[packet.Addr]*tree) // first tree led from outside that a machine is in
	var kept []*tree
	take := func(into, t *tree) {
		into.hops = append(into.hops, t.hops...)
		if t.control != nil {
			into.others = append(into.others, t.control)
		}
		slices.Sort(into.hops)
	}
	note := func(t *tree) {
		for _, i := range t.hops {
			for _, a := range [2]packet.Addr{b.hops[i].From, b.hops[i].To} {
				if machines[a] == nil {
					machines[a] = t
				}
			}
		}
	}
	for _, t := range list {
		c := t.control
		if c == nil || !c.reverse || c.inside {
			continue
		}
		name := c.leader.String()
		if into := led[name]; into != nil {
			take(into, t)
			note(into)
			continue
		}
		led[name] = t
		note(t)
		kept = append(kept, t)
	}
	rounds := make(map[packet.Addr]*tree) // by machine: its latest round of many others
	for _, t := range list {
		c := t.control
		switch {
		case c != nil && c.reverse && !c.inside:
		case c != nil && c.reverse && machines[c.leader.Addr] != nil:
			take(machines[c.leader.Addr], t)
		case c == nil:
			first := b.hops[t.hops[0]]
			if r := rounds[first.From]; r != nil && first.First-b.hops[r.hops[len(r.hops)-1]].First < roundGap {
				take(r, t)
				continue
			}
			rounds[first.From] = t
			kept = append(kept, t)
		default:
			kept = append(kept, t)
		}
	}
	return kept
}

// roundGap is the time between hops of one machine that are of one round: a tool
// that goes from machine to machine.
const roundGap = int64(4 * 3600e9)

// tell makes findings of the trees that have something to tell.
func (b *builder) tell(l *detection.Ledger) {
	for _, t := range b.trees() {
		machines := make(map[packet.Addr]bool)
		exec := false
		for _, i := range t.hops {
			machines[b.hops[i].From], machines[b.hops[i].To] = true, true
			exec = exec || b.hops[i].Exec
		}
		hostile := t.control != nil && t.control.reverse
		if !hostile && len(machines) < 3 && !exec {
			continue // somebody works on one machine
		}
		b.finding(t, l)
	}
}

func (b *builder) finding(t *tree, l *detection.Ledger) {
	first := b.hops[t.hops[0]]
	f := l.Finding(&rule, first.UID.String())
	entry := first.From
	f.Host(entry)
	b.path(t, f)
	switch c := t.control; {
	case c == nil:
		b.round(t, f)
	case c.reverse:
		if c.inside {
			f.Host(c.leader.Addr) // who leads from there is not known
		} else {
			f.Outside, f.Controls = c.leader, true
		}
		f.Session(c.uid)
		for _, o := range t.others {
			f.Session(o.uid)
		}
		b.links(t, f)
		b.common(t, f)
	default:
		b.explain(t, f)
	}
	b.chain(t, f)
	f.Title = title(f, t)
}

func title(f *detection.Finding, t *tree) string {
	var names []string
	for _, h := range f.Hosts {
		names = append(names, h.String())
	}
	text := strings.Join(names, ", ")
	switch c := t.control; {
	case c == nil:
		return fmt.Sprintf("From machine to machine: %s", text)
	case c.reverse:
		return fmt.Sprintf("From machine to machine, led by %v: %s", c.leader, text)
	}
	return fmt.Sprintf("Somebody who logged in at %v administers %d machines", t.control.at, len(f.Hosts)-1)
}

// path writes the hops: from whoever leads to the first machine, and on.
func (b *builder) path(t *tree, f *detection.Finding) {
	if c := t.control; c != nil && (!c.inside || c.reverse) {
		f.Path = append(f.Path, detection.Hop{From: c.leader.Addr, To: c.at, Via: c.app, UID: c.uid, At: c.first, Domain: c.leader.Domain, Link: c.weight})
		f.Span(c.first, c.first)
	}
	for _, i := range t.hops {
		h := b.hops[i]
		f.Host(h.From)
		f.Host(h.To)
		for _, uid := range h.uids {
			f.Session(uid)
		}
		f.Span(h.First, h.Last)
		if len(f.Path) < maxPath {
			f.Path = append(f.Path, detection.Hop{From: h.From, To: h.To, Via: h.via(), UID: h.UID, At: h.First, Account: h.Account, Link: b.why[i].llr})
		}
	}
}

// links weighs that hops and transfers follow what the far side did.
func (b *builder) links(t *tree, f *detection.Finding) {
	for _, i := range t.hops {
		if k := b.why[i]; k.llr > 0 {
			h := b.hops[i]
			f.Add(detection.Evidence{Kind: "link", Claim: fmt.Sprintf("%s from %v to %v began %s", h.via(), h.From, h.To, k.claim), LLR: min(k.llr, 2.5), UID: h.UID, T0: h.First})
		}
	}
	sent := b.caused(t.control)
	for _, o := range t.others {
		sent = append(sent, b.caused(o)...)
	}
	for _, a := range sent {
		f.Add(detection.Evidence{Kind: "sent", Claim: fmt.Sprintf("%v began to send %d kB out just after %v acted", a.from, a.out/1000, t.control.leader), LLR: 1.5, UID: a.uid, T0: a.at})
	}
}

// leastRound is how many machines make a round of them.
const leastRound = 4

// round weighs that a machine does the same on many others, and nobody is seen to
// lead it: tools that deploy, collect and watch do.
func (b *builder) round(t *tree, f *detection.Finding) {
	first := b.hops[t.hops[0]]
	same := make(map[packet.Addr]bool)
	for _, i := range t.hops {
		if h := b.hops[i]; h.From == first.From && h.Via == first.Via {
			same[h.To] = true
		}
	}
	if n := len(same); n >= leastRound {
		f.Add(detection.Evidence{Kind: "round", Claim: fmt.Sprintf("%v does so on %d machines, as tools that deploy do", first.From, n), LLR: -1.2 * math.Log(float64(n)), UID: first.UID, T0: first.First})
	}
}

// common weighs that other devices use who leads as well: few are led, many use a
// service.
func (b *builder) common(t *tree, f *detection.Finding) {
	c := t.control
	if b.users == nil || c.inside {
		return
	}
	mine := make(map[packet.Addr]bool)
	for _, i := range t.hops {
		mine[b.hops[i].From], mine[b.hops[i].To] = true, true
	}
	if n := b.users(c.leader) - len(mine); n >= fewUse {
		f.Add(detection.Evidence{Kind: "shared", Claim: fmt.Sprintf("%d other devices use %v", n, c.leader), LLR: -1.2 * math.Log(float64(n)), UID: c.uid, T0: c.first})
	}
}

// caused returns the transfers out of a controlled machine that began just after
// the leader acted.
func (b *builder) caused(c *control) (list []action) {
	for _, a := range b.actions {
		if a.from != c.at {
			continue
		}
		if llr, _, ok := c.acts.follows(a.at); ok && llr > 0 {
			list = append(list, a)
		}
	}
	return list
}

// chain weighs the path itself.
func (b *builder) chain(t *tree, f *detection.Finding) {
	pivots := 0
	for _, i := range t.hops {
		h := b.hops[i]
		p := b.parent[i]
		if p < 0 {
			continue
		}
		pivots++
		f.Add(detection.Evidence{Kind: "pivot", Claim: fmt.Sprintf("%v was reached from %v, and %v from there, %s", h.From, b.hops[p].From, h.To, b.why[i].claim), LLR: 1.5, UID: h.UID, T0: h.First})
		if a, was := account(h.Account), account(b.hops[p].Account); a != "" && was != "" && a != was {
			f.Add(detection.Evidence{Kind: "credential", Claim: fmt.Sprintf("another account is used on the way: %s, then %s", was, a), LLR: 1, UID: h.UID, T0: h.First})
		}
	}
	for _, i := range t.hops {
		if h := b.hops[i]; h.novelty > 0.1 {
			f.Add(detection.Evidence{Kind: "novelty", Claim: fmt.Sprintf("%v never used %s on %v before", h.From, h.via(), h.To), LLR: h.novelty, UID: h.UID, T0: h.First})
		}
	}
}

// account returns an account's name without its domain.
func account(s string) string {
	s = strings.ToLower(s)
	if i := strings.LastIndexByte(s, '\\'); i >= 0 {
		s = s[i+1:]
	}
	s, _, _ = strings.Cut(s, "@")
	s, _, _ = strings.Cut(s, "/")
	return s
}

// explain says that somebody who logged in leads, and what that explains.
func (b *builder) explain(t *tree, f *detection.Finding) {
	c := t.control
	f.Outcome, f.Operator, f.At, f.Shift = detection.Benign, c.leader, c.at, [2]int64{c.first, c.last}
	led, acts := 0, 0
	for _, i := range t.hops {
		h := b.hops[i]
		f.Explains = append(f.Explains, h.uids...)
		if b.parent[i] >= 0 && b.root[i] == nil {
			continue
		}
		acts++
		if llr, _, ok := c.acts.follows(h.First); ok && llr > 0 || slices.Contains(h.uids, c.uid) {
			led++
		}
	}
	for _, a := range b.caused(c) {
		f.Explains = append(f.Explains, a.uid)
	}
	f.Explains = append(f.Explains, c.uid)
	llr := -5 * float64(led) / math.Max(float64(acts), 1)
	f.Add(detection.Evidence{Kind: "login", LLR: llr, UID: c.uid, T0: c.first, T1: c.last,
		Claim: fmt.Sprintf("%v logged in at %v by %s and leads that session; %d of %d things began just after he acted: an administrator at work looks so", c.leader, c.at, c.app, led, acts)})
}
