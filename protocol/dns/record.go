package dns

import (
	"encoding/binary"
	"strconv"
	"unsafe"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
)

// Schema describes the record of a query and its response.
var Schema = record.New("dns", "dns", "A DNS query and its response; either may be missing.",
	record.Field{Name: "proto", Type: record.Enum, Doc: "Transport: udp or tcp."},
	record.Field{Name: "trans_id", Type: record.Count, Doc: "Identifier that the response repeats."},
	record.Field{Name: "rtt", Type: record.Interval, Doc: "Time from the query to the response."},
	record.Field{Name: "query", Type: record.String, Doc: "Name that is asked for, in lower case; for NetBIOS the decoded name."},
	record.Field{Name: "qclass", Type: record.Count, Doc: "Class of the question."},
	record.Field{Name: "qclass_name", Type: record.String, Doc: "Name of the class."},
	record.Field{Name: "qtype", Type: record.Count, Doc: "Record type that is asked for."},
	record.Field{Name: "qtype_name", Type: record.String, Doc: "Name of the type."},
	record.Field{Name: "rcode", Type: record.Count, Doc: "Response code, with its EDNS extension."},
	record.Field{Name: "rcode_name", Type: record.String, Doc: "Name of the response code."},
	record.Field{Name: "AA", Type: record.Bool, Doc: "The responder is an authority for the name."},
	record.Field{Name: "TC", Type: record.Bool, Doc: "The message was truncated."},
	record.Field{Name: "RD", Type: record.Bool, Doc: "The client desires recursion."},
	record.Field{Name: "RA", Type: record.Bool, Doc: "The server offers recursion."},
	record.Field{Name: "Z", Type: record.Count, Doc: "The three bits after RA: reserved, authentic data, checking disabled."},
	record.Field{Name: "answers", Type: record.Strings, Doc: "Records of the answer section as text."},
	record.Field{Name: "TTLs", Type: record.Intervals, Doc: "How long each answer may be cached."},
	record.Field{Name: "rejected", Type: record.Bool, Doc: "The server refused: it answered without a single record."},
	record.Field{Name: "opcode_name", Type: record.String, Doc: "Operation, if it is not a standard query."},
	record.Field{Name: "total_answers", Type: record.Count, Doc: "Records of the answer section, as the header counts them."},
	record.Field{Name: "total_replies", Type: record.Count, Doc: "Records of the answer, authority and additional sections."},
	record.Field{Name: "query_bytes", Type: record.Count, Doc: "Length of the query message."},
	record.Field{Name: "reply_bytes", Type: record.Count, Doc: "Length of the response message."},
	record.Field{Name: "retransmissions", Type: record.Count, Doc: "How often the query was sent again before the response."},
	record.Field{Name: "edns_udp_size", Type: record.Count, Doc: "UDP payload size the client accepts, from its EDNS record."},
	record.Field{Name: "edns_do", Type: record.Bool, Doc: "The client wants DNSSEC records; unset without EDNS."},
	record.Field{Name: "edns_ecs", Type: record.String, Doc: "Client subnet that the query names (RFC 7871)."},
	record.Field{Name: "edns_cookie", Type: record.String, Doc: "DNS cookie of the query, hexadecimal (RFC 7873)."},
	record.Field{Name: "edns_error", Type: record.Count, Doc: "Extended error code of the response (RFC 8914)."},
	record.Field{Name: "netbios_type", Type: record.String, Doc: "NetBIOS names: their sixteenth byte, hexadecimal, and its usual meaning."},
)

var schemas = []*record.Schema{Schema}

// Limits of a record's answers.
const (
	maxAnswers    = 512
	maxAnswerText = 64 << 10
)

// Record is a query with its response. It points into packet data: it is valid
// during Emit.
type Record struct {
	Time     int64  // of the query, or of the response if no query was seen; ns
	RTT      int64  // ns; valid iff HasQuery and HasReply
	Query    []byte // name in lower case; empty without a question
	TransID  uint16
	QType    uint16
	QClass   uint16
	Flags    uint16 // second word of the header: the response's if there is one
	RCode    uint16 // valid iff HasReply
	HasQuery bool
	HasReply bool
	HasQ     bool // a question was there: QType and QClass are valid
	Answers  int  // records of the answer section by the header
	Replies  int  // records of all sections by the header

	QueryBytes, ReplyBytes int

	kind    kind
	tcp     bool
	now     int64
	repeats uint16
	suffix  uint8 // NetBIOS
	netbios bool
	opt     edns
	subnet  []byte
	cookie  []byte
	extErr  int
	reply   *message

	rendered bool
	text     []byte
	ends     []int32
	list     []string
	ttls     []int64
	scratch  []byte
}

