// Package enterprise simulates organisations: what a sensor that sees all of a
// network would tell detectors of its sessions, over days, with intrusions in it
// and with work that looks like them.
//
// It makes sessions, not packets. Machines have roles, people have hours and
// habits, addresses change hands (DHCP), administrators go from machine to machine,
// scanners scan, backups and patches come at night; new edges appear all the time.
// What goes on inside a session is drawn from what was measured of recorded ones
// ([Content]): who leads it, when its leader acts, what the model hears, right or
// wrong. Nothing of a detector is used but the type of what it is told.
//
// To add a role: a Role, its number in counts, what it does in machines.go. To add
// a kind of intrusion: a [Style] with its row in styles. To add a benign twin: a
// function in twins.go and a row in twins.
package enterprise

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Organisation is what is simulated.
type Organisation struct {
	Name  string
	Hosts int // from 50 to 20,000
	Seed  uint64
	// Half is which half of the measured sessions its content is drawn from, 0 or 1:
	// what is trained on one is tested on the other.
	Half int
	// Campaigns and Twins are how many of each begin after the first third of the
	// time; at least two days are left quiet.
	Campaigns, Twins int
	// Activity multiplies how often people and machines do what they usually do; 0
	// is 1.
	Activity float64
	// Fresh is how often in an hour of work a person reaches a machine inside that
	// he has no habit of; 0 is DefaultFresh.
	Fresh float64
}

// DefaultFresh makes the rule "an edge that was never seen" as good as it is on
// LANL's logs (SCIENCE.md D.1): about 72 % of hops and 4 % of other edges.
const DefaultFresh = 0.005

// Start is when simulations begin: a Monday, in ns since the epoch.
const Start = int64(1_767_571_200e9) // 2026-01-05

