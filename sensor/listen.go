package sensor

import (
	"tyto/behavior"
	"tyto/behavior/sshinfer"
	"tyto/detection"
	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// SegmentSchema describes segment records.
var SegmentSchema = record.New("segment", "", "A span of time in which a session does one thing, as it is heard; told after the session.",
	record.Field{Name: "t0", Type: record.Time, Doc: "Time of its first message."},
	record.Field{Name: "t1", Type: record.Time, Doc: "Time of its last message."},
	record.Field{Name: "state", Type: record.Enum, Doc: "What the session does: a state of docs/labels.md."},
	record.Field{Name: "p", Type: record.Double, Doc: "Mean probability of the state over the segment's messages."},
	record.Field{Name: "orig_bytes", Type: record.Count, Doc: "Bytes in messages of the originator."},
	record.Field{Name: "resp_bytes", Type: record.Count, Doc: "Bytes in messages of the responder."},
	record.Field{Name: "messages", Type: record.Count, Doc: "Messages in it."},
)

var labelPart = record.New("", "", "", record.Field{Name: "name", Type: record.String}, record.Field{Name: "p", Type: record.Double})

const (
	// listenPackets is how many packets a session has at least if it is listened to
	// (model.LeastPackets).
	listenPackets = 8
	// heardApp is the least probability at which a session that no protocol was
	// recognised in is named by what is heard.
	heardApp = 0.5
	// maxFirst is how many sessions' first bytes a lane holds.
	maxFirst = 20_000
)

// hearing is how a lane listens to its sessions.
type hearing struct {
	listener behavior.Listener // of the worker: one for all its lanes
	first    map[session.UID]*beginnings
	heard    behavior.Heard
	ok       bool // heard is of the session that is being told
}

// beginnings are the first bytes of a session that was not recognised yet.
type beginnings struct {
	n     [2]uint8
	bytes [2][64]byte
}

func (b *beginnings) slices() [2][]byte {
	return [2][]byte{b.bytes[0][:b.n[0]], b.bytes[1][:b.n[1]]}
}

func newHearing(l behavior.Listener) *hearing {
	return &hearing{listener: l, first: make(map[session.UID]*beginnings)}
}

// note keeps the first bytes of a direction of a session that was not recognised.
func (h *hearing) note(s *session.Session, dir session.Direction, data []byte) {
	if h == nil || s.App != protocol.Unknown || len(data) == 0 {
		return
	}
	b := h.first[s.UID]
	if b == nil {
		if len(h.first) >= maxFirst {
			return
		}
		b = new(beginnings)
		h.first[s.UID] = b
	}
	if b.n[dir] == 0 {
		b.n[dir] = uint8(copy(b.bytes[dir][:], data))
	}
}

// close ends a session's analyzer and hears the session. Analyzers that tell what
// was heard are known to be right about the protocol, so that it is heard before
// they end; others may recognise it only when it is over.
func (l *lane) close(s *session.Session) {
	if l.hearing != nil {
		if a := l.engine.Inferring(s); a != nil {
			l.listen(s)
			a.Infer(sshinfer.Append(nil, l.heardOf()))
			l.engine.Close(s, s.Last)
			return
		}
	}
	l.engine.Close(s, s.Last)
	l.listen(s)
}

// listen hears a session that is over.
func (l *lane) listen(s *session.Session) {
	h := l.hearing
	if h == nil {
		return
	}
	h.ok = false
	b := h.first[s.UID]
	if b != nil {
		delete(h.first, s.UID)
	}
	app := l.set.AppName(s.App)
	if l.carrier || s.Series.Packets < listenPackets || !h.listener.Knows(app, s.Flags&session.Encrypted != 0) {
		return
	}
	in := behavior.Session{Proto: s.Proto, App: app, Sequence: l.messages(s)}
	if b != nil {
		in.First = b.slices()
	}
	h.ok = h.listener.Listen(&h.heard, &in)
}

// heardOf returns what was heard of the session that is being told, nil for nothing.
func (l *lane) heardOf() *behavior.Heard {
	if l.hearing == nil || !l.hearing.ok {
		return nil
	}
	return &l.hearing.heard
}

// say labels the session that is being told by what protocols prove.
func (l *lane) say(d *detection.Session) {
	l.said = d.AppendLabels(l.said[:0])
	if h := l.heardOf(); h != nil {
		for _, said := range l.said {
			h.Labels = behavior.With(h.Labels, said)
		}
	}
}

// detached returns what was heard, for those who keep it: without the embedding.
func detached(h *behavior.Heard) behavior.Heard {
	kept := *h
	kept.Labels = append([]behavior.Label(nil), h.Labels...)
	kept.Segments = append([]behavior.Segment(nil), h.Segments...)
	kept.Embedding = nil
	return kept
}

// appendHeard writes the fields of session records that are heard.
func (l *lane) appendHeard(e *record.Encoder) {
	h := l.heardOf()
	labels := l.said
	if h != nil {
		labels = h.Labels
	}
	if len(labels) == 0 && h == nil {
		e.Unset()
	} else {
		e.JSON(parts(len(labels), labelPart, func(e *record.Encoder, i int) {
			e.Str(labels[i].Name)
			e.Float(labels[i].P)
		}))
	}
	if h == nil || h.Control == behavior.ControlUnknown {
		e.Unset()
		e.Unset()
		return
	}
	e.Str(h.Control.String())
	e.Float(h.ControlP)
}

// writeSegments writes the segments of the session that was told last.
func (l *lane) writeSegments(s *session.Session) {
	h := l.heardOf()
	if h == nil {
		return
	}
	for i := range h.Segments {
		g := &h.Segments[i]
		l.write(s, SegmentSchema, s.First+g.From, func(e *record.Encoder) {
			e.Time(s.First + g.From)
			e.Time(s.First + g.To)
			e.Str(g.State)
			e.Float(g.P)
			e.Uint(g.Orig)
			e.Uint(g.Resp)
			e.Uint(uint64(g.Messages))
		})
	}
}

// layers is how many tunnels a session is in and carries.
func (l *lane) layers(s *session.Session) uint64 {
	n := uint64(0)
	if !s.Parent.IsZero() {
		n++
	}
	if h := l.heardOf(); h != nil && h.Layers > 1 {
		n += uint64(h.Layers - 1)
	}
	return n
}

// summarize lets the summary keep what was heard.
func (l *lane) summarize(s *session.Session, f *protocol.Flow) {
	h := l.heardOf()
	if h == nil {
		return
	}
	app, domain := l.set.AppName(s.App), ""
	if s.App == protocol.Unknown && h.AppP >= heardApp {
		app = h.App
	}
	if f != nil {
		name, _ := f.Domain()
		domain = l.names.Clone(name)
	}
	l.summary.hear(s, app, domain, h)
}
