// Package cassandra reads the native protocol of Apache Cassandra (CQL binary
// protocol, versions 3 to 5): how a session starts, logins, and statements.
package cassandra

import (
	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of cassandra.
var Definition = protocol.Definition{
	Name:       "cassandra",
	Doc:        "Cassandra native protocol 3 to 5: recognised by the STARTUP message, or by OPTIONS and its answer.",
	Transports: protocol.TCP,
	Ports:      []uint16{9042},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the cassandra record.
var Schema = record.New("cassandra", "", "one Cassandra session",
	record.Field{Name: "version", Type: record.Count, Doc: "Protocol version."},
	record.Field{Name: "cql_version", Type: record.String, Doc: "Version of CQL the client asked for."},
	record.Field{Name: "driver", Type: record.String, Doc: "Name and version of the client's driver."},
	record.Field{Name: "compression", Type: record.String, Doc: "Compression the client asked for."},
	record.Field{Name: "authenticator", Type: record.String, Doc: "Class the server wants the login by."},
	record.Field{Name: "user", Type: record.String, Doc: "Account of the login."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the login was accepted; unset if there was none."},
	record.Field{Name: "queries", Type: record.Count, Doc: "Statements: QUERY, PREPARE, EXECUTE and BATCH messages."},
	record.Field{Name: "first_query", Type: record.String, Doc: "The first 200 bytes of the first statement."},
	record.Field{Name: "errors", Type: record.Count, Doc: "Errors the server told."},
	record.Field{Name: "last_error", Type: record.String, Doc: "Text of the last of them."},
)

// Bounds of what is kept.
const (
	maxText  = 256
	maxQuery = 200
	maxLook  = 2048
	maxSize  = 256 << 20
)

// Opcodes (section 2.4).
const (
	opError        = 0x00
	opStartup      = 0x01
	opReady        = 0x02
	opAuthenticate = 0x03
	opOptions      = 0x05
	opSupported    = 0x06
	opQuery        = 0x07
	opPrepare      = 0x09
	opExecute      = 0x0a
	opBatch        = 0x0d
	opAuthResponse = 0x0f
	opAuthSuccess  = 0x10
)

// frame is a frame's header.
type frame struct {
	version, flags, op byte
	stream             uint16
	size               int
}

func parse(c *wire.Cursor) (f frame, ok bool) {
	f.version, f.flags = c.U8(), c.U8()
	f.stream = c.U16()
	f.op = c.U8()
	size := c.U32()
	f.size = int(size)
	v := f.version & 0x7f
	return f, v >= 3 && v <= 5 && f.flags <= 0x1f && f.op <= opAuthSuccess && size <= maxSize
}

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 9042), client, server)
	e.Reversed = reversed
	return protocol.Verdict(v)
}

func client(b []byte) textline.Verdict {
	c := wire.New(b)
	f, ok := parse(&c)
	switch {
	case !c.OK():
		if b[0] >= 3 && b[0] <= 5 && (len(b) < 2 || b[1] <= 0x1f) {
			return textline.More
		}
		return textline.No
	case !ok || f.version&0x80 != 0:
		return textline.No
	case f.op == opOptions && f.size == 0:
		return textline.Likely
	case f.op != opStartup || f.size < 20 || f.size > 4096:
		return textline.No
	}
	c.U16()
	key := c.Vec16()
	if !c.OK() {
		return textline.More
	}
	for i := 0; i < 8 && c.OK(); i++ {
		switch string(key.Rest()) {
		case "CQL_VERSION", "DRIVER_NAME", "DRIVER_VERSION", "COMPRESSION", "CLIENT_ID", "APPLICATION_NAME":
			return textline.Sure
		}
		c.Vec16()
		key = c.Vec16()
	}
	return textline.No
}

func server(b []byte) textline.Verdict {
	c := wire.New(b)
	f, ok := parse(&c)
	switch {
	case !c.OK():
		if b[0] >= 0x83 && b[0] <= 0x85 {
			return textline.More
		}
		return textline.No
	case !ok || f.version&0x80 == 0:
		return textline.No
	case f.op == opSupported || f.op == opReady || f.op == opAuthenticate || f.op == opError:
		return textline.Likely
	}
	return textline.No
}

type analyzer struct {
	rec cqlRecord
	any bool
}

type cqlRecord struct {
	version                                                       byte
	cql, driver, compression, authenticator, user, query, lastErr []byte
	judged, ok                                                    bool
	queries, errors                                               uint64
}

