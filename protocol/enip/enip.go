// Package enip reads EtherNet/IP and the CIP services inside it (ODVA, The CIP
// Networks Library, volumes 1 and 2).
package enip

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
	Name:       "enip",
	Doc:        "EtherNet/IP with the Common Industrial Protocol (ODVA); recognised by command, length and zero options of its header, or by the items of implicit I/O.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{44818, 2222},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the enip record: one a message, not of implicit I/O.
var Schema = record.New("enip", "enip", "An EtherNet/IP message with the CIP service it carries.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "enip_command", Type: record.String, Doc: "Encapsulation command."},
	record.Field{Name: "length", Type: record.Count, Doc: "Bytes that follow the header."},
	record.Field{Name: "session_handle", Type: record.Count, Doc: "Session the target gave out."},
	record.Field{Name: "enip_status", Type: record.Count, Doc: "Encapsulation status; 0 is success."},
	record.Field{Name: "direction", Type: record.Enum, Doc: "Of the CIP service: request or response."},
	record.Field{Name: "cip_service_code", Type: record.Count, Doc: "CIP service, without the response bit."},
	record.Field{Name: "cip_service", Type: record.String, Doc: "CIP service by name."},
	record.Field{Name: "cip_status_code", Type: record.Count, Doc: "General status of a CIP response; 0 is success."},
	record.Field{Name: "class_id", Type: record.Count, Doc: "CIP class a request is sent to."},
	record.Field{Name: "class_name", Type: record.String, Doc: "CIP class by name."},
	record.Field{Name: "instance_id", Type: record.Count, Doc: "CIP instance a request is sent to."},
	record.Field{Name: "attribute_id", Type: record.Count, Doc: "CIP attribute a request is about."},
	record.Field{Name: "vendor_id", Type: record.Count, Doc: "Vendor number of an identity."},
	record.Field{Name: "product_name", Type: record.String, Doc: "Product name of an identity."},
)

const headerBytes = 24

// Commands.
const (
	cmdNop, cmdListServices, cmdListIdentity, cmdListInterfaces = 0x00, 0x04, 0x63, 0x64
	cmdRegister, cmdUnregister, cmdSendRRData, cmdSendUnitData  = 0x65, 0x66, 0x6f, 0x70
	cmdIndicate, cmdCancel                                      = 0x72, 0x73
)

func commandName(c uint16) string {
	switch c {
	case cmdNop:
		return "NOP"
	case cmdListServices:
		return "List Services"
	case cmdListIdentity:
		return "List Identity"
	case cmdListInterfaces:
		return "List Interfaces"
	case cmdRegister:
		return "Register Session"
	case cmdUnregister:
		return "Unregister Session"
	case cmdSendRRData:
		return "Send RR Data"
	case cmdSendUnitData:
		return "Send Unit Data"
	case cmdIndicate:
		return "Indicate Status"
	case cmdCancel:
		return "Cancel"
	}
	return ""
}

// header reports whether b starts with an encapsulation header: a command, a
// status of the specification, and no options.
func header(b []byte) (length int, ok bool) {
	if len(b) < headerBytes {
		return 0, false
	}
	status := binary.LittleEndian.Uint32(b[8:])
	ok = commandName(binary.LittleEndian.Uint16(b)) != "" && binary.LittleEndian.Uint32(b[20:]) == 0 && (status <= 3 || status >= 0x64 && status <= 0x6a)
	return int(binary.LittleEndian.Uint16(b[2:])), ok
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.UDP {
		if implicit(b) {
			return protocol.Sure
		}
	} else if len(b) < headerBytes {
		if len(b) == 0 || len(b) > 1 && b[1] != 0 || b[0] > cmdCancel {
			return protocol.No
		}
		return protocol.More
	}
	n, ok := header(b)
	if !ok || e.Transport == protocol.UDP && n+headerBytes != len(b) {
		return protocol.No
	}
	cmd := binary.LittleEndian.Uint16(b)
	body := b[headerBytes:]
	if e.Transport == protocol.TCP && len(body) < min(n, 8) {
		return protocol.More
	}
	switch cmd {
	case cmdRegister:
		if n == 4 && len(body) >= 4 && binary.LittleEndian.Uint32(body) == 1 {
			return protocol.Sure
		}
	case cmdSendRRData, cmdSendUnitData:
		if len(body) >= 8 && n >= 16 && binary.LittleEndian.Uint32(body) == 0 && body[6] >= 1 && body[6] <= 8 && body[7] == 0 {
			return protocol.Sure
		}
	case cmdListServices, cmdListIdentity, cmdListInterfaces:
		if e.Port(44818) && (n == 0 || len(body) >= 2 && body[0] <= 8 && body[1] == 0) {
			return protocol.Sure
		}
		if n == 0 && binary.LittleEndian.Uint32(b[4:])|binary.LittleEndian.Uint32(b[8:]) == 0 && cmd != cmdListServices {
			return protocol.Likely
		}
		if n > 0 && len(body) >= 4 && binary.LittleEndian.Uint16(body) == 1 && body[2] == 0x0c && body[3] == 0 {
			return protocol.Sure
		}
	}
	return protocol.No
}

