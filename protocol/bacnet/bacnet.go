// Package bacnet reads BACnet/IP (ANSI/ASHRAE 135, annex J).
package bacnet

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "bacnet",
	Doc:        "BACnet/IP (ASHRAE 135); recognised by its virtual link header, whose length is the datagram's, and the version of the network layer.",
	Transports: protocol.UDP,
	Ports:      []uint16{47808},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the bacnet record: one a message.
var Schema = record.New("bacnet", "bacnet", "A BACnet message.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "bvlc_function", Type: record.String, Doc: "Function of the virtual link layer."},
	record.Field{Name: "pdu_type", Type: record.String, Doc: "Type of the application message."},
	record.Field{Name: "pdu_service", Type: record.String, Doc: "Service of the application message, or message of the network layer."},
	record.Field{Name: "invoke_id", Type: record.Count, Doc: "Identifier that joins a confirmed request and its answer."},
	record.Field{Name: "result_code", Type: record.Count, Doc: "Result of a virtual link request, or reason of a reject or abort."},
	record.Field{Name: "instance", Type: record.Count, Doc: "Device instance of an I-Am."},
	record.Field{Name: "vendor_id", Type: record.Count, Doc: "Vendor number of an I-Am."},
)

var functions = [...]string{0: "BVLC-Result", 1: "Write-Broadcast-Distribution-Table", 2: "Read-Broadcast-Distribution-Table",
	3: "Read-Broadcast-Distribution-Table-Ack", 4: "Forwarded-NPDU", 5: "Register-Foreign-Device", 6: "Read-Foreign-Device-Table",
	7: "Read-Foreign-Device-Table-Ack", 8: "Delete-Foreign-Device-Table-Entry", 9: "Distribute-Broadcast-To-Network", 10: "Original-Unicast-NPDU",
	11: "Original-Broadcast-NPDU", 12: "Secure-BVLL"}

const (
	bvlcType       = 0x81
	bvlcResult     = 0
	bvlcForwarded  = 4
	bvlcDistribute = 9
	bvlcUnicast    = 10
	bvlcBroadcast  = 11
	networkVersion = 1
	networkMessage = 0x80 // control bits of the network layer
	hasDestination = 0x20
	hasSource      = 0x08
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 4 || b[0] != bvlcType || int(b[1]) >= len(functions) || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return protocol.No
	}
	switch b[1] {
	case bvlcUnicast, bvlcBroadcast, bvlcDistribute:
		if len(b) > 5 && b[4] == networkVersion {
			return protocol.Sure
		}
	case bvlcForwarded:
		if len(b) > 11 && b[10] == networkVersion {
			return protocol.Sure
		}
	case bvlcResult, 5:
		if len(b) == 6 {
			return protocol.Sure
		}
	default:
		if e.Port(47808) {
			return protocol.Likely
		}
	}
	return protocol.No
}

type analyzer struct{ rec Record }

// Idle reports that nothing is kept between two messages.
func (a *analyzer) Idle() bool { return true }

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse reads one message.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	kind, function, n := c.U8(), c.U8(), int(c.U16())
	if kind != bvlcType || int(function) >= len(functions) || n > len(data) || n < 4 {
		f.Anomaly("bacnet_bad_header", "")
		return len(data)
	}
	r := &a.rec
	*r = Record{orig: dir == session.Orig, function: function}
	switch function {
	case bvlcResult:
		r.result, r.hasResult = c.U16(), true
	case bvlcForwarded:
		c.Skip(6)
		r.network(&c)
	case bvlcUnicast, bvlcBroadcast, bvlcDistribute:
		r.network(&c)
	}
	if !c.OK() {
		f.Anomaly("bacnet_truncated", "")
	}
	f.Emit(r)
	return len(data)
}

var networkMessages = [...]string{0: "who_is_router_to_network", 1: "i_am_router_to_network", 2: "i_could_be_router_to_network",
	3: "reject_message_to_network", 4: "router_busy_to_network", 5: "router_available_to_network", 6: "initialize_routing_table",
	7: "initialize_routing_table_ack", 8: "establish_connection_to_network", 9: "disconnect_connection_to_network", 18: "what_is_network_number",
	19: "network_number_is"}

