// Package diameter reads Diameter (RFC 6733): which node asks which other for
// what, about which user, and with what result.
package diameter

import (
	"strconv"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition describes Diameter.
var Definition = protocol.Definition{
	Name:       "diameter",
	Doc:        "Diameter (RFC 6733), recognised by version, flags, lengths that agree, and a first attribute that its messages start with.",
	Transports: protocol.TCP | protocol.SCTP,
	Ports:      []uint16{3868},
	Probe:      probe,
	New:        func() protocol.Analyzer { return new(analyzer) },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the record of one request and its answer.
var Schema = record.New("diameter", "", "One Diameter request with its answer.",
	record.Field{Name: "command", Type: record.String, Doc: "Command by name, or its number."},
	record.Field{Name: "application", Type: record.String, Doc: "Application by name, or its number."},
	record.Field{Name: "session_id", Type: record.String, Doc: "Diameter session."},
	record.Field{Name: "origin_host", Type: record.String, Doc: "Node that sent the request."},
	record.Field{Name: "origin_realm", Type: record.String, Doc: "Realm of that node."},
	record.Field{Name: "dest_host", Type: record.String, Doc: "Node that the request is for."},
	record.Field{Name: "dest_realm", Type: record.String, Doc: "Realm that the request is for."},
	record.Field{Name: "answer_host", Type: record.String, Doc: "Node that sent the answer."},
	record.Field{Name: "user_name", Type: record.String, Doc: "User the request is about: User-Name, or the first Subscription-Id."},
	record.Field{Name: "result_code", Type: record.Count, Doc: "Result of the answer."},
	record.Field{Name: "result", Type: record.String, Doc: "Result by name."},
	record.Field{Name: "error_message", Type: record.String, Doc: "Text of an error."},
	record.Field{Name: "product", Type: record.String, Doc: "Product name of the node that asks for the connection (capabilities exchange)."},
	record.Field{Name: "latency", Type: record.Interval, Doc: "Time from the request to its answer."},
)

// Limits of what is kept and read.
const (
	maxPending  = 64 // requests without an answer, in one session
	maxText     = 255
	maxAVPs     = 512 // attributes of one message that are looked at
	maxMessage  = 64 << 10
	maxSize     = 1 << 22 // longest message that is believed in
	headerBytes = 20
)

// Flags of a command and of an attribute (RFC 6733 sections 3 and 4.1).
const (
	flagRequest = 0x80
	flagError   = 0x20
	flagVendor  = 0x80
)

// Attribute codes (RFC 6733 section 4.5, RFC 8506).
const (
	avpUserName       = 1
	avpSessionID      = 263
	avpOriginHost     = 264
	avpResultCode     = 268
	avpProductName    = 269
	avpErrorMessage   = 281
	avpDestRealm      = 283
	avpDestHost       = 293
	avpOriginRealm    = 296
	avpExperimental   = 297
	avpExperimentalRC = 298
	avpSubscriptionID = 443
	avpSubscription   = 444
)

// Record is one request and its answer.
type Record struct {
	command, application, hop   uint32
	dir                         session.Direction
	time, now                   int64
	answered, known             bool
	session                     string
	originHost, originRealm     string
	destHost, destRealm         string
	answerHost                  string
	user, errorMessage, product string
	result                      uint32
	experimental                bool
}

// Schema implements protocol.Record.
func (r *Record) Schema() *record.Schema { return Schema }

// Append implements protocol.Record.
func (r *Record) Append(e *record.Encoder) {
	e.Str(commandName(r.command))
	e.Str(applicationName(r.application))
	e.Str(r.session)
	e.Str(r.originHost)
	e.Str(r.originRealm)
	e.Str(r.destHost)
	e.Str(r.destRealm)
	e.Str(r.answerHost)
	e.Str(r.user)
	if r.result != 0 {
		e.Uint(uint64(r.result))
		e.Str(resultName(r.result, r.experimental))
	} else {
		e.Unset()
		e.Unset()
	}
	e.Str(r.errorMessage)
	e.Str(r.product)
	if r.answered && r.known {
		e.Interval(r.now - r.time)
	} else {
		e.Unset()
	}
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) > 0 && b[0] != 1 || len(b) > 3 && b[3]&3 != 0 || len(b) > 4 && b[4]&0x0f != 0 {
		return protocol.No
	}
	if len(b) < headerBytes+12 {
		if e.Transport == protocol.SCTP {
			return protocol.No
		}
		return protocol.More
	}
	c := wire.New(b)
	c.Skip(1)
	n := int(c.U24())
	flags := c.U8()
	command := c.U24()
	c.Skip(12)
	code := c.U32()
	avp := c.U8()
	size := int(c.U24())
	if n < headerBytes+8 || n > maxSize || command == 0 || flags&flagRequest != 0 && flags&flagError != 0 ||
		avp&0x1f != 0 || size < 8 || size > n-headerBytes || e.Transport == protocol.SCTP && n != len(b) {
		return protocol.No
	}
	// Answers of a proxy may keep another order; requests do not.
	switch code {
	case avpSessionID, avpOriginHost, avpResultCode, avpOriginRealm:
		return protocol.Sure
	}
	return protocol.No
}

type analyzer struct {
	pending []Record
	out     Record
}

// Parse implements protocol.Analyzer.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	version, n := c.U8(), int(c.U24())
	if !c.OK() {
		return 0
	}
	if version == 0x16 { // TLS after the capabilities exchange
		f.Handover("tls", true)
		return 0
	}
	if version != 1 || n < headerBytes || n > maxSize || n&3 != 0 {
		f.Anomaly("diameter_malformed_message", "header")
		return protocol.SkipAll
	}
	if n > maxMessage && !f.Datagram() {
		f.Anomaly("diameter_message_too_long", strconv.Itoa(n)+" bytes")
		return n
	}
	if len(data) < n {
		if f.Datagram() {
			f.Anomaly("diameter_malformed_message", "length")
		}
		return 0
	}
	a.message(f, dir, data[:n])
	return n
}

