// Package dns reads DNS (RFC 1035) over UDP and TCP and the protocols of its
// shape: multicast DNS (RFC 6762), LLMNR (RFC 4795) and the NetBIOS name
// service (RFC 1002).
//
// A query and its response make one record. A message's structure is walked
// when it arrives; names and answers become text only for what asks for them,
// because half of all sessions are DNS.
package dns

import (
	"encoding/binary"

	"tyto/internal/intern"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition describes unicast DNS.
var Definition = protocol.Definition{
	Name: "dns",
	Doc: "Domain Name System (RFC 1035, EDNS RFC 6891), over UDP and TCP: recognised by a message whose header, names and " +
		"records account for all of its bytes.",
	Transports: protocol.UDP | protocol.TCP,
	Ports:      []uint16{53},
	OddPort:    true,
	Probe:      func(e *protocol.Evidence) protocol.Verdict { return probe(e, unicast) },
	New:        func() protocol.Analyzer { return &analyzer{kind: unicast} },
	Schemas:    schemas,
}

// MDNS describes multicast DNS.
var MDNS = protocol.Definition{
	Name:       "mdns",
	Service:    "dns",
	Doc:        "Multicast DNS (RFC 6762): recognised as a DNS message on port 5353.",
	Transports: protocol.UDP,
	Ports:      []uint16{portMDNS},
	Probe:      func(e *protocol.Evidence) protocol.Verdict { return probe(e, mdns) },
	New:        func() protocol.Analyzer { return &analyzer{kind: mdns} },
	Schemas:    schemas,
}

// LLMNR describes Link-Local Multicast Name Resolution.
var LLMNR = protocol.Definition{
	Name:       "llmnr",
	Service:    "dns",
	Doc:        "Link-Local Multicast Name Resolution (RFC 4795): recognised as a DNS message on port 5355.",
	Transports: protocol.UDP,
	Ports:      []uint16{portLLMNR},
	Probe:      func(e *protocol.Evidence) protocol.Verdict { return probe(e, llmnr) },
	New:        func() protocol.Analyzer { return &analyzer{kind: llmnr} },
	Schemas:    schemas,
}

// NBNS describes the NetBIOS name service.
var NBNS = protocol.Definition{
	Name:       "nbns",
	Service:    "dns",
	Doc:        "NetBIOS name service (RFC 1002): recognised by a message of DNS's shape about a first-level encoded name.",
	Transports: protocol.UDP,
	Ports:      []uint16{137},
	Probe:      func(e *protocol.Evidence) protocol.Verdict { return probe(e, nbns) },
	New:        func() protocol.Analyzer { return &analyzer{kind: nbns} },
	Schemas:    schemas,
}

// kind tells the protocols of DNS's shape apart.
type kind uint8

const (
	unicast kind = iota
	mdns
	llmnr
	nbns
)

const (
	portDNS   = 53
	portMDNS  = 5353
	portLLMNR = 5355
)

// probe recognises a message by walking over all of it.
func probe(e *protocol.Evidence, k kind) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.TCP {
		return probeStream(e)
	}
	if len(b) < headerBytes {
		return protocol.No
	}
	if k == nbns {
		return probeNetBIOS(e, b)
	}
	if !plausible(b) {
		return protocol.No
	}
	other := e.Port(portMDNS) && !e.Port(portDNS)
	link := e.Port(portLLMNR) && !e.Port(portDNS)
	if other != (k == mdns) || link != (k == llmnr) {
		return protocol.No
	}
	var m message
	m.parse(b)
	if !m.hasQ && (m.counts[0] > 0 || m.read == 0 && !(m.response() && m.flaw == "")) {
		if m.counts[0] == 1 && e.Port(portDNS) && m.counts[1] < 64 && m.counts[2] < 64 && m.counts[3] < 64 {
			return protocol.Likely // malformed, but where DNS is to be expected
		}
		return protocol.No
	}
	if netbiosName(b[headerBytes:]) && (m.qType == typeNB || m.qType == typeSRV) {
		return protocol.No
	}
	if k != mdns {
		e.Reversed = m.response() == (e.Dir == session.Orig)
	}
	usual := k != unicast || e.Port(portDNS)
	if m.flaw != "" || m.end != len(b) {
		if usual || m.hasQ && m.read > 0 {
			return protocol.Likely
		}
		return protocol.No
	}
	if !usual && (m.hasQ && (m.qClass&0x7fff == 0 || m.qClass > 4 && m.qClass < 254 || m.qClass > 255 || m.qType == 0) ||
		!m.hasQ && m.read == 0) {
		return protocol.No
	}
	return protocol.Sure
}

