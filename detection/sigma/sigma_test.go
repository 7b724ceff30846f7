package sigma

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"tyto/detection"
	"tyto/internal/fields"
	"tyto/internal/record"
	"tyto/packet"
	"tyto/session"
)

// query is a record of a protocol, as small as one can be.
type query struct {
	name    string
	answers []string
	bytes   uint64
	refused bool
}

var querySchema = record.New("dns", "dns", "A query.",
	record.Field{Name: "query", Type: record.String}, record.Field{Name: "answers", Type: record.Strings},
	record.Field{Name: "reply_bytes", Type: record.Count}, record.Field{Name: "rejected", Type: record.Bool})

func (q *query) Schema() *record.Schema { return querySchema }

func (q *query) Append(e *record.Encoder) {
	e.Str(q.name)
	e.Strs(q.answers)
	e.Uint(q.bytes)
	e.Bool(q.refused)
}

// one loads a rule with a detection.
func one(t testing.TB, logsource, detection string) *Set {
	t.Helper()
	s := New([]*record.Schema{querySchema})
	text := "title: Owls\nid: 1\nlevel: high\ntags: [attack.t1071.004, attack.command-and-control]\nlogsource: {" + logsource + "}\ndetection:\n" + detection
	if err := s.Load("rule.yml", []byte(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

var owls = []*query{
	{name: "A.Owl.example", answers: []string{"192.0.2.1", "198.51.100.7"}, bytes: 100},
	{name: `we,ird\name*.example`, refused: true},
	{bytes: 5},
}

// TestValues wants values to be compared as Sigma says: which of owls match.
func TestValues(t *testing.T) {
	for _, c := range []struct{ selection, condition, want string }{
		{"s: {query: a.owl.EXAMPLE}", "s", "0"},
		{"s: {query: owl.example}", "s", ""},
		{"s: {query: '*.owl.*'}", "s", "0"},
		{"s: {query: 'a.ow?.example'}", "s", "0"},
		{"s: {query|contains: OWL}", "s", "0"},
		{"s: {query|contains|cased: OWL}", "s", ""},
		{"s: {query|contains|cased: Owl}", "s", "0"},
		{"s: {query|startswith: [b, a.]}", "s", "0"},
		{"s: {query|endswith: .example}", "s", "0 1"},
		{"s: {query|contains|all: [owl, exam]}", "s", "0"},
		{"s: {query|contains|all: [owl, fish]}", "s", ""},
		{`s: {query|contains: '\*'}`, "s", "1"},
		{`s: {query|contains: 'ird\name'}`, "s", "1"},
		{`s: {query|contains: 'we,ird'}`, "s", "1"},
		{"s: {query|re: '^A\\.O[a-z]+\\.'}", "s", "0"},
		{"s: {query|re: '^a\\.o'}", "s", ""},
		{"s: {query|re|i: '^a\\.o'}", "s", "0"},
		{"s: {answers: 198.51.100.7}", "s", "0"},
		{"s: {answers|cidr: 198.51.100.0/24}", "s", "0"},
		{"s: {answers|cidr: [203.0.113.0/24]}", "s", ""},
		{"s: {query: null}", "s", "2"},
		{"s: {query|exists: false}", "s", "2"},
		{"s: {query|exists: true}", "s", "0 1"},
		{"s: {rejected: true}", "s", "1"},
		{"s: {rejected: false}", "s", "0 2"},
		{"s: {reply_bytes: 5}", "s", "2"},
		{"s: {reply_bytes|gt: 5}", "s", "0"},
		{"s: {reply_bytes|gte: 5, reply_bytes|lt: 100}", "s", "2"},
		{"s: {reply_bytes|lte: 5}", "s", "1 2"},
		{"s: {id.orig_h: 10.0.0.1, id.resp_p: 53, query|exists: true}", "s", "0 1"},
		{"s: {QueryName|contains: owl}", "s", "0"},
		{"s: [{query|contains: owl}, {rejected: true}]", "s", "0 1"},
		{"s: [owl, nothing]", "s", "0"},
		{"s: ['198.51*7']", "s", "0"},
		{"a: {query|contains: example}\n  b: {rejected: true}", "a and not b", "0"},
		{"a: {query|contains: example}\n  b: {rejected: true}", "not a or b", "1 2"},
		{"sel_a: {query|contains: owl}\n  sel_b: {rejected: true}", "1 of sel_*", "0 1"},
		{"sel_a: {query|contains: owl}\n  sel_b: {rejected: true}", "all of sel_*", ""},
		{"sel_a: {query|contains: example}\n  sel_b: {rejected: true}", "all of them", "1"},
		{"a: {reply_bytes: 5}\n  b: {reply_bytes: 100}\n  c: {query|exists: false}", "(a or b) and not c", "0"},
		{"a: {reply_bytes: 5}\n  b: {reply_bytes: 100}\n  c: {query|exists: false}", "b or a and not c", "0"},
	} {
		s := one(t, "product: zeek, service: dns", "  "+c.selection+"\n  condition: "+c.condition+"\n")
		if len(s.Rules) != 1 {
			t.Errorf("%s: %+v", c.selection, s.Skipped)
			continue
		}
		m := s.NewMatcher()
		var got []string
		v := &session.Session{Tuple: session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, 1}), Resp: packet.Addr4([]byte{10, 0, 0, 2}), OrigPort: 5, RespPort: 53, Proto: 17}}
		var r fields.Reader
		for i, q := range owls {
			r.Load(q)
			if len(m.Record(v, 1, &r, nil)) > 0 {
				got = append(got, fmt.Sprint(i))
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s, %s: got %v, want %s", c.selection, c.condition, got, c.want)
		}
	}
}

// TestTransformed wants encodings and dashes.
func TestTransformed(t *testing.T) {
	for _, c := range []struct {
		modifiers, text string
		want            []string
	}{
		{"base64", "owl", []string{"b3ds"}},
		{"base64offset", "foobar", []string{"Zm9vYmFy", "Zvb2Jhc", "mb29iYX"}},
		{"wide base64", "owl", []string{"bwB3AGwA"}},
		{"windash", "-a b-c -d", []string{"-a b-c -d", "/a b-c /d", "–a b-c –d", "—a b-c —d", "―a b-c ―d"}},
	} {
		got, _, err := transformed(c.text, func(m string) bool { return strings.Contains(" "+c.modifiers+" ", " "+m+" ") })
		if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s of %q: got %q, want %q (%v)", c.modifiers, c.text, got, c.want, err)
		}
	}
}