// Schema returns the schema of DNS records.
func (r *Record) Schema() *record.Schema { return Schema }

func (r *Record) reset(k kind, f *protocol.Flow) {
	*r = Record{Query: r.Query[:0], text: r.text[:0], ends: r.ends[:0], list: r.list[:0], ttls: r.ttls[:0],
		scratch: r.scratch[:0], kind: k, tcp: f.Session.Proto == packet.ProtoTCP, now: f.Now, Time: f.Now, extErr: -1}
}

func (r *Record) setQuery(q *query) {
	r.HasQuery, r.Time = true, q.time
	r.TransID, r.Flags, r.QueryBytes = q.id, q.flags, int(q.bytes)
	r.repeats, r.opt, r.subnet, r.cookie = q.repeats, q.opt, q.subnet, q.cookie
	if len(q.name) > 0 {
		r.HasQ, r.QType, r.QClass = true, q.qType, q.qClass
		r.setName(q.name, 0)
	}
}

func (r *Record) setResponse(m *message) {
	r.HasReply, r.reply = true, m
	r.TransID, r.RCode, r.ReplyBytes = m.id, m.rcode(), len(m.b)
	r.Flags = m.flags | r.Flags&flagRD
	r.Answers, r.Replies = m.counts[1], m.counts[1]+m.counts[2]+m.counts[3]
	if r.HasQuery {
		r.RTT = r.now - r.Time
	} else {
		r.opt = m.opt
	}
	switch {
	case r.HasQ:
	case m.hasQ:
		r.HasQ, r.QType, r.QClass = true, m.qType, m.qClass
		r.setName(m.b, headerBytes)
	case m.read > 0 && m.counts[1] > 0:
		// Multicast and NetBIOS responses have no question: the first answer
		// stands for it.
		var first rr
		flaw := m.flaw
		m.record(m.answers, &first)
		m.flaw = flaw
		r.HasQ, r.QType, r.QClass = true, first.typ, first.class
		r.setName(m.b, first.name)
	}
	if len(m.opt.options) > 0 {
		r.extErr = extendedError(m.opt.options)
	}
}

// setName takes the name at an offset of b as what is asked for.
func (r *Record) setName(b []byte, off int) {
	if r.kind == nbns {
		if name, suffix, ok := appendNetBIOS(r.Query[:0], b[off:]); ok {
			r.Query, r.suffix, r.netbios = name, suffix, true
			return
		}
	}
	r.Query = appendName(r.Query[:0], b, off)
}

// Rejected reports whether the response has a refusal's form: no records at
// all, or an error without even the question.
func (r *Record) Rejected() bool {
	return r.HasReply && r.Flags>>11&15 == opQuery && (r.Replies == 0 || r.RCode != 0 && r.reply != nil && r.reply.counts[0] == 0)
}

// AnswerTexts returns the answers as they are written to logs. The strings are
// valid during Emit.
func (r *Record) AnswerTexts() []string {
	r.render()
	return r.list
}

