// Package ldp reads the Label Distribution Protocol (RFC 5036).
package ldp

import (
	"encoding/binary"
	"net/netip"

	"tyto/internal/record"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "ldp",
	Doc:        "Label Distribution Protocol (RFC 5036); recognised by version, length, label space and message type.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{646},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the ldp record.
var Schema = record.New("ldp", "", "The first LDP message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "router_id", Type: record.Addr, Doc: "Identifier of the sender."},
	record.Field{Name: "message", Type: record.String, Doc: "Type of the first message."},
)

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const headerBytes = 14

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) > 0 && b[0] != 0 || len(b) > 1 && b[1] != 1 {
		return protocol.No
	}
	if len(b) < headerBytes {
		if e.Transport == protocol.TCP {
			return protocol.More
		}
		return protocol.No
	}
	n, kind, size := int(binary.BigEndian.Uint16(b[2:])), binary.BigEndian.Uint16(b[10:])&0x7fff, int(binary.BigEndian.Uint16(b[12:]))
	if b[8]|b[9] != 0 || n < 14 || n > 4096 || size+10 > n || messageName(kind) == "" || e.Transport == protocol.UDP && n+4 != len(b) {
		return protocol.No
	}
	return protocol.Sure
}

func messageName(kind uint16) string {
	switch kind {
	case 0x0001:
		return "notification"
	case 0x0100:
		return "hello"
	case 0x0200:
		return "initialization"
	case 0x0201:
		return "keepalive"
	case 0x0300:
		return "address"
	case 0x0301:
		return "address_withdraw"
	case 0x0400:
		return "label_mapping"
	case 0x0401:
		return "label_request"
	case 0x0402:
		return "label_withdraw"
	case 0x0403:
		return "label_release"
	}
	return ""
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
		return skipped(f, data)
	}
	r := &a.rec
	*r = Record{orig: dir == session.Orig}
	ok, more := r.read(data)
	if more && len(data) < maxHead && !f.Datagram() {
		return 0
	}
	a.told[dir] = true
	if ok {
		f.Emit(r)
	}
	return skipped(f, data)
}

// skipped passes over the datagram, or the rest of the stream.
func skipped(f *protocol.Flow, data []byte) int {
	if f.Datagram() {
		return len(data)
	}
	return protocol.SkipAll
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if len(b) < headerBytes {
		return false, true
	}
	r.id, r.kind = packet.Addr4(b[4:]).Netip(), messageName(binary.BigEndian.Uint16(b[10:])&0x7fff)
	return r.kind != "", false
}

// Record is a message.
type Record struct {
	orig bool
	id   netip.Addr
	kind string
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Addr(r.id)
	e.Str(r.kind)
}
