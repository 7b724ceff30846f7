// Package radius reads RADIUS (RFC 2865), its accounting (RFC 2866) and dynamic
// authorization (RFC 5176): who logs in through which access server, and
// whether it was let in.
package radius

import (
	"encoding/hex"
	"strconv"
	"strings"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition describes RADIUS.
var Definition = protocol.Definition{
	Name:       "radius",
	Doc:        "RADIUS (RFC 2865, 2866, 5176), recognised by a code and attributes that fill the packet exactly, with those its code must have.",
	Transports: protocol.UDP,
	Ports:      []uint16{1812, 1813, 1645, 1646, 1700, 3799},
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return new(analyzer) },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the record of one request and its answer.
var Schema = record.New("radius", "radius", "One RADIUS request with its answer.",
	record.Field{Name: "username", Type: record.String, Doc: "User name of the request; the identity of EAP if there is none."},
	record.Field{Name: "mac", Type: record.String, Doc: "Hardware address of the user's device (Calling-Station-Id), where it is one."},
	record.Field{Name: "framed_addr", Type: record.Addr, Doc: "Address given to the user's device."},
	record.Field{Name: "tunnel_client", Type: record.String, Doc: "Address of the initiator's end of a tunnel (Tunnel-Client-Endpoint)."},
	record.Field{Name: "connect_info", Type: record.String, Doc: "Nature of the user's connection (Connect-Info)."},
	record.Field{Name: "reply_msg", Type: record.String, Doc: "Text for the user in the answer (Reply-Message)."},
	record.Field{Name: "result", Type: record.String, Doc: "success, failed, or challenge where more is asked for; unset without an answer and for accounting."},
	record.Field{Name: "ttl", Type: record.Interval, Doc: "Time from the request to its answer."},
	record.Field{Name: "code", Type: record.Enum, Doc: "Code of the request by name."},
	record.Field{Name: "reply_code", Type: record.Enum, Doc: "Code of the answer by name."},
	record.Field{Name: "nas_addr", Type: record.Addr, Doc: "Address of the access server (NAS-IP-Address or NAS-IPv6-Address)."},
	record.Field{Name: "nas_identifier", Type: record.String, Doc: "Name of the access server (NAS-Identifier)."},
	record.Field{Name: "nas_port_type", Type: record.String, Doc: "Kind of port the user is at (NAS-Port-Type)."},
	record.Field{Name: "calling_station", Type: record.String, Doc: "Where the user calls from (Calling-Station-Id)."},
	record.Field{Name: "called_station", Type: record.String, Doc: "Where the user called (Called-Station-Id), an access point and its network for wireless."},
	record.Field{Name: "method", Type: record.String, Doc: "How the user is authenticated: PAP, CHAP, MS-CHAP, MS-CHAPv2 or the EAP type."},
	record.Field{Name: "acct_status", Type: record.String, Doc: "What an accounting request tells of (Acct-Status-Type)."},
	record.Field{Name: "acct_session", Type: record.String, Doc: "Identifier of the accounting session (Acct-Session-Id)."},
	record.Field{Name: "acct_input_bytes", Type: record.Count, Doc: "Bytes received from the user in the accounting session."},
	record.Field{Name: "acct_output_bytes", Type: record.Count, Doc: "Bytes sent to the user in the accounting session."},
	record.Field{Name: "vlan", Type: record.String, Doc: "Network the user is put into (Tunnel-Private-Group-Id of the answer)."},
	record.Field{Name: "filter_id", Type: record.Strings, Doc: "Policies the answer puts the user under (Filter-Id)."},
)

// Limits of what is kept.
const (
	maxPending = 32 // requests without an answer, in one session
	maxText    = 253
	maxAttrs   = 512 // attributes of one packet; the protocol's length allows 2038
	maxLength  = 4096
	maxFilters = 8
)

// Record is one request and its answer.
type Record struct {
	id, code, reply    uint8
	time               int64
	now                int64
	answered           bool
	authenticator      [16]byte
	user, identity     string
	framed, nas        packet.Addr
	tunnel, connect    string
	message            string
	nasID              string
	portType           uint32
	havePort, haveAcct bool
	calling, called    string
	method             string
	acctStatus         uint32
	acctSession        string
	haveBytes          bool
	input, output      uint64
	vlan               string
	filters            []string
	dir                session.Direction
}

// Schema implements protocol.Record.
func (r *Record) Schema() *record.Schema { return Schema }

// Append implements protocol.Record.
func (r *Record) Append(e *record.Encoder) {
	e.Str(r.name())
	e.Str(macOf(r.calling))
	addr(e, r.framed)
	e.Str(r.tunnel)
	e.Str(r.connect)
	e.Str(r.message)
	e.Str(r.result())
	if r.answered && r.time != 0 {
		e.Interval(r.now - r.time)
	} else {
		e.Unset()
	}
	e.Str(codeName(r.code))
	e.Str(codeName(r.reply))
	addr(e, r.nas)
	e.Str(r.nasID)
	if r.havePort {
		e.Str(portTypeName(r.portType))
	} else {
		e.Unset()
	}
	e.Str(r.calling)
	e.Str(r.called)
	e.Str(r.method)
	if r.haveAcct {
		e.Str(acctStatusName(r.acctStatus))
	} else {
		e.Unset()
	}
	e.Str(r.acctSession)
	if r.haveBytes {
		e.Uint(r.input)
		e.Uint(r.output)
	} else {
		e.Unset()
		e.Unset()
	}
	e.Str(r.vlan)
	e.Strs(r.filters)
}

func (r *Record) name() string {
	if r.user == "" {
		return r.identity
	}
	return r.user
}

func (r *Record) result() string {
	switch r.reply {
	case codeAccept, 41, 44:
		return "success"
	case codeReject, 42, 45:
		return "failed"
	case codeChallenge:
		return "challenge"
	}
	return ""
}

func addr(e *record.Encoder, a packet.Addr) {
	if a.IsZero() {
		e.Unset()
		return
	}
	e.Addr(a.Netip())
}

// Codes (RFC 2865 section 3, RFC 2866, RFC 5176).
const (
	codeAccess    = 1
	codeAccept    = 2
	codeReject    = 3
	codeAcct      = 4
	codeAcctReply = 5
	codeChallenge = 11
)

func codeName(c uint8) string {
	switch c {
	case 0:
		return ""
	case codeAccess:
		return "Access-Request"
	case codeAccept:
		return "Access-Accept"
	case codeReject:
		return "Access-Reject"
	case codeAcct:
		return "Accounting-Request"
	case codeAcctReply:
		return "Accounting-Response"
	case codeChallenge:
		return "Access-Challenge"
	case 12:
		return "Status-Server"
	case 13:
		return "Status-Client"
	case 40:
		return "Disconnect-Request"
	case 41:
		return "Disconnect-ACK"
	case 42:
		return "Disconnect-NAK"
	case 43:
		return "CoA-Request"
	case 44:
		return "CoA-ACK"
	case 45:
		return "CoA-NAK"
	}
	return "code-" + strconv.Itoa(int(c))
}

// isRequest and isReply tell the codes that are read.
func isRequest(c uint8) bool {
	return c == codeAccess || c == codeAcct || c == 12 || c == 40 || c == 43
}

func isReply(c uint8) bool {
	switch c {
	case codeAccept, codeReject, codeAcctReply, codeChallenge, 41, 42, 44, 45:
		return true
	}
	return false
}

// answers reports whether reply is the code of an answer to request.
func answers(request, reply uint8) bool {
	switch request {
	case codeAccess:
		return reply == codeAccept || reply == codeReject || reply == codeChallenge
	case codeAcct:
		return reply == codeAcctReply
	case 12:
		return reply == codeAccept || reply == codeAcctReply
	}
	return reply == request+1 || reply == request+2
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 20 || !isRequest(b[0]) && !isReply(b[0]) {
		return protocol.No
	}
	n := int(b[2])<<8 | int(b[3])
	if n < 20 || n > maxLength || n > len(b) {
		return protocol.No
	}
	usual := false
	for _, p := range [...]uint16{1812, 1813, 1645, 1646, 1700, 3799} {
		usual = usual || e.Port(p)
	}
	if n != len(b) && !usual {
		return protocol.No
	}
	c := wire.New(b[20:n])
	count, required := 0, false
	for c.Len() > 0 && count < maxAttrs {
		kind, size := c.U8(), int(c.U8())
		c.Skip(size - 2)
		if !c.OK() || kind == 0 || size < 2 {
			return protocol.No
		}
		count++
		switch b[0] {
		case codeAccess: // a user, and how it proves itself or where it is
			required = required || kind == 1 || kind == 4 || kind == 32 || kind == 95
		case codeAcct:
			required = required || kind == 40 && size == 6
		}
	}
	e.Reversed = isRequest(b[0]) == (e.Dir == session.Resp)
	if required && count >= 2 || usual && (count > 0 || n == len(b)) {
		return protocol.Sure
	}
	if other := e.Seen[e.Dir.Other()]; len(other) >= 20 && isReply(b[0]) && answers(other[0], b[0]) && other[1] == b[1] {
		return protocol.Sure
	}
	if count >= 3 {
		return protocol.Likely
	}
	return protocol.No
}

type analyzer struct {
	pending []Record
	out     Record
}

// Idle implements protocol.Idler.
func (a *analyzer) Idle() bool { return len(a.pending) == 0 }

// Close implements protocol.Analyzer.
func (a *analyzer) Close(f *protocol.Flow) {
	for i := range a.pending {
		f.Emit(&a.pending[i])
	}
	a.pending = nil
}

// Parse implements protocol.Analyzer.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	code, id, n := c.U8(), c.U8(), int(c.U16())
	authenticator := c.Bytes(16)
	if !c.OK() || n < 20 || n > len(data) {
		f.Anomaly("radius_malformed_packet", "length")
		return len(data)
	}
	attributes := wire.New(data[20:n])
	r := &a.out
	switch {
	case isRequest(code):
		*r = Record{id: id, code: code, time: f.Now, dir: dir, authenticator: [16]byte(authenticator)}
		for i := range a.pending {
			p := &a.pending[i]
			if p.id != id || p.code != code || p.dir != dir {
				continue
			}
			if p.authenticator == r.authenticator {
				return len(data) // sent again
			}
			f.Emit(p) // the identifier is used anew: no answer will come
			a.drop(i)
			break
		}
		a.attributes(f, r, attributes)
		if name := r.name(); name != "" && code == codeAccess {
			at := f.Addr(dir)
			if !r.framed.IsZero() {
				at = r.framed
			}
			f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: at, Value: name})
		}
		if len(a.pending) >= maxPending {
			f.Emit(&a.pending[0])
			a.drop(0)
		}
		a.pending = append(a.pending, *r)
	case isReply(code):
		*r = Record{}
		for i := range a.pending {
			if p := &a.pending[i]; p.id == id && answers(p.code, code) && p.dir != dir {
				*r = *p
				a.drop(i)
				break
			}
		}
		r.reply, r.answered, r.now = code, true, f.Now
		a.attributes(f, r, attributes)
		a.outcome(f, dir, r)
		f.Emit(r)
	default:
		f.Anomaly("radius_unknown_code", strconv.Itoa(int(code)))
	}
	return len(data)
}

