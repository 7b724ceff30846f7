// Package discord reads the address discovery at the start of Discord voice sessions (Discord developer documentation, voice connections).
package discord

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "discord",
	Doc:        "Discord voice; recognised by its address discovery, a request of 74 bytes that are zero but for an identifier and a port.",
	Transports: protocol.UDP,
	Encrypted:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the discord record.
var Schema = record.New("discord", "", "The address discovery of a Discord voice session.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "ssrc", Type: record.Count, Doc: "Identifier of the client's media stream."},
	record.Field{Name: "address", Type: record.String, Doc: "Address at which the server sees the client."},
	record.Field{Name: "port", Type: record.Count, Doc: "Port at which the server sees the client."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

const messageBytes = 74

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) != messageBytes || b[0] != 0 || b[1] != 1 && b[1] != 2 || b[2] != 0 || b[3] != messageBytes-4 {
		return protocol.No
	}
	if b[1] == 1 {
		for _, v := range b[8 : messageBytes-2] {
			if v != 0 {
				return protocol.No
			}
		}
		return protocol.Sure
	}
	e.Reversed = e.Dir == session.Orig
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
	if len(b) != messageBytes {
		return false
	}
	c := wire.New(b)
	c.Skip(4)
	r.ssrc = uint64(c.U32())
	r.addr, _, _ = bytes.Cut(c.Bytes(64), []byte{0})
	r.port = uint64(c.U16())
	return b[0] == 0 && (b[1] == 1 || b[1] == 2)
}

// Record is a message.
type Record struct {
	orig bool
	ssrc uint64
	addr []byte
	port uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.ssrc)
	e.Bytes(r.addr[:min(len(r.addr), maxText)])
	unlessZero(e, r.port)
}

func unlessZero(e *record.Encoder, v uint64) {
	if v == 0 {
		e.Unset()
		return
	}
	e.Uint(v)
}
