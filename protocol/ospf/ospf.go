// Package ospf reads the header of Open Shortest Path First (RFC 2328, RFC 5340).
package ospf

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
	Name:       "ospf",
	Doc:        "Open Shortest Path First (RFC 2328, RFC 5340); IP protocol 89.",
	Transports: protocol.IP,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the ospf record.
var Schema = record.New("ospf", "", "The first OSPF packet of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version, 2 or 3 (IPv6)."},
	record.Field{Name: "message", Type: record.String, Doc: "Type of the packet."},
	record.Field{Name: "router_id", Type: record.Addr, Doc: "Identifier of the sender."},
	record.Field{Name: "area", Type: record.Addr, Doc: "Area, in the form of an address."},
)

const ipProto = 89

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
	r.version = uint64(c.U8())
	names := [...]string{1: "hello", 2: "database_description", 3: "link_state_request", 4: "link_state_update", 5: "link_state_acknowledgment"}
	if t := c.U8(); int(t) < len(names) {
		r.kind = names[t]
	}
	c.Skip(2)
	id, area := c.Bytes(4), c.Bytes(4)
	if !c.OK() {
		return false
	}
	r.id, r.area = packet.Addr4(id).Netip(), packet.Addr4(area).Netip()
	return true
}

// Record is a message.
type Record struct {
	orig    bool
	version uint64
	kind    string
	id      netip.Addr
	area    netip.Addr
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.version)
	e.Str(r.kind)
	e.Addr(r.id)
	e.Addr(r.area)
}
