// Package sip reads the Session Initiation Protocol (RFC 3261) over UDP and
// TCP: requests, responses, who calls whom, logins, and where the media go
// (SDP, RFC 8866).
package sip

import (
	"bytes"
	"net/netip"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition of sip.
var Definition = protocol.Definition{
	Name:       "sip",
	Doc:        "Session Initiation Protocol (RFC 3261): recognised by the version in the first line of a request or response.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{5060},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the sip record.
var Schema = record.New("sip", "sip", "one SIP request with its response",
	record.Field{Name: "trans_depth", Type: record.Count, Doc: "Number of the request in its session, from 0."},
	record.Field{Name: "method", Type: record.String, Doc: "Method of the request."},
	record.Field{Name: "uri", Type: record.String, Doc: "URI of the request."},
	record.Field{Name: "date", Type: record.String, Doc: "Date header of the request."},
	record.Field{Name: "request_from", Type: record.String, Doc: "From header of the request, without its tag."},
	record.Field{Name: "request_to", Type: record.String, Doc: "To header of the request."},
	record.Field{Name: "response_from", Type: record.String, Doc: "From header of the response, without its tag."},
	record.Field{Name: "response_to", Type: record.String, Doc: "To header of the response."},
	record.Field{Name: "reply_to", Type: record.String, Doc: "Reply-To header."},
	record.Field{Name: "call_id", Type: record.String, Doc: "Call-ID header."},
	record.Field{Name: "seq", Type: record.String, Doc: "CSeq header."},
	record.Field{Name: "subject", Type: record.String, Doc: "Subject header."},
	record.Field{Name: "request_path", Type: record.Strings, Doc: "Via headers of the request."},
	record.Field{Name: "response_path", Type: record.Strings, Doc: "Via headers of the response."},
	record.Field{Name: "user_agent", Type: record.String, Doc: "User-Agent header."},
	record.Field{Name: "status_code", Type: record.Count, Doc: "Status of the response."},
	record.Field{Name: "status_msg", Type: record.String, Doc: "Reason phrase of the response."},
	record.Field{Name: "warning", Type: record.String, Doc: "Warning header."},
	record.Field{Name: "request_body_len", Type: record.Count, Doc: "Content-Length of the request."},
	record.Field{Name: "response_body_len", Type: record.Count, Doc: "Content-Length of the response."},
	record.Field{Name: "content_type", Type: record.String, Doc: "Content-Type header of the last message that has one."},
	record.Field{Name: "user", Type: record.String, Doc: "User name of a digest login."},
	record.Field{Name: "server", Type: record.String, Doc: "Server header."},
	record.Field{Name: "media", Type: record.Strings, Doc: "Media that the messages describe: kind, address and port, at most 8."},
)

// Bounds of what is kept.
const (
	maxText    = 256
	maxVia     = 8
	maxMedia   = 8
	maxHeaders = 128
	maxPending = 16       // requests without a final response
	maxHead    = 16 << 10 // bytes of a message's head on a stream
	maxBody    = 8 << 10  // bytes of a body that are looked at
	maxLength  = 16 << 20 // Content-Length that is believed
)

var methods = []string{"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "SUBSCRIBE", "NOTIFY", "PUBLISH", "INFO", "REFER", "MESSAGE", "UPDATE"}

const version = "SIP/2.0"

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.TCP {
		b = e.Data[session.Orig]
		if len(b) == 0 {
			b = e.Data[session.Resp]
		}
	}
	// Keep-alives may come first: line ends (RFC 5626 section 3.5.1), or zeros.
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n' || b[0] == 0 && len(e.Data[e.Dir]) <= 4) {
		b = b[1:]
	}
	if len(b) == 0 {
		return protocol.More
	}
	line, complete := textline.First(b[:min(len(b), 1024)])
	word, rest := textline.Word(line)
	if bytes.HasPrefix(word, []byte(version)) {
		if len(line) < 12 && !complete {
			return protocol.More
		}
		if code, _ := textline.Code(rest); code >= 100 && code < 700 {
			return protocol.Sure
		}
		return protocol.No
	}
	if !complete && bytes.HasPrefix([]byte(version), word) {
		return protocol.More
	}
	switch {
	case !complete && len(word) == len(line) && textline.PrefixOf(word, methods):
		return protocol.More
	case !textline.OneOf(word, methods):
		return protocol.No
	case complete && bytes.HasSuffix(line, []byte(" "+version)):
		return protocol.Sure
	case complete || e.Transport != protocol.TCP || len(line) >= 1024:
		return protocol.No
	case len(rest) >= 4 && !textline.HasPrefix(rest, "SIP") && !textline.HasPrefix(rest, "TEL:") && !textline.HasPrefix(rest, "URN:"):
		return protocol.No
	}
	return protocol.More
}

// message is the head of a request or response as it is read.
type message struct {
	method, uri, reason                                                         []byte
	code                                                                        int
	from, to, replyTo, callID, seq, subject, date, agent, server, kind, warning []byte
	user                                                                        []byte
	via                                                                         [maxVia][]byte
	vias                                                                        int
	length                                                                      int // Content-Length, -1 if it is not told
	body                                                                        []byte
	streams                                                                     [maxMedia]netip.AddrPort // where RTP is expected
	nstreams                                                                    int
}

// transaction is a request and what is known of its response.
type transaction struct {
	depth                                                         uint64
	method, uri, date, from, to, rfrom, rto, replyTo, callID, seq []byte
	subject, agent, reason, warning, kind, user, server           []byte
	path, rpath, media                                            []string
	code, length, rlength                                         int
	dir                                                           session.Direction
	told                                                          bool // the login was told
}

type analyzer struct {
	pending []transaction
	n       int
	depth   uint64
	msg     message
	rec     sipRecord
	agents  [2]bool // the program of this side was told
}

type sipRecord struct{ t *transaction }

func (r *sipRecord) Schema() *record.Schema { return Schema }

func (r *sipRecord) Append(e *record.Encoder) {
	t := r.t
	e.Uint(t.depth)
	e.Bytes(t.method)
	e.Bytes(t.uri)
	e.Bytes(t.date)
	e.Bytes(t.from)
	e.Bytes(t.to)
	e.Bytes(t.rfrom)
	e.Bytes(t.rto)
	e.Bytes(t.replyTo)
	e.Bytes(t.callID)
	e.Bytes(t.seq)
	e.Bytes(t.subject)
	e.Strs(t.path)
	e.Strs(t.rpath)
	e.Bytes(t.agent)
	if t.code > 0 {
		e.Uint(uint64(t.code))
	} else {
		e.Unset()
	}
	e.Bytes(t.reason)
	e.Bytes(t.warning)
	length(e, t.length)
	length(e, t.rlength)
	e.Bytes(t.kind)
	e.Bytes(t.user)
	e.Bytes(t.server)
	e.Strs(t.media)
}

func length(e *record.Encoder, n int) {
	if n < 0 {
		e.Unset()
		return
	}
	e.Uint(uint64(n))
}

// Parse reads one message.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	start := 0
	for start < len(data) && (data[start] == '\r' || data[start] == '\n' || data[start] == 0) {
		start++ // keep-alive
	}
	if start == len(data) {
		return start
	}
	head := endOfHead(data[start:])
	stream := !f.Datagram()
	if head < 0 {
		if stream {
			if len(data)-start > maxHead {
				f.Anomaly("sip_head_too_long", "")
				a.Close(f)
				f.Finish()
			}
			return start
		}
		head = len(data) - start
	}
	m := &a.msg
	if !m.parse(data[start : start+head]) {
		f.Anomaly("sip_invalid_message", "")
		if stream {
			a.Close(f)
			f.Finish()
		}
		return len(data)
	}
	end := start + head
	m.body = nil
	rest := data[end:]
	if stream {
		n := min(max(m.length, 0), maxLength)
		if len(rest) < min(n, maxBody) {
			return start
		}
		m.body = rest[:min(n, maxBody, len(rest))]
		end += n
	} else {
		m.body = rest[:min(len(rest), maxBody)]
	}
	a.take(f, dir)
	return end
}

