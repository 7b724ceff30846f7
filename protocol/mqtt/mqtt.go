// Package mqtt reads MQTT 3.1, 3.1.1 and 5: who connects, what is published and
// what is subscribed to.
//
// The records are those of Zeek's mqtt_connect.log, mqtt_subscribe.log and
// mqtt_publish.log, the last one record per topic and not per message.
package mqtt

import (
	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of mqtt.
var Definition = protocol.Definition{
	Name:       "mqtt",
	Doc:        "MQTT 3.1, 3.1.1 and 5 (OASIS): recognised by CONNECT, or by a request and its acknowledgement.",
	Transports: protocol.TCP,
	Ports:      []uint16{1883},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Connect, Publish, Subscribe},
}

// Connect is the schema of the mqtt_connect record.
var Connect = record.New("mqtt_connect", "mqtt_connect", "one MQTT connection",
	record.Field{Name: "proto_name", Type: record.String, Doc: "Name of the protocol: MQTT or MQIsdp."},
	record.Field{Name: "proto_version", Type: record.String, Doc: "Version: 3.1, 3.1.1 or 5."},
	record.Field{Name: "client_id", Type: record.String, Doc: "Name the client gave itself."},
	record.Field{Name: "connect_status", Type: record.String, Doc: "The server's answer."},
	record.Field{Name: "will_topic", Type: record.String, Doc: "Topic of the message that is published when the client is lost."},
	record.Field{Name: "will_payload", Type: record.String, Doc: "The first 100 bytes of that message."},
	record.Field{Name: "user", Type: record.String, Doc: "User name of the login."},
	record.Field{Name: "keep_alive", Type: record.Count, Doc: "Seconds after which the client sends at the latest."},
	record.Field{Name: "clean", Type: record.Bool, Doc: "Whether the client wants no earlier state."},
)

// Publish is the schema of the mqtt_publish record.
var Publish = record.New("mqtt_publish", "mqtt_publish", "what was published to one topic in one direction of a session",
	record.Field{Name: "from_client", Type: record.Bool, Doc: "Whether the client published it."},
	record.Field{Name: "retain", Type: record.Bool, Doc: "Whether the first message is to be retained."},
	record.Field{Name: "qos", Type: record.String, Doc: "Delivery asked for in the first message."},
	record.Field{Name: "status", Type: record.String, Doc: "Zeek's state of the exchange; never set."},
	record.Field{Name: "topic", Type: record.String, Doc: "Topic."},
	record.Field{Name: "payload", Type: record.String, Doc: "The first 100 bytes of the first message."},
	record.Field{Name: "payload_len", Type: record.Count, Doc: "Length of the first message in bytes."},
	record.Field{Name: "messages", Type: record.Count, Doc: "Messages to the topic."},
	record.Field{Name: "bytes", Type: record.Count, Doc: "Their length together, in bytes."},
)

// Subscribe is the schema of the mqtt_subscribe record.
var Subscribe = record.New("mqtt_subscribe", "mqtt_subscribe", "one request to subscribe or unsubscribe",
	record.Field{Name: "action", Type: record.Enum, Doc: "Either subscribe or unsubscribe."},
	record.Field{Name: "topics", Type: record.Strings, Doc: "Topics and patterns, at most 32."},
	record.Field{Name: "qos_levels", Type: record.Counts, Doc: "Deliveries asked for."},
	record.Field{Name: "granted_qos_level", Type: record.Count, Doc: "Delivery granted for the first topic; 128 and above are refusals."},
	record.Field{Name: "ack", Type: record.Bool, Doc: "Whether the server acknowledged it."},
)

// Bounds of what is kept.
const (
	maxText   = 256
	maxBody   = 100  // bytes of a payload
	maxTopics = 32   // topics of a subscription
	maxTable  = 64   // topics that are counted; then they are told and counted anew
	maxLook   = 1024 // bytes of a message that are looked at; the rest is passed over
	maxSize   = 268435455
)

// Message types (MQTT 5 section 2.1.2).
const (
	typeConnect     = 1
	typeConnack     = 2
	typePublish     = 3
	typeSubscribe   = 8
	typeSuback      = 9
	typeUnsubscribe = 10
	typeUnsuback    = 11
)

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 1883), client, server)
	e.Reversed = reversed
	return protocol.Verdict(v)
}

