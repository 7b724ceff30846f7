// Package rip reads the Routing Information Protocol and RIPng (RFC 2453,
// RFC 2080).
package rip

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "rip",
	Apps:       []string{"ripng"},
	Doc:        "Routing Information Protocol (RFC 2453, RFC 2080); recognised by command, version, entries of twenty bytes and port 520 or 521.",
	Transports: protocol.UDP,
	Ports:      []uint16{520, 521},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the rip record: one a session and direction.
var Schema = record.New("rip", "", "The first RIP message of a session's side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "command", Type: record.Enum, Doc: "request or response."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version."},
	record.Field{Name: "routes", Type: record.Count, Doc: "Number of entries."},
	record.Field{Name: "authenticated", Type: record.Bool, Doc: "True if the first entry authenticates the sender."},
)

const (
	portRIP, portRIPng      = 520, 521
	headerBytes, entryBytes = 4, 20
	familyAuth              = 0xffff
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	ng := e.RespPort == portRIPng
	if len(b) < headerBytes+entryBytes || len(b)%entryBytes != headerBytes || b[0] != 1 && b[0] != 2 || b[1] != 1 && (b[1] != 2 || ng) || b[2]|b[3] != 0 && b[1] != 2 {
		return protocol.No
	}
	if ng {
		return protocol.Sure
	}
	if f := binary.BigEndian.Uint16(b[4:]); !e.Port(portRIP) || f != 2 && f != 0 && f != familyAuth {
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

// Parse reads one message.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, b []byte) int {
	if len(b) < headerBytes || b[0] == 0 {
		f.Anomaly("rip_bad_message", "")
		return len(b)
	}
	if f.Session.RespPort == portRIPng {
		f.SetApp("ripng")
	}
	if a.told[dir] {
		return len(b)
	}
	a.told[dir] = true
	a.rec = Record{orig: dir == session.Orig, command: b[0], version: b[1], routes: (len(b) - headerBytes) / entryBytes}
	if len(b) >= 6 && b[1] == 2 && binary.BigEndian.Uint16(b[4:]) == familyAuth {
		a.rec.auth = true
	}
	f.Emit(&a.rec)
	return len(b)
}

// Record is a message.
type Record struct {
	orig, auth       bool
	command, version uint8
	routes           int
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	switch r.command {
	case 1:
		e.Str("request")
	case 2:
		e.Str("response")
	default:
		e.Unset()
	}
	e.Uint(uint64(r.version))
	e.Uint(uint64(r.routes))
	e.Bool(r.auth)
}