// Close tells the requests that had no final response.
func (a *analyzer) Close(f *protocol.Flow) {
	for i := 0; i < a.n; i++ {
		a.rec.t = &a.pending[i]
		f.Emit(&a.rec)
	}
	a.n = 0
}

// endOfHead returns the length of a message's head with the empty line, or -1.
func endOfHead(b []byte) int {
	for off := 0; ; {
		i := bytes.IndexByte(b[off:], '\n')
		if i < 0 {
			return -1
		}
		off += i + 1
		rest := b[off:]
		switch {
		case len(rest) > 0 && rest[0] == '\n':
			return off + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return off + 2
		}
	}
}

func (m *message) parse(head []byte) bool {
	*m = message{length: -1}
	line, head := cut(head)
	word, rest := textline.Word(line)
	if bytes.HasPrefix(word, []byte(version)) {
		m.code, _ = textline.Code(rest)
		m.reason = textline.Text(rest)
		if m.code == 0 {
			return false
		}
	} else {
		if !bytes.HasSuffix(line, []byte(version)) || len(word) == 0 || len(word) > 32 {
			return false
		}
		m.method = word
		m.uri, _ = textline.Word(rest)
	}
	for i := 0; i < maxHeaders && len(head) > 0; i++ {
		line, head = cut(head)
		k := bytes.IndexByte(line, ':')
		if k < 0 {
			continue
		}
		m.header(bytes.TrimRight(line[:k], " \t"), bytes.TrimSpace(line[k+1:]))
	}
	return true
}

