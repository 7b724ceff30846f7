package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tyto/behavior"
	"tyto/detection"
	"tyto/internal/amount"
	"tyto/triage"
)

const idle = "idle"

// states are those of segments, with what they mean, in the order of the legend
// (docs/labels.md).
var states = []struct{ Name, Means string }{
	{"handshake", "keys and logins"}, {"keystrokes", "a person types"}, {"output", "what a terminal prints"}, {"exchange", "machines ask and answer"},
	{"upload", "bulk data sent"}, {"download", "bulk data received"}, {"tunnel", "another connection inside"}, {"browse", "pages load"}, {"stream", "steady media"},
	{"checkin", "an agent asks for work"}, {"tasking", "an agent gets work"}, {"screen", "a remote screen"}, {"probe", "one try of many"}, {idle, "nothing"},
}

// timeline is the bands of sessions on one axis of time.
type timeline struct {
	From, To string
	Ticks    []tick
	Bands    []*band
	Legend   []legend
	Left     string // what was left out
}

type tick struct {
	X, Text, Anchor string
}

type legend struct{ State, Means string }

// band is one session.
type band struct {
	UID, Case        string
	From, To, App    string
	Start, Lasts     string
	Volume           string
	Says             string // what was heard, in words
	X, W             string // percent of the axis
	Bars             []bar
	Large            []bar // over its own time, if it is short on the axis
	Alt              string
	Silent, Enlarged bool
}

// bar is a segment.
type bar struct {
	X, W, State, Title string
}

// maxSilent is how many sessions of a case are drawn in which nothing was heard.
const maxSilent = 4

