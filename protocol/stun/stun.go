// Package stun reads STUN and TURN (RFC 5389, RFC 8489, RFC 8656) and the
// classic STUN of RFC 3489, over datagrams and streams.
package stun

import (
	"encoding/binary"
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
	Name:       "stun",
	Apps:       []string{"turn", "whatsapp-call", "teams-call"},
	Doc:        "Session Traversal Utilities for NAT and its TURN relay (RFC 8489, RFC 8656); recognised by the magic cookie and the message length, or by classic attributes (RFC 3489).",
	Transports: protocol.UDP | protocol.TCP,
	Ports:      []uint16{3478, 5349, 19302},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the stun record: one a message.
var Schema = record.New("stun", "stun", "A STUN message.",
	record.Field{Name: "proto", Type: record.Enum, Doc: "Transport: udp or tcp."},
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "trans_id", Type: record.String, Doc: "Transaction identifier in hexadecimal; 16 bytes in classic STUN, else 12."},
	record.Field{Name: "method", Type: record.String, Doc: "Method, such as BINDING or ALLOCATE."},
	record.Field{Name: "class", Type: record.String, Doc: "Class: REQUEST, INDICATION, RESPONSE_SUCCESS or RESPONSE_ERROR."},
	record.Field{Name: "attr_types", Type: record.Strings, Doc: "Names of the attributes that hold text, an address or an error."},
	record.Field{Name: "attr_vals", Type: record.Strings, Doc: "Values of the attributes in attr_types."},
	record.Field{Name: "software", Type: record.String, Doc: "Software the sender says it is."},
	record.Field{Name: "username", Type: record.String, Doc: "User name of the request; in ICE two fragments joined by a colon."},
	record.Field{Name: "realm", Type: record.String, Doc: "Realm of long-term credentials."},
	record.Field{Name: "mapped_addr", Type: record.Addr, Doc: "Address the server saw the client at."},
	record.Field{Name: "mapped_port", Type: record.Port, Doc: "Port the server saw the client at."},
	record.Field{Name: "peer_addr", Type: record.Addr, Doc: "Address of the peer a TURN client reaches through the relay."},
	record.Field{Name: "peer_port", Type: record.Port, Doc: "Port of that peer."},
	record.Field{Name: "error", Type: record.Count, Doc: "Error code of an error response."},
)

const (
	magic       = 0x2112a442
	headerBytes = 20
)

// Bounds of what is kept of a message.
const (
	maxAttributes = 32
	maxValues     = 16
	maxText       = 128
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) == 0 {
		return protocol.No
	}
	if e.Transport == protocol.TCP && len(b) >= 10 && binary.BigEndian.Uint32(b[6:]) == magic && framed(b) {
		return protocol.Sure
	}
	if b[0] > 0x3f {
		return channelProbe(e, b)
	}
	if e.Transport == protocol.TCP && len(b) < headerBytes {
		if len(b) < 10 {
			return moreIf(b[0] < 0x04 && (len(b) < 3 || b[2] < 4))
		}
		return moreIf(binary.BigEndian.Uint32(b[4:]) == magic)
	}
	if len(b) < headerBytes {
		return protocol.No
	}
	kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	response := kind&0x0100 != 0
	if binary.BigEndian.Uint32(b[4:]) == magic {
		if e.Transport == protocol.UDP && n+headerBytes > len(b) || n%4 != 0 && n+headerBytes != len(b) { // Microsoft's are not padded
			return protocol.No
		}
		e.Reversed = response && e.Dir == session.Orig && len(e.Seen[1]) == 0
		return protocol.Sure
	}
	if e.Transport == protocol.TCP || n+headerBytes != len(b) {
		return protocol.No
	}
	return classic(e, b, kind)
}

// framed reports whether the start of a stream is a message behind its length
// (RFC 4571, as ICE over TCP has it) rather than a message.
func framed(b []byte) bool {
	return b[2] < 4 && binary.BigEndian.Uint16(b) == binary.BigEndian.Uint16(b[4:])+headerBytes
}

func moreIf(ok bool) protocol.Verdict {
	if ok {
		return protocol.More
	}
	return protocol.No
}

