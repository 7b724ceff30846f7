package indicator

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// TestIndicate wants values to be told by their form.
func TestIndicate(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"192.0.2.7", "address 192.0.2.7"},
		{"192.0.2[.]7:443", "address 192.0.2.7:443"},
		{"2001:DB8::1", "address 2001:db8::1"},
		{"198.51.100.9/24", "network 198.51.100.0/24"},
		{"203.0.113.1/32", "address 203.0.113.1"},
		{"*.Evil.Example.", "domain evil.example"},
		{"hxxp://evil[.]example:80/a/B?q=1#part", "URL evil.example/a/B?q=1"},
		{"http://evil.example:8080/r?u=http://x/", "URL evil.example:8080/r?u=http://x/"},
		{"evil.example/gate.php", "URL evil.example/gate.php"},
		{"https://evil.example/a", encryptedURL},
		{"0123456789abcdef0123456789ABCDEF", "fingerprint 0123456789abcdef0123456789abcdef"},
		{"hassh:0123456789abcdef0123456789abcdef", "HASSH 0123456789abcdef0123456789abcdef"},
		{"t13d1516h2_8daaf6152771_b186095e22b6", "JA4 t13d1516h2_8daaf6152771_b186095e22b6"},
		{strings.Repeat("ab", 20), "certificate " + strings.Repeat("ab", 20)},
		{strings.Repeat("ab", 32), "certificate " + strings.Repeat("ab", 32)},
		{"someone@evil.example", email},
		{"localhost", malformed}, {"0.0.0.0/0", tooBroad}, {"127.0.0.1", notTraffic}, {"two words.example", malformed}, {"1.2.3.4.5", malformed}, {"", malformed},
	} {
		e, got := indicate(c.in)
		if got == "" {
			got = e.Kind.String() + " " + e.Value
			if e.Port != 0 {
				got += fmt.Sprint(":", e.Port)
			}
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.in, got, c.want)
		}
	}
}

const plain = `# a list of our own
192.0.2.66   # first stage
evil.example
hxxp://evil[.]example/gate.php?id=1 # panel
someone@evil.example
not an indicator
`

const threatfox = `# exported 2026
# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","fk_malware","malware_alias","malware_printable","last_seen_utc","confidence_level","reference","tags","anonymous","reporter"
"2026-01-01 00:00:00", "1", "192.0.2.66:4444", "ip:port", "botnet_cc", "x", "None", "OwlRAT", "", "90", "None", "c2,owl", "0", "us"
"2026-01-01 00:00:00", "2", "deadbeef", "sha1_hash", "payload", "x", "None", "OwlRAT", "", "75", "None", "", "0", "us"
"2026-01-01 00:00:00", "3", "evil.example", "domain", "botnet_cc", "x", "None", "OwlRAT", "", "100", "None", "", "0", "us"
`

const sslbl = `################
# Listingdate,SHA1,Listingreason
2026-01-01 00:00:00,ababababababababababababababababababABAB,OwlRAT C&C
`

const stixBundle = `{"type":"bundle","id":"bundle--1","objects":[
 {"type":"identity","id":"identity--1","name":"us"},
 {"type":"indicator","id":"indicator--1","name":"owl server","pattern_type":"stix","pattern":"[ipv4-addr:value = '192.0.2.66'] OR [domain-name:value = 'evil.example']","valid_until":"2026-06-01T00:00:00Z","confidence":80,"labels":["malicious-activity"]},
 {"type":"indicator","id":"indicator--2","name":"owl port","pattern":"[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.77' AND network-traffic:dst_port = 4444 AND network-traffic:protocols[*] = 'tcp']"},
 {"type":"indicator","id":"indicator--3","name":"file","pattern":"[file:hashes.'SHA-256' = 'ab']"},
 {"type":"indicator","id":"indicator--4","name":"certificate","pattern":"[x509-certificate:hashes.'SHA-1' = 'abababababababababababababababababababab']"},
 {"type":"indicator","id":"indicator--5","name":"sequence","pattern":"[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [ipv4-addr:value = '192.0.2.2']"},
 {"type":"indicator","id":"indicator--6","name":"two names","pattern":"([domain-name:value IN ('one.example','uno.example')] AND [domain-name:value = 'two.example'])"},
 {"type":"indicator","id":"indicator--7","name":"sigma","pattern_type":"sigma","pattern":"x"},
 {"type":"indicator","id":"indicator--8","name":"net","pattern":"[ipv4-addr:value ISSUBSET '198.51.100.0/24']"},
 {"type":"indicator","id":"indicator--9","name":"like","pattern":"[domain-name:value LIKE '%.evil.example']"}
]}`

