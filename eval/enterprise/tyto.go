package enterprise

import (
	"math"
	"slices"

	"tyto/behavior"
	"tyto/behavior/edge"
	"tyto/detection"
	"tyto/detection/all"
	"tyto/detection/beacon"
	"tyto/detection/lateral"
	"tyto/packet"
	"tyto/session"
	"tyto/triage"
)

// tytoRow is the program's detectors. They run on from day to day; rhythms are of
// one day, so that what a day costs does not grow with those before it.
type tytoRow struct {
	detectors []detection.Detector
	rhythms   detection.Detector
	lateral   detection.Detector
	ledger    *detection.Ledger
	deaf      bool // without what goes on in sessions
	cases     bool // report what triage makes cases of
	latest    int64
}

// newTyto returns the row; m, if it is not nil, says how unusual edges are.
func newTyto(m *edge.Model, deaf, cases bool) *tytoRow {
	r := &tytoRow{rhythms: beacon.New(), lateral: lateral.New(), ledger: new(detection.Ledger), deaf: deaf, cases: cases}
	if m != nil {
		r.lateral = lateral.NewWith(newEdgeNovelty(m).of)
	}
	r.detectors = slices.DeleteFunc(all.Detectors(), func(d detection.Detector) bool {
		switch d.(type) {
		case *beacon.Detector, *lateral.Detector:
			return true
		}
		return false
	})
	return r
}

func (r *tytoRow) session(s *detection.Session) {
	v := *s
	if r.deaf {
		v.Lead, v.Heard = nil, behavior.Heard{}
	}
	r.latest = max(r.latest, v.Last)
	for _, d := range r.detectors {
		d.Session(&v, r.ledger)
	}
	r.rhythms.Session(&v, r.ledger)
	r.lateral.Session(&v, r.ledger)
}

func (r *tytoRow) day(int64) []report {
	r.rhythms.Finish(r.ledger)
	r.rhythms = beacon.New()
	for _, d := range r.detectors {
		d.Finish(r.ledger)
	}
	r.lateral.Finish(r.ledger)
	findings := r.ledger.All()
	r.ledger = new(detection.Ledger)
	if r.cases {
		return ofCases(triage.Cases(findings, r.latest))
	}
	return ofPaths(findings)
}

// ofCases reports what triage makes cases of.
func ofCases(cases []*triage.Case) (list []report) {
	for _, c := range cases {
		if c.Outcome == detection.Benign || len(c.Items) == 0 {
			continue
		}
		v := report{score: c.Score, controller: c.Controller.Party, key: c.Items[0].Rule.ID + " " + c.Items[0].Key}
		for _, it := range c.Items {
			for _, e := range it.Evidence {
				v.items = append(v.items, item{e.UID, e.LLR, max(e.T0, e.T1)})
			}
		}
		list = append(list, v)
	}
	return list
}

// accusing is the evidence for a controller from which on he is named, in nats:
// nine in ten against nobody, as triage has it.
const accusing = 2.5 + 2.2

// explained is what evidence counts that somebody's everyday work explains, as
// triage has it.
const explained = 0.05

// ofPaths reports each path with the evidence that all findings have about its
// sessions, and about whoever leads it at its machines.
func ofPaths(findings []*detection.Finding) (list []report) {
	about := make(map[session.UID][]*detection.Finding)
	leaders := make(map[string][]*detection.Finding)
	benign := make(map[session.UID]bool)
	for _, f := range findings {
		if f.Outcome == detection.Benign {
			for _, uid := range f.Explains {
				benign[uid] = true
			}
			continue
		}
		if f.Rule.ID == "lateral-movement" {
			continue
		}
		for _, uid := range f.UIDs {
			about[uid] = append(about[uid], f)
		}
		if f.Controls {
			leaders[f.Outside.String()] = append(leaders[f.Outside.String()], f)
		}
	}
	for _, f := range findings {
		if f.Rule.ID != "lateral-movement" || f.Outcome == detection.Benign {
			continue
		}
		p := path{report: report{key: f.Key}, rules: make(map[string]int), benign: benign}
		p.add(f, nil)
		mine := make(map[session.UID]bool)
		for _, uid := range f.UIDs {
			mine[uid] = true
		}
		done := map[*detection.Finding]bool{f: true}
		var others []*detection.Finding
		for _, uid := range f.UIDs {
			for _, g := range about[uid] {
				if !done[g] {
					done[g] = true
					others = append(others, g)
				}
			}
		}
		p.control(f, leaders[f.Outside.String()])
		// The weightiest of a rule counts in full, the next half, and so on.
		slices.SortStableFunc(others, func(a, b *detection.Finding) int { return int(math.Copysign(1, b.Score()-a.Score())) })
		for _, g := range others {
			if !g.Controls {
				p.add(g, mine)
			}
		}
		list = append(list, p.report)
	}
	return list
}

// path is a report that is being put together.
type path struct {
	report
	rules  map[string]int
	benign map[session.UID]bool
}

// add adds the evidence of a finding, of sessions of the path only if these are
// given.
func (p *path) add(f *detection.Finding, mine map[session.UID]bool) {
	sum := 0.0
	var items []item
	for _, e := range f.Evidence {
		if mine != nil && !mine[e.UID] {
			continue
		}
		v := e.LLR
		if v > 0 && p.benign[e.UID] {
			v *= explained
		}
		sum += v
		items = append(items, item{e.UID, v, max(e.T0, e.T1)})
	}
	if sum <= 0 && mine != nil {
		return
	}
	n := p.rules[f.Rule.ID]
	p.rules[f.Rule.ID]++
	for i := range items {
		items[i].weight = math.Ldexp(items[i].weight, -n)
	}
	p.score += math.Ldexp(sum, -n)
	p.items = append(p.items, items...)
}

// control adds what findings say of whoever leads the path, at its machines, and
// names him if that is enough.
func (p *path) control(f *detection.Finding, findings []*detection.Finding) {
	if !f.Controls {
		return
	}
	on := make(map[packet.Addr]bool)
	for _, a := range f.Hosts {
		on[a] = true
	}
	for _, g := range findings {
		if len(g.Hosts) > 0 && on[g.Hosts[0]] {
			p.add(g, nil)
		}
	}
	if p.score > accusing {
		p.controller = f.Outside
	}
}

// edgeNovelty is what the edge model says of accesses.
type edgeNovelty struct {
	table    edge.Table
	scorer   *edge.Scorer
	features []float32
}

func newEdgeNovelty(m *edge.Model) *edgeNovelty { return &edgeNovelty{scorer: m.NewScorer()} }

// of returns the evidence of an access, within what a rule of the known quality of
// first-seen edges gives.
func (n *edgeNovelty) of(s *detection.Session, _ *detection.Access) float64 {
	e, ok := eventOf(s)
	if !ok {
		return 0
	}
	n.features, _ = n.table.Measure(e, n.features[:0])
	v := n.scorer.LLR(n.features)
	n.table.Use(e)
	return min(max(v, -1), 3)
}
