package suricata

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

// line is an alert in an eve.json.
func line(at, src, dst string, sport, dport int, more string) string {
	return fmt.Sprintf(`{"timestamp":"%s","event_type":"alert","src_ip":"%s","src_port":%d,"dest_ip":"%s","dest_port":%d,"proto":"TCP",%s}`+"\n", at, src, sport, dst, dport, more)
}

const owl = `"alert":{"action":"allowed","gid":1,"signature_id":9000001,"rev":2,"signature":"OWL check-in","severity":1,"metadata":{"confidence":["High"],"mitre_technique_id":["T1071_001","nonsense"]}}`

// client is a session from a device at home, at 2026-01-01T00:00:01 for ten
// seconds.
func client(change func(*detection.Session)) *detection.Session {
	const start = 1767225601e9
	s := &detection.Session{UID: session.UID{7, 7}, First: start, Last: start + 10e9, App: "http", State: "SF", Home: [2]bool{true, false}, Packets: [2]uint64{5, 5}, Bytes: [2]uint64{500, 500}}
	s.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, 1}), Resp: packet.Addr4([]byte{192, 0, 2, 66}), OrigPort: 50000, RespPort: 80, Proto: 6}
	if change != nil {
		change(s)
	}
	return s
}

// TestAlerts wants alerts to be matched by ends and time, and others not.
func TestAlerts(t *testing.T) {
	community := string((&client(nil).Tuple).AppendCommunityID(nil))
	for _, c := range []struct {
		name, line string
		change     func(*detection.Session)
		want       float64
		outcome    detection.Outcome
	}{
		{"in the session", line("2026-01-01T00:00:03.000001+0000", "10.0.0.1", "192.0.2.66", 50000, 80, owl), nil, 3.5 * 1.25, detection.Attack},
		{"the other way round, another zone", line("2026-01-01T01:00:03.000001+0100", "192.0.2.66", "10.0.0.1", 80, 50000, owl), nil, 3.5 * 1.25, detection.Attack},
		{"a moment after its end", line("2026-01-01T00:00:13.5+0000", "10.0.0.1", "192.0.2.66", 50000, 80, owl), nil, 3.5 * 1.25, detection.Attack},
		{"same ends an hour later", line("2026-01-01T01:00:03+0000", "10.0.0.1", "192.0.2.66", 50000, 80, owl), nil, 0, detection.Attack},
		{"another port", line("2026-01-01T00:00:03+0000", "10.0.0.1", "192.0.2.66", 50001, 80, owl), nil, 0, detection.Attack},
		{"by Community ID", line("2026-01-01T00:00:03+0000", "10.9.9.9", "192.0.2.66", 1, 80, `"community_id":"`+community+`",`+owl), nil, 3.5 * 1.25, detection.Attack},
		{"blocked", line("2026-01-01T00:00:03+0000", "10.0.0.1", "192.0.2.66", 50000, 80, strings.Replace(owl, "allowed", "blocked", 1)), nil, 3.5 * 1.25, detection.Attempt},
		{"nobody answered", line("2026-01-01T00:00:03+0000", "10.0.0.1", "192.0.2.66", 50000, 80, owl), func(s *detection.Session) { s.State = "S0" }, 3.5 * 1.25, detection.Attempt},
		{"for information only", line("2026-01-01T00:00:03+0000", "10.0.0.1", "192.0.2.66", 50000, 80, `"alert":{"signature_id":1,"signature":"POLICY","severity":3,"metadata":{"signature_severity":["Informational"]}}`), nil, 0.3, detection.Attack},
	} {
		t.Run(c.name, func(t *testing.T) {
			var a Alerts
			if err := a.ReadEVE("eve.json", strings.NewReader(c.line+`{"event_type":"flow"}`+"\n")); err != nil || a.Len() != 1 || a.Other != 1 {
				t.Fatalf("read %d alerts, %d other events, %v", a.Len(), a.Other, err)
			}
			d := a.NewDetector()
			var l detection.Ledger
			d.Session(client(c.change), &l)
			d.Finish(&l)
			got := 0.0
			for _, f := range l.All() {
				got += f.Score()
				if f.Outcome != c.outcome {
					t.Errorf("outcome %v, want %v", f.Outcome, c.outcome)
				}
			}
			if math.Abs(got-c.want) > 1e-9 {
				t.Errorf("got %.3f, want %.3f", got, c.want)
			}
			if matched := c.want > 0; matched != (d.Matched == 1) || matched != (d.Unmatched == 0) {
				t.Errorf("%d matched, %d not", d.Matched, d.Unmatched)
			}
			if c.want > 4 && !slices.Equal(l.All()[0].Rule.Techniques, []string{"T1071.001"}) {
				t.Errorf("techniques %v", l.All()[0].Rule.Techniques)
			}
		})
	}
}

