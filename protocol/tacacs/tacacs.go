// Package tacacs reads TACACS+ (RFC 8907): administrators logging in to network
// devices and the commands they give. Bodies are obfuscated with a shared key,
// so that mostly the headers are read; bodies in the clear are read as well.
package tacacs

import (
	"strconv"
	"strings"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition describes TACACS+.
var Definition = protocol.Definition{
	Name:       "tacacs",
	Doc:        "TACACS+ (RFC 8907), recognised by the header of its first packet: version, type, sequence number, flags and a length that agrees.",
	Transports: protocol.TCP,
	Ports:      []uint16{49},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return new(analyzer) },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the record of one TACACS+ session.
var Schema = record.New("tacacs", "", "One TACACS+ session: an authentication, authorization or accounting.",
	record.Field{Name: "type", Type: record.Enum, Doc: "authentication, authorization or accounting."},
	record.Field{Name: "session_id", Type: record.Count, Doc: "Identifier of the TACACS+ session."},
	record.Field{Name: "packets", Type: record.Count, Doc: "Packets of the session."},
	record.Field{Name: "obfuscated", Type: record.Bool, Doc: "Whether the bodies are obfuscated; nothing below is known then."},
	record.Field{Name: "user", Type: record.String, Doc: "Account."},
	record.Field{Name: "port", Type: record.String, Doc: "Port or terminal of the device that the user is at."},
	record.Field{Name: "rem_addr", Type: record.String, Doc: "Where the user comes from."},
	record.Field{Name: "privilege", Type: record.Count, Doc: "Privilege level asked for, 0 to 15."},
	record.Field{Name: "method", Type: record.Enum, Doc: "How the user is authenticated: ASCII, PAP, CHAP, MSCHAP or MSCHAPv2."},
	record.Field{Name: "arguments", Type: record.Strings, Doc: "Arguments of an authorization or accounting: the service and command."},
	record.Field{Name: "status", Type: record.String, Doc: "Status of the last answer."},
	record.Field{Name: "server_msg", Type: record.String, Doc: "Text for the user in the last answer that has one."},
	record.Field{Name: "duration", Type: record.Interval, Doc: "Time from the first packet to the last."},
)

// Limits of what is kept.
const (
	maxSessions  = 16 // TACACS+ sessions that are not finished, on one connection
	maxText      = 255
	maxArguments = 16
	maxBody      = 66 << 10
	headerBytes  = 12
)

// Types of packets and flags (RFC 8907 section 4.1).
const (
	typeAuthen = 1
	typeAuthor = 2
	typeAcct   = 3

	flagClear  = 0x01
	flagSingle = 0x04
)

// Record is one session.
type Record struct {
	kind             uint8
	id               uint32
	first, last      int64
	packets          uint64
	obfuscated       bool
	user, port, from string
	havePriv         bool
	privilege        uint8
	method           string
	arguments        []string
	status, message  string
	secret           bool // a password crossed in the clear
}

// Schema implements protocol.Record.
func (r *Record) Schema() *record.Schema { return Schema }

// Append implements protocol.Record.
func (r *Record) Append(e *record.Encoder) {
	switch r.kind {
	case typeAuthen:
		e.Str("authentication")
	case typeAuthor:
		e.Str("authorization")
	default:
		e.Str("accounting")
	}
	e.Uint(uint64(r.id))
	e.Uint(r.packets)
	e.Bool(r.obfuscated)
	e.Str(r.user)
	e.Str(r.port)
	e.Str(r.from)
	if r.havePriv {
		e.Uint(uint64(r.privilege))
	} else {
		e.Unset()
	}
	e.Str(r.method)
	e.Strs(r.arguments)
	e.Str(r.status)
	e.Str(r.message)
	e.Interval(r.last - r.first)
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) > 0 && b[0]&0xfe != 0xc0 || len(b) > 1 && (b[1] == 0 || b[1] > typeAcct) {
		return protocol.No
	}
	if len(b) < headerBytes {
		return protocol.More
	}
	n := int(b[10])<<8 | int(b[11])
	if b[8] != 0 || b[9] != 0 || n < 5 || b[3]&^(flagClear|flagSingle) != 0 || b[2] == 0 {
		return protocol.No
	}
	if len(b) < headerBytes+n && n <= protocol.MaxProbe-headerBytes {
		return protocol.More
	}
	// Requests have odd sequence numbers.
	switch {
	case b[2] <= 2:
		e.Reversed = b[2]&1 == 1 == (e.Dir == session.Resp)
		return protocol.Sure
	case e.Port(49):
		e.Reversed = b[2]&1 == 1 == (e.Dir == session.Resp)
		return protocol.Likely
	}
	return protocol.No
}

