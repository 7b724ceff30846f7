// Package ajp reads requests of the Apache JServ Protocol, version 1.3.
package ajp

import (
	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "ajp",
	Doc:        "Apache JServ Protocol; recognised by the magic of a request, its length and code.",
	Transports: protocol.TCP,
	Ports:      []uint16{8009},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the ajp record.
var Schema = record.New("ajp", "", "The first AJP request of a session.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "method", Type: record.String, Doc: "Method of the request."},
	record.Field{Name: "uri", Type: record.String, Doc: "Address of the request."},
	record.Field{Name: "remote_addr", Type: record.String, Doc: "Address of the client of the web server."},
	record.Field{Name: "server_name", Type: record.String, Doc: "Server name of the request."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const (
	headerBytes          = 5
	forward, ping, cping = 2, 8, 10
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) > 0 && b[0] != 0x12 || len(b) > 1 && b[1] != 0x34 {
		return protocol.No
	}
	if len(b) < headerBytes {
		return protocol.More
	}
	n := int(b[2])<<8 | int(b[3])
	switch {
	case b[4] == forward && n > 10 && n <= 8192:
		if len(b) < headerBytes+4 {
			return protocol.More
		}
		if v := b[headerBytes+3]; b[headerBytes] == 0 || b[headerBytes] > 27 || b[headerBytes+1] != 0 || b[headerBytes+2] != 8 || v != 'H' {
			return protocol.No
		}
		return protocol.Sure
	case (b[4] == ping || b[4] == cping) && n == 1:
		return protocol.Likely
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
		f.Emit(r)
	}
	return protocol.SkipAll
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if !r.orig || len(b) < headerBytes {
		return false, r.orig
	}
	n := int(b[2])<<8 | int(b[3])
	if b[4] != forward {
		return false, false
	}
	if len(b) < 4+min(n, 2048) {
		return false, true
	}
	c := wire.New(b[headerBytes:])
	methods := [...]string{1: "OPTIONS", 2: "GET", 3: "HEAD", 4: "POST", 5: "PUT", 6: "DELETE", 7: "TRACE", 8: "PROPFIND", 9: "PROPPATCH", 10: "MKCOL",
		11: "COPY", 12: "MOVE", 13: "LOCK", 14: "UNLOCK"}
	if m := int(c.U8()); m < len(methods) {
		r.method = methods[m]
	}
	text(&c)
	r.uri, r.remote = text(&c), text(&c)
	text(&c)
	r.host = text(&c)
	return c.OK(), false
}

// text reads a string: a length, ffff for none, the bytes and a zero.
func text(c *wire.Cursor) []byte {
	n := int(c.U16())
	if n == 0xffff {
		return nil
	}
	v := c.Bytes(n)
	c.Skip(1)
	return v
}

// Record is a message.
type Record struct {
	orig   bool
	method string
	uri    []byte
	remote []byte
	host   []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.method)
	e.Bytes(r.uri[:min(len(r.uri), maxText)])
	e.Bytes(r.remote[:min(len(r.remote), maxText)])
	e.Bytes(r.host[:min(len(r.host), maxText)])
}
