// Package postgresql reads the frontend/backend protocol of PostgreSQL, version
// 3: logins, statements and how they ended.
//
// Like Zeek's postgresql.log it tells one record per exchange. The
// specification is the chapter "Frontend/Backend Protocol" of PostgreSQL's
// documentation.
package postgresql

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of postgresql.
var Definition = protocol.Definition{
	Name:       "postgresql",
	Doc:        "PostgreSQL frontend/backend protocol 3: recognised by the startup or encryption request, or by a query and its answer.",
	Transports: protocol.TCP,
	Ports:      []uint16{5432},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the postgresql record.
var Schema = record.New("postgresql", "postgresql", "one exchange: an encryption request, a login, a statement",
	record.Field{Name: "user", Type: record.String, Doc: "Account of the session."},
	record.Field{Name: "database", Type: record.String, Doc: "Database of the session."},
	record.Field{Name: "application_name", Type: record.String, Doc: "Name the client's program gave itself."},
	record.Field{Name: "frontend", Type: record.String, Doc: "What the client sent: ssl_request, gssenc_request, cancel_request, startup, simple_query, parse, terminate."},
	record.Field{Name: "frontend_arg", Type: record.String, Doc: "The first 200 bytes of the statement."},
	record.Field{Name: "backend", Type: record.String, Doc: "What the server answered: ssl_reply, auth_request, auth_ok, error."},
	record.Field{Name: "backend_arg", Type: record.String, Doc: "The method of authentication, or the fields of the error."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether it succeeded; unset without an answer."},
	record.Field{Name: "rows", Type: record.Count, Doc: "Rows that were sent as the result."},
)

// Bounds of what is kept.
const (
	maxArg  = 200  // bytes of a statement
	maxText = 512  // bytes of other texts
	maxLook = 1024 // bytes of a message that are looked at; the rest is passed over
	maxSize = 1 << 30
)

// Codes in the place of the version in the first message.
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSS    = 80877104
)

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 5432), client, server)
	e.Reversed = reversed
	return protocol.Verdict(v)
}

func client(b []byte) textline.Verdict {
	if b[0] == 'Q' || b[0] == 'P' || b[0] == 'p' {
		c := wire.New(b)
		c.U8()
		n := c.U32()
		switch {
		case !c.OK():
			return textline.More
		case n < 6 || n > 1<<20:
			return textline.No
		}
		rest := c.Rest()
		whole := len(rest) >= int(n)-4
		if whole {
			rest = rest[:n-4]
		}
		i := bytes.IndexByte(rest, 0)
		switch {
		case i < 0 && whole || b[0] == 'Q' && i >= 0 && i != int(n)-5:
			return textline.No
		case i < 0:
			i = len(rest)
		}
		if !textline.Printable(rest[:i]) {
			return textline.No
		}
		if !whole {
			return textline.More
		}
		return textline.Likely
	}
	if b[0] != 0 {
		return textline.No
	}
	c := wire.New(b)
	n, code := c.U32(), c.U32()
	if !c.OK() {
		if len(b) > 1 && b[1] != 0 {
			return textline.No
		}
		return textline.More
	}
	switch {
	case n == 8 && (code == codeSSL || code == codeGSS), n == 16 && code == codeCancel:
		return textline.Sure
	case code>>16 == 3 && code&0xffff <= 2 && n > 12 && n < 10000:
		rest := c.Rest()
		if len(rest) < 5 {
			return textline.More
		}
		i := bytes.IndexByte(rest, 0)
		if i < 0 && len(rest) < 32 && textline.Printable(rest) {
			return textline.More
		}
		if i > 2 && textline.Printable(rest[:i]) {
			return textline.Sure // length, version and a name: over 40 bits
		}
	}
	return textline.No
}

func server(b []byte) textline.Verdict {
	if len(b) == 1 && (b[0] == 'S' || b[0] == 'N' || b[0] == 'G') {
		return textline.Likely
	}
	c := wire.New(b)
	kind := c.U8()
	n := c.U32()
	if bytes.IndexByte([]byte("RTCDEZSKN123tnIdHGW"), kind) < 0 {
		return textline.No
	}
	if !c.OK() {
		return textline.More
	}
	if n < 4 || n > 1<<24 {
		return textline.No
	}
	return textline.Likely
}

type analyzer struct {
	session bool // the startup message is past: messages have a type
	asked   bool // encryption was asked for
	ready   bool // the login is past
	plain   bool // the password is wanted in the clear
	told    bool // the credential was told
	open    bool
	soft    bool // the server's program was told

	user, database, application []byte
	rec                         pgRecord
}

