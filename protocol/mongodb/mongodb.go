// Package mongodb reads the wire protocol of MongoDB: commands, the database
// and collection they concern, how they ended, and logins.
package mongodb

import (
	"bytes"
	"math"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of mongodb.
var Definition = protocol.Definition{
	Name:       "mongodb",
	Doc:        "MongoDB wire protocol: recognised by the message header with a known operation.",
	Transports: protocol.TCP,
	Ports:      []uint16{27017, 27018, 27019},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the mongodb record.
var Schema = record.New("mongodb", "", "one MongoDB command with its reply",
	record.Field{Name: "operation", Type: record.Enum, Doc: "Operation of the message: msg, query, insert, update, delete, get_more, compressed."},
	record.Field{Name: "command", Type: record.String, Doc: "Command: find, insert, hello, saslStart, …"},
	record.Field{Name: "database", Type: record.String, Doc: "Database it concerns."},
	record.Field{Name: "collection", Type: record.String, Doc: "Collection it concerns."},
	record.Field{Name: "user", Type: record.String, Doc: "Account of the session's last login."},
	record.Field{Name: "mechanism", Type: record.String, Doc: "Authentication mechanism of a saslStart."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the reply says that it worked; unset without a reply that can be read."},
	record.Field{Name: "error_code", Type: record.Count, Doc: "Code of the error."},
	record.Field{Name: "error", Type: record.String, Doc: "Text of the error."},
	record.Field{Name: "request_bytes", Type: record.Count, Doc: "Length of the request in bytes."},
	record.Field{Name: "reply_bytes", Type: record.Count, Doc: "Length of the reply in bytes."},
)

// Bounds of what is kept.
const (
	maxText    = 128
	maxPending = 32       // commands without a reply
	maxLook    = 2048     // bytes of a message that are looked at
	maxSize    = 48000000 // what servers take
	maxFields  = 64       // fields of a document that are looked at
	maxLogins  = 1000
)

// Operations.
const (
	opReply      = 1
	opUpdate     = 2001
	opInsert     = 2002
	opQuery      = 2004
	opGetMore    = 2005
	opDelete     = 2006
	opKill       = 2007
	opCompressed = 2012
	opMsg        = 2013
)

func probe(e *protocol.Evidence) protocol.Verdict {
	for dir, b := range e.Data {
		if len(b) == 0 {
			continue
		}
		v, reply := header(b)
		if v != protocol.No {
			e.Reversed = v == protocol.Sure && reply == (dir == int(session.Orig))
			return v
		}
	}
	return protocol.No
}

// header accepts a message's start; reply is true if it answers another.
func header(b []byte) (v protocol.Verdict, reply bool) {
	c := wire.New(b)
	n := c.LE32()
	c.LE32()
	to := c.LE32()
	op := c.LE32()
	if len(b) >= 4 && (n < 21 || n > maxSize) {
		return protocol.No, false
	}
	if !c.OK() {
		return protocol.More, false
	}
	next := c.LE32()
	more := !c.OK()
	switch op {
	case opReply:
		switch {
		case to == 0 || n < 36 || !more && next > 0xf:
			return protocol.No, false
		case more:
			return protocol.More, true
		}
		return protocol.Sure, true
	case opQuery, opInsert, opUpdate, opDelete, opGetMore, opKill:
		if to != 0 && to != 0xffffffff {
			return protocol.No, false
		}
		if op == opQuery && !more && next > 0xff {
			return protocol.No, false
		}
	case opMsg:
		if !more && next&^0x10003 != 0 {
			return protocol.No, false
		}
	case opCompressed:
	default:
		return protocol.No, false
	}
	if more {
		return protocol.More, false
	}
	return protocol.Sure, to != 0 && to != 0xffffffff
}

type command struct {
	id                                          uint32
	op                                          string
	name, database, collection, user, mechanism []byte
	size                                        int
	noReply                                     bool
}

type analyzer struct {
	pending []command // oldest first; memory is reused
	n       int
	user    []byte
	logins  int
	rec     mongoRecord
}

type mongoRecord struct {
	c            *command
	user         []byte
	answered, ok bool
	code         int64
	err          []byte
	size         int
}

func (r *mongoRecord) Schema() *record.Schema { return Schema }

func (r *mongoRecord) Append(e *record.Encoder) {
	c := r.c
	e.Str(c.op)
	e.Bytes(c.name)
	e.Bytes(c.database)
	e.Bytes(c.collection)
	e.Bytes(r.user)
	e.Bytes(c.mechanism)
	if r.answered {
		e.Bool(r.ok)
	} else {
		e.Unset()
	}
	if r.code > 0 {
		e.Uint(uint64(r.code))
	} else {
		e.Unset()
	}
	e.Bytes(r.err)
	e.Uint(uint64(c.size))
	if r.size > 0 {
		e.Uint(uint64(r.size))
	} else {
		e.Unset()
	}
}

// Parse reads one message, of a long one only the start.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	n, id, to, op := int(c.LE32()), c.LE32(), c.LE32(), c.LE32()
	if !c.OK() {
		return 0
	}
	if n < 16 || n > maxSize {
		f.Anomaly("mongodb_invalid_length", "")
		a.Close(f)
		f.Finish()
		return len(data)
	}
	if len(data) < min(n, maxLook) {
		return 0
	}
	body := wire.New(data[16:min(n, maxLook)])
	if op == opCompressed {
		inner := body.LE32()
		body.LE32()
		if body.U8() == 0 { // not compressed after all
			op = inner
		}
	}
	if dir == session.Orig {
		a.request(f, id, op, n, &body)
	} else {
		a.reply(f, to, op, n, &body)
	}
	return n
}

// Close tells the commands that had no reply.
func (a *analyzer) Close(f *protocol.Flow) {
	for i := 0; i < a.n; i++ {
		a.rec = mongoRecord{c: &a.pending[i], user: a.user}
		f.Emit(&a.rec)
	}
	a.n = 0
}

// cstring reads a string up to a NUL.
func cstring(c *wire.Cursor) []byte {
	rest := c.Rest()
	i := bytes.IndexByte(rest, 0)
	if i < 0 {
		c.Fail()
		return nil
	}
	c.Skip(i + 1)
	return rest[:i]
}

func (a *analyzer) request(f *protocol.Flow, id, op uint32, size int, c *wire.Cursor) {
	if a.n == maxPending {
		a.drop(f, 0)
	}
	if a.n == len(a.pending) {
		a.pending = append(a.pending, command{})
	}
	m := &a.pending[a.n]
	a.n++
	*m = command{id: id, size: size, name: m.name[:0], database: m.database[:0], collection: m.collection[:0], user: m.user[:0], mechanism: m.mechanism[:0]}
	switch op {
	case opMsg:
		m.op = "msg"
		m.noReply = c.LE32()&2 != 0
		a.sections(f, m, c)
	case opQuery:
		m.op = "query"
		c.LE32()
		database, collection, _ := bytes.Cut(cstring(c), []byte{'.'})
		c.Skip(8)
		m.database = textline.Set(m.database, database, maxText)
		if string(collection) == "$cmd" {
			a.document(f, m, c)
		} else {
			m.name = append(m.name, "find"...)
			m.collection = textline.Set(m.collection, collection, maxText)
		}
	case opInsert, opUpdate, opDelete, opGetMore:
		m.op = [...]string{"update", "insert", "", "query", "get_more", "delete"}[op-opUpdate]
		c.LE32()
		database, collection, _ := bytes.Cut(cstring(c), []byte{'.'})
		m.database = textline.Set(m.database, database, maxText)
		m.collection = textline.Set(m.collection, collection, maxText)
		m.noReply = op != opGetMore
	case opCompressed:
		m.op = "compressed"
	case opKill:
		a.n--
		return
	default:
		m.op = "unknown"
	}
	if m.noReply {
		a.drop(f, a.n-1)
	}
}

// drop tells a command without its reply.
func (a *analyzer) drop(f *protocol.Flow, i int) {
	a.rec = mongoRecord{c: &a.pending[i], user: a.user}
	f.Emit(&a.rec)
	a.remove(i)
}

func (a *analyzer) remove(i int) {
	m := a.pending[i]
	copy(a.pending[i:], a.pending[i+1:a.n])
	a.n--
	a.pending[a.n] = m
}

// sections finds the body of an OP_MSG.
func (a *analyzer) sections(f *protocol.Flow, m *command, c *wire.Cursor) {
	for i := 0; i < 8 && c.OK() && c.Len() > 0; i++ {
		switch c.U8() {
		case 0:
			a.document(f, m, c)
			return
		case 1:
			c.Skip(int(c.LE32()) - 4)
		default:
			return
		}
	}
}

// element is one field of a document.
type element struct {
	kind  byte
	name  []byte
	text  []byte // of strings and binary data
	value int64  // of numbers and truths
}

// next reads the next field of a document (bsonspec.org); ok is false at its
// end, or where the bytes that are looked at end.
func next(c *wire.Cursor) (e element, ok bool) {
	e.kind = c.U8()
	if e.kind == 0 || !c.OK() {
		return e, false
	}
	e.name = cstring(c)
	switch e.kind {
	case 0x01:
		v := math.Float64frombits(c.LE64())
		if v >= -1e15 && v <= 1e15 {
			e.value = int64(v)
		}
	case 0x02, 0x0d, 0x0e:
		n := int(c.LE32())
		e.text = bytes.TrimSuffix(c.Bytes(n), []byte{0})
	case 0x03, 0x04:
		c.Skip(int(c.LE32()) - 4)
	case 0x05:
		n := int(c.LE32())
		c.U8()
		e.text = c.Bytes(n)
	case 0x06, 0x0a, 0x7f, 0xff:
	case 0x07:
		c.Skip(12)
	case 0x08:
		e.value = int64(c.U8())
	case 0x09, 0x11, 0x12:
		e.value = int64(c.LE64())
	case 0x0b:
		cstring(c)
		cstring(c)
	case 0x10:
		e.value = int64(int32(c.LE32()))
	case 0x13:
		c.Skip(16)
	default:
		c.Fail()
	}
	return e, c.OK()
}

// document reads a command: its first field names it.
func (a *analyzer) document(f *protocol.Flow, m *command, c *wire.Cursor) {
	c.LE32()
	for i := 0; i < maxFields; i++ {
		e, ok := next(c)
		if i == 0 && len(e.name) > 0 {
			m.name = textline.Set(m.name, e.name, maxText)
			if e.kind == 2 && string(m.name) != "saslStart" {
				m.collection = textline.Set(m.collection, e.text, maxText)
			}
		}
		if !ok {
			break
		}
		switch string(e.name) {
		case "$db":
			m.database = textline.Set(m.database, e.text, maxText)
		case "mechanism":
			m.mechanism = textline.Set(m.mechanism, e.text, 32)
		case "user":
			if string(m.name) == "authenticate" || string(m.name) == "createUser" {
				m.user = textline.Set(m.user, e.text, maxText)
			}
		case "payload":
			if string(m.name) == "saslStart" {
				a.payload(f, m, e.text)
			}
		}
	}
	if len(m.user) > 0 {
		a.user = textline.Set(a.user, m.user, maxText)
	}
}

// payload finds the user in the first message of a mechanism.
func (a *analyzer) payload(f *protocol.Flow, m *command, b []byte) {
	if bytes.Equal(m.mechanism, []byte("PLAIN")) {
		m.user = textline.Set(m.user, textline.PlainUser(b), maxText)
		if a.logins < maxLogins {
			f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(m.user)})
		}
		return
	}
	if i := bytes.Index(b, []byte("n=")); i >= 0 && bytes.HasPrefix(m.mechanism, []byte("SCRAM")) { // RFC 5802 section 7
		user, _, _ := bytes.Cut(b[i+2:], []byte{','})
		m.user = textline.Set(m.user, user, maxText)
	}
}

