// Package minecraft reads the handshake of Minecraft (Java edition).
package minecraft

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "minecraft",
	Doc:        "Minecraft Java edition; recognised by a handshake packet whose length, host name and next state fit.",
	Transports: protocol.TCP,
	Ports:      []uint16{25565},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the minecraft record.
var Schema = record.New("minecraft", "", "The handshake of a Minecraft client.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version number of the protocol."},
	record.Field{Name: "host", Type: record.String, Doc: "Server name the client was told."},
	record.Field{Name: "port", Type: record.Count, Doc: "Port the client was told."},
	record.Field{Name: "next_state", Type: record.String, Doc: "What the client wants: status or login."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

// varint reads a number of seven bits a byte, least significant first.
func varint(c *wire.Cursor) int {
	v := 0
	for i := 0; i < 5; i++ {
		b := c.U8()
		v |= int(b&0x7f) << (7 * i)
		if b&0x80 == 0 {
			return v
		}
	}
	c.Fail()
	return 0
}

// handshake reads the first packet. More is true if bytes are missing.
func handshake(b []byte) (h Record, ok, more bool) {
	c := wire.New(b)
	n := varint(&c)
	if !c.OK() || n < 7 || n > 300 {
		return h, false, !c.OK() && len(b) < 5
	}
	if c.Len() < n {
		return h, false, c.Len() == 0 || c.Rest()[0] == 0
	}
	p := c.Sub(n)
	if varint(&p) != 0 {
		return h, false, false
	}
	h.version = uint64(varint(&p))
	h.host = p.Bytes(varint(&p))
	h.port = uint64(p.U16())
	next := varint(&p)
	if !p.OK() || p.Len() > 0 || next < 1 || next > 3 || len(h.host) == 0 {
		return h, false, false
	}
	h.next = [...]string{"", "status", "login", "transfer"}[next]
	h.host, _, _ = bytes.Cut(h.host, []byte{0})
	for _, v := range h.host {
		if v <= ' ' || v > '~' {
			return h, false, false
		}
	}
	return h, true, false
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) == 0 || e.Dir != session.Orig {
		return protocol.No
	}
	_, ok, more := handshake(b)
	switch {
	case more:
		return protocol.More
	case ok:
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
		a.observe(f, dir)
		f.Emit(r)
	}
	return protocol.SkipAll
}

// observe tells what the record shows about its sender.
func (a *analyzer) observe(f *protocol.Flow, dir session.Direction) {
	r := &a.rec
	f.Observe(protocol.Observation{Kind: protocol.ServerName, Addr: f.Addr(dir.Other()), Value: string(r.host)})
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if !r.orig {
		return false, false
	}
	h, ok, more := handshake(b)
	h.orig = r.orig
	*r = h
	return ok, more
}

// Record is a message.
type Record struct {
	orig    bool
	version uint64
	host    []byte
	port    uint64
	next    string
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.version)
	e.Bytes(r.host[:min(len(r.host), maxText)])
	e.Uint(r.port)
	e.Str(r.next)
}
