// Package thrift reads the names of the methods called by Apache Thrift's binary protocol.
package thrift

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "thrift",
	Doc:        "Apache Thrift, binary protocol; recognised by version, message type and a method name, with or without a frame.",
	Transports: protocol.TCP,
	Ports:      []uint16{9090},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the thrift record.
var Schema = record.New("thrift", "", "The first Thrift message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "type", Type: record.String, Doc: "Type of the message: call, reply, exception or oneway."},
	record.Field{Name: "method", Type: record.String, Doc: "Method."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

// message returns where the binary message starts: behind the length of a frame
// or at once. More is true if bytes are missing.
func message(b []byte) (at int, more bool) {
	if len(b) > 0 && b[0] == 0 {
		at = 4
	}
	for i, v := range [...]byte{0x80, 0x01, 0x00} {
		if len(b) > at+i && b[at+i] != v {
			return -1, false
		}
	}
	if len(b) < at+9 {
		return -1, true
	}
	n := int(binary.BigEndian.Uint32(b[at+4:]))
	if b[at+3] == 0 || b[at+3] > 4 || n == 0 || n > 128 {
		return -1, false
	}
	if len(b) < at+8+n {
		return -1, true
	}
	for _, v := range b[at+8 : at+8+n] {
		if v <= ' ' || v > '~' {
			return -1, false
		}
	}
	return at, false
}

func probe(e *protocol.Evidence) protocol.Verdict {
	at, more := message(e.Data[e.Dir])
	switch {
	case more:
		return protocol.More
	case at < 0:
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
		return protocol.SkipAll
	}
	r := &a.rec
	*r = Record{orig: dir == session.Orig}
	ok, more := r.read(data)
	if more && len(data) < maxHead {
		return 0
	}
	a.told[dir] = true
	if ok {
		f.Emit(r)
	}
	return protocol.SkipAll
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	at, more := message(b)
	if at < 0 {
		return false, more
	}
	r.kind = [...]string{"", "call", "reply", "exception", "oneway"}[b[at+3]]
	r.method = b[at+8 : at+8+int(binary.BigEndian.Uint32(b[at+4:]))]
	return true, false
}

// Record is a message.
type Record struct {
	orig   bool
	kind   string
	method []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.kind)
	e.Bytes(r.method[:min(len(r.method), maxText)])
}
