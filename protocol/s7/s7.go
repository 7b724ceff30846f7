// Package s7 reads Siemens S7 communication, classic and plus, over ISO
// transport on TCP (RFC 1006, ISO 8073).
package s7

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
	Name:       "s7comm",
	Apps:       []string{"s7comm-plus"},
	Doc:        "Siemens S7 communication and its successor S7comm-plus; recognised by TPKT and COTP framing around their protocol identifiers.",
	Transports: protocol.TCP,
	Ports:      []uint16{102},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the s7comm record: one a message.
var Schema = record.New("s7comm", "s7comm", "An S7 message.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "rosctr_code", Type: record.Count, Doc: "Remote operating service: 1 job, 2 acknowledgement, 3 answer with data, 7 user data; opcode of S7comm-plus."},
	record.Field{Name: "rosctr_name", Type: record.String, Doc: "Remote operating service, or opcode, by name."},
	record.Field{Name: "pdu_reference", Type: record.Count, Doc: "Reference that joins a job and its answer; sequence number of S7comm-plus."},
	record.Field{Name: "function_code", Type: record.Count, Doc: "Function."},
	record.Field{Name: "function_name", Type: record.String, Doc: "Function by name."},
	record.Field{Name: "subfunction_code", Type: record.Count, Doc: "Subfunction of user data."},
	record.Field{Name: "subfunction_name", Type: record.String, Doc: "Subfunction by name."},
	record.Field{Name: "error_class", Type: record.Count, Doc: "Error class of an answer, 0 for none."},
	record.Field{Name: "error_code", Type: record.Count, Doc: "Error code of an answer, 0 for none."},
)

const (
	tpktBytes   = 4
	maxBytes    = 8192
	classic     = 0x32
	plus        = 0x72
	cotpData    = 0xf0
	maxPackets  = 8 // that a probe looks into
	headerBytes = 10
)

// tpkt returns the size of the TPKT packet b starts with and the payload of
// its data TPDU; kind is the TPDU's code. Ok is false if it is no TPKT.
func tpkt(b []byte) (size int, kind byte, payload []byte, ok bool) {
	if len(b) < tpktBytes+2 {
		return 0, 0, nil, false
	}
	size = int(binary.BigEndian.Uint16(b[2:]))
	li := int(b[4])
	if b[0] != 3 || b[1] != 0 || size < 7 || size > maxBytes || li < 2 || tpktBytes+1+li > size {
		return 0, 0, nil, false
	}
	kind = b[5] & 0xf0
	if at := tpktBytes + 1 + li; len(b) > at {
		payload = b[at:min(size, len(b))]
	}
	return size, kind, payload, true
}

// match looks for the first data in a stream's start. More is true if it has
// not come yet.
func match(b []byte) (hit, more bool) {
	for i := 0; i < maxPackets; i++ {
		if len(b) < tpktBytes+3 {
			return false, len(b) == 0 || b[0] == 3
		}
		size, kind, p, ok := tpkt(b)
		if !ok {
			return false, false
		}
		if kind == cotpData && size > tpktBytes+3 {
			if len(p) < 2 {
				return false, true
			}
			return p[0] == classic && (p[1] >= 1 && p[1] <= 3 || p[1] == 7) || p[0] == plus && (p[1] >= 1 && p[1] <= 3 || p[1] == 0xfe), false
		}
		if kind != cotpData && kind != 0xe0 && kind != 0xd0 {
			return false, false
		}
		if size > len(b) {
			return false, true
		}
		b = b[size:]
	}
	return false, false
}

func probe(e *protocol.Evidence) protocol.Verdict {
	anyMore := false
	for _, b := range e.Data {
		if len(b) == 0 {
			continue
		}
		hit, more := match(b)
		if hit {
			return protocol.Sure
		}
		anyMore = anyMore || more
		if !more {
			return protocol.No
		}
	}
	if anyMore {
		return protocol.More
	}
	return protocol.No
}

type analyzer struct {
	rec   Record
	named bool
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Gap goes on with the next segment if that starts a packet.
func (a *analyzer) Gap(*protocol.Flow, session.Direction, int) bool { return true }

// Parse reads TPKT packets.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	used := 0
	for len(data)-used >= tpktBytes+2 {
		b := data[used:]
		size, kind, p, ok := tpkt(b)
		if !ok {
			f.Anomaly("s7comm_bad_packet", "")
			return protocol.SkipAll
		}
		if len(b) < size {
			break
		}
		used += size
		if kind != cotpData || len(p) == 0 {
			continue
		}
		switch p[0] {
		case classic:
			a.classic(f, dir, p)
		case plus:
			a.plus(f, dir, p)
		}
	}
	return used
}

