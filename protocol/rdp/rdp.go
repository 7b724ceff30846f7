// Package rdp reads the start of the Remote Desktop Protocol (MS-RDPBCGR): the
// X.224 connection with its cookie and the security that is agreed on, and,
// where TLS does not hide it, who the client is and how the server encrypts.
// On datagrams it recognises the UDP transport (MS-RDPEUDP).
package rdp

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"

	"tyto/internal/ber"
	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition describes RDP.
var Definition = protocol.Definition{
	Name:       "rdp",
	Apps:       []string{"rdpudp"},
	Doc:        "Remote Desktop Protocol (MS-RDPBCGR), recognised by the cookie or negotiation in its X.224 connection request; rdpudp by the SYN of MS-RDPEUDP.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{3389},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return new(analyzer) },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the record of one RDP connection.
var Schema = record.New("rdp", "rdp", "One RDP connection: who asks, what is agreed on.",
	record.Field{Name: "cookie", Type: record.String, Doc: "Cookie of the client, often the user name (cut to nine characters by Microsoft's client)."},
	record.Field{Name: "result", Type: record.String, Doc: "How the connection was answered: encrypted, Success, or the reason of a refusal."},
	record.Field{Name: "security_protocol", Type: record.String, Doc: "Security protocol the server selected: RDP, SSL, HYBRID, RDSTLS, HYBRID_EX, RDSAAD."},
	record.Field{Name: "client_channels", Type: record.Strings, Doc: "Virtual channels the client wants."},
	record.Field{Name: "keyboard_layout", Type: record.String, Doc: "Language of the client's keyboard layout."},
	record.Field{Name: "client_build", Type: record.String, Doc: "Version of the client as its build number tells it."},
	record.Field{Name: "client_name", Type: record.String, Doc: "Host name of the client."},
	record.Field{Name: "client_dig_product_id", Type: record.String, Doc: "Product identifier of the client."},
	record.Field{Name: "desktop_width", Type: record.Count, Doc: "Width of the desktop the client wants, in pixels."},
	record.Field{Name: "desktop_height", Type: record.Count, Doc: "Height of the desktop the client wants, in pixels."},
	record.Field{Name: "requested_color_depth", Type: record.String, Doc: "Color depth the client wants."},
	record.Field{Name: "cert_type", Type: record.String, Doc: "Form of the server's certificate under RDP's own security: RSA or X.509."},
	record.Field{Name: "cert_count", Type: record.Count, Doc: "Certificates in that certificate chain."},
	record.Field{Name: "cert_permanent", Type: record.Bool, Doc: "Whether that certificate was issued permanently."},
	record.Field{Name: "encryption_level", Type: record.String, Doc: "Encryption level of RDP's own security."},
	record.Field{Name: "encryption_method", Type: record.String, Doc: "Encryption method of RDP's own security."},
	record.Field{Name: "requested_protocols", Type: record.Strings, Doc: "Security protocols the client offers; RDP if it offers no negotiation."},
	record.Field{Name: "routing_token", Type: record.String, Doc: "Routing token for a load balancer."},
	record.Field{Name: "restricted_admin", Type: record.Bool, Doc: "The client asks for restricted administration: no credentials are sent to the server."},
	record.Field{Name: "user", Type: record.String, Doc: "Account of an unencrypted client information packet, DOMAIN\\NAME."},
)

// Limits of what is kept.
const (
	maxText     = 256 // longest cookie, token or name that is kept, in bytes
	maxChannels = 31  // MS-RDPBCGR section 2.2.1.3.4
	maxSetup    = 64  // messages in which the connection must be set up
)

// Record is one connection.
type Record struct {
	cookie, token, result   string
	haveProtocol            bool
	selected, requested     uint32
	haveRequest             bool
	channels                []string
	haveCore                bool
	layout, build           uint32
	name, product           string
	width, height           uint16
	depth                   string
	haveCert, certPermanent bool
	certType                string
	certCount               uint32
	haveSecurity            bool
	level, method           uint32
	restricted              bool
	user                    string
}

// Schema implements protocol.Record.
func (r *Record) Schema() *record.Schema { return Schema }

// Append implements protocol.Record.
func (r *Record) Append(e *record.Encoder) {
	e.Str(r.cookie)
	e.Str(r.result)
	if r.haveProtocol {
		e.Str(protocolName(r.selected))
	} else {
		e.Unset()
	}
	e.Strs(r.channels)
	if r.haveCore {
		e.Str(layoutName(r.layout))
		e.Str(buildName(r.build))
	} else {
		e.Unset()
		e.Unset()
	}
	e.Str(r.name)
	e.Str(r.product)
	count(e, r.haveCore, uint64(r.width))
	count(e, r.haveCore, uint64(r.height))
	e.Str(r.depth)
	e.Str(r.certType)
	count(e, r.haveCert, uint64(r.certCount))
	if r.haveCert {
		e.Bool(r.certPermanent)
	} else {
		e.Unset()
	}
	if r.haveSecurity {
		e.Str(levelName(r.level))
		e.Str(methodName(r.method))
	} else {
		e.Unset()
		e.Unset()
	}
	if r.haveRequest {
		e.Strs(protocolNames(r.requested))
	} else {
		e.Strs(nil)
	}
	e.Str(r.token)
	if r.haveRequest {
		e.Bool(r.restricted)
	} else {
		e.Unset()
	}
	e.Str(r.user)
}

func count(e *record.Encoder, set bool, v uint64) {
	if !set {
		e.Unset()
		return
	}
	e.Uint(v)
}

// X.224 TPDU codes (RFC 905 section 13) in a TPKT (RFC 1006 section 6).
const (
	tpduConnect = 0xe0
	tpduConfirm = 0xd0
	tpduData    = 0xf0
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.UDP {
		return probeUDP(e, b)
	}
	const fixed = 11 // TPKT header and the fixed part of a connection TPDU
	if len(b) > 0 && b[0] != 3 || len(b) > 1 && b[1] != 0 {
		return protocol.No
	}
	if len(b) < fixed {
		return protocol.More
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < fixed || b[10] != 0 || b[6] != 0 || b[7] != 0 {
		return protocol.No
	}
	if b[5]&0xf0 == tpduConfirm {
		if n == 19 && b[4] == 14 && len(b) >= 19 && (b[11] == 2 || b[11] == 3) && b[13] == 8 && b[14] == 0 {
			e.Reversed = e.Dir == session.Orig
			return protocol.Sure
		}
		if len(b) < 19 && n == 19 {
			return protocol.More
		}
		return protocol.No
	}
	if b[5] != tpduConnect || int(b[4]) != n-5 && int(b[4]) != 6 {
		return protocol.No
	}
	rest := b[fixed:min(len(b), n)]
	const cookie, token = "Cookie: ms", "tsv://"
	switch {
	case n == fixed:
		// Clients before 5.2 send neither cookie nor negotiation.
		if e.Port(3389) {
			e.Reversed = e.Dir == session.Resp
			return protocol.Likely
		}
		return protocol.No
	case len(rest) < min(n-fixed, len(cookie)):
		return protocol.More
	case bytes.HasPrefix(rest, []byte(cookie)), bytes.HasPrefix(rest, []byte(token)),
		rest[0] == 1 && len(rest) >= 8 && rest[2] == 8 && rest[3] == 0 && rest[6] == 0 && rest[7] == 0:
		e.Reversed = e.Dir == session.Resp
		return protocol.Sure
	}
	return protocol.No
}

// phase of a connection.
type phase uint8

const (
	connecting phase = iota
	setup            // MCS, under RDP's own security
	running          // what follows is told by size only
)

type analyzer struct {
	r        Record
	phase    phase
	emitted  bool
	seen     bool // something was read that is worth a record
	messages int
	udp      udp
}

// Parse implements protocol.Analyzer.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if f.Datagram() {
		a.datagram(f, dir, data)
		return len(data)
	}
	if data[0]&3 == 0 && data[0] != 3 && a.phase == running {
		return a.fastPath(f, dir, data)
	}
	if len(data) < 4 {
		return 0
	}
	c := wire.New(data)
	if v := c.U8(); v != 3 {
		if a.phase != running && (v == 0x16 || v == 0x30) { // TLS or CredSSP at once
			a.emit(f)
			f.Handover("", true)
			return 0
		}
		f.Anomaly("rdp_malformed_packet", "no TPKT")
		return protocol.SkipAll
	}
	c.Skip(1)
	n := int(c.U16())
	if n < 7 {
		f.Anomaly("rdp_malformed_packet", "TPKT length")
		return protocol.SkipAll
	}
	if a.phase == running {
		f.Message(dir, 0, n)
		return n
	}
	if len(data) < n {
		return 0
	}
	a.packet(f, dir, data[4:n])
	if a.messages++; a.messages > maxSetup && a.phase != running {
		a.emit(f)
		a.phase = running
	}
	return n
}

