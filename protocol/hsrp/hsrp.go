// Package hsrp reads the Hot Standby Router Protocol of Cisco, versions 1 and 2 (RFC 2281).
package hsrp

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
	Name:       "hsrp",
	Doc:        "Hot Standby Router Protocol (RFC 2281); recognised by port 1985 or 2029 and the layout of its messages.",
	Transports: protocol.UDP,
	Ports:      []uint16{1985, 2029},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the hsrp record.
var Schema = record.New("hsrp", "", "The first HSRP message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version, 1 or 2."},
	record.Field{Name: "group", Type: record.Count, Doc: "Group of routers."},
	record.Field{Name: "state", Type: record.Count, Doc: "State of the sender: 16 or 6 is active."},
	record.Field{Name: "priority", Type: record.Count, Doc: "Priority of the sender."},
	record.Field{Name: "virtual_addr", Type: record.Addr, Doc: "Address of the virtual router."},
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.RespPort != 1985 && e.RespPort != 2029 || len(b) < 20 {
		return protocol.No
	}
	if len(b) == 20 && b[0] == 0 && b[1] <= 2 && b[2] <= 16 || b[0] == 1 && b[1] == 40 && b[2] == 2 && len(b) >= 42 || b[0] == 0 && b[1] == 3 {
		return protocol.Sure
	}
	return protocol.No
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
	if first := c.U8(); first == 0 && c.OK() {
		r.version = 1
		c.Skip(1)
		r.state = uint64(c.U8())
		c.Skip(2)
		r.priority, r.group = uint64(c.U8()), uint64(c.U8())
		c.Skip(9)
		if a := c.Bytes(4); a != nil {
			r.addr = packet.Addr4(a).Netip()
		}
		return c.OK()
	}
	c.Skip(1)
	r.version = uint64(c.U8())
	c.Skip(1)
	r.state = uint64(c.U8())
	family := c.U8()
	r.group = uint64(c.U16())
	c.Skip(6)
	r.priority = uint64(c.U32())
	c.Skip(8)
	switch a := c.Bytes(16); {
	case a == nil:
	case family == 4:
		r.addr = packet.Addr4(a).Netip()
	case family == 6:
		r.addr = packet.Addr16(a).Netip()
	}
	return c.OK()
}

// Record is a message.
type Record struct {
	orig     bool
	version  uint64
	group    uint64
	state    uint64
	priority uint64
	addr     netip.Addr
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(r.version)
	e.Uint(r.group)
	e.Uint(r.state)
	e.Uint(r.priority)
	e.Addr(r.addr)
}
