package tls

import (
	"crypto/md5"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
)

// listOf returns the values of a list in decimal, or hexadecimal if it has
// commas, as bytes.
func listOf(tb testing.TB, s string) (b []byte) {
	tb.Helper()
	base, sep := 10, "-"
	if strings.Contains(s, ",") {
		base, sep = 16, ","
	}
	for _, v := range strings.Split(s, sep) {
		if v == "" {
			continue
		}
		n, err := strconv.ParseUint(v, base, 16)
		if err != nil {
			tb.Fatal(err)
		}
		b = append(b, byte(n>>8), byte(n))
	}
	return b
}

func helloOf(tb testing.TB, version uint16, ciphers, extensions, groups string, points []byte) *hello {
	m := &hello{version: version, ciphers: listOf(tb, ciphers), groups: listOf(tb, groups), points: points}
	for v := range func(yield func(uint16) bool) { pairs(listOf(tb, extensions), yield) } {
		m.extensions[m.n] = v
		m.n++
	}
	return m
}

// TestJA3 has the examples of JA3's description, the second with GREASE added.
func TestJA3(t *testing.T) {
	for _, tc := range []struct {
		m          *hello
		text, hash string
	}{
		{helloOf(t, 769, "47-53-5-10-49161-49162-49171-49172-50-56-19-4", "0-10-11", "23-24-25", []byte{0}),
			"769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0", "ada70206e40642a3e4461f35503241d5"},
		{helloOf(t, 769, "2570-4-5-10-9-100-98-3-6-19-18-99-64250", "6682", "14906", nil),
			"769,4-5-10-9-100-98-3-6-19-18-99,,,", "de350869b8c85de67a350c8d186f11e6"},
	} {
		text := appendJA3(nil, tc.m)
		sum := md5.Sum(text)
		if string(text) != tc.text || hex.EncodeToString(sum[:]) != tc.hash {
			t.Errorf("got %s %x, want %s %s", text, sum, tc.text, tc.hash)
		}
	}
}

// TestJA3S has the fingerprints of the servers that are met most.
func TestJA3S(t *testing.T) {
	for extensions, want := range map[string]string{"51-43": "eb1d94daa7e0344597e756a1fb6e7054", "43-51-2570": "f4febc55ea12b31ae17cfb7e614afda8"} {
		m := helloOf(t, tls12, "", extensions, "", nil)
		m.cipher = 4865
		h := NewHandshake(OverTCP)
		h.serverPrint(m)
		if got := string(h.sum.ja3s[:]); got != want {
			t.Errorf("%s: got %s, want %s", extensions, got, want)
		}
	}
}

// TestJA4 has the example of JA4's description and its special cases.
func TestJA4(t *testing.T) {
	const ciphers = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
	const extensions = "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"
	example := func() *hello {
		m := helloOf(t, tls12, ciphers, extensions, "", nil)
		m.signatures = listOf(t, "0403,0804,0401,0503,0805,0501,0806,0601")
		m.versions = listOf(t, "3a3a,0304,0303")
		m.alpn = []byte("\x02h2\x08http/1.1")
		m.hasName = true
		return m
	}
	for _, tc := range []struct {
		name    string
		change  func(*hello)
		carrier Carrier
		want    string
	}{
		{"example", func(*hello) {}, OverTCP, "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		{"QUIC", func(*hello) {}, OverQUIC, "q13d1516h2_8daaf6152771_e5627efa2ab1"},
		{"GREASE", func(m *hello) {
			m.ciphers = append(m.ciphers, 0x0a, 0x0a)
			m.extensions[m.n], m.extensions[m.n+1] = 0xfafa, 0x1a1a
			m.n += 2
			m.signatures = append(m.signatures, 0x2a, 0x2a)
		}, OverTCP, "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		{"no signatures", func(m *hello) { m.signatures = nil }, OverTCP, "t13d1516h2_8daaf6152771_6d807ffa2a79"},
		{"nothing", func(m *hello) { *m = hello{version: 0x0300} }, OverTCP, "ts3i000000_000000000000_000000000000"},
		{"DTLS", func(m *hello) { m.versions = listOf(t, "fefd,fefc") }, OverUDP, "dd3d1516h2_8daaf6152771_e5627efa2ab1"},
		{"no versions", func(m *hello) { m.versions, m.alpn = nil, nil }, OverTCP, "t12d151600_8daaf6152771_e5627efa2ab1"},
	} {
		m := example()
		tc.change(m)
		var got [ja4Bytes]byte
		putJA4(&got, nil, m, tc.carrier)
		if string(got[:]) != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got[:], tc.want)
		}
	}
}

func TestJA4ALPN(t *testing.T) {
	for in, want := range map[string]string{"\x02h2": "h2", "\x08http/1.1": "h1", "": "00", "\x00": "00", "\x01x": "xx", "\xff": "00",
		"\x01\xab": "ab", "\x02\xab\xcd": "ad", "\x02\x30\xab": "3b", "\x04\x30\x31\xab\xcd": "3d", "\x04\x30\xab\xcd\x31": "01",
		"\x02\x0a\x0a\x02h3": "h3"} {
		a, z := ja4ALPN([]byte(in))
		if got := string([]byte{a, z}); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestManyValues(t *testing.T) {
	m := &hello{version: tls12, ciphers: make([]byte, 65534), signatures: make([]byte, 65534)}
	m.n = maxExtensions
	var got [ja4Bytes]byte
	putJA4(&got, nil, m, OverTCP)
	if s := string(got[:10]); s != "t12i999900" {
		t.Errorf("got %s", s)
	}
}