// Close implements protocol.Analyzer.
func (a *analyzer) Close(f *protocol.Flow) {
	for i := range a.pending {
		f.Emit(&a.pending[i])
	}
	a.pending = nil
}

func (a *analyzer) message(f *protocol.Flow, dir session.Direction, b []byte) {
	c := wire.New(b)
	c.Skip(4)
	flags := c.U8()
	command, application, hop := c.U24(), c.U32(), c.U32()
	c.Skip(4)
	r := &a.out
	*r = Record{command: command, application: application, hop: hop, dir: dir}
	if flags&flagRequest != 0 {
		r.time, r.known = f.Now, true
		a.attributes(f, r, c, true)
		if command == 257 && r.originHost != "" {
			f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: r.originHost})
			if r.product != "" {
				f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: r.product})
			}
		}
		if len(a.pending) >= maxPending {
			f.Emit(&a.pending[0])
			copy(a.pending, a.pending[1:])
			a.pending = a.pending[:len(a.pending)-1]
		}
		a.pending = append(a.pending, *r)
		return
	}
	for i := range a.pending {
		if p := &a.pending[i]; p.hop == hop && p.command == command && p.dir != dir {
			*r = *p
			k := copy(a.pending[i:], a.pending[i+1:])
			clear(a.pending[i+k:])
			a.pending = a.pending[:i+k]
			break
		}
	}
	r.answered, r.now = true, f.Now
	product := r.product
	a.attributes(f, r, c, false)
	if command == 257 && r.answerHost != "" {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: r.answerHost})
		if r.product != "" && r.product != product {
			f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: r.product})
		}
		if product != "" {
			r.product = product
		}
	}
	f.Emit(r)
}

// attributes reads the attributes of a message.
func (a *analyzer) attributes(f *protocol.Flow, r *Record, c wire.Cursor, request bool) {
	for i := 0; c.Len() > 0 && i < maxAVPs; i++ {
		code, vendor, v, ok := attribute(&c)
		if !ok {
			f.Anomaly("diameter_malformed_attribute", "")
			return
		}
		if vendor != 0 {
			continue
		}
		switch code {
		case avpUserName:
			r.user = text(v)
		case avpSessionID:
			r.session = text(v)
		case avpOriginHost:
			if request {
				r.originHost = text(v)
			} else {
				r.answerHost = text(v)
			}
		case avpOriginRealm:
			if request {
				r.originRealm = text(v)
			}
		case avpDestHost:
			r.destHost = text(v)
		case avpDestRealm:
			r.destRealm = text(v)
		case avpProductName:
			r.product = text(v)
		case avpErrorMessage:
			r.errorMessage = text(v)
		case avpResultCode:
			if in := wire.New(v); !request {
				r.result = in.U32()
			}
		case avpExperimental:
			if in, ok := member(v, avpExperimentalRC); ok && !request {
				n := wire.New(in)
				r.result, r.experimental = n.U32(), true
			}
		case avpSubscriptionID:
			if in, ok := member(v, avpSubscription); ok && r.user == "" {
				r.user = text(in)
			}
		}
	}
}

// attribute reads one attribute (section 4.1) with the padding after it.
func attribute(c *wire.Cursor) (code, vendor uint32, v []byte, ok bool) {
	code = c.U32()
	flags := c.U8()
	n := int(c.U24()) - 8
	pad := -n & 3
	if flags&flagVendor != 0 {
		vendor = c.U32()
		n -= 4
	}
	v = c.Bytes(n)
	if c.OK() {
		c.Skip(min(pad, c.Len()))
	}
	return code, vendor, v, c.OK()
}