// probeStream recognises a message with its length in front (RFC 7766 section 8).
func probeStream(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) == 0 {
		return protocol.More
	}
	if len(b) < 2+headerBytes {
		// The flags, the count of questions and that of answers are small.
		if len(b) > 6 && b[6] != 0 || len(b) > 7 && b[7] > 1 || len(b) > 8 && b[8] > 15 {
			return protocol.No
		}
		return protocol.More
	}
	n := int(binary.BigEndian.Uint16(b))
	if n < headerBytes+5 || !plausible(b[2:]) || b[6] != 0 || b[7] > 1 {
		return protocol.No
	}
	whole := len(b) >= 2+n
	if whole {
		b = b[:2+n]
	}
	var m message
	m.parse(b[2:])
	if !m.hasQ && !(m.counts[0] == 0 && m.read > 0) {
		if whole || len(b) > 2+headerBytes+maxNameBytes+4 {
			return protocol.No
		}
		return protocol.More
	}
	if m.hasQ && (m.qClass == 0 || m.qClass > 4 && m.qClass < 254 || m.qClass > 255) {
		return protocol.No
	}
	e.Reversed = m.response() == (e.Dir == session.Orig)
	switch {
	case whole && m.flaw == "" && m.end == n:
		return protocol.Sure
	case whole && e.Port(portDNS):
		return protocol.Likely
	case whole || m.flaw == flawForward || m.flaw == flawLabelType || m.flaw == flawNameLength:
		return protocol.No
	case len(b) >= protocol.MaxProbe && m.read > 1:
		return protocol.Sure
	}
	e.Reversed = false
	return protocol.More
}

// Limits of what one session keeps.
const (
	maxPending   = 64   // queries without a response
	pendingNanos = 30e9 // after so long a query is told as unanswered
	maxObserved  = 64   // addresses observed of one message
	maxBadInARow = 8    // malformed messages until a stream is given up
	maxQuestions = 16   // questions of a multicast query that get a record
	maxCookieHex = 80   // text of a cookie: 8 to 40 bytes (RFC 7873)
)

// query is a query that waits for its response.
type query struct {
	time    int64
	name    []byte // wire form
	opt     edns   // without options
	subnet  []byte // text
	cookie  []byte // text
	id      uint16
	flags   uint16
	qType   uint16
	qClass  uint16
	bytes   uint16
	repeats uint16
	dir     session.Direction
	multi   bool // sent to a group: no response comes in this session
}

// analyzer reads the messages of one session.
type analyzer struct {
	kind     kind
	bad      uint8
	told     bool // too many pending was told
	transfer bool // a zone transfer's further messages are expected
	transID  uint16
	pending  []query
	m        message
	rec      Record
	lastHost string // what was observed last, not to tell it twice
	lastAddr packet.Addr
}

// Idle reports whether no query is pending.
func (a *analyzer) Idle() bool {
	if len(a.pending) > 0 {
		return false
	}
	a.bad, a.told, a.transfer = 0, false, false
	return true
}

// Parse reads datagrams, or length-prefixed messages on a stream.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if f.Datagram() {
		a.message(f, dir, data)
		return len(data)
	}
	used := 0
	for len(data)-used >= 2 {
		n := int(binary.BigEndian.Uint16(data[used:]))
		if len(data)-used < 2+n {
			break
		}
		a.message(f, dir, data[used+2:used+2+n])
		used += 2 + n
		if a.bad >= maxBadInARow {
			f.Finish()
			return protocol.SkipAll
		}
	}
	return used
}

// Close tells the queries that got no response.
func (a *analyzer) Close(f *protocol.Flow) {
	for i := range a.pending {
		a.emit(f, &a.pending[i], nil, a.pending[i].dir)
	}
	a.pending = a.pending[:0]
	a.transfer = false
}

func (a *analyzer) message(f *protocol.Flow, dir session.Direction, data []byte) {
	m := &a.m
	m.parse(data)
	if m.flaw != "" {
		f.Anomaly(string(m.flaw), "")
		if !m.hasQ && m.read == 0 {
			a.bad++
			return
		}
	} else if m.end < len(data) {
		f.Anomaly("dns_trailing_data", "")
	}
	a.bad = 0
	if m.response() {
		a.response(f, dir)
		return
	}
	a.query(f, dir)
}

