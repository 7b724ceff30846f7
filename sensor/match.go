package sensor

import (
	"tyto/detection"
	"tyto/internal/fields"
	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// matching is how a lane looks for what lists and rules name. A nil one does
// nothing.
type matching struct {
	list   []detection.Matcher
	bytes  []detection.PayloadMatcher // those of list that want payload
	wanted map[*record.Schema][]detection.Matcher
	fields fields.Reader
	found  []detection.Mark
}

func newMatching(list []detection.Matcher) *matching {
	if len(list) == 0 {
		return nil
	}
	m := &matching{list: list, wanted: make(map[*record.Schema][]detection.Matcher)}
	for _, x := range list {
		if p, ok := x.(detection.PayloadMatcher); ok {
			m.bytes = append(m.bytes, p)
		}
	}
	return m
}

// record shows a record to those who want its kind.
func (m *matching) record(l *lane, s *session.Session, now int64, r protocol.Record) {
	if m == nil {
		return
	}
	schema := r.Schema()
	wanted, known := m.wanted[schema]
	if !known {
		for _, x := range m.list {
			if x.Wants(schema.Kind) {
				wanted = append(wanted, x)
			}
		}
		m.wanted[schema] = wanted
	}
	if len(wanted) == 0 {
		return
	}
	m.fields.Load(r)
	m.found = m.found[:0]
	for _, x := range wanted {
		m.found = x.Record(s, now, &m.fields, m.found)
	}
	m.note(l, s)
}

// payload shows bytes of a session, and reports whether more are wanted.
func (m *matching) payload(l *lane, s *session.Session, dir session.Direction, data []byte, now int64) (more bool) {
	if m == nil || len(m.bytes) == 0 || l.carrier {
		return false
	}
	m.found = m.found[:0]
	for _, x := range m.bytes {
		var again bool
		m.found, again = x.Payload(s, dir, data, now, m.found)
		more = more || again
	}
	m.note(l, s)
	return more
}

func (m *matching) gap(s *session.Session, dir session.Direction) {
	if m == nil {
		return
	}
	for _, x := range m.bytes {
		x.Gap(s, dir)
	}
}

func (m *matching) ended(l *lane, s *session.Session) {
	if m == nil {
		return
	}
	m.found = m.found[:0]
	for _, x := range m.list {
		m.found = x.Ended(s, m.found)
	}
	m.note(l, s)
}

// note puts what was found on the session's sheet.
func (m *matching) note(l *lane, s *session.Session) {
	if len(m.found) == 0 || l.sheets == nil {
		return
	}
	if sheet := l.sheets.of(s); sheet != nil {
		for i := range m.found {
			sheet.Mark(m.found[i])
		}
	}
	clear(m.found)
}
