// Package reverseshell finds sessions that a machine opened and the far side
// leads, as at a shell: keys at the rhythm of fingers that come from the
// responder and are echoed at once, or lines of it that are answered with output.
// What carries it does not matter: it is told by times, directions and sizes.
package reverseshell

import (
	"fmt"
	"math"

	"tyto/behavior"
	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Rules are the definitions of this package.
var Rules = []*detection.Definition{&rule}

var rule = detection.Definition{
	ID: "reverse-shell", Title: "A session is led from the far side, as at a shell", Severity: detection.Critical,
	Doc: "A session that goes out is led by the side it goes to: after quiet it is the responder who sends first, small messages as keys are, at the rhythm of fingers, each echoed at once; or lines, each answered with more than it had. " +
		"It is weighed who leads and how often, keys and commands, how many devices use the far side, whether the far side has a name, whether the port is one of the protocol, and what the model hears if there is one.",
	Techniques: []string{"T1059", "T1571", "T1572", "T1219"},
	Twin:       "Servers that push (chat, messages, dashboards, agents with held polls) lead as well: their messages have no rhythm of fingers and are not echoed.",
}

// Detector finds reverse shells.
type Detector struct {
	users map[detection.Party]map[packet.Addr]bool // devices by the far side that they use
	found map[detection.Party][]*detection.Finding // by far side
}

// New returns a detector.
func New() detection.Detector {
	return &Detector{users: make(map[detection.Party]map[packet.Addr]bool), found: make(map[detection.Party][]*detection.Finding)}
}

// Limits of what is kept: far sides, and devices of each, whose number says no more
// from there on.
const (
	maxFar   = 50_000
	maxUsers = 64
)

// Finish implements detection.Detector: only now it is known who else uses the far
// side. A place where many go for news or to talk leads as well.
func (d *Detector) Finish(*detection.Ledger) {
	for far, list := range d.found {
		n := len(d.users[far])
		if n < 3 {
			continue
		}
		for _, f := range list {
			f.Set(detection.Evidence{Kind: "shared", LLR: max(-1.2*math.Log(float64(n)/2), -5), UID: f.UIDs[0], T0: f.T0, T1: f.T1, Claim: fmt.Sprintf("%d devices use %s", n, far)})
		}
	}
}

// place is the far side by its name, if it has one: a name may have many addresses.
func place(s *detection.Session) detection.Party {
	if s.Domain != "" {
		return detection.Party{Domain: s.Domain}
	}
	return detection.Party{Addr: s.Resp}
}

// use notes who uses a far side.
func (d *Detector) use(s *detection.Session) {
	far := place(s)
	users := d.users[far]
	if users == nil {
		if len(d.users) >= maxFar {
			return
		}
		users = make(map[packet.Addr]bool)
		d.users[far] = users
	}
	if len(users) < maxUsers {
		users[s.Orig] = true
	}
}

// Thresholds of what is looked at.
const (
	minKeys     = 16
	keyShare    = 0.5 // of the far side's leads
	minRhythm   = 0.2 // variation of the time between keys
	minCommands = 5
	minCV       = 0.35 // of the time between commands: machines are more even
)

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, l *detection.Ledger) {
	if !s.Home[session.Orig] {
		return
	}
	if s.App != "dns" && s.App != "ntp" && !s.Refused() {
		d.use(s)
	}
	if s.Lead == nil {
		return
	}
	list := evidence(s)
	if len(list) == 0 {
		return
	}
	f := l.Finding(&rule, s.UID.String())
	f.Host(s.Orig)
	if s.Home[session.Resp] {
		f.Host(s.Resp)
	}
	f.Outside, f.Controls = s.Far(), true // wherever it is: it leads
	f.Title = title(s)
	far := place(s)
	d.found[far] = append(d.found[far], f)
	for _, e := range list {
		e.UID, e.T0, e.T1 = s.UID, s.First, s.Last
		f.Add(e)
	}
}

func title(s *detection.Session) string {
	far := detection.Party{Addr: s.Resp, Domain: s.Domain}
	what := "Reverse shell"
	if s.App == "ssh" {
		what = "Reverse tunnel with a shell in it"
	}
	return fmt.Sprintf("%s: %v leads %v over %s", what, far, s.Orig, carrier(s))
}

func carrier(s *detection.Session) string {
	if s.App == "" || s.App == "unknown" {
		return fmt.Sprintf("port %d", s.RespPort)
	}
	return s.App
}

// evidence weighs a session; nothing unless the far side works in it.
func evidence(s *detection.Session) (list []detection.Evidence) {
	m := s.Lead
	control, share := m.Control()
	leads := m.Leads[0] + m.Leads[1]
	keys, commands := m.Keys[session.Resp], m.Commands[session.Resp]
	add := func(kind string, llr float64, format string, args ...any) {
		list = append(list, detection.Evidence{Kind: kind, LLR: llr, Claim: fmt.Sprintf(format, args...)})
	}
	switch {
	case keys >= minKeys && keys > 2*m.Keys[session.Orig] && float64(keys) >= keyShare*float64(m.Leads[session.Resp]) && m.Rhythm[session.Resp].CV() >= minRhythm && plain(s):
		add("keys", 3+min(math.Log(float64(keys)/minKeys), 3), "the far side types: %d keys at the rhythm of fingers, each echoed at once", keys)
	case control == behavior.ControlResp && commands >= minCommands && m.Gaps[session.Resp].CV() >= minCV && plain(s):
		add("commands", 2+min(math.Log(float64(commands)/minCommands), 1.5), "the far side gives commands: %d lines, at no machine's rhythm, each answered with more", commands)
	}
	if p := s.Label("reverse-shell"); p > 0.5 {
		add("model", min(math.Log(p/(1-p+1e-6)), 5), "the model hears a reverse shell (p = %.3f)", p)
	} else if p := s.Label("reverse-tunnel"); p > 0.5 {
		add("model", min(math.Log(p/(1-p+1e-6)), 5), "the model hears a reverse tunnel (p = %.3f)", p)
	}
	if len(list) == 0 {
		return nil
	}
	if control == behavior.ControlResp {
		add("leads", 1.5, "the far side leads: %.0f of %d exchanges", share*float64(leads), leads)
	}
	if s.Outbound() {
		add("outbound", 0.5, "the session goes out of the network")
	}
	switch s.App {
	case "unknown", "":
		add("carrier", 1, "no known protocol")
	case "tls", "ssh", "http":
		if !usual[s.App][s.RespPort] {
			add("carrier", 0.7, "%s on port %d", s.App, s.RespPort)
		}
	}
	if s.Domain == "" && s.Outbound() {
		add("nameless", 0.5, "the far side was reached by address, not by name")
	}
	return list
}

// plain reports whether a session may carry lines that are commands: not those of
// protocols that are recognised and have questions of the server in them.
func plain(s *detection.Session) bool {
	switch s.App {
	case "", "unknown", "tls", "ssh", "websocket", "telnet", "quic":
		return true
	}
	return false
}

var usual = map[string]map[uint16]bool{
	"tls": {443: true, 993: true, 995: true, 465: true, 636: true, 853: true, 990: true, 5061: true, 8443: true, 5986: true, 3389: true},
	"ssh": {22: true, 2222: true}, "http": {80: true, 8080: true, 8000: true, 3128: true},
}
