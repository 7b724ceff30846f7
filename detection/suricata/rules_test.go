package suricata

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"tyto/detection"
	"tyto/internal/fields"
	"tyto/internal/record"
	"tyto/packet"
	"tyto/session"
)

// load reads rules.
func load(t testing.TB, text string) *Rules {
	t.Helper()
	s := NewRules(packet.Addr.IsPrivate)
	if err := s.Load("our.rules", []byte(text)); err != nil {
		t.Fatal(err)
	}
	s.Ready()
	return s
}

// conn is a session from a device at home to a server elsewhere.
func conn(change func(*session.Session)) *session.Session {
	s := &session.Session{UID: session.UID{3, 3}, First: 1e9, Last: 9e9}
	s.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, 1}), Resp: packet.Addr4([]byte{192, 0, 2, 66}), OrigPort: 50000, RespPort: 4444, Proto: 6}
	s.Sides[0].Packets, s.Sides[1].Packets = 5, 5
	if change != nil {
		change(s)
	}
	return s
}

// said is bytes that a side sends.
type said struct {
	dir  session.Direction
	text string
}

// sids plays a session and returns the rules that match, by sid, in order.
func sids(rules *Rules, s *session.Session, list ...said) string {
	m := rules.NewMatcher()
	var found []detection.Mark
	if p, ok := m.(detection.PayloadMatcher); ok {
		for i, x := range list {
			found, _ = p.Payload(s, x.dir, []byte(x.text), int64(i+1)*1e9, found)
		}
	}
	found = m.Ended(s, found)
	var out []string
	for _, f := range found {
		out = append(out, rules.List[f.Entry].SID)
	}
	return strings.Join(out, " ")
}

// TestContents wants contents and their modifiers to match as Suricata's do.
func TestContents(t *testing.T) {
	const text = "GET /owl/nest?id=7 HTTP/1.1\r\nX: \xffHoot\x00\r\nowl owl end"
	for _, c := range []struct {
		options string
		want    bool
	}{
		{`content:"owl";`, true},
		{`content:"OWL";`, false},
		{`content:"OWL"; nocase;`, true},
		{`content:"GET"; startswith;`, true},
		{`content:"owl"; startswith;`, false},
		{`content:"end"; endswith;`, true},
		{`content:"owl"; endswith;`, false},
		{`content:"|ff 48|oot|00|";`, true},
		{`content:"GET"; depth:3;`, true},
		{`content:"owl"; depth:7;`, false},
		{`content:"owl"; depth:8;`, true},
		{`content:"owl"; offset:5; depth:3;`, true},
		{`content:"owl"; offset:6; depth:5;`, false},
		{`content:"GET"; content:"owl"; distance:2; within:3;`, true},
		{`content:"GET"; content:"owl"; distance:3; within:3;`, false},
		{`content:"GET"; content:"nest"; within:10;`, true},
		{`content:"GET"; content:"nest"; within:9;`, false},
		{`content:"owl"; content:"end"; distance:1; within:3;`, true}, // the third owl
		{`content:"end"; content:"owl"; distance:0;`, false},
		{`content:"end"; content:"owl"; distance:-11; within:4;`, true},
		{`content:!"fish";`, true},
		{`content:!"owl";`, false},
		{`content:"GET"; content:!"Hoot"; within:10;`, true},
		{`content:"GET"; content:!"owl"; within:10;`, false},
		{`pcre:"/^GET \/o[a-z]+/";`, true},
		{`pcre:"/get/";`, false},
		{`pcre:"/get/i";`, true},
		{`pcre:"/\xffH/";`, true},
		{`pcre:!"/fish/";`, true},
		{`content:"nest?"; pcre:"/^id=\d/R";`, true},
		{`content:"GET"; pcre:"/^id=\d/R";`, false},
		{`content:"|ff|"; pcre:"/^Hoot/R"; content:"owl"; distance:3; within:3;`, true},
		{`content:"GET"; isdataat:10,relative;`, true},
		{`content:"end"; isdataat:!1,relative;`, true},
		{`content:"GET"; isdataat:500;`, false},
		{`content:"a\"b\;c";`, false},
		{`content:"owl"; fast_pattern; content:"GET";`, true},
		{`content:"owl/nest"; fast_pattern:4,4;`, true},
	} {
		rules := load(t, `alert tcp any any -> any any (msg:"m"; `+c.options+` sid:1;)`)
		if len(rules.List) != 1 {
			t.Errorf("%s: %s", c.options, rules.Tell())
			continue
		}
		if got := sids(rules, conn(nil), said{session.Orig, text[:20]}, said{session.Orig, text[20:]}) != ""; got != c.want {
			t.Errorf("%s: got %v, want %v", c.options, got, c.want)
		}
	}
}

