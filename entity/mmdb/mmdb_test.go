package mmdb

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tyto/packet"
)

// text and number write values; object writes a map.
func text(s string) []byte {
	if len(s) < 29 {
		return append([]byte{byte(utf8String)<<5 | byte(len(s))}, s...)
	}
	return append([]byte{byte(utf8String)<<5 | 29, byte(len(s) - 29)}, s...)
}

func number(n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{byte(uint32Kind)<<5 | 4}, n)
}

func object(pairs ...[]byte) []byte {
	b := []byte{byte(mapKind)<<5 | byte(len(pairs)/2)}
	for _, p := range pairs {
		b = append(b, p...)
	}
	return b
}

// file makes a file whose tree has the given networks, by the place of their
// value in data.
func file(bits int, version int, networks map[string]int, data []byte) []byte {
	tree := [][2]int{{-1, -1}} // children: a node, or -1 for nothing, or -2 - place
	for prefix, place := range networks {
		p := netip.MustParsePrefix(prefix)
		addr, n := p.Addr().As16(), p.Bits()
		if p.Addr().Is4() && version == 6 {
			addr, n = [16]byte{12: addr[12], 13: addr[13], 14: addr[14], 15: addr[15]}, n+96
		} else if version == 4 {
			copy(addr[:], addr[12:])
		}
		node := 0
		for i := range n {
			bit := addr[i/8] >> (7 - i%8) & 1
			if i == n-1 {
				tree[node][bit] = -2 - place
				break
			}
			if tree[node][bit] < 0 {
				tree = append(tree, [2]int{-1, -1})
				tree[node][bit] = len(tree) - 1
			}
			node = tree[node][bit]
		}
	}
	var b []byte
	for _, n := range tree {
		var v [2]uint32
		for i, c := range n {
			switch {
			case c == -1:
				v[i] = uint32(len(tree))
			case c < -1:
				v[i] = uint32(len(tree) + separator + -2 - c)
			default:
				v[i] = uint32(c)
			}
		}
		switch bits {
		case 24:
			b = append(b, byte(v[0]>>16), byte(v[0]>>8), byte(v[0]), byte(v[1]>>16), byte(v[1]>>8), byte(v[1]))
		case 28:
			b = append(b, byte(v[0]>>16), byte(v[0]>>8), byte(v[0]), byte(v[0]>>24<<4|v[1]>>24), byte(v[1]>>16), byte(v[1]>>8), byte(v[1]))
		default:
			b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, v[0]), v[1])
		}
	}
	b = append(append(b, make([]byte, separator)...), data...)
	b = append(b, marker...)
	return append(b, object(text("node_count"), number(uint32(len(tree))), text("record_size"), number(uint32(bits)), text("ip_version"), number(uint32(version)),
		text("database_type"), text("GeoLite2-ASN"), text("build_epoch"), number(1700000000))...)
}

// sample is a section of values: an autonomous system, one whose name is a
// pointer to the first one's, and a country.
func sample() (data []byte, places [3]int) {
	first := object(text("autonomous_system_number"), number(64500), text("autonomous_system_organization"), text("Example Hosting and Other Long Names"))
	name := strings.Index(string(first), "Example") - 2
	second := object(text("autonomous_system_number"), number(64501), text("autonomous_system_organization"), []byte{byte(pointer) << 5, byte(name)})
	third := object(text("country"), object(text("geoname_id"), number(1), text("iso_code"), text("ES")), text("isp"), text("Example Telecom"))
	data = append(append(first, second...), third...)
	return data, [3]int{0, len(first), len(first) + len(second)}
}

func TestLookup(t *testing.T) {
	data, places := sample()
	networks := map[string]int{"203.0.113.0/24": places[0], "198.51.100.128/25": places[1], "192.0.2.0/28": places[2]}
	for _, c := range []struct{ bits, version int }{{24, 6}, {28, 6}, {32, 6}, {24, 4}} {
		if c.version == 6 {
			networks["2001:db8::/32"] = places[1]
		} else {
			delete(networks, "2001:db8::/32")
		}
		r, err := New(file(c.bits, c.version, networks, data))
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind() != "GeoLite2-ASN" || r.Built() != 1700000000 {
			t.Errorf("got kind %q built at %d", r.Kind(), r.Built())
		}
		for addr, want := range map[string]Record{
			"203.0.113.77":   {ASN: 64500, Organisation: "Example Hosting and Other Long Names"},
			"198.51.100.200": {ASN: 64501, Organisation: "Example Hosting and Other Long Names"},
			"192.0.2.3":      {Country: "ES", Organisation: "Example Telecom"},
			"198.51.100.1":   {}, "192.0.2.16": {}, "10.0.0.1": {}, "::1": {},
		} {
			got, ok := r.Lookup(packet.AddrOf(netip.MustParseAddr(addr)))
			if got != want || ok != (want != Record{}) {
				t.Errorf("%d bits, version %d: %s: got %+v %v, want %+v", c.bits, c.version, addr, got, ok, want)
			}
		}
		if got, _ := r.Lookup(packet.AddrOf(netip.MustParseAddr("2001:db8::9"))); c.version == 6 && got.ASN != 64501 {
			t.Errorf("%d bits: 2001:db8::9: got %+v", c.bits, got)
		}
	}
}

func TestErrors(t *testing.T) {
	data, places := sample()
	good := file(24, 6, map[string]int{"203.0.113.0/24": places[0]}, data)
	for name, b := range map[string][]byte{
		"empty":        nil,
		"another file": []byte("PK\x03\x04 something else"),
		"cut":          good[len(good)/2:],
		"no metadata":  append([]byte{}, marker...),
	} {
		if _, err := New(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "missing.mmdb")); err == nil {
		t.Error("a file that is not there: no error")
	}
	path := filepath.Join(t.TempDir(), "bad.mmdb")
	if err := os.WriteFile(path, []byte("bad"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

// Pointers that go round, and maps of maps, end.
func TestLoops(t *testing.T) {
	loop := object(text("country"), []byte{byte(pointer) << 5, 0})
	r, err := New(file(24, 4, map[string]int{"203.0.113.0/24": 0}, loop))
	if err != nil {
		t.Fatal(err)
	}
	if rec, ok := r.Lookup(packet.Addr4([]byte{203, 0, 113, 1})); ok {
		t.Errorf("got %+v", rec)
	}
}

func FuzzReader(f *testing.F) {
	data, places := sample()
	f.Add(file(24, 6, map[string]int{"203.0.113.0/24": places[0], "2001:db8::/32": places[2]}, data))
	f.Add(file(28, 4, map[string]int{"203.0.113.0/24": places[1]}, data))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := New(b)
		if err != nil {
			return
		}
		r.Lookup(packet.Addr4([]byte{203, 0, 113, 1}))
		r.Lookup(packet.Addr{0x20, 1, 0xd, 0xb8})
	})
}

func BenchmarkLookup(b *testing.B) {
	data, places := sample()
	r, err := New(file(24, 6, map[string]int{"203.0.113.0/24": places[0]}, data))
	if err != nil {
		b.Fatal(err)
	}
	a := packet.Addr4([]byte{203, 0, 113, 1})
	b.ReportAllocs()
	for b.Loop() {
		r.Lookup(a)
	}
}
