// Package snmp reads SNMP: versions 1 (RFC 1157), 2c (RFC 1901) and 3 (RFC
// 3412, RFC 3414). A session is one record: which requests were made, by which
// community or user, and what the agent says of itself.
//
// A community is a password in the clear. Records show it only if it is one of
// the well-known defaults.
package snmp

import (
	"encoding/hex"
	"strconv"

	"tyto/internal/ber"
	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition describes SNMP.
var Definition = protocol.Definition{
	Name:       "snmp",
	Doc:        "Simple Network Management Protocol (RFC 1157, 1901, 3412), recognised by the ASN.1 framing of version, community or security model, and PDU.",
	Transports: protocol.UDP,
	Ports:      []uint16{161, 162},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return new(analyzer) },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the record of one session.
var Schema = record.New("snmp", "snmp", "One SNMP session: what was asked, by whom, and what the agent says of itself.",
	record.Field{Name: "duration", Type: record.Interval, Doc: "Time from the first message to the last."},
	record.Field{Name: "version", Type: record.String, Doc: "Version of the protocol: 1, 2c or 3."},
	record.Field{Name: "community", Type: record.String, Doc: "Community of the first message of version 1 or 2c if it is a well-known default, else REDACTED."},
	record.Field{Name: "get_requests", Type: record.Count, Doc: "Variables in GetRequest and GetNextRequest messages."},
	record.Field{Name: "get_bulk_requests", Type: record.Count, Doc: "Variables in GetBulkRequest messages."},
	record.Field{Name: "get_responses", Type: record.Count, Doc: "Variables in Response messages."},
	record.Field{Name: "set_requests", Type: record.Count, Doc: "Variables in SetRequest messages."},
	record.Field{Name: "display_string", Type: record.String, Doc: "Description of the agent's system (sysDescr)."},
	record.Field{Name: "up_since", Type: record.Time, Doc: "When the agent started, as its uptime tells (sysUpTime)."},
	record.Field{Name: "pdu_types", Type: record.Strings, Doc: "Types of the messages' PDUs, each once, in order of appearance."},
	record.Field{Name: "traps", Type: record.Count, Doc: "Trap, trap version 2 and inform messages."},
	record.Field{Name: "errors", Type: record.Count, Doc: "Responses with an error, and reports of version 3."},
	record.Field{Name: "user", Type: record.String, Doc: "User of version 3 messages."},
	record.Field{Name: "security_level", Type: record.Enum, Doc: "Highest security level of version 3: noAuthNoPriv, authNoPriv or authPriv."},
	record.Field{Name: "engine_id", Type: record.String, Doc: "Identifier of the authoritative engine of version 3, hexadecimal."},
	record.Field{Name: "oids", Type: record.Strings, Doc: "First object identifiers that were asked for, set or trapped."},
	record.Field{Name: "system_name", Type: record.String, Doc: "Name of the agent's system (sysName)."},
	record.Field{Name: "authentication_failures", Type: record.Count, Doc: "Messages that tell of a wrong user, key or community."},
)

// Limits of what is kept.
const (
	maxText = 255 // longest text, in bytes
	maxOIDs = 16  // object identifiers of one session
	maxVars = 512 // variables of one message that are looked at
)

// PDU tags (RFC 3416 section 3).
const (
	pduGet      = 0xa0
	pduGetNext  = 0xa1
	pduResponse = 0xa2
	pduSet      = 0xa3
	pduTrap     = 0xa4
	pduGetBulk  = 0xa5
	pduInform   = 0xa6
	pduTrap2    = 0xa7
	pduReport   = 0xa8
)

var pduNames = [...]string{"get-request", "get-next-request", "response", "set-request", "trap", "get-bulk-request",
	"inform-request", "snmpV2-trap", "report"}

// Versions as they are encoded.
const (
	version1  = 0
	version2c = 1
	version3  = 3
)

type analyzer struct {
	started          bool
	first, last      int64
	version          int64
	community        string
	gets, bulks      uint64
	responses, sets  uint64
	traps, errors    uint64
	failures         uint64
	description      string
	upSince          int64
	seen             [len(pduNames)]bool
	order            []string
	user, engine     string
	level            uint8 // 1 + auth + priv bits
	oids             []string
	system           string
	credential, told bool
	encrypted        bool
	buf              []byte
}

// Schema implements protocol.Record.
func (a *analyzer) Schema() *record.Schema { return Schema }

// Append implements protocol.Record.
func (a *analyzer) Append(e *record.Encoder) {
	e.Interval(a.last - a.first)
	e.Str(versionName(a.version))
	e.Str(a.community)
	e.Uint(a.gets)
	e.Uint(a.bulks)
	e.Uint(a.responses)
	e.Uint(a.sets)
	e.Str(a.description)
	if a.upSince > 0 {
		e.Time(a.upSince)
	} else {
		e.Unset()
	}
	e.Strs(a.order)
	e.Uint(a.traps)
	e.Uint(a.errors)
	e.Str(a.user)
	switch {
	case a.level == 0:
		e.Unset()
	case a.level == 1:
		e.Str("noAuthNoPriv")
	case a.level == 2:
		e.Str("authNoPriv")
	default:
		e.Str("authPriv")
	}
	e.Str(a.engine)
	e.Strs(a.oids)
	e.Str(a.system)
	e.Uint(a.failures)
}

func versionName(v int64) string {
	switch v {
	case version1:
		return "1"
	case version2c:
		return "2c"
	case 2:
		return "2u"
	case version3:
		return "3"
	}
	return "unknown"
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 16 || b[0] != byte(ber.Sequence) {
		return protocol.No
	}
	_, body, n, ok := ber.Head(b)
	if !ok || len(body) < 12 || body[0] != byte(ber.Integer) || body[1] != 1 {
		return protocol.No
	}
	if v := probeBody(e, body, n); v != protocol.No || body[2] > version2c || body[3] != byte(ber.OctetString) || !e.Port(161) && !e.Port(162) {
		return v
	}
	return protocol.Likely // lengths that contradict each other, where SNMP is to be expected
}

// probeBody judges what follows the header of a message that is n bytes long.
func probeBody(e *protocol.Evidence, body []byte, n int) protocol.Verdict {
	if len(body) != n {
		return protocol.No
	}
	v := body[2]
	body = body[3:]
	switch v {
	case version1, version2c:
		t, community, n, ok := ber.Head(body)
		if !ok || t != ber.OctetString || len(community) != n {
			return protocol.No
		}
		body = body[ber.Size(body):]
		t, pdu, n, ok := ber.Head(body)
		if !ok || t < pduGet || t > pduReport || len(pdu) != n || ber.Size(body) != len(body) {
			return protocol.No
		}
		e.Reversed = t == pduResponse && e.Dir == session.Orig
		return protocol.Sure
	case version3:
		t, header, n, ok := ber.Head(body)
		if !ok || t != ber.Sequence || len(header) != n || n < 12 || header[0] != byte(ber.Integer) {
			return protocol.No
		}
		if string(header[n-3:n-1]) != "\x02\x01" || string(header[n-6:n-4]) != "\x04\x01" {
			return protocol.No
		}
		return protocol.Sure
	}
	return protocol.No
}

// Parse implements protocol.Analyzer.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	r := ber.New(data)
	r = r.Enter(ber.Sequence)
	v := r.Int()
	if !r.OK() {
		f.Anomaly("snmp_malformed_message", "")
		return len(data)
	}
	if !a.started {
		a.started, a.first, a.version = true, f.Now, v
	}
	a.last = f.Now
	ok := false
	switch v {
	case version1, version2c:
		community := r.Want(ber.OctetString).Body
		a.communityOf(f, community)
		ok = r.OK() && a.pdu(f, dir, r.Next())
	case version3:
		ok = a.message3(f, dir, &r, len(data))
	default:
		f.Anomaly("snmp_unknown_version", strconv.FormatInt(v, 10))
		return len(data)
	}
	if !ok {
		f.Anomaly("snmp_malformed_message", "")
	}
	return len(data)
}