const mispEvent = `{"Event":{"info":"Owl campaign","Tag":[{"name":"admiralty-scale:information-credibility=\"2\""}],
"Attribute":[
 {"uuid":"u1","type":"ip-dst|port","value":"192.0.2.66|4444","to_ids":true,"comment":"c2 server"},
 {"uuid":"u2","type":"domain","value":"benign.example","to_ids":false},
 {"uuid":"u3","type":"email-src","value":"a@evil.example","to_ids":true}],
"Object":[{"name":"x509","Attribute":[{"uuid":"u4","type":"x509-fingerprint-sha1","value":"abababababababababababababababababababab","to_ids":true}]},
 {"name":"hassh","Attribute":[{"uuid":"u5","type":"hassh-md5","value":"0123456789abcdef0123456789abcdef","to_ids":true}, {"uuid":"u6","type":"mutex","value":"owl","to_ids":true}]}]}}`

// TestRead wants each form to be read with lines, and what cannot be used to be
// told.
func TestRead(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"plain", plain, `plain
2 address 192.0.2.66 50 "first stage" []
3 domain evil.example 50 "" []
4 URL evil.example/gate.php?id=1 50 "panel" []
- 1 × e-mail address [5]
- 1 × no indicator of a known form [6]
`},
		{"abuse.ch", threatfox, `csv
3 address 192.0.2.66:4444 90 "OwlRAT" [c2 owl]
5 domain evil.example 100 "OwlRAT" []
- 1 × hash of a file [4]
`},
		{"certificates", sslbl, `csv
3 certificate abababababababababababababababababababab 50 "OwlRAT C&C" []
`},
		{"misp csv", "uuid,event_id,category,type,value,comment,to_ids,date\n1,2,Network activity,hostname,www.evil.example,panel,1,20260101\n1,2,x,ip-src,192.0.2.9,,0,20260101\n1,2,x,regkey,HKLM,,1,2026\n", `csv
2 domain =www.evil.example 50 "panel" []
- 1 × not for detection (to_ids is not set) [3]
- 1 × type regkey [4]
`},
		{"stix", stixBundle, `stix
3 address 192.0.2.66 80 "owl server" [malicious-activity] until 1780272000
3 domain =evil.example 80 "owl server" [malicious-activity] until 1780272000
4 address 192.0.2.77 50 "owl port" [] part 1.0
6 certificate abababababababababababababababababababab 50 "certificate" []
8 domain =one.example 50 "two names" [] part 2.0
8 domain =two.example 50 "two names" [] part 2.1
8 domain =uno.example 50 "two names" [] part 3.0
8 domain =two.example 50 "two names" [] part 3.1
10 network 198.51.100.0/24 50 "net" []
- 1 × pattern with file:hashes.sha-256 [5]
- 1 × pattern with FOLLOWEDBY [7]
- 1 × pattern of type sigma [9]
- 1 × pattern with LIKE [11]
`},
		{"misp", mispEvent, `misp
3 address 192.0.2.66:4444 75 "Owl campaign: c2 server" [admiralty-scale:information-credibility="2"]
6 certificate abababababababababababababababababababab 75 "Owl campaign: " [admiralty-scale:information-credibility="2"]
7 HASSH 0123456789abcdef0123456789abcdef 75 "Owl campaign: " [admiralty-scale:information-credibility="2"]
- 1 × not for detection (to_ids is not set) [4]
- 1 × e-mail address [5]
- 1 × type mutex [7]
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := Read(c.name, []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := dump(l); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
	for _, text := range []string{`{"a":1}`, "[{\"x\":", "a\x00b"} {
		if _, err := Read("x", []byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func dump(l *List) string {
	var b strings.Builder
	b.WriteString(l.Format + "\n")
	for _, e := range l.Entries {
		value := e.Value
		if e.Exact {
			value = "=" + value
		}
		if e.Port != 0 {
			value += fmt.Sprint(":", e.Port)
		}
		fmt.Fprintf(&b, "%d %v %s %d %q %v", e.Line, e.Kind, value, e.Confidence, e.Description, e.Labels)
		if e.Until != 0 {
			fmt.Fprint(&b, " until ", e.Until/1e9)
		}
		if e.group != 0 {
			fmt.Fprintf(&b, " part %d.%d", e.group, e.part)
		}
		b.WriteByte('\n')
	}
	for _, s := range l.Skipped {
		fmt.Fprintf(&b, "- %d × %s %v\n", s.Count, s.Reason, s.Lines)
	}
	return b.String()
}

func set(t testing.TB, texts ...string) *Set {
	t.Helper()
	var lists []*List
	for i, text := range texts {
		l, err := Read(fmt.Sprint("list", i+1), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, l)
	}
	return NewSet(lists...)
}

// sessionTo is a session from a device at home to a server.
func sessionTo(addr string, port uint16, change func(*detection.Session)) *detection.Session {
	s := &detection.Session{UID: session.UID{1, uint64(port)}, First: 1e9, Last: 2e9, App: "tls", State: "SF", Home: [2]bool{true, false}, Packets: [2]uint64{5, 5}, Bytes: [2]uint64{500, 500}}
	var ip [4]byte
	fmt.Sscanf(addr, "%d.%d.%d.%d", &ip[0], &ip[1], &ip[2], &ip[3])
	s.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, 1}), Resp: packet.Addr4(ip[:]), OrigPort: 50000, RespPort: port, Proto: 6}
	if change != nil {
		change(s)
	}
	return s
}

// TestDetector wants hits to become evidence, and what merely looks like a hit
// not.
func TestDetector(t *testing.T) {
	inward := func(state string) func(*detection.Session) {
		return func(s *detection.Session) {
			s.Orig, s.Resp, s.Home, s.State = s.Resp, s.Orig, [2]bool{false, true}, state
		}
	}
	named := func(n string) func(*detection.Session) { return func(s *detection.Session) { s.Domain = n } }
	at := func(ns int64) func(*detection.Session) {
		return func(s *detection.Session) { s.First, s.Last = ns, ns+1e9 }
	}
	address := Entry{Kind: Address, Confidence: Unsaid}
	domain := Entry{Kind: Domain, Confidence: 80}
	for _, c := range []struct {
		name, list string
		s          *detection.Session
		want       float64
	}{
		{"address", plain, sessionTo("192.0.2.66", 443, nil), address.LLR()},
		{"another address", plain, sessionTo("192.0.2.67", 443, nil), 0},
		{"refused", plain, sessionTo("192.0.2.66", 443, func(s *detection.Session) { s.State = "S0" }), 0.7 * address.LLR()},
		{"comes from it", plain, sessionTo("192.0.2.66", 443, inward("SF")), 0.3 * address.LLR()},
		{"knocks at the door, as scanners do", plain, sessionTo("192.0.2.66", 443, inward("REJ")), 0.1 * address.LLR()},
		{"port", threatfox, sessionTo("192.0.2.66", 4444, nil), (&Entry{Kind: Address, Confidence: 90}).LLR()},
		{"another port", threatfox, sessionTo("192.0.2.66", 443, nil), 0},
		{"below a domain", plain, sessionTo("192.0.2.9", 443, named("cdn.EVIL.example")), (&Entry{Kind: Domain, Confidence: Unsaid}).LLR()},
		{"a name that ends alike", plain, sessionTo("192.0.2.9", 443, named("notevil.example")), 0},
		{"a name above", plain, sessionTo("192.0.2.9", 443, named("example")), 0},
		{"exact name", stixBundle, sessionTo("192.0.2.9", 443, named("evil.example")), domain.LLR()},
		{"below an exact name", stixBundle, sessionTo("192.0.2.9", 443, named("www.evil.example")), 0},
		{"valid", stixBundle, sessionTo("192.0.2.66", 443, at(1780271999e9)), (&Entry{Kind: Address, Confidence: 80}).LLR()},
		{"expired", stixBundle, sessionTo("192.0.2.66", 443, at(1780272001e9)), 0},
		{"all conditions", stixBundle, sessionTo("192.0.2.77", 4444, nil), address.LLR()},
		{"one condition is missing", stixBundle, sessionTo("192.0.2.77", 4445, nil), 0},
		{"another protocol", stixBundle, sessionTo("192.0.2.77", 4444, func(s *detection.Session) { s.Proto = 17 }), 0},
		{"network", stixBundle, sessionTo("198.51.100.200", 1, nil), (&Entry{Kind: Network, Confidence: Unsaid}).LLR()},
		{"beside the network", stixBundle, sessionTo("198.51.101.0", 1, nil), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := set(t, c.list).NewDetector()
			var l detection.Ledger
			d.Session(c.s, &l)
			d.Session(c.s, &l) // again: nothing new
			got := 0.0
			for _, f := range l.All() {
				got += f.Score()
				if !strings.Contains(f.Evidence[0].Claim, "on list list1 line ") {
					t.Errorf("claim %q names no list and line", f.Evidence[0].Claim)
				}
			}
			if math.Abs(got-c.want) > 1e-9 {
				t.Errorf("got %.3f, want %.3f", got, c.want)
			}
		})
	}
}

// TestTwoObservations wants a pattern of two observations to need both, of one
// device.
func TestTwoObservations(t *testing.T) {
	d := set(t, stixBundle).NewDetector()
	var l detection.Ledger
	visit := func(domain string, host byte) int {
		d.Session(sessionTo("192.0.2.9", 443, func(s *detection.Session) {
			s.Domain, s.Orig = domain, packet.Addr4([]byte{10, 0, 0, host})
		}), &l)
		return len(l.All())
	}
	if n := visit("uno.example", 1) + visit("two.example", 2); n != 0 {
		t.Fatalf("each device met one of two: got %d findings", n)
	}
	if n := visit("two.example", 1); n != 1 {
		t.Fatalf("got %d findings, want one", n)
	}
}

// TestSameParty wants several lists about one party to add up to less than their
// sum, and one that says it controls machines to accuse it.
func TestSameParty(t *testing.T) {
	d := set(t, plain, threatfox).NewDetector()
	var l detection.Ledger
	d.Session(sessionTo("192.0.2.66", 4444, nil), &l)
	if len(l.All()) != 1 {
		t.Fatalf("got %d findings, want one", len(l.All()))
	}
	f := l.All()[0]
	one, two := (&Entry{Kind: Address, Confidence: 90}).LLR(), (&Entry{Kind: Address, Confidence: Unsaid}).LLR()
	if got := f.Score(); got >= one+two || got <= max(one, two) {
		t.Errorf("got %.2f, want between %.2f and %.2f", got, max(one, two), one+two)
	}
	if !f.Controls || f.Outside.String() != "192.0.2.66" || !slices.Contains(f.Hosts, packet.Addr4([]byte{10, 0, 0, 1})) {
		t.Errorf("got %+v, want 10.0.0.1 led by 192.0.2.66", f)
	}
}

// many is a set of n indicators, of each kind a fifth.
func many(n int) *Set {
	l := &List{Name: "many", Format: "plain"}
	for i := range n / 5 {
		for _, v := range []string{
			fmt.Sprintf("100.%d.%d.%d", 64+i>>16, i>>8&255, i&255), fmt.Sprintf("h%d.listed%d.example", i, i%977), fmt.Sprintf("http://u%d.example/p", i),
			fmt.Sprintf("%032x", i), fmt.Sprintf("%040x", i),
		} {
			e, reason := indicate(v)
			if reason != "" {
				panic(v + ": " + reason)
			}
			l.Entries = append(l.Entries, e)
		}
	}
	for bits := 12; bits <= 28; bits += 4 {
		e, _ := indicate(fmt.Sprintf("198.18.0.0/%d", bits))
		l.Entries = append(l.Entries, e)
	}
	return NewSet(l)
}

func BenchmarkSession(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := many(n).NewDetector()
			s := sessionTo("192.0.2.9", 443, func(s *detection.Session) { s.Domain = "www.static.unlisted.example" })
			var l detection.Ledger
			b.ReportAllocs()
			for b.Loop() {
				d.Session(s, &l)
			}
			if len(l.All()) > 0 {
				b.Fatal("a hit")
			}
		})
	}
}

// TestNoMemory wants sessions and records without a hit to cost no memory.
func TestNoMemory(t *testing.T) {
	set := many(10_000)
	d := set.NewDetector()
	s := sessionTo("192.0.2.9", 443, func(s *detection.Session) { s.Domain = "www.static.unlisted.example" })
	var l detection.Ledger
	if n := testing.AllocsPerRun(100, func() { d.Session(s, &l) }); n > 0 {
		t.Errorf("a session allocates %.0f times", n)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{plain, threatfox, sslbl, stixBundle, mispEvent, "ip;port\n1.2.3.4;5\n", "#000000000\n#domAin"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Read("fuzz", data)
		if err != nil {
			return
		}
		for _, e := range l.Entries {
			if e.Kind == Unknown || e.Value == "" || e.Line == 0 {
				t.Fatalf("entry %+v", e)
			}
		}
		d := NewSet(l).NewDetector()
		var ledger detection.Ledger
		d.Session(sessionTo("192.0.2.66", 443, nil), &ledger)
	})
}

func FuzzPattern(f *testing.F) {
	f.Add("[ipv4-addr:value = '192.0.2.66'] OR ([domain-name:value IN ('a.example','b.example')] AND [x509-certificate:hashes.'SHA-1' = 'ab'])")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parsePattern(text)
		if err == nil && len(list) == 0 {
			t.Fatal("no alternatives")
		}
	})
}