// drop removes a pending request.
func (a *analyzer) drop(i int) {
	n := copy(a.pending[i:], a.pending[i+1:])
	clear(a.pending[i+n:])
	a.pending = a.pending[:i+n]
}

// outcome tells whether a user was let in.
func (a *analyzer) outcome(f *protocol.Flow, dir session.Direction, r *Record) {
	kind := protocol.LoginOK
	switch r.reply {
	case codeAccept:
	case codeReject:
		kind = protocol.LoginFailed
	default:
		return
	}
	if name := r.name(); name != "" && r.code != 12 {
		at := f.Addr(dir.Other())
		if !r.framed.IsZero() {
			at = r.framed
		}
		f.Observe(protocol.Observation{Kind: kind, Addr: at, Value: name})
		if mac := macOf(r.calling); mac != "" && !r.framed.IsZero() {
			f.Observe(protocol.Observation{Kind: protocol.HardwareMAC, Addr: r.framed, Value: mac})
		}
	}
}

// attributes reads the attributes of a packet (RFC 2865 section 5).
func (a *analyzer) attributes(f *protocol.Flow, r *Record, c wire.Cursor) {
	for i := 0; c.Len() > 0 && i < maxAttrs; i++ {
		kind, size := c.U8(), int(c.U8())
		v := c.Bytes(size - 2)
		if !c.OK() {
			f.Anomaly("radius_malformed_packet", "attribute")
			return
		}
		r.attribute(kind, v)
	}
}