type analyzer struct {
	pending []Record
	sealed  bool
}

// Parse implements protocol.Analyzer.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	version, kind, seq, flags := c.U8(), c.U8(), c.U8(), c.U8()
	id, n := c.U32(), int(c.U32())
	if !c.OK() {
		return 0
	}
	if version&0xf0 != 0xc0 || kind == 0 || kind > typeAcct || n > maxBody {
		f.Anomaly("tacacs_malformed_packet", "")
		return protocol.SkipAll
	}
	body := c.Bytes(n)
	if !c.OK() {
		return 0
	}
	r, i := a.session(f, id, kind)
	r.last = f.Now
	r.packets++
	r.obfuscated = flags&flagClear == 0
	done := false
	if r.obfuscated {
		if !a.sealed {
			a.sealed = true
			f.SetEncrypted()
		}
		f.Message(dir, kind, headerBytes+n)
		done = seq&1 == 0 && kind != typeAuthen
	} else if dir == session.Orig {
		a.request(f, r, seq, body)
	} else {
		done = a.reply(f, r, body)
	}
	if done {
		a.emit(f, i)
	}
	return headerBytes + n
}

// Close implements protocol.Analyzer.
func (a *analyzer) Close(f *protocol.Flow) {
	for len(a.pending) > 0 {
		a.emit(f, 0)
	}
}

func (a *analyzer) emit(f *protocol.Flow, i int) {
	f.Emit(&a.pending[i])
	n := copy(a.pending[i:], a.pending[i+1:])
	clear(a.pending[i+n:])
	a.pending = a.pending[:i+n]
}

func (a *analyzer) session(f *protocol.Flow, id uint32, kind uint8) (*Record, int) {
	for i := range a.pending {
		if a.pending[i].id == id && a.pending[i].kind == kind {
			return &a.pending[i], i
		}
	}
	if len(a.pending) >= maxSessions {
		a.emit(f, 0)
	}
	a.pending = append(a.pending, Record{id: id, kind: kind, first: f.Now})
	return &a.pending[len(a.pending)-1], len(a.pending) - 1
}

// request reads a body of the client (sections 5.1, 5.3, 6.1, 7.1).
func (a *analyzer) request(f *protocol.Flow, r *Record, seq uint8, body []byte) {
	c := wire.New(body)
	if r.kind == typeAuthen && seq > 1 { // CONTINUE: the answer to a prompt
		n := int(c.U16())
		c.Skip(3)
		answer := c.Bytes(n)
		switch {
		case !c.OK():
			f.Anomaly("tacacs_malformed_packet", "continue")
		case r.status == "GETUSER" && len(answer) > 0:
			a.userIs(f, r, answer)
		case r.status == "GETPASS" && len(answer) > 0:
			a.secretSeen(f, r)
		}
		return
	}
	if r.kind == typeAcct {
		c.Skip(1) // flags
	}
	first := c.U8() // action of an authentication, else the method
	r.privilege = c.U8()
	r.havePriv = c.OK()
	kind := c.U8()
	c.Skip(1) // service
	user, port, from := int(c.U8()), int(c.U8()), int(c.U8())
	extra := int(c.U8()) // length of the data, or number of arguments
	var sizes []byte
	if r.kind != typeAuthen {
		sizes = c.Bytes(extra)
	}
	name := c.Bytes(user)
	r.port, r.from = text(c.Bytes(port)), text(c.Bytes(from))
	if !c.OK() {
		f.Anomaly("tacacs_malformed_packet", "request")
		return
	}
	r.method = methodName(kind)
	if len(name) > 0 {
		a.userIs(f, r, name)
	}
	if r.kind == typeAuthen {
		if kind == 2 && first == 1 && extra > 0 {
			a.secretSeen(f, r)
		}
		return
	}
	for _, n := range sizes {
		v := c.Bytes(int(n))
		if !c.OK() || len(r.arguments) >= maxArguments {
			return
		}
		r.arguments = append(r.arguments, text(v))
	}
}

