// Package capwap recognises the control and provisioning of wireless access points (RFC 5415).
package capwap

import (
	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "capwap",
	Doc:        "Control and Provisioning of Wireless Access Points (RFC 5415); recognised by preamble, header length and port 5246 or 5247.",
	Transports: protocol.UDP,
	Ports:      []uint16{5246, 5247},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the capwap record.
var Schema = record.New("capwap", "", "The first CAPWAP message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "dtls", Type: record.Bool, Doc: "True if the message is encrypted."},
	record.Field{Name: "message", Type: record.Count, Doc: "Type of a control message: 1 discovery request, 2 discovery response, 3 join request …"},
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 16 || !e.Port(5246) && !e.Port(5247) {
		return protocol.No
	}
	switch b[0] {
	case 0:
		if hlen := int(b[1]>>3) * 4; hlen >= 8 && hlen <= 32 && hlen < len(b) && b[3]&7 == 0 {
			return protocol.Sure
		}
	case 1: // DTLS behind four bytes
		if b[1]|b[2]|b[3] == 0 && b[4] >= 20 && b[4] <= 23 && b[5] == 0xfe {
			return protocol.Sure
		}
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
		a.observe(f, dir)
		f.Emit(r)
	}
	return len(data)
}

// observe tells what the record shows about its sender.
func (a *analyzer) observe(f *protocol.Flow, dir session.Direction) {
	r := &a.rec
	if r.dtls {
		f.SetEncrypted()
	}
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	if len(b) < 16 {
		return false
	}
	if r.dtls = b[0] == 1; r.dtls {
		return true
	}
	c := wire.New(b)
	c.Skip(int(b[1]>>3) * 4)
	if kind := c.U32(); kind <= 26 {
		r.kind = uint64(kind)
	}
	return c.OK()
}

// Record is a message.
type Record struct {
	orig bool
	dtls bool
	kind uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bool(r.dtls)
	unlessZero(e, r.kind)
}

func unlessZero(e *record.Encoder, v uint64) {
	if v == 0 {
		e.Unset()
		return
	}
	e.Uint(v)
}