// fastPath takes a fast-path PDU (MS-RDPBCGR section 2.2.8.1.2).
func (a *analyzer) fastPath(f *protocol.Flow, dir session.Direction, data []byte) int {
	if len(data) < 2 {
		return 0
	}
	n := int(data[1])
	if n >= 0x80 {
		if len(data) < 3 {
			return 0
		}
		n = (n&0x7f)<<8 | int(data[2])
	}
	if n < 2 {
		f.Anomaly("rdp_malformed_packet", "fast-path length")
		return protocol.SkipAll
	}
	f.Message(dir, 1, n)
	return n
}

// Close implements protocol.Analyzer.
func (a *analyzer) Close(f *protocol.Flow) { a.emit(f) }

func (a *analyzer) emit(f *protocol.Flow) {
	if a.emitted || !a.seen {
		return
	}
	a.emitted = true
	f.Emit(&a.r)
}

// packet reads the X.224 TPDU of a TPKT.
func (a *analyzer) packet(f *protocol.Flow, dir session.Direction, b []byte) {
	c := wire.New(b)
	li := int(c.U8())
	code := c.U8() & 0xf0
	switch {
	case code == tpduConnect && li+1 <= len(b):
		c.Skip(5)
		a.request(f, c.Rest())
	case code == tpduConfirm && li+1 <= len(b):
		c.Skip(5)
		a.confirm(f, c.Rest())
	case code == tpduData && li == 2:
		c.Skip(1)
		a.data(f, dir, c.Rest())
	default:
		f.Anomaly("rdp_malformed_packet", "X.224")
	}
}

