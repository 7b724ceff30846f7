// Package tds reads the login of Microsoft SQL Server sessions ([MS-TDS]).
package tds

import (
	"encoding/binary"
	"strconv"
	"unicode/utf16"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "tds",
	Doc:        "Tabular Data Stream of Microsoft SQL Server ([MS-TDS]); recognised by its packet header and the first option or the version that follows.",
	Transports: protocol.TCP,
	Ports:      []uint16{1433},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the tds record: one a session.
var Schema = record.New("tds", "", "A login to SQL Server.",
	record.Field{Name: "tds_version", Type: record.String, Doc: "TDS version of the client, in hexadecimal."},
	record.Field{Name: "encryption", Type: record.Enum, Doc: "What the server answered to the offer of TLS: off (the login only), on, not_supported or required."},
	record.Field{Name: "server_version", Type: record.String, Doc: "Version of the server."},
	record.Field{Name: "host_name", Type: record.String, Doc: "Name of the client machine."},
	record.Field{Name: "user", Type: record.String, Doc: "User of a login with a password."},
	record.Field{Name: "app", Type: record.String, Doc: "Name of the client program."},
	record.Field{Name: "server_name", Type: record.String, Doc: "Server the client wants to reach."},
	record.Field{Name: "library", Type: record.String, Doc: "Client library."},
	record.Field{Name: "database", Type: record.String, Doc: "Database the client wants to use."},
	record.Field{Name: "result", Type: record.Enum, Doc: "accepted or refused; unset if the login was encrypted."},
)

// Packet types.
const (
	typeResponse, typeLogin7, typeSSPI, typePrelogin = 0x04, 0x10, 0x11, 0x12
	headerBytes                                      = 8
	maxLogin                                         = 8 << 10
	maxResponse                                      = 4 << 10
	maxText                                          = 128 // characters
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) == 0 || b[0] != typePrelogin && b[0] != typeLogin7 && b[0] != typeResponse {
		return protocol.No
	}
	if len(b) > 1 && b[1]&^1 != 0 {
		return protocol.No
	}
	if len(b) < headerBytes+8 {
		return protocol.More
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	p := b[headerBytes:]
	if n < headerBytes+8 || n > 32768 || b[7] != 0 {
		return protocol.No
	}
	switch b[0] {
	case typePrelogin, typeResponse:
		// The first option is the version: six bytes right after the list.
		off := int(binary.BigEndian.Uint16(p[1:]))
		if p[0] != 0 || binary.BigEndian.Uint16(p[3:]) != 6 || off%5 != 1 || off < 6 || off > 64 {
			return protocol.No
		}
		e.Reversed = b[0] == typeResponse && e.Dir == session.Orig
		return protocol.Sure
	case typeLogin7:
		v := binary.LittleEndian.Uint32(p[4:])
		if total := binary.LittleEndian.Uint32(p); total < 86 || total > 128<<10 || v>>24 < 0x70 || v>>24 > 0x74 {
			return protocol.No
		}
		return protocol.Sure
	}
	return protocol.No
}

type analyzer struct {
	rec   Record
	login bool // a login was read, its answer is awaited
	told  bool
}

// Close tells a login whose answer has not been seen.
func (a *analyzer) Close(f *protocol.Flow) { a.emit(f) }

func (a *analyzer) emit(f *protocol.Flow) {
	if !a.told {
		a.told = true
		f.Emit(&a.rec)
	}
}

// Parse reads packets until the login is answered or encrypted.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if len(data) < headerBytes {
		if len(data) > 0 && data[0] >= 20 && data[0] <= 23 {
			a.encrypted(f)
			return len(data)
		}
		return 0
	}
	n := int(binary.BigEndian.Uint16(data[2:]))
	if data[0] >= 20 && data[0] <= 23 && data[1] == 3 { // a TLS record
		a.encrypted(f)
		return len(data)
	}
	if n < headerBytes || data[0] == 0 || data[0] > typePrelogin {
		f.Anomaly("tds_bad_packet", "")
		f.Finish()
		return len(data)
	}
	want := n
	switch data[0] {
	case typeLogin7, typePrelogin:
		want = min(n, maxLogin)
	case typeResponse:
		want = min(n, maxResponse)
	default:
		return n
	}
	if len(data) < want {
		return 0
	}
	p := data[headerBytes:want]
	switch {
	case data[0] == typePrelogin && dir == session.Orig && len(p) > 2 && p[0] == 0x16 && p[1] == 3:
		a.encrypted(f)
	case data[0] == typeLogin7 && dir == session.Orig:
		a.readLogin(f, p)
	case data[0] == typeResponse && dir == session.Resp && a.login:
		a.answer(f, dir, p)
	case data[0] == typeResponse && dir == session.Resp || data[0] == typePrelogin && dir == session.Resp:
		a.prelogin(f, p)
	}
	return n
}

