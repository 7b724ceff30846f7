// Package triage says what to look at first: it groups the findings of one story
// into a case, adds their evidence up, says who leads, and tells it in a
// paragraph.
//
// Findings belong together if they are about the same device at home, or are led
// by the same party outside. Findings of one rule within a case are not
// independent: the second counts half, the third a quarter. If one of them says
// that somebody who logged in leads, what the others say of his sessions is to
// be expected and counts little. Old evidence counts half after [HalfLife].
package triage

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Threshold is the probability from which on a case is an alert.
const Threshold = 0.5

// HalfLife is how long it takes for evidence to count half, in ns (72 h).
const HalfLife = int64(72 * 3600e9)

// expected is what evidence counts that an administrator's work explains.
const expected = 0.05

// Least is the score from which on a finding is told.
const Least = 1.0

// maxCases is how many cases are made: the weightiest.
const maxCases = 1000

// Item is a finding in a case, with what it counts there.
type Item struct {
	*detection.Finding
	Score float64 // nats, in the case
	// Explained is the part of its evidence that somebody's work explains.
	Explained bool
}

// Case is the findings of one story.
type Case struct {
	ID         string
	Title      string
	Summary    string
	Items      []Item // the weightiest first
	Hosts      []packet.Addr
	Score      float64 // nats
	P          float64
	Outcome    detection.Outcome
	Path       []detection.Hop
	Controller Controller
	T0, T1     int64
}

// Alert reports whether a case is worth somebody's time.
func (c *Case) Alert() bool { return c.P >= Threshold && c.Outcome != detection.Benign }

// Controller is who leads, and how sure that is: P is of this party, against all
// others and nobody. Zero if nobody is accused.
type Controller struct {
	detection.Party
	P float64
}

// Cases makes cases of all findings, the weightiest first. Now is the time of
// the latest packet, in ns.
func Cases(findings []*detection.Finding, now int64) []*Case {
	explained := explain(findings)
	g := groups{at: make(map[packet.Addr]int), of: make(map[session.UID]int), by: make(map[string]int)}
	for _, f := range findings {
		if f.Score() >= Least || f.Outcome == detection.Benign && len(f.Explains) > 0 {
			g.add(f)
		}
	}
	var list []*Case
	for _, group := range g.all() {
		list = append(list, makeCase(group, explained, now))
	}
	slices.SortStableFunc(list, func(a, b *Case) int {
		return cmp.Or(cmp.Compare(b.P, a.P), cmp.Compare(b.Score, a.Score), cmp.Compare(a.T0, b.T0))
	})
	list = list[:min(len(list), maxCases)]
	for i, c := range list {
		c.ID = fmt.Sprintf("C-%d", i+1)
	}
	return list
}

// explanation is what somebody's everyday work explains: sessions, and what
// machines do while he works at them.
type explanation struct {
	sessions map[session.UID]bool
	shifts   map[packet.Addr][][2]int64
}

func explain(findings []*detection.Finding) *explanation {
	x := &explanation{make(map[session.UID]bool), make(map[packet.Addr][][2]int64)}
	for _, f := range findings {
		if f.Outcome != detection.Benign {
			continue
		}
		for _, uid := range f.Explains {
			x.sessions[uid] = true
		}
		x.shifts[f.At] = append(x.shifts[f.At], f.Shift)
	}
	return x
}

// covers reports whether evidence of a finding is explained. A rhythm and who
// leads from outside are not: they do not come from the person at work.
func (x *explanation) covers(f *detection.Finding, e *detection.Evidence) bool {
	if f.Controls || f.Outcome == detection.Benign {
		return false
	}
	if x.sessions[e.UID] {
		return true
	}
	if len(f.Hosts) == 0 {
		return false
	}
	for _, shift := range x.shifts[f.Hosts[0]] {
		if e.T0 >= shift[0] && e.T0 <= shift[1] {
			return true
		}
	}
	return false
}

// groups joins findings that share a device at home or a leader.
type groups struct {
	list   [][]*detection.Finding
	joined []int // by group: the one it became part of, itself if none
	at     map[packet.Addr]int
	of     map[session.UID]int
	by     map[string]int
}

func (g *groups) find(i int) int {
	for g.joined[i] != i {
		i = g.joined[i]
	}
	return i
}

func (g *groups) add(f *detection.Finding) {
	me := len(g.list)
	g.list = append(g.list, []*detection.Finding{f})
	g.joined = append(g.joined, me)
	for _, a := range f.Hosts[:min(len(f.Hosts), 1)] { // who acts; servers are in everybody's stories
		if k, ok := g.at[a]; ok {
			g.join(k, me)
		} else {
			g.at[a] = me
		}
	}
	for _, uid := range f.UIDs {
		if k, ok := g.of[uid]; ok {
			g.join(k, me)
		} else {
			g.of[uid] = me
		}
	}
	if f.Controls && !f.Outside.IsZero() {
		k, ok := g.by[f.Outside.String()]
		if ok {
			g.join(k, me)
		} else {
			g.by[f.Outside.String()] = me
		}
	}
}

