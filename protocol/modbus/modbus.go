// Package modbus reads Modbus over TCP (Modbus Application Protocol V1.1b3).
package modbus

import (
	"encoding/binary"
	"strconv"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "modbus",
	Doc:        "Modbus/TCP (Modbus Application Protocol); recognised by protocol identifier 0, a length that frames it, and a function whose own length fits.",
	Transports: protocol.TCP,
	Ports:      []uint16{502},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the modbus record: one a request or response.
var Schema = record.New("modbus", "modbus", "A Modbus request or response.",
	record.Field{Name: "tid", Type: record.Count, Doc: "Transaction identifier, the same in request and response."},
	record.Field{Name: "unit", Type: record.Count, Doc: "Unit identifier: the device behind a gateway."},
	record.Field{Name: "func", Type: record.String, Doc: "Function by name; with _EXCEPTION in a response that refuses it."},
	record.Field{Name: "pdu_type", Type: record.Enum, Doc: "REQ or RESP."},
	record.Field{Name: "exception", Type: record.String, Doc: "Why the function was refused."},
	record.Field{Name: "address", Type: record.Count, Doc: "First coil or register of a request."},
	record.Field{Name: "quantity", Type: record.Count, Doc: "Number of coils or registers of a request; the value of a single write."},
)

const (
	headerBytes = 7
	minLength   = 2   // unit and function
	maxLength   = 260 // some devices exceed the 254 of the specification a little
)

var functions = [...]string{1: "READ_COILS", 2: "READ_DISCRETE_INPUTS", 3: "READ_HOLDING_REGISTERS", 4: "READ_INPUT_REGISTERS", 5: "WRITE_SINGLE_COIL",
	6: "WRITE_SINGLE_REGISTER", 7: "READ_EXCEPTION_STATUS", 8: "DIAGNOSTICS", 9: "PROGRAM_484", 10: "POLL_484", 11: "GET_COMM_EVENT_COUNTER",
	12: "GET_COMM_EVENT_LOG", 13: "PROGRAM_584_984", 14: "POLL_584_984", 15: "WRITE_MULTIPLE_COILS", 16: "WRITE_MULTIPLE_REGISTERS",
	17: "REPORT_SLAVE_ID", 18: "PROGRAM_884_U84", 19: "RESET_COMM_LINK_884_U84", 20: "READ_FILE_RECORD", 21: "WRITE_FILE_RECORD",
	22: "MASK_WRITE_REGISTER", 23: "READ_WRITE_MULTIPLE_REGISTERS", 24: "READ_FIFO_QUEUE", 40: "PROGRAM_CONCEPT", 43: "ENCAP_INTERFACE_TRANSPORT",
	90: "PROGRAM_UNITY", 125: "FIRMWARE_REPLACEMENT", 126: "PROGRAM_584_984_2", 127: "REPORT_LOCAL_ADDRESS"}

var exceptions = [...]string{1: "ILLEGAL_FUNCTION", 2: "ILLEGAL_DATA_ADDRESS", 3: "ILLEGAL_DATA_VALUE", 4: "SLAVE_DEVICE_FAILURE", 5: "ACKNOWLEDGE",
	6: "SLAVE_DEVICE_BUSY", 8: "MEMORY_PARITY_ERROR", 10: "GATEWAY_PATH_UNAVAILABLE", 11: "GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND"}

// frame reads a header. Size is that of the whole message.
func frame(b []byte) (size int, ok bool) {
	if len(b) < headerBytes+1 || b[2]|b[3] != 0 {
		return 0, false
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	fn := b[7] & 0x7f
	return 6 + n, n >= minLength && n <= maxLength && int(fn) < len(functions) && functions[fn] != ""
}

// fits reports whether a whole message's length is that of its function, as a
// request and as a response.
func fits(b []byte) (request, response bool) {
	pdu := b[headerBytes:]
	n := len(pdu)
	if pdu[0]&0x80 != 0 {
		return false, n == 2 && pdu[1] > 0 && pdu[1] < 16
	}
	counted := n >= 2 && n == 2+int(pdu[1])
	switch pdu[0] {
	case 1, 2, 3, 4:
		q := 0
		if n == 5 {
			q = int(binary.BigEndian.Uint16(pdu[3:]))
		}
		return n == 5 && q > 0 && q <= 2000, counted
	case 5, 6:
		return n == 5, n == 5
	case 15, 16:
		return n >= 6 && n == 6+int(pdu[5]), n == 5
	case 7, 11, 12, 17:
		return n == 1, n > 1 && n <= 60
	case 22:
		return n == 7, n == 7
	case 23:
		return n >= 10 && n == 10+int(pdu[9]), counted
	case 43:
		return n >= 3 && (pdu[1] == 13 || pdu[1] == 14), n >= 3 && (pdu[1] == 13 || pdu[1] == 14)
	}
	return false, false
}

// next reports whether b starts with a message.
func next(b []byte) bool {
	_, ok := frame(b)
	return ok
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < headerBytes+1 {
		if len(b) > 3 && b[2]|b[3] != 0 || len(b) > 4 && b[4] > 1 {
			return protocol.No
		}
		return protocol.More
	}
	n, ok := frame(b)
	if !ok {
		return protocol.No
	}
	if len(b) < n {
		return protocol.More
	}
	port := e.Port(502)
	request, response := fits(b[:n])
	o := e.Data[e.Dir.Other()]
	if m, ok := frame(o); ok && len(o) >= m && binary.BigEndian.Uint16(o) == binary.BigEndian.Uint16(b) && o[7]&0x7f == b[7]&0x7f && o[6] == b[6] {
		or, os := fits(o[:m])
		if request && os || response && or {
			return protocol.Sure
		}
	}
	switch {
	case port && (request || response):
		e.Reversed = !request && e.OrigPort == 502 && e.RespPort != 502
		return protocol.Sure
	case port:
		return protocol.Likely
	case !request && !response:
		return protocol.No
	case len(b) >= n+headerBytes+1 && !next(b[n:]): // pipelined: what follows must be a message as well
		return protocol.No
	case len(o) > 0: // the other side says something else
		return protocol.No
	}
	return protocol.More
}

type analyzer struct{ rec Record }

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Gap goes on with the next segment if that starts a message.
func (a *analyzer) Gap(*protocol.Flow, session.Direction, int) bool { return true }

// Parse reads messages.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	used := 0
	for len(data)-used >= headerBytes+1 {
		b := data[used:]
		n := 6 + int(binary.BigEndian.Uint16(b[4:]))
		if b[2]|b[3] != 0 || n < 6+minLength || n > 6+maxLength {
			f.Anomaly("modbus_bad_header", "")
			return protocol.SkipAll
		}
		if len(b) < n {
			break
		}
		a.message(f, dir, b[:n])
		used += n
	}
	return used
}

func (a *analyzer) message(f *protocol.Flow, dir session.Direction, b []byte) {
	r := &a.rec
	c := wire.New(b)
	*r = Record{tid: c.U16(), response: dir == session.Resp}
	c.Skip(4)
	r.unit, r.function = c.U8(), c.U8()
	if r.function&0x80 != 0 {
		r.exception = c.U8()
		f.Emit(r)
		return
	}
	if !r.response {
		switch r.function {
		case 1, 2, 3, 4, 5, 6, 15, 16, 22, 23:
			r.address, r.quantity = c.U16(), c.U16()
			r.ranged = c.OK()
		}
	}
	f.Emit(r)
}

// Record is a Modbus request or response.
type Record struct {
	tid                       uint16
	unit, function, exception uint8
	response, ranged          bool
	address, quantity         uint16
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Uint(uint64(r.tid))
	e.Uint(uint64(r.unit))
	name := functions[0]
	if fn := r.function & 0x7f; int(fn) < len(functions) {
		name = functions[fn]
	}
	if name == "" {
		name = "unknown-" + strconv.Itoa(int(r.function&0x7f))
	}
	if r.function&0x80 != 0 {
		name += "_EXCEPTION"
	}
	e.Str(name)
	if r.response {
		e.Str("RESP")
	} else {
		e.Str("REQ")
	}
	switch {
	case r.function&0x80 == 0:
		e.Unset()
	case int(r.exception) < len(exceptions) && exceptions[r.exception] != "":
		e.Str(exceptions[r.exception])
	default:
		e.Str("unknown-" + strconv.Itoa(int(r.exception)))
	}
	if !r.ranged {
		e.Unset()
		e.Unset()
		return
	}
	e.Uint(uint64(r.address))
	e.Uint(uint64(r.quantity))
}
