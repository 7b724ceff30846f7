// Package icmpv6 follows ICMPv6 (RFC 4443) and reads the link-layer addresses
// and names in neighbour discovery (RFC 4861, RFC 8106).
package icmpv6

import (
	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "icmpv6",
	Service:    "icmp",
	Doc:        "Internet Control Message Protocol for IPv6 with neighbour discovery (RFC 4443, RFC 4861); IP protocol 58.",
	Transports: protocol.IP,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the ndp record.
var Schema = record.New("ndp", "", "A router advertisement: the first of a session and those that differ.",
	record.Field{Name: "hop_limit", Type: record.Count, Doc: "Hop limit that devices should use."},
	record.Field{Name: "lifetime", Type: record.Interval, Doc: "How long the sender is a default router; 0: it is none."},
	record.Field{Name: "managed", Type: record.Bool, Doc: "True if addresses are to be had by DHCPv6."},
	record.Field{Name: "prefixes", Type: record.Strings, Doc: "Prefixes on the link."},
	record.Field{Name: "dns", Type: record.Addrs, Doc: "Recursive DNS servers."},
	record.Field{Name: "mtu", Type: record.Count, Doc: "MTU of the link."},
)

const ipProto = 58

// Message types (RFC 4861 section 4), and options.
const (
	routerAdvertisement                             = 134
	neighborSolicitation, neighborAdvertisement     = 135, 136
	routerSolicitation, redirect                    = 133, 137
	optSource, optTarget, optPrefix, optMTU, optDNS = 1, 2, 3, 5, 25
)

// Bounds of what is kept of a message.
const (
	maxOptions = 32
	maxList    = 8
)

func probe(e *protocol.Evidence) protocol.Verdict {
	if e.Proto == ipProto {
		return protocol.Sure
	}
	return protocol.No
}

type analyzer struct {
	rec    Record
	last   Record // the advertisement told last, without lists
	counts [2]int
	told   [2]packet.MAC
	warned bool
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse takes a message without its first four bytes: type, code and checksum.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	kind := f.Session.OrigPort
	if dir == session.Resp {
		kind = f.Session.RespPort
	}
	c := wire.New(data)
	switch kind {
	case routerSolicitation:
		c.Skip(4)
		a.options(f, dir, c, f.Addr(dir))
	case routerAdvertisement:
		a.router(f, dir, c)
	case neighborSolicitation:
		c.Skip(4 + 16)
		a.options(f, dir, c, f.Addr(dir))
	case neighborAdvertisement:
		c.Skip(4)
		if t := c.Bytes(16); c.OK() {
			a.options(f, dir, c, packet.Addr16(t))
		}
	case redirect:
		if !a.warned {
			a.warned = true
			f.Anomaly("icmp_redirect", "")
		}
	}
	return len(data)
}

// options tells the link-layer address of about, and fills the record.
func (a *analyzer) options(f *protocol.Flow, dir session.Direction, c wire.Cursor, about packet.Addr) {
	for i := 0; c.Len() >= 8 && i < maxOptions; i++ {
		kind, n := c.U8(), int(c.U8())
		o := c.Sub(n*8 - 2)
		if !c.OK() || n == 0 {
			f.Anomaly("bad_ICMPv6_option", "")
			return
		}
		switch kind {
		case optSource, optTarget:
			if b := o.Bytes(6); o.OK() && n == 1 {
				a.hardware(f, dir, about, packet.MAC(b))
			}
		case optPrefix:
			bits := o.U8()
			o.Skip(13)
			if p := o.Bytes(16); o.OK() && len(a.rec.prefixes) < maxList {
				a.rec.prefixes = append(a.rec.prefixes, prefix(packet.Addr16(p), bits))
			}
		case optMTU:
			o.Skip(2)
			a.rec.mtu = o.U32()
		case optDNS:
			o.Skip(6)
			for o.Len() >= 16 && len(a.rec.dns) < maxList {
				a.rec.dns = append(a.rec.dns, packet.Addr16(o.Bytes(16)).String())
			}
		}
	}
}

func prefix(p packet.Addr, bits uint8) string {
	b := append(p.AppendTo(make([]byte, 0, 48)), '/')
	if bits >= 100 {
		b = append(b, '0'+bits/100%10)
	}
	if bits >= 10 {
		b = append(b, '0'+bits/10%10)
	}
	return string(append(b, '0'+bits%10))
}

func (a *analyzer) hardware(f *protocol.Flow, dir session.Direction, about packet.Addr, m packet.MAC) {
	if a.told[dir] == m || about.IsZero() || about.IsMulticast() {
		return
	}
	a.told[dir] = m
	f.Observe(protocol.Observation{Kind: protocol.HardwareMAC, Addr: about, Value: m.String()})
}

func (a *analyzer) router(f *protocol.Flow, dir session.Direction, c wire.Cursor) {
	r := &a.rec
	*r = Record{prefixes: r.prefixes[:0], dns: r.dns[:0]}
	r.hops = c.U8()
	r.flags = c.U8()
	r.lifetime = c.U16()
	c.Skip(8)
	if !c.OK() {
		f.Anomaly("truncated_ICMPv6", "")
		return
	}
	a.options(f, dir, c, f.Addr(dir))
	now := Record{hops: r.hops, flags: r.flags, lifetime: r.lifetime, mtu: r.mtu}
	counts := [2]int{1 + len(r.prefixes), len(r.dns)}
	if now.same(&a.last) && counts == a.counts {
		return
	}
	a.last, a.counts = now, counts
	f.Emit(r)
}

// Record is a router advertisement.
type Record struct {
	hops, flags   uint8
	lifetime      uint16
	mtu           uint32
	prefixes, dns []string
}

func (r *Record) same(o *Record) bool {
	return r.hops == o.hops && r.flags == o.flags && r.lifetime == o.lifetime && r.mtu == o.mtu
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Uint(uint64(r.hops))
	e.Interval(int64(r.lifetime) * 1e9)
	e.Bool(r.flags&0x80 != 0)
	e.Strs(r.prefixes)
	e.Strs(r.dns)
	if r.mtu == 0 {
		e.Unset()
	} else {
		e.Uint(uint64(r.mtu))
	}
}