// TestReusedPorts wants an alert between two sessions of the same ends to be of
// the nearer one, and one inside to be of that one.
func TestReusedPorts(t *testing.T) {
	var a Alerts
	text := line("2026-01-01T00:00:14+0000", "10.0.0.1", "192.0.2.66", 50000, 80, owl) + line("2026-01-01T00:00:16+0000", "10.0.0.1", "192.0.2.66", 50000, 80, owl)
	if err := a.ReadEVE("eve.json", strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	d := a.NewDetector()
	var l detection.Ledger
	d.Session(client(nil), &l) // ends at 11
	d.Session(client(func(s *detection.Session) { s.First, s.Last, s.UID = 1767225615e9, 1767225620e9, session.UID{8, 8} }), &l)
	d.Finish(&l)
	if len(l.All()) != 1 || !slices.Equal(l.All()[0].UIDs, []session.UID{{8, 8}}) || d.Matched != 2 {
		t.Errorf("got %+v (%d matched), want both of the second session", l.All(), d.Matched)
	}
}

// TestNoEVE wants what is no eve.json to be refused, and a bad line to be counted.
func TestNoEVE(t *testing.T) {
	var a Alerts
	if err := a.ReadEVE("x", strings.NewReader("alert tcp any any\n")); err == nil {
		t.Error("no error")
	}
	a = Alerts{}
	if err := a.ReadEVE("x", strings.NewReader("{\"event_type\":\"stats\"}\nnonsense\n"+strings.Repeat("a", 3<<20)+"\n")); err != nil || a.Bad != 2 || a.BadLine != 2 || a.Lines != 3 {
		t.Errorf("%+v, %v", a, err)
	}
}

// BenchmarkAlerts is a session without an alert beside 100,000 alerts.
func BenchmarkAlerts(b *testing.B) {
	var text strings.Builder
	for i := range 100_000 {
		text.WriteString(line("2026-01-01T00:00:03+0000", fmt.Sprintf("10.1.%d.%d", i>>8&255, i&255), "192.0.2.66", i>>16+1, 80, owl))
	}
	var a Alerts
	if err := a.ReadEVE("eve.json", strings.NewReader(text.String())); err != nil {
		b.Fatal(err)
	}
	d := a.NewDetector()
	var l detection.Ledger
	s := client(nil)
	b.ReportAllocs()
	for b.Loop() {
		d.Session(s, &l)
	}
}

func FuzzEVE(f *testing.F) {
	f.Add(line("2026-01-01T00:00:03.000001+0000", "10.0.0.1", "192.0.2.66", 50000, 80, owl))
	f.Fuzz(func(t *testing.T, text string) {
		var a Alerts
		if a.ReadEVE("fuzz", strings.NewReader(text)) != nil {
			return
		}
		d := a.NewDetector()
		var l detection.Ledger
		d.Session(client(nil), &l)
		d.Finish(&l)
		if d.Matched+d.Unmatched != a.Len() {
			t.Fatalf("%d matched and %d not, of %d", d.Matched, d.Unmatched, a.Len())
		}
	})
}
