package provider

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/csv"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tyto/packet"
)

func addr(s string) packet.Addr { return packet.AddrOf(netip.MustParseAddr(s)) }

// The addresses are the first of ranges that the providers publish.
func TestName(t *testing.T) {
	for _, c := range []struct{ addr, want string }{
		{"104.16.0.1", "Cloudflare"}, {"172.64.0.1", "Cloudflare"}, {"2606:4700::1", "Cloudflare"},
		{"151.101.0.1", "Fastly"}, {"2a04:4e42::1", "Fastly"},
		{"34.16.0.1", "Google"}, {"35.192.0.1", "Google"}, {"8.8.8.8", "Google"},
		{"52.0.0.1", "Amazon Web Services"}, {"3.8.0.1", "Amazon Web Services"},
		{"20.192.0.1", "Microsoft"}, {"40.112.72.205", "Microsoft"},
		{"192.0.2.1", ""}, {"10.0.0.1", ""}, {"0.0.0.0", ""}, {"255.255.255.255", ""}, {"2001:db8::1", ""}, {"fe80::1", ""},
	} {
		if got := Name(addr(c.addr)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.addr, got, c.want)
		}
	}
	if n := len(Providers()); n < 30 {
		t.Errorf("%d providers", n)
	}
}

// TestTable makes the table anew if UPDATE is set; else it checks its form.
func TestTable(t *testing.T) {
	dir := os.Getenv("IPLOCATIONDB")
	if os.Getenv("UPDATE") == "" || dir == "" {
		r := load()
		for _, in := range []*ranges{&r.v4, &r.v6} {
			if len(in.first) < 1000 {
				t.Fatalf("%d ranges: the table is broken; make it anew, see the package comment", len(in.first))
			}
			for i := range in.first[1:] {
				if in.last[i] >= in.first[i+1] {
					t.Fatalf("ranges %d and %d overlap", i, i+1)
				}
			}
		}
		return
	}
	owners := make(map[string]int)
	i := 0
	for line := range strings.Lines(list) {
		if _, numbers, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
			for _, n := range strings.Fields(numbers) {
				owners[n] = i
			}
			i++
		}
	}
	b := pack(ranged(t, filepath.Join(dir, "asn-ipv4.csv"), owners), ranged(t, filepath.Join(dir, "asn-ipv6.csv"), owners))
	if err := os.WriteFile("provider.bin", b, 0o644); err != nil {
		t.Fatal(err)
	}
}

type owned struct {
	first, last uint64
	owner       int
}

// ranged reads the ranges of the autonomous systems in owners.
func ranged(t *testing.T, file string, owners map[string]int) (out []owned) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	value := func(s string) uint64 {
		a := addr(s)
		if a.Is4() {
			return uint64(binary.BigEndian.Uint32(a[12:]))
		}
		return binary.BigEndian.Uint64(a[:8])
	}
	for _, row := range rows {
		if owner, ok := owners[row[2]]; ok {
			out = append(out, owned{value(row[0]), value(row[1]), owner})
		}
	}
	slices.SortFunc(out, func(a, b owned) int { return int(min(max(int64(a.first>>1)-int64(b.first>>1), -1), 1)) })
	joined := out[:0]
	for _, r := range out {
		if n := len(joined); n > 0 && joined[n-1].owner == r.owner && r.first <= joined[n-1].last+1 {
			joined[n-1].last = max(joined[n-1].last, r.last)
		} else if n == 0 || r.first > joined[n-1].last {
			joined = append(joined, r)
		}
	}
	return joined
}

func pack(lists ...[]owned) []byte {
	var b []byte
	for _, list := range lists {
		b = binary.BigEndian.AppendUint32(b, uint32(len(list)))
		at := uint64(0)
		for _, r := range list {
			for _, v := range []uint64{r.first - at, r.last - r.first, uint64(r.owner)} {
				b = binary.AppendUvarint(b, v)
			}
			at = r.last
		}
	}
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestCompression)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func FuzzRead(f *testing.F) {
	f.Add(table)
	f.Add(pack([]owned{{1, 7, 0}, {9, 9, 1}}, []owned{{5, 5, 1}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := read(data, []string{"A", "B"})
		for _, in := range []*ranges{&r.v4, &r.v6} {
			for i := range in.first {
				if in.first[i] > in.last[i] || i > 0 && in.first[i] < in.last[i-1] {
					t.Fatal("ranges are not in order: " + strconv.Itoa(i))
				}
			}
		}
	})
}

func BenchmarkName(b *testing.B) {
	a := addr("52.0.0.1")
	b.ReportAllocs()
	for b.Loop() {
		Name(a)
	}
}
