// Package beacons measures what is found of beacons, DNS tunnels, generated names
// and uploads, beside what ordinary programs do that looks alike: traffic is made
// by seeded generators, whose kinds say where they are described. Nothing in it
// was recorded.
//
// Operating points are alerts of a site of 1,000 devices a day. Detectors are run
// as the program runs them, over sessions.
package beacons

import (
	"math"
	"slices"
	"sort"

	"tyto/behavior/beacon"
	"tyto/detection"
	findbeacon "tyto/detection/beacon"
)

// outcome is how visits of a kind fared.
type outcome struct {
	kind   string
	held   bool
	maker  int32
	scores [methods][]float64
	plain  [methods][]float64 // of those with a name and nothing odd
}

// Methods that are compared.
const (
	byRITA = iota
	byRhythm
	byShape
	byDetector
	methods
)

var methodNames = [methods]string{"RITA", "statistics", "network", "detection"}

// beaconReport is what was measured of beacons.
type beaconReport struct {
	kinds     []*outcome
	fleets    int
	threshold [methods]float64
}

// measureBeacons runs the methods over sites.
func measureBeacons(o Options, seed uint64) *beaconReport {
	b := &beaconReport{fleets: o.Fleets}
	byKind := make(map[string]*outcome)
	listener := beacon.NewListener()
	for i := range o.Fleets {
		f := newFleet(seed+uint64(i), max(o.Every, 1))
		for k := range agents {
			f.infect(&agents[k], o.Each)
		}
		scores := f.detect()
		for k := range f.visits {
			v := &f.visits[k]
			if len(v.contacts) < 4 {
				continue
			}
			out := byKind[v.kind]
			if out == nil {
				out = &outcome{kind: v.kind, held: v.held, maker: v.maker}
				byKind[v.kind] = out
				b.kinds = append(b.kinds, out)
			}
			s := v.judge(listener)
			s[byDetector] = scores[v.name()]
			for m := range methods {
				out.scores[m] = append(out.scores[m], s[m])
				if v.party.Domain != "" && v.flaw == "" && v.app == "tls" && v.port == 443 {
					out.plain[m] = append(out.plain[m], s[m])
				}
			}
		}
	}
	sort.SliceStable(b.kinds, func(i, j int) bool { return b.kinds[i].maker > b.kinds[j].maker })
	for m := range methods {
		b.threshold[m] = b.allow(m, o.Fleets)
	}
	return b
}

// detect runs the detector over a site, and returns the score of each finding.
func (f *fleet) detect() map[string]float64 {
	d := findbeacon.New()
	var l detection.Ledger
	for i := range f.visits {
		f.visits[i].sessions(func(s *detection.Session) { d.Session(s, &l) })
	}
	d.Finish(&l)
	scores := make(map[string]float64)
	for _, x := range l.All() {
		scores[x.Key] = x.Score()
	}
	return scores
}

// judge returns the scores of the methods that see one series alone, and how many
// use the destination.
func (v *visit) judge(l *beacon.Listener) (s [methods]float64) {
	var times []int64
	var sizes []float64
	for _, c := range v.contacts {
		e := c.event()
		times, sizes = append(times, e.At/1e9), append(sizes, float64(e.Up+e.Down))
	}
	from, to := epoch/1e9, epoch/1e9+int64(day)
	from = min(from, slices.Min(times))
	if to-from > int64(day) { // RITA reads a day at a time, or all there is
		from, to = slices.Min(times), slices.Max(times)+1
	}
	s[byRITA] = rita(times, sizes, from, to) + prevalence(v.users, fleetDevices)
	e, ok := newExample(v.kind, v.maker, v.contacts, false)
	if !ok {
		return s
	}
	alone := 0.
	if v.users >= 3 {
		alone = -1.2 * math.Log(float64(v.users))
	}
	p := l.Tell(&e.series, &e.rhythm)
	s[byRhythm] = e.rhythm.Automation() + alone
	s[byShape] = math.Log((p.CheckIn+1e-9)/((p.Automation+p.Person)/2+1e-9)) + alone
	return s
}

// allow returns the score above which no more than one benign visit a site is.
func (b *beaconReport) allow(method, alerts int) float64 {
	var list []float64
	for _, k := range b.kinds {
		if k.maker != implant {
			list = append(list, k.scores[method]...)
		}
	}
	slices.Sort(list)
	return list[len(list)-1-alerts]
}

// above returns the share of scores that are above a threshold.
func above(list []float64, threshold float64) float64 {
	n := 0
	for _, s := range list {
		if s > threshold {
			n++
		}
	}
	return float64(n) / float64(max(len(list), 1))
}

// alert is the score from which on a finding is an alert of its own.
const alert = -detection.Prior

// recall returns the share of all implants that a method finds at its threshold.
func (b *beaconReport) recall(method int, threshold float64) (all, plain, held float64) {
	var scores, plains, helds []float64
	for _, k := range b.kinds {
		if k.maker != implant {
			continue
		}
		scores, plains = append(scores, k.scores[method]...), append(plains, k.plain[method]...)
		if k.held {
			helds = append(helds, k.scores[method]...)
		}
	}
	return above(scores, threshold), above(plains, threshold), above(helds, threshold)
}

// benign returns the share of benign automation above a threshold, and how many
// benign visits of any kind there are a site.
func (b *beaconReport) benign(method int, threshold float64) (automated, alerts float64) {
	var list []float64
	for _, k := range b.kinds {
		if k.maker == benign {
			list = append(list, k.scores[method]...)
		}
		if k.maker != implant {
			alerts += above(k.scores[method], threshold) * float64(len(k.scores[method])) / float64(b.fleets)
		}
	}
	return above(list, threshold), alerts
}
