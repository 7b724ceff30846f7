// Package drda reads the names in the Distributed Relational Database Architecture of IBM Db2 and Derby (The Open Group, DRDA version 5).
package drda

import (
	"bytes"
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "drda",
	Doc:        "Distributed Relational Database Architecture (Db2, Derby); recognised by the two lengths, magic and code point of its first structure.",
	Transports: protocol.TCP,
	Ports:      []uint16{50000, 446, 1527},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the drda record.
var Schema = record.New("drda", "", "The names in the first messages of a DRDA side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "external_name", Type: record.String, Doc: "Name of the program and its job."},
	record.Field{Name: "server_name", Type: record.String, Doc: "Name of the sender's machine."},
	record.Field{Name: "class_name", Type: record.String, Doc: "Class of the program."},
	record.Field{Name: "release", Type: record.String, Doc: "Release of the program."},
	record.Field{Name: "database", Type: record.String, Doc: "Database that is asked for."},
	record.Field{Name: "user", Type: record.String, Doc: "User that logs in."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

// Code points that are read.
const (
	excsat, accsec, secchk, excsatrd   = 0x1041, 0x106d, 0x106e, 0x1443
	extnam, srvnam, srvclsnm, srvrlslv = 0x115e, 0x116d, 0x1147, 0x115a
	rdbnam, usrid, password            = 0x2110, 0x11a0, 0x11a1
	headerBytes                        = 10
	maxStructures, maxParameters       = 16, 64
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) > 2 && b[2] != 0xd0 || len(b) > 3 && b[3]&0xf > 5 {
		return protocol.No
	}
	if len(b) < headerBytes {
		return protocol.More
	}
	n, m, cp := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint16(b[8:])
	if n != m+6 || n < headerBytes || cp>>8 < 0x10 || cp>>8 > 0x24 {
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
		a.observe(f, dir)
		f.Emit(r)
	}
	return protocol.SkipAll
}

// observe tells what the record shows about its sender.
func (a *analyzer) observe(f *protocol.Flow, dir session.Direction) {
	r := &a.rec
	if len(r.server) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: string(r.server)})
	}
	if len(r.class) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: string(r.class) + " " + string(r.release)})
	}
	if len(r.user) > 0 {
		o := protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(dir), Value: string(r.user)}
		f.Observe(o)
		if r.secret {
			o.Kind = protocol.Credential
			f.Observe(o)
		}
	}
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	seen, needed := 0, 1
	for i := 0; i < needed && i < maxStructures; i++ {
		c := wire.New(b)
		n := int(c.U16())
		if c.U8() != 0xd0 && c.OK() || c.OK() && n < headerBytes {
			return seen > 0, false
		}
		if len(b) < max(n, headerBytes) {
			return false, true
		}
		if c.U8()&0x40 != 0 { // another structure follows in the same message
			needed++
		}
		c.Skip(4)
		p := wire.New(b[8:n])
		r.structure(p.U16(), &p)
		seen++
		b = b[n:]
	}
	return seen > 0, false
}

func (r *Record) structure(cp uint16, c *wire.Cursor) {
	switch cp {
	case excsat, accsec, secchk, excsatrd:
	default:
		return
	}
	for i := 0; c.Len() >= 4 && i < maxParameters; i++ {
		n := int(c.U16())
		kind := c.U16()
		v := c.Bytes(n - 4)
		if !c.OK() {
			return
		}
		switch kind {
		case extnam:
			r.ext = latin(v)
		case srvnam:
			r.server = latin(v)
		case srvclsnm:
			r.class = latin(v)
		case srvrlslv:
			r.release = latin(v)
		case rdbnam:
			r.database = latin(v)
		case usrid:
			r.user = latin(v)
		case password:
			r.secret = n > 4
		}
	}
}

// latin converts EBCDIC text, the letters, digits and marks that names have; a
// text that is not EBCDIC is returned as it is.
func latin(b []byte) []byte {
	b = b[:min(len(b), maxText)]
	for _, v := range b {
		if v != 0x40 && v < 0x4b {
			return b
		}
	}
	out := make([]byte, 0, len(b))
	for _, v := range b {
		switch {
		case v >= 0x81 && v <= 0x89:
			v = 'a' + v - 0x81
		case v >= 0x91 && v <= 0x99:
			v = 'j' + v - 0x91
		case v >= 0xa2 && v <= 0xa9:
			v = 's' + v - 0xa2
		case v >= 0xc1 && v <= 0xc9:
			v = 'A' + v - 0xc1
		case v >= 0xd1 && v <= 0xd9:
			v = 'J' + v - 0xd1
		case v >= 0xe2 && v <= 0xe9:
			v = 'S' + v - 0xe2
		case v >= 0xf0 && v <= 0xf9:
			v = '0' + v - 0xf0
		case v == 0x40:
			v = ' '
		case v == 0x4b:
			v = '.'
		case v == 0x60:
			v = '-'
		case v == 0x61:
			v = '/'
		case v == 0x6d:
			v = '_'
		default:
			v = '?'
		}
		out = append(out, v)
	}
	return bytes.TrimRight(out, " ")
}

// Record is a message.
type Record struct {
	orig     bool
	ext      []byte
	server   []byte
	class    []byte
	release  []byte
	database []byte
	user     []byte
	secret   bool // a password is in the messages
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.ext[:min(len(r.ext), maxText)])
	e.Bytes(r.server[:min(len(r.server), maxText)])
	e.Bytes(r.class[:min(len(r.class), maxText)])
	e.Bytes(r.release[:min(len(r.release), maxText)])
	e.Bytes(r.database[:min(len(r.database), maxText)])
	e.Bytes(r.user[:min(len(r.user), maxText)])
}
