package sensor

import (
	"net/netip"
	"slices"
	"testing"

	"tyto/packet"
)

func addr(s string) packet.Addr { return packet.AddrOf(netip.MustParseAddr(s)) }

func TestName(t *testing.T) {
	for _, tt := range []struct {
		title   string
		names   []Fact
		domains []string
		want    string
	}{
		{"nothing", nil, nil, ""},
		{"dhcp before NetBIOS", []Fact{{"FIN-LT-03", "nbns"}, {"fin-lt-03", "dhcp"}}, nil, "fin-lt-03"},
		{"kerberos before ntlm", []Fact{{"SRV-ACCOUNTING-", "ntlm"}, {"srv-accounting-7.corp.example", "kerberos"}}, nil, "srv-accounting-7.corp.example"},
		{"mdns before NetBIOS", []Fact{{"NAS", "nbdgm"}, {"nas.local", "mdns"}}, nil, "nas.local"},
		{"the domain of the same device", []Fact{{"SRV-ACCOUNTING-", "nbns"}}, []string{"www.corp.example", "srv-accounting-7.corp.example"}, "srv-accounting-7.corp.example"},
		{"another name of a service is not the device's", []Fact{{"SRV-FILE-1", "smb"}}, []string{"intranet.corp.example"}, "SRV-FILE-1"},
		{"the full name that NTLM tells", []Fact{{"DC1", "ntlm"}, {"dc1.corp.example", "ntlm"}}, nil, "dc1.corp.example"},
		{"not the domain itself", nil, []string{"corp.example", "gc._msdcs.corp.example", "dc1.corp.example"}, "dc1.corp.example"},
		{"the domain if nothing else", nil, []string{"corp.example"}, "corp.example"},
		{"an agent's name after NetBIOS", []Fact{{"a-node", "zabbix"}, {"WEB", "nbns"}}, nil, "WEB"},
	} {
		a := addr("10.0.0.1")
		m := newSummary(nil)
		if tt.names != nil {
			m.device(a).Names = tt.names
		}
		for _, n := range tt.domains {
			m.name(a, n)
		}
		if got := m.Name(a); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.title, got, tt.want)
		}
	}
}

func TestAccounts(t *testing.T) {
	for _, tt := range []struct{ users, want []string }{
		{[]string{"alice", `CORP\alice`, "alice@CORP.EXAMPLE"}, []string{"alice@CORP.EXAMPLE"}},
		{[]string{`corp.example\a.kowal`, `CORP\A.Kowal`, "a.kowal"}, []string{`corp.example\a.kowal`}},
		{[]string{`CORP\alice`, `LAB\alice`}, []string{`CORP\alice`, `LAB\alice`}},
		{[]string{"alice@corp.example", "alice@mail.example"}, []string{"alice@corp.example", "alice@mail.example"}},
		{[]string{"bob", "alice"}, []string{"bob", "alice"}},
		{[]string{"@home", `\`}, []string{"@home", `\`}},
	} {
		d := &Device{}
		for _, u := range tt.users {
			d.Users = append(d.Users, Fact{Value: u})
		}
		if got := d.Accounts(); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.users, got, tt.want)
		}
	}
}

// TestNamesAreBounded wants a flood of names to be counted, not kept.
func TestNamesAreBounded(t *testing.T) {
	m := newSummary(nil)
	for i := range maxNames + 10 {
		m.name(packet.Addr{byte(i), byte(i >> 8), byte(i >> 16)}, "a.example")
	}
	for _, n := range []string{"b", "c", "d", "e", "f"} {
		m.name(packet.Addr{}, n)
	}
	if len(m.Names) != maxNames || m.Overflow != 10 || len(m.Names[packet.Addr{}]) != maxAliases {
		t.Errorf("%d addresses, %d more, %d aliases", len(m.Names), m.Overflow, len(m.Names[packet.Addr{}]))
	}
}

func TestResolved(t *testing.T) {
	r := newResolved(1 << 20)
	client, other, server := addr("10.0.0.1"), addr("10.0.0.2"), addr("192.0.2.1")
	third := addr("2001:db8::1")
	r.add(resolution{client, server}, "first.example", 10)
	r.add(resolution{client, server}, "first.example", 15)
	r.add(resolution{client, server}, "second.example", 20)
	r.add(resolution{other, server}, "other.example", 30)
	for _, tt := range []struct {
		client packet.Addr
		at     int64
		want   string
	}{
		{client, 12, "first.example"},
		{client, 25, "second.example"},
		{client, 35, "second.example"}, // its own, though another asked later
		{other, 5, "other.example"},    // its own, though it asked later
		{third, 35, "other.example"},
		{third, 25, "second.example"},
		{third, 5, ""}, // nobody had asked
	} {
		if got := r.name(resolution{tt.client, server}, tt.at); got != tt.want {
			t.Errorf("%s at %d: got %q, want %q", tt.client, tt.at, got, tt.want)
		}
	}
}