// TestHeaders wants addresses, ports, directions and flow to be held, against a
// session whose client says "owl" and whose server says "nest".
func TestHeaders(t *testing.T) {
	for _, c := range []struct {
		rule string
		want bool
	}{
		{`alert tcp any any -> any any (content:"owl"; sid:1;)`, true},
		{`alert udp any any -> any any (content:"owl"; sid:1;)`, false},
		{`alert ip any any -> any any (content:"nest"; sid:1;)`, true},
		{`alert tcp $HOME_NET any -> $EXTERNAL_NET any (content:"owl"; sid:1;)`, true},
		{`alert tcp $EXTERNAL_NET any -> $HOME_NET any (content:"owl"; sid:1;)`, false},
		{`alert tcp $EXTERNAL_NET any -> $HOME_NET any (content:"nest"; sid:1;)`, true},
		{`alert tcp $EXTERNAL_NET any <> $HOME_NET any (content:"owl"; sid:1;)`, true},
		{`alert tcp !$HOME_NET any -> any any (content:"owl"; sid:1;)`, false},
		{`alert tcp any any -> [192.0.2.0/24,!192.0.2.66] any (content:"owl"; sid:1;)`, false},
		{`alert tcp any any -> [198.51.100.1, 192.0.2.66] any (content:"owl"; sid:1;)`, true},
		{`alert tcp any any -> any [80,4400:4500] (content:"owl"; sid:1;)`, true},
		{`alert tcp any any -> any [80,4400:4500,!4444] (content:"owl"; sid:1;)`, false},
		{`alert tcp any any -> any !4444 (content:"owl"; sid:1;)`, false},
		{`alert tcp any 4444 -> any any (content:"nest"; sid:1;)`, true},
		{`alert tcp any 4444 -> any any (content:"owl"; sid:1;)`, false},
		{`alert tcp any any -> any $SSH_PORTS (content:"owl"; sid:1;)`, false},
		{`alert tcp any any -> any any (flow:to_server,established; content:"owl"; sid:1;)`, true},
		{`alert tcp any any -> any any (flow:to_client; content:"owl"; sid:1;)`, false},
		{`alert tcp any any -> any any (flow:from_server; content:"nest"; sid:1;)`, true},
		{`alert tcp any any -> 192.0.2.66 any (sid:1;)`, true},
		{`alert ip 192.0.2.66 any -> $HOME_NET any (sid:1;)`, true},
		{`alert ip 192.0.2.67 any -> $HOME_NET any (sid:1;)`, false},
	} {
		rules := load(t, c.rule)
		if len(rules.List) != 1 {
			t.Errorf("%s: %s", c.rule, rules.Tell())
			continue
		}
		if got := sids(rules, conn(nil), said{session.Orig, "owl"}, said{session.Resp, "nest"}) == "1"; got != c.want {
			t.Errorf("%s: got %v, want %v", c.rule, got, c.want)
		}
	}
	half := conn(func(s *session.Session) { s.Sides[1].Packets = 0 })
	if got := sids(load(t, `alert tcp any any -> any any (flow:established; content:"owl"; sid:1;)`), half, said{session.Orig, "owl"}); got != "" {
		t.Error("a session that nobody answered is established")
	}
}

