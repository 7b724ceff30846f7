package tls

import (
	"encoding/hex"
	"strings"
	"testing"

	"tyto/protocol"
	"tyto/session"
)

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestProbe(t *testing.T) {
	for _, tc := range []struct {
		name     string
		dir      session.Direction
		data     string
		want     protocol.Verdict
		reversed bool
	}{
		{"client hello", session.Orig, "1603010200 010001fc 0303", protocol.Sure, false},
		{"client hello of the responder", session.Resp, "1603010200 010001fc 0303", protocol.Sure, true},
		{"server hello of the originator", session.Orig, "160303007a 02000076 0303", protocol.Sure, true},
		{"server hello", session.Resp, "160303007a 02000076 0303", protocol.Sure, false},
		{"one byte", session.Orig, "16", protocol.More, false},
		{"header", session.Orig, "1603010200", protocol.More, false},
		{"application data", session.Orig, "1703030100 0102", protocol.Sure, false},
		{"two records", session.Orig, "1703030001 ff 1703030001 ee", protocol.Sure, false},
		{"short record", session.Orig, "1703030001 ff", protocol.Likely, false},
		{"record and something else", session.Orig, "1703030001 ff 474554202f", protocol.No, false},
		{"alert", session.Resp, "1503030002 0228", protocol.Sure, false},
		{"alert of no level", session.Resp, "1503030002 0928", protocol.No, false},
		{"change cipher spec", session.Orig, "1403030001 01", protocol.Sure, false},
		{"SSL 2.0", session.Orig, "802e 01 0002 0015 0000 0010", protocol.Sure, false},
		{"SSL 2.0 of wrong length", session.Orig, "802f 01 0002 0015 0000 0010", protocol.No, false},
		{"high version", session.Orig, "1603090200 010001fc 0303", protocol.No, false},
		{"long record", session.Orig, "160301ffff 010001fc 0303", protocol.No, false},
		{"long message", session.Orig, "1603010200 01ff01fc 0303", protocol.No, false},
		{"TPKT", session.Orig, "0300000b06e00000000000", protocol.No, false},
		{"text", session.Orig, "474554202f20485454502f312e310d0a", protocol.No, false},
	} {
		e := protocol.Evidence{Transport: protocol.TCP, Dir: tc.dir, Count: 1, OrigPort: 50000, RespPort: 4000}
		e.Data[tc.dir] = unhex(t, tc.data)
		if got := probe(&e); got != tc.want || e.Reversed != tc.reversed {
			t.Errorf("%s: got %d, reversed %v", tc.name, got, e.Reversed)
		}
		if n := testing.AllocsPerRun(10, func() { probe(&e) }); n > 0 {
			t.Errorf("%s: %v allocations", tc.name, n)
		}
	}
}

func TestResolver(t *testing.T) {
	for name, want := range map[string]bool{"dns.google": true, "cloudflare-dns.com.": true, "a1b2c3.dns.nextdns.io": true,
		"x.cloudflare-gateway.com": true, "google.com": false, "dns.google.example.org": false, "": false, "nextdns.io": false} {
		if Resolver(name) != want {
			t.Errorf("%s: not %v", name, want)
		}
	}
}