// network reads the network layer (section 6) and the header of what it
// carries (section 20).
func (r *Record) network(c *wire.Cursor) {
	c.Skip(1)
	control := c.U8()
	if control&hasDestination != 0 {
		c.Skip(2)
		c.Skip(int(c.U8()))
	}
	if control&hasSource != 0 {
		c.Skip(2)
		c.Skip(int(c.U8()))
	}
	if control&hasDestination != 0 {
		c.Skip(1)
	}
	if control&networkMessage != 0 {
		if m := c.U8(); int(m) < len(networkMessages) {
			r.service = networkMessages[m]
		}
		return
	}
	b := c.U8()
	if !c.OK() {
		return
	}
	r.hasPDU, r.pdu = true, b>>4
	switch r.pdu {
	case 0: // confirmed request
		c.Skip(1)
		r.invoke, r.hasInvoke = c.U8(), true
		if b&0x08 != 0 {
			c.Skip(2)
		}
		r.service = name(confirmed[:], c.U8())
	case 1: // unconfirmed request
		s := c.U8()
		if r.service = name(unconfirmed[:], s); s == 0 {
			r.iAm(*c)
		}
	case 2: // simple acknowledgement
		r.invoke, r.hasInvoke = c.U8(), true
		r.service = name(confirmed[:], c.U8())
	case 3: // complex acknowledgement
		r.invoke, r.hasInvoke = c.U8(), true
		if b&0x08 != 0 {
			c.Skip(2)
		}
		r.service = name(confirmed[:], c.U8())
	case 4: // segment acknowledgement
		r.invoke, r.hasInvoke = c.U8(), true
	case 5: // error
		r.invoke, r.hasInvoke = c.U8(), true
		r.service = name(confirmed[:], c.U8())
	case 6, 7: // reject, abort
		r.invoke, r.hasInvoke = c.U8(), true
		r.result, r.hasResult = uint16(c.U8()), true
	}
}

// iAm reads the announcement of a device: object identifier, two values that
// are not kept, and vendor number.
func (r *Record) iAm(c wire.Cursor) {
	if c.U8() != 0xc4 {
		return
	}
	id := c.U32()
	for i := 0; i < 3; i++ {
		tag := c.U8()
		n := int(tag & 7)
		b := c.Bytes(n)
		if !c.OK() || n == 0 || n > 4 {
			return
		}
		if i == 2 {
			for _, v := range b {
				r.vendor = r.vendor<<8 | uint32(v)
			}
		}
	}
	r.instance, r.hasDevice = id&0x3fffff, id>>22 == 8
}

func name(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return ""
}

var pduTypes = [...]string{"CONFIRMED_REQUEST", "UNCONFIRMED_REQUEST", "SIMPLE_ACK", "COMPLEX_ACK", "SEGMENT_ACK", "ERROR", "REJECT", "ABORT"}

var unconfirmed = [...]string{"i_am", "i_have", "unconfirmed_cov_notification", "unconfirmed_event_notification", "unconfirmed_private_transfer",
	"unconfirmed_text_message", "time_synchronization", "who_has", "who_is", "utc_time_synchronization", "write_group"}

var confirmed = [...]string{"acknowledge_alarm", "confirmed_cov_notification", "confirmed_event_notification", "get_alarm_summary",
	"get_enrollment_summary", "subscribe_cov", "atomic_read_file", "atomic_write_file", "add_list_element", "remove_list_element", "create_object",
	"delete_object", "read_property", "read_property_conditional", "read_property_multiple", "write_property", "write_property_multiple",
	"device_communication_control", "confirmed_private_transfer", "confirmed_text_message", "reinitialize_device", "vt_open", "vt_close", "vt_data",
	"authenticate", "request_key", "read_range", "life_safety_operation", "subscribe_cov_property", "get_event_information",
	"subscribe_cov_property_multiple", "confirmed_cov_notification_multiple", "confirmed_audit_notification", "audit_log_query"}

// Record is a BACnet message.
type Record struct {
	orig                                    bool
	function, pdu, invoke                   uint8
	hasPDU, hasInvoke, hasResult, hasDevice bool
	service                                 string
	result                                  uint16
	instance, vendor                        uint32
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(functions[r.function])
	if r.hasPDU && int(r.pdu) < len(pduTypes) {
		e.Str(pduTypes[r.pdu])
	} else {
		e.Unset()
	}
	e.Str(r.service)
	optional(e, uint32(r.invoke), r.hasInvoke)
	optional(e, uint32(r.result), r.hasResult)
	optional(e, r.instance, r.hasDevice)
	optional(e, r.vendor, r.hasDevice)
}

func optional(e *record.Encoder, v uint32, ok bool) {
	if !ok {
		e.Unset()
		return
	}
	e.Uint(uint64(v))
}