// request reads the variable part of a connection request (section 2.2.1.1).
func (a *analyzer) request(f *protocol.Flow, b []byte) {
	a.seen, a.r.haveRequest = true, true
	if i := bytes.Index(b, []byte("\r\n")); i >= 0 {
		line := b[:i]
		b = b[i+2:]
		const user = "Cookie: mstshash="
		if bytes.HasPrefix(line, []byte(user)) {
			a.r.cookie = text(line[len(user):])
			if strings.TrimSpace(a.r.cookie) != "" {
				f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(session.Orig), Value: strings.TrimSpace(a.r.cookie)})
			}
		} else {
			a.r.token = text(bytes.TrimPrefix(line, []byte("Cookie: ")))
		}
	}
	c := wire.New(b)
	if c.Len() >= 8 && b[0] == 1 {
		c.Skip(1)
		a.r.restricted = c.U8()&1 != 0
		c.Skip(2)
		a.r.requested = c.LE32()
	}
}

// confirm reads the variable part of a connection confirm (section 2.2.1.2).
func (a *analyzer) confirm(f *protocol.Flow, b []byte) {
	a.seen = true
	c := wire.New(b)
	kind := c.U8()
	c.Skip(3)
	v := c.LE32()
	switch {
	case !c.OK(), kind == 2 && v == 0:
		a.r.haveProtocol = true // RDP's own security
		a.phase = setup
	case kind == 2:
		a.r.haveProtocol, a.r.selected = true, v
		a.r.result = "encrypted"
		a.emit(f)
		f.Handover("tls", true)
	case kind == 3:
		a.r.result = failureName(v)
		a.emit(f)
		f.Finish()
	default:
		f.Anomaly("rdp_malformed_packet", "negotiation")
	}
}

