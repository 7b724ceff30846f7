// Package pptp reads the control connection of the Point-to-Point Tunneling
// Protocol (RFC 2637).
package pptp

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "pptp",
	Doc:        "Point-to-Point Tunneling Protocol control connection (RFC 2637); recognised by its magic cookie.",
	Transports: protocol.TCP,
	Ports:      []uint16{1723},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the pptp record: one a control message.
var Schema = record.New("pptp", "", "A PPTP control message other than an echo.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "message", Type: record.String, Doc: "Message type."},
	record.Field{Name: "host_name", Type: record.String, Doc: "Name of the sender."},
	record.Field{Name: "vendor", Type: record.String, Doc: "Vendor string of the sender."},
	record.Field{Name: "firmware", Type: record.Count, Doc: "Firmware revision of the sender."},
	record.Field{Name: "call_id", Type: record.Count, Doc: "Identifier of the call, which the GRE packets that carry its data repeat."},
	record.Field{Name: "result", Type: record.Count, Doc: "Result code of a reply; 1 is success."},
)

const (
	magic       = 0x1a2b3c4d
	headerBytes = 12
	maxBytes    = 512
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	switch {
	case len(b) > 0 && b[0] > 2:
		return protocol.No
	case len(b) < 8:
		return protocol.More
	case binary.BigEndian.Uint32(b[4:]) != magic || binary.BigEndian.Uint16(b[2:]) != 1:
		return protocol.No
	}
	if len(b) >= 10 && e.Dir == session.Orig && len(e.Data[1]) == 0 && b[9] == startReply {
		e.Reversed = true
	}
	return protocol.Sure
}

type analyzer struct {
	rec  Record
	told bool
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse reads control messages.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	used := 0
	for len(data)-used >= headerBytes {
		b := data[used:]
		n := int(binary.BigEndian.Uint16(b))
		if n < headerBytes || n > maxBytes || binary.BigEndian.Uint32(b[4:]) != magic {
			f.Anomaly("pptp_bad_message", "")
			f.Finish()
			return len(data)
		}
		if len(b) < n {
			break
		}
		a.message(f, dir, b[:n])
		used += n
	}
	return used
}

// Control messages (RFC 2637 section 2).
const (
	startRequest, startReply = 1, 2
	echoRequest, echoReply   = 5, 6
	outRequest, outReply     = 7, 8
)

func (a *analyzer) message(f *protocol.Flow, dir session.Direction, b []byte) {
	r := &a.rec
	*r = Record{orig: dir == session.Orig}
	c := wire.New(b)
	c.Skip(8)
	r.kind = c.U16()
	c.Skip(2)
	switch r.kind {
	case echoRequest, echoReply:
		return
	case startRequest, startReply:
		c.Skip(2)
		r.result = c.U8()
		c.Skip(1 + 4 + 4 + 2)
		r.firmware = c.U16()
		r.host = bytes.TrimRight(c.Bytes(64), "\x00")
		r.vendor = bytes.TrimRight(c.Bytes(64), "\x00")
		if r.kind == startRequest {
			r.result = 0
		}
	case outReply:
		r.call = c.U16()
		c.Skip(2)
		r.result = c.U8()
	default:
		r.call = c.U16()
	}
	if !c.OK() {
		f.Anomaly("pptp_bad_message", "")
		return
	}
	if len(r.host) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: string(r.host)})
	}
	if len(r.vendor) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: string(r.vendor)})
	}
	if !a.told {
		a.told = true
		f.Observe(protocol.Observation{Kind: protocol.Tunnel, Value: "pptp"})
	}
	f.Emit(r)
}

// Record is a PPTP control message.
type Record struct {
	orig         bool
	kind, call   uint16
	firmware     uint16
	result       uint8
	host, vendor []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

var messages = [...]string{1: "start_control_connection_request", 2: "start_control_connection_reply", 3: "stop_control_connection_request",
	4: "stop_control_connection_reply", 7: "outgoing_call_request", 8: "outgoing_call_reply", 9: "incoming_call_request", 10: "incoming_call_reply",
	11: "incoming_call_connected", 12: "call_clear_request", 13: "call_disconnect_notify", 14: "wan_error_notify", 15: "set_link_info"}

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	if int(r.kind) < len(messages) && messages[r.kind] != "" {
		e.Str(messages[r.kind])
	} else {
		e.Str("unknown-" + strconv.Itoa(int(r.kind)))
	}
	e.Bytes(r.host)
	e.Bytes(r.vendor)
	unlessZero(e, uint64(r.firmware))
	unlessZero(e, uint64(r.call))
	unlessZero(e, uint64(r.result))
}

func unlessZero(e *record.Encoder, v uint64) {
	if v == 0 {
		e.Unset()
		return
	}
	e.Uint(v)
}