func (r *Record) attribute(kind uint8, v []byte) {
	c := wire.New(v)
	switch kind {
	case 1:
		if !r.answered || r.user == "" {
			r.user = text(v)
		}
	case 2:
		r.method = "PAP"
	case 3:
		r.method = "CHAP"
	case 4:
		if len(v) == 4 {
			r.nas = packet.Addr4(v)
		}
	case 8:
		if len(v) == 4 && v[0] != 0xff {
			r.framed = packet.Addr4(v)
		}
	case 11:
		if r.answered && len(r.filters) < maxFilters {
			r.filters = append(r.filters, text(v))
		}
	case 18:
		r.message = text(v)
	case 26:
		r.vendor(v)
	case 30:
		r.called = text(v)
	case 31:
		r.calling = text(v)
	case 32:
		r.nasID = text(v)
	case 40:
		r.acctStatus, r.haveAcct = c.U32(), len(v) == 4
	case 42:
		r.input, r.haveBytes = r.input&^0xffffffff|uint64(c.U32()), true
	case 43:
		r.output, r.haveBytes = r.output&^0xffffffff|uint64(c.U32()), true
	case 44:
		r.acctSession = text(v)
	case 52:
		r.input = r.input&0xffffffff | uint64(c.U32())<<32
	case 53:
		r.output = r.output&0xffffffff | uint64(c.U32())<<32
	case 61:
		r.portType, r.havePort = c.U32(), len(v) == 4
	case 66:
		r.tunnel = text(untag(v))
	case 77:
		r.connect = text(v)
	case 79:
		r.eap(v)
	case 81:
		if r.answered {
			r.vlan = text(untag(v))
		}
	case 95:
		if len(v) == 16 {
			r.nas = packet.Addr16(v)
		}
	}
}

