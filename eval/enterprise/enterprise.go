// Package enterprise measures how well intrusions that move from machine to machine
// are found in simulated organisations, at as many alerts a day as somebody reads,
// beside the rules and models that are published for it.
//
// All rows see the same sessions, once, in the order in which they end. At the end
// of each simulated day a row tells what it would report, each with a score and the
// sessions it rests on. An alert is of a campaign if at least half of its score
// rests on sessions of that campaign; else it is false, whatever it is about: an
// administrator, a deployment, a scanner. The threshold of a row is the one at which
// it raises so many false alerts a day for the whole site, over the days in which
// campaigns happen; what it finds of the campaigns above it is its recall.
package enterprise

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"tyto/behavior/edge"
	"tyto/detection"
	"tyto/lab/enterprise"
	"tyto/session"
)

// Options are what to measure on.
type Options struct {
	Hosts, Days int
	Campaigns   int
	Twins       int
	// Sites are how many organisations: each of its own seed.
	Sites int
	Seed  uint64
	// Activity as of an organisation.
	Activity float64
	Content  *enterprise.Content // nil is what is in the program
	// Clock returns the time, if it is to be told how long it took.
	Clock func() time.Time
	// Only are the rows to measure, by name; nil is all.
	Only []string
}

// Defaults are 300 hosts for 5 days, with campaigns on several sites.
func Defaults() Options {
	return Options{Hosts: 300, Days: 5, Campaigns: 12, Twins: 5, Sites: 4, Seed: 7001, Activity: 1}
}

// Budgets are the false alerts a day, for the whole site, that rows are measured at.
var Budgets = []float64{10, 3, 1}

// Run simulates, measures all rows and writes the table.
func Run(ctx context.Context, w io.Writer, o Options) (*Report, error) {
	if o.Sites < 1 || o.Campaigns < 1 {
		return nil, fmt.Errorf("%d sites with %d campaigns: there must be one at least", o.Sites, o.Campaigns)
	}
	if o.Content == nil {
		c, err := enterprise.Measured()
		if err != nil {
			return nil, err
		}
		o.Content = c
	}
	model, err := edge.Shipped()
	if err != nil {
		return nil, err
	}
	r := &Report{Options: o}
	for site := range o.Sites {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.site(site, model); err != nil {
			return nil, err
		}
	}
	r.conclude()
	return r, r.Write(w)
}

// Test organisations have the other half of the content than those that the edge
// model was trained on.
const testHalf = 1

// organisation returns the test site of a number.
func (o *Options) organisation(site int) enterprise.Organisation {
	return enterprise.Organisation{Name: fmt.Sprintf("site %d", site+1), Hosts: o.Hosts, Seed: o.Seed + uint64(site), Half: testHalf,
		Campaigns: o.Campaigns, Twins: o.Twins, Activity: o.Activity}
}

// row is what is measured: it is told sessions, and reports at the end of each day.
type row interface {
	session(s *detection.Session)
	// day returns the alerts of the day that ends.
	day(end int64) []report
}

// report is what a row would tell somebody.
type report struct {
	key        string // the same for what is the same story
	items      []item
	score      float64
	controller detection.Party
}

// item is a session that a report rests on.
type item struct {
	uid    session.UID
	weight float64
	at     int64
}

// bench is a site under measurement.
type bench struct {
	o     *Options
	rows  []*measured
	tags  map[session.UID]enterprise.Tag
	ends  map[[2]int]int64 // of hops, by campaign and number
	lanl  *neverSeen
	begin int64 // of the time in which alerts count
}

// measured is a row and what it reported.
type measured struct {
	name string
	row  row
	took time.Duration
	// bytes are what its memory held at the end.
	bytes uint64
	best  map[string]*alert // by story
	keys  []string
}

func (r *Report) site(site int, model *edge.Model) error {
	o := &r.Options
	b := &bench{o: o, tags: make(map[session.UID]enterprise.Tag), ends: make(map[[2]int]int64), lanl: newNeverSeen()}
	for _, k := range rows(o, model) {
		b.rows = append(b.rows, &measured{name: k.name, row: k.make(), best: make(map[string]*alert)})
	}
	quiet := max(2, (o.Days+2)/3)
	b.begin = enterprise.Start + int64(quiet)*dayLength
	end := enterprise.Start + dayLength
	clock := o.Clock
	if clock == nil {
		clock = func() time.Time { return time.Time{} }
	}
	var pending []detection.Session
	flush := func() {
		for _, m := range b.rows {
			t0 := clock()
			for i := range pending {
				m.row.session(&pending[i])
			}
			m.took += clock().Sub(t0)
		}
		pending = pending[:0]
	}
	began := clock()
	truth, err := enterprise.Simulate(b.o.organisation(site), o.Days, o.Content, func(s *detection.Session, tag enterprise.Tag) {
		for s.Last >= end && end <= enterprise.Start+int64(o.Days)*dayLength {
			flush()
			b.night(end, clock)
			end += dayLength
		}
		if tag.Campaign+tag.Twin > 0 {
			b.tags[s.UID] = tag
		}
		if tag.Hop > 0 {
			b.ends[[2]int{tag.Campaign, tag.Hop}] = s.Last
		}
		b.lanl.session(s, tag.Hop > 0, s.First >= b.begin)
		if pending = append(pending, *s); len(pending) == 4096 {
			flush()
		}
	})
	if err != nil {
		return err
	}
	flush()
	b.night(end, clock)
	r.Seconds += clock().Sub(began).Seconds()
	r.Edges += len(b.lanl.seen)
	for _, m := range b.rows {
		before := heap()
		m.row = nil
		if after := heap(); after < before {
			m.bytes = before - after
		}
	}
	r.add(b, truth)
	return nil
}

const dayLength = int64(24 * 3600e9)

// night asks all rows what they report of the day that ends.
func (b *bench) night(end int64, clock func() time.Time) {
	for _, m := range b.rows {
		t0 := clock()
		list := m.row.day(end)
		m.took += clock().Sub(t0)
		if end <= b.begin {
			continue
		}
		for i := range list {
			a := b.judge(&list[i])
			have := m.best[list[i].key]
			if have == nil {
				m.keys = append(m.keys, list[i].key)
			}
			if have == nil || a.score > have.score {
				m.best[list[i].key] = a
			}
		}
	}
}

// heap returns the bytes in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