// channelProbe recognises TURN channel data in mid-session: the first byte 0x40
// to 0x4f, and a length that is the datagram's. It needs a second look, since
// there is nothing else in it.
func channelProbe(e *protocol.Evidence, b []byte) protocol.Verdict {
	if e.Transport != protocol.UDP || b[0] > 0x4f || len(b) < 8 || !channelData(b) || !e.Port(3478) {
		return protocol.No
	}
	if s := e.Seen[e.Dir]; len(s) >= 4 && s[0] == b[0] && s[1] == b[1] {
		return protocol.Likely
	}
	return protocol.More
}

// channelData reports whether a datagram is TURN channel data: it may be padded
// to a multiple of four (RFC 8656 section 12.4).
func channelData(b []byte) bool {
	if len(b) < 4 || b[0] < 0x40 || b[0] > 0x4f {
		return false
	}
	pad := len(b) - 4 - int(binary.BigEndian.Uint16(b[2:]))
	return pad >= 0 && pad < 4
}

// classic recognises RFC 3489, which has no cookie: by known attributes that
// fill the message exactly, or as an empty binding request.
func classic(e *protocol.Evidence, b []byte, kind uint16) protocol.Verdict {
	switch kind {
	case 0x0001, 0x0101, 0x0111, 0x0002, 0x0102, 0x0112:
	default:
		return protocol.No
	}
	e.Reversed = kind&0x0100 != 0 && e.Dir == session.Orig && len(e.Seen[1]) == 0
	c := wire.New(b[headerBytes:])
	count := 0
	for c.Len() > 0 {
		t, n := c.U16(), int(c.U16())
		if c.Skip(n); !c.OK() || t == 0 || t > 0x0b && (t < 0x8000 || t > 0x80ff) && !e.Port(3478) && !e.Port(3479) {
			return protocol.No
		}
		c.Skip(min(-n&3, c.Len()))
		count++
	}
	if count == 0 && (kind != 0x0001 || !e.Port(3478) && e.Count == 1 && len(b) == headerBytes && b[4]|b[5] == 0) {
		return protocol.No
	}
	if count >= 2 {
		return protocol.Sure
	}
	return protocol.Likely
}

type analyzer struct {
	rec  Record
	turn bool
	ice  bool // messages have their length in front
	seen bool // the first message of the stream has come
	told bool // software or application told
	app  uint8
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Gap cannot find the next message.
func (a *analyzer) Gap(*protocol.Flow, session.Direction, int) bool { return false }

// Parse reads STUN messages and TURN channel data.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if f.Datagram() {
		a.datagram(f, dir, data)
		return len(data)
	}
	if !a.seen {
		if len(data) < 10 {
			return 0
		}
		a.seen, a.ice = true, binary.BigEndian.Uint32(data[6:]) == magic && framed(data)
	}
	if a.ice {
		if len(data) < 2 {
			return 0
		}
		n := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+n {
			return 0
		}
		a.datagram(f, dir, data[2:2+n])
		return 2 + n
	}
	if len(data) < 4 {
		return 0
	}
	n := int(binary.BigEndian.Uint16(data[2:]))
	switch {
	case data[0] >= 0x40 && data[0] <= 0x4f: // padded on streams
		f.Message(dir, data[0], n+4)
		return 4 + n + -n&3
	case data[0] > 0x3f:
		f.Anomaly("stun_bad_message", "")
		f.Finish()
		return len(data)
	case len(data) < headerBytes+n:
		return 0
	}
	a.message(f, dir, data[:headerBytes+n])
	return headerBytes + n
}

func (a *analyzer) datagram(f *protocol.Flow, dir session.Direction, data []byte) {
	if len(data) == 0 {
		return
	}
	switch c := data[0]; {
	case c <= 3: // RFC 7983 section 7 tells what shares a port
		if len(data) < headerBytes || int(binary.BigEndian.Uint16(data[2:]))+headerBytes > len(data) {
			f.Anomaly("stun_truncated_message", "")
			return
		}
		a.message(f, dir, data)
	case c >= 20 && c <= 63:
		if f.Pass("dtls", dir, data) {
			a.carries(f, "dtls")
		}
	case c >= 64 && c <= 79:
		if channelData(data) {
			a.relay(f)
			f.Message(dir, c, len(data))
		}
	case c >= 128 && c <= 191:
		name := "rtp"
		if len(data) > 1 && data[1] >= 192 && data[1] < 224 { // RFC 5761 section 4
			name = "rtcp"
		}
		if f.Pass(name, dir, data) && name == "rtp" {
			a.carries(f, name)
		}
	}
}

