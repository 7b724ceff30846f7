// Package fastcgi reads the first request of FastCGI connections.
package fastcgi

import (
	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "fastcgi",
	Doc:        "FastCGI; recognised by the record that begins a request.",
	Transports: protocol.TCP,
	Ports:      []uint16{9000},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the fastcgi record.
var Schema = record.New("fastcgi", "", "The first FastCGI request of a session.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "method", Type: record.String, Doc: "Method of the request."},
	record.Field{Name: "uri", Type: record.String, Doc: "Address of the request."},
	record.Field{Name: "script", Type: record.String, Doc: "Program that is run."},
	record.Field{Name: "server_name", Type: record.String, Doc: "Server name of the request."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const (
	headerBytes = 8
	params      = 4 // record type
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) > 0 && b[0] != 1 || len(b) > 1 && b[1] != 1 {
		return protocol.No
	}
	if len(b) < 2*headerBytes {
		return protocol.More
	}
	if string(b[4:9]) != "\x00\x08\x00\x00\x00" && string(b[4:9]) != "\x00\x08\x00\x01\x00" || b[9] == 0 || b[9] > 3 || b[10] > 1 || string(b[11:16]) != "\x00\x00\x00\x00\x00" {
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
	if !r.orig {
		return false, false
	}
	if len(b) < 3*headerBytes {
		return false, true
	}
	p := b[2*headerBytes:]
	n := int(p[4])<<8 | int(p[5])
	if p[1] != params {
		return false, false
	}
	if len(p) < headerBytes+min(n, 2048) {
		return false, true
	}
	c := wire.New(p[headerBytes:min(len(p), headerBytes+n)])
	for c.Len() > 2 {
		k, v := size(&c), size(&c)
		name, value := c.Bytes(k), c.Bytes(v)
		switch string(name) {
		case "REQUEST_METHOD":
			r.method = value
		case "REQUEST_URI":
			r.uri = value
		case "SCRIPT_FILENAME":
			r.script = value
		case "SERVER_NAME":
			r.host = value
		}
	}
	return true, false
}

// size reads a length of one byte, or of four if the highest bit is set.
func size(c *wire.Cursor) int {
	n := int(c.U8())
	if n < 0x80 {
		return n
	}
	return (n&0x7f)<<24 | int(c.U24())
}

// Record is a message.
type Record struct {
	orig   bool
	method []byte
	uri    []byte
	script []byte
	host   []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.method[:min(len(r.method), maxText)])
	e.Bytes(r.uri[:min(len(r.uri), maxText)])
	e.Bytes(r.script[:min(len(r.script), maxText)])
	e.Bytes(r.host[:min(len(r.host), maxText)])
}