// varint reads a variable byte integer; ok is false for one of more than four
// bytes.
func varint(c *wire.Cursor) (n int, ok bool) {
	for shift := 0; shift < 28; shift += 7 {
		b := c.U8()
		n |= int(b&0x7f) << shift
		if b&0x80 == 0 {
			return n, c.OK()
		}
	}
	return 0, false
}

func client(b []byte) textline.Verdict {
	c := wire.New(b)
	head := c.U8()
	n, ok := varint(&c)
	switch {
	case !ok && !c.OK():
		return validHead(head)
	case !ok:
		return textline.No
	}
	switch head {
	case 0x10:
		if n < 12 || n > 1<<20 {
			return textline.No
		}
		size := c.U16()
		name := c.Bytes(int(size))
		level := c.U8()
		if !c.OK() {
			if size == 4 || size == 6 || len(b) < 5 {
				return textline.More
			}
			return textline.No
		}
		level &= 0x7f // the highest bit marks a bridge
		if string(name) == "MQTT" && level >= 3 && level <= 5 || string(name) == "MQIsdp" && level == 3 {
			return textline.Sure
		}
		return textline.No
	case 0xc0:
		if n == 0 {
			return textline.Likely
		}
	case 0x82:
		c.U16()
		topic := c.Vec16()
		if !c.OK() {
			if len(b) < n && n < maxLook {
				return textline.More
			}
			return textline.No
		}
		if topic.Len() > 0 && topic.Len()+5 <= n && textline.Printable(topic.Rest()) {
			return textline.Likely
		}
	default:
		return published(head, n, &c)
	}
	return textline.No
}

func validHead(head byte) textline.Verdict {
	switch {
	case head == 0x10, head == 0xc0, head == 0x82, head>>4 == 3 && head&6 != 6, head == 0x20, head == 0xd0, head == 0x90, head == 0x40:
		return textline.More
	}
	return textline.No
}

// published accepts PUBLISH.
func published(head byte, n int, c *wire.Cursor) textline.Verdict {
	if head>>4 != typePublish || head&6 == 6 || n < 3 {
		return textline.No
	}
	size := int(c.U16())
	if c.OK() && (size == 0 || size+2 > n || size > maxLook) {
		return textline.No
	}
	topic := c.Bytes(size)
	if !c.OK() {
		return textline.More
	}
	if !textline.Printable(topic) {
		return textline.No
	}
	return textline.Likely
}

func server(b []byte) textline.Verdict {
	c := wire.New(b)
	head := c.U8()
	n, ok := varint(&c)
	switch {
	case !ok && !c.OK():
		return validHead(head)
	case !ok:
		return textline.No
	}
	switch head {
	case 0x20:
		flags := c.U8()
		if c.OK() && flags > 1 || n < 2 || n > 1024 {
			return textline.No
		}
		return textline.Likely
	case 0xd0:
		if n == 0 {
			return textline.Likely
		}
	case 0x40:
		if n == 2 {
			return textline.Likely
		}
	case 0x90:
		if n >= 3 && n < 1024 {
			return textline.Likely
		}
	default:
		return published(head, n, &c)
	}
	return textline.No
}

type topic struct {
	dir             session.Direction
	name, payload   []byte
	retain          bool
	qos             byte
	first           int
	messages, bytes uint64
}

type analyzer struct {
	version byte // 3, 4 or 5; 0 if CONNECT was not seen
	open    bool // CONNECT waits for its answer
	con     connectRecord
	topics  []topic
	n       int
	sub     subscribeRecord
	subID   uint16
	subOpen bool
	pub     publishRecord
}

type connectRecord struct {
	name, id, willTopic, willBody, user []byte
	version                             byte
	status                              string
	keepAlive                           uint16
	clean, login                        bool
}

func (r *connectRecord) Schema() *record.Schema { return Connect }

