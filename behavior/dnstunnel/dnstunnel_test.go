package dnstunnel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"tyto/packet"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct{ name, below, domain string }{
		{"www.example.com", "www", "example.com"},
		{"a.b.Example.com.", "a.b", "example.com"},
		{"www.example.co.uk", "www", "example.co.uk"},
		{"example.co.uk", "", "example.co.uk"},
		{"example.com", "", "example.com"},
		{"4.3.2.1.in-addr.arpa", "", ""},
		{"printer", "", ""},
		{"dnscat.c08301f5000ebb1f", "dnscat.c08301f5000ebb1f", NoDomain},
	} {
		if below, domain := Split(c.name); below != c.below || domain != c.domain {
			t.Errorf("%s: got %q below %q, want %q below %q", c.name, below, domain, c.below, c.domain)
		}
	}
}

// TestTunnel holds a tunnel against a browser's names of one content network.
func TestTunnel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var table Table
	var tunnel, cdn *Count
	for i := range 400 {
		name := ""
		for range 48 {
			name += string("abcdefghijklmnopqrstuvwxyz234567"[r.IntN(32)])
		}
		tunnel = table.Add(Query{At: int64(i), Client: packet.Addr4([]byte{10, 0, 0, 1}), Name: name + ".t.example.com", Type: "TXT", Answer: 200})
		cdn = table.Add(Query{At: int64(i), Client: packet.Addr4([]byte{10, 0, 0, 1}), Name: fmt.Sprintf("img%d.cdn.example.net", i%30), Type: "A", Answer: 60})
	}
	if tunnel.Distinct != 400 || tunnel.Odd != 400 || tunnel.Bytes < 9000 || tunnel.Bytes > 14000 {
		t.Errorf("tunnel: got %d names, %d of odd types, %.0f bytes", tunnel.Distinct, tunnel.Odd, tunnel.Bytes)
	}
	if cdn.Distinct != 30 || cdn.Bytes > 200 {
		t.Errorf("content network: got %d names, %.0f bytes", cdn.Distinct, cdn.Bytes)
	}
}

// TestForget wants the groups that could carry most kept when there are too many.
func TestForget(t *testing.T) {
	var table Table
	client := packet.Addr4([]byte{10, 0, 0, 1})
	for i := range 40 {
		table.Add(Query{At: 1, Client: client, Name: fmt.Sprintf("%d-abcdefghijklmnopqrstuvwxyz.t.example.com", i)})
	}
	for i := range maxGroups + 100 {
		table.Add(Query{At: int64(i), Client: client, Name: fmt.Sprintf("www.site%d.com", i)})
	}
	if len(table.groups) > maxGroups || table.Overflow == 0 {
		t.Errorf("got %d groups, %d forgotten", len(table.groups), table.Overflow)
	}
	if c := table.Add(Query{At: 2, Client: client, Name: "x.t.example.com"}); c.Distinct != 41 {
		t.Errorf("got %d names of the tunnel, want 41", c.Distinct)
	}
}

// TestClients wants clients counted that ask for many names below a domain.
func TestClients(t *testing.T) {
	var table Table
	for i := range byte(5) {
		for n := range many + int(i)%2 - 1 {
			table.Add(Query{Client: packet.Addr4([]byte{10, 0, 0, i}), Name: fmt.Sprintf("n%d.av.example.com", n)})
		}
	}
	if n := table.Clients("example.com"); n != 2 {
		t.Errorf("got %d clients, want 2", n)
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"a.b.c", "..", "a..uk", "x.co.uk", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		below, domain := Split(name)
		if len(below)+len(domain) > len(name)+len(NoDomain) {
			t.Errorf("%q: got %q and %q", name, below, domain)
		}
	})
}