// implicit reports whether a datagram is class 0 or 1 I/O: a sequenced address
// item and a connected data item that fills the rest (volume 2, section 2-6).
func implicit(b []byte) bool {
	return len(b) >= 18 && string(b[:6]) == "\x02\x00\x02\x80\x08\x00" && b[14] == 0xb1 && b[15] == 0 && int(binary.LittleEndian.Uint16(b[16:])) == len(b)-18
}

type analyzer struct{ rec Record }

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Gap goes on with the next segment if that starts a message.
func (a *analyzer) Gap(*protocol.Flow, session.Direction, int) bool { return true }

// Parse reads messages.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if f.Datagram() && implicit(data) {
		return len(data)
	}
	used := 0
	for len(data)-used >= headerBytes {
		b := data[used:]
		n, ok := header(b)
		if !ok {
			f.Anomaly("enip_bad_header", "")
			return protocol.SkipAll
		}
		if len(b) < headerBytes+n {
			break
		}
		a.message(f, dir, b[:headerBytes+n])
		used += headerBytes + n
	}
	return used
}

// Types of items in the common packet format.
const (
	itemIdentity, itemConnected, itemUnconnected = 0x0c, 0xb1, 0xb2
	maxItems                                     = 8
)

func (a *analyzer) message(f *protocol.Flow, dir session.Direction, b []byte) {
	r := &a.rec
	c := wire.New(b)
	*r = Record{orig: dir == session.Orig, command: c.LE16(), length: c.LE16(), handle: c.LE32(), status: c.LE32()}
	c.Skip(12)
	switch r.command {
	case cmdSendRRData, cmdSendUnitData:
		c.Skip(6)
	case cmdListIdentity:
	default:
		f.Emit(r)
		return
	}
	if c.Len() == 0 {
		f.Emit(r)
		return
	}
	for i := min(int(c.LE16()), maxItems); i > 0; i-- {
		kind := c.LE16()
		item := c.Sub(int(c.LE16()))
		if !c.OK() {
			f.Anomaly("enip_bad_item", "")
			break
		}
		switch kind {
		case itemConnected:
			item.Skip(2)
			r.cip(item)
		case itemUnconnected:
			r.cip(item)
		case itemIdentity:
			r.identity(item)
			if len(r.product) > 0 {
				f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: string(r.product)})
			}
		}
	}
	f.Emit(r)
}

func (r *Record) identity(c wire.Cursor) {
	c.Skip(2 + 16)
	r.vendor = c.LE16()
	c.Skip(2 + 2 + 2 + 2 + 4)
	name := c.Vec8()
	r.hasVendor = c.OK()
	r.product = name.Rest()
}

