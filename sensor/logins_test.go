package sensor

import (
	"testing"

	"tyto/protocol"
	"tyto/session"
)

// TestLogins wants a login after refusals in a row to be told apart from
// refusals, whatever lane saw which attempt.
func TestLogins(t *testing.T) {
	type attempt struct {
		from, account string
		ok            bool
	}
	bad := func(from, account string, n int) (list []attempt) {
		for range n {
			list = append(list, attempt{from, account, false})
		}
		return list
	}
	good := func(from, account string) attempt { return attempt{from, account, true} }
	for _, tt := range []struct {
		title    string
		attempts []attempt
		want     []Finding // what is compared
	}{
		{"only refused", bad("10.0.0.1", "root", 50), []Finding{{FindingKey: FindingKey{Kind: FindRefused}, Refused: 50, Extra: "root"}}},
		{"guessed", append(bad("10.0.0.1", "root", 7), good("10.0.0.1", "root")), []Finding{{FindingKey: FindingKey{Kind: FindLogins}, Refused: 7, Accepted: 1, Extra: "root"}}},
		{"sprayed", append(append(bad("10.0.0.1", "ann", 3), bad("10.0.0.1", "ben", 3)...), good("10.0.0.1", "cat")),
			[]Finding{{FindingKey: FindingKey{Kind: FindLogins}, Refused: 6, Accepted: 1, Extra: "cat"}}},
		{"mistyped", append(bad("10.0.0.1", "ann", 2), good("10.0.0.1", "ann")), []Finding{{FindingKey: FindingKey{Kind: FindRefused}, Refused: 2, Accepted: 1, Extra: "ann"}}},
		{"refused later", append([]attempt{good("10.0.0.1", "ann")}, bad("10.0.0.1", "ann", 9)...),
			[]Finding{{FindingKey: FindingKey{Kind: FindRefused}, Refused: 9, Accepted: 1, Among: true, Extra: "ann"}}},
		{"only accepted", []attempt{good("10.0.0.1", "ann")}, nil},
		{"from several addresses", append(append(bad("10.0.0.1", "ann", 3), bad("10.0.0.2", "ann", 3)...), good("10.0.0.3", "ann")),
			[]Finding{{FindingKey: FindingKey{Kind: FindLogins}, Refused: 6, Accepted: 1, Sources: 3, Extra: "ann"},
				{FindingKey: FindingKey{Kind: FindRefused}, Refused: 3, Extra: "ann"}, {FindingKey: FindingKey{Kind: FindRefused}, Refused: 3, Extra: "ann"}}},
	} {
		lanes := [3]*Summary{newSummary(nil), newSummary(nil), newSummary(nil)}
		for i, a := range tt.attempts {
			s := &session.Session{UID: session.UID{uint64(i + 1)}}
			s.Orig, s.Resp, s.RespPort = addr(a.from), addr("10.0.0.9"), 21
			kind := protocol.LoginFailed
			if a.ok {
				kind = protocol.LoginOK
			}
			lanes[i%3].observe(s, protocol.Observation{Kind: kind, Value: a.account, Source: "ftp"}, int64(i))
		}
		m := lanes[0]
		m.merge(lanes[1])
		m.merge(lanes[2])
		m.Conclude()
		var got []Finding
		for _, f := range m.SortedFindings() {
			got = append(got, Finding{FindingKey: FindingKey{Kind: f.Kind}, Refused: f.Refused, Accepted: f.Accepted, Among: f.Among, Sources: f.Sources, Extra: f.Extra})
			if f.App != "ftp" || len(f.UIDs) != 1 {
				t.Errorf("%s: %+v", tt.title, f)
			}
			if f.Kind == FindLogins && f.UIDs[0][0] != uint64(len(tt.attempts)) {
				t.Errorf("%s: the session is %v, not the one that was accepted", tt.title, f.UIDs)
			}
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.title, got, tt.want)
			continue
		}
		for i := range got {
			if g, w := got[i], tt.want[i]; g.Kind != w.Kind || g.Refused != w.Refused || g.Accepted != w.Accepted || g.Among != w.Among || g.Sources != w.Sources || g.Extra != w.Extra {
				t.Errorf("%s: got %+v, want %+v", tt.title, g, w)
			}
		}
	}
}

// TestLoginsAreBounded wants a flood of attempts to cost bounded memory.
func TestLoginsAreBounded(t *testing.T) {
	m := newSummary(nil)
	s := &session.Session{}
	for i := range maxAttempts + 500 {
		s.RespPort = uint16(i % (maxLogins + 100))
		m.observe(s, protocol.Observation{Kind: protocol.LoginFailed, Source: "ftp"}, int64(i))
	}
	if len(m.logins) != maxLogins || m.attempts > maxAttempts || m.Overflow == 0 {
		t.Errorf("%d accounts, %d attempts, %d more", len(m.logins), m.attempts, m.Overflow)
	}
}

func TestSketch(t *testing.T) {
	var k sketch
	for i := range 2000 {
		k.add(uint32(i))
		if n := k.count(); i < 20 && (n < i || n > i+2) {
			t.Errorf("%d values are counted as %d", i+1, n)
		}
	}
	if n := k.count(); n < 1800 || n > 2200 {
		t.Errorf("2000 values are counted as %d", n)
	}
	for i := range k {
		k[i] = ^uint64(0)
	}
	if n := k.count(); n < 7000 || n > 7200 {
		t.Errorf("a full sketch counts %d", n)
	}
}
