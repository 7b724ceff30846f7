// Package coap reads the Constrained Application Protocol over UDP (RFC 7252).
package coap

import (
	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "coap",
	Doc:        "Constrained Application Protocol (RFC 7252); recognised by a header and options that are whole, with port 5683 as support.",
	Transports: protocol.UDP,
	Ports:      []uint16{5683},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the coap record: one a message.
var Schema = record.New("coap", "", "A CoAP message.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "type", Type: record.Enum, Doc: "CON, NON, ACK or RST."},
	record.Field{Name: "code", Type: record.String, Doc: "Method of a request, class and detail of a response such as 2.05, or EMPTY."},
	record.Field{Name: "message_id", Type: record.Count, Doc: "Message identifier."},
	record.Field{Name: "host", Type: record.String, Doc: "Host of the request (Uri-Host)."},
	record.Field{Name: "path", Type: record.String, Doc: "Path of the request, its parts joined by slashes."},
	record.Field{Name: "payload_bytes", Type: record.Count, Doc: "Bytes of payload."},
)

// Options (RFC 7252 section 5.10, RFC 7641, RFC 7959).
const (
	optHost, optPath = 3, 11
	maxOptions       = 32
	maxPath          = 256
)

// known are the options below 64 that are assigned.
const known = 1<<1 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<9 | 1<<11 | 1<<12 | 1<<14 | 1<<15 | 1<<16 | 1<<17 | 1<<19 | 1<<20 | 1<<21 | 1<<23 |
	1<<27 | 1<<28 | 1<<31 | 1<<35 | 1<<39 | 1<<60

// option reads the next option. Done is true at the end or the payload marker.
func option(c *wire.Cursor, number *int) (value []byte, done bool) {
	if c.Len() == 0 {
		return nil, true
	}
	h := c.U8()
	if h == 0xff {
		return nil, true
	}
	delta, n := extended(c, int(h>>4)), extended(c, int(h&15))
	*number += delta
	return c.Bytes(n), false
}

func extended(c *wire.Cursor, v int) int {
	switch v {
	case 13:
		return 13 + int(c.U8())
	case 14:
		return 269 + int(c.U16())
	case 15:
		c.Fail()
	}
	return v
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 4 || b[0]>>6 != 1 || b[0]&15 > 8 {
		return protocol.No
	}
	class, detail, token := b[1]>>5, b[1]&31, int(b[0]&15)
	port := e.Port(5683)
	if b[1] == 0 { // empty: no token, no options
		if port && len(b) == 4 {
			return protocol.Likely
		}
		return protocol.No
	}
	if class == 0 && detail > 7 || class == 1 || class == 3 || class > 5 || class > 0 && detail > 12 && detail != 15 && detail != 29 && detail != 31 {
		return protocol.No
	}
	c := wire.New(b)
	c.Skip(4 + token)
	number, count := 0, 0
	for ; count < maxOptions; count++ {
		_, done := option(&c, &number)
		if !c.OK() {
			return protocol.No
		}
		if done {
			break
		}
		if !port && number < 64 && known>>number&1 == 0 || number >= 64 && number < 256 {
			return protocol.No
		}
	}
	e.Reversed = class > 0 && e.Dir == session.Orig && len(e.Seen[1]) == 0
	s := e.Seen[e.Dir.Other()]
	switch {
	case port:
		return protocol.Sure
	case class > 0 && len(s) >= 4+token && s[0]>>6 == 1 && s[0]&15 == b[0]&15 && token >= 4 && string(s[4:4+token]) == string(b[4:4+token]):
		return protocol.Sure
	case class == 0 && count >= 2 && number >= optPath && token > 0:
		return protocol.Likely
	case class == 0 && count == 1 && number == optPath && token >= 4:
		return protocol.More
	}
	return protocol.No
}

type analyzer struct {
	rec  Record
	path [maxPath]byte
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Idle reports that nothing is kept between two messages.
func (a *analyzer) Idle() bool { return true }

// Parse reads one message.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	h := c.U8()
	r := &a.rec
	*r = Record{orig: dir == session.Orig, kind: h >> 4 & 3, code: c.U8(), id: c.U16()}
	c.Skip(int(h & 15))
	if !c.OK() || h>>6 != 1 || h&15 > 8 {
		f.Anomaly("coap_bad_message", "")
		return len(data)
	}
	path, number := a.path[:0], 0
	for range maxOptions {
		v, done := option(&c, &number)
		if done {
			break
		}
		switch {
		case number == optHost:
			r.host = v
		case number == optPath && len(path)+1+len(v) <= maxPath:
			path = append(append(path, '/'), v...)
		}
	}
	if !c.OK() {
		f.Anomaly("coap_bad_option", "")
	}
	r.path, r.payload = path, c.Len()
	f.Emit(r)
	return len(data)
}

// Record is a CoAP message.
type Record struct {
	orig       bool
	kind, code uint8
	id         uint16
	host, path []byte
	payload    int
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

var methods = [...]string{"EMPTY", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"}

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str([...]string{"CON", "NON", "ACK", "RST"}[r.kind])
	if int(r.code) < len(methods) {
		e.Str(methods[r.code])
	} else {
		e.Raw([]byte{'0' + r.code>>5, '.', '0' + r.code&31/10, '0' + r.code&31%10})
	}
	e.Uint(uint64(r.id))
	e.Bytes(r.host)
	e.Bytes(r.path)
	e.Uint(uint64(r.payload))
}