func (a *analyzer) userIs(f *protocol.Flow, r *Record, name []byte) {
	r.user = text(name)
	f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(session.Orig), Value: r.user})
}

func (a *analyzer) secretSeen(f *protocol.Flow, r *Record) {
	if r.secret || r.user == "" {
		return
	}
	r.secret = true
	f.Observe(protocol.Observation{Kind: protocol.Credential, Value: r.user})
}

// reply reads a body of the server (sections 5.2, 6.2, 7.2). It returns true if
// it ends the session.
func (a *analyzer) reply(f *protocol.Flow, r *Record, body []byte) bool {
	c := wire.New(body)
	var message []byte
	switch r.kind {
	case typeAuthen:
		r.status = authenStatus(c.U8())
		c.Skip(1)
		n := int(c.U16())
		c.Skip(2)
		message = c.Bytes(n)
	case typeAuthor:
		r.status = authorStatus(c.U8())
		count, n := int(c.U8()), int(c.U16())
		c.Skip(2 + count)
		message = c.Bytes(n)
	default:
		n := int(c.U16())
		c.Skip(2)
		r.status = acctStatus(c.U8())
		message = c.Bytes(n)
	}
	if !c.OK() {
		f.Anomaly("tacacs_malformed_packet", "reply")
		return true
	}
	if len(message) > 0 {
		r.message = strings.TrimSpace(text(message))
	}
	if r.kind != typeAuthen {
		return true
	}
	kind := protocol.LoginOK
	switch r.status {
	case "PASS":
	case "FAIL":
		kind = protocol.LoginFailed
	case "ERROR", "RESTART", "FOLLOW":
		return true
	default:
		return false
	}
	if r.user != "" {
		f.Observe(protocol.Observation{Kind: kind, Addr: f.Addr(session.Orig), Value: r.user})
	}
	return true
}

func methodName(kind uint8) string {
	switch kind {
	case 1:
		return "ASCII"
	case 2:
		return "PAP"
	case 3:
		return "CHAP"
	case 5:
		return "MSCHAP"
	case 6:
		return "MSCHAPv2"
	}
	return ""
}

func authenStatus(s uint8) string {
	switch s {
	case 1:
		return "PASS"
	case 2:
		return "FAIL"
	case 3:
		return "GETDATA"
	case 4:
		return "GETUSER"
	case 5:
		return "GETPASS"
	case 6:
		return "RESTART"
	case 7:
		return "ERROR"
	case 0x21:
		return "FOLLOW"
	}
	return "status-" + strconv.Itoa(int(s))
}

func authorStatus(s uint8) string {
	switch s {
	case 1:
		return "PASS_ADD"
	case 2:
		return "PASS_REPL"
	case 0x10:
		return "FAIL"
	case 0x11:
		return "ERROR"
	case 0x21:
		return "FOLLOW"
	}
	return "status-" + strconv.Itoa(int(s))
}

func acctStatus(s uint8) string {
	switch s {
	case 1:
		return "SUCCESS"
	case 2:
		return "ERROR"
	case 0x21:
		return "FOLLOW"
	}
	return "status-" + strconv.Itoa(int(s))
}

func text(b []byte) string { return string(b[:min(len(b), maxText)]) }