// Spans of time, in ns.
const (
	second = int64(1e9)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// Tag is the truth about a session.
type Tag struct {
	Campaign int // from 1 on, 0 for none
	Hop      int // of the campaign: 1 for the first, 0 for what is none (control, scans, transfers)
	Twin     int // from 1 on, 0 for none
}

// Campaign is the truth about an intrusion.
type Campaign struct {
	ID         int
	Style      Style
	Goal       string
	Hops       int
	From, To   int64 // ns since the epoch
	Controller detection.Party
	Beacon     bool // controlled by check-ins rather than by sessions that are held
}

// Twin is the truth about work that looks like an intrusion.
type Twin struct {
	ID       int
	Kind     string
	From, To int64
}

// Truth is what happened in a simulation.
type Truth struct {
	Campaigns []*Campaign
	Twins     []*Twin
	Sessions  uint64
	// Held is the largest number of sessions in memory at once.
	Held int
}

// Simulate tells the sessions of an organisation over a number of days, in the
// order in which they end. A session is valid until tell returns, its Sheet and
// Lead for ever. The same organisation, days and content give the same sessions.
func Simulate(o Organisation, days int, c *Content, tell func(*detection.Session, Tag)) (*Truth, error) {
	switch {
	case o.Hosts < 50 || o.Hosts > 20_000:
		return nil, fmt.Errorf("an organisation of %d hosts: give it between 50 and 20,000", o.Hosts)
	case days < 3 && o.Campaigns+o.Twins > 0 || days < 1:
		return nil, fmt.Errorf("%d days: campaigns and twins need three, of which the first are quiet", days)
	case c == nil || len(c.Exemplars) == 0:
		return nil, errors.New("no measured content: give what Measured returns")
	}
	if o.Activity == 0 {
		o.Activity = 1
	}
	if o.Fresh == 0 {
		o.Fresh = DefaultFresh
	}
	s := &simulation{Organisation: o, days: days, draw: newDrawer(c, o.Half), tell: tell, rand: rand.New(rand.NewPCG(o.Seed, 0x7479746f)), truth: new(Truth)}
	s.open.ends = true
	s.populate()
	s.schedule()
	for d := range days {
		s.today(d)
		for h := range 24 {
			s.hour(Start+int64(d)*day+int64(h)*hour, d, h)
		}
	}
	s.emit(math.MaxInt64)
	return s.truth, nil
}

// simulation is an organisation at work.
type simulation struct {
	Organisation
	days  int
	draw  *drawer
	tell  func(*detection.Session, Tag)
	rand  *rand.Rand
	truth *Truth

	hosts  []*host
	byRole [roles][]*host
	admins []*admin
	sites  []site
	pools  [][]packet.Addr // addresses to give out, by department
	starts map[int][]func()

	planned drafts // not yet begun, by their beginning
	open    drafts // begun, by their end
	serial  uint64
}

// draft is a session whose addresses are those its hosts have when it begins.
type draft struct {
	detection.Session
	from, to *host // nil is outside: the address is there already
	tag      Tag
	order    uint64 // in which it came
}

// hour makes all sessions that begin in an hour, and tells those that end in it.
func (s *simulation) hour(from int64, d, h int) {
	s.work(from, d, h)
	to := from + hour
	for len(s.planned.list) > 0 && s.planned.list[0].First < to {
		s.begin(s.planned.pop())
	}
	s.truth.Held = max(s.truth.Held, len(s.open.list)+len(s.planned.list))
	s.emit(to)
}

// begin gives a session its addresses.
func (s *simulation) begin(d *draft) {
	if d.from != nil {
		d.Orig, d.Home[session.Orig] = d.from.addr, true
	}
	if d.to != nil {
		d.Resp, d.Home[session.Resp] = d.to.addr, true
	}
	s.open.push(d)
}

// emit tells the sessions that end before a time.
func (s *simulation) emit(before int64) {
	for len(s.open.list) > 0 && s.open.list[0].Last < before {
		d := s.open.pop()
		s.serial++
		d.UID = session.UID{s.Seed + 1, s.serial}
		s.truth.Sessions++
		s.tell(&d.Session, d.tag)
	}
}

// drafts is a heap of sessions, by beginning or end; of equal ones the first that
// came comes first.
type drafts struct {
	list  []*draft
	ends  bool
	count uint64
}

func (h *drafts) key(d *draft) int64 {
	if h.ends {
		return d.Last
	}
	return d.First
}

func (h *drafts) less(i, k int) bool {
	a, b := h.list[i], h.list[k]
	if x, y := h.key(a), h.key(b); x != y {
		return x < y
	}
	return a.order < b.order
}

func (h *drafts) push(d *draft) {
	h.count++
	d.order = h.count
	h.list = append(h.list, d)
	for i := len(h.list) - 1; i > 0; {
		up := (i - 1) / 2
		if !h.less(i, up) {
			break
		}
		h.list[i], h.list[up] = h.list[up], h.list[i]
		i = up
	}
}

func (h *drafts) pop() *draft {
	d := h.list[0]
	n := len(h.list) - 1
	h.list[0] = h.list[n]
	h.list[n] = nil
	h.list = h.list[:n]
	for i := 0; ; {
		k := 2*i + 1
		if k >= n {
			break
		}
		if k+1 < n && h.less(k+1, k) {
			k++
		}
		if !h.less(k, i) {
			break
		}
		h.list[i], h.list[k] = h.list[k], h.list[i]
		i = k
	}
	return d
}

// chance reports whether something of a probability happens.
func (s *simulation) chance(p float64) bool { return s.rand.Float64() < p }

// poisson returns how often something happens that is expected to happen mean
// times.
func (s *simulation) poisson(mean float64) int {
	n, p, limit := 0, s.rand.Float64(), math.Exp(-mean)
	for p > limit && n < 1000 {
		n++
		p *= s.rand.Float64()
	}
	return n
}

// between returns a time between two, spread evenly over magnitudes.
func (s *simulation) between(from, to int64) int64 {
	return int64(float64(from) * math.Pow(float64(to)/float64(from), s.rand.Float64()))
}

// pick returns one of a list, nil if it is empty.
func pick[T any](s *simulation, list []T) (v T) {
	if len(list) == 0 {
		return v
	}
	return list[s.rand.IntN(len(list))]
}
