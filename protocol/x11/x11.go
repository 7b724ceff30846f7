// Package x11 reads how clients and servers of the X Window System meet: the
// connection setup (X Protocol, section 8).
package x11

import (
	"bytes"
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of x11.
var Definition = protocol.Definition{
	Name:       "x11",
	Doc:        "X Window System protocol 11: recognised by the connection setup, in either byte order.",
	Transports: protocol.TCP,
	Ports:      []uint16{6000, 6001, 6002, 6010, 6011},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the x11 record.
var Schema = record.New("x11", "", "the setup of one X11 connection",
	record.Field{Name: "byte_order", Type: record.Enum, Doc: "Byte order of the client: big or little."},
	record.Field{Name: "major_version", Type: record.Count, Doc: "Protocol version of the client."},
	record.Field{Name: "minor_version", Type: record.Count, Doc: "Protocol revision of the client."},
	record.Field{Name: "auth_name", Type: record.String, Doc: "Method of authorization; unset if the client sent none."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the server accepted; unset without an answer."},
	record.Field{Name: "reason", Type: record.String, Doc: "Why the server refused."},
	record.Field{Name: "vendor", Type: record.String, Doc: "Vendor of the server."},
	record.Field{Name: "release", Type: record.Count, Doc: "Release number of the server."},
)

const (
	maxText = 128
	maxAuth = 4096 // bytes of the name that are waited for
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[session.Orig]
	if len(b) == 0 {
		b = e.Data[session.Resp]
		e.Reversed = true
	}
	if v := setup(b); v != protocol.Sure {
		e.Reversed = false
		return v
	}
	return protocol.Sure
}

// order returns the byte order that the first byte tells.
func order(c byte) binary.ByteOrder {
	switch c {
	case 'B':
		return binary.BigEndian
	case 'l':
		return binary.LittleEndian
	}
	return nil
}

// setup accepts version 11.0 in either byte order and sane lengths.
func setup(b []byte) protocol.Verdict {
	if len(b) == 0 {
		return protocol.No
	}
	o := order(b[0])
	switch {
	case o == nil:
		return protocol.No
	case len(b) < 12:
		if len(b) > 3 && o.Uint16(b[2:]) != 11 {
			return protocol.No
		}
		return protocol.More
	case o.Uint16(b[2:]) == 11 && o.Uint16(b[4:]) == 0 && o.Uint16(b[6:]) <= 64 && o.Uint16(b[8:]) <= 2048:
		return protocol.Sure
	}
	return protocol.No
}

type analyzer struct {
	order binary.ByteOrder
	rec   x11Record
	told  bool
}

type x11Record struct {
	little             bool
	major, minor       uint16
	name, reason       []byte
	vendor             []byte
	judged, ok, hasVer bool
	release            uint32
}

func (r *x11Record) Schema() *record.Schema { return Schema }

func (r *x11Record) Append(e *record.Encoder) {
	if r.little {
		e.Str("little")
	} else {
		e.Str("big")
	}
	e.Uint(uint64(r.major))
	e.Uint(uint64(r.minor))
	e.Bytes(r.name)
	if r.judged {
		e.Bool(r.ok)
	} else {
		e.Unset()
	}
	e.Bytes(r.reason)
	e.Bytes(r.vendor)
	if r.hasVer {
		e.Uint(uint64(r.release))
	} else {
		e.Unset()
	}
}

// Parse reads the setup, and the answer to it.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if dir == session.Orig {
		return a.client(data)
	}
	if a.order == nil {
		return 0
	}
	return a.server(f, data)
}

// Close tells the setup.
func (a *analyzer) Close(f *protocol.Flow) { a.end(f) }

func (a *analyzer) end(f *protocol.Flow) {
	if !a.told && a.order != nil {
		a.told = true
		f.Emit(&a.rec)
	}
	f.Finish()
}

func (a *analyzer) client(b []byte) int {
	if len(b) < 12 {
		return 0
	}
	o := order(b[0])
	if a.order != nil || o == nil {
		return protocol.SkipAll // requests
	}
	name := int(o.Uint16(b[6:]))
	if len(b) < 12+min(name, maxAuth) {
		return 0
	}
	a.order = o
	r := &a.rec
	r.little, r.major, r.minor = b[0] == 'l', o.Uint16(b[2:]), o.Uint16(b[4:])
	r.name = textline.Set(r.name, b[12:12+min(name, maxAuth)], maxText)
	return protocol.SkipAll
}

func (a *analyzer) server(f *protocol.Flow, b []byte) int {
	if len(b) < 8 {
		return 0
	}
	r, o := &a.rec, a.order
	r.judged, r.ok = true, b[0] == 1
	if !r.ok {
		n := int(b[1])
		if len(b) < 8+n {
			return 0
		}
		r.reason = textline.Set(r.reason, bytes.TrimSpace(b[8:8+n]), maxText)
		f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: f.Session.Orig, Value: "x11"})
		a.end(f)
		return len(b)
	}
	if len(b) < 40 {
		return 0
	}
	n := int(o.Uint16(b[24:]))
	if len(b) < 40+min(n, maxText) {
		return 0
	}
	r.release, r.hasVer = o.Uint32(b[8:]), true
	r.vendor = textline.Set(r.vendor, b[40:40+min(n, maxText)], maxText)
	f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: "X11 server: " + string(r.vendor)})
	a.end(f)
	return len(b)
}
