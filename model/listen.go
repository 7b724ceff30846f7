package model

import (
	"cmp"
	"slices"

	"tyto/behavior"
	"tyto/behavior/segment"
	"tyto/sequence"
)

// LeadAfter is how long it must have been quiet before a message that leads, ns;
// where two round trips are longer, these.
const LeadAfter = 60e6

// carriers are protocols that can be read and yet carry what cannot: connections of
// others, commands, names that are data, programs that are started.
var carriers = map[string]bool{
	"dns": true, "icmp": true, "smb": true, "dcerpc": true, "winrm": true, "websocket": true, "socks": true, "http-proxy": true, "telnet": true,
	"kerberos": true, "ldap": true, "gre": true, "vxlan": true,
}

// Knows implements behavior.Listener: sessions that cannot be read, or of a carrier
// that the model was trained on. Of others the protocol's own records say more, and
// what the model would say nobody knows.
func (l *Listener) Knows(app string, encrypted bool) bool {
	return encrypted || app == "unknown" || carriers[app] && slices.Contains(l.f.shape.Apps, app)
}

// Listen implements behavior.Listener.
func (l *Listener) Listen(h *behavior.Heard, s *behavior.Session) bool {
	*h = behavior.Heard{Labels: h.Labels[:0], Segments: h.Segments[:0], Embedding: h.Embedding[:0]}
	logits, ok := l.Hear(s.Sequence, s.First)
	if !ok {
		return false
	}
	shape, c := &l.f.shape, &l.m.Calibration
	h.Leads = Leads(s.Sequence)
	for i, v := range logits.Labels {
		if p := weigh(shape.Labels[i], c.Labels[i].P(v, logits.Trees[i]), h.Leads); p >= tells(shape.Labels[i], c.Labels[i].Tell) {
			h.Labels = append(h.Labels, behavior.Label{Name: shape.Labels[i], P: p})
		}
	}
	slices.SortStableFunc(h.Labels, func(a, b behavior.Label) int { return cmp.Compare(b.P, a.P) })

	l.posterior64 = Softmax(logits.Control, c.Control, l.posterior64)
	best := largest(l.posterior64)
	h.Control, h.ControlP = controlOf(shape.Controls[best]), l.posterior64[best]
	l.posterior64 = Softmax(logits.Layers, c.Layers, l.posterior64)
	best = largest(l.posterior64)
	h.Layers, h.LayersP = best+1, l.posterior64[best]
	l.posterior64 = Softmax(logits.App, c.App, l.posterior64)
	if best = largest(l.posterior64); c.PValue(best, l.posterior64[best]) >= c.Reject {
		h.App, h.AppP = shape.Apps[best], l.posterior64[best]
	}
	h.Embedding = append(h.Embedding, logits.Embedding...)
	h.Segments = l.segments(h.Segments, s.Sequence, logits)
	return true
}

// segments decodes the states of messages.
func (l *Listener) segments(to []behavior.Segment, s *sequence.Sequence, logits *Logits) []behavior.Segment {
	c := &l.m.Calibration
	l.states = l.states[:0]
	for i := range logits.Messages {
		l.states = appendLogSoftmax(l.states, logits.StateRow(i), c.State)
	}
	if l.decoder == nil {
		l.decoder = &segment.Decoder{States: l.f.shape.States, Transition: c.Transition}
	}
	return l.decoder.Decode(to, s.Messages, l.states)
}

func largest(p []float64) int {
	best := 0
	for i, v := range p {
		if v > p[best] {
			best = i
		}
	}
	return best
}

func controlOf(name string) behavior.Control {
	for c := behavior.ControlNone; c <= behavior.ControlBoth; c++ {
		if c.String() == name {
			return c
		}
	}
	return behavior.ControlUnknown
}

// Leads counts the messages that came after quiet, by direction. The first
// message of a session is not one: it belongs to its handshake.
func Leads(s *sequence.Sequence) (n [2]int) {
	quiet := max(LeadAfter, 2*s.RTT)
	for i := 1; i < len(s.Messages); i++ {
		m, before := &s.Messages[i], &s.Messages[i-1]
		if m.Time-before.Time-before.Took > quiet {
			n[m.Dir]++
		}
	}
	return n
}
