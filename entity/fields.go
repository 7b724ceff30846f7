package entity

import (
	"net/netip"
	"strconv"

	"tyto/internal/fields"
	"tyto/packet"
)

// recordFields reads the values of a record by the names of its schema, some as what
// they are here.
type recordFields struct{ fields.Reader }

// addr returns an address, zero if it is none.
func (v *recordFields) addr(name string) packet.Addr { return addrOf(v.Str(name)) }

func addrOf(s string) packet.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return packet.Addr{}
	}
	return packet.AddrOf(a.WithZone(""))
}

func (v *recordFields) mac(name string) packet.MAC {
	m, _ := parseMAC(v.Str(name))
	return m
}

// interval returns a duration in ns.
func (v *recordFields) interval(name string) int64 {
	s, err := strconv.ParseFloat(v.Str(name), 64)
	if err != nil || s < 0 || s > 1e9 {
		return 0
	}
	return int64(s * 1e9)
}