// cut returns the first line, with the lines that continue it (RFC 3261 section
// 7.3.1), and what follows.
func cut(b []byte) (line, rest []byte) {
	for off := 0; off < len(b); {
		i := bytes.IndexByte(b[off:], '\n')
		if i < 0 {
			break
		}
		off += i + 1
		if off == len(b) || b[off] != ' ' && b[off] != '\t' {
			return bytes.TrimRight(b[:off], "\r\n"), b[off:]
		}
	}
	return bytes.TrimRight(b, "\r\n"), nil
}

func (m *message) header(name, value []byte) {
	if len(name) == 1 { // compact forms (RFC 3261 section 7.3.3)
		switch textline.Upper(name[0]) {
		case 'F':
			m.from = value
		case 'T':
			m.to = value
		case 'I':
			m.callID = value
		case 'S':
			m.subject = value
		case 'C':
			m.kind = value
		case 'L':
			m.setLength(value)
		case 'V':
			m.addVia(value)
		}
		return
	}
	switch {
	case textline.Equal(name, "FROM"):
		m.from = value
	case textline.Equal(name, "TO"):
		m.to = value
	case textline.Equal(name, "VIA"):
		m.addVia(value)
	case textline.Equal(name, "CALL-ID"):
		m.callID = value
	case textline.Equal(name, "CSEQ"):
		m.seq = value
	case textline.Equal(name, "CONTENT-LENGTH"):
		m.setLength(value)
	case textline.Equal(name, "CONTENT-TYPE"):
		m.kind = value
	case textline.Equal(name, "USER-AGENT"):
		m.agent = value
	case textline.Equal(name, "SERVER"):
		m.server = value
	case textline.Equal(name, "SUBJECT"):
		m.subject = value
	case textline.Equal(name, "DATE"):
		m.date = value
	case textline.Equal(name, "REPLY-TO"):
		m.replyTo = value
	case textline.Equal(name, "WARNING"):
		m.warning = value
	case textline.Equal(name, "AUTHORIZATION"), textline.Equal(name, "PROXY-AUTHORIZATION"):
		if user := parameter(value, "USERNAME"); len(user) > 0 {
			m.user = user
		}
	}
}

func (m *message) setLength(value []byte) {
	if n, ok := textline.Uint(value); ok {
		m.length = int(n)
	}
}

func (m *message) addVia(value []byte) {
	if m.vias < maxVia {
		m.via[m.vias] = value
		m.vias++
	}
}

// parameter returns the quoted value of name="value", name in capitals.
func parameter(b []byte, name string) []byte {
	for i := 0; i+len(name)+2 < len(b); i++ {
		if !textline.HasPrefix(b[i:], name) {
			continue
		}
		rest := bytes.TrimLeft(b[i+len(name):], " ")
		if len(rest) < 2 || rest[0] != '=' || rest[1] != '"' {
			continue
		}
		value, _, _ := bytes.Cut(rest[2:], []byte{'"'})
		return value
	}
	return nil
}

