// Package http reads HTTP/1.x (RFC 9112), WebSocket framing (RFC 6455) and SSDP,
// and recognises RTSP, which looks alike.
//
// A request and its response make one record. Bodies pass by: they are counted,
// and their first bytes say what they are.
package http

import (
	"bytes"

	"tyto/protocol"
	"tyto/session"
)

// Definition describes HTTP/1.x.
var Definition = protocol.Definition{
	Name: "http",
	Apps: []string{"websocket", "http-proxy", "winrm", "doh", "ocsp"},
	Doc: "Hypertext Transfer Protocol 1.x (RFC 9110, RFC 9112) with WebSocket (RFC 6455) and CONNECT: recognised by a " +
		"request or status line on any port.",
	Transports: protocol.TCP,
	Ports:      []uint16{80, 81, 591, 631, 1080, 3128, 5985, 8000, 8008, 8080, 8081, 8888},
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return new(analyzer) },
	Schemas:    schemas,
}

// probe looks for a request line from the originator or a status line from the
// responder.
func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	if len(b) == 0 {
		return protocol.More
	}
	if v := probeStatus(b); v != protocol.No {
		e.Reversed = v == protocol.Sure && e.Dir == session.Orig
		return v
	}
	v := probeRequest(b, e)
	if v == protocol.Sure || v == protocol.Likely {
		e.Reversed = e.Dir == session.Resp
	}
	switch {
	case v != protocol.No || len(e.Data[e.Dir.Other()]) > 0 || len(b) > maxBlind:
	case e.Dir == session.Resp:
		// Perhaps the rest of a response, in a capture that starts within it.
		return protocol.More
	case bytes.Contains(b[:min(len(b), 256)], []byte("HTTP/")) && printable(b[:min(len(b), 16)]):
		// A malformed request: the response will show it.
		return protocol.More
	}
	return v
}

// maxBlind is how many bytes of one side may come before the other shows what is
// spoken.
const maxBlind = 1024

const statusStart = "HTTP/1."

