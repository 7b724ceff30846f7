package enterprise

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"tyto/behavior/edge"
	"tyto/detection"
	"tyto/packet"
)

// kind is a row that can be made.
type kind struct {
	name string
	make func() row
}

// rows returns the rows of the table.
func rows(o *Options, m *edge.Model) []kind {
	list := []kind{
		{"never-seen edge", func() row { return &unseenRow{edges: make(map[edgeKey]bool), of: newSums()} }},
		{"BZAR-like rules", func() row { return &bzarRow{of: newSums()} }},
		{"Hopper-like paths", func() row { return newHopper() }},
		{"degree anomaly", func() row { return &degreeRow{history: make(map[packet.Addr]*degree)} }},
		{"edge counts (rarity by role)", func() row { return &edgeRow{of: newSums()} }},
		{"edge model alone", func() row { return &edgeRow{scorer: m.NewScorer(), of: newSums()} }},
		{"tyto without in-session evidence", func() row { return newTyto(nil, true, false) }},
		{"tyto", func() row { return newTyto(nil, false, false) }},
		{"tyto with the edge model", func() row { return newTyto(m, false, false) }},
		{"tyto by cases of triage", func() row { return newTyto(nil, false, true) }},
	}
	return slices.DeleteFunc(list, func(k kind) bool { return o.Only != nil && !slices.Contains(o.Only, k.name) })
}

// sums gather items by source and day.
type sums struct {
	by   map[packet.Addr]*report
	list []packet.Addr
}

func newSums() *sums { return &sums{by: make(map[packet.Addr]*report)} }

// maxItems is how many sessions of a report are kept: its weightiest count most.
const maxItems = 64

func (s *sums) add(a packet.Addr, i item) {
	r := s.by[a]
	if r == nil {
		r = new(report)
		s.by[a] = r
		s.list = append(s.list, a)
	}
	r.score += i.weight
	if len(r.items) < maxItems {
		r.items = append(r.items, i)
	}
}

// take returns the reports of a day and begins the next.
func (s *sums) take(end int64) (list []report) {
	for _, a := range s.list {
		r := s.by[a]
		r.key = fmt.Sprintf("%v %d", a, end)
		list = append(list, *r)
	}
	*s = *newSums()
	return list
}

type edgeKey struct{ from, to packet.Addr }

// logs reports whether a session would be in the logs of logins: what LANL's data
// are.
func logs(s *detection.Session) bool {
	if !s.Inside() || s.Refused() || s.Bytes[0] == 0 {
		return false
	}
	switch s.App {
	case "smb", "ssh", "rdp", "winrm", "kerberos", "dcerpc", "ldap":
		return true
	}
	return s.RespPort == 5986 || s.App == "tls" || s.App == "http"
}

// neverSeen measures the rule "an edge that was never seen before" as it is
// measured on LANL: edges of half-hours, after the first third of the time.
type neverSeen struct {
	seen  map[edgeKey]bool
	slot  int64
	now   map[edgeKey]bool
	rates [2]Rate // of other edges, of hops
}

func newNeverSeen() *neverSeen {
	return &neverSeen{seen: make(map[edgeKey]bool), now: make(map[edgeKey]bool)}
}

func (n *neverSeen) session(s *detection.Session, hop, counts bool) {
	if !logs(s) && !hop {
		return
	}
	if slot := s.First / int64(1800e9); slot != n.slot {
		n.slot = slot
		clear(n.now)
	}
	k := edgeKey{s.Orig, s.Resp}
	fresh := !n.seen[k]
	n.seen[k] = true
	if !counts || n.now[k] && !hop {
		return
	}
	n.now[k] = true
	i := 0
	if hop {
		i = 1
	}
	n.rates[i].N++
	if fresh {
		n.rates[i].Of++
	}
}

// unseenRow reports sources by how many edges they have that were never seen.
type unseenRow struct {
	edges map[edgeKey]bool
	of    *sums
}

func (r *unseenRow) session(s *detection.Session) {
	if !logs(s) {
		return
	}
	k := edgeKey{s.Orig, s.Resp}
	if !r.edges[k] {
		r.edges[k] = true
		r.of.add(s.Orig, item{s.UID, 1, s.Last})
	}
}

func (r *unseenRow) day(end int64) []report { return r.of.take(end) }

// bzarRow is the rules of MITRE's BZAR (SCIENCE.md D.2) by target.
type bzarRow struct{ of *sums }

func (r *bzarRow) session(s *detection.Session) {
	if !s.Inside() || s.Sheet == nil {
		return
	}
	writes, runs := 0, 0
	for _, f := range s.Sheet.Files {
		if f.Action == "write" && detection.AdminShare(f.Share) {
			writes++
		}
	}
	for _, v := range s.Sheet.Shares {
		if detection.AdminShare(v.Path) {
			r.of.add(s.Resp, item{s.UID, 0.2, s.Last})
		}
	}
	for _, c := range s.Sheet.Calls {
		if p, ok := detection.Administrative(c.Interface, c.Operation); ok && p.Exec {
			runs++
		}
		if c.Interface == "drsuapi" && c.Operation == "DRSGetNCChanges" {
			r.of.add(s.Resp, item{s.UID, 1, s.Last})
		}
	}
	switch {
	case writes > 0 && runs > 0:
		r.of.add(s.Resp, item{s.UID, 4, s.Last})
	case runs > 0:
		r.of.add(s.Resp, item{s.UID, 1, s.Last})
	case writes > 0:
		r.of.add(s.Resp, item{s.UID, 0.5, s.Last})
	}
}

