// Package ptp reads the header of the Precision Time Protocol, version 2 (IEEE 1588).
package ptp

import (
	"encoding/binary"
	"encoding/hex"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "ptp",
	Doc:        "Precision Time Protocol (IEEE 1588); recognised by type, version, length and port 319 or 320.",
	Transports: protocol.UDP,
	Ports:      []uint16{319, 320},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the ptp record.
var Schema = record.New("ptp", "", "The first PTP message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "message", Type: record.String, Doc: "Type of the message."},
	record.Field{Name: "domain", Type: record.Count, Doc: "Clock domain."},
	record.Field{Name: "clock_id", Type: record.String, Doc: "Identity of the sender's clock, in hexadecimal."},
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.RespPort != 319 && e.RespPort != 320 || len(b) < 34 {
		return protocol.No
	}
	if n := int(binary.BigEndian.Uint16(b[2:])); b[1]&15 != 2 || n < 34 || n > len(b) || b[0]&15 > 13 || b[0]&15 > 3 && b[0]&15 < 8 {
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
	names := [...]string{0: "sync", 1: "delay_request", 2: "peer_delay_request", 3: "peer_delay_response", 8: "follow_up", 9: "delay_response",
		10: "peer_delay_follow_up", 11: "announce", 12: "signaling", 13: "management"}
	if t := int(c.U8() & 15); t < len(names) {
		r.kind = names[t]
	}
	c.Skip(3)
	r.domain = uint64(c.U8())
	c.Skip(15)
	r.clock = c.Bytes(8)
	return c.OK()
}

// Record is a message.
type Record struct {
	orig   bool
	kind   string
	domain uint64
	clock  []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.kind)
	e.Uint(r.domain)
	e.Str(hex.EncodeToString(r.clock))
}
