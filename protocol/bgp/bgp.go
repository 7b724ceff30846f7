// Package bgp reads the opening and closing of sessions of the Border Gateway
// Protocol (RFC 4271).
package bgp

import (
	"net/netip"
	"strconv"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "bgp",
	Doc:        "Border Gateway Protocol (RFC 4271); recognised by the marker of sixteen bytes of ones, length and type.",
	Transports: protocol.TCP,
	Ports:      []uint16{179},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the bgp record: one an OPEN or NOTIFICATION.
var Schema = record.New("bgp", "", "A BGP OPEN or NOTIFICATION.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "message", Type: record.Enum, Doc: "OPEN or NOTIFICATION."},
	record.Field{Name: "asn", Type: record.Count, Doc: "Autonomous system of the sender."},
	record.Field{Name: "hold_time", Type: record.Interval, Doc: "Hold time the sender proposes."},
	record.Field{Name: "router_id", Type: record.Addr, Doc: "Identifier of the sender."},
	record.Field{Name: "error", Type: record.String, Doc: "Error of a NOTIFICATION: code and subcode, the code by name."},
)

const (
	markerBytes        = 16
	headerBytes        = 19
	maxMessage         = 65535 // RFC 8654
	open, notification = 1, 3
	maxType            = 5
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	for i := 0; i < min(len(b), markerBytes); i++ {
		if b[i] != 0xff {
			return protocol.No
		}
	}
	if len(b) < headerBytes {
		return protocol.More
	}
	if n := int(b[16])<<8 | int(b[17]); n < headerBytes || n > 4096 || b[18] == 0 || b[18] > maxType {
		return protocol.No
	}
	return protocol.Sure
}

type analyzer struct{ rec Record }

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Gap goes on with the next segment if that starts a message.
func (a *analyzer) Gap(*protocol.Flow, session.Direction, int) bool { return true }

// Parse reads messages and passes over routes.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	used := 0
	for len(data)-used >= headerBytes {
		b := data[used:]
		n := int(b[16])<<8 | int(b[17])
		if b[0] != 0xff || b[15] != 0xff || n < headerBytes || b[18] == 0 || b[18] > maxType {
			f.Anomaly("bgp_bad_header", "")
			return protocol.SkipAll
		}
		if b[18] == open || b[18] == notification {
			if len(b) < n {
				break
			}
			a.message(f, dir, b[18], b[headerBytes:n])
		}
		used += n
	}
	return used
}

func (a *analyzer) message(f *protocol.Flow, dir session.Direction, kind uint8, b []byte) {
	r := &a.rec
	*r = Record{orig: dir == session.Orig, kind: kind}
	c := wire.New(b)
	if kind == notification {
		r.code, r.subcode = c.U8(), c.U8()
	} else {
		c.Skip(1)
		r.asn, r.hold = uint32(c.U16()), c.U16()
		if id := c.Bytes(4); id != nil {
			r.id = packet.Addr4(id).Netip()
		}
		params := c.Vec8()
		for i := 0; params.Len() >= 2 && i < 32; i++ {
			t, v := params.U8(), params.Vec8()
			for k := 0; t == 2 && v.Len() >= 2 && k < 32; k++ { // capabilities (RFC 5492)
				if code, cap := v.U8(), v.Vec8(); code == 65 && cap.Len() == 4 { // RFC 6793
					r.asn = cap.U32()
				}
			}
		}
	}
	if !c.OK() {
		f.Anomaly("bgp_bad_message", "")
		return
	}
	f.Emit(r)
}

// Record is an OPEN or NOTIFICATION.
type Record struct {
	orig                bool
	kind, code, subcode uint8
	asn                 uint32
	hold                uint16
	id                  netip.Addr
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

var errors = [...]string{1: "message header", 2: "OPEN message", 3: "UPDATE message", 4: "hold timer expired", 5: "finite state machine", 6: "cease", 7: "ROUTE-REFRESH message"}

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	if r.kind == open {
		e.Str("OPEN")
		e.Uint(uint64(r.asn))
		e.Interval(int64(r.hold) * 1e9)
		e.Addr(r.id)
		e.Unset()
		return
	}
	e.Str("NOTIFICATION")
	e.Unset()
	e.Unset()
	e.Unset()
	name := strconv.Itoa(int(r.code))
	if int(r.code) < len(errors) && errors[r.code] != "" {
		name = errors[r.code]
	}
	e.Str(name + " " + strconv.Itoa(int(r.subcode)))
}