// probeStatus recognises the start of a status line.
func probeStatus(b []byte) protocol.Verdict {
	n := min(len(b), len(statusStart))
	if string(b[:n]) != statusStart[:n] {
		return protocol.No
	}
	if len(b) < 12 {
		return protocol.More
	}
	if digit(b[7]) && b[8] == ' ' && b[9] >= '1' && b[9] <= '9' && digit(b[10]) && digit(b[11]) {
		return protocol.Sure
	}
	return protocol.No
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// maxMethod is the length of the longest method that is recognised.
const maxMethod = 32

// probeRequest recognises a request line.
func probeRequest(b []byte, e *protocol.Evidence) protocol.Verdict {
	sp := 0
	for sp < len(b) && sp <= maxMethod && token[b[sp]] {
		sp++
	}
	if sp == len(b) && sp <= maxMethod {
		if b[0] < 'A' {
			return protocol.No
		}
		return protocol.More
	}
	if sp == 0 || sp > maxMethod || sp == len(b) || b[sp] != ' ' || b[0] < 'A' {
		return protocol.No
	}
	line := b[sp+1:]
	end := bytes.IndexByte(line, '\n')
	if end < 0 {
		if !printable(line) {
			return protocol.No
		}
		if len(b) >= protocol.MaxProbe {
			if known(b[:sp]) && (line[0] == '/' || bytes.HasPrefix(line, []byte("http://"))) {
				return protocol.Likely
			}
			return protocol.No
		}
		return protocol.More
	}
	line = bytes.TrimRight(line[:end], "\r ")
	if v := bytes.LastIndexByte(line, ' '); v >= 0 && isVersion(line[v+1:]) {
		return protocol.Sure
	}
	if isVersion(line) { // no target at all
		return protocol.Sure
	}
	if string(b[:sp]) == "GET" && len(line) > 0 && line[0] == '/' && printable(line) {
		return protocol.Likely // HTTP/0.9
	}
	return protocol.No
}

// isVersion reports whether b names HTTP/0.9 or HTTP/1.x.
func isVersion(b []byte) bool {
	return len(b) == 8 && string(b[:5]) == "HTTP/" && (b[5] == '1' || b[5] == '0') && b[6] == '.' && digit(b[7])
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < 0x20 && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// token has true for the characters of methods and field names (RFC 9110
// section 5.6.2).
var token = func() (t [256]bool) {
	for c := byte('0'); c <= 'z'; c++ {
		t[c] = digit(c) || c >= 'A' && c <= 'Z' || c >= 'a'
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] = true
	}
	return
}()

// methods that are in use: HTTP, WebDAV with DeltaV, Exchange, UPnP.
var methods = map[string]bool{
	"GET": true, "POST": true, "HEAD": true, "OPTIONS": true, "PUT": true, "DELETE": true, "TRACE": true, "CONNECT": true,
	"PATCH": true, "QUERY": true, "PROPFIND": true, "PROPPATCH": true, "MKCOL": true, "COPY": true, "MOVE": true, "LOCK": true,
	"UNLOCK": true, "POLL": true, "REPORT": true, "SUBSCRIBE": true, "UNSUBSCRIBE": true, "BMOVE": true, "BCOPY": true,
	"BDELETE": true, "BPROPFIND": true, "BPROPPATCH": true, "SEARCH": true, "NOTIFY": true, "M-SEARCH": true, "ACL": true,
	"VERSION-CONTROL": true, "CHECKOUT": true, "CHECKIN": true, "UNCHECKOUT": true, "MKWORKSPACE": true, "MKACTIVITY": true,
	"MERGE": true, "LABEL": true, "UPDATE": true, "BASELINE-CONTROL": true, "ORDERPATCH": true, "MKCALENDAR": true,
	"REBIND": true, "UNBIND": true, "BIND": true, "LINK": true, "UNLINK": true, "PURGE": true, "SOURCE": true,
	"RPC_IN_DATA": true, "RPC_OUT_DATA": true, "RPC_CONNECT": true, "BITS_POST": true, "CCM_POST": true, "SSTP_DUPLEX_POST": true,
}

func known(method []byte) bool { return methods[string(method)] }

// Limits of one connection.
const (
	maxLine    = 32 << 10  // of a request, status or field line
	maxHeaders = 500       // fields of one message that are read
	maxHead    = 256 << 10 // bytes of one message's fields
	maxPending = 100       // requests without a response, as in Zeek
	maxWaiting = 16 << 10  // what may follow CONNECT or an upgrade before its response
	sniffBytes = 64        // of a body, to tell its type
	maxForm    = 2048      // of a form, to find credentials in
	maxBad     = 16        // anomalies of malformed messages told of one connection
)

// state is what one direction's next bytes are.
type state uint8

const (
	atStart   state = iota // a request or status line
	inHeaders              // fields
	inBody                 // left bytes of body
	inChunk                // left bytes of a chunk
	atChunk                // a chunk's size
	atEnd                  // the line end after a chunk
	inTrailer              // fields after the last chunk
	toClose                // body to the end of the connection
	waiting                // for the response that says what follows
	frames                 // WebSocket
	lost                   // looking for the start of a message
)

// side is one direction.
type side struct {
	state    state
	tx       *Record // the message's record, nil if it was told already
	left     int64
	total    int64 // body bytes so far
	head     int   // bytes of fields so far
	fields   int
	sniffed  int
	messages int // that began
	sniff    [sniffBytes]byte

	// Of the message at hand.
	length  int64 // Content-Length, -1 if there is none
	chunked bool
	coded   bool // the body is compressed
	upgrade bool
	isForm  bool
}

// analyzer reads one connection.
type analyzer struct {
	form    []byte // start of the request's body, if it is a form's
	sides   [2]side
	pending []*Record
	free    []*Record
	depth   uint64
	bad     int
	told    Facts
	handed  bool
}

// Parse reads lines and bodies.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	used := 0
	for used < len(data) && !a.handed {
		n := a.step(f, dir, data[used:])
		if n <= 0 {
			break
		}
		if n >= protocol.SkipAll {
			return protocol.SkipAll
		}
		used += n
	}
	return used
}