type pgRecord struct {
	a                        *analyzer
	frontend, backend        string
	arg, reply               []byte
	answered, success, count bool
	rows                     uint64
}

func (r *pgRecord) Schema() *record.Schema { return Schema }

func (r *pgRecord) Append(e *record.Encoder) {
	e.Bytes(r.a.user)
	e.Bytes(r.a.database)
	e.Bytes(r.a.application)
	e.Str(r.frontend)
	e.Bytes(r.arg)
	e.Str(r.backend)
	e.Bytes(r.reply)
	if r.answered {
		e.Bool(r.success)
	} else {
		e.Unset()
	}
	if r.count {
		e.Uint(r.rows)
	} else {
		e.Unset()
	}
}

func (a *analyzer) begin(f *protocol.Flow, frontend string, arg []byte) {
	a.finish(f)
	a.rec = pgRecord{a: a, frontend: frontend, arg: textline.Set(a.rec.arg, arg, maxArg), reply: a.rec.reply[:0]}
	a.open = true
}

func (a *analyzer) finish(f *protocol.Flow) {
	if a.open {
		a.open = false
		f.Emit(&a.rec)
	}
}

// Parse reads one message, of a long one only the start.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if a.asked {
		if dir == session.Orig {
			return 0 // until the server says whether it encrypts
		}
		return a.encryption(f, data)
	}
	if dir == session.Orig && !a.session {
		if data[0] != 0 {
			a.session, a.ready = true, true // the capture starts later
		} else {
			return a.startup(f, data)
		}
	}
	c := wire.New(data)
	kind := c.U8()
	n := c.U32()
	if !c.OK() {
		return 0
	}
	if n < 4 || n > maxSize {
		f.Anomaly("postgresql_invalid_length", "")
		a.finish(f)
		f.Finish()
		return len(data)
	}
	size := int(n) - 4
	if c.Len() < min(size, maxLook) {
		return 0
	}
	body := c.Rest()[:min(size, c.Len())]
	if dir == session.Orig {
		a.fromClient(f, kind, body)
	} else {
		a.fromServer(f, kind, body)
	}
	return 5 + size
}

// Close tells the exchange at hand.
func (a *analyzer) Close(f *protocol.Flow) { a.finish(f) }

// encryption takes the one byte that answers a request to encrypt.
func (a *analyzer) encryption(f *protocol.Flow, data []byte) int {
	a.asked = false
	if data[0] == 'E' {
		return 0 // an error message of an old server
	}
	a.rec.backend = "ssl_reply"
	a.rec.reply = append(a.rec.reply[:0], data[0])
	a.rec.answered, a.rec.success = true, data[0] == 'S' || data[0] == 'G'
	gss := a.rec.frontend == "gssenc_request"
	if gss {
		a.rec.backend = "gssenc_reply"
	}
	ok := a.rec.success
	a.finish(f)
	switch {
	case ok && gss:
		f.SetEncrypted()
		f.Finish()
	case ok:
		f.Handover("tls", true)
	}
	return 1
}

// startup reads the first message, which has no type.
func (a *analyzer) startup(f *protocol.Flow, data []byte) int {
	c := wire.New(data)
	n, code := c.U32(), c.U32()
	if !c.OK() {
		return 0
	}
	switch {
	case n == 8 && code == codeSSL:
		a.begin(f, "ssl_request", nil)
		a.asked = true
		return 8
	case n == 8 && code == codeGSS:
		a.begin(f, "gssenc_request", nil)
		a.asked = true
		return 8
	case n == 16 && code == codeCancel:
		if len(data) < 16 {
			return 0
		}
		a.begin(f, "cancel_request", nil)
		a.finish(f)
		f.Finish()
		return 16
	case n < 8 || n > 10000 || code>>16 != 3:
		f.Anomaly("postgresql_invalid_startup", "")
		f.Finish()
		return len(data)
	}
	if len(data) < int(n) {
		return 0
	}
	a.session = true
	a.begin(f, "startup", nil)
	rest := data[8:n]
	for len(rest) > 1 {
		name, more, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			break
		}
		var value []byte
		value, rest, _ = bytes.Cut(more, []byte{0})
		switch string(name) {
		case "user":
			a.user = textline.Set(a.user, value, maxText)
		case "database":
			a.database = textline.Set(a.database, value, maxText)
		case "application_name":
			a.application = textline.Set(a.application, value, maxText)
		}
	}
	if len(a.database) == 0 {
		a.database = textline.Set(a.database, a.user, maxText)
	}
	return int(n)
}