// TestFlowbits wants flowbits to join rules within a session.
func TestFlowbits(t *testing.T) {
	rules := load(t, `
alert tcp any any -> any any (msg:"answered"; flow:to_client; content:"nest"; flowbits:isset,asked; sid:2;)
alert tcp any any -> any any (msg:"asked"; flow:to_server; content:"owl"; flowbits:set,asked; flowbits:noalert; sid:1;)
alert tcp any any -> any any (msg:"not asked"; flow:to_client; content:"nest"; flowbits:isnotset,asked; sid:3;)
alert tcp any any -> any any (msg:"either"; flow:to_client; content:"nest"; flowbits:isset,other|asked; flowbits:unset,asked; sid:4;)
alert tcp any any -> any any (msg:"again"; flow:to_client; content:"nest"; flowbits:isset,asked; sid:5;)
`)
	if got := sids(rules, conn(nil), said{session.Orig, "owl"}, said{session.Resp, "nest"}); got != "2 4" {
		t.Errorf("got %s, want 2 4", got)
	}
	if got := sids(rules, conn(nil), said{session.Orig, "fish"}, said{session.Resp, "nest"}); got != "3" {
		t.Errorf("without the question: got %s, want 3", got)
	}
}

// TestWindow wants bytes beyond the window not to be looked at, nor those behind a
// hole, and datagrams to be looked at each by itself.
func TestWindow(t *testing.T) {
	rules := load(t, `alert ip any any -> any any (content:"owl"; sid:1;)`)
	if got := sids(rules, conn(nil), said{session.Orig, strings.Repeat("x", StreamBytes-2)}, said{session.Orig, "owl"}); got != "" {
		t.Error("bytes beyond the window matched")
	}
	if got := sids(rules, conn(nil), said{session.Orig, strings.Repeat("x", StreamBytes-3)}, said{session.Orig, "owl"}); got != "1" {
		t.Error("the last bytes of the window did not match")
	}
	udp := conn(func(s *session.Session) { s.Proto = 17 })
	if got := sids(rules, udp, said{session.Orig, "ow"}, said{session.Orig, "l"}); got != "" {
		t.Error("two datagrams matched as one")
	}
	if got := sids(rules, udp, said{session.Orig, "x"}, said{session.Resp, "owl"}); got != "1" {
		t.Error("a datagram did not match")
	}
	m := rules.NewMatcher().(detection.PayloadMatcher)
	s := conn(nil)
	m.Payload(s, session.Orig, []byte("ow"), 1, nil)
	m.Gap(s, session.Orig)
	m.Payload(s, session.Orig, []byte("l"), 1, nil)
	if found := m.Ended(s, nil); len(found) > 0 {
		t.Error("bytes on both sides of a hole matched")
	}
	if held := m.(*payloadMatcher).held; held != 0 {
		t.Errorf("%d bytes are held after the end", held)
	}
}

// TestFlipped wants directions to be those at the end, should roles be exchanged
// after the first bytes.
func TestFlipped(t *testing.T) {
	m := load(t, `alert tcp any any -> any any (flow:to_client; content:"owl"; sid:1;)`).NewMatcher().(detection.PayloadMatcher)
	s := conn(nil)
	m.Payload(s, session.Orig, []byte("owl"), 1, nil)
	s.Flip()
	if found := m.Ended(s, nil); len(found) != 1 {
		t.Errorf("got %d matches, want one", len(found))
	}
}

// request is a record of HTTP, as small as one can be.
type request struct{ method, host, uri, agent string }

var requestSchema = record.New("http", "http", "A request.", record.Field{Name: "method", Type: record.String}, record.Field{Name: "host", Type: record.String},
	record.Field{Name: "uri", Type: record.String}, record.Field{Name: "user_agent", Type: record.String}, record.Field{Name: "status_code", Type: record.Count})

func (r *request) Schema() *record.Schema { return requestSchema }

func (r *request) Append(e *record.Encoder) {
	e.Str(r.method)
	e.Str(r.host)
	e.Str(r.uri)
	e.Str(r.agent)
	e.Uint(404)
}

