// Package oicq reads the header of OICQ, the protocol of Tencent QQ over UDP.
package oicq

import (
	"strconv"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "oicq",
	Doc:        "OICQ (Tencent QQ); recognised by its start and end bytes, a known command and port 8000.",
	Transports: protocol.UDP,
	Ports:      []uint16{8000},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the oicq record.
var Schema = record.New("oicq", "", "The first OICQ message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version of the client."},
	record.Field{Name: "command", Type: record.Count, Doc: "Command: 1 log out, 2 keep alive, 98 or 221 log in …"},
	record.Field{Name: "number", Type: record.Count, Doc: "QQ number of the user."},
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 12 || b[0] != 2 || b[len(b)-1] != 3 || !e.Port(8000) || b[1] == 0 || b[1] > 0x3f || b[3] != 0 {
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
		a.observe(f, dir)
		f.Emit(r)
	}
	return len(data)
}

// observe tells what the record shows about its sender.
func (a *analyzer) observe(f *protocol.Flow, dir session.Direction) {
	r := &a.rec
	if r.orig && r.number != 0 {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(dir), Value: strconv.FormatUint(r.number, 10)})
	}
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	c := wire.New(b)
	c.Skip(1)
	r.version, r.command = uint64(c.U16()), uint64(c.U16())
	c.Skip(2)
	r.number = uint64(c.U32())
	return c.OK()
}

// Record is a message.
type Record struct {
	orig    bool
	version uint64
	command uint64
	number  uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.version)
	e.Uint(r.command)
	unlessZero(e, r.number)
}

func unlessZero(e *record.Encoder, v uint64) {
	if v == 0 {
		e.Unset()
		return
	}
	e.Uint(v)
}
