// Package bfd reads Bidirectional Forwarding Detection (RFC 5880).
package bfd

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "bfd",
	Doc:        "Bidirectional Forwarding Detection (RFC 5880); recognised by version, length and port 3784 or 4784.",
	Transports: protocol.UDP,
	Ports:      []uint16{3784, 4784},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the bfd record.
var Schema = record.New("bfd", "", "The first BFD control packet of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "diagnostic", Type: record.Count, Doc: "Why the session went down last; 0 for none."},
	record.Field{Name: "state", Type: record.String, Doc: "State of the sender."},
	record.Field{Name: "my_discriminator", Type: record.Count, Doc: "Identifier the sender gave the session."},
	record.Field{Name: "your_discriminator", Type: record.Count, Doc: "Identifier the receiver gave it, 0 if unknown."},
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.RespPort != 3784 && e.RespPort != 4784 || len(b) < 24 || b[0]>>5 != 1 || int(b[3]) != len(b) || b[2] == 0 || binary.BigEndian.Uint32(b[4:]) == 0 {
		return protocol.No
	}
	return protocol.Sure
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
	r.diag = uint64(c.U8() & 31)
	r.state = [...]string{"admin_down", "down", "init", "up"}[c.U8()>>6]
	c.Skip(2)
	r.mine, r.yours = uint64(c.U32()), uint64(c.U32())
	return c.OK()
}

// Record is a message.
type Record struct {
	orig  bool
	diag  uint64
	state string
	mine  uint64
	yours uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.diag)
	e.Str(r.state)
	e.Uint(r.mine)
	e.Uint(r.yours)
}
