// Package ldap reads LDAP (RFC 4511) and its datagram form CLDAP: who binds and
// how, what is searched for, and what is changed. Searches are records of their
// own, because directory reconnaissance shows in their filters.
//
// A bind may put a security layer over what follows (RFC 4422 section 3.7):
// buffers that are only signed are read on, sealed ones are counted.
package ldap

import (
	"bytes"
	"strconv"

	"tyto/internal/ber"
	"tyto/internal/record"
	"tyto/protocol"
	"tyto/protocol/ntlm"
	"tyto/session"
)

// Definition describes LDAP.
var Definition = protocol.Definition{
	Name:       "ldap",
	Apps:       []string{"cldap"},
	Doc:        "LDAP (RFC 4511), recognised by the nested ASN.1 lengths of its first message; cldap on datagrams (MS-ADTS).",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{389, 3268},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return new(analyzer) },
	Schemas:    []*record.Schema{Schema, SearchSchema},
}

// Schema of the record of one operation that is no search.
var Schema = record.New("ldap", "ldap", "One LDAP operation other than a search, with its result.",
	record.Field{Name: "message_id", Type: record.Int, Doc: "Identifier of the request within the session."},
	record.Field{Name: "version", Type: record.Int, Doc: "LDAP version of a bind."},
	record.Field{Name: "opcode", Type: record.String, Doc: "Operation: bind simple, bind SASL, unbind, add, delete, modify, modify DN, compare, abandon, extended."},
	record.Field{Name: "result", Type: record.String, Doc: "Result code of the answer, in words (RFC 4511 appendix A)."},
	record.Field{Name: "diagnostic_message", Type: record.String, Doc: "Text the server added to the result."},
	record.Field{Name: "object", Type: record.String, Doc: "Entry that the operation is about, or the name of an extended operation."},
	record.Field{Name: "argument", Type: record.String, Doc: "SASL mechanism of a bind, attributes of a change, new name of an entry; REDACTED for a password."},
	record.Field{Name: "result_code", Type: record.Int, Doc: "Result code as a number."},
	record.Field{Name: "controls", Type: record.Strings, Doc: "Object identifiers of the request's controls."},
)

// SearchSchema of the record of one search.
var SearchSchema = record.New("ldap_search", "ldap_search", "One LDAP search with the number of entries it found.",
	record.Field{Name: "message_id", Type: record.Int, Doc: "Identifier of the request within the session."},
	record.Field{Name: "scope", Type: record.String, Doc: "Scope: base, single (level), tree or subordinate."},
	record.Field{Name: "deref_aliases", Type: record.String, Doc: "When aliases are dereferenced: never, searching, finding or always."},
	record.Field{Name: "base_object", Type: record.String, Doc: "Entry the search starts from."},
	record.Field{Name: "result_count", Type: record.Count, Doc: "Entries that were returned."},
	record.Field{Name: "result", Type: record.String, Doc: "Result code of the answer, in words."},
	record.Field{Name: "diagnostic_message", Type: record.String, Doc: "Text the server added to the result."},
	record.Field{Name: "filter", Type: record.String, Doc: "Search filter as text (RFC 4515)."},
	record.Field{Name: "attributes", Type: record.Strings, Doc: "Attributes that were asked for; none stands for all."},
	record.Field{Name: "size_limit", Type: record.Count, Doc: "Greatest number of entries wanted; unset without a limit."},
	record.Field{Name: "result_code", Type: record.Int, Doc: "Result code as a number."},
	record.Field{Name: "references", Type: record.Count, Doc: "Continuation references that were returned."},
	record.Field{Name: "controls", Type: record.Strings, Doc: "Object identifiers of the request's controls."},
	record.Field{Name: "response_bytes", Type: record.Count, Doc: "Bytes of the entries that were returned."},
	record.Field{Name: "duration", Type: record.Interval, Doc: "Time from the request to its result."},
)

