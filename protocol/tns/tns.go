// Package tns reads how clients connect to Oracle databases: the Transparent
// Network Substrate's connect packet and the answer to it.
package tns

import (
	"bytes"
	"encoding/binary"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "tns",
	Doc:        "Oracle Transparent Network Substrate; recognised by a connect packet with a connect descriptor.",
	Transports: protocol.TCP,
	Ports:      []uint16{1521},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the tns record: one a connect.
var Schema = record.New("tns", "", "A connect to an Oracle database.",
	record.Field{Name: "version", Type: record.Count, Doc: "TNS version of the client."},
	record.Field{Name: "service_name", Type: record.String, Doc: "Service, or else the instance (SID), that is asked for."},
	record.Field{Name: "program", Type: record.String, Doc: "Client program."},
	record.Field{Name: "host", Type: record.String, Doc: "Name of the client machine."},
	record.Field{Name: "user", Type: record.String, Doc: "Account that runs the client program."},
	record.Field{Name: "command", Type: record.String, Doc: "Command to the listener, such as status."},
	record.Field{Name: "result", Type: record.Enum, Doc: "accepted, refused or redirected; unset without an answer."},
)

// Packet types.
const (
	typeConnect, typeAccept, typeRefuse, typeRedirect, typeData, typeResend = 1, 2, 4, 5, 6, 11
	headerBytes                                                             = 8
	connectBytes                                                            = 34 // to the end of what all versions have
	maxConnect                                                              = 4 << 10
	maxText                                                                 = 128
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) > 4 && b[4] != typeConnect || len(b) > 0 && b[0] > maxConnect>>8 || len(b) > 3 && b[2]|b[3] != 0 {
		return protocol.No
	}
	if len(b) < connectBytes {
		return protocol.More
	}
	n, off, size := int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[26:])), int(binary.BigEndian.Uint16(b[24:]))
	version := binary.BigEndian.Uint16(b[8:])
	if b[6]|b[7] != 0 || version < 300 || version > 330 || n < connectBytes || off < connectBytes || off > 128 || size > maxConnect {
		return protocol.No
	}
	return protocol.Sure
}

type analyzer struct {
	rec     Record
	asked   bool
	told    bool
	waiting bool // for connect data in a packet of its own
}

// Close tells a connect without an answer.
func (a *analyzer) Close(f *protocol.Flow) { a.emit(f) }

func (a *analyzer) emit(f *protocol.Flow) {
	if a.asked && !a.told {
		a.told = true
		f.Emit(&a.rec)
	}
}

// Parse reads packets until the connect is answered.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if len(data) < headerBytes {
		return 0
	}
	n := int(binary.BigEndian.Uint16(data))
	if n < headerBytes || n > maxConnect+connectBytes {
		f.Anomaly("tns_bad_packet", "")
		f.Finish()
		return len(data)
	}
	if len(data) < n {
		return 0
	}
	p := data[:n]
	if dir == session.Orig {
		return a.request(f, data, p)
	}
	switch p[4] {
	case typeAccept:
		a.rec.result = "accepted"
	case typeRefuse:
		a.rec.result = "refused"
	case typeRedirect:
		a.rec.result = "redirected"
	case typeResend:
		a.asked = false
		return n
	default:
		return n
	}
	a.emit(f)
	f.Finish()
	return n
}

func (a *analyzer) request(f *protocol.Flow, data, p []byte) int {
	n := len(p)
	switch {
	case p[4] == typeConnect && n >= connectBytes:
		if a.asked {
			return n
		}
		a.asked = true
		a.rec = Record{version: binary.BigEndian.Uint16(p[8:])}
		size, off := int(binary.BigEndian.Uint16(p[24:])), int(binary.BigEndian.Uint16(p[26:]))
		switch {
		case size > 0 && off+size <= n:
			a.descriptor(f, p[off:off+size])
		case size > 0:
			a.waiting = true
		}
	case a.waiting && p[4] == typeData:
		a.waiting = false
		a.descriptor(f, p[headerBytes:])
	}
	return n
}

func (a *analyzer) descriptor(f *protocol.Flow, b []byte) {
	r := &a.rec
	if r.service = value(b, "(SERVICE_NAME="); r.service == "" {
		r.service = value(b, "(SID=")
	}
	r.command = value(b, "(COMMAND=")
	if i := bytes.Index(b, []byte("(CID=")); i >= 0 {
		c := b[i:]
		r.program, r.host, r.user = value(c, "(PROGRAM="), value(c, "(HOST="), value(c, "(USER=")
	}
	addr := f.Addr(session.Orig)
	for _, o := range [...]protocol.Observation{{Kind: protocol.HostName, Value: r.host}, {Kind: protocol.UserName, Value: r.user}, {Kind: protocol.Software, Value: r.program}} {
		if o.Value != "" {
			o.Addr = addr
			f.Observe(o)
		}
	}
}

// value returns what stands between key and the next parenthesis.
func value(b []byte, key string) string {
	i := bytes.Index(b, []byte(key))
	if i < 0 {
		return ""
	}
	b = b[i+len(key):]
	if i = bytes.IndexByte(b, ')'); i < 0 || i > maxText {
		return ""
	}
	return string(b[:i])
}

// Record is a connect.
type Record struct {
	version                                       uint16
	service, program, host, user, command, result string
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Uint(uint64(r.version))
	e.Str(r.service)
	e.Str(r.program)
	e.Str(r.host)
	e.Str(r.user)
	e.Str(r.command)
	e.Str(r.result)
}