func (a *analyzer) query(f *protocol.Flow, dir session.Direction) {
	m := &a.m
	a.transfer = false
	multi := a.kind != unicast && (a.kind == mdns || a.toGroup(f, dir))
	if len(a.pending) > 0 && !multi {
		if a.repeated(dir) {
			return
		}
		a.expire(f)
	}
	if !m.hasQ && m.counts[0] == 0 && a.kind == unicast {
		f.Anomaly("dns_query_without_question", "")
	}
	if len(a.pending) < cap(a.pending) {
		a.pending = a.pending[:len(a.pending)+1]
	} else {
		a.pending = append(a.pending, query{})
	}
	q := &a.pending[len(a.pending)-1]
	q.time, q.dir, q.multi = f.Now, dir, multi
	q.id, q.flags, q.qType, q.qClass = m.id, m.flags, m.qType, m.qClass
	q.bytes, q.repeats = uint16(min(len(m.b), 0xffff)), 0
	q.name, q.subnet, q.cookie = q.name[:0], q.subnet[:0], q.cookie[:0]
	if m.hasQ {
		q.name = append(q.name, m.b[headerBytes:m.qEnd]...)
	}
	q.opt = m.opt
	q.opt.options = nil
	if len(m.opt.options) > 0 {
		q.subnet, q.cookie = appendOptions(m.opt.options, q.subnet, q.cookie)
	}
	a.observeRequest(f, dir)
	if multi {
		a.emit(f, q, nil, dir)
		a.pending = a.pending[:len(a.pending)-1]
	}
}

// toGroup reports whether a message in this direction was sent to more than one
// receiver, whose answers come in sessions of their own.
func (a *analyzer) toGroup(f *protocol.Flow, dir session.Direction) bool {
	if a.kind == nbns && a.m.flags&flagBroadcast != 0 {
		return true
	}
	to := f.Addr(dir.Other())
	return to.IsMulticast()
}

// repeated notes that the message at hand is a pending query sent again.
func (a *analyzer) repeated(dir session.Direction) bool {
	m := &a.m
	for i := range a.pending {
		q := &a.pending[i]
		if q.id == m.id && q.dir == dir && q.qType == m.qType && m.hasQ && sameName(q.name, m.b[headerBytes:m.qEnd]) {
			if q.repeats < 0xffff {
				q.repeats++
			}
			return true
		}
	}
	return false
}

// expire makes room: it tells queries that have waited for too long, or are
// too many.
func (a *analyzer) expire(f *protocol.Flow) {
	n := 0
	for n < len(a.pending) && f.Now-a.pending[n].time > pendingNanos {
		n++
	}
	if n == 0 && len(a.pending) >= maxPending {
		n = maxPending / 2
		if !a.told {
			a.told = true
			f.Anomaly("dns_unmatched_msg_quantity", "")
		}
	}
	for i := range n {
		a.emit(f, &a.pending[i], nil, a.pending[i].dir)
	}
	a.forget(0, n)
}

// forget removes n pending queries from the i-th on. Their memory moves to the
// end for reuse.
func (a *analyzer) forget(i, n int) {
	for range n {
		gone := a.pending[i]
		copy(a.pending[i:], a.pending[i+1:])
		a.pending[len(a.pending)-1] = gone
		a.pending = a.pending[:len(a.pending)-1]
	}
}

func (a *analyzer) response(f *protocol.Flow, dir session.Direction) {
	m := &a.m
	best := -1
	for i := range a.pending {
		q := &a.pending[i]
		if q.id != m.id || q.dir == dir {
			continue
		}
		if !m.hasQ || len(q.name) == 0 || q.qType == m.qType && sameName(q.name, m.b[headerBytes:m.qEnd]) || a.kind == nbns {
			best = i
			break
		}
		f.Anomaly("dns_question_mismatch", "")
	}
	if best < 0 {
		if a.transfer && a.transID == m.id {
			return
		}
		a.emit(f, nil, m, dir)
		return
	}
	q := &a.pending[best]
	if !f.Datagram() && (q.qType == typeAXFR || q.qType == typeIXFR) {
		a.transfer, a.transID = true, m.id
	}
	a.emit(f, q, m, dir)
	a.forget(best, 1)
}

// emit tells a query, a response, or both, and what is observed in the
// response. Dir is where the last of them came from.
func (a *analyzer) emit(f *protocol.Flow, q *query, m *message, dir session.Direction) {
	r := &a.rec
	r.reset(a.kind, f)
	if q != nil {
		r.setQuery(q)
	}
	if m != nil {
		r.setResponse(m)
		a.observeResponse(f, dir)
	}
	f.EmitAt(r, r.Time)
	r.reply = nil
}

// nameText returns b as a string, the same one as long as few others come.
func nameText(f *protocol.Flow, b []byte) string {
	return f.Shared("names", newNames).(*intern.Strings).Bytes(b)
}

func newNames() any { return new(intern.Strings) }