func (r *cqlRecord) Schema() *record.Schema { return Schema }

func (r *cqlRecord) Append(e *record.Encoder) {
	e.Uint(uint64(r.version))
	e.Bytes(r.cql)
	e.Bytes(r.driver)
	e.Bytes(r.compression)
	e.Bytes(r.authenticator)
	e.Bytes(r.user)
	if r.judged {
		e.Bool(r.ok)
	} else {
		e.Unset()
	}
	e.Uint(r.queries)
	e.Bytes(r.query)
	e.Uint(r.errors)
	e.Bytes(r.lastErr)
}

// Parse reads one frame, of a long one only the start.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	h, ok := parse(&c)
	if !c.OK() {
		return 0
	}
	if !ok {
		f.Anomaly("cassandra_invalid_frame", "")
		a.Close(f)
		f.Finish()
		return len(data)
	}
	if c.Len() < min(h.size, maxLook) {
		return 0
	}
	body := wire.New(c.Rest()[:min(h.size, maxLook)])
	a.any = true
	a.rec.version = h.version & 0x7f
	if h.flags&1 != 0 { // compressed
		body = wire.Cursor{}
	}
	if dir == session.Orig {
		a.request(f, h.op, &body)
	} else {
		a.response(f, h.op, &body)
	}
	return 9 + h.size
}

// Close tells the session.
func (a *analyzer) Close(f *protocol.Flow) {
	if a.any {
		a.any = false
		f.Emit(&a.rec)
	}
}

func (a *analyzer) request(f *protocol.Flow, op byte, c *wire.Cursor) {
	r := &a.rec
	switch op {
	case opStartup:
		a.startup(f, c)
	case opAuthResponse:
		token := c.Sub(int(c.U32()))
		user := textline.PlainUser(token.Rest())
		if user == nil {
			return
		}
		r.user = textline.Set(r.user, user, maxText)
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(r.user)})
	case opQuery, opPrepare:
		r.queries++
		n := c.U32()
		if text := c.Bytes(min(int(n), c.Len())); len(r.query) == 0 && len(text) > 0 {
			r.query = textline.Set(r.query, text, maxQuery)
		}
	case opExecute, opBatch:
		r.queries++
	}
}

// startup reads the options of STARTUP.
func (a *analyzer) startup(f *protocol.Flow, c *wire.Cursor) {
	r := &a.rec
	n := int(c.U16())
	var name, version []byte
	for i := 0; i < min(n, 16) && c.OK(); i++ {
		key, value := c.Vec16(), c.Vec16()
		switch string(key.Rest()) {
		case "CQL_VERSION":
			r.cql = textline.Set(r.cql, value.Rest(), 32)
		case "COMPRESSION":
			r.compression = textline.Set(r.compression, value.Rest(), 32)
		case "DRIVER_NAME":
			name = value.Rest()
		case "DRIVER_VERSION":
			version = value.Rest()
		}
	}
	if len(name) == 0 {
		return
	}
	r.driver = textline.Set(r.driver, name, maxText)
	if len(version) > 0 {
		r.driver = append(append(r.driver, ' '), version[:min(len(version), 64)]...)
	}
	f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Orig, Value: string(r.driver)})
}

func (a *analyzer) response(f *protocol.Flow, op byte, c *wire.Cursor) {
	r := &a.rec
	switch op {
	case opAuthenticate:
		class := c.Vec16()
		r.authenticator = textline.Set(r.authenticator, class.Rest(), maxText)
		a.framed(f)
	case opReady:
		a.framed(f)
	case opAuthSuccess:
		a.judge(f, true)
	case opError:
		code := c.U32()
		text := c.Vec16()
		r.errors++
		r.lastErr = textline.Set(r.lastErr, text.Rest(), maxText)
		if code == 0x100 { // bad credentials
			a.judge(f, false)
		}
	}
}

// framed ends the analysis of version 5, which goes on in segments with
// checksums (section 2.2).
func (a *analyzer) framed(f *protocol.Flow) {
	if a.rec.version == 5 {
		a.Close(f)
		f.Finish()
	}
}

func (a *analyzer) judge(f *protocol.Flow, ok bool) {
	r := &a.rec
	r.judged, r.ok = true, ok
	kind := protocol.LoginFailed
	if ok {
		kind = protocol.LoginOK
		if len(r.user) > 0 {
			f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: string(r.user)})
		}
	}
	f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: string(r.user)})
}