// Limits of what is kept.
const (
	maxPending    = 64       // requests without a result, in one session
	maxText       = 1024     // longest name or text that is kept, in bytes
	maxFilter     = 4096     // longest text of a filter, in bytes
	maxAttributes = 64       // attributes of one request
	maxControls   = 8        // controls of one request
	maxMessage    = 64 << 10 // longer messages are judged by their start
	startBytes    = 64       // bytes of such a message that are waited for
	maxTries      = 64       // segments in which a message is looked for after a hole
	maxSize       = 1 << 28  // longest message that is believed in
)

// Operations: the identifier octets of protocolOp (RFC 4511 section 4.1.1).
const (
	opBind        = 0x60
	opBindResp    = 0x61
	opUnbind      = 0x42
	opSearch      = 0x63
	opEntry       = 0x64
	opDone        = 0x65
	opModify      = 0x66
	opModifyResp  = 0x67
	opAdd         = 0x68
	opAddResp     = 0x69
	opDelete      = 0x4a
	opDeleteResp  = 0x6b
	opModDN       = 0x6c
	opModDNResp   = 0x6d
	opCompare     = 0x6e
	opCompareResp = 0x6f
	opAbandon     = 0x50
	opReference   = 0x73
	opExtended    = 0x77
	opExtResp     = 0x78
	opIntermed    = 0x79
)

// isRequest and isResponse say who sends an operation; neither is true for what
// is none.
func isRequest(op ber.Tag) bool {
	switch op {
	case opBind, opUnbind, opSearch, opModify, opAdd, opDelete, opModDN, opCompare, opAbandon, opExtended:
		return true
	}
	return false
}

func isResponse(op ber.Tag) bool {
	switch op {
	case opBindResp, opEntry, opDone, opModifyResp, opAddResp, opDeleteResp, opModDNResp, opCompareResp, opReference, opExtResp, opIntermed:
		return true
	}
	return false
}

// operation is one request that waits for its result.
type operation struct {
	op       ber.Tag
	id       int32
	time     int64
	version  int8
	opcode   string
	object   string
	argument string
	controls []string

	scope, deref uint8
	filter       string
	attributes   []string
	sizeLimit    uint32
	entries      uint64
	references   uint64
	bytes        uint64

	answered   bool
	code       int32
	diagnostic string
	now        int64
}

// Schema implements protocol.Record.
func (o *operation) Schema() *record.Schema {
	if o.op == opSearch {
		return SearchSchema
	}
	return Schema
}

// Append implements protocol.Record.
func (o *operation) Append(e *record.Encoder) {
	if o.op == opSearch {
		o.appendSearch(e)
		return
	}
	e.Int(int64(o.id))
	if o.version != 0 {
		e.Int(int64(o.version))
	} else {
		e.Unset()
	}
	e.Str(o.opcode)
	o.appendResult(e)
	e.Str(o.object)
	e.Str(o.argument)
	o.appendCode(e)
	e.Strs(o.controls)
}

func (o *operation) appendSearch(e *record.Encoder) {
	e.Int(int64(o.id))
	e.Str(scopeName(o.scope))
	e.Str(derefName(o.deref))
	e.Str(o.object)
	e.Uint(o.entries)
	o.appendResult(e)
	e.Str(o.filter)
	e.Strs(o.attributes)
	if o.sizeLimit > 0 {
		e.Uint(uint64(o.sizeLimit))
	} else {
		e.Unset()
	}
	o.appendCode(e)
	if o.references > 0 {
		e.Uint(o.references)
	} else {
		e.Unset()
	}
	e.Strs(o.controls)
	e.Uint(o.bytes)
	if o.answered && o.time != 0 {
		e.Interval(o.now - o.time)
	} else {
		e.Unset()
	}
}

func (o *operation) appendResult(e *record.Encoder) {
	if o.answered {
		e.Str(resultName(o.code))
	} else {
		e.Unset()
	}
	e.Str(o.diagnostic)
}

func (o *operation) appendCode(e *record.Encoder) {
	if o.answered {
		e.Int(int64(o.code))
	} else {
		e.Unset()
	}
}