func (a *analyzer) encrypted(f *protocol.Flow) {
	f.SetEncrypted()
	a.emit(f)
	f.Finish()
}

// Options of a prelogin ([MS-TDS] section 2.2.6.5).
const (
	optVersion, optEncryption, optEnd = 0, 1, 0xff
)

func (a *analyzer) prelogin(f *protocol.Flow, p []byte) {
	c := wire.New(p)
	for i := 0; i < 16; i++ {
		kind := c.U8()
		if kind == optEnd || !c.OK() {
			return
		}
		off, n := int(c.U16()), int(c.U16())
		o := wire.New(p)
		o.Skip(off)
		v := o.Bytes(n)
		switch {
		case kind == optVersion && len(v) == 6:
			a.rec.server = strconv.Itoa(int(v[0])) + "." + strconv.Itoa(int(v[1])) + "." + strconv.Itoa(int(binary.BigEndian.Uint16(v[2:])))
			f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(session.Resp), Value: "Microsoft SQL Server " + a.rec.server})
		case kind == optEncryption && len(v) == 1 && v[0] < 4:
			a.rec.encryption = [...]string{"off", "on", "not_supported", "required"}[v[0]]
		}
	}
}

// readLogin reads the names in a login ([MS-TDS] section 2.2.6.4). Of the
// password only the presence is looked at.
func (a *analyzer) readLogin(f *protocol.Flow, p []byte) {
	r := &a.rec
	c := wire.New(p)
	c.Skip(4)
	r.version = c.LE32()
	c.Skip(36 - 8)
	field := func() []byte {
		off, n := int(c.LE16()), int(c.LE16())
		o := wire.New(p)
		o.Skip(off)
		return o.Bytes(2 * n)
	}
	host, user, password, app, server := field(), field(), field(), field(), field()
	field()
	library := field()
	field()
	database := field()
	if !c.OK() {
		f.Anomaly("tds_bad_login", "")
		return
	}
	r.host, r.user, r.app, r.name, r.library, r.database = text(host), text(user), text(app), text(server), text(library), text(database)
	a.login = true
	addr := f.Addr(session.Orig)
	if r.host != "" {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: addr, Value: r.host})
	}
	if r.user != "" {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: addr, Value: r.user})
		if len(password) > 0 { // only disguised on the wire
			f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: addr, Value: r.user})
		}
	}
	if r.app != "" {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: addr, Value: r.app})
	}
}

func text(b []byte) string {
	b = b[:min(len(b), 2*maxText)]
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

// Tokens of an answer.
const (
	tokenError, tokenInfo, tokenLoginAck, tokenEnvChange, tokenSSPI = 0xaa, 0xab, 0xad, 0xe3, 0xed
	loginFailed                                                     = 18456
	maxTokens                                                       = 32
)

func (a *analyzer) answer(f *protocol.Flow, dir session.Direction, p []byte) {
	c := wire.New(p)
	for i := 0; i < maxTokens && c.Len() > 0; i++ {
		kind := c.U8()
		switch kind {
		case tokenError, tokenInfo, tokenLoginAck, tokenEnvChange, tokenSSPI:
		default:
			return
		}
		n := int(c.LE16())
		v := c.Sub(n)
		if !c.OK() {
			return
		}
		switch kind {
		case tokenError:
			if v.LE32() == loginFailed {
				a.result(f, protocol.LoginFailed, "refused")
				return
			}
		case tokenLoginAck:
			a.result(f, protocol.LoginOK, "accepted")
			return
		}
	}
}

func (a *analyzer) result(f *protocol.Flow, kind protocol.ObservationKind, text string) {
	a.rec.result = text
	if a.rec.user != "" {
		f.Observe(protocol.Observation{Kind: kind, Addr: f.Addr(session.Orig), Value: a.rec.user})
	}
	a.emit(f)
	f.Finish()
}

// Record is a login.
type Record struct {
	version                             uint32
	encryption, server, host, user, app string
	name, library, database, result     string
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	if r.version == 0 {
		e.Unset()
	} else {
		var b [8]byte
		for i := range b {
			b[i] = "0123456789abcdef"[r.version>>(28-4*i)&15]
		}
		e.Raw(b[:])
	}
	e.Str(r.encryption)
	e.Str(r.server)
	e.Str(r.host)
	e.Str(r.user)
	e.Str(r.app)
	e.Str(r.name)
	e.Str(r.library)
	e.Str(r.database)
	e.Str(r.result)
}
