// Package ah follows the Authentication Header of IPsec where what it guards is
// not decoded (RFC 4302).
package ah

import (
	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "ah",
	Doc:        "IPsec Authentication Header (RFC 4302); IP protocol 51.",
	Transports: protocol.IP,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the ah record: one a session.
var Schema = record.New("ah", "", "An AH session, told when its first packet is seen.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the packet."},
	record.Field{Name: "spi", Type: record.Count, Doc: "Security parameter index."},
	record.Field{Name: "seq", Type: record.Count, Doc: "Sequence number of the first packet seen."},
	record.Field{Name: "next_header", Type: record.Count, Doc: "IP protocol of what the header guards."},
)

const ipProto = 51

func probe(e *protocol.Evidence) protocol.Verdict {
	if e.Proto == ipProto {
		return protocol.Sure
	}
	return protocol.No
}

type analyzer struct {
	rec Record
	spi [2]uint32
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse takes one packet and tells the first of each security association.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	next := c.U8()
	c.Skip(3)
	spi, seq := c.U32(), c.U32()
	if !c.OK() {
		f.Anomaly("truncated_AH", "")
		return len(data)
	}
	f.Message(dir, 0, len(data))
	if a.spi[dir] != spi {
		a.spi[dir] = spi
		a.rec = Record{dir == session.Orig, spi, seq, next}
		f.Emit(&a.rec)
	}
	return len(data)
}

// Record is the first packet of a security association.
type Record struct {
	orig     bool
	spi, seq uint32
	next     uint8
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(uint64(r.spi))
	e.Uint(uint64(r.seq))
	e.Uint(uint64(r.next))
}
