// Package slp reads the Service Location Protocol, versions 1 and 2 (RFC 2165,
// RFC 2608).
package slp

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "slp",
	Doc:        "Service Location Protocol (RFC 2608, RFC 2165); recognised by version, function, a length that is the datagram's and a language tag.",
	Transports: protocol.UDP | protocol.TCP,
	Ports:      []uint16{427},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the slp record: one a message.
var Schema = record.New("slp", "", "An SLP message.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version, 1 or 2."},
	record.Field{Name: "function", Type: record.String, Doc: "Function of the message."},
	record.Field{Name: "xid", Type: record.Count, Doc: "Identifier that joins request and reply."},
	record.Field{Name: "error", Type: record.Count, Doc: "Error code of a reply, 0 for none."},
	record.Field{Name: "service", Type: record.String, Doc: "Service type that is asked for."},
	record.Field{Name: "scopes", Type: record.String, Doc: "Scopes the message is about."},
	record.Field{Name: "url", Type: record.String, Doc: "First service URL of a reply, registration or advertisement."},
	record.Field{Name: "urls", Type: record.Count, Doc: "Number of service URLs in a reply."},
	record.Field{Name: "attributes", Type: record.String, Doc: "Attributes, at most 256 bytes."},
)

const (
	header2Bytes  = 14
	header1Bytes  = 12
	maxAttributes = 256
)

var functions = [...]string{1: "SrvRqst", 2: "SrvRply", 3: "SrvReg", 4: "SrvDeReg", 5: "SrvAck", 6: "AttrRqst", 7: "AttrRply", 8: "DAAdvert",
	9: "SrvTypeRqst", 10: "SrvTypeRply", 11: "SAAdvert"}

// frame returns the length of the message b starts with. Ok is false if it is
// none.
func frame(b []byte) (n int, ok bool) {
	if len(b) < header1Bytes || b[1] == 0 || int(b[1]) >= len(functions) {
		return 0, false
	}
	switch b[0] {
	case 2:
		if len(b) < header2Bytes+2 {
			return 0, false
		}
		n = int(b[2])<<16 | int(binary.BigEndian.Uint16(b[3:]))
		tag := int(binary.BigEndian.Uint16(b[12:]))
		ok = b[5]&0x1f == 0 && b[6] == 0 && tag >= 2 && tag <= 16 && letter(b[14]) && letter(b[15]) && n >= header2Bytes+tag
	case 1:
		n = int(binary.BigEndian.Uint16(b[2:]))
		ok = b[5] == 0 && letter(b[6]) && letter(b[7]) && n >= header1Bytes
	}
	return n, ok
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) == 0 || b[0] != 1 && b[0] != 2 {
		return protocol.No
	}
	if e.Transport == protocol.TCP && len(b) < header2Bytes+2 {
		if b[0] != 2 || len(b) > 1 && (b[1] == 0 || int(b[1]) >= len(functions)) || len(b) > 6 && b[5]&0x1f|b[6] != 0 {
			return protocol.No
		}
		return protocol.More
	}
	n, ok := frame(b)
	if !ok || e.Transport == protocol.UDP && n != len(b) {
		return protocol.No
	}
	switch b[1] {
	case 2, 7, 10:
		e.Reversed = e.Dir == session.Orig && len(e.Seen[1]) == 0 && e.Port(427)
	}
	return protocol.Sure
}

type analyzer struct{ rec Record }

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse reads messages.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if f.Datagram() {
		a.message(f, dir, data)
		return len(data)
	}
	if len(data) < header2Bytes+2 {
		return 0
	}
	n, ok := frame(data)
	if !ok {
		f.Anomaly("slp_bad_message", "")
		return protocol.SkipAll
	}
	if len(data) < n {
		return 0
	}
	a.message(f, dir, data[:n])
	return n
}

func (a *analyzer) message(f *protocol.Flow, dir session.Direction, b []byte) {
	if _, ok := frame(b); !ok {
		f.Anomaly("slp_bad_message", "")
		return
	}
	r := &a.rec
	c := wire.New(b)
	*r = Record{orig: dir == session.Orig, version: c.U8(), function: c.U8()}
	if r.version == 2 {
		c.Skip(8)
		r.xid = c.U16()
		c.Vec16()
	} else {
		c.Skip(8)
		r.xid = c.U16()
	}
	r.body(&c)
	if !c.OK() {
		f.Anomaly("slp_truncated_message", "")
	}
	f.Emit(r)
}

func text(c *wire.Cursor) []byte { v := c.Vec16(); return v.Rest() }

// body reads the fields of a message (RFC 2608 section 8; version 1 has the
// scope elsewhere, and its own URL entry).
func (r *Record) body(c *wire.Cursor) {
	v2 := r.version == 2
	switch r.function {
	case 1:
		text(c)
		r.service = text(c)
		if v2 {
			r.scopes = text(c)
		}
	case 2:
		r.err, r.hasError = c.U16(), true
		if r.urls = uint64(c.U16()); r.urls > 0 && c.OK() {
			r.entry(c)
		}
	case 3:
		r.entry(c)
		if v2 {
			r.service = text(c)
			r.scopes = text(c)
		}
		r.attributes = text(c)
	case 4:
		if v2 {
			r.scopes = text(c)
			r.entry(c)
		} else {
			r.url = text(c)
		}
	case 5:
		r.err, r.hasError = c.U16(), true
	case 6:
		text(c)
		r.url = text(c)
		r.scopes = text(c)
	case 7:
		r.err, r.hasError = c.U16(), true
		r.attributes = text(c)
	case 8:
		r.err, r.hasError = c.U16(), true
		if v2 {
			c.Skip(4)
		}
		r.url = text(c)
		r.scopes = text(c)
		if v2 {
			r.attributes = text(c)
		}
	case 9:
		text(c)
		if n := int(c.U16()); n != 0xffff { // all naming authorities
			c.Skip(n)
		}
		r.scopes = text(c)
	case 10:
		r.err, r.hasError = c.U16(), true
		if v2 {
			r.service = text(c)
		}
	case 11:
		r.url = text(c)
		r.scopes = text(c)
		r.attributes = text(c)
	}
}

func (r *Record) entry(c *wire.Cursor) {
	if r.version == 2 {
		c.Skip(1)
	}
	c.Skip(2)
	r.url = text(c)
	if r.version == 2 {
		for i := int(c.U8()); i > 0 && c.OK(); i-- { // authentication blocks
			c.Skip(2)
			c.Skip(int(c.U16()) - 4)
		}
	}
}

// Record is an SLP message.
type Record struct {
	orig              bool
	version, function uint8
	xid, err          uint16
	hasError          bool
	urls              uint64
	service, scopes   []byte
	url, attributes   []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(uint64(r.version))
	e.Str(functions[r.function])
	e.Uint(uint64(r.xid))
	if r.hasError {
		e.Uint(uint64(r.err))
	} else {
		e.Unset()
	}
	e.Bytes(r.service)
	e.Bytes(r.scopes)
	e.Bytes(r.url)
	if r.function == 2 {
		e.Uint(r.urls)
	} else {
		e.Unset()
	}
	e.Bytes(r.attributes[:min(len(r.attributes), maxAttributes)])
}
