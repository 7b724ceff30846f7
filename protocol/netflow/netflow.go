// Package netflow reads the headers of NetFlow and IPFIX (RFC 3954, RFC 7011).
package netflow

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "netflow",
	Apps:       []string{"ipfix"},
	Doc:        "NetFlow versions 1, 5, 7 and 9, and IPFIX; recognised by version and counts or lengths that fill the datagram.",
	Transports: protocol.UDP,
	Ports:      []uint16{2055, 4739, 9995, 9996},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the netflow record.
var Schema = record.New("netflow", "", "The first NetFlow or IPFIX datagram of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version: 10 is IPFIX."},
	record.Field{Name: "count", Type: record.Count, Doc: "Number of records."},
	record.Field{Name: "source_id", Type: record.Count, Doc: "Identifier of the exporting process."},
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 16 || b[0] != 0 {
		return protocol.No
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	switch b[1] {
	case 1:
		if n > 0 && n <= 24 && len(b) == 16+52*n {
			return protocol.Sure
		}
	case 5:
		if n > 0 && n <= 30 && len(b) == 24+48*n {
			return protocol.Sure
		}
	case 7:
		if n > 0 && n <= 28 && len(b) == 24+52*n {
			return protocol.Sure
		}
	case 9:
		if n > 0 && n < 256 && sets(b, 20) {
			return protocol.Sure
		}
	case 10:
		if n == len(b) && sets(b, 16) {
			return protocol.Sure
		}
	}
	return protocol.No
}

const maxSets = 64

// sets reports whether sets of templates or data fill b from off on.
func sets(b []byte, off int) bool {
	count := 0
	for ; len(b) >= off+4 && count < maxSets; count++ {
		id, n := binary.BigEndian.Uint16(b[off:]), int(binary.BigEndian.Uint16(b[off+2:]))
		if id > 3 && id < 256 || n < 4 || off+n > len(b) {
			return false
		}
		off += n
	}
	return count > 0 && len(b)-off < 4
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
	if r.version == 10 {
		f.SetApp("ipfix")
	}
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	c := wire.New(b)
	r.version = uint64(c.U16())
	n := c.U16()
	if r.version == 10 {
		c.Skip(8)
		r.source = uint64(c.U32())
		return c.OK()
	}
	r.count = uint64(n)
	if r.version == 9 {
		c.Skip(12)
		r.source = uint64(c.U32())
	}
	return c.OK()
}

// Record is a message.
type Record struct {
	orig    bool
	version uint64
	count   uint64
	source  uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.version)
	unlessZero(e, r.count)
	unlessZero(e, r.source)
}

func unlessZero(e *record.Encoder, v uint64) {
	if v == 0 {
		e.Unset()
		return
	}
	e.Uint(v)
}
