// Package lateral builds the paths on which somebody moves from machine to
// machine, and says who leads.
//
// A hop u→w follows from a session v→u if that session was open and its leading
// side had just acted: keys end with Enter, and what Enter starts begins within
// seconds. How much that says is measured against chance: the part of the time
// in which something would fall so close to a burst (SCIENCE.md D.4 and H,
// "bursts preceding actions against a shuffled null"). A hop also follows from
// commands that were run on u shortly before, though nothing is open any more.
//
// Where nobody is seen to lead, somebody may: whoever acted in a session that the
// machine opened to somebody few use, or whom it comes back to again and again. What
// begins just after that decides (the same test against chance). What one leader
// does on several machines, directly or through one of them, is one path; what a
// machine does on many others, led by nobody, is one round, as tools make it.
//
// Who stands at the beginning decides what the path means. A machine that opened
// a session to the outside and is led from there is an intruder's; a person who
// logged in and leads is most likely an administrator: then everything on the
// path is explained, and the finding says so.
package lateral

import (
	"slices"
	"strings"

	"tyto/behavior"
	"tyto/behavior/firstseen"
	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Rules are the definitions of this package.
var Rules = []*detection.Definition{&rule}

var rule = detection.Definition{
	ID: "lateral-movement", Title: "Somebody moves from machine to machine", Severity: detection.Critical,
	Doc: "Sessions that administer machines or run commands on them are joined to paths: each hop begins just after the side that leads the session before it acted, or after commands were run where it starts. " +
		"Weighed are how well hops follow what was done before, against chance; how many machines the path goes over; accounts that change on the way; pairs of machines that never did this before; and who leads at its beginning.",
	Techniques: []string{"T1021", "T1570", "T1563", "T1078"},
	Twin:       "An administrator on a jump host makes the same hops. He logged in there himself and leads his own session; nobody leads a session that the machine opened to the outside.",
}

// Limits.
const (
	maxAccesses = 20_000
	maxControls = 4000
	maxPossible = 40_000
	maxActions  = 20_000
	maxPath     = 24
	// Horizon is how long what was seen may become part of a path: Finish may be
	// called again and again as time goes on, and forgets what is older.
	Horizon = int64(72 * 3600e9)
	// linger is how long commands that were run somewhere may act from there.
	linger = int64(1800e9)
	// mergeWithin is the time between sessions of one hop.
	mergeWithin = int64(60e9)
)

// control is a session in which somebody works at a machine.
type control struct {
	uid         session.UID
	at          packet.Addr // the machine
	leader      detection.Party
	inside      bool // the leader is at home
	first, last int64
	acts        acts
	reverse     bool // the machine opened it, and the other side leads
	app         string
	weight      float64 // evidence of the finding about it, nats
	weak        bool    // that anybody leads in it is not known, only that he acted
}

// hop is one or more sessions from one machine to another.
type hop struct {
	detection.Access
	uids    []session.UID
	vias    []string
	novelty float64
	control *control // if somebody works in it
}

// action is something else a machine does on which a leader may have acted: a
// transfer to the outside.
type action struct {
	uid  session.UID
	from packet.Addr
	at   int64
	out  uint64
}

// Detector builds paths.
type Detector struct {
	dropped  uint64
	accesses []hop
	controls []*control
	possible []*control // sessions in which somebody may lead a machine
	actions  []action
	edges    firstseen.Table
	contacts contacts
	latest   int64
	novelty  Novelty
}

// Novelty says how unlike the network's habits an access is, in nats; it is called
// for each in the order in which they end.
type Novelty func(*detection.Session, *detection.Access) float64

// New returns a detector.
func New() detection.Detector { return new(Detector) }

// NewWith returns a detector that weighs edges in another way than by whether they
// were seen before.
func NewWith(n Novelty) detection.Detector { return &Detector{novelty: n} }

// minUpload is how many bytes make a session an action.
const minUpload = 16 << 10

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, _ *detection.Ledger) {
	d.latest = max(d.latest, s.Last)
	if s.Outbound() && !d.contacts.add(s) {
		d.dropped++
	}
	c := controlOf(s)
	if c != nil {
		if len(d.controls) >= maxControls {
			d.controls = slices.Delete(d.controls, 0, maxControls/8)
			d.dropped++
		}
		d.controls = append(d.controls, c)
	} else if p := possibleOf(s); p != nil {
		if len(d.possible) >= maxPossible {
			d.possible = slices.Delete(d.possible, 0, maxPossible/8)
			d.dropped++
		}
		d.possible = append(d.possible, p)
	}
	if a, ok := s.Access(); ok && s.Inside() && (c == nil || !c.reverse) {
		d.access(s, &a, c)
	}
	if s.Outbound() && s.Bytes[session.Orig] >= minUpload && s.Bytes[session.Orig] > 2*s.Bytes[session.Resp] && (c == nil || !c.reverse) {
		if len(d.actions) >= maxActions {
			d.actions = slices.Delete(d.actions, 0, maxActions/8)
			d.dropped++
		}
		d.actions = append(d.actions, action{s.UID, s.Orig, s.First, s.Bytes[session.Orig]})
	}
}

func (d *Detector) access(s *detection.Session, a *detection.Access, c *control) {
	n := d.edges.Use(firstseen.Key{From: s.Orig.String(), To: s.Resp.String(), Service: a.Via})
	if len(d.accesses) >= maxAccesses {
		d.accesses = slices.Delete(d.accesses, 0, maxAccesses/8)
		d.dropped++
	}
	h := hop{Access: *a, uids: []session.UID{s.UID}, vias: []string{a.Via}, novelty: n.LLR()}
	if d.novelty != nil {
		h.novelty = d.novelty(s, a)
	}
	h.control = c
	d.accesses = append(d.accesses, h)
}