func probe(e *protocol.Evidence) protocol.Verdict {
	v := probeStart(e)
	if v == protocol.No && e.Transport == protocol.TCP && (e.Port(389) || e.Port(3268)) && len(e.Data[e.Dir.Other()]) == 0 {
		return protocol.More // one direction may start inside a message
	}
	return v
}

func probeStart(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) == 0 {
		return protocol.More
	}
	if b[0] != byte(ber.Sequence) {
		if b[0] == 0 && e.Transport == protocol.TCP && (e.Port(389) || e.Port(3268)) {
			return probeLayer(b)
		}
		return protocol.No
	}
	t, body, n, ok := ber.Head(b)
	if !ok {
		if ber.Size(b) < 0 || e.Transport == protocol.UDP {
			return protocol.No
		}
		return protocol.More
	}
	if t != ber.Sequence || n > maxSize || e.Transport == protocol.UDP && len(body) != n {
		return protocol.No
	}
	id, rest, idLen, ok := ber.Head(body)
	if !ok || len(rest) < idLen || len(body) < min(n, 8) {
		if len(body) >= n || len(body) > 0 && body[0] != byte(ber.Integer) {
			return protocol.No
		}
		return protocol.More
	}
	if id != ber.Integer || idLen == 0 || idLen > 4 || rest[0] >= 0x80 {
		return protocol.No
	}
	off := 2 + idLen
	if off >= len(body) {
		return protocol.No
	}
	op, _, _, ok := ber.Head(body[off:])
	request := isRequest(op)
	if !ok || !request && !isResponse(op) {
		if !ok && (e.Transport == protocol.TCP && len(body) < off+6) && (isRequest(ber.Tag(body[off])) || isResponse(ber.Tag(body[off]))) {
			return protocol.More
		}
		return protocol.No
	}
	end := off + ber.Size(body[off:])
	switch {
	case end > n:
		return protocol.No
	case end < n && end < len(body) && body[end] != byte(ber.Context(0)):
		return protocol.No
	}
	e.Reversed = request == (e.Dir == session.Resp)
	return protocol.Sure
}

type analyzer struct {
	pending []operation // requests, oldest first
	out     operation
	layer   bool // a bind succeeded that may have put a security layer
	sealed  bool
	tls     bool // StartTLS was asked for
	begun   bool
	lost    [2]bool // in the middle of something, until a message is found
	tries   [2]int  // segments in which one was looked for
	buf     []byte

	security ntlm.Negotiation
	account  string // that NTLM tells for the bind under way
}

// Idle implements protocol.Idler.
func (a *analyzer) Idle() bool { return len(a.pending) == 0 && !a.layer && !a.security.Pending() }

// Parse implements protocol.Analyzer.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if f.Datagram() {
		f.SetApp("cldap")
		for len(data) > 0 {
			n := ber.Size(data)
			if n <= 0 || n > len(data) {
				f.Anomaly("ldap_malformed_message", "")
				break
			}
			a.message(f, dir, data[:n])
			data = data[n:]
		}
		return len(data)
	}
	if !a.begun {
		a.begun = true
		mid := f.Session.Flags&session.MidSession != 0
		a.lost = [2]bool{mid, mid}
	}
	if data[0] == 0 {
		return a.buffer(f, dir, data)
	}
	if data[0] != byte(ber.Sequence) {
		if a.tls && data[0] == 0x16 {
			f.Handover("tls", true)
			return 0
		}
		return a.broken(f, dir, data, "")
	}
	n := ber.Size(data)
	switch {
	case n == 0:
		return 0
	case n < 0 || n > maxSize:
		return a.broken(f, dir, data, "length")
	case n <= maxMessage && len(data) < n, n > maxMessage && len(data) < startBytes:
		return 0
	case n > maxMessage:
		a.long(f, dir, data[:startBytes], n)
		return n
	}
	if !a.message(f, dir, data[:n]) && a.lost[dir] {
		return a.broken(f, dir, data, "")
	}
	a.lost[dir] = false
	return n
}