// untagged is a From header without its tag.
func untagged(b []byte) []byte {
	for i := 0; i+5 <= len(b); i++ {
		if b[i] == ';' && textline.HasPrefix(b[i:], ";TAG=") {
			return b[:i]
		}
	}
	return b
}

func (a *analyzer) take(f *protocol.Flow, dir session.Direction) {
	m := &a.msg
	agent := m.agent
	if len(m.server) > 0 {
		agent = m.server
	}
	if len(agent) > 0 && !a.agents[dir] {
		a.agents[dir] = true
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: string(agent[:min(len(agent), maxText)])})
	}
	if m.code == 0 {
		a.request(f, dir)
		return
	}
	a.response(f, dir)
}

func (a *analyzer) request(f *protocol.Flow, dir session.Direction) {
	m := &a.msg
	for i := 0; i < a.n; i++ { // sent again because no answer came
		t := &a.pending[i]
		if len(m.callID) > 0 && t.dir == dir && bytes.Equal(t.callID, m.callID[:min(len(m.callID), maxText)]) && bytes.Equal(t.seq, m.seq[:min(len(m.seq), maxText)]) {
			return
		}
	}
	if a.n == maxPending {
		a.tell(f, 0)
	}
	if a.n == len(a.pending) {
		a.pending = append(a.pending, transaction{})
	}
	t := &a.pending[a.n]
	a.n++
	*t = transaction{depth: a.depth, dir: dir, length: m.length, rlength: -1,
		method: textline.Set(t.method, m.method, maxText), uri: textline.Set(t.uri, m.uri, maxText), date: textline.Set(t.date, m.date, maxText),
		from: textline.Set(t.from, untagged(m.from), maxText), to: textline.Set(t.to, m.to, maxText), rfrom: t.rfrom[:0], rto: t.rto[:0],
		replyTo: textline.Set(t.replyTo, m.replyTo, maxText), callID: textline.Set(t.callID, m.callID, maxText), seq: textline.Set(t.seq, m.seq, maxText),
		subject: textline.Set(t.subject, m.subject, maxText), agent: textline.Set(t.agent, m.agent, maxText), reason: t.reason[:0],
		warning: t.warning[:0], kind: textline.Set(t.kind, m.kind, maxText), user: textline.Set(t.user, m.user, maxText), server: t.server[:0],
		path: m.path(t.path[:0]), rpath: t.rpath[:0], media: t.media[:0]}
	a.depth++
	t.media = m.media(t.media)
	a.announce(f)
	if len(t.user) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(dir), Value: string(t.user)})
	}
	if bytes.Equal(t.method, []byte("ACK")) { // has no response
		a.tell(f, a.n-1)
	}
}

func (m *message) path(dst []string) []string {
	for _, v := range m.via[:m.vias] {
		dst = append(dst, string(v[:min(len(v), maxText)]))
	}
	return dst
}

func (a *analyzer) tell(f *protocol.Flow, i int) {
	a.rec.t = &a.pending[i]
	f.Emit(&a.rec)
	t := a.pending[i]
	copy(a.pending[i:], a.pending[i+1:a.n])
	a.n--
	a.pending[a.n] = t
}

func (a *analyzer) response(f *protocol.Flow, dir session.Direction) {
	m := &a.msg
	i := 0
	for ; i < a.n; i++ {
		t := &a.pending[i]
		if t.dir != dir && bytes.Equal(t.callID, m.callID[:min(len(m.callID), maxText)]) && bytes.Equal(t.seq, m.seq[:min(len(m.seq), maxText)]) {
			break
		}
	}
	if i == a.n {
		if m.code < 200 {
			return
		}
		// The request is not in the capture, or a response came again.
		if a.n == maxPending {
			a.tell(f, 0)
		}
		if a.n == len(a.pending) {
			a.pending = append(a.pending, transaction{})
		}
		a.pending[a.n] = transaction{depth: a.depth, dir: dir.Other(), length: -1, callID: bytes.Clone(m.callID[:min(len(m.callID), maxText)]), seq: bytes.Clone(m.seq[:min(len(m.seq), maxText)])}
		a.depth++
		i = a.n
		a.n++
	}
	t := &a.pending[i]
	t.code, t.rlength = m.code, m.length
	t.reason = textline.Set(t.reason, m.reason, maxText)
	t.rfrom = textline.Set(t.rfrom, untagged(m.from), maxText)
	t.rto = textline.Set(t.rto, m.to, maxText)
	t.warning = textline.Set(t.warning, m.warning, maxText)
	if len(m.kind) > 0 {
		t.kind = textline.Set(t.kind, m.kind, maxText)
	}
	if len(m.server) > 0 {
		t.server = textline.Set(t.server, m.server, maxText)
	}
	t.rpath = m.path(t.rpath[:0])
	t.media = m.media(t.media)
	a.announce(f)
	if m.code < 200 {
		return
	}
	if len(t.user) > 0 && !t.told {
		t.told = true
		switch m.code {
		case 200, 202:
			f.Observe(protocol.Observation{Kind: protocol.LoginOK, Addr: f.Addr(t.dir), Value: string(t.user)})
		case 403:
			if string(t.method) != "REGISTER" {
				break // the call is refused, not the caller
			}
			fallthrough
		case 401, 407:
			f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: f.Addr(t.dir), Value: string(t.user)})
		}
	}
	a.tell(f, i)
}