// TestSkipped wants what cannot be evaluated to be told, never left out in silence.
func TestSkipped(t *testing.T) {
	for _, c := range []struct{ logsource, detection, want string }{
		{"product: windows, service: security", "  s: {EventID: 1}\n  condition: s\n", "product windows"},
		{"product: zeek, service: modbus_x", "  s: {a: 1}\n  condition: s\n", "service modbus_x"},
		{"category: process_creation", "  s: {a: 1}\n  condition: s\n", "category process_creation"},
		{"product: zeek, service: dns", "  s: {colour: 1}\n  condition: s\n", "field colour: dns records have none"},
		{"product: zeek, service: dns", "  s: {query|fieldref: answers}\n  condition: s\n", "modifier fieldref"},
		{"product: zeek, service: dns", "  s: {query|re: '(?<=a)b'}\n  condition: s\n", "not RE2"},
		{"product: zeek, service: dns", "  s: {query: a}\n  condition: s | count() by query > 5\n", "aggregation"},
		{"product: zeek, service: dns", "  s: {query: a}\n  timeframe: 5m\n  condition: s\n", "timeframe"},
		{"product: zeek, service: dns", "  s: {query: a}\n  condition: s and t\n", `condition names "t"`},
		{"product: zeek, service: dns", "  s: {query: a}\n  condition: 2 of s*\n", "condition with 2 of"},
		{"product: zeek, service: dns", "  s: {query: a}\n  condition: (s\n", "closing bracket"},
		{"product: zeek, service: dns", "  s: {query: {a: b}}\n  condition: s\n", "a value that is none"},
		{"product: zeek, service: conn", "  s: [word]\n  condition: s\n", "keywords on sessions"},
		{"product: zeek, service: dns", "  s: {query: a}\n", "no condition"},
	} {
		s := one(t, c.logsource, c.detection)
		if len(s.Rules) != 0 || len(s.Skipped) != 1 || !strings.Contains(s.Skipped[0].Reason, c.want) {
			t.Errorf("%s%s: got %+v, want %s", c.logsource, c.detection, s.Skipped, c.want)
		}
	}
	if err := New(nil).Load("x", []byte("\t{")); err == nil {
		t.Error("no YAML: no error")
	}
}

