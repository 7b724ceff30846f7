package reverseshell

import (
	"testing"

	"tyto/behavior"
	"tyto/behavior/lead"
	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

func TestReverseShell(t *testing.T) {
	fingers, clock := lead.Moments{Mean: 2e8, SD: 9e7}, lead.Moments{Mean: 2e8, SD: 1e6}
	typed := func(side session.Direction, n int, rhythm lead.Moments) *lead.Measure {
		m := &lead.Measure{}
		m.Keys[side], m.Leads[side], m.Leads[side.Other()], m.Rhythm[side] = n, n+n/8, n/20, rhythm
		return m
	}
	lines := &lead.Measure{Leads: [2]int{2, 30}, Commands: [2]int{0, 20}, Gaps: [2]lead.Moments{1: {Mean: 5e9, SD: 5e9}}}
	even := &lead.Measure{Leads: [2]int{2, 30}, Commands: [2]int{0, 20}, Gaps: [2]lead.Moments{1: {Mean: 5e9, SD: 1e7}}}
	heard := behavior.Heard{Labels: []behavior.Label{{Name: "reverse-shell", P: 0.99}}}
	for _, c := range []struct {
		name   string
		app    string
		domain string
		m      *lead.Measure
		heard  behavior.Heard
		alert  bool
	}{
		{"keys from the far side in TLS", "tls", "", typed(session.Resp, 300, fingers), behavior.Heard{}, true},
		{"the same in a tunnel of SSH", "ssh", "", typed(session.Resp, 300, fingers), behavior.Heard{}, true},
		{"lines from the far side", "unknown", "", lines, behavior.Heard{}, true},
		{"the model hears it", "tls", "", typed(session.Resp, 5, fingers), heard, true},
		{"a person's own shell", "ssh", "host.example", typed(session.Orig, 300, fingers), behavior.Heard{}, false},
		{"a server that is polled as by a clock", "unknown", "", typed(session.Resp, 300, clock), behavior.Heard{}, false},
		{"a field bus", "modbus", "", typed(session.Resp, 300, fingers), behavior.Heard{}, false},
		{"pushes at a machine's rhythm", "tls", "push.example", even, behavior.Heard{}, false},
		{"too short to tell", "tls", "", nil, behavior.Heard{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &detection.Session{UID: session.UID{1, 2}, First: 1e9, Last: 300e9, App: c.app, Domain: c.domain, Lead: c.m, Heard: c.heard, Home: [2]bool{true, false}}
			s.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, 1}), Resp: packet.Addr4([]byte{192, 0, 2, 1}), RespPort: 4444, Proto: 6}
			var l detection.Ledger
			New().Session(s, &l)
			score := 0.0
			for _, f := range l.All() {
				score += f.Score()
				if !f.Controls || f.Outside.Addr != s.Resp {
					t.Errorf("led by %v (%v), want the far side", f.Outside, f.Controls)
				}
			}
			if got := detection.P(score) > 0.5; got != c.alert {
				t.Errorf("got %.1f (alert: %v), want alert: %v", score, got, c.alert)
			}
		})
	}
}

// Where many devices go, for news or to talk, servers lead; where one goes, somebody
// does.
func TestSharedFarSide(t *testing.T) {
	m := &lead.Measure{Leads: [2]int{2, 30}, Commands: [2]int{0, 20}, Gaps: [2]lead.Moments{1: {Mean: 5e9, SD: 5e9}}}
	for _, c := range []struct {
		others int
		alert  bool
	}{{0, true}, {1, true}, {30, false}} {
		d := New()
		var l detection.Ledger
		for i := range c.others + 1 {
			s := &detection.Session{UID: session.UID{1, uint64(i)}, First: 1e9, Last: 300e9, App: "unknown", Home: [2]bool{true, false}, State: "SF", Packets: [2]uint64{9, 9}}
			s.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, byte(1 + i)}), Resp: packet.Addr4([]byte{192, 0, 2, 1}), RespPort: 4444, Proto: 6}
			if i == 0 {
				s.Lead = m
			}
			d.Session(s, &l)
		}
		d.Finish(&l)
		score := 0.0
		for _, f := range l.All() {
			score += f.Score()
		}
		if got := detection.P(score) > 0.5; got != c.alert {
			t.Errorf("with %d others: got %.1f (alert: %v), want alert: %v", c.others, score, got, c.alert)
		}
	}
}