// member returns the first attribute with a code in a grouped one.
func member(b []byte, want uint32) ([]byte, bool) {
	c := wire.New(b)
	for i := 0; c.Len() > 0 && i < 8; i++ {
		code, _, v, ok := attribute(&c)
		if ok && code == want {
			return v, true
		}
	}
	return nil, false
}

func text(b []byte) string { return string(b[:min(len(b), maxText)]) }

// commandName names a command (IANA, and 3GPP TS 29.230).
func commandName(c uint32) string {
	switch c {
	case 257:
		return "Capabilities-Exchange"
	case 258:
		return "Re-Auth"
	case 265:
		return "AA"
	case 268:
		return "Diameter-EAP"
	case 271:
		return "Accounting"
	case 272:
		return "Credit-Control"
	case 274:
		return "Abort-Session"
	case 275:
		return "Session-Termination"
	case 280:
		return "Device-Watchdog"
	case 282:
		return "Disconnect-Peer"
	case 300:
		return "User-Authorization"
	case 301:
		return "Server-Assignment"
	case 302:
		return "Location-Info"
	case 303:
		return "Multimedia-Auth"
	case 304:
		return "Registration-Termination"
	case 305:
		return "Push-Profile"
	case 306:
		return "User-Data"
	case 307:
		return "Profile-Update"
	case 308:
		return "Subscribe-Notifications"
	case 309:
		return "Push-Notification"
	case 316:
		return "Update-Location"
	case 317:
		return "Cancel-Location"
	case 318:
		return "Authentication-Information"
	case 319:
		return "Insert-Subscriber-Data"
	case 320:
		return "Delete-Subscriber-Data"
	case 321:
		return "Purge-UE"
	case 322:
		return "Reset"
	case 323:
		return "Notify"
	case 324:
		return "ME-Identity-Check"
	}
	return strconv.FormatUint(uint64(c), 10)
}

func applicationName(a uint32) string {
	switch a {
	case 0:
		return "Common"
	case 1:
		return "NASREQ"
	case 3:
		return "Accounting"
	case 4:
		return "Credit-Control"
	case 5:
		return "EAP"
	case 6:
		return "SIP"
	case 16777216:
		return "Cx"
	case 16777217:
		return "Sh"
	case 16777236:
		return "Rx"
	case 16777238:
		return "Gx"
	case 16777251:
		return "S6a"
	case 16777252:
		return "S13"
	case 16777264:
		return "SWm"
	case 16777265:
		return "SWx"
	case 16777267:
		return "S9"
	case 16777272:
		return "S6b"
	case 4294967295:
		return "Relay"
	}
	return strconv.FormatUint(uint64(a), 10)
}

// resultName names a result (RFC 6733 section 7.1); those of vendors have
// numbers only.
func resultName(r uint32, experimental bool) string {
	if experimental {
		return "EXPERIMENTAL_" + strconv.FormatUint(uint64(r), 10)
	}
	switch r {
	case 1001:
		return "DIAMETER_MULTI_ROUND_AUTH"
	case 2001:
		return "DIAMETER_SUCCESS"
	case 2002:
		return "DIAMETER_LIMITED_SUCCESS"
	case 3001:
		return "DIAMETER_COMMAND_UNSUPPORTED"
	case 3002:
		return "DIAMETER_UNABLE_TO_DELIVER"
	case 3003:
		return "DIAMETER_REALM_NOT_SERVED"
	case 3004:
		return "DIAMETER_TOO_BUSY"
	case 3005:
		return "DIAMETER_LOOP_DETECTED"
	case 3006:
		return "DIAMETER_REDIRECT_INDICATION"
	case 3007:
		return "DIAMETER_APPLICATION_UNSUPPORTED"
	case 3010:
		return "DIAMETER_UNKNOWN_PEER"
	case 4001:
		return "DIAMETER_AUTHENTICATION_REJECTED"
	case 5001:
		return "DIAMETER_AVP_UNSUPPORTED"
	case 5002:
		return "DIAMETER_UNKNOWN_SESSION_ID"
	case 5003:
		return "DIAMETER_AUTHORIZATION_REJECTED"
	case 5004:
		return "DIAMETER_INVALID_AVP_VALUE"
	case 5005:
		return "DIAMETER_MISSING_AVP"
	case 5010:
		return "DIAMETER_NO_COMMON_APPLICATION"
	case 5012:
		return "DIAMETER_UNABLE_TO_COMPLY"
	}
	return "RESULT_" + strconv.FormatUint(uint64(r), 10)
}
