package main

import (
	"fmt"
	"strings"
	"time"

	"tyto/behavior"
	"tyto/sensor"
)

// Rows and columns of what is heard inside sessions.
const (
	storyInside = 6
	stripWidth  = 60
)

// glyphs draw states in a strip of time, in the order of the legend.
var glyphs = []struct{ state, glyph string }{
	{"handshake", "╎"}, {"keystrokes", "▂"}, {"output", "▄"}, {"exchange", "▅"}, {"upload", "▲"}, {"download", "▼"}, {"tunnel", "▒"}, {"browse", "▆"},
	{"stream", "≈"}, {"checkin", "╵"}, {"tasking", "╿"}, {"screen", "▓"}, {"probe", "?"}, {"idle", "·"},
}

// inside tells what is heard in the sessions that are worth a look.
func (s story) inside(m *sensor.Summary) {
	if len(m.Inside) == 0 {
		return
	}
	n := min(len(m.Inside), storyInside)
	s.heading(fmt.Sprintf("Heard inside sessions: %d of %d worth a look", n, len(m.Inside)))
	used := make(map[string]bool)
	for i := range m.Inside[:n] {
		in := &m.Inside[i]
		s.line(bold, "  ", fmt.Sprintf("%s  %s → %s  %s, %s", time.Unix(0, in.First).UTC().Format("15:04:05"), s.named(in.Orig.String()), s.named(in.Far()),
			printable(in.App), duration(time.Duration(in.Last-in.First))))
		s.block("", "    ", aloud(&in.Heard))
		s.line("", "    ", strip(&in.Heard, in.Last-in.First, used)+"  "+in.UID.String())
	}
	var legend []string
	for _, g := range glyphs {
		if used[g.state] {
			legend = append(legend, g.glyph+" "+g.state)
		}
	}
	s.block(dim, "  ", strings.Join(legend, "  "))
}

// aloud says in words what was heard.
func aloud(h *behavior.Heard) string {
	var parts []string
	for i, l := range h.Labels {
		if i == 3 {
			break
		}
		parts = append(parts, fmt.Sprintf("%s (p = %.2f)", l.Name, l.P))
	}
	text := strings.Join(parts, ", ")
	leads := h.Leads[0] + h.Leads[1]
	switch {
	case leads < 4:
	case h.Control == behavior.ControlResp:
		text += fmt.Sprintf("; the far side leads %d of %d exchanges", h.Leads[1], leads)
	case h.Control == behavior.ControlOrig:
		text += fmt.Sprintf("; the near side leads %d of %d exchanges", h.Leads[0], leads)
	case h.Control == behavior.ControlBoth:
		text += fmt.Sprintf("; both sides lead: %d and %d exchanges", h.Leads[0], h.Leads[1])
	}
	if h.Layers > 1 && h.LayersP >= 0.8 {
		text += "; another connection is inside"
	}
	return text + "."
}

// strip draws a session's segments along its duration: of several in one column
// the one that takes most of it, and of what is too short to see still something.
func strip(h *behavior.Heard, lasts int64, used map[string]bool) string {
	if len(h.Segments) == 0 {
		return ""
	}
	columns := make([]string, stripWidth)
	weight := make([]float64, stripWidth)
	per := float64(max(lasts, 1)) / stripWidth
	for i := range h.Segments {
		g := &h.Segments[i]
		from, to := float64(g.From)/per, float64(g.To)/per
		for c := int(from); c < stripWidth && (float64(c) < to || c == int(from)); c++ {
			w := min(to, float64(c+1)) - max(from, float64(c))
			if g.State != "idle" {
				w += 2 // what is done shows, however short
			}
			if w > weight[c] {
				weight[c], columns[c] = w, g.State
			}
		}
	}
	var b strings.Builder
	for _, state := range columns {
		if state == "" {
			state = "idle"
		}
		used[state] = true
		for _, g := range glyphs {
			if g.state == state {
				b.WriteString(g.glyph)
			}
		}
	}
	return b.String()
}