// announce tells where the media that the message describes will be heard, and
// their reports one port higher (RFC 3550 section 11).
func (a *analyzer) announce(f *protocol.Flow) {
	for _, s := range a.msg.streams[:a.msg.nstreams] {
		if !s.Addr().IsValid() || s.Addr().IsUnspecified() {
			continue
		}
		o := protocol.Observation{Kind: protocol.Expected, Addr: packet.AddrOf(s.Addr()), Port: s.Port(), Proto: packet.ProtoUDP, Value: "rtp"}
		f.Observe(o)
		if o.Port++; o.Port != 0 {
			o.Value = "rtcp"
			f.Observe(o)
		}
	}
}

// media appends the media that the message's session description names: kind,
// address and port.
func (m *message) media(dst []string) []string {
	if !textline.HasPrefix(m.kind, "APPLICATION/SDP") && !textline.HasPrefix(m.kind, "MULTIPART/") {
		return dst
	}
	var common netip.Addr
	from := len(dst)
	rtp := false // the medium above is
	body := m.body
	for i := 0; i < 512 && len(body) > 0 && len(dst) < maxMedia; i++ {
		var line []byte
		line, body = cut(body)
		if len(line) < 3 || line[1] != '=' {
			continue
		}
		switch line[0] {
		case 'c': // c=IN IP4 192.0.2.1
			_, rest := textline.Word(line[2:])
			_, rest = textline.Word(rest)
			word, _ := textline.Word(rest)
			word, _, _ = bytes.Cut(word, []byte{'/'})
			addr, err := netip.ParseAddr(string(word[:min(len(word), 64)]))
			if err != nil {
				continue
			}
			addr = addr.WithZone("")
			if len(dst) == from {
				common = addr
				continue
			}
			// It is of the medium above.
			dst[len(dst)-1] = withAddr(dst[len(dst)-1], addr)
			if rtp {
				m.streams[m.nstreams-1] = netip.AddrPortFrom(addr, m.streams[m.nstreams-1].Port())
			}
		case 'm': // m=audio 49170 RTP/AVP 0
			kind, rest := textline.Word(line[2:])
			port, rest := textline.Word(rest)
			port, _, _ = bytes.Cut(port, []byte{'/'})
			rtp = false
			v, ok := textline.Uint(port)
			if !ok || v == 0 || v > 65535 || len(kind) > 32 {
				continue
			}
			text := append(append([]byte(nil), kind...), " - "...)
			text = append(text, port...)
			s := string(text)
			if common.IsValid() {
				s = withAddr(s, common)
			}
			dst = append(dst, s)
			if rtp = textline.Contains(rest, "RTP/") && m.nstreams < maxMedia; rtp {
				m.streams[m.nstreams] = netip.AddrPortFrom(common, uint16(v))
				m.nstreams++
			}
		}
	}
	return dst
}

// withAddr puts an address in the middle of "kind address port".
func withAddr(s string, a netip.Addr) string {
	b := []byte(s)
	i, j := bytes.IndexByte(b, ' '), bytes.LastIndexByte(b, ' ')
	return string(b[:i+1]) + a.String() + string(b[j:])
}