func (a *analyzer) classic(f *protocol.Flow, dir session.Direction, p []byte) {
	r := &a.rec
	*r = Record{orig: dir == session.Orig}
	c := wire.New(p)
	c.Skip(1)
	r.rosctr = c.U8()
	c.Skip(2)
	r.reference = uint32(c.U16())
	n := int(c.U16())
	c.Skip(2)
	if r.rosctr == 2 || r.rosctr == 3 {
		r.hasError, r.errClass, r.errCode = true, c.U8(), c.U8()
	}
	param := c.Sub(n)
	if !c.OK() {
		f.Anomaly("s7comm_bad_packet", "")
		return
	}
	if r.rosctr == 7 {
		param.Skip(5)
		r.function = uint16(param.U8())
		r.sub = param.U8()
		r.hasFunction, r.hasSub = param.OK(), param.OK()
	} else if param.Len() > 0 {
		r.function, r.hasFunction = uint16(param.U8()), true
	}
	f.Emit(r)
}

func (a *analyzer) plus(f *protocol.Flow, dir session.Direction, p []byte) {
	if !a.named {
		a.named = true
		f.SetApp("s7comm-plus")
	}
	r := &a.rec
	*r = Record{orig: dir == session.Orig, plus: true}
	c := wire.New(p)
	c.Skip(1)
	version := c.U8()
	c.Skip(2)
	if version == 3 { // an integrity digest behind its length
		c.Skip(int(c.U8()))
	}
	if version == 0xfe || version == 0xff || c.Len() < 9 {
		return
	}
	r.rosctr = c.U8()
	c.Skip(2)
	r.function, r.hasFunction = c.U16(), true
	if r.rosctr == 0x33 { // a notification has an object, and no function
		r.hasFunction = false
		f.Emit(r)
		return
	}
	c.Skip(2)
	r.reference = uint32(c.U16())
	f.Emit(r)
}

// Record is an S7 message.
type Record struct {
	orig, plus          bool
	rosctr              uint8
	reference           uint32
	function            uint16
	sub                 uint8
	hasFunction, hasSub bool
	hasError            bool
	errClass, errCode   uint8
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

func rosctrName(r *Record) string {
	if r.plus {
		switch r.rosctr {
		case 0x31:
			return "Request"
		case 0x32:
			return "Response"
		case 0x33:
			return "Notification"
		}
		return "unknown-" + strconv.Itoa(int(r.rosctr))
	}
	switch r.rosctr {
	case 1:
		return "Job-Request"
	case 2:
		return "Ack"
	case 3:
		return "Ack-Data"
	case 7:
		return "User-Data"
	}
	return "unknown-" + strconv.Itoa(int(r.rosctr))
}

var jobs = map[uint16]string{0x00: "CPU Services", 0x04: "Read Variable", 0x05: "Write Variable", 0x1a: "Request Download", 0x1b: "Download Block",
	0x1c: "Download Ended", 0x1d: "Start Upload", 0x1e: "Upload", 0x1f: "End Upload", 0x28: "PLC Control", 0x29: "PLC Stop", 0xf0: "Setup Communication"}

var groups = [...]string{0: "Mode-transition", 1: "Programmer Commands", 2: "Cyclic Data", 3: "Block Functions", 4: "CPU Functions", 5: "Security",
	6: "PBC BSEND/BRECV", 7: "Time Functions", 15: "NC Programming"}

var plusFunctions = map[uint16]string{0x04bb: "Explore", 0x04ca: "Create Object", 0x04d4: "Delete Object", 0x04f2: "Set Variable", 0x0524: "Get Link",
	0x0542: "Set Multiple Variables", 0x054c: "Get Multiple Variables", 0x0556: "Begin Sequence", 0x0560: "End Sequence", 0x056b: "Invoke",
	0x0586: "Get Variables Substructured"}

func functionName(r *Record) string {
	name := ""
	switch {
	case r.plus:
		name = plusFunctions[r.function]
	case r.rosctr == 7:
		if g := r.function & 15; int(g) < len(groups) {
			name = groups[g]
		}
	default:
		name = jobs[r.function]
	}
	if name == "" {
		return "unknown-" + strconv.Itoa(int(r.function))
	}
	return name
}

func subName(group, sub uint8) string {
	switch uint16(group)<<8 | uint16(sub) {
	case 0x0301:
		return "List Blocks"
	case 0x0302:
		return "List Blocks of Type"
	case 0x0303:
		return "Get Block Info"
	case 0x0401:
		return "Read SZL"
	case 0x0402:
		return "Message Service"
	case 0x0501:
		return "PLC Password"
	case 0x0701:
		return "Read Clock"
	case 0x0702, 0x0703:
		return "Set Clock"
	}
	return ""
}

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(uint64(r.rosctr))
	e.Str(rosctrName(r))
	e.Uint(uint64(r.reference))
	if r.hasFunction {
		e.Uint(uint64(r.function))
		e.Str(functionName(r))
	} else {
		e.Unset()
		e.Unset()
	}
	if r.hasSub {
		e.Uint(uint64(r.sub))
		e.Str(subName(uint8(r.function)&15, r.sub))
	} else {
		e.Unset()
		e.Unset()
	}
	if r.hasError {
		e.Uint(uint64(r.errClass))
		e.Uint(uint64(r.errCode))
	} else {
		e.Unset()
		e.Unset()
	}
}
