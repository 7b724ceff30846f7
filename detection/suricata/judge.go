package suricata

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// RuleDetector makes findings of matches of rules. It is used once.
type RuleDetector struct {
	// Matches are how often rules matched, with what thresholds left out; Sessions
	// the sessions in which.
	Matches, Sessions, Dropped int

	set     *Rules
	matched map[int32]bool
	limited map[limitKey][]counted // in no order
	events  int
}

// limitKey is what a threshold counts by.
type limitKey struct {
	rule int32
	a, b packet.Addr
}

// counted is a match that waits for its threshold to be applied.
type counted struct {
	at   int64
	what match
}

// match is a match, and what must be known of its session.
type match struct {
	uid        session.UID
	rule       int32
	orig, resp detection.Party
	home       [2]bool
	refused    bool
	mark       detection.Mark
}

// maxEvents is how many matches may wait.
const maxEvents = 200_000

// NewDetector returns a detector.
func (s *Rules) NewDetector() *RuleDetector {
	return &RuleDetector{set: s, matched: make(map[int32]bool), limited: make(map[limitKey][]counted)}
}

// Matched returns how many rules matched something.
func (d *RuleDetector) Matched() int { return len(d.matched) }

// Session implements detection.Detector.
func (d *RuleDetector) Session(s *detection.Session, l *detection.Ledger) {
	if s.Sheet == nil {
		return
	}
	n := d.Matches
	for i := range s.Sheet.Marks {
		m := &s.Sheet.Marks[i]
		if m.By != &ruleRule {
			continue
		}
		r := d.set.List[m.Entry]
		if r.app != "" && r.app != s.App || r.notApp != "" && r.notApp == s.App {
			continue
		}
		d.Matches += 1 + m.More
		d.matched[m.Entry] = true
		v := match{s.UID, m.Entry, detection.Party{Addr: s.Orig}, s.Far(), s.Home, s.Refused(), *m}
		if r.limit == nil {
			d.add(&v, m.At, l)
			continue
		}
		d.wait(r, &v)
	}
	if d.Matches > n {
		d.Sessions++
	}
}

// wait keeps a match until all are known. Those that the sheet only counted are
// taken to be spread evenly over the time they took.
func (d *RuleDetector) wait(r *Rule, v *match) {
	src, dst := v.orig.Addr, v.resp.Addr
	if !r.dirs[session.Orig] {
		src, dst = dst, src
	}
	key := limitKey{rule: v.rule}
	switch r.limit.by {
	case "by_src":
		key.a = src
	case "by_dst":
		key.a = dst
	case "by_both":
		key.a, key.b = src, dst
	}
	for k := range v.mark.More + 1 {
		if d.events >= maxEvents {
			d.Dropped++
			return
		}
		d.events++
		at := v.mark.At
		if k > 0 {
			at += (v.mark.Last - at) / int64(v.mark.More) * int64(k)
		}
		d.limited[key] = append(d.limited[key], counted{at, *v})
	}
}

// Finish implements detection.Detector: thresholds are applied in the order of
// time.
func (d *RuleDetector) Finish(l *detection.Ledger) {
	keys := slices.SortedFunc(maps.Keys(d.limited), func(a, b limitKey) int {
		return cmp.Or(cmp.Compare(a.rule, b.rule), slices.Compare(a.a[:], b.a[:]), slices.Compare(a.b[:], b.b[:]))
	})
	for _, key := range keys {
		list := d.limited[key]
		slices.SortStableFunc(list, func(a, b counted) int { return cmp.Compare(a.at, b.at) })
		rule := d.set.List[key.rule].limit
		count, began := 0, int64(0)
		for i := range list {
			if count == 0 || list[i].at-began >= rule.seconds*1e9 {
				count, began = 0, list[i].at
			}
			count++
			if rule.alerts(count) {
				d.add(&list[i].what, list[i].at, l)
			}
		}
	}
}

// alerts reports whether the n-th match within the time is an alert.
func (v *limit) alerts(n int) bool {
	switch v.kind {
	case "limit":
		return n <= v.count
	case "threshold":
		return n%v.count == 0
	case "both":
		return n == v.count
	}
	return n > v.count // detection_filter
}

// add adds what a match says.
func (d *RuleDetector) add(v *match, at int64, l *detection.Ledger) {
	r := d.set.List[v.rule]
	device := v.orig.Addr
	if !v.home[session.Orig] && v.home[session.Resp] {
		device = v.resp.Addr
	}
	f := l.Finding(&r.Definition, fmt.Sprintf("%v>%s>%d", device, r.File, r.Line))
	if len(f.Evidence) == 0 {
		f.Title = fmt.Sprintf("%v: Suricata rule: %s", device, r.Name)
		f.Outcome = detection.Attempt
	}
	involve(f, v.home, v.orig, v.resp)
	if !v.refused {
		f.Outcome = detection.Attack
	}
	claim := fmt.Sprintf("Suricata's rule %s (%s:%d) matches %v and %v: %s", r.SID, r.File, r.Line, v.orig, v.resp, r.Name)
	if v.mark.Value != "" {
		claim += " (" + v.mark.Field + ": " + v.mark.Value + ")"
	} else {
		claim += " (" + v.mark.Field + ")"
	}
	f.AddOnce(detection.Evidence{Kind: "rule", Claim: claim, LLR: r.LLR, UID: v.uid, T0: at, T1: at})
}
