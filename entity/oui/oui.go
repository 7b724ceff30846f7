// Package oui names the vendor of a network interface by its link-layer
// address, as the IEEE's registries assign them.
//
// The table in the package is made from the CSV files of Debian's ieee-data
// package; [Date] is that of the list. UPDATE=1 go test ./entity/oui makes it
// anew from /usr/share/ieee-data.
package oui

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"encoding/binary"
	"io"
	"sort"
	"strings"
	"sync"

	"tyto/packet"
)

// Date is that of the list, YYYY-MM-DD.
const Date = "2022-08-27"

// table is the registry, compressed with DEFLATE (RFC 1951):
// organisations, one a line, and an empty line; then for each of the
// prefix lengths 24, 28 and 36 the number of prefixes in 32 bits, and for each
// prefix its distance from the one before and the organisation's number, both
// as unsigned varints.
//
//go:embed oui.bin
var table []byte

// lengths are those of the prefixes the IEEE assigns, in bits (MA-L, MA-M, MA-S).
var lengths = [3]int{24, 28, 36}

type registry struct {
	names    []string
	prefixes [3][]uint64 // by length, ascending
	owners   [3][]uint32 // indices of names
}

var load = sync.OnceValue(func() *registry { return read(table) })

// Vendor returns the organisation an address is assigned to, or "" if there is
// none: locally administered addresses, as of virtual machines and phones that
// hide their own, have none.
func Vendor(m packet.MAC) string {
	if m[0]&3 != 0 {
		return ""
	}
	r := load()
	var addr uint64
	for _, b := range m {
		addr = addr<<8 | uint64(b)
	}
	for i := len(lengths) - 1; i >= 0; i-- {
		p := addr >> (48 - lengths[i])
		list := r.prefixes[i]
		if k := sort.Search(len(list), func(k int) bool { return list[k] >= p }); k < len(list) && list[k] == p {
			return r.names[r.owners[i][k]]
		}
	}
	return ""
}

// read reads a table; what it cannot read it leaves out.
func read(compressed []byte) *registry {
	r := new(registry)
	data, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(compressed)), 16<<20))
	names, rest, ok := bytes.Cut(data, []byte("\n\n"))
	if err != nil || !ok {
		return r
	}
	r.names = strings.Split(string(names), "\n")
	for i := range lengths {
		if len(rest) < 4 {
			return r
		}
		n := binary.BigEndian.Uint32(rest)
		rest = rest[4:]
		last := uint64(0)
		for range n {
			step, a := binary.Uvarint(rest)
			if a <= 0 {
				return r
			}
			owner, b := binary.Uvarint(rest[a:])
			if b <= 0 || owner >= uint64(len(r.names)) {
				return r
			}
			rest = rest[a+b:]
			last += step
			r.prefixes[i] = append(r.prefixes[i], last)
			r.owners[i] = append(r.owners[i], uint32(owner))
		}
	}
	return r
}
