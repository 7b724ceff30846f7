package oui

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tyto/packet"
)

func TestVendor(t *testing.T) {
	for _, c := range []struct {
		mac  packet.MAC
		want string
	}{
		{packet.MAC{0x00, 0x0c, 0x29, 1, 2, 3}, "VMware, Inc."},
		{packet.MAC{0x00, 0x00, 0x0c, 1, 2, 3}, "Cisco Systems, Inc"},
		{packet.MAC{0xb8, 0x27, 0xeb, 1, 2, 3}, "Raspberry Pi Foundation"},
		{packet.MAC{0x70, 0xb3, 0xd5, 0x00, 0x10, 0}, "SOREDI touch systems GmbH"}, // 36 bits, inside a prefix of 24
		{packet.MAC{0x02, 0x0c, 0x29, 1, 2, 3}, ""},                                // locally administered
		{packet.MAC{0x01, 0x00, 0x5e, 1, 2, 3}, ""},                                // a group
	} {
		if got := Vendor(c.mac); got != c.want {
			t.Errorf("%v: got %q, want %q", c.mac, got, c.want)
		}
	}
}

// TestTable holds the table against the registry, or makes it anew if UPDATE
// is set. Only the date's list is compared: another release of ieee-data differs.
func TestTable(t *testing.T) {
	if os.Getenv("UPDATE") == "" {
		r := load()
		if n := len(r.prefixes[0]); n < 30000 || len(r.prefixes[1]) < 3000 || len(r.prefixes[2]) < 3000 {
			t.Fatalf("%d, %d and %d prefixes: the table is broken; make it anew with UPDATE=1", n, len(r.prefixes[1]), len(r.prefixes[2]))
		}
		for i := range lengths {
			if !slices.IsSorted(r.prefixes[i]) {
				t.Errorf("prefixes of %d bits are not in order", lengths[i])
			}
		}
		return
	}
	names := []string{}
	index := make(map[string]int)
	var assigned [3]map[uint64]int
	for i, file := range []string{"oui.csv", "mam.csv", "oui36.csv"} {
		assigned[i] = make(map[uint64]int)
		f, err := os.Open(filepath.Join("/usr/share/ieee-data", file))
		if err != nil {
			t.Fatalf("%v: install Debian's ieee-data", err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			p, err := strconv.ParseUint(row[1], 16, 64)
			name := strings.Join(strings.Fields(row[2]), " ")
			if err != nil || name == "" || name == "IEEE Registration Authority" || name == "Private" {
				continue
			}
			if _, ok := index[name]; !ok {
				index[name] = len(names)
				names = append(names, name)
			}
			assigned[i][p] = index[name]
		}
	}
	if err := os.WriteFile("oui.bin", pack(names, assigned), 0o644); err != nil {
		t.Fatal(err)
	}
}

func pack(names []string, assigned [3]map[uint64]int) []byte {
	b := []byte(strings.Join(names, "\n") + "\n\n")
	for _, m := range assigned {
		b = binary.BigEndian.AppendUint32(b, uint32(len(m)))
		var list []uint64
		for p := range m {
			list = append(list, p)
		}
		slices.Sort(list)
		last := uint64(0)
		for _, p := range list {
			b = binary.AppendUvarint(b, p-last)
			b = binary.AppendUvarint(b, uint64(m[p]))
			last = p
		}
	}
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestCompression)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func FuzzRead(f *testing.F) {
	f.Add(table[:2000])
	f.Add(pack([]string{"A", "B"}, [3]map[uint64]int{{1: 0, 7: 1}, {9: 1}, {}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := read(data)
		for i := range lengths {
			if len(r.prefixes[i]) != len(r.owners[i]) {
				t.Fatal("a prefix without an owner")
			}
		}
	})
}

func BenchmarkVendor(b *testing.B) {
	m := packet.MAC{0x00, 0x0c, 0x29, 1, 2, 3}
	for b.Loop() {
		Vendor(m)
	}
}