func (a *analyzer) reply(f *protocol.Flow, to, op uint32, size int, c *wire.Cursor) {
	i := 0
	for i < a.n && a.pending[i].id != to {
		i++
	}
	if i == a.n {
		return
	}
	m := &a.pending[i]
	a.rec = mongoRecord{c: m, user: a.user, size: size, err: a.rec.err[:0]}
	r := &a.rec
	readable := true
	switch op {
	case opMsg:
		c.LE32()
		readable = c.U8() == 0
	case opReply:
		flags := c.LE32()
		c.Skip(16)
		if string(m.name) == "find" && m.op == "query" {
			r.answered, r.ok = c.OK(), flags&3 == 0
			readable = false
		}
	default:
		readable = false
	}
	done := true
	if readable {
		c.LE32()
		for k := 0; k < maxFields; k++ {
			e, ok := next(c)
			if !ok {
				break
			}
			switch string(e.name) {
			case "ok":
				r.answered, r.ok = true, e.value != 0
			case "code":
				r.code = e.value
			case "errmsg":
				r.err = textline.Set(r.err, e.text, maxText)
			case "done":
				done = e.value != 0
			}
		}
	}
	f.Emit(r)
	if r.answered {
		a.login(f, m, r.ok, done)
	}
	a.remove(i)
}

func (a *analyzer) login(f *protocol.Flow, m *command, ok, done bool) {
	switch string(m.name) {
	case "saslStart", "saslContinue", "authenticate":
	default:
		return
	}
	if ok && !done {
		return
	}
	if a.logins++; a.logins > maxLogins {
		return
	}
	kind := protocol.LoginFailed
	if ok {
		kind = protocol.LoginOK
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: string(a.user)})
	}
	f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: string(a.user)})
}