// cip reads the service and the path of a request, or the status of a response
// (volume 1, section 2-4 and appendix C).
func (r *Record) cip(c wire.Cursor) {
	service := c.U8()
	if !c.OK() {
		return
	}
	r.hasService, r.service, r.response = true, service&0x7f, service&0x80 != 0
	if r.response {
		c.Skip(1)
		r.general = c.U8()
		return
	}
	path := c.Sub(2 * int(c.U8()))
	for path.Len() >= 2 && path.OK() {
		s := path.U8()
		var v uint32
		switch s & 3 {
		case 0:
			v = uint32(path.U8())
		case 1:
			path.Skip(1)
			v = uint32(path.LE16())
		default:
			return
		}
		if !path.OK() {
			return
		}
		switch s &^ 3 {
		case 0x20:
			r.class, r.hasClass = v, true
		case 0x24:
			r.instance, r.hasInstance = v, true
		case 0x30:
			r.attribute, r.hasAttribute = v, true
		default:
			return
		}
	}
}

// Record is an EtherNet/IP message.
type Record struct {
	orig, response                    bool
	command, length                   uint16
	handle, status                    uint32
	hasService, hasClass, hasInstance bool
	hasAttribute, hasVendor           bool
	service, general                  uint8
	class, instance, attribute        uint32
	vendor                            uint16
	product                           []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

func serviceName(s uint8, class uint32, hasClass bool) string {
	if hasClass && class == 6 { // connection manager
		switch s {
		case 0x4e:
			return "Forward Close"
		case 0x52:
			return "Unconnected Send"
		case 0x54:
			return "Forward Open"
		case 0x5b:
			return "Large Forward Open"
		}
	}
	names := [...]string{1: "Get Attributes All", 2: "Set Attributes All", 3: "Get Attribute List", 4: "Set Attribute List", 5: "Reset", 6: "Start",
		7: "Stop", 8: "Create", 9: "Delete", 10: "Multiple Service Packet", 13: "Apply Attributes", 14: "Get Attribute Single",
		16: "Set Attribute Single", 17: "Find Next Object Instance", 21: "Restore", 22: "Save", 23: "No Operation", 24: "Get Member", 25: "Set Member",
		26: "Insert Member", 27: "Remove Member", 28: "Group Sync"}
	switch {
	case int(s) < len(names) && names[s] != "":
		return names[s]
	case s == 0x4b:
		return "Execute PCCC"
	case s == 0x4c:
		return "Read Tag"
	case s == 0x4d:
		return "Write Tag"
	case s == 0x4e:
		return "Read Modify Write Tag"
	case s == 0x52:
		return "Read Tag Fragmented"
	case s == 0x53:
		return "Write Tag Fragmented"
	case s == 0x54:
		return "Forward Open"
	}
	return "unknown-" + strconv.Itoa(int(s))
}

func className(c uint32) string {
	switch c {
	case 0x01:
		return "Identity"
	case 0x02:
		return "Message Router"
	case 0x04:
		return "Assembly"
	case 0x05:
		return "Connection"
	case 0x06:
		return "Connection Manager"
	case 0x0f:
		return "Parameter"
	case 0x37:
		return "File"
	case 0x64, 0x67:
		return "PCCC"
	case 0x6b:
		return "Symbol"
	case 0x6c:
		return "Template"
	case 0xac:
		return "Controller"
	case 0xf5:
		return "TCP/IP Interface"
	case 0xf6:
		return "Ethernet Link"
	}
	return ""
}

func optional(e *record.Encoder, v uint32, ok bool) {
	if !ok {
		e.Unset()
		return
	}
	e.Uint(uint64(v))
}

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(commandName(r.command))
	e.Uint(uint64(r.length))
	e.Uint(uint64(r.handle))
	e.Uint(uint64(r.status))
	if !r.hasService {
		for range 4 {
			e.Unset()
		}
	} else {
		if r.response {
			e.Str("response")
		} else {
			e.Str("request")
		}
		e.Uint(uint64(r.service))
		e.Str(serviceName(r.service, r.class, r.hasClass))
		optional(e, uint32(r.general), r.response)
	}
	optional(e, r.class, r.hasClass)
	e.Str(className(r.class))
	optional(e, r.instance, r.hasInstance)
	optional(e, r.attribute, r.hasAttribute)
	optional(e, uint32(r.vendor), r.hasVendor)
	e.Bytes(r.product)
}