// broken takes bytes that are no message: the end of a direction, or, while a
// message is looked for, of the segment.
func (a *analyzer) broken(f *protocol.Flow, dir session.Direction, data []byte, detail string) int {
	if !a.lost[dir] {
		f.Anomaly("ldap_malformed_message", detail)
		return protocol.SkipAll
	}
	if a.tries[dir]++; a.tries[dir] > maxTries {
		return protocol.SkipAll
	}
	return len(data)
}

// Gap implements protocol.GapHandler: after a hole a segment is believed in only
// if it starts with a message.
func (a *analyzer) Gap(_ *protocol.Flow, dir session.Direction, _ int) bool {
	a.begun = true
	a.lost[dir], a.tries[dir] = true, 0
	return true
}

// Close implements protocol.Analyzer.
func (a *analyzer) Close(f *protocol.Flow) {
	for i := range a.pending {
		f.Emit(&a.pending[i])
	}
	a.pending = nil
	a.security.Close(f)
}

// message reads one LDAPMessage.
func (a *analyzer) message(f *protocol.Flow, dir session.Direction, b []byte) bool {
	r := ber.New(b)
	r = r.Enter(ber.Sequence)
	id := r.Int()
	e := r.Next()
	var ok bool
	switch {
	case !r.OK() || id < 0 || id > 1<<31-1:
	case isRequest(e.Tag):
		ok = a.request(f, int32(id), e, &r)
	case isResponse(e.Tag):
		ok = a.response(f, int32(id), e, len(b))
	}
	if !ok && !a.lost[dir] {
		f.Anomaly("ldap_malformed_message", "")
	}
	return ok
}

// long takes the start of a message of n bytes that is too long to be kept.
func (a *analyzer) long(f *protocol.Flow, dir session.Direction, start []byte, n int) {
	_, body, _, _ := ber.Head(start)
	t, rest, idLen, ok := ber.Head(body)
	if ok && t == ber.Integer && idLen <= 4 && len(rest) >= idLen && len(body) > 2+idLen {
		op := ber.Tag(body[2+idLen])
		id := int32(ber.Element{Body: rest[:idLen]}.Uint())
		if op == opEntry {
			a.found(id, n)
			return
		}
		if isRequest(op) || isResponse(op) {
			f.Anomaly("ldap_message_too_long", strconv.Itoa(n)+" bytes")
			return
		}
	}
	if !a.lost[dir] {
		f.Anomaly("ldap_malformed_message", "")
	}
}

func (a *analyzer) add(f *protocol.Flow, o *operation) {
	o.time = f.Now
	if len(a.pending) >= maxPending {
		f.Emit(&a.pending[0])
		copy(a.pending, a.pending[1:])
		a.pending = a.pending[:len(a.pending)-1]
	}
	a.pending = append(a.pending, *o)
}

// find returns the index of the pending request that a response belongs to.
func (a *analyzer) find(id int32) int {
	for i := range a.pending {
		if a.pending[i].id == id {
			return i
		}
	}
	return -1
}

// found counts an entry of a search.
func (a *analyzer) found(id int32, n int) {
	if i := a.find(id); i >= 0 {
		a.pending[i].entries++
		a.pending[i].bytes += uint64(n)
	}
}