// carries tells what the session is for, once the first protocol it carries is
// recognised. What STUN itself says stays.
func (a *analyzer) carries(f *protocol.Flow, app string) {
	if a.app == 0 && !a.turn {
		a.app = 1
		f.SetApp(app)
	}
}

func (a *analyzer) relay(f *protocol.Flow) {
	if !a.turn {
		a.turn = true
		if a.app == 0 {
			f.SetApp("turn")
		}
	}
}

// name tells the application whose attributes a message has. The first stays.
func (a *analyzer) name(f *protocol.Flow, app string) {
	if a.app == 0 {
		a.app = 1
		f.SetApp(app)
	}
}

func (a *analyzer) message(f *protocol.Flow, dir session.Direction, b []byte) {
	r := &a.rec
	*r = Record{types: r.types[:0], vals: r.vals[:0], tcp: !f.Datagram(), orig: dir == session.Orig}
	c := wire.New(b)
	kind, n := c.U16(), int(c.U16())
	cookie := binary.BigEndian.Uint32(b[4:]) == magic
	if cookie {
		c.Skip(4)
		r.id = c.Bytes(12)
	} else {
		r.id = c.Bytes(16)
	}
	// Twelve bits of method are interleaved with two of class (RFC 8489 section 5).
	r.method = kind&0xf | kind>>1&0x70 | kind>>2&0xf80
	r.class = uint8(kind>>4&1 | kind>>7&2)
	if r.method >= 3 && r.method <= 9 {
		a.relay(f)
	}
	body := c.Sub(n)
	count := 0
	for ; body.Len() >= 4; count++ {
		t, m := body.U16(), int(body.U16())
		v := body.Bytes(m)
		if !body.OK() {
			f.Anomaly("stun_bad_attribute_length", "")
			break
		}
		body.Skip(min(-m&3, body.Len()))
		if count < maxAttributes {
			a.attribute(f, dir, t, v)
		}
	}
	a.told = a.told || r.software != nil
	if r.username != nil && r.realm != nil && r.class == 0 {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(dir), Value: string(r.username)})
	}
	f.Emit(r)
}

// attribute names that Zeek's package logs with a value.
var attributeNames = map[uint16]string{
	0x0001: "MAPPED_ADDRESS", 0x0002: "RESPONSE_ADDRESS", 0x0004: "SOURCE_ADDRESS", 0x0005: "CHANGED_ADDRESS",
	0x0006: "USERNAME", 0x0009: "ERROR_CODE", 0x000b: "REFLECTED_FROM", 0x0012: "XOR_PEER_ADDRESS", 0x0014: "REALM",
	0x0015: "NONCE", 0x0016: "XOR_RELAYED_ADDRESS", 0x0020: "XOR_MAPPED_ADDRESS", 0x8020: "XOR_MAPPED_ADDRESS",
	0x8022: "SOFTWARE", 0x8023: "ALTERNATE_SERVER", 0x802b: "RESPONSE_ORIGIN", 0x802c: "OTHER_ADDRESS",
}

