// Package provider names the cloud, hosting or content provider that announces
// an address, without any file of the user's.
//
// The table in the package says which addresses the autonomous systems of the
// providers in providers.txt announced on [Date]. It is made from the data set
// @ip-location-db/asn 2.3.2026061719 (npm), which is licensed CC BY 4.0 by
// RouteViews (routeviews.org), DB-IP (db-ip.com) and the NRO (nro.net). Against
// what AWS, Google, Cloudflare and Fastly publish themselves, of 21,600 addresses
// drawn from their lists none is another provider's here; 0 to 19 % by provider
// were not announced. Who has a fresher file reads it with entity/mmdb.
//
// To add a provider, add a line to providers.txt and make the table anew:
// UPDATE=1 IPLOCATIONDB=DIR go test ./entity/provider, where DIR is the unpacked
// package.
package provider

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"encoding/binary"
	"io"
	"slices"
	"sort"
	"strings"
	"sync"

	"tyto/packet"
)

// Date is that of the announcements, YYYY-MM-DD.
const Date = "2026-06-17"

// Source is what relations that come from the table are told to be seen by.
const Source = "provider-table"

// list has a provider a line: its name and the numbers of its autonomous
// systems.
//
//go:embed providers.txt
var list string

// table is compressed with DEFLATE (RFC 1951). For IPv4, then for IPv6 with the
// first 64 bits of addresses: the number of ranges in 32 bits, and for each the
// distance from the end of the one before, its length less one, and the line of
// the provider, as unsigned varints.
//
//go:embed provider.bin
var table []byte

// ranges are addresses from first to last, ascending and apart.
type ranges struct {
	first, last []uint64
	owner       []uint16
}

type registry struct {
	names []string
	v4    ranges
	v6    ranges
}

var load = sync.OnceValue(func() *registry { return read(table, names(list)) })

// names returns the names of a list of providers.
func names(list string) (out []string) {
	for line := range strings.Lines(list) {
		if name, _, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
			out = append(out, name)
		}
	}
	return out
}

// Name returns the provider that announces an address, or "".
func Name(a packet.Addr) string {
	r := load()
	in, v := &r.v6, binary.BigEndian.Uint64(a[:8])
	if a.Is4() {
		in, v = &r.v4, uint64(binary.BigEndian.Uint32(a[12:]))
	}
	i := sort.Search(len(in.last), func(i int) bool { return in.last[i] >= v })
	if i == len(in.last) || in.first[i] > v {
		return ""
	}
	return r.names[in.owner[i]]
}

// read reads a table; what it cannot read it leaves out.
func read(compressed []byte, names []string) *registry {
	r := &registry{names: names}
	data, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(compressed)), 16<<20))
	if err != nil {
		return r
	}
	for _, in := range [...]*ranges{&r.v4, &r.v6} {
		if len(data) < 4 {
			return r
		}
		n := binary.BigEndian.Uint32(data)
		data = data[4:]
		at := uint64(0)
		for range n {
			var v [3]uint64
			for i := range v {
				var size int
				if v[i], size = binary.Uvarint(data); size <= 0 {
					return r
				}
				data = data[size:]
			}
			first := at + v[0]
			last := first + v[1]
			if first < at || last < first || v[2] >= uint64(len(names)) {
				return r
			}
			in.first, in.last, in.owner = append(in.first, first), append(in.last, last), append(in.owner, uint16(v[2]))
			at = last
		}
	}
	return r
}

// Providers returns the names of all providers in the table.
func Providers() []string { return slices.Clone(load().names) }