// TestBuffers wants sticky buffers, and their older spellings, to be fields of
// records.
func TestBuffers(t *testing.T) {
	for _, c := range []struct {
		options string
		want    bool
	}{
		{`http.method; content:"GET"; http.uri; content:"/gate"; startswith; content:".php"; endswith;`, true},
		{`http.uri; content:"/gate"; startswith; http.method; content:"POST";`, false},
		{`http.host; content:"evil.example"; bsize:12;`, true},
		{`http.host; content:"evil.example"; bsize:>12;`, false},
		{`http.host.raw; content:"Evil.example:8080";`, true},
		{`content:"GET"; http_method; content:"gate"; http_uri;`, true},
		{`content:"gate"; http_user_agent;`, false},
		{`uricontent:"gate";`, true},
		{`pcre:"/gate\.php$/U";`, true},
		{`urilen:9;`, true}, {`urilen:<9;`, false}, {`urilen:8<>10;`, true},
		{`http.stat_code; content:"404";`, true},
		{`flow:to_server; http.uri; content:"gate";`, true},
		{`http.user_agent; content:!"Mozilla";`, true},
	} {
		rules := load(t, `alert http $HOME_NET any -> any any (`+c.options+` sid:1;)`)
		if strings.Contains(c.options, "stat_code") {
			rules = load(t, `alert http any any -> $HOME_NET any (`+c.options+` sid:1;)`)
		}
		if len(rules.List) != 1 {
			t.Errorf("%s: %s", c.options, rules.Tell())
			continue
		}
		var r fields.Reader
		r.Load(&request{"GET", "Evil.example:8080", "/gate.php", "owl"})
		if got := len(rules.NewMatcher().Record(conn(nil), 1, &r, nil)) == 1; got != c.want {
			t.Errorf("%s: got %v, want %v", c.options, got, c.want)
		}
	}
}

