// Package iax2 reads the calls of the Inter-Asterisk eXchange protocol, version 2 (RFC 5456).
package iax2

import (
	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "iax2",
	Doc:        "Inter-Asterisk eXchange (RFC 5456); recognised by the full frame of a new call or registration.",
	Transports: protocol.UDP,
	Ports:      []uint16{4569},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the iax2 record.
var Schema = record.New("iax2", "", "The first IAX2 control frame of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "message", Type: record.String, Doc: "Type of the message."},
	record.Field{Name: "called", Type: record.String, Doc: "Number that is called."},
	record.Field{Name: "calling", Type: record.String, Doc: "Number of the caller."},
	record.Field{Name: "user", Type: record.String, Doc: "User that calls or registers."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

const (
	headerBytes  = 12
	frameControl = 6 // frame type of IAX control
	maxElements  = 32
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < headerBytes || b[0]&0x80 == 0 || b[10] != frameControl || b[11] == 0 || b[11] > 40 {
		return protocol.No
	}
	start := b[2]|b[3]|b[8]|b[9] == 0
	switch {
	case start && b[11] == 1 && len(b) >= headerBytes+4 && string(b[12:16]) == "\x0b\x02\x00\x02": // a new call tells its version first
		return protocol.Sure
	case e.Port(4569):
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
	if len(r.user) > 0 && len(r.user) <= maxText {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(dir), Value: string(r.user)})
	}
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	c := wire.New(b)
	c.Skip(10)
	if c.U8() != frameControl || len(b) < headerBytes || b[0]&0x80 == 0 {
		return false
	}
	names := [...]string{1: "new", 2: "ping", 3: "pong", 4: "ack", 5: "hangup", 6: "reject", 7: "accept", 8: "authreq", 9: "authrep", 10: "inval",
		11: "lagrq", 12: "lagrp", 13: "regreq", 14: "regauth", 15: "regack", 16: "regrej", 17: "regrel", 30: "poke"}
	if t := int(c.U8()); t < len(names) {
		r.kind = names[t]
	}
	for i := 0; c.Len() >= 2 && i < maxElements; i++ {
		kind := c.U8()
		v := c.Vec8()
		switch kind {
		case 1:
			r.called = v.Rest()
		case 2:
			r.calling = v.Rest()
		case 6:
			r.user = v.Rest()
		}
	}
	return true
}

// Record is a message.
type Record struct {
	orig    bool
	kind    string
	called  []byte
	calling []byte
	user    []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.kind)
	e.Bytes(r.called[:min(len(r.called), maxText)])
	e.Bytes(r.calling[:min(len(r.calling), maxText)])
	e.Bytes(r.user[:min(len(r.user), maxText)])
}