func (r *connectRecord) Append(e *record.Encoder) {
	e.Bytes(r.name)
	switch r.version {
	case 3:
		e.Str("3.1")
	case 4:
		e.Str("3.1.1")
	case 5:
		e.Str("5")
	default:
		e.Unset()
	}
	e.Bytes(r.id)
	e.Str(r.status)
	e.Bytes(r.willTopic)
	e.Bytes(r.willBody)
	e.Bytes(r.user)
	e.Uint(uint64(r.keepAlive))
	e.Bool(r.clean)
}

type publishRecord struct{ t *topic }

func (r *publishRecord) Schema() *record.Schema { return Publish }

var qosNames = [4]string{"at most once", "at least once", "exactly once", "reserved"}

func (r *publishRecord) Append(e *record.Encoder) {
	t := r.t
	e.Bool(t.dir == session.Orig)
	e.Bool(t.retain)
	e.Str(qosNames[t.qos&3])
	e.Unset()
	e.Bytes(t.name)
	e.Bytes(t.payload)
	e.Uint(uint64(t.first))
	e.Uint(t.messages)
	e.Uint(t.bytes)
}

type subscribeRecord struct {
	action  string
	topics  []string
	qos     []uint64
	granted int // -1 if it is not told
	ack     bool
}

func (r *subscribeRecord) Schema() *record.Schema { return Subscribe }

func (r *subscribeRecord) Append(e *record.Encoder) {
	e.Str(r.action)
	e.Strs(r.topics)
	e.Uints(r.qos)
	if r.granted >= 0 {
		e.Uint(uint64(r.granted))
	} else {
		e.Unset()
	}
	e.Bool(r.ack)
}

// Parse reads one message, of a long one only the start.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	head := c.U8()
	n, ok := varint(&c)
	if !ok {
		if c.OK() {
			f.Anomaly("mqtt_invalid_length", "")
			a.Close(f)
			f.Finish()
		}
		return 0
	}
	if c.Len() < min(n, maxLook) {
		return 0
	}
	size := c.Offset() + n
	body := wire.New(c.Rest()[:min(n, c.Len())])
	switch head >> 4 {
	case typeConnect:
		a.connect(f, &body)
	case typeConnack:
		a.connack(f, &body)
	case typePublish:
		a.publish(f, dir, head, n, &body)
	case typeSubscribe, typeUnsubscribe:
		a.subscribe(f, head>>4 == typeSubscribe, &body)
	case typeSuback, typeUnsuback:
		a.suback(f, head>>4 == typeSuback, &body)
	case 0:
		f.Anomaly("mqtt_invalid_type", "")
		a.Close(f)
		f.Finish()
	}
	return size
}

// Close tells what is pending, and the topics.
func (a *analyzer) Close(f *protocol.Flow) {
	a.connected(f, "")
	a.subscribed(f)
	a.flush(f)
}

func (a *analyzer) flush(f *protocol.Flow) {
	for i := range a.topics[:a.n] {
		a.pub.t = &a.topics[i]
		f.Emit(&a.pub)
	}
	a.n = 0
}

// properties passes over the properties of version 5.
func (a *analyzer) properties(c *wire.Cursor) {
	if a.version == 5 {
		if n, ok := varint(c); ok {
			c.Skip(n)
		} else {
			c.Fail()
		}
	}
}

func (a *analyzer) connect(f *protocol.Flow, c *wire.Cursor) {
	a.connected(f, "")
	r := &a.con
	name := c.Vec16()
	a.version = c.U8() & 0x7f
	flags := c.U8()
	r.keepAlive = c.U16()
	a.properties(c)
	id := c.Vec16()
	r.name = textline.Set(r.name, name.Rest(), maxText)
	r.id = textline.Set(r.id, id.Rest(), maxText)
	r.version, r.clean, r.login = a.version, flags&2 != 0, flags&0x80 != 0
	r.willTopic, r.willBody, r.user = r.willTopic[:0], r.willBody[:0], r.user[:0]
	if flags&4 != 0 {
		a.properties(c)
		t := c.Vec16()
		b := c.Vec16()
		r.willTopic = textline.Set(r.willTopic, t.Rest(), maxText)
		r.willBody = textline.Set(r.willBody, b.Rest(), maxBody)
	}
	if r.login {
		user := c.Vec16()
		if c.OK() {
			r.user = textline.Set(r.user, user.Rest(), maxText)
			kind := protocol.UserName
			if flags&0x40 != 0 {
				kind = protocol.Credential
			}
			f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: string(r.user)})
		}
	}
	a.open = true
	if !c.OK() {
		f.Anomaly("mqtt_invalid_connect", "")
	}
}

