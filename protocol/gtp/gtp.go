// Package gtp reads the header of the control part of the GPRS Tunneling Protocol, versions 1 and 2 (3GPP TS 29.060, TS 29.274).
package gtp

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "gtp",
	Doc:        "GPRS Tunneling Protocol control messages (3GPP TS 29.274); recognised by flags and a length that is the datagram's.",
	Transports: protocol.UDP,
	Ports:      []uint16{2123, 3386},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the gtp record.
var Schema = record.New("gtp", "", "The first GTP control message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version, 1 or 2."},
	record.Field{Name: "message", Type: record.Count, Doc: "Type of the message: 1 echo request, 16 or 32 create, 17 or 33 its answer …"},
	record.Field{Name: "teid", Type: record.Count, Doc: "Tunnel endpoint identifier."},
	record.Field{Name: "length", Type: record.Count, Doc: "Length of the message."},
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 8 || b[1] == 0 || b[1] == 255 {
		return protocol.No
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	port := e.Port(2123)
	switch {
	case b[0]&0xf8 == 0x30 && n == len(b)-8 && port && (b[0]&7 == 0 || n >= 4), b[0]&0xe7 == 0x40 && n == len(b)-4 && port && (b[0]&8 == 0 || len(b) >= 12):
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
	r.version, r.kind, r.length = uint64(h>>5), uint64(c.U8()), uint64(c.U16())
	if r.version == 1 || h&8 != 0 {
		r.teid = uint64(c.U32())
	}
	return c.OK()
}

// Record is a message.
type Record struct {
	orig    bool
	version uint64
	kind    uint64
	teid    uint64
	length  uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.version)
	e.Uint(r.kind)
	unlessZero(e, r.teid)
	e.Uint(r.length)
}

func unlessZero(e *record.Encoder, v uint64) {
	if v == 0 {
		e.Unset()
		return
	}
	e.Uint(v)
}