// Append writes the record's fields.
func (r *Record) Append(e *record.Encoder) {
	r.render()
	if r.tcp {
		e.Str("tcp")
	} else {
		e.Str("udp")
	}
	e.Uint(uint64(r.TransID))
	if r.HasQuery && r.HasReply {
		e.Interval(r.RTT)
	} else {
		e.Unset()
	}
	if r.HasQ {
		class := r.QClass
		if r.kind == mdns {
			class &= 0x7fff // RFC 6762 section 18.12
		}
		e.Bytes(r.Query)
		e.Uint(uint64(class))
		r.scratch = appendClass(r.scratch[:0], class)
		e.Bytes(r.scratch)
		e.Uint(uint64(r.QType))
		r.scratch = appendType(r.scratch[:0], r.QType)
		if r.kind == nbns && r.QType == typeSRV {
			r.scratch = append(r.scratch[:0], "NBSTAT"...)
		}
		e.Bytes(r.scratch)
	} else {
		e.Unset()
		e.Unset()
		e.Unset()
		e.Unset()
		e.Unset()
	}
	if r.HasReply {
		e.Uint(uint64(r.RCode))
		r.scratch = appendRCode(r.scratch[:0], r.RCode)
		e.Bytes(r.scratch)
	} else {
		e.Unset()
		e.Unset()
	}
	e.Bool(r.Flags&flagAA != 0)
	e.Bool(r.Flags&flagTC != 0)
	e.Bool(r.Flags&flagRD != 0)
	e.Bool(r.Flags&flagRA != 0)
	if r.kind == nbns {
		e.Uint(uint64(r.Flags >> 4 & 6)) // the last is the broadcast bit
	} else {
		e.Uint(uint64(r.Flags >> 4 & 7))
	}
	e.Strs(r.list)
	e.Intervals(r.ttls)
	e.Bool(r.Rejected())
	r.appendOwn(e)
}

// appendOwn writes the fields that Zeek's log has not.
func (r *Record) appendOwn(e *record.Encoder) {
	op := r.Flags >> 11 & 15
	if r.kind == nbns {
		e.Str(netbiosOpcodeNames[op])
	} else {
		e.Str(opcodeNames[op])
	}
	count := func(known bool, n int) {
		if known {
			e.Uint(uint64(n))
		} else {
			e.Unset()
		}
	}
	count(r.HasReply, r.Answers)
	count(r.HasReply, r.Replies)
	count(r.HasQuery, r.QueryBytes)
	count(r.HasReply, r.ReplyBytes)
	count(r.repeats > 0, int(r.repeats))
	count(r.opt.present, int(r.opt.udpBytes))
	if r.opt.present {
		e.Bool(r.opt.dnssecOK)
	} else {
		e.Unset()
	}
	e.Bytes(r.subnet)
	e.Bytes(r.cookie)
	count(r.extErr >= 0, r.extErr)
	if r.netbios {
		r.scratch = appendSuffix(r.scratch[:0], r.suffix)
		e.Bytes(r.scratch)
	} else {
		e.Unset()
	}
}

// render makes the answers text, once.
func (r *Record) render() {
	if r.rendered {
		return
	}
	r.rendered = true
	r.text, r.ends, r.list, r.ttls = r.text[:0], r.ends[:0], r.list[:0], r.ttls[:0]
	m := r.reply
	if m == nil || m.opcode() == opUpdate { // whose records are no answers
		return
	}
	var x rr
	off, why := m.answers, m.flaw
	for range min(m.counts[1], m.read, maxAnswers) {
		if off = m.record(off, &x); off < 0 || len(r.text) > maxAnswerText {
			break
		}
		r.text = appendData(r.text, m.b, &x, r.kind)
		r.ends = append(r.ends, int32(len(r.text)))
		r.ttls = append(r.ttls, int64(x.ttl)*1e9)
	}
	m.flaw = why
	start := int32(0)
	for _, end := range r.ends {
		// The text is not changed until the next record: after Emit.
		r.list = append(r.list, unsafe.String(unsafe.SliceData(r.text[start:]), int(end-start)))
		start = end
	}
}

const hexDigits = "0123456789abcdef"

func appendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

// nameAt appends the name at off if all of it is in the message, and returns
// the offset after it, -1 if there is none.
func nameAt(dst, b []byte, off int) ([]byte, int) {
	end, why := skipName(b, off)
	if why != "" {
		return append(dst, "<malformed name>"...), -1
	}
	return appendName(dst, b, off), end
}

