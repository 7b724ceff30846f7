// Package hartip reads the header of HART-IP (FieldComm Group TS20085).
package hartip

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "hart-ip",
	Doc:        "HART-IP (FieldComm Group); recognised by version, type, identifier and length.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{5094},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the hartip record.
var Schema = record.New("hart-ip", "", "The first HART-IP message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version."},
	record.Field{Name: "message_type", Type: record.Count, Doc: "0 request, 1 response, 2 published, 15 refused."},
	record.Field{Name: "message", Type: record.String, Doc: "What the message is."},
	record.Field{Name: "status", Type: record.Count, Doc: "Status of a response; 0 is success."},
)

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const headerBytes = 8

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) > 0 && b[0] != 1 && b[0] != 2 || len(b) > 1 && b[1] > 2 && b[1] != 3 && b[1] != 15 || len(b) > 2 && b[2] > 4 && b[2] < 128 {
		return protocol.No
	}
	if len(b) < headerBytes {
		if e.Transport == protocol.TCP {
			return protocol.More
		}
		return protocol.No
	}
	n := int(binary.BigEndian.Uint16(b[6:]))
	switch {
	case n < headerBytes || n > 1024 || n == headerBytes && b[2] == 0 || n != len(b) && e.Transport == protocol.UDP:
		return protocol.No
	case len(b) < n:
		return protocol.More
	case e.Port(5094):
		return protocol.Sure
	case b[0] == 1 && b[1] <= 1 && b[2] == 0 && n == 13 && b[8] <= 1: // opening a session
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
		return skipped(f, data)
	}
	r := &a.rec
	*r = Record{orig: dir == session.Orig}
	ok, more := r.read(data)
	if more && len(data) < maxHead && !f.Datagram() {
		return 0
	}
	a.told[dir] = true
	if ok {
		f.Emit(r)
	}
	return skipped(f, data)
}

// skipped passes over the datagram, or the rest of the stream.
func skipped(f *protocol.Flow, data []byte) int {
	if f.Datagram() {
		return len(data)
	}
	return protocol.SkipAll
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if len(b) < headerBytes {
		return false, true
	}
	r.version, r.kind, r.status = uint64(b[0]), uint64(b[1]), uint64(b[3])
	if names := [...]string{"session_initiate", "session_close", "keep_alive", "token_passing", "direct"}; int(b[2]) < len(names) {
		r.id = names[b[2]]
	}
	return true, false
}

// Record is a message.
type Record struct {
	orig    bool
	version uint64
	kind    uint64
	id      string
	status  uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.version)
	e.Uint(r.kind)
	e.Str(r.id)
	e.Uint(r.status)
}