// Close implements protocol.Analyzer.
func (a *analyzer) Close(f *protocol.Flow) {
	if a.started {
		f.Emit(a)
	}
}

// communityOf notes the first community, which crosses in the clear.
func (a *analyzer) communityOf(f *protocol.Flow, b []byte) {
	if a.credential || len(b) == 0 {
		return
	}
	a.credential = true
	a.community = "REDACTED"
	switch string(b) {
	case "public", "private":
		a.community = string(b)
	}
	value := "SNMP community"
	if a.community != "REDACTED" {
		value = "default SNMP community"
	}
	f.Observe(protocol.Observation{Kind: protocol.Credential, Value: value})
}

// message3 reads a message of n bytes of version 3 after its version (RFC 3412 section 6)
// with the user-based security model (RFC 3414 section 2.4).
func (a *analyzer) message3(f *protocol.Flow, dir session.Direction, r *ber.Reader, n int) bool {
	h := r.Enter(ber.Sequence)
	h.Int()
	h.Int()
	flags := h.Want(ber.OctetString).Body
	model := h.Int()
	security := r.Want(ber.OctetString).Body
	if !r.OK() || !h.OK() || len(flags) != 1 {
		return false
	}
	a.level = max(a.level, 1+flags[0]&1+flags[0]&2>>1)
	if model == 3 {
		u := ber.New(security)
		u = u.Enter(ber.Sequence)
		engine := u.Want(ber.OctetString).Body
		u.Int()
		u.Int()
		user := u.Want(ber.OctetString).Body
		if !u.OK() {
			return false
		}
		if len(engine) > 0 && a.engine == "" {
			a.engine = hex.EncodeToString(engine[:min(len(engine), 32)])
		}
		if len(user) > 0 && a.user == "" {
			a.user = text(user)
			at := f.Addr(session.Orig)
			f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: at, Value: a.user})
		}
	}
	if flags[0]&2 != 0 {
		if !a.encrypted {
			a.encrypted = true
			f.SetEncrypted()
		}
		f.Message(dir, 0, n)
		return r.Peek() == ber.OctetString
	}
	scoped := r.Enter(ber.Sequence)
	scoped.Want(ber.OctetString)
	scoped.Want(ber.OctetString)
	return scoped.OK() && a.pdu(f, dir, scoped.Next())
}

