// Package eigrp reads the header of the Enhanced Interior Gateway Routing Protocol (RFC 7868).
package eigrp

import (
	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "eigrp",
	Doc:        "Enhanced Interior Gateway Routing Protocol (RFC 7868); IP protocol 88.",
	Transports: protocol.IP,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the eigrp record.
var Schema = record.New("eigrp", "", "The first EIGRP packet of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version."},
	record.Field{Name: "opcode", Type: record.Count, Doc: "Operation: 1 update, 3 query, 4 reply, 5 hello."},
	record.Field{Name: "asn", Type: record.Count, Doc: "Autonomous system."},
)

const ipProto = 88

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
	r.version, r.opcode = uint64(c.U8()), uint64(c.U8())
	c.Skip(16)
	r.asn = uint64(c.U16())
	return c.OK()
}

// Record is a message.
type Record struct {
	orig    bool
	version uint64
	opcode  uint64
	asn     uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.version)
	e.Uint(r.opcode)
	e.Uint(r.asn)
}