// appendData appends a record's data as Zeek's answers have it: addresses and
// names alone, other data after the name of the type.
func appendData(dst, b []byte, r *rr, k kind) []byte {
	data := b[r.data : r.data+r.n]
	c := wire.New(data)
	skip := 0
	switch r.typ {
	case typeA:
		if r.n == 4 {
			return packet.Addr4(data).AppendTo(dst)
		}
		return appendMalformed(dst, r.typ)
	case typeAAAA:
		if r.n == 16 {
			return packet.Addr16(data).Netip().AppendTo(dst)
		}
		return appendMalformed(dst, r.typ)
	case typeNB:
		if k == nbns {
			return appendNB(dst, data)
		}
	case typeSRV:
		if k == nbns {
			return appendNodeStatus(dst, data)
		}
		skip = 6
	case typeMX, typeKX, typeRT, typeAFSDB:
		skip = 2
	case typeTXT, typeSPF:
		return appendTXT(dst, data, r.typ)
	case typeHINFO:
		cpu, os := c.Vec8(), c.Vec8()
		if !c.OK() {
			return appendMalformed(dst, r.typ)
		}
		dst = append(append(dst, "HINFO "...), cpu.Rest()...)
		return append(append(dst, ' '), os.Rest()...)
	case typeLOC:
		c.U8()
		size, horiz, vert := c.U8(), c.U8(), c.U8()
		if !c.OK() {
			return appendMalformed(dst, r.typ)
		}
		return appendCounts(append(dst, "LOC: "...), uint64(size), uint64(horiz), uint64(vert))
	case typeNAPTR:
		return appendNAPTR(dst, b, r)
	case typeDS, typeCDS:
		c.Skip(2)
		return appendFields(dst, r.typ, &c, 1, 1)
	case typeDNSKEY, typeCDNSKEY:
		c.Skip(3)
		return appendFields(dst, r.typ, &c, 1)
	case typeRRSIG:
		return appendRRSIG(dst, b, r)
	case typeNSEC:
		dst = append(dst, "NSEC "...)
		dst = append(appendName(dst, b, r.name), ' ')
		dst, _ = nameAt(dst, b, r.data)
		return dst
	case typeNSEC3:
		return append(dst, "NSEC3"...)
	case typeNSEC3PARAM:
		return append(dst, "NSEC3PARAM"...)
	case typeBINDS:
		return append(dst, "BIND9 signing signal"...)
	case typeSSHFP:
		c.Skip(2)
		return appendHex(append(dst, "SSHFP: "...), c.Rest())
	case typeTLSA, typeSMIMEA:
		dst = appendFields(dst, r.typ, &c, 1, 1, 1)
		return appendHex(append(dst, ' '), c.Rest())
	case typeCAA:
		flags, tag := c.U8(), c.Vec8()
		if !c.OK() {
			return appendMalformed(dst, r.typ)
		}
		dst = appendCounts(append(dst, "CAA"...), uint64(flags))
		dst = append(append(dst, ' '), tag.Rest()...)
		return append(append(dst, ' '), c.Rest()...)
	case typeURI:
		dst = appendFields(dst, r.typ, &c, 2, 2)
		return append(append(dst, ' '), c.Rest()...)
	case typeSVCB, typeHTTPS:
		return appendSVCB(dst, b, r)
	case typeSOA, typeRP, typeNS, typeCNAME, typePTR, typeDNAME, typeMB, typeMG, typeMR:
	default:
		return append(strconv.AppendUint(append(dst, "<unknown type="...), uint64(r.typ), 10), '>')
	}
	if r.typ == typeNB || r.n <= skip {
		return appendMalformed(dst, r.typ)
	}
	dst, _ = nameAt(dst, b, r.data+skip)
	return dst
}

func appendMalformed(dst []byte, t uint16) []byte {
	return append(appendType(append(dst, "<malformed "...), t), '>')
}

func appendCounts(dst []byte, values ...uint64) []byte {
	for _, v := range values {
		dst = strconv.AppendUint(append(dst, ' '), v, 10)
	}
	return dst
}

// appendFields appends the type's name and numbers of the given widths.
func appendFields(dst []byte, t uint16, c *wire.Cursor, widths ...int) []byte {
	start := len(dst)
	dst = appendType(dst, t)
	for _, w := range widths {
		v := uint64(0)
		if w == 1 {
			v = uint64(c.U8())
		} else {
			v = uint64(c.U16())
		}
		dst = strconv.AppendUint(append(dst, ' '), v, 10)
	}
	if !c.OK() {
		return appendMalformed(dst[:start], t)
	}
	return dst
}