// controlOf returns the session as one in which somebody works, nil if nobody
// does.
func controlOf(s *detection.Session) *control {
	m := s.Lead
	if m == nil || s.Duration() < 3e9 || !s.Home[0] && !s.Home[1] {
		return nil
	}
	who, _ := m.Control()
	orig, resp := m.Keys[session.Orig], m.Keys[session.Resp]
	side := session.Orig
	switch {
	case resp >= 8 && resp > 2*orig && m.Rhythm[session.Resp].CV() >= 0.2, s.Label("reverse-shell") > 0.5, s.Label("reverse-tunnel") > 0.5:
		side = session.Resp
	case orig >= 6:
	case who == behavior.ControlResp && m.Commands[session.Resp] >= 4 && s.App != "http":
		side = session.Resp
	default:
		return nil
	}
	c := &control{uid: s.UID, first: s.First, last: s.Last, reverse: side == session.Resp, app: s.App}
	worksAt, leads := side.Other(), side
	if !s.Home[worksAt] {
		return nil
	}
	c.at = s.Peer(worksAt)
	c.leader, c.inside = detection.Party{Addr: s.Peer(leads)}, s.Home[leads]
	if c.reverse {
		c.leader.Domain = s.Domain
	}
	c.acts = actsOf(m.Bursts[side], s.First, s.Last)
	return c
}

// leastBursts is how often the far side must have acted to be one that may lead.
const leastBursts = 2

// possibleOf returns a session in which the responder may lead the machine that
// opened it, though nothing in the session itself says so but that he acted: nil if
// it is none. What begins just after he acted decides.
func possibleOf(s *detection.Session) *control {
	m := s.Lead
	if m == nil || !s.Home[session.Orig] || len(m.Bursts[session.Resp]) < leastBursts || s.Inside() && s.App != "unknown" {
		return nil
	}
	return &control{uid: s.UID, at: s.Orig, leader: s.Far(), inside: s.Inside(), first: s.First, last: s.Last, reverse: true, weak: true, app: s.App,
		acts: actsOf(m.Bursts[session.Resp], s.First, s.Last)}
}

// Finish implements detection.Detector: it joins what was gathered within Horizon
// to paths. It may be called more than once: each time all of these are told.
func (d *Detector) Finish(l *detection.Ledger) {
	before := d.latest - Horizon
	d.accesses = slices.DeleteFunc(d.accesses, func(h hop) bool { return h.Last < before })
	d.controls = slices.DeleteFunc(d.controls, func(c *control) bool { return c.last < before })
	d.possible = slices.DeleteFunc(d.possible, func(c *control) bool { return c.last < before })
	d.actions = slices.DeleteFunc(d.actions, func(a action) bool { return a.at < before })
	d.contacts.forget(before)

	hops := merge(slices.Clone(d.accesses))
	from := make(map[packet.Addr]bool)
	for _, h := range hops {
		from[h.From] = true
	}
	controls := append(slices.Clip(d.controls), d.contacts.controls(from)...)
	for _, c := range d.possible {
		if from[c.at] && (c.inside || d.contacts.users(c.leader) <= fewUse) {
			controls = append(controls, c)
		}
	}
	weigh(controls, l)
	b := builder{hops: hops, controls: controls, actions: d.actions, users: d.contacts.users}
	b.link()
	b.tell(l)
}

// weigh gives controls the evidence that was found about them.
func weigh(controls []*control, l *detection.Ledger) {
	scores, byEnds := make(map[session.UID]float64), make(map[ends]float64)
	for _, f := range l.All() {
		if f.Controls && len(f.UIDs) > 0 {
			scores[f.UIDs[0]] = f.Score()
			if len(f.Hosts) > 0 {
				byEnds[ends{f.Hosts[0], f.Outside.String()}] = f.Score()
			}
		}
	}
	for _, c := range controls {
		if v, ok := scores[c.uid]; ok {
			c.weight = v
		} else if v, ok := byEnds[ends{c.at, c.leader.String()}]; ok && c.weak {
			c.weight = v
		}
	}
}

// merge makes one hop of sessions from one machine to another that follow each
// other closely, and orders them by time.
func merge(accesses []hop) []*hop {
	slices.SortStableFunc(accesses, func(a, b hop) int { return int(min(max(a.First-b.First, -1), 1)) })
	var hops []*hop
	latest := make(map[[2]packet.Addr]*hop)
	for i := range accesses {
		a := &accesses[i]
		k := [2]packet.Addr{a.From, a.To}
		h := latest[k]
		if h == nil || a.First-h.Last > mergeWithin {
			latest[k] = a
			hops = append(hops, a)
			continue
		}
		h.Last = max(h.Last, a.Last)
		h.Exec = h.Exec || a.Exec
		h.Interactive = h.Interactive || a.Interactive
		h.Weak = h.Weak && a.Weak
		h.novelty = max(h.novelty, a.novelty)
		if h.Account == "" {
			h.Account = a.Account
		}
		if h.control == nil {
			h.control = a.control
		}
		if len(h.uids) < 32 {
			h.uids = append(h.uids, a.uids...)
		}
		if !slices.Contains(h.vias, a.Via) {
			h.vias = append(h.vias, a.Via)
		}
	}
	return hops
}

// via names the ways of a hop, the most telling first.
func (h *hop) via() string { return strings.Join(h.vias, "+") }