// TestReported wants what is not evaluated to be told with its lines, and the
// others to be loaded all the same.
func TestReported(t *testing.T) {
	rules := load(t, `# a comment
alert tcp any any -> any any (msg:"a"; content:"x"; byte_test:4,>,5,0; sid:1;)
alert tcp any any -> any any (msg:"b"; content:"x"; byte_test:4,>,5,0; iprep:any,x,>,1; sid:2;)
pass tcp any any -> any any (content:"x"; sid:3;)
alert tcp $OWLS any -> any any (content:"x"; sid:4;)
alert tcp any any -> any any (pcre:"/(?<=a)b/"; sid:5;)
alert tcp any any -> any any \
  (content:"good"; sid:6;)
alert tcp any any -> any any (content:"x"; http_cookie; sid:7;)
alert tls any any -> any any (tls.sni; content:"x"; http.uri; content:"y"; sid:8;)
alert http any any -> any any (flow:to_client; http.uri; content:"y"; sid:9;)
alert tcp any any -> any any (content:"no end)
alert tcp any any -> any any (content:"x";)
alert tcp any any -> any any (content:"x"; flow:not_established; sid:10;)
`)
	want := `1 are used (payload 1)
  not used: 2 × keyword byte_test (our.rules:2, our.rules:3)
  not used: 1 × keyword iprep (our.rules:3)
  not used: 1 × action pass (our.rules:4)
  not used: 1 × variable $OWLS (our.rules:5)
  not used: 1 × pcre that is not RE2 (our.rules:6)
  not used: 1 × keyword http_cookie (our.rules:9)
  not used: 1 × buffers of tls and http in one rule (our.rules:10)
  not used: 1 × flow against the direction of a buffer (our.rules:11)
  not used: 1 × malformed: an option does not end with ; (our.rules:12)
  not used: 1 × malformed: no sid (our.rules:13)
  not used: 1 × flow not_established (our.rules:14)`
	if got := rules.Tell(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if rules.List[0].Line != 7 {
		t.Errorf("a rule of two lines is at line %d, want 7", rules.List[0].Line)
	}
}

// TestThresholds wants each kind of threshold to leave so many of ten matches, a
// second apart.
func TestThresholds(t *testing.T) {
	for _, c := range []struct {
		option string
		want   int
	}{
		{"", 10},
		{"threshold:type limit, track by_src, count 1, seconds 60;", 1},
		{"threshold:type limit, track by_src, count 2, seconds 5;", 4},
		{"threshold:type threshold, track by_dst, count 3, seconds 60;", 3},
		{"threshold:type both, track by_src, count 3, seconds 60;", 1},
		{"threshold:type both, track by_src, count 11, seconds 60;", 0},
		{"detection_filter:track by_src, count 8, seconds 60;", 2},
		{"threshold:type threshold, track by_both, count 6, seconds 5;", 0},
	} {
		rules := load(t, `alert tcp any any -> any any (msg:"owl"; content:"owl"; `+c.option+` priority:1; metadata:mitre_technique_id T1110, confidence High; sid:1;)`)
		d := rules.NewDetector()
		var l detection.Ledger
		for _, i := range []int{3, 1, 0, 2, 4, 5, 6, 7, 9, 8} { // sessions end in another order
			sheet := &detection.Sheet{Marks: []detection.Mark{{At: int64(i+1) * 1e9, By: &ruleRule, Entry: 0}}}
			d.Session(&detection.Session{UID: session.UID{9, uint64(i)}, Tuple: conn(nil).Tuple, Home: [2]bool{true, false}, Packets: [2]uint64{1, 1}, Sheet: sheet}, &l)
		}
		d.Finish(&l)
		got, score := 0, 0.0
		for _, f := range l.All() {
			got += len(f.Evidence) + f.More
			score = f.Evidence[0].LLR
			if !slices.Equal(f.Rule.Techniques, []string{"T1110"}) || f.Outside.Addr != conn(nil).Resp {
				t.Errorf("finding %+v", f)
			}
		}
		if got != c.want || got > 0 && math.Abs(score-3.5*1.25) > 1e-9 {
			t.Errorf("%s: got %d (%.2f), want %d", c.option, got, score, c.want)
		}
	}
}

// TestAutomaton holds the automaton against a search for each text.
func TestAutomaton(t *testing.T) {
	texts := []string{"he", "she", "his", "hers", "e", "HERS", "ushers", "x"}
	a := newAutomaton()
	for i, s := range texts {
		a.add([]byte(s), int32(i))
	}
	a.done()
	for _, text := range []string{"USHERS", "ahishe", "", "hhhhe", "shis"} {
		var got []int32
		a.find([]byte(text), func(r int32) {
			if !slices.Contains(got, r) {
				got = append(got, r)
			}
		})
		slices.Sort(got)
		var want []int32
		for i, s := range texts {
			if bytes.Contains(bytes.ToLower([]byte(text)), bytes.ToLower([]byte(s))) {
				want = append(want, int32(i))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

// thousands is a set of so many rules about payload.
func thousands(b testing.TB, n int) *Rules {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `alert tcp any any -> any any (msg:"r"; content:"GET"; content:"rule-%x-text"; nocase; sid:%d;)`+"\n", uint32(i)*2654435761, i+1)
	}
	return load(b, text.String())
}

// BenchmarkPayload is a session of 8 KiB each way with 10,000 rules, none of which
// matches.
func BenchmarkPayload(b *testing.B) {
	rules := thousands(b, 10_000)
	m := rules.NewMatcher().(detection.PayloadMatcher)
	request := bytes.Repeat([]byte("GET /rule-of-the-road/text.html HTTP/1.1\r\nHost: www.example.com\r\nAccept: */*\r\n\r\n"), 120)[:StreamBytes]
	s := conn(nil)
	b.SetBytes(2 * StreamBytes)
	b.ReportAllocs()
	for b.Loop() {
		m.Payload(s, session.Orig, request, 1, nil)
		m.Payload(s, session.Resp, request, 1, nil)
		if len(m.Ended(s, nil)) > 0 {
			b.Fatal("a match")
		}
	}
}

func FuzzRule(f *testing.F) {
	for _, s := range []string{
		`alert tcp $HOME_NET any -> [192.0.2.0/24,!192.0.2.1] [80,443:500] (msg:"a"; flow:to_server,established; content:"a|41|b"; nocase; offset:1; depth:9; content:!"x"; distance:1; within:5; pcre:"/a+/iR"; flowbits:set,x; threshold:type both, track by_src, count 2, seconds 3; sid:1;)`,
		`alert http any any <> any any (http.uri; content:"/a"; startswith; urilen:>3; isdataat:!1,relative; sid:2; metadata:confidence High;)`,
		`alert udp any any -> any 53 (dsize:<9; content:"x"; fast_pattern:0,1; isdataat:1; sid:3;)`,
	} {
		f.Add(s, "GET /a aAb \xff")
	}
	f.Fuzz(func(t *testing.T, rule, text string) {
		s := NewRules(packet.Addr.IsPrivate)
		if s.Load("fuzz", []byte(rule)) != nil {
			return
		}
		sids(s, conn(nil), said{session.Orig, text}, said{session.Resp, text})
		var r fields.Reader
		r.Load(&request{"GET", text, text, ""})
		if m := s.NewMatcher(); m.Wants("http") {
			m.Record(conn(nil), 1, &r, nil)
		}
	})
}