// Tags of the MCS connection (T.125): APPLICATION 101 and 102.
const (
	mcsConnect  ber.Tag = 0x7f | 101<<8
	mcsResponse ber.Tag = 0x7f | 102<<8
)

// data reads an MCS PDU.
func (a *analyzer) data(f *protocol.Flow, dir session.Direction, b []byte) {
	r := ber.New(b)
	switch r.Peek() {
	case mcsConnect:
		a.seen = true
		r = r.Enter(mcsConnect)
		for range 3 {
			r.Bytes() // domain selectors, upward flag
		}
		for range 3 {
			r.Want(ber.Sequence) // domain parameters
		}
		user := r.Bytes()
		if !r.OK() || !a.clientBlocks(gccUser(user, "Duca")) {
			f.Anomaly("rdp_malformed_packet", "MCS connect")
		}
		if a.r.name != "" {
			f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(session.Orig), Value: a.r.name})
		}
		if a.r.haveCore {
			f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(session.Orig), Value: buildName(a.r.build)})
		}
		return
	case mcsResponse:
		a.seen = true
		r = r.Enter(mcsResponse)
		result := r.Want(ber.Enumerated).Uint()
		r.Int() // calledConnectId
		r.Want(ber.Sequence)
		user := r.Bytes()
		if !r.OK() {
			f.Anomaly("rdp_malformed_packet", "MCS response")
			return
		}
		a.r.result = mcsResult(result)
		if result == 0 && !a.serverBlocks(gccUser(user, "McDn")) {
			f.Anomaly("rdp_malformed_packet", "server data")
		}
		if a.r.haveSecurity && a.r.method != 0 {
			a.emit(f)
			f.SetEncrypted()
			a.phase = running
		}
		return
	}
	if a.r.haveSecurity && a.r.method == 0 && dir == session.Orig {
		a.clientInfo(f, b)
	}
}

// Flags of a client information packet (sections 2.2.8.1.1.2.1, 2.2.1.11.1.1).
const (
	secInfo     = 0x0040
	infoUnicode = 0x0010
)

// clientInfo reads the client information packet of a connection without
// encryption: it has the account, and the password if it is to be used at once.
func (a *analyzer) clientInfo(f *protocol.Flow, b []byte) {
	c := wire.New(b)
	if c.U8()>>2 != 25 { // MCS SendDataRequest (T.125), packed encoding
		return
	}
	c.Skip(2 + 2 + 1) // initiator, channel, priority
	if n := c.U8(); n >= 0x80 {
		c.Skip(1)
	}
	flags := c.LE16()
	c.Skip(2)
	if flags&secInfo == 0 {
		return
	}
	c.Skip(4) // code page
	info := c.LE32()
	var size [5]int // domain, user, password, shell, directory
	for i := range size {
		size[i] = int(c.LE16())
	}
	end := 1 // the terminating null is not counted
	decode := cString
	if info&infoUnicode != 0 {
		end, decode = 2, utf16String
	}
	domain := decode(c.Bytes(size[0]))
	c.Skip(end)
	user := decode(c.Bytes(size[1]))
	if !c.OK() {
		return
	}
	a.r.user = user
	if domain != "" {
		a.r.user = domain + "\\" + user
	}
	if user != "" {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(session.Orig), Value: a.r.user})
		if size[2] > 0 {
			f.Observe(protocol.Observation{Kind: protocol.Credential, Value: a.r.user})
		}
	}
	a.emit(f)
	a.phase = running
}

// text returns a string, cut to maxText bytes.
func text(b []byte) string { return string(b[:min(len(b), maxText)]) }

// cString returns the text before the first null.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return text(b)
}

// utf16String decodes little-endian UTF-16 up to the first null.
func utf16String(b []byte) string {
	b = b[:min(len(b), 2*maxText)]
	u := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		v := binary.LittleEndian.Uint16(b[i:])
		if v == 0 {
			break
		}
		u = append(u, v)
	}
	return strings.TrimSpace(string(utf16.Decode(u)))
}