// step reads the next element and returns its length, 0 if it is not complete.
func (a *analyzer) step(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.sides[dir]
	switch s.state {
	case inBody, inChunk, toClose:
		n := len(data)
		if s.state != toClose {
			n = int(min(int64(n), s.left))
			s.left -= int64(n)
		}
		a.body(s, dir, data[:n])
		switch {
		case s.state == inBody && s.left == 0:
			a.done(f, dir)
		case s.state == inChunk && s.left == 0:
			s.state = atEnd
		}
		return n
	case waiting:
		if len(data) > maxWaiting { // the other direction is not in the capture
			a.handover(f, "", true)
		}
		return 0
	case frames:
		return a.frame(f, dir, data)
	}
	end := bytes.IndexByte(data, '\n')
	if end < 0 && len(data) <= maxLine {
		return 0
	}
	if end < 0 || end > maxLine {
		if s.state != lost {
			a.weird(f, "http_line_too_long", "")
			a.lose(f, dir)
		}
		if end < 0 {
			return len(data)
		}
		return end + 1
	}
	a.line(f, dir, bytes.TrimSuffix(data[:end], []byte{'\r'}))
	return end + 1
}

// line reads one line.
func (a *analyzer) line(f *protocol.Flow, dir session.Direction, line []byte) {
	s := &a.sides[dir]
	switch s.state {
	case atStart, lost:
		if len(line) == 0 {
			return
		}
		ok := false
		if dir == session.Orig {
			ok = a.request(f, line)
		} else {
			ok = a.status(f, line)
			if !ok && s.state == atStart && len(a.pending) > 0 && string(a.pending[0].Version) == "0.9" {
				// HTTP/0.9 answers with the body alone.
				s.begin(a.pending[0])
				s.state = toClose
				a.body(s, dir, line)
				return
			}
		}
		if !ok && s.state == atStart {
			if f.Session.Flags&session.MidSession != 0 && s.messages == 0 {
				s.state = lost
				return
			}
			name := "bad_HTTP_request"
			if dir == session.Resp {
				name = "bad_HTTP_reply"
			}
			a.weird(f, name, "")
			a.lose(f, dir)
		}
	case inHeaders, inTrailer:
		if len(line) == 0 {
			if s.state == inTrailer {
				a.done(f, dir)
				return
			}
			a.headersEnd(f, dir)
			return
		}
		s.head += len(line)
		s.fields++
		if s.fields == maxHeaders || s.head > maxHead {
			a.weird(f, "http_excessive_headers", "")
			s.head = 0
		}
		if s.fields < maxHeaders && s.state == inHeaders {
			a.field(f, dir, line)
		}
	case atEnd:
		s.state = atChunk
		if len(line) > 0 {
			a.weird(f, "http_bad_chunk_end", "")
			a.lose(f, dir)
		}
	case atChunk:
		size, ok := chunkSize(line)
		switch {
		case !ok:
			a.weird(f, "http_bad_chunk_size", "")
			a.lose(f, dir)
		case size == 0:
			s.state = inTrailer
		default:
			s.state, s.left = inChunk, size
		}
	}
}

// chunkSize reads a chunk's size line (RFC 9112 section 7.1).
func chunkSize(line []byte) (n int64, ok bool) {
	for i, c := range line {
		v := int64(0)
		switch {
		case digit(c):
			v = int64(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = int64(c|0x20-'a') + 10
		case i > 0 && (c == ';' || c == ' ' || c == '\t'):
			return n, true
		default:
			return 0, false
		}
		if n > 1<<50 {
			return 0, false
		}
		n = n<<4 | v
	}
	return n, len(line) > 0
}

// weird tells an anomaly, as long as there are not too many.
func (a *analyzer) weird(f *protocol.Flow, name, detail string) {
	if a.bad < maxBad {
		a.bad++
		f.Anomaly(name, detail)
	}
}

// lose gives up the message at hand: what follows is searched for the start of
// another.
func (a *analyzer) lose(f *protocol.Flow, dir session.Direction) {
	s := &a.sides[dir]
	s.isForm = false
	tx := s.tx
	a.endBody(dir)
	s.tx, s.state = nil, lost
	if dir == session.Resp && tx != nil {
		a.tell(f, tx)
	}
}

// Gap goes on after lost bytes: within a body they do no harm.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	s := &a.sides[dir]
	switch {
	case s.state == frames || s.state == waiting:
		return false
	case s.state == toClose:
		return true
	case (s.state == inBody || s.state == inChunk) && int64(n) <= s.left:
		s.sniffed, s.isForm = len(s.sniff), false
		s.left -= int64(n)
		if s.left == 0 && s.state == inBody {
			a.done(f, dir)
		} else if s.left == 0 {
			s.state = atEnd
		}
		return true
	}
	a.lose(f, dir)
	return true
}

