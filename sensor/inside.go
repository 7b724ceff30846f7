package sensor

import (
	"cmp"
	"slices"

	"tyto/behavior"
	"tyto/session"
)

// Inside is a session worth a look at what was heard in it.
type Inside struct {
	UID         session.UID
	First, Last int64 // ns
	session.Tuple
	App    string
	Domain string
	Bytes  [2]uint64
	Heard  behavior.Heard // without Embedding

	interest float64
}

// maxInside is how many sessions a Summary keeps: the most interesting.
const maxInside = 64

// interest is how much an analyst wants to look at sessions of a label, before
// anything else is known.
var interest = map[string]float64{
	"reverse-shell": 5, "reverse-tunnel": 5, "tasked-beacon": 4, "credential-dump": 4, "remote-execution": 4, "dns-tunnel": 3, "exfiltration": 3,
	"shell": 3, "port-forward": 3, "tunnel": 2, "proxy": 2, "vpn": 2, "brute-force": 2, "beacon": 2, "enumeration": 2, "screen": 2, "command": 2,
	"upload": 1, "download": 1, "sync": 1, "mount": 1, "login-failed": 1, "call": 0.5, "chat": 0.5,
}

// leastInterest keeps sessions out that only may be something.
const leastInterest = 0.6

// hear keeps a session of which something was heard, if it is among the most
// interesting.
func (m *Summary) hear(s *session.Session, app, domain string, h *behavior.Heard) {
	most := 0.0
	for _, l := range h.Labels {
		most = max(most, interest[l.Name]*l.P)
	}
	if most < leastInterest || len(m.Inside) == maxInside && most <= m.Inside[maxInside-1].interest {
		return
	}
	in := Inside{UID: s.UID, First: s.First, Last: s.Last, Tuple: s.Tuple, App: app, Domain: domain, Heard: detached(h), interest: most}
	for i := range s.Sides {
		in.Bytes[i] = s.Sides[i].Bytes
	}
	m.keep(in)
}

// keep puts a session in its place: the more interesting first, of equal ones the
// longer.
func (m *Summary) keep(in Inside) {
	at, _ := slices.BinarySearchFunc(m.Inside, in, compareInside)
	m.Inside = slices.Insert(m.Inside, at, in)
	m.Inside = m.Inside[:min(len(m.Inside), maxInside)]
}

func compareInside(a, b Inside) int {
	return cmp.Or(cmp.Compare(b.interest, a.interest), cmp.Compare(b.Last-b.First, a.Last-a.First), compareUID(a.UID, b.UID))
}

// Far returns who the session was with: the name it was reached by, or the
// responder's address.
func (in *Inside) Far() string {
	if in.Domain != "" {
		return in.Domain
	}
	return in.Resp.String()
}
