// Package sflow reads the header of sFlow, version 5 (sFlow.org, version 5) and its predecessors (RFC 3176).
package sflow

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
	Name:       "sflow",
	Doc:        "sFlow; recognised by version, address type and number of samples.",
	Transports: protocol.UDP,
	Ports:      []uint16{6343},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the sflow record.
var Schema = record.New("sflow", "", "The first sFlow datagram of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version."},
	record.Field{Name: "agent", Type: record.Addr, Doc: "Address of the agent."},
	record.Field{Name: "samples", Type: record.Count, Doc: "Number of samples."},
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 28 || b[0]|b[1]|b[2]|b[4]|b[5]|b[6] != 0 || b[3] != 5 && b[3] != 4 && b[3] != 2 || b[7] != 1 && b[7] != 2 {
		return protocol.No
	}
	c := wire.New(b)
	c.Skip(8)
	c.Skip([...]int{0, 4, 16}[b[7]])
	if b[3] == 5 {
		c.Skip(4)
	}
	c.Skip(8)
	n := c.U32()
	kind := c.U32()
	if !c.OK() || n == 0 || n > 128 || kind&0xfff == 0 || kind&0xfff > 5 {
		return protocol.No
	}
	if size := c.U32(); b[3] == 5 && int(size) > c.Len() {
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
		f.Emit(r)
	}
	return len(data)
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	c := wire.New(b)
	r.version = uint64(c.U32())
	switch c.U32() {
	case 1:
		if a := c.Bytes(4); a != nil {
			r.agent = packet.Addr4(a).Netip()
		}
	case 2:
		if a := c.Bytes(16); a != nil {
			r.agent = packet.Addr16(a).Netip()
		}
	}
	if r.version == 5 {
		c.Skip(4)
	}
	c.Skip(8)
	r.samples = uint64(c.U32())
	return c.OK()
}

// Record is a message.
type Record struct {
	orig    bool
	version uint64
	agent   netip.Addr
	samples uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.version)
	e.Addr(r.agent)
	e.Uint(r.samples)
}