func (a *analyzer) fromClient(f *protocol.Flow, kind byte, body []byte) {
	switch kind {
	case 'Q':
		text, _, _ := bytes.Cut(body, []byte{0})
		a.begin(f, "simple_query", text)
	case 'P':
		_, rest, _ := bytes.Cut(body, []byte{0})
		text, _, _ := bytes.Cut(rest, []byte{0})
		a.begin(f, "parse", text)
	case 'p':
		if a.plain && !a.told {
			a.told = true
			f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(a.user)})
		}
	case 'X':
		a.begin(f, "terminate", nil)
		a.finish(f)
	}
}

func (a *analyzer) fromServer(f *protocol.Flow, kind byte, body []byte) {
	switch kind {
	case 'R':
		c := wire.New(body)
		a.authentication(f, c.U32())
	case 'S':
		name, value, _ := bytes.Cut(body, []byte{0})
		if string(name) == "server_version" && !a.soft {
			a.soft = true
			value = bytes.TrimRight(value, "\x00")
			f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: "PostgreSQL " + string(value[:min(len(value), maxText)])})
		}
	case 'D':
		if a.open {
			a.rec.rows++
			a.rec.count = true
		}
	case 'E':
		a.failed(f, body)
	case 'C':
		if a.open && !a.rec.count {
			a.rec.rows, a.rec.count = 0, a.rec.frontend != "startup"
		}
	case 'Z':
		if a.open {
			if !a.rec.answered {
				a.rec.answered, a.rec.success = true, len(body) > 0 && (body[0] == 'I' || body[0] == 'T')
			}
			a.finish(f)
		}
	}
}

func (a *analyzer) authentication(f *protocol.Flow, method uint32) {
	if method == 0 {
		a.rec.backend = "auth_ok"
		a.rec.answered, a.rec.success = true, true
		if !a.ready {
			a.ready = true
			if len(a.user) > 0 {
				f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: string(a.user)})
			}
			f.Observe(protocol.Observation{Kind: protocol.LoginOK, Addr: f.Session.Orig, Value: string(a.user)})
		}
		return
	}
	name := "unknown"
	switch method {
	case 2:
		name = "KerberosV5"
	case 3:
		name = "CleartextPassword"
		a.plain = true
	case 5:
		name = "MD5Password"
	case 7:
		name = "GSSAPI"
	case 8:
		name = "GSSAPIContinue"
	case 9:
		name = "SSPI"
	case 10:
		name = "SASL"
	case 11:
		name = "SASLContinue"
	case 12:
		name = "SASLFinal"
	}
	a.rec.backend = "auth_request"
	a.addReply(name)
}

// addReply appends to the record's list of what the server said.
func (a *analyzer) addReply(s string) {
	if len(a.rec.reply)+len(s) >= maxText {
		return
	}
	if len(a.rec.reply) > 0 {
		a.rec.reply = append(a.rec.reply, ',')
	}
	a.rec.reply = append(a.rec.reply, s...)
}

// errorFields names the fields of an error message.
var errorFields = [256]string{'S': "SeverityLocalized", 'V': "Severity", 'C': "Code", 'M': "Message", 'D': "Detail", 'H': "Hint", 'P': "Position",
	'p': "InternalPosition", 'q': "InternalQuery", 'W': "Context", 's': "Schema", 't': "Table", 'c': "Column", 'd': "Data", 'n': "Constraint",
	'F': "File", 'L': "Line", 'R': "Routine"}

// failed reads an error message: fields of a letter and a text each.
func (a *analyzer) failed(f *protocol.Flow, body []byte) {
	if !a.open {
		a.begin(f, "", nil)
	}
	a.rec.backend = "error"
	a.rec.answered, a.rec.success = true, false
	denied := false
	for i := 0; i < 32 && len(body) > 1 && body[0] != 0; i++ {
		key := body[0]
		var value []byte
		value, body, _ = bytes.Cut(body[1:], []byte{0})
		if key == 'C' && bytes.HasPrefix(value, []byte("28")) { // invalid authorization specification
			denied = true
		}
		if errorFields[key] != "" && len(a.rec.reply) < maxText {
			a.addReply(errorFields[key])
			a.rec.reply = append(append(a.rec.reply, '='), value[:min(len(value), maxText)]...)
		}
	}
	if denied && !a.ready {
		f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: f.Session.Orig, Value: string(a.user)})
	}
	a.finish(f)
}