// untag takes the tag off a tunnel attribute (RFC 2868 section 3).
func untag(v []byte) []byte {
	if len(v) > 0 && v[0] < 0x20 {
		return v[1:]
	}
	return v
}

// vendor reads a vendor-specific attribute: those of Microsoft that tell the
// method (RFC 2548 section 2).
func (r *Record) vendor(v []byte) {
	c := wire.New(v)
	id := c.U32()
	kind := c.U8()
	if !c.OK() || id != 311 {
		return
	}
	switch kind {
	case 1:
		r.method = "MS-CHAP"
	case 25:
		r.method = "MS-CHAPv2"
	}
}

// eap reads the start of an EAP packet (RFC 3748 section 4).
func (r *Record) eap(v []byte) {
	c := wire.New(v)
	code := c.U8()
	c.Skip(3)
	kind := c.U8()
	if !c.OK() || code != 1 && code != 2 {
		return
	}
	if kind == 1 && code == 2 {
		r.identity = text(c.Rest())
	}
	if r.method == "" || kind > 3 {
		r.method = eapName(kind)
	}
}

// macOf returns the hardware address that a station identifier is, in any of
// the usual forms; "" if it is none.
func macOf(s string) string {
	var digits [12]byte
	n := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '-' || c == ':' || c == '.' {
			continue
		}
		if n == len(digits) || !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)) {
			return ""
		}
		digits[n] = c
		n++
	}
	if n != len(digits) {
		return ""
	}
	var mac packet.MAC
	if _, err := hex.Decode(mac[:], digits[:]); err != nil {
		return ""
	}
	return mac.String()
}

func text(b []byte) string { return string(b[:min(len(b), maxText)]) }

var _ protocol.Idler = (*analyzer)(nil)
