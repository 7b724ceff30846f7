// Package whatsapp recognises WhatsApp chat by the prologue of its Noise handshake.
package whatsapp

import (
	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "whatsapp",
	Doc:        "WhatsApp chat; recognised by the prologue of its Noise handshake, alone or behind routing information.",
	Transports: protocol.TCP,
	Ports:      []uint16{5222, 443},
	Encrypted:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the whatsapp record.
var Schema = record.New("whatsapp", "", "The start of a WhatsApp chat session.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version_major", Type: record.Count, Doc: "First byte of the version: the protocol."},
	record.Field{Name: "version_minor", Type: record.Count, Doc: "Second byte of the version: the dictionary."},
)

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

// prologue returns where the bytes WA and a version stand, -1 for nowhere, and
// whether more bytes may still show them.
func prologue(b []byte) (at int, more bool) {
	if len(b) < 4 {
		return -1, len(b) == 0 || b[0] == 'W' && (len(b) < 2 || b[1] == 'A') || b[0] == 'E' && (len(b) < 2 || b[1] == 'D')
	}
	if string(b[:4]) == "ED\x00\x01" { // edge routing: three bytes of length, and the information
		if len(b) < 7 {
			return -1, true
		}
		at = 7 + int(b[4])<<16 + int(b[5])<<8 + int(b[6])
		if at > 256 {
			return -1, false
		}
	}
	if len(b) < at+7 {
		return -1, true
	}
	// Behind the version there are three bytes of length of a short message.
	if string(b[at:at+2]) == "WA" && b[at+2] > 0 && b[at+2] < 0x80 && b[at+3] < 16 && b[at+4] == 0 && b[at+5] < 16 {
		return at, false
	}
	return -1, false
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[session.Orig]
	if len(b) == 0 || b[0] != 'W' && b[0] != 'E' {
		return protocol.No
	}
	at, more := prologue(b)
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
	at, more := prologue(b)
	if at < 0 {
		return false, more
	}
	r.major, r.minor = uint64(b[at+2]), uint64(b[at+3])
	return true, false
}

// Record is a message.
type Record struct {
	orig  bool
	major uint64
	minor uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.major)
	e.Uint(r.minor)
}
