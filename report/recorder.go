package report

import (
	"tyto/behavior"
	"tyto/detection"
	"tyto/session"
)

// Bounds of a Recorder.
const (
	maxRecent   = 16 << 10
	maxNamed    = 8 << 10
	maxSegments = 240 // of a session: more do not show
)

// Recorder is a detection.Detector that finds nothing: it remembers the sessions
// that the findings of others name. It must be the last of a list of detectors.
// Sessions that are named after some maxRecent others are not remembered.
type Recorder struct {
	recent map[session.UID]*detection.Session
	order  []session.UID // of recent
	named  map[session.UID]*detection.Session
}

// NewRecorder returns a recorder.
func NewRecorder() *Recorder {
	return &Recorder{recent: make(map[session.UID]*detection.Session), named: make(map[session.UID]*detection.Session)}
}

// Session implements detection.Detector.
func (r *Recorder) Session(s *detection.Session, l *detection.Ledger) {
	kept := *s
	kept.Sheet, kept.Lead = nil, nil
	kept.Heard.Segments = condensed(s.Heard.Segments, s.Duration())
	r.recent[s.UID] = &kept
	r.order = append(r.order, s.UID)
	if len(r.order) >= maxRecent {
		r.sort(l)
		for _, uid := range r.order[:maxRecent/2] {
			delete(r.recent, uid)
		}
		r.order = append(r.order[:0], r.order[maxRecent/2:]...)
	}
}

// Finish implements detection.Detector.
func (r *Recorder) Finish(l *detection.Ledger) {
	r.sort(l)
	r.recent, r.order = nil, nil
}

// sort moves the sessions that findings name to those that are kept.
func (r *Recorder) sort(l *detection.Ledger) {
	for _, f := range l.All() {
		for _, uid := range f.UIDs {
			if s := r.recent[uid]; s != nil && len(r.named) < maxNamed {
				r.named[uid] = s
			}
		}
	}
}

// Named returns the sessions that findings name, by UID.
func (r *Recorder) Named() map[string]*detection.Session {
	m := make(map[string]*detection.Session, len(r.named))
	for uid, s := range r.named {
		m[uid.String()] = s
	}
	return m
}

// condensed returns segments of which at most maxSegments are left: neighbours of
// one state are joined, and of more, those that take most of a part of the time
// stand for it. What is done shows, however short, before what is idle.
func condensed(list []behavior.Segment, lasts int64) []behavior.Segment {
	out := joined(list)
	if len(out) <= maxSegments {
		return out
	}
	per := max(lasts, 1)/maxSegments + 1
	var grid [maxSegments]behavior.Segment
	for _, g := range out {
		cell := &grid[min(max(g.From/per, 0), maxSegments-1)]
		if cell.State == "" || cell.State == idle && g.State != idle || (g.State != idle || cell.State == idle) && g.To-g.From > cell.To-cell.From {
			*cell = g
		}
	}
	out = out[:0]
	for _, g := range grid {
		if g.State != "" {
			out = append(out, g)
		}
	}
	return joined(out)
}

func joined(list []behavior.Segment) []behavior.Segment {
	var out []behavior.Segment
	for _, g := range list {
		if n := len(out); n > 0 && out[n-1].State == g.State {
			last := &out[n-1]
			last.To, last.Messages = max(last.To, g.To), last.Messages+g.Messages
			last.Orig, last.Resp = last.Orig+g.Orig, last.Resp+g.Resp
			continue
		}
		out = append(out, g)
	}
	return out
}
