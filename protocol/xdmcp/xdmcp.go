// Package xdmcp reads the X Display Manager Control Protocol.
package xdmcp

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "xdmcp",
	Doc:        "X Display Manager Control Protocol; recognised by version, operation and length.",
	Transports: protocol.UDP,
	Ports:      []uint16{177},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the xdmcp record.
var Schema = record.New("xdmcp", "", "The first XDMCP message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "op", Type: record.String, Doc: "Operation."},
	record.Field{Name: "host_name", Type: record.String, Doc: "Name of the display manager's host, when it is willing."},
	record.Field{Name: "status", Type: record.String, Doc: "Its status, such as the load."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

const headerBytes = 6

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < headerBytes+1 || b[0] != 0 || b[1] != 1 || b[2] != 0 || b[3] == 0 || b[3] > 14 || int(binary.BigEndian.Uint16(b[4:])) != len(b)-headerBytes || !e.Port(177) {
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
	if len(r.host) > 0 && len(r.host) <= maxText {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: string(r.host)})
	}
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	c := wire.New(b)
	c.Skip(2)
	names := [...]string{1: "broadcast_query", 2: "query", 3: "indirect_query", 4: "forward_query", 5: "willing", 6: "unwilling", 7: "request",
		8: "accept", 9: "decline", 10: "manage", 11: "refuse", 12: "failed", 13: "keepalive", 14: "alive"}
	op := int(c.U16())
	c.Skip(2)
	if op >= len(names) || !c.OK() {
		return false
	}
	r.op = names[op]
	if op == 5 || op == 6 {
		if op == 5 {
			c.Vec16()
		}
		host, status := c.Vec16(), c.Vec16()
		r.host, r.status = host.Rest(), status.Rest()
	}
	return c.OK()
}

// Record is a message.
type Record struct {
	orig   bool
	op     string
	host   []byte
	status []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.op)
	e.Bytes(r.host[:min(len(r.host), maxText)])
	e.Bytes(r.status[:min(len(r.status), maxText)])
}
