package detection

import (
	"tyto/internal/fields"
	"tyto/session"
)

// Mark says that something in a session is on a list, or matches a rule, that
// was loaded.
type Mark struct {
	At    int64       // ns since the epoch
	By    *Definition // of the detector that knows Entry
	Entry int32       // number of the entry or rule
	Field string      // where it was, in the records' names
	Value string      // what was there
	More  int         // times it was there again
	Last  int64       // when it was so last
}

// Matcher looks in what protocols say, while they say it, for what lists and
// rules name; a Detector makes findings of the marks it leaves on the sheets of
// sessions. Each lane has its own, used by one goroutine. Its methods append to
// found and return it.
type Matcher interface {
	// Wants reports whether it looks at records of a kind.
	Wants(kind string) bool
	// Record looks at a record.
	Record(s *session.Session, at int64, r *fields.Reader, found []Mark) []Mark
	// Ended is called once with every session when it is over.
	Ended(s *session.Session, found []Mark) []Mark
}

// PayloadMatcher is a Matcher that looks at the bytes of sessions as well.
type PayloadMatcher interface {
	Matcher
	// Payload is given the next bytes of a stream or a datagram, before protocols
	// read them: the session's roles may be exchanged after that. It reports
	// whether it wants more of the session.
	Payload(s *session.Session, dir session.Direction, data []byte, at int64, found []Mark) (marks []Mark, more bool)
	// Gap tells of a hole in a stream.
	Gap(s *session.Session, dir session.Direction)
}

// AppendLower appends text with the letters of ASCII in lower case: what rules that
// ignore case compare.
func AppendLower(b, text []byte) []byte {
	for _, c := range text {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// Mark notes a mark; one that is there already is not noted again.
func (s *Sheet) Mark(m Mark) {
	for i := range s.Marks {
		if o := &s.Marks[i]; o.By == m.By && o.Entry == m.Entry && o.Field == m.Field && o.Value == m.Value {
			o.More++
			o.Last = max(o.Last, m.At)
			return
		}
	}
	if s.room(len(s.Marks)) {
		s.Marks = append(s.Marks, m)
	}
}

// AddOnce adds evidence unless the same claim was made before: that is one more
// item beyond those kept, in another session perhaps.
func (f *Finding) AddOnce(e Evidence) {
	for i := range f.Evidence {
		if f.Evidence[i].Kind == e.Kind && f.Evidence[i].Claim == e.Claim {
			f.More++
			f.Span(e.T0, max(e.T0, e.T1))
			f.Session(e.UID)
			return
		}
	}
	f.Add(e)
}