func (a *analyzer) connack(f *protocol.Flow, c *wire.Cursor) {
	c.U8()
	code := c.U8()
	if !c.OK() {
		return
	}
	status := "refused"
	switch code {
	case 0:
		status = "Connection Accepted"
	case 1, 0x84:
		status = "Refused: unacceptable protocol version"
	case 2, 0x85:
		status = "Refused: identifier rejected"
	case 3, 0x88:
		status = "Refused: server unavailable"
	case 4, 0x86:
		status = "Refused: bad user name or password"
	case 5, 0x87:
		status = "Refused: not authorized"
	}
	if a.open && a.con.login {
		switch code {
		case 0:
			f.Observe(protocol.Observation{Kind: protocol.LoginOK, Addr: f.Session.Orig, Value: string(a.con.user)})
		case 4, 5, 0x86, 0x87:
			f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: f.Session.Orig, Value: string(a.con.user)})
		}
	}
	a.connected(f, status)
}

func (a *analyzer) connected(f *protocol.Flow, status string) {
	if a.open {
		a.open = false
		a.con.status = status
		f.Emit(&a.con)
	}
}

func (a *analyzer) publish(f *protocol.Flow, dir session.Direction, head byte, n int, c *wire.Cursor) {
	name := c.Vec16()
	if head&6 != 0 {
		c.U16()
	}
	a.properties(c)
	if !c.OK() {
		f.Anomaly("mqtt_invalid_publish", "")
		return
	}
	text := name.Rest()
	text = text[:min(len(text), maxText)]
	size := n - c.Offset()
	for i := range a.topics[:a.n] {
		t := &a.topics[i]
		if t.dir == dir && string(t.name) == string(text) {
			t.messages++
			t.bytes += uint64(size)
			return
		}
	}
	if a.n == maxTable {
		a.flush(f)
	}
	if a.n == len(a.topics) {
		a.topics = append(a.topics, topic{})
	}
	t := &a.topics[a.n]
	a.n++
	*t = topic{dir: dir, name: textline.Set(t.name, text, maxText), payload: textline.Set(t.payload, c.Rest(), maxBody),
		retain: head&1 != 0, qos: head >> 1 & 3, first: size, messages: 1, bytes: uint64(size)}
}

func (a *analyzer) subscribe(f *protocol.Flow, yes bool, c *wire.Cursor) {
	a.subscribed(f)
	r := &a.sub
	*r = subscribeRecord{action: "unsubscribe", topics: r.topics[:0], qos: r.qos[:0], granted: -1}
	if yes {
		r.action = "subscribe"
	}
	a.subID = c.U16()
	a.properties(c)
	for c.OK() && c.Len() > 0 && len(r.topics) < maxTopics {
		name := c.Vec16()
		var options byte
		if yes {
			options = c.U8()
		}
		if !c.OK() {
			break
		}
		text := name.Rest()
		r.topics = append(r.topics, string(text[:min(len(text), maxText)]))
		if yes {
			r.qos = append(r.qos, uint64(options&3))
		}
	}
	if len(r.topics) == 0 {
		f.Anomaly("mqtt_invalid_subscribe", "")
		return
	}
	a.subOpen = true
}

func (a *analyzer) suback(f *protocol.Flow, yes bool, c *wire.Cursor) {
	id := c.U16()
	a.properties(c)
	if !c.OK() || !a.subOpen || id != a.subID {
		return
	}
	a.sub.ack = true
	if yes && c.Len() > 0 {
		a.sub.granted = int(c.U8())
	}
	a.subscribed(f)
}

func (a *analyzer) subscribed(f *protocol.Flow) {
	if a.subOpen {
		a.subOpen = false
		f.Emit(&a.sub)
	}
}