func (a *analyzer) attribute(f *protocol.Flow, dir session.Direction, t uint16, v []byte) {
	r := &a.rec
	switch {
	case t >= 0x4000 && t <= 0x4007:
		a.name(f, "whatsapp-call")
	case t == 0x8008 || t == 0x8050 || t == 0x8054 || t == 0x8055 || t == 0x8070 || t == 0x8095: // [MS-TURN], [MS-ICE2]
		a.name(f, "teams-call")
	}
	name := attributeNames[t]
	if name == "" || len(r.types) == maxValues {
		return
	}
	text := v[:min(len(v), maxText)]
	switch t {
	case 0x0006:
		r.username = text
	case 0x0014:
		r.realm = text
	case 0x8022:
		if r.software = text; !a.told && len(text) > 0 {
			f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: string(text)})
		}
	case 0x0015:
	case 0x0009:
		if len(v) < 4 {
			return
		}
		r.err = uint64(v[2]&7)*100 + uint64(v[3])
		if v[2]&7 < 3 || v[2]&7 > 6 {
			f.Anomaly("stun_invalid_err_class", "")
		} else if v[3] > 99 {
			f.Anomaly("stun_invalid_err_number", "")
		}
		r.add(name, strconv.FormatUint(r.err, 10)+" "+string(v[4:min(len(v), maxText)]))
		return
	default:
		ap := address(v, t == 0x0012 || t == 0x0016 || t == 0x0020 || t == 0x8020, r.id)
		if !ap.IsValid() {
			return
		}
		switch t {
		case 0x0001, 0x0020, 0x8020:
			r.mapped = ap
		case 0x0012:
			r.peer = ap
		}
		r.add(name, ap.Addr().String()+":"+strconv.Itoa(int(ap.Port())))
		return
	}
	r.add(name, string(text))
}

// address reads an address attribute; id is the transaction identifier an IPv6
// address is combined with (RFC 8489 section 14.2).
func address(v []byte, xor bool, id []byte) netip.AddrPort {
	c := wire.New(v)
	c.Skip(1)
	family, port := c.U8(), c.U16()
	var mask [16]byte
	if xor {
		port ^= magic >> 16
		binary.BigEndian.PutUint32(mask[:], magic)
		copy(mask[4:], id)
	}
	var ip [16]byte
	switch family {
	case 1:
		copy(ip[:4], c.Bytes(4))
	case 2:
		copy(ip[:], c.Bytes(16))
	default:
		return netip.AddrPort{}
	}
	if !c.OK() {
		return netip.AddrPort{}
	}
	for i := range ip {
		ip[i] ^= mask[i]
	}
	if family == 1 {
		return netip.AddrPortFrom(packet.Addr4(ip[:4]).Netip(), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(ip), port)
}

// Record is a STUN message.
type Record struct {
	tcp, orig                 bool
	id                        []byte
	method                    uint16
	class                     uint8
	types, vals               []string
	software, username, realm []byte
	mapped, peer              netip.AddrPort
	err                       uint64
}

func (r *Record) add(name, value string) {
	r.types, r.vals = append(r.types, name), append(r.vals, value)
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	if r.tcp {
		e.Str("tcp")
	} else {
		e.Str("udp")
	}
	e.Bool(r.orig)
	var id [32]byte
	e.Raw(appendHex(id[:0], r.id))
	e.Str(methodName(r.method))
	e.Str([...]string{"REQUEST", "INDICATION", "RESPONSE_SUCCESS", "RESPONSE_ERROR"}[r.class&3])
	e.Strs(r.types)
	e.Strs(r.vals)
	e.Bytes(r.software)
	e.Bytes(r.username)
	e.Bytes(r.realm)
	endpoint(e, r.mapped)
	endpoint(e, r.peer)
	if r.err == 0 {
		e.Unset()
	} else {
		e.Uint(r.err)
	}
}

func endpoint(e *record.Encoder, a netip.AddrPort) {
	e.Addr(a.Addr())
	if !a.IsValid() {
		e.Unset()
		return
	}
	e.Uint(uint64(a.Port()))
}

func appendHex(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	for _, v := range b {
		dst = append(dst, digits[v>>4], digits[v&15])
	}
	return dst
}

func methodName(m uint16) string {
	switch m {
	case 1:
		return "BINDING"
	case 2:
		return "SHARED_SECRET"
	case 3:
		return "ALLOCATE"
	case 4:
		return "REFRESH"
	case 6:
		return "SEND"
	case 7:
		return "DATA"
	case 8:
		return "CREATE_PERMISSION"
	case 9:
		return "CHANNEL_BIND"
	case 10:
		return "CONNECT"
	case 11:
		return "CONNECTION_BIND"
	case 12:
		return "CONNECTION_ATTEMPT"
	}
	return "unknown-" + strconv.Itoa(int(m))
}