// TestSession wants rules about sessions to become evidence once for what they
// match, and nothing for what is alike.
func TestSession(t *testing.T) {
	s := one(t, "category: firewall", "  s: {dst_port: [4444, 1337], src_ip|cidr: 10.0.0.0/8}\n  small: {orig_bytes|lt: 10}\n  condition: s and not small\n")
	if len(s.Rules) != 1 {
		t.Fatal(s.Skipped)
	}
	for _, c := range []struct {
		name  string
		port  uint16
		bytes uint64
		want  float64
	}{{"matches", 4444, 100, 3.5}, {"filtered", 4444, 5, 0}, {"another port", 443, 100, 0}} {
		d := s.NewDetector()
		v := &detection.Session{UID: session.UID{1, 1}, First: 1e9, Last: 2e9, Home: [2]bool{true, false}, Bytes: [2]uint64{c.bytes, 1}}
		v.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, 1}), Resp: packet.Addr4([]byte{192, 0, 2, 1}), RespPort: c.port, Proto: 6}
		var l detection.Ledger
		d.Session(v, &l)
		got := 0.0
		for _, f := range l.All() {
			got += f.Score()
			if fmt.Sprint(f.Rule.Techniques) != "[T1071.004]" || f.Rule.ID != "sigma" {
				t.Errorf("rule %+v", f.Rule)
			}
		}
		if math.Abs(got-c.want) > 1e-9 || d.Matches != len(l.All()) {
			t.Errorf("%s: got %.2f (%d matches), want %.2f", c.name, got, d.Matches, c.want)
		}
	}
}

// BenchmarkRecord is a record that none of a hundred rules matches.
func BenchmarkRecord(b *testing.B) {
	s := New([]*record.Schema{querySchema})
	for i := range 100 {
		text := fmt.Sprintf("title: r%d\nlevel: low\nlogsource: {service: dns}\ndetection:\n  s: {query|endswith: ['.listed%d.example', '.other%d.example'], qtype|exists: true}\n  condition: s\n", i, i, i)
		if err := s.Load("x", []byte(strings.ReplaceAll(text, "qtype", "answers"))); err != nil {
			b.Fatal(err)
		}
	}
	m := s.NewMatcher()
	var r fields.Reader
	v := &session.Session{}
	b.ReportAllocs()
	for b.Loop() {
		r.Load(owls[0])
		if len(m.Record(v, 1, &r, nil)) > 0 {
			b.Fatal("a match")
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("title: a\nlogsource: {service: dns}\ndetection:\n  s: {query|contains|all: [a, '*b?']}\n  t: [x]\n  condition: 1 of s* and not (t or s)\n")
	f.Add("title: a\nlogsource: {category: firewall}\ndetection: {s: {dst_port|gte: 5, src_ip|cidr: 10.0.0.0/8}, condition: all of them}\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := New([]*record.Schema{querySchema})
		if s.Load("fuzz", []byte(text)) != nil {
			return
		}
		m, d := s.NewMatcher(), s.NewDetector()
		var r fields.Reader
		for _, q := range owls {
			if r.Load(q); m.Wants("dns") {
				m.Record(&session.Session{}, 1, &r, nil)
			}
		}
		var l detection.Ledger
		d.Session(&detection.Session{}, &l)
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		g := parseGlob(pattern, false)
		if g.match([]byte(text)) != g.matcher()([]byte(text)) {
			t.Errorf("%q, %q: two answers", pattern, text)
		}
		if strings.ContainsAny(pattern, `*?\`) {
			g.match([]byte(text))
			return
		}
		if got := g.match([]byte(text)); got != (pattern == text) {
			t.Errorf("%q, %q: got %v", pattern, text, got)
		}
	})
}