// pdu reads a PDU (RFC 3416 section 3, RFC 1157 section 4.1.6 for traps).
func (a *analyzer) pdu(f *protocol.Flow, dir session.Direction, e ber.Element) bool {
	if e.Tag < pduGet || e.Tag > pduReport {
		return false
	}
	kind := int(e.Tag - pduGet)
	if !a.seen[kind] {
		a.seen[kind] = true
		a.order = append(a.order, pduNames[kind])
	}
	r := e.Reader()
	if e.Tag == pduTrap {
		a.traps++
		enterprise := r.Want(ber.OID).Body
		a.note(enterprise)
		r.Next() // agent address
		if generic := r.Int(); generic == 4 {
			a.failed(f, dir)
		}
		return r.OK()
	}
	r.Int() // request identifier
	status := r.Int()
	r.Int()
	list := r.Enter(ber.Sequence)
	if !r.OK() {
		return false
	}
	n := uint64(0)
	for list.More() && n < maxVars {
		v := list.Enter(ber.Sequence)
		oid := v.Want(ber.OID).Body
		value := v.Next()
		if !v.OK() {
			return false
		}
		n++
		a.variable(f, dir, e.Tag, oid, value)
	}
	switch e.Tag {
	case pduGet, pduGetNext:
		a.gets += n
	case pduGetBulk:
		a.bulks += n
	case pduSet:
		a.sets += n
	case pduResponse:
		a.responses += n
		if status != 0 {
			a.errors++
		}
	case pduReport:
		a.errors++
	case pduInform, pduTrap2:
		a.traps++
	}
	return list.OK()
}

// Object identifiers that are looked at, as encoded: the system group (RFC
// 3418), the failure counters of the user-based security model (RFC 3414
// section 5) and the value of snmpTrapOID for a wrong community.
const (
	oidSysDescr     = "\x2b\x06\x01\x02\x01\x01\x01\x00"
	oidSysUpTime    = "\x2b\x06\x01\x02\x01\x01\x03\x00"
	oidSysName      = "\x2b\x06\x01\x02\x01\x01\x05\x00"
	oidUnknownUser  = "\x2b\x06\x01\x06\x03\x0f\x01\x01\x03\x00"
	oidWrongDigest  = "\x2b\x06\x01\x06\x03\x0f\x01\x01\x05\x00"
	oidDecryption   = "\x2b\x06\x01\x06\x03\x0f\x01\x01\x06\x00"
	oidTrapOID      = "\x2b\x06\x01\x06\x03\x01\x01\x04\x01\x00"
	oidAuthFailures = "\x2b\x06\x01\x06\x03\x01\x01\x05\x05"
)

func (a *analyzer) variable(f *protocol.Flow, dir session.Direction, pdu ber.Tag, oid []byte, value ber.Element) {
	if pdu != pduResponse && pdu != pduReport {
		a.note(oid)
	}
	agent := f.Addr(dir)
	switch string(oid) {
	case oidSysDescr:
		if pdu == pduResponse && a.description == "" && value.Tag == ber.OctetString {
			a.description = text(value.Body)
			f.Observe(protocol.Observation{Kind: protocol.Software, Addr: agent, Value: a.description})
		}
	case oidSysName:
		if pdu == pduResponse && a.system == "" && value.Tag == ber.OctetString && len(value.Body) > 0 {
			a.system = text(value.Body)
			f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: agent, Value: a.system})
		}
	case oidSysUpTime:
		if pdu != pduGet && pdu != pduGetNext && value.Tag == 0x43 && len(value.Body) <= 5 {
			a.upSince = f.Now - int64(value.Uint())*10_000_000
		}
	case oidTrapOID:
		if string(value.Body) == oidAuthFailures {
			a.failed(f, dir)
		}
	case oidUnknownUser, oidWrongDigest, oidDecryption:
		if pdu == pduReport {
			a.failed(f, dir.Other())
		}
	}
}

// failed notes that somebody was refused. The first time it is told: of the
// user where there is one. A trap names nobody.
func (a *analyzer) failed(f *protocol.Flow, dir session.Direction) {
	a.failures++
	if a.told || a.user == "" {
		return
	}
	a.told = true
	f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: f.Addr(dir), Value: a.user})
}

// note keeps an object identifier, if there is room and it is new.
func (a *analyzer) note(oid []byte) {
	if len(a.oids) >= maxOIDs {
		return
	}
	a.buf = ber.AppendOID(a.buf[:0], oid[:min(len(oid), 64)])
	for _, have := range a.oids {
		if have == string(a.buf) {
			return
		}
	}
	a.oids = append(a.oids, string(a.buf))
}

func text(b []byte) string { return string(b[:min(len(b), maxText)]) }
