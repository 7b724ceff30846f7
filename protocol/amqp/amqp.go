// Package amqp reads the Advanced Message Queuing Protocol: version 0-9-1, which
// RabbitMQ speaks, and of version 1.0 the login and the names.
package amqp

import (
	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of amqp.
var Definition = protocol.Definition{
	Name:       "amqp",
	Doc:        "Advanced Message Queuing Protocol 0-9-1 and 1.0 (OASIS): recognised by the protocol header.",
	Transports: protocol.TCP,
	Ports:      []uint16{5672},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the amqp record.
var Schema = record.New("amqp", "", "one AMQP session",
	record.Field{Name: "version", Type: record.String, Doc: "Version the client asked for: 0-9-1, 1.0, …"},
	record.Field{Name: "mechanism", Type: record.String, Doc: "SASL mechanism of the login."},
	record.Field{Name: "user", Type: record.String, Doc: "Account of the login, for mechanisms that show it."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the login was accepted; unset if that was not seen."},
	record.Field{Name: "vhost", Type: record.String, Doc: "Virtual host (0-9-1), or host name (1.0), that was opened."},
	record.Field{Name: "server", Type: record.String, Doc: "Product and version of the server, or its container."},
	record.Field{Name: "client", Type: record.String, Doc: "Product and version of the client, or its container."},
	record.Field{Name: "exchanges", Type: record.Set, Doc: "Exchanges that were declared or published to, at most 32."},
	record.Field{Name: "queues", Type: record.Set, Doc: "Queues that were declared or consumed from, at most 32."},
	record.Field{Name: "published", Type: record.Count, Doc: "Messages the client published."},
	record.Field{Name: "delivered", Type: record.Count, Doc: "Messages the server delivered."},
	record.Field{Name: "close_code", Type: record.Count, Doc: "Code one side closed the connection or a channel with."},
	record.Field{Name: "close_text", Type: record.String, Doc: "Text to that code."},
)

// Bounds of what is kept.
const (
	maxText = 256
	maxSet  = 32
	maxLook = 4096 // bytes of a frame that are looked at
	maxSize = 128 << 20
)

// protocolHeader accepts "AMQP" and the eight bytes of a version.
func protocolHeader(b []byte) protocol.Verdict {
	const mark = "AMQP"
	n := min(len(b), len(mark))
	switch {
	case string(b[:n]) != mark[:n]:
		return protocol.No
	case len(b) < 8:
		return protocol.More
	case b[4] <= 3 && b[5] <= 9 && b[6] <= 9 && b[7] <= 10:
		return protocol.Sure
	}
	return protocol.No
}

func probe(e *protocol.Evidence) protocol.Verdict {
	for dir, b := range e.Data {
		if len(b) == 0 {
			continue
		}
		if v := protocolHeader(b); v != protocol.No {
			e.Reversed = v == protocol.Sure && dir == int(session.Resp) && len(e.Data[0]) == 0
			return v
		}
		v, server := methodFrame(b)
		e.Reversed = v == protocol.Sure && server == (dir == int(session.Orig))
		return v
	}
	return protocol.No
}

// methodFrame accepts a whole frame of version 0-9-1 with a publication or a
// delivery, for sessions of which the start is missing.
func methodFrame(b []byte) (v protocol.Verdict, server bool) {
	c := wire.New(b)
	kind := c.U8()
	c.U16()
	size := int(c.U32())
	id := c.U32()
	switch {
	case len(b) > 0 && kind != 1, len(b) >= 7 && (size < 8 || size > 1024):
		return protocol.No, false
	case !c.OK():
		return protocol.More, false
	}
	server = id == 60<<16|60
	if id != 60<<16|40 && !server {
		return protocol.No, false
	}
	c.Skip(size - 4)
	end := c.U8()
	switch {
	case !c.OK():
		return protocol.More, false
	case end != 0xce:
		return protocol.No, false
	}
	return protocol.Sure, server
}

type analyzer struct {
	started [2]bool // the header is past
	version [4]byte
	rec     amqpRecord
	any     bool
}

type amqpRecord struct {
	version                                      string
	mechanism, user, vhost, server, client, text []byte
	judged, ok                                   bool
	exchanges, queues                            []string
	published, delivered                         uint64
	code                                         uint16
}

func (r *amqpRecord) Schema() *record.Schema { return Schema }

func (r *amqpRecord) Append(e *record.Encoder) {
	e.Str(r.version)
	e.Bytes(r.mechanism)
	e.Bytes(r.user)
	if r.judged {
		e.Bool(r.ok)
	} else {
		e.Unset()
	}
	e.Bytes(r.vhost)
	e.Bytes(r.server)
	e.Bytes(r.client)
	e.Strs(r.exchanges)
	e.Strs(r.queues)
	e.Uint(r.published)
	e.Uint(r.delivered)
	if r.code > 0 {
		e.Uint(uint64(r.code))
	} else {
		e.Unset()
	}
	e.Bytes(r.text)
}

// Parse reads the protocol header, or one frame, of a long one only the start.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if data[0] == 'A' {
		if len(data) < 8 {
			return 0
		}
		if protocolHeader(data) != protocol.Sure {
			a.invalid(f)
			return len(data)
		}
		a.header(f, dir, data[:8])
		return 8
	}
	if a.version[0] == 0 && a.version[1] == 1 || a.version[0] == 3 {
		return a.frame1(f, dir, data)
	}
	return a.frame0(f, dir, data)
}

func (a *analyzer) invalid(f *protocol.Flow) {
	f.Anomaly("amqp_invalid_frame", "")
	a.Close(f)
	f.Finish()
}

// Close tells the session.
func (a *analyzer) Close(f *protocol.Flow) {
	if a.any {
		a.any = false
		f.Emit(&a.rec)
	}
}

func (a *analyzer) header(f *protocol.Flow, dir session.Direction, b []byte) {
	a.any = true
	a.started[dir] = true
	if dir == session.Resp && a.started[session.Orig] && [4]byte(b[4:]) != a.version {
		f.Anomaly("amqp_version_refused", "")
		return
	}
	a.version = [4]byte(b[4:])
	switch {
	case b[5] == 1 && b[4] != 1:
		a.rec.version = "1.0"
	case b[5] == 0 && b[6] == 9:
		a.rec.version = "0-9-1"
	case b[5] == 0 || b[4] == 1:
		a.rec.version = "0-8"
	}
	if b[4] == 2 && dir == session.Resp { // TLS follows (version 1.0, part 5.2)
		f.Handover("tls", true)
	}
}

// frame0 reads a frame of version 0-9-1 (section 4.2.3).
func (a *analyzer) frame0(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	kind := c.U8()
	c.U16()
	size := int(c.U32())
	if !c.OK() {
		return 0
	}
	if kind == 0 || kind > 8 || size > maxSize {
		a.invalid(f)
		return len(data)
	}
	if c.Len() < min(size+1, maxLook) {
		return 0
	}
	if size < maxLook && c.Rest()[size] != 0xce {
		a.invalid(f)
		return len(data)
	}
	a.any = true
	if kind == 1 {
		body := wire.New(c.Rest()[:min(size, maxLook)])
		a.method(f, dir, &body)
	}
	return 7 + size + 1
}

func (a *analyzer) method(f *protocol.Flow, dir session.Direction, c *wire.Cursor) {
	r := &a.rec
	switch id := c.U32(); id {
	case 10<<16 | 10: // connection.start
		c.U16()
		r.server = product(r.server, c)
		if len(r.server) > 0 {
			f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: string(r.server)})
		}
	case 10<<16 | 11: // connection.start-ok
		r.client = product(r.client, c)
		if len(r.client) > 0 {
			f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: string(r.client)})
		}
		mechanism := c.Vec8()
		response := c.Sub(int(c.U32()))
		a.login(f, mechanism.Rest(), response.Rest())
	case 10<<16 | 30: // connection.tune: the login was accepted
		a.judge(f, true)
	case 10<<16 | 40: // connection.open
		name := c.Vec8()
		r.vhost = textline.Set(r.vhost, name.Rest(), maxText)
	case 10<<16 | 50, 20<<16 | 40: // connection.close, channel.close
		code := c.U16()
		text := c.Vec8()
		if c.OK() {
			r.code = code
			r.text = textline.Set(r.text, text.Rest(), maxText)
			if code == 403 && len(r.mechanism) > 0 && !r.judged {
				a.judge(f, false)
			}
		}
	case 40<<16 | 10: // exchange.declare
		c.U16()
		r.exchanges = add(r.exchanges, c.Vec8())
	case 50<<16 | 10, 60<<16 | 20: // queue.declare, basic.consume
		c.U16()
		r.queues = add(r.queues, c.Vec8())
	case 60<<16 | 40: // basic.publish
		c.U16()
		r.published++
		r.exchanges = add(r.exchanges, c.Vec8())
	case 60<<16 | 60, 60<<16 | 71: // basic.deliver, basic.get-ok
		r.delivered++
	}
}

