// Package natpmp reads NAT-PMP and the Port Control Protocol (RFC 6886, RFC 6887).
package natpmp

import (
	"net/netip"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "nat-pmp",
	Apps:       []string{"pcp"},
	Doc:        "NAT Port Mapping Protocol and Port Control Protocol (RFC 6886, RFC 6887); recognised by the exact lengths of their messages and port 5351.",
	Transports: protocol.UDP,
	Ports:      []uint16{5351, 5350},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the natpmp record.
var Schema = record.New("nat-pmp", "", "A NAT-PMP or PCP message.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "0 is NAT-PMP, 2 is PCP."},
	record.Field{Name: "op", Type: record.String, Doc: "Operation."},
	record.Field{Name: "response", Type: record.Bool, Doc: "True if the message is an answer."},
	record.Field{Name: "result", Type: record.Count, Doc: "Result code of an answer; 0 is success."},
	record.Field{Name: "internal_port", Type: record.Count, Doc: "Port of the device."},
	record.Field{Name: "external_port", Type: record.Count, Doc: "Port of the translator."},
	record.Field{Name: "lifetime", Type: record.Count, Doc: "Seconds the mapping is for."},
	record.Field{Name: "external_addr", Type: record.Addr, Doc: "Address of the translator."},
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if !e.Port(5351) && !e.Port(5350) || len(b) < 2 {
		return protocol.No
	}
	op := b[1]
	switch {
	case b[0] == 0 && (op == 0 && len(b) == 2 || op <= 2 && op > 0 && len(b) == 12 || op == 128 && len(b) == 12 || (op == 129 || op == 130) && len(b) == 16),
		b[0] == 2 && len(b) >= 24 && len(b) <= 1100 && len(b)%4 == 0 && op&0x7f <= 3:
		e.Reversed = op >= 128 && e.Dir == session.Orig && e.OrigPort == 5351
		return protocol.Sure
	}
	return protocol.No
}

type analyzer struct {
	rec Record
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse reads each message.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	r := &a.rec
	*r = Record{orig: dir == session.Orig}
	if r.read(data) {
		a.observe(f, dir)
		f.Emit(r)
	}
	return len(data)
}

// observe tells what the record shows about its sender.
func (a *analyzer) observe(f *protocol.Flow, dir session.Direction) {
	r := &a.rec
	if r.version == 2 {
		f.SetApp("pcp")
	}
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	c := wire.New(b)
	r.version = uint64(c.U8())
	op := c.U8()
	r.response = op&0x80 != 0
	if r.version == 2 {
		return r.pcp(&c, op&0x7f)
	}
	switch op & 0x7f {
	case 0:
		r.op = "public_address"
	case 1:
		r.op = "map_udp"
	case 2:
		r.op = "map_tcp"
	}
	if op == 0 {
		return c.OK()
	}
	r.result = uint64(c.U16()) // reserved in a request
	if r.response {
		c.Skip(4)
	}
	if op == 128 {
		if a := c.Bytes(4); a != nil {
			r.addr = packet.Addr4(a).Netip()
		}
		return c.OK()
	}
	r.internal, r.external, r.lifetime = uint64(c.U16()), uint64(c.U16()), uint64(c.U32())
	return c.OK()
}

// pcp reads a message of version 2 (RFC 6887 sections 7 and 11).
func (r *Record) pcp(c *wire.Cursor, op uint8) bool {
	names := [...]string{"announce", "map", "peer", "authentication"}
	if int(op) < len(names) {
		r.op = names[op]
	}
	c.Skip(1)
	r.result = uint64(c.U8())
	r.lifetime = uint64(c.U32())
	c.Skip(16)
	if op == 1 || op == 2 {
		c.Skip(12 + 4)
		r.internal, r.external = uint64(c.U16()), uint64(c.U16())
		if a := c.Bytes(16); a != nil {
			r.addr = packet.Addr16(a).Netip()
		}
	}
	return c.OK()
}

// Record is a message.
type Record struct {
	orig     bool
	version  uint64
	op       string
	response bool
	result   uint64
	internal uint64
	external uint64
	lifetime uint64
	addr     netip.Addr
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.version)
	e.Str(r.op)
	e.Bool(r.response)
	unlessZero(e, r.result)
	unlessZero(e, r.internal)
	unlessZero(e, r.external)
	unlessZero(e, r.lifetime)
	e.Addr(r.addr)
}

func unlessZero(e *record.Encoder, v uint64) {
	if v == 0 {
		e.Unset()
		return
	}
	e.Uint(v)
}
