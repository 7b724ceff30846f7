// Package openflow reads the hello of OpenFlow controllers and switches (ONF).
package openflow

import (
	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "openflow",
	Doc:        "OpenFlow; recognised by a hello whose length fits, on port 6633 or 6653.",
	Transports: protocol.TCP,
	Ports:      []uint16{6633, 6653},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the openflow record.
var Schema = record.New("openflow", "", "The hello of an OpenFlow side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.String, Doc: "Version of the protocol."},
	record.Field{Name: "message", Type: record.Count, Doc: "Type of the first message; 0 is hello."},
)

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const headerBytes = 8

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if !e.Port(6633) && !e.Port(6653) || len(b) > 0 && (b[0] == 0 || b[0] > 6) || len(b) > 1 && b[1] > 30 {
		return protocol.No
	}
	if len(b) < headerBytes {
		return protocol.More
	}
	if n := int(b[2])<<8 | int(b[3]); n < headerBytes || b[1] == 0 && n > 64 {
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
	if len(b) < headerBytes {
		return false, true
	}
	if b[0] > 6 {
		return false, false
	}
	r.version = [...]string{"", "1.0", "1.1", "1.2", "1.3", "1.4", "1.5"}[b[0]]
	r.kind = uint64(b[1])
	return true, false
}

// Record is a message.
type Record struct {
	orig    bool
	version string
	kind    uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.version)
	e.Uint(r.kind)
}
