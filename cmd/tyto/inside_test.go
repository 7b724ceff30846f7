package main

import (
	"bytes"
	"strings"
	"testing"

	"tyto/behavior"
	"tyto/packet"
	"tyto/sensor"
	"tyto/session"
)

const second = int64(1e9)

func heardShell() behavior.Heard {
	return behavior.Heard{
		Labels:  []behavior.Label{{Name: "reverse-shell", P: 0.962}, {Name: "tunnel", P: 0.6}},
		Control: behavior.ControlResp, ControlP: 0.97, Leads: [2]int{6, 412}, Layers: 2, LayersP: 0.9,
		Segments: []behavior.Segment{
			{From: 0, To: 5 * second, State: "handshake", Messages: 4}, {From: 5 * second, To: 30 * second, State: "keystrokes", Messages: 50},
			{From: 30 * second, To: 50 * second, State: "idle"}, {From: 50 * second, To: 60 * second, State: "upload", Messages: 9},
		},
	}
}

func TestAloud(t *testing.T) {
	h := heardShell()
	if got, want := aloud(&h), "reverse-shell (p = 0.96), tunnel (p = 0.60); the far side leads 412 of 418 exchanges; another connection is inside."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	h.Control, h.Layers = behavior.ControlOrig, 1
	if got := aloud(&h); !strings.Contains(got, "the near side leads 6 of 418 exchanges.") {
		t.Errorf("%q", got)
	}
}

func TestStrip(t *testing.T) {
	h := heardShell()
	used := make(map[string]bool)
	want := strings.Repeat("╎", 5) + strings.Repeat("▂", 25) + strings.Repeat("·", 20) + strings.Repeat("▲", 10)
	if got := strip(&h, 60*second, used); got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
	if len(used) != 4 {
		t.Errorf("the legend has %v", used)
	}
	// What is short shows beside much quiet, and nothing is out of bounds.
	h.Segments = []behavior.Segment{{From: 0, To: 1000 * second, State: "idle"}, {From: 500 * second, To: 500 * second, State: "tasking", Messages: 2}, {From: 999 * second, To: 2000 * second, State: "checkin"}}
	if got := strip(&h, 1000*second, used); strings.Count(got, "╿") != 1 || len([]rune(got)) != stripWidth {
		t.Errorf("%s", got)
	}
}

func TestInside(t *testing.T) {
	var out bytes.Buffer
	m := &sensor.Summary{Inside: []sensor.Inside{{
		UID: session.UID{1, 2}, First: 0, Last: 60 * second, Tuple: session.Tuple{Orig: packet.Addr{}, Resp: packet.Addr{}}, App: "ssh\x1b", Domain: "cdn\x1b[2J.example", Heard: heardShell(),
	}}}
	story{out: &out, width: 100, res: &sensor.Result{Summary: m}}.inside(m)
	text := out.String()
	if !strings.Contains(text, "Heard inside sessions: 1 of 1") || !strings.Contains(text, "▂ keystrokes") || strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
}