// times draws the sessions of cases, then those in which something distinct was
// heard.
func (b *builder) times(cases []*triage.Case) *timeline {
	type chosen struct {
		s  *detection.Session
		of string
	}
	distinct := make(map[string]*detection.Session)
	for _, s := range b.in.Distinct {
		distinct[s.UID.String()] = s
	}
	var list []chosen
	have := make(map[string]bool)
	unknown, total, silent := 0, 0, 0
	for _, c := range cases {
		quiet := 0
		for i, id := range sessionsOf(c) {
			s := b.in.Named[id]
			if s == nil {
				s = distinct[id]
			}
			switch {
			case have[id]:
			case s == nil:
				unknown++
				have[id] = true
			case len(s.Heard.Segments) == 0 && quiet == maxSilent:
				have[id] = true
				silent++
			default:
				if len(s.Heard.Segments) == 0 {
					quiet++
				}
				total++
				have[id] = true
				if i < 40 && len(list) < b.bands {
					list = append(list, chosen{s, c.ID})
				}
			}
		}
	}
	for _, s := range b.in.Distinct {
		if id := s.UID.String(); !have[id] {
			have[id] = true
			total++
			if len(list) < b.bands {
				list = append(list, chosen{s, ""})
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	first, last := list[0].s.First, list[0].s.Last
	for _, k := range list {
		first, last = min(first, k.s.First), max(last, k.s.Last)
	}
	last = max(last, first+1)
	t := &timeline{From: date(first), To: date(last), Ticks: b.ticks(first, last)}
	used := make(map[string]bool)
	for _, k := range list {
		t.Bands = append(t.Bands, b.band(k.s, k.of, first, last, used))
	}
	for _, s := range states {
		if used[s.Name] {
			t.Legend = append(t.Legend, legend{s.Name, s.Means})
		}
	}
	var left []string
	if !b.in.Heard {
		left = append(left, "No model listened to what the sessions did")
	}
	if n := total - len(list); n > 0 {
		left = append(left, amount.Number(n, "more session of cases or with something distinct is", "more sessions of cases or with something distinct are")+" not drawn")
	}
	if silent > 0 {
		left = append(left, amount.Number(silent, "session of cases in which nothing was heard is", "sessions of cases in which nothing was heard are")+" not drawn")
	}
	if unknown > 0 {
		left = append(left, amount.Number(unknown, "session of cases was", "sessions of cases were")+" not remembered long enough to be drawn")
	}
	if left != nil {
		t.Left = strings.Join(left, "; ") + "."
	}
	return t
}

// ticks marks an axis at five places.
func (b *builder) ticks(first, last int64) (list []tick) {
	const n = 4
	text := b.clock
	if last-first < 5e9 {
		text = func(ns int64) string { return span(ns - first) }
	}
	if last-first > 36*3600e9 {
		text = func(ns int64) string { return date(ns)[5:16] }
	}
	for i := range n + 1 {
		anchor := "middle"
		switch i {
		case 0:
			anchor = "start"
		case n:
			anchor = "end"
		}
		list = append(list, tick{f1(100 * float64(i) / n), text(first + (last-first)/n*int64(i)), anchor})
	}
	return list
}

func (b *builder) band(s *detection.Session, of string, first, last int64, used map[string]bool) *band {
	whole := float64(last - first)
	k := &band{
		UID: s.UID.String(), Case: of, From: b.name(s.Orig), To: b.name(s.Resp), App: clean(cmp.Or(s.App, "unknown"), 24),
		Start: b.clock(s.First), Lasts: span(s.Duration()), Volume: amount.Size(s.Bytes[0]) + " sent, " + amount.Size(s.Bytes[1]) + " received",
		Says: b.aloud(&s.Heard), Silent: len(s.Heard.Segments) == 0,
	}
	if s.Domain != "" {
		k.To = clean(s.Domain, 60)
	}
	left := 100 * float64(s.First-first) / whole
	width := max(100*float64(s.Duration())/whole, 0.4)
	left = min(left, 100-width)
	k.X, k.W = f2(left), f2(width)
	segments := condensed(s.Heard.Segments, s.Duration())
	k.Bars = b.bars(segments, s, left, width, used)
	if k.Enlarged = !k.Silent && width < 25; k.Enlarged {
		k.Large = b.bars(segments, s, 0, 100, used)
	}
	k.Alt = fmt.Sprintf("%s to %s, %s, from %s for %s: %s", k.From, k.To, k.App, k.Start, k.Lasts, shares(segments))
	return k
}

func f2(v float64) string { return fmt.Sprintf("%.2f", v) }

// bars are the segments of a session, on a part of an axis in percent.
func (b *builder) bars(segments []behavior.Segment, s *detection.Session, left, width float64, used map[string]bool) (list []bar) {
	lasts := float64(max(s.Duration(), 1))
	for i := range segments {
		g := &segments[i]
		state := g.State
		if !slices.ContainsFunc(states, func(k struct{ Name, Means string }) bool { return k.Name == state }) {
			state = idle
		}
		used[state] = true
		x, w := left+width*float64(g.From)/lasts, max(width*float64(g.To-g.From)/lasts, 0.25)
		x = min(max(x, left), max(left+width-w, left))
		list = append(list, bar{f2(x), f2(min(w, width)), state, fmt.Sprintf("%s, %s to %s, %s sent, %s received", state, b.clock(s.First+g.From), b.clock(s.First+g.To), amount.Size(g.Orig), amount.Size(g.Resp))})
	}
	return list
}

// shares tells in words what a session spends its time with.
func shares(segments []behavior.Segment) string {
	spent := make(map[string]int64)
	whole := int64(0)
	for i := range segments {
		spent[segments[i].State] += segments[i].To - segments[i].From
		whole += segments[i].To - segments[i].From
	}
	var parts []string
	for _, s := range states {
		if v := spent[s.Name]; v > 0 {
			parts = append(parts, fmt.Sprintf("%s %.0f %%", s.Name, 100*float64(v)/float64(whole)))
		}
	}
	if parts == nil {
		return "nothing was heard in it"
	}
	return strings.Join(parts, ", ")
}

// aloud says in words what was heard.
func (b *builder) aloud(h *behavior.Heard) string {
	var parts []string
	for i, l := range h.Labels {
		if i == 3 {
			break
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", clean(l.Name, 40), probability(l.P)))
	}
	text := strings.Join(parts, ", ")
	leads := h.Leads[0] + h.Leads[1]
	who := ""
	switch {
	case leads < 4:
	case h.Control == behavior.ControlResp:
		who = fmt.Sprintf("the far side leads %d of %d exchanges", h.Leads[1], leads)
	case h.Control == behavior.ControlOrig:
		who = fmt.Sprintf("the near side leads %d of %d exchanges", h.Leads[0], leads)
	case h.Control == behavior.ControlBoth:
		who = fmt.Sprintf("both sides lead: %d and %d exchanges", h.Leads[0], h.Leads[1])
	}
	if who != "" && text != "" {
		return text + "; " + who
	}
	return text + who
}
