// Package sigma evaluates Sigma rules on our records.
//
// A rule is used if its log source is one that we have records for and each field
// that it asks for is in them; otherwise it is not, and [Set.Skipped] says why.
// Values are compared as Sigma says: without regard to case (of ASCII letters),
// with * and ?, and with the modifiers that docs/intel.md lists. Rules about
// sessions (Zeek's conn) are looked at when a session is over, others when a
// protocol's record is.
package sigma

import (
	"fmt"
	"strings"

	"tyto/detection"
	"tyto/internal/fields"
	"tyto/internal/record"
	"tyto/session"
)

// Rules are the definitions of this package. Each rule that is loaded has one of
// its own besides, with its own title and techniques.
var Rules = []*detection.Definition{&definition}

var definition = detection.Definition{
	ID: "sigma", Title: "A record matches a Sigma rule", Severity: detection.Medium,
	Doc: "A rule that was loaded with --sigma matches a record of a protocol, or a session. " +
		"How much that says depends on the level that the rule's author gave it, a little less while the rule is experimental; matches of one rule on one device count less and less.",
	Techniques: []string{"T1071", "T1021"},
	Twin:       "What a rule's filters leave out, and what its author lists as false positives: administrators, scanners and software of everyday use.",
}

// Rule is a rule that can be evaluated.
type Rule struct {
	detection.Definition
	Name  string // title of the rule
	RefID string // its id
	LLR   float64
	Kind  string // of the records it is about

	test test
	told []int // fields that a match tells
}

// Skip is a rule that is not used.
type Skip struct{ File, Title, Reason string }

// Set is rules, by the kind of records they are about.
type Set struct {
	Rules   []*Rule
	Skipped []Skip

	schemas map[string]*record.Schema
	sources map[string]*source
}

// source is a kind of records and the rules about it.
type source struct {
	kind   string
	fields []field
	rules  []int32
	whole  bool // some rule has keywords: it looks at the whole record
}

// field is one that some rule asks for.
type field struct {
	name string
	list bool // has several elements
}

// New returns a set without rules for records of the given kinds.
func New(schemas []*record.Schema) *Set {
	s := &Set{schemas: make(map[string]*record.Schema), sources: make(map[string]*source)}
	for _, x := range schemas {
		s.schemas[x.Kind] = x
	}
	return s
}

// field returns the place of a field of a kind, -1 if its records have none of
// that name.
func (s *Set) field(src *source, name string) int {
	for i := range src.fields {
		if src.fields[i].name == name {
			return i
		}
	}
	f := field{name: name}
	if src.kind == sessionKind {
		if _, ok := sessionFields[name]; !ok {
			return -1
		}
	} else if _, ok := sessionFields[name]; !ok || !strings.HasPrefix(name, "id.") && name != "uid" {
		t, ok := typeOf(s.schemas[src.kind], name)
		if !ok {
			return -1
		}
		switch t {
		case record.Strings, record.Set, record.Counts, record.Intervals, record.Addrs:
			f.list = true
		}
	}
	src.fields = append(src.fields, f)
	return len(src.fields) - 1
}

func typeOf(s *record.Schema, name string) (record.Type, bool) {
	if s != nil {
		for _, f := range s.Fields {
			if f.Name == name {
				return f.Type, true
			}
		}
	}
	return 0, false
}

// view is what rules see of a record: of each field its values, as they are and
// in lower case.
type view struct {
	values      [][]span
	text, lower []byte
	line        []byte // all values in lower case, for keywords
}

type span struct{ from, to int }

func (v *view) reset(n int) {
	for len(v.values) < n {
		v.values = append(v.values, nil)
	}
	for i := range v.values {
		v.values[i] = v.values[i][:0]
	}
	v.text, v.lower, v.line = v.text[:0], v.lower[:0], v.line[:0]
}

// add adds a value of a field.
func (v *view) add(i int, value []byte) {
	from := len(v.text)
	v.text = append(v.text, value...)
	v.lower = detection.AppendLower(v.lower, value)
	v.values[i] = append(v.values[i], span{from, len(v.text)})
}

// matcher evaluates rules on the records of a lane.
type matcher struct {
	set     *Set
	view    view
	scratch []byte
}

// NewMatcher returns a matcher of the rules about records.
func (s *Set) NewMatcher() detection.Matcher { return &matcher{set: s} }

// Wants implements detection.Matcher.
func (m *matcher) Wants(kind string) bool { return m.set.sources[kind] != nil && kind != sessionKind }

// Ended implements detection.Matcher.
func (m *matcher) Ended(_ *session.Session, found []detection.Mark) []detection.Mark { return found }