// add puts a name into a small set.
func add(set []string, c wire.Cursor) []string {
	name := c.Rest()
	if !c.OK() || len(name) == 0 || len(set) >= maxSet {
		return set
	}
	for _, s := range set {
		if s == string(name) {
			return set
		}
	}
	return append(set, string(name))
}

// product reads a table of properties and appends its product and version.
func product(dst []byte, c *wire.Cursor) []byte {
	t := c.Sub(int(c.U32()))
	var name, version []byte
	for i := 0; i < 32 && t.OK() && t.Len() > 0; i++ {
		key := t.Vec8()
		switch t.U8() {
		case 'S', 'x', 'F', 'A':
			v := t.Sub(int(t.U32()))
			switch string(key.Rest()) {
			case "product":
				name = v.Rest()
			case "version":
				version = v.Rest()
			}
		case 't', 'b', 'B':
			t.Skip(1)
		case 's', 'u', 'U':
			t.Skip(2)
		case 'I', 'i', 'f':
			t.Skip(4)
		case 'L', 'l', 'd', 'T':
			t.Skip(8)
		case 'D':
			t.Skip(5)
		case 'V':
		default:
			t.Fail()
		}
	}
	dst = textline.Set(dst, name, maxText)
	if len(version) > 0 {
		dst = append(append(dst, ' '), version[:min(len(version), 64)]...)
	}
	return dst
}