// Close tells the requests without a complete response.
func (a *analyzer) Close(f *protocol.Flow) {
	a.endBody(session.Orig)
	a.endBody(session.Resp)
	for len(a.pending) > 0 {
		a.tell(f, a.pending[0])
	}
}

// open starts a record for a request, or for a response that has none.
func (a *analyzer) open(f *protocol.Flow) *Record {
	if len(a.pending) >= maxPending {
		a.weird(f, "HTTP_excessive_pipelining", "")
		a.tell(f, a.pending[0])
	}
	var tx *Record
	if n := len(a.free); n > 0 {
		tx, a.free = a.free[n-1], a.free[:n-1]
	} else {
		tx = new(Record)
	}
	a.depth++
	tx.Reset(f.Now, a.depth)
	a.pending = append(a.pending, tx)
	return tx
}

// tell emits a record and takes it out of those that are pending.
func (a *analyzer) tell(f *protocol.Flow, tx *Record) {
	for i, p := range a.pending {
		if p == tx {
			copy(a.pending[i:], a.pending[i+1:])
			a.pending = a.pending[:len(a.pending)-1]
			break
		}
	}
	for d := range a.sides {
		if a.sides[d].tx == tx {
			a.endBody(session.Direction(d))
			a.sides[d].tx = nil
		}
	}
	f.EmitAt(tx, tx.Time)
	if len(a.free) < 4 {
		a.free = append(a.free, tx)
	}
}

// begin prepares a side for a message.
func (s *side) begin(tx *Record) {
	*s = side{state: inHeaders, tx: tx, length: -1, messages: s.messages + 1}
}

// body counts a body's bytes and keeps the first of them.
func (a *analyzer) body(s *side, dir session.Direction, b []byte) {
	if s.sniffed < len(s.sniff) {
		s.sniffed += copy(s.sniff[s.sniffed:], b)
	}
	if s.isForm && s.total < maxForm {
		a.form = append(a.form[:s.total], b[:min(len(b), maxForm-int(s.total))]...)
	}
	s.total += int64(len(b))
}

// endBody takes what is known of a body into its record.
func (a *analyzer) endBody(dir session.Direction) {
	s := &a.sides[dir]
	if s.tx == nil || s.total == 0 {
		return
	}
	typ := ""
	if !s.coded {
		typ = Sniff(s.sniff[:min(s.sniffed, len(s.sniff), int(min(s.total, sniffBytes)))])
	}
	if dir == session.Orig {
		s.tx.RequestBytes, s.tx.OrigMIME = s.total, typ
	} else {
		s.tx.ResponseBytes, s.tx.RespMIME = s.total, typ
	}
}

// done ends a message.
func (a *analyzer) done(f *protocol.Flow, dir session.Direction) {
	s := &a.sides[dir]
	a.endBody(dir)
	tx := s.tx
	s.tx, s.total, s.state = nil, 0, atStart
	if tx == nil {
		return
	}
	if dir == session.Orig {
		tx.requestDone = true
		if s.isForm && len(a.form) > 0 {
			a.told.form(f, a.form)
		}
		s.isForm, a.form = false, a.form[:0]
		return
	}
	if tx.Status < 200 && tx.Status != 101 {
		return // the final response is still to come (RFC 9110 section 15.2)
	}
	a.tell(f, tx)
}

func (a *analyzer) handover(f *protocol.Flow, name string, keepApp bool) {
	a.handed = true
	f.Handover(name, keepApp)
}