// appendTXT appends the strings of a TXT or SPF record, each with its length.
func appendTXT(dst, data []byte, t uint16) []byte {
	c := wire.New(data)
	for first := true; c.Len() > 0; first = false {
		s := c.Vec8()
		if !c.OK() {
			return appendMalformed(dst, t)
		}
		if !first {
			dst = append(dst, ' ')
		}
		dst = append(appendType(dst, t), ' ')
		dst = strconv.AppendUint(dst, uint64(s.Len()), 10)
		dst = append(append(dst, ' '), s.Rest()...)
	}
	return dst
}

// appendNAPTR appends a NAPTR record (RFC 3403 section 4.1).
func appendNAPTR(dst, b []byte, r *rr) []byte {
	c := wire.New(b[r.data : r.data+r.n])
	order, pref := c.U16(), c.U16()
	flags, service, expr := c.Vec8(), c.Vec8(), c.Vec8()
	if !c.OK() {
		return appendMalformed(dst, r.typ)
	}
	dst = appendCounts(append(dst, "NAPTR"...), uint64(order), uint64(pref))
	for _, s := range [3]wire.Cursor{flags, service, expr} {
		dst = append(append(dst, ' '), s.Rest()...)
	}
	dst, _ = nameAt(append(dst, ' '), b, r.data+c.Offset())
	return dst
}

// appendRRSIG appends the covered type and the signer (RFC 4034 section 3.1).
func appendRRSIG(dst, b []byte, r *rr) []byte {
	if r.n < 19 {
		return appendMalformed(dst, r.typ)
	}
	covered := binary.BigEndian.Uint16(b[r.data:])
	dst = append(appendCounts(append(dst, "RRSIG"...), uint64(covered)), ' ')
	if b[r.data+18] == 0 {
		return append(dst, "<Root>"...)
	}
	dst, _ = nameAt(dst, b, r.data+18)
	return dst
}

// svcKeys are the names of service parameters (RFC 9460 section 14.3.2).
var svcKeys = [...]string{"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"}

// appendSVCB appends an SVCB or HTTPS record in the presentation form of
// RFC 9460 section 2.1, with the length of ECH configurations in their place.
func appendSVCB(dst, b []byte, r *rr) []byte {
	if r.n < 3 {
		return appendMalformed(dst, r.typ)
	}
	dst = appendType(dst, r.typ)
	dst = appendCounts(dst, uint64(binary.BigEndian.Uint16(b[r.data:])))
	dst, end := nameAt(append(dst, ' '), b, r.data+2)
	if end < 0 || end > r.data+r.n {
		return dst
	}
	c := wire.New(b[end : r.data+r.n])
	for c.Len() > 0 {
		key, v := c.U16(), c.Vec16()
		if !c.OK() {
			return append(dst, " <malformed>"...)
		}
		dst = append(dst, ' ')
		if int(key) < len(svcKeys) {
			dst = append(dst, svcKeys[key]...)
		} else {
			dst = strconv.AppendUint(append(dst, "key"...), uint64(key), 10)
		}
		if v.Len() > 0 {
			dst = appendSvcValue(append(dst, '='), key, &v)
		}
	}
	return dst
}

func appendSvcValue(dst []byte, key uint16, v *wire.Cursor) []byte {
	for first := true; v.Len() > 0; first = false {
		if !first {
			dst = append(dst, ',')
		}
		switch key {
		case 0:
			k := v.U16()
			if int(k) < len(svcKeys) {
				dst = append(dst, svcKeys[k]...)
			} else {
				dst = strconv.AppendUint(append(dst, "key"...), uint64(k), 10)
			}
		case 1:
			s := v.Vec8()
			dst = append(dst, s.Rest()...)
		case 3:
			dst = strconv.AppendUint(dst, uint64(v.U16()), 10)
		case 4:
			if a := v.Bytes(4); a != nil {
				dst = packet.Addr4(a).AppendTo(dst)
			}
		case 6:
			if a := v.Bytes(16); a != nil {
				dst = packet.Addr16(a).Netip().AppendTo(dst)
			}
		case 7:
			dst = append(dst, v.Bytes(v.Len())...)
		case 5:
			dst = append(strconv.AppendUint(append(dst, '<'), uint64(v.Len()), 10), " bytes>"...)
			return dst
		default:
			return appendHex(dst, v.Bytes(v.Len()))
		}
	}
	if !v.OK() {
		dst = append(dst, "<malformed>"...)
	}
	return dst
}
