// Package rtps reads the header of the Real-Time Publish-Subscribe protocol of DDS (OMG DDSI-RTPS).
package rtps

import (
	"encoding/hex"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "rtps",
	Doc:        "Real-Time Publish-Subscribe of DDS (DDSI-RTPS); recognised by its magic and version.",
	Transports: protocol.UDP,
	Ports:      []uint16{7400, 7410},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the rtps record.
var Schema = record.New("rtps", "", "The first RTPS message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version_major", Type: record.Count, Doc: "Major version."},
	record.Field{Name: "version_minor", Type: record.Count, Doc: "Minor version."},
	record.Field{Name: "vendor_id", Type: record.Count, Doc: "Vendor number."},
	record.Field{Name: "guid_prefix", Type: record.String, Doc: "Identifier of the participant, in hexadecimal."},
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 16 || string(b[:4]) != "RTPS" || b[4] != 2 && b[4] != 1 || b[5] > 9 {
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
	c.Skip(4)
	r.major, r.minor, r.vendor, r.guid = uint64(c.U8()), uint64(c.U8()), uint64(c.U16()), c.Bytes(12)
	return c.OK()
}

// Record is a message.
type Record struct {
	orig   bool
	major  uint64
	minor  uint64
	vendor uint64
	guid   []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.major)
	e.Uint(r.minor)
	e.Uint(r.vendor)
	e.Str(hex.EncodeToString(r.guid))
}