// join puts two groups together, under the older one.
func (g *groups) join(a, b int) {
	a, b = g.find(a), g.find(b)
	if a == b {
		return
	}
	a, b = min(a, b), max(a, b)
	g.list[a] = append(g.list[a], g.list[b]...)
	g.list[b] = nil
	g.joined[b] = a
}

func (g *groups) all() (list [][]*detection.Finding) {
	for _, group := range g.list {
		if len(group) > 0 {
			list = append(list, group)
		}
	}
	return list
}

func makeCase(group []*detection.Finding, explained *explanation, now int64) *Case {
	c := new(Case)
	for _, f := range group {
		c.Items = append(c.Items, weigh(f, explained, now))
		for _, a := range f.Hosts {
			if !slices.Contains(c.Hosts, a) {
				c.Hosts = append(c.Hosts, a)
			}
		}
		if c.T0 == 0 || f.T0 < c.T0 {
			c.T0 = f.T0
		}
		c.T1 = max(c.T1, f.T1)
		if len(f.Path) > len(c.Path) && !(f.Outcome == detection.Benign && len(c.Path) > 0) {
			c.Path = f.Path
		}
	}
	slices.SortStableFunc(c.Items, func(a, b Item) int { return cmp.Compare(b.Score, a.Score) })
	rules := make(map[string]int)
	for i := range c.Items {
		it := &c.Items[i]
		if it.Score > 0 {
			it.Score = math.Ldexp(it.Score, -rules[it.Rule.ID])
			rules[it.Rule.ID]++
		}
		c.Score += it.Score
	}
	c.P = detection.P(c.Score)
	c.Outcome = outcome(c)
	c.Controller = controller(c)
	c.Title = title(c)
	c.Summary = summary(c)
	return c
}

// weigh returns what a finding counts in a case.
func weigh(f *detection.Finding, explained *explanation, now int64) Item {
	it := Item{Finding: f}
	age := math.Pow(0.5, float64(max(now-f.T1, 0))/float64(HalfLife))
	for i := range f.Evidence {
		e := &f.Evidence[i]
		v := e.LLR * age
		if v > 0 && explained.covers(f, e) {
			v *= expected
			it.Explained = true
		}
		it.Score += v
	}
	if f.Outcome == detection.Benign {
		it.Score = min(it.Score, 0)
	}
	return it
}

// outcome says what became of it: benign if that is what most of the evidence is
// explained by, an attempt if nothing weighty succeeded.
func outcome(c *Case) detection.Outcome {
	attempt, explained, open := 0.0, 0.0, 0.0
	success := 0.0
	for _, it := range c.Items {
		switch {
		case it.Outcome == detection.Benign || it.Explained:
			explained++
		case it.Outcome == detection.Attempt:
			attempt += it.Score
		default:
			success += it.Score
			open += it.Score
		}
	}
	switch {
	case explained > 0 && open < -detection.Prior:
		return detection.Benign
	case attempt > success:
		return detection.Attempt
	}
	return detection.Attack
}

// nobody is the log-weight of the hypothesis that nobody outside leads.
const nobody = 2.5

// controller weighs the parties outside that may lead, and nobody, against each
// other by the evidence for each. Below nine in ten nobody is accused.
func controller(c *Case) Controller {
	if c.P < Threshold || c.Outcome == detection.Benign {
		return Controller{}
	}
	weights := make(map[detection.Party]float64)
	var order []detection.Party
	for _, it := range c.Items {
		if !it.Controls || it.Outside.IsZero() {
			continue
		}
		at := slices.IndexFunc(order, func(p detection.Party) bool { return p == it.Outside || below(p.Domain, it.Outside.Domain) })
		if at < 0 {
			at = len(order)
			order = append(order, it.Outside)
		}
		w := weights[order[at]] + max(it.Finding.Score(), 0)
		if p := it.Outside; p.Domain != "" && len(p.Domain) < len(order[at].Domain) {
			delete(weights, order[at])
			order[at] = p // names below one domain are one party, by the shortest
		}
		weights[order[at]] = w
	}
	total := math.Exp(nobody)
	for _, w := range weights {
		total += math.Exp(w)
	}
	var best Controller
	for _, party := range order {
		if p := math.Exp(weights[party]) / total; p > best.P {
			best = Controller{party, p}
		}
	}
	if best.P < 0.9 {
		return Controller{}
	}
	return best
}

// below reports whether two domains are the same, or one is below the other.
func below(a, b string) bool {
	return a != "" && b != "" && (a == b || strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a))
}
