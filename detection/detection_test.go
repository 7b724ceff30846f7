package detection

import (
	"math"
	"testing"

	"tyto/packet"
	"tyto/session"
)

// TestScore wants the score to be the sum of what is listed, and evidence of one
// kind to count less each time.
func TestScore(t *testing.T) {
	var l Ledger
	f := l.Finding(&Definition{ID: "x"}, "k")
	for range 20 {
		f.Add(Evidence{Kind: "a", LLR: 2, T0: 5})
	}
	f.Add(Evidence{Kind: "b", LLR: -1, T0: 3, T1: 9})
	sum := 0.0
	for _, e := range f.Evidence {
		sum += e.LLR
	}
	if math.Abs(f.Score()-sum) > 1e-9 {
		t.Errorf("score %.6f is not the sum of the evidence, %.6f", f.Score(), sum)
	}
	if got := f.Score(); got < 2.9 || got > 3 {
		t.Errorf("twenty items of one kind and one against: got %.3f, want just under 2*2-1", got)
	}
	if f.T0 != 3 || f.T1 != 9 {
		t.Errorf("span: got %d to %d, want 3 to 9", f.T0, f.T1)
	}
	if f.More != 14 {
		t.Errorf("items not kept: got %d, want 14", f.More)
	}
	f.Set(Evidence{Kind: "a", LLR: 1, T0: 5})
	if got := f.Score(); got != 0 {
		t.Errorf("after a kind was measured anew: got %.3f, want 0", got)
	}
}

// TestLedger wants one finding for a rule and key, and room to be bounded.
func TestLedger(t *testing.T) {
	var l Ledger
	rule := &Definition{ID: "x"}
	a := l.Finding(rule, "a")
	if again, b := l.Finding(rule, "a"), l.Finding(rule, "b"); again != a || b == a {
		t.Error("findings are not told apart by their keys")
	}
	for i := range maxFindings {
		l.Finding(rule, string(rune(i+1000)))
	}
	if l.Dropped != 2 || len(l.All()) != maxFindings {
		t.Errorf("got %d findings and %d dropped, want %d and 2", len(l.All()), l.Dropped, maxFindings)
	}
}

// TestAccess wants sessions to be told for what they are used for.
func TestAccess(t *testing.T) {
	base := Session{First: 1, Last: 20e9, Bytes: [2]uint64{900, 9000}, Packets: [2]uint64{9, 9}, State: "SF", Home: [2]bool{true, true}}
	base.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, 1}), Resp: packet.Addr4([]byte{10, 0, 0, 2}), RespPort: 445, Proto: 6}
	for _, c := range []struct {
		name  string
		app   string
		sheet *Sheet
		port  uint16
		via   string
		exec  bool
	}{
		{"service", "smb", &Sheet{Calls: []Call{{Interface: "svcctl", Operation: "CreateServiceW"}}}, 445, "service", true},
		{"service manager asked only", "smb", &Sheet{Calls: []Call{{Interface: "svcctl", Operation: "OpenSCManagerW"}}}, 445, "service", false},
		{"refused", "smb", &Sheet{Calls: []Call{{Interface: "svcctl", Operation: "CreateServiceW", Fault: "access_denied"}}}, 445, "", false},
		{"administrative share", "smb", &Sheet{Shares: []Share{{Path: `\\b\ADMIN$`}}}, 445, "share", false},
		{"a user's share", "smb", &Sheet{Shares: []Share{{Path: `\\b\home`}}}, 445, "", false},
		{"winrm", "http", &Sheet{Requests: []Request{{Method: "POST", URI: "/wsman", Status: 200}}}, 5985, "winrm", true},
		{"winrm refused", "http", &Sheet{Requests: []Request{{Method: "POST", URI: "/wsman", Status: 401}}}, 5985, "", false},
		{"ssh", "ssh", &Sheet{Authentic: true}, 22, "ssh", false},
		{"ssh refused", "ssh", &Sheet{Attempts: 3}, 22, "", false},
		{"a page", "http", nil, 80, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := base
			s.App, s.Sheet, s.RespPort = c.app, c.sheet, c.port
			a, ok := s.Access()
			if !ok {
				a.Via = ""
			}
			if a.Via != c.via || ok && a.Exec != c.exec {
				t.Errorf("got %q (runs something: %v), want %q (%v)", a.Via, a.Exec, c.via, c.exec)
			}
		})
	}
}

// TestFlood wants a flood of calls not to hide what comes after it.
func TestFlood(t *testing.T) {
	var s Sheet
	for i := range 10 * MaxFacts {
		s.Call(Call{Interface: "netlogon", Operation: []string{"NetrServerReqChallenge", "NetrServerAuthenticate3"}[i&1], Args: []string{"DC"}})
	}
	total := 0
	for _, c := range s.Calls {
		total += c.Count
	}
	if len(s.Calls) != MaxFacts || total != 10*MaxFacts {
		t.Errorf("got %d items for %d calls, want %d for %d", len(s.Calls), total, MaxFacts, 10*MaxFacts)
	}
}