func (a *analyzer) request(f *protocol.Flow, id int32, e ber.Element, rest *ber.Reader) bool {
	o := &a.out
	*o = operation{op: e.Tag, id: id}
	r := e.Reader()
	ok := true
	switch e.Tag {
	case opBind:
		ok = a.bind(f, &r, o)
	case opSearch:
		ok = a.search(f, &r, o)
	case opUnbind:
		o.opcode = "unbind"
		f.Emit(o)
		return true
	case opAbandon:
		o.opcode = "abandon"
		o.argument = strconv.FormatInt(e.Int(), 10)
		f.Emit(o)
		return true
	case opDelete:
		o.opcode = "delete"
		o.object = text(e.Body)
	case opModify:
		o.opcode = "modify"
		o.object = text(r.Bytes())
		o.argument = modifications(&r)
	case opAdd:
		o.opcode = "add"
		o.object = text(r.Bytes())
		o.argument = attributeNames(&r)
	case opModDN:
		o.opcode = "modify DN"
		o.object = text(r.Bytes())
		o.argument = text(r.Bytes())
		r.Want(ber.Boolean)
		if e, ok := r.Optional(ber.Primitive(0)); ok {
			o.argument = text([]byte(o.argument + "," + string(e.Body[:min(len(e.Body), maxText)])))
		}
	case opCompare:
		o.opcode = "compare"
		o.object = text(r.Bytes())
		in := r.Enter(ber.Sequence)
		name := in.Bytes()
		o.argument = text(name) + "=" + text(in.Bytes())
	case opExtended:
		o.opcode = "extended"
		o.object = extendedName(r.Want(ber.Primitive(0)).Body)
		if o.object == "StartTLS" {
			a.tls = true
		}
	}
	if !r.OK() {
		ok = false
	}
	controls(rest, o)
	a.add(f, o)
	return ok
}

func controls(r *ber.Reader, o *operation) {
	e, ok := r.Optional(ber.Context(0))
	if !ok {
		return
	}
	in := e.Reader()
	for in.More() && len(o.controls) < maxControls {
		c := in.Enter(ber.Sequence)
		if oid := c.Bytes(); c.OK() {
			o.controls = append(o.controls, text(oid))
		}
	}
}

func (a *analyzer) search(f *protocol.Flow, r *ber.Reader, o *operation) bool {
	o.object = text(r.Bytes())
	o.scope = uint8(r.Int())
	o.deref = uint8(r.Int())
	o.sizeLimit = uint32(r.Int())
	r.Int() // time limit
	r.Want(ber.Boolean)
	filter := r.Next()
	if !r.OK() {
		return false
	}
	a.buf = appendFilter(a.buf[:0], filter)
	o.filter = string(a.buf)
	if f.Datagram() {
		netlogonRequest(f, filter)
	}
	list := r.Enter(ber.Sequence)
	for list.More() && len(o.attributes) < maxAttributes {
		o.attributes = append(o.attributes, text(list.Bytes()))
	}
	return r.OK() && list.OK()
}

// response takes a message of n bytes from the server.
func (a *analyzer) response(f *protocol.Flow, id int32, e ber.Element, n int) bool {
	switch e.Tag {
	case opEntry:
		a.found(id, n)
		if f.Datagram() {
			netlogonResponse(f, e)
		}
		return true
	case opReference:
		if i := a.find(id); i >= 0 {
			a.pending[i].references++
		}
		return true
	case opIntermed:
		return true
	}
	r := e.Reader()
	code := r.Want(ber.Enumerated).Int()
	matched := r.Bytes()
	diagnostic := r.Bytes()
	if !r.OK() {
		return false
	}
	o := &a.out
	*o = operation{op: e.Tag - 1, id: id, opcode: opName(e.Tag)}
	if i := a.find(id); i >= 0 {
		*o = a.pending[i]
		k := copy(a.pending[i:], a.pending[i+1:])
		clear(a.pending[i+k:])
		a.pending = a.pending[:i+k]
	}
	if e.Tag == opDone && o.op != opSearch {
		o.op = opSearch
	}
	o.answered, o.code, o.now = true, int32(code), f.Now
	o.diagnostic = text(bytes.TrimRight(diagnostic, "\x00"))
	if e.Tag == opExtResp {
		r.Optional(ber.Context(3)) // referral
		if name, ok := r.Optional(ber.Primitive(10)); ok && o.object == "" {
			o.object = extendedName(name.Body)
		}
	}
	if o.op == opBind {
		a.bound(f, o, matched, &r)
	}
	f.Emit(o)
	if e.Tag == opExtResp && code == 0 && o.object == "StartTLS" {
		f.Handover("tls", true)
	}
	return true
}

// text returns a string of the protocol, cut to maxText bytes.
func text(b []byte) string { return string(b[:min(len(b), maxText)]) }

var _ interface {
	protocol.Analyzer
	protocol.GapHandler
	protocol.Idler
} = (*analyzer)(nil)