// login takes the client's first message of a mechanism.
func (a *analyzer) login(f *protocol.Flow, mechanism, response []byte) {
	r := &a.rec
	r.mechanism = textline.Set(r.mechanism, mechanism, 32)
	var user []byte
	switch string(r.mechanism) {
	case "PLAIN":
		user = textline.PlainUser(response)
	case "AMQPLAIN": // a table: LOGIN, PASSWORD
		c := wire.New(response)
		key := c.Vec8()
		if string(key.Rest()) == "LOGIN" && c.U8() == 'S' {
			v := c.Sub(int(c.U32()))
			user = v.Rest()
		}
	default:
		return
	}
	if user == nil {
		return
	}
	r.user = textline.Set(r.user, user, maxText)
	f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(r.user)})
}

func (a *analyzer) judge(f *protocol.Flow, ok bool) {
	r := &a.rec
	if r.judged || len(r.mechanism) == 0 {
		return
	}
	r.judged, r.ok = true, ok
	value := string(r.user)
	if value == "" {
		value = string(r.mechanism)
	} else if ok {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: value})
	}
	kind := protocol.LoginFailed
	if ok {
		kind = protocol.LoginOK
	}
	f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: value})
}

// frame1 reads a frame of version 1.0 (part 2.3).
func (a *analyzer) frame1(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	size := int(c.U32())
	offset := int(c.U8())
	c.U8()
	c.U16()
	if !c.OK() {
		return 0
	}
	if size < 8 || size > maxSize || offset < 2 || offset*4 > size {
		a.invalid(f)
		return len(data)
	}
	if len(data) < min(size, maxLook) {
		return 0
	}
	a.any = true
	body := wire.New(data[8:min(size, maxLook)])
	body.Skip(offset*4 - 8)
	a.performative(f, dir, &body)
	return size
}

// performative reads a described list: the small codes of part 2.7 and 5.3.
func (a *analyzer) performative(f *protocol.Flow, dir session.Direction, c *wire.Cursor) {
	if c.U8() != 0 || c.U8() != 0x53 {
		return
	}
	code := c.U8()
	switch c.U8() {
	case 0x45: // an empty list
	case 0xc0:
		c.Skip(2)
	case 0xd0:
		c.Skip(8)
	default:
		return
	}
	r := &a.rec
	switch code {
	case 0x10: // open: container, host name
		if dir == session.Orig {
			r.client = textline.Set(r.client, value1(c), maxText)
			r.vhost = textline.Set(r.vhost, value1(c), maxText)
		} else {
			r.server = textline.Set(r.server, value1(c), maxText)
		}
	case 0x14: // transfer
		if dir == session.Orig {
			r.published++
		} else {
			r.delivered++
		}
	case 0x41: // sasl-init: mechanism, response
		mechanism := value1(c)
		a.login(f, mechanism, value1(c))
	case 0x44: // sasl-outcome: a code
		if c.U8() == 0x50 {
			outcome := c.U8()
			if c.OK() {
				a.judge(f, outcome == 0)
			}
		}
	}
}

// value1 reads a string, symbol or binary of version 1.0; others are nil.
func value1(c *wire.Cursor) []byte {
	switch c.U8() {
	case 0xa0, 0xa1, 0xa3:
		v := c.Vec8()
		return v.Rest()
	case 0xb0, 0xb1, 0xb3:
		return c.Bytes(int(c.U32()))
	}
	return nil
}