func (r *bzarRow) day(end int64) []report { return r.of.take(end) }

// degree is how many others a machine usually reaches.
type degree struct {
	seen  map[packet.Addr]bool // today
	items []item
	sum   float64
	days  float64
}

// degreeRow reports sources that reach more others than they used to.
type degreeRow struct{ history map[packet.Addr]*degree }

func (r *degreeRow) session(s *detection.Session) {
	if !s.Inside() {
		return
	}
	d := r.history[s.Orig]
	if d == nil {
		d = &degree{seen: make(map[packet.Addr]bool)}
		r.history[s.Orig] = d
	}
	if !d.seen[s.Resp] {
		d.seen[s.Resp] = true
		if len(d.items) < 4*maxItems {
			d.items = append(d.items, item{s.UID, 1, s.Last})
		}
	}
}

func (r *degreeRow) day(end int64) (list []report) {
	for a, d := range r.history {
		n := float64(len(d.seen))
		mean := d.sum / math.Max(d.days, 1)
		if d.days > 0 && n > 0 {
			list = append(list, report{key: fmt.Sprintf("%v %d", a, end), items: d.items, score: (n - mean) / math.Sqrt(mean+1)})
		}
		d.sum, d.days, d.items = d.sum+n, d.days+1, nil
		clear(d.seen)
	}
	slices.SortFunc(list, func(a, b report) int { return strings.Compare(a.key, b.key) })
	return list
}

// edgeRow reports sources by the sum of what the edge model, or counting by role,
// says of their edges.
type edgeRow struct {
	scorer   *edge.Scorer // nil counts
	table    edge.Table
	features []float32
	of       *sums
}

// eventOf returns the use of a service that a session is, false if it is none.
func eventOf(s *detection.Session) (edge.Event, bool) {
	if !s.Inside() || s.Refused() {
		return edge.Event{}, false
	}
	via := ""
	if a, ok := s.Access(); ok {
		via = a.Via
	}
	return edge.Event{At: s.First, From: s.Orig, To: s.Resp, Service: edge.ServiceOf(s.App, via)}, true
}

func (r *edgeRow) session(s *detection.Session) {
	e, ok := eventOf(s)
	if !ok {
		return
	}
	if logs(s) {
		var c edge.Counts
		r.features, c = r.table.Measure(e, r.features[:0])
		v := 0.0
		if r.scorer != nil {
			v = r.scorer.LLR(r.features)
		} else if c.New {
			v = c.Rarity
		}
		if v > 0 {
			r.of.add(s.Orig, item{s.UID, v, s.Last})
		}
	}
	r.table.Use(e)
}

func (r *edgeRow) day(end int64) []report { return r.of.take(end) }

// login is an access as Hopper sees it: who goes where, as whom.
type login struct {
	item
	from, to packet.Addr
	account  string
	fresh    bool // the account was never there
	end      int64
	before   *login
}

// hopperRow is a path rule in the manner of Hopper (Ho et al., USENIX Security
// 2021): a login is caused by one into the machine it starts from, within a day;
// a path is suspicious if on it the account changes and it comes to where the user
// it began with never was.
type hopperRow struct {
	into map[packet.Addr][]*login
	was  map[accountKey]bool
	uses map[string]map[packet.Addr]bool // targets of an account today
	list []*login
}

type accountKey struct {
	account string
	to      packet.Addr
}

func newHopper() *hopperRow {
	return &hopperRow{into: make(map[packet.Addr][]*login), was: make(map[accountKey]bool), uses: make(map[string]map[packet.Addr]bool)}
}

func (r *hopperRow) session(s *detection.Session) {
	a, ok := s.Access()
	if !ok || !s.Inside() {
		return
	}
	l := &login{item: item{s.UID, 0, s.Last}, from: s.Orig, to: s.Resp, account: a.Account, end: s.First}
	if l.account == "" {
		l.account = "of " + s.Orig.String() // as logs would say: whoever works there
	}
	k := accountKey{l.account, l.to}
	l.fresh = !r.was[k]
	r.was[k] = true
	if r.uses[l.account] == nil {
		r.uses[l.account] = make(map[packet.Addr]bool)
	}
	r.uses[l.account][l.to] = true
	for _, v := range r.into[l.from] {
		if v.end < l.end && l.end-v.end < dayLength && v.from != l.to && (l.before == nil || v.account != l.account && v.end > l.before.end) {
			l.before = v
		}
	}
	list := slices.DeleteFunc(r.into[l.to], func(v *login) bool { return l.end-v.end >= dayLength })
	r.into[l.to] = append(list[max(0, len(list)-31):], l)
	r.list = append(r.list, l)
}

func (r *hopperRow) day(end int64) (list []report) {
	for _, l := range r.list {
		if len(r.uses[l.account]) > 20 {
			continue // a program's account
		}
		v := report{}
		switched, fresh, n := false, 0.0, 0.0
		root := l
		for k := l; k != nil && n < 8; k = k.before {
			n++
			if k.fresh {
				fresh++
			}
			v.items = append(v.items, item{k.uid, 1, k.at})
			switched = switched || k.account != l.account
			root = k
		}
		v.score = n - 1 + fresh
		if switched {
			v.score += 2
		}
		if n < 2 {
			v.score /= 4
		}
		v.key = fmt.Sprintf("%v %d", root.from, end)
		list = append(list, v)
	}
	r.list = nil
	clear(r.uses)
	return list
}