// Record implements detection.Matcher.
func (m *matcher) Record(s *session.Session, at int64, r *fields.Reader, found []detection.Mark) []detection.Mark {
	src := m.set.sources[r.Kind()]
	v := &m.view
	v.reset(len(src.fields))
	for i := range src.fields {
		m.load(i, &src.fields[i], s, r)
	}
	if src.whole {
		v.line = detection.AppendLower(v.line, r.Line())
	}
	return m.set.marks(src, v, at, found)
}

// load makes the values of a field visible.
func (m *matcher) load(i int, f *field, s *session.Session, r *fields.Reader) {
	if get := sessionFields[f.name]; get != nil && !r.Has(f.name) {
		ended := detection.Session{UID: s.UID, Tuple: s.Tuple}
		m.scratch = get(&ended, m.scratch[:0])
		m.view.add(i, m.scratch)
		return
	}
	if !f.list {
		if v := r.Text(f.name); v != nil {
			m.view.add(i, v)
		}
		return
	}
	for e := range r.Elements(f.name) {
		m.view.add(i, e)
	}
}

// marks appends a mark for each rule that matches.
func (s *Set) marks(src *source, v *view, at int64, found []detection.Mark) []detection.Mark {
	for _, i := range src.rules {
		r := s.Rules[i]
		if r.test(v) {
			found = append(found, detection.Mark{At: at, By: &definition, Entry: i, Field: src.kind, Value: src.tell(r, v)})
		}
	}
	return found
}

// told is how many bytes of values a match tells.
const told = 160

// tell tells the values that a rule looked at.
func (src *source) tell(r *Rule, v *view) string {
	var b strings.Builder
	for _, i := range r.told {
		for _, x := range v.values[i] {
			if b.Len() >= told {
				return b.String()
			}
			if b.Len() > 0 {
				b.WriteString(", ")
			}
			value := v.text[x.from:x.to]
			fmt.Fprintf(&b, "%s=%s", src.fields[i].name, value[:min(len(value), told-40)])
		}
	}
	return b.String()
}

// Detector makes findings of matches.
type Detector struct {
	set     *Set
	matched map[int32]bool
	// Matches are how often a rule matched, Sessions the sessions in which.
	Matches, Sessions int

	view    view
	scratch []byte
	found   []detection.Mark
}

// NewDetector returns a detector.
func (s *Set) NewDetector() *Detector { return &Detector{set: s, matched: make(map[int32]bool)} }

// Matched returns how many rules matched something.
func (d *Detector) Matched() int { return len(d.matched) }

// Finish implements detection.Detector.
func (d *Detector) Finish(*detection.Ledger) {}

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, l *detection.Ledger) {
	n := d.Matches
	if src := d.set.sources[sessionKind]; src != nil {
		v := &d.view
		v.reset(len(src.fields))
		for i := range src.fields {
			if d.scratch = sessionFields[src.fields[i].name](s, d.scratch[:0]); len(d.scratch) > 0 {
				v.add(i, d.scratch)
			}
		}
		d.found = d.set.marks(src, v, s.First, d.found[:0])
		for i := range d.found {
			d.add(s, &d.found[i], l)
		}
	}
	if s.Sheet != nil {
		for i := range s.Sheet.Marks {
			if m := &s.Sheet.Marks[i]; m.By == &definition {
				d.add(s, m, l)
			}
		}
	}
	if d.Matches > n {
		d.Sessions++
	}
}

// add adds what a match says.
func (d *Detector) add(s *detection.Session, m *detection.Mark, l *detection.Ledger) {
	r := d.set.Rules[m.Entry]
	d.Matches += 1 + m.More
	d.matched[m.Entry] = true
	device, far := s.Orig, s.Far()
	if !s.Home[session.Orig] && s.Home[session.Resp] {
		device, far = s.Resp, detection.Party{Addr: s.Orig}
	}
	f := l.Finding(&r.Definition, fmt.Sprintf("%v>%d", device, m.Entry))
	f.Host(device)
	if s.Inside() {
		f.Host(s.Resp)
	} else {
		f.Outside = far
	}
	f.Title = fmt.Sprintf("%v: Sigma: %s", device, r.Name)
	claim := fmt.Sprintf("Sigma's rule %s says of %v and %v: %s", r.RefID, s.Orig, s.Far(), r.Name)
	if m.Value != "" {
		claim += " (" + m.Field + ": " + m.Value + ")"
	}
	if m.More > 0 {
		claim += fmt.Sprintf(", %d times", m.More+1)
	}
	f.AddOnce(detection.Evidence{Kind: "rule", Claim: claim, LLR: r.LLR, UID: s.UID, T0: m.At, T1: m.At})
}
