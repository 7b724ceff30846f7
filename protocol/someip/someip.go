// Package someip reads the header of SOME/IP (AUTOSAR).
package someip

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "someip",
	Doc:        "Scalable service-oriented middleware over IP (AUTOSAR SOME/IP); recognised by length, protocol version, message type and return code.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{30490, 30501},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the someip record.
var Schema = record.New("someip", "", "The first SOME/IP message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "service_id", Type: record.Count, Doc: "Service."},
	record.Field{Name: "method_id", Type: record.Count, Doc: "Method or event."},
	record.Field{Name: "message", Type: record.String, Doc: "Type of the message."},
	record.Field{Name: "return_code", Type: record.Count, Doc: "Return code; 0 is success."},
)

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const headerBytes = 16

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.TCP {
		if len(b) > 4 && b[4] != 0 || len(b) > 12 && b[12] != 1 {
			return protocol.No
		}
		if len(b) < headerBytes {
			return protocol.More
		}
	}
	if len(b) < headerBytes || b[12] != 1 || b[15] > 0x5e || b[13] == 0 {
		return protocol.No
	}
	n := binary.BigEndian.Uint32(b[4:])
	switch b[14] &^ 0x20 { // without the bit of segments
	case 0, 1, 2, 0x40, 0x41, 0x42, 0x80, 0x81, 0xc0, 0xc1:
	default:
		return protocol.No
	}
	if n < 8 || n > 1<<20 || e.Transport == protocol.UDP && int(n)+8 > len(b) {
		return protocol.No
	}
	if string(b[:4]) == "\xff\xff\x81\x00" && e.Transport == protocol.UDP { // service discovery
		return protocol.Sure
	}
	if e.Transport == protocol.TCP && int(n)+8 != len(b) && !e.Port(30490) && !e.Port(30501) {
		return protocol.No
	}
	return protocol.Likely
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
	c := wire.New(b)
	r.service, r.method = uint64(c.U16()), uint64(c.U16())
	c.Skip(10)
	switch c.U8() &^ 0x20 {
	case 0:
		r.kind = "request"
	case 1:
		r.kind = "request_no_return"
	case 2:
		r.kind = "notification"
	case 0x80:
		r.kind = "response"
	case 0x81:
		r.kind = "error"
	}
	r.code = uint64(c.U8())
	return true, false
}

// Record is a message.
type Record struct {
	orig    bool
	service uint64
	method  uint64
	kind    string
	code    uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.service)
	e.Uint(r.method)
	e.Str(r.kind)
	e.Uint(r.code)
}
