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
	maxActions  = 20_000
	maxPath     = 24
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
	actions  []action
	edges    firstseen.Table
}

// New returns a detector.
func New() detection.Detector { return new(Detector) }

// minUpload is how many bytes make a session an action.
const minUpload = 16 << 10

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, _ *detection.Ledger) {
	c := controlOf(s)
	if c != nil {
		if len(d.controls) >= maxControls {
			d.controls = slices.Delete(d.controls, 0, maxControls/8)
			d.dropped++
		}
		d.controls = append(d.controls, c)
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

// Finish implements detection.Detector: it joins what was gathered to paths.
func (d *Detector) Finish(l *detection.Ledger) {
	weigh(d.controls, l)
	hops := merge(d.accesses)
	b := builder{hops: hops, controls: d.controls, actions: d.actions}
	b.link()
	b.tell(l)
}

// weigh gives controls the evidence that was found about them.
func weigh(controls []*control, l *detection.Ledger) {
	scores := make(map[string]float64)
	for _, f := range l.All() {
		if f.Controls && len(f.UIDs) > 0 {
			scores[f.UIDs[0].String()] = f.Score()
		}
	}
	for _, c := range controls {
		c.weight = scores[c.uid.String()]
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
