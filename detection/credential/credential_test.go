package credential

import (
	"fmt"
	"testing"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

var attacker, dc, other = packet.Addr4([]byte{10, 0, 0, 9}), packet.Addr4([]byte{10, 0, 0, 1}), packet.Addr4([]byte{10, 0, 0, 2})

func from(orig, resp packet.Addr, app string, sheet *detection.Sheet) *detection.Session {
	s := &detection.Session{UID: session.UID{1, 2}, First: 1e9, Last: 2e9, App: app, State: "SF", Sheet: sheet, Bytes: [2]uint64{900, 900}, Packets: [2]uint64{5, 5}, Home: [2]bool{true, true}}
	s.Tuple = session.Tuple{Orig: orig, Resp: resp, Proto: 6}
	return s
}

func calls(iface, op string, n int) *detection.Sheet {
	s := &detection.Sheet{}
	for range n {
		s.Call(detection.Call{Interface: iface, Operation: op})
	}
	return s
}

func logins(n, accounts int, then bool) *detection.Sheet {
	s := &detection.Sheet{}
	for i := range n {
		s.Logins = append(s.Logins, detection.Login{At: int64(i+1) * 1e9, How: "smb", Account: fmt.Sprint("user", i%accounts)})
	}
	if then {
		s.Logins = append(s.Logins, detection.Login{At: int64(n+1) * 1e9, How: "smb", Account: "user0", OK: true})
	}
	return s
}

func tickets(n int, t detection.Ticket) *detection.Sheet {
	s := &detection.Sheet{}
	for i := range n {
		v := t
		v.At = int64(i) * 1e8
		if v.Service != "" {
			v.Service = fmt.Sprintf(v.Service, i)
		}
		if v.Client != "" {
			v.Client = fmt.Sprintf(v.Client, i)
		}
		s.Tickets = append(s.Tickets, v)
	}
	return s
}

// TestCredential holds each attack against what looks alike.
func TestCredential(t *testing.T) {
	serving := from(other, dc, "kerberos", nil)
	back := from(attacker, other, "kerberos", nil)
	for _, c := range []struct {
		name  string
		rule  string // "" for none that alone is an alert
		given []*detection.Session
	}{
		{"DCSync", "credential-dumping", []*detection.Session{serving, from(attacker, dc, "dcerpc", calls("drsuapi", "DRSGetNCChanges", 1))}},
		{"controllers replicate", "", []*detection.Session{serving, back, from(other, dc, "dcerpc", calls("drsuapi", "DRSGetNCChanges", 1))}},
		{"Zerologon", "zerologon", []*detection.Session{from(attacker, dc, "dcerpc", calls("netlogon", "NetrServerAuthenticate3", 200))}},
		{"a member joins", "", []*detection.Session{from(attacker, dc, "dcerpc", calls("netlogon", "NetrServerAuthenticate3", 2))}},
		{"brute force", "password-guessing", []*detection.Session{from(attacker, dc, "smb", logins(50, 1, true))}},
		{"a slip", "", []*detection.Session{from(attacker, dc, "smb", logins(2, 1, true))}},
		{"spray", "password-guessing", []*detection.Session{from(attacker, dc, "smb", logins(40, 40, false))}},
		{"Kerberoasting", "kerberos-roasting", []*detection.Session{from(attacker, dc, "kerberos", tickets(9, detection.Ticket{Kind: "TGS", OK: true, Service: "MSSQLSvc/db%d", Cipher: "rc4-hmac"}))}},
		{"a logon", "", []*detection.Session{from(attacker, dc, "kerberos", tickets(3, detection.Ticket{Kind: "TGS", OK: true, Service: "cifs/fs%d", Cipher: "aes256-cts-hmac-sha1-96"}))}},
		{"AS-REP roasting", "kerberos-roasting", []*detection.Session{from(attacker, dc, "kerberos", &detection.Sheet{Tickets: append(
			tickets(2, detection.Ticket{Kind: "AS", OK: true, Client: "old%d/A", Preauth: "none"}).Tickets, tickets(20, detection.Ticket{Kind: "AS", Client: "u%d/A", Preauth: "none", Error: "KDC_ERR_PREAUTH_REQUIRED"}).Tickets...)})}},
		{"registry hives saved", "", []*detection.Session{from(attacker, dc, "smb", calls("winreg", "OpenLocalMachine", 1))}},
		{"event log cleared and hives saved", "credential-dumping", []*detection.Session{from(attacker, dc, "smb", &detection.Sheet{Calls: []detection.Call{{Interface: "eventlog", Operation: "ElfrClearELFW"}, {Interface: "winreg", Operation: "BaseRegSaveKey"}}})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l detection.Ledger
			d := New()
			for _, s := range c.given {
				d.Session(s, &l)
			}
			d.Finish(&l)
			got := ""
			for _, f := range l.All() {
				if detection.P(f.Score()) > 0.5 {
					got = f.Rule.ID
				}
			}
			if got != c.rule {
				t.Errorf("alerts by itself: got %q, want %q", got, c.rule)
				for _, f := range l.All() {
					t.Logf("%s %.1f %+v", f.Rule.ID, f.Score(), f.Evidence)
				}
			}
		})
	}
}

// TestDiscovery wants a map of the domain to be told, and one question not.
func TestDiscovery(t *testing.T) {
	var l detection.Ledger
	d := New()
	d.Session(from(attacker, dc, "ldap", &detection.Sheet{Searches: []detection.Search{{Filter: "(&(objectclass=user)(samaccountname=ana))"}}}), &l)
	if len(l.All()) != 0 {
		t.Errorf("one account looked up: got %d findings", len(l.All()))
	}
	d.Session(from(attacker, dc, "ldap", &detection.Sheet{Searches: []detection.Search{{Filter: "(serviceprincipalname=*)"}, {Filter: "(admincount=1)"}}}), &l)
	if len(l.All()) != 1 || l.All()[0].Score() < 2 {
		t.Errorf("accounts with services and administrators listed: got %d findings", len(l.All()))
	}
}

// TestBanner wants a monitor that reads the banner and leaves not to be taken for
// one who guesses: that one agrees on keys first.
func TestBanner(t *testing.T) {
	for _, c := range []struct {
		name string
		sent uint64
		want int
	}{{"monitor", 24, 0}, {"guesses and is cut off", 1700, 1}} {
		var l detection.Ledger
		d := New()
		for i := range 40 {
			s := from(attacker, dc, "ssh", &detection.Sheet{})
			s.Bytes[session.Orig], s.First, s.Last = c.sent, int64(i)*1e9, int64(i)*1e9+1e8
			d.Session(s, &l)
		}
		if len(l.All()) != c.want {
			t.Errorf("%s: got %d findings, want %d", c.name, len(l.All()), c.want)
		}
	}
}
