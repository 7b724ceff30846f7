// Package vrrp reads the Virtual Router Redundancy Protocol (RFC 5798).
package vrrp

import (
	"net/netip"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "vrrp",
	Doc:        "Virtual Router Redundancy Protocol (RFC 5798); IP protocol 112.",
	Transports: protocol.IP,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the vrrp record.
var Schema = record.New("vrrp", "", "The first VRRP advertisement of a session.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version, 2 or 3."},
	record.Field{Name: "vrid", Type: record.Count, Doc: "Identifier of the virtual router."},
	record.Field{Name: "priority", Type: record.Count, Doc: "Priority of the sender; 255 owns the address, 0 gives it up."},
	record.Field{Name: "virtual_addr", Type: record.Addr, Doc: "First address of the virtual router."},
)

const ipProto = 112

func probe(e *protocol.Evidence) protocol.Verdict {
	if e.Proto == ipProto {
		return protocol.Sure
	}
	return protocol.No
}

type analyzer struct {
	rec  Record
	told [2]bool
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse reads the first message of each side.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if a.told[dir] {
		return len(data)
	}
	r := &a.rec
	*r = Record{orig: dir == session.Orig}
	if r.read(data) {
		a.told[dir] = true
		f.Emit(r)
	}
	return len(data)
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	c := wire.New(b)
	h := c.U8()
	r.version, r.router, r.priority = uint64(h>>4), uint64(c.U8()), uint64(c.U8())
	c.Skip(5)
	if len(b) >= 24 && r.version == 3 && len(b)%16 == 8 {
		r.addr = packet.Addr16(c.Bytes(16)).Netip()
	} else if a := c.Bytes(4); a != nil {
		r.addr = packet.Addr4(a).Netip()
	}
	return c.OK()
}

// Record is a message.
type Record struct {
	orig     bool
	version  uint64
	router   uint64
	priority uint64
	addr     netip.Addr
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.version)
	e.Uint(r.router)
	e.Uint(r.priority)
	e.Addr(r.addr)
}
