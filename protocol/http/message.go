package http

import (
	"bytes"

	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// request reads a request line (RFC 9112 section 3) and reports whether it was
// one.
func (a *analyzer) request(f *protocol.Flow, line []byte) bool {
	sp := bytes.IndexByte(line, ' ')
	if sp <= 0 || sp > maxMethod {
		return false
	}
	for _, c := range line[:sp] {
		if !token[c] {
			return false
		}
	}
	method, rest := line[:sp], bytes.Trim(line[sp:], " ")
	version := []byte("0.9")
	if v := bytes.LastIndexByte(rest, ' '); v >= 0 && isVersion(rest[v+1:]) {
		version, rest = rest[v+6:], bytes.TrimRight(rest[:v], " ")
	} else if isVersion(rest) {
		version, rest = rest[5:], nil
		a.weird(f, "missing_HTTP_request_URI", "")
	} else if a.sides[session.Orig].state == lost || !known(method) {
		return false
	}
	s := &a.sides[session.Orig]
	tx := a.open(f)
	s.begin(tx)
	tx.Method = tx.keep(method)
	tx.URI = tx.keep(rest)
	tx.Version = tx.keep(version)
	if !known(method) {
		a.weird(f, "unknown_HTTP_method", string(method))
	}
	switch {
	case string(method) == "CONNECT":
		f.SetApp("http-proxy")
		a.host(f, tx, rest)
	case bytes.HasPrefix(rest, []byte("http://")) || bytes.HasPrefix(rest, []byte("ftp://")) || bytes.HasPrefix(rest, []byte("https://")):
		f.SetApp("http-proxy")
		a.host(f, tx, authority(rest))
	case string(method) == "POST" && (string(rest) == "/wsman" || bytes.HasPrefix(rest, []byte("/wsman?")) || bytes.HasPrefix(rest, []byte("/wsman/"))):
		f.SetApp("winrm")
	}
	if string(version) == "0.9" {
		s.state = atStart // no fields
		s.tx = nil
	}
	return true
}

// authority returns the authority part of an absolute URI.
func authority(uri []byte) []byte {
	_, rest, _ := bytes.Cut(uri, []byte("://"))
	if i := bytes.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	if i := bytes.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	return rest
}

// status reads a status line (RFC 9112 section 4) and reports whether it was
// one.
func (a *analyzer) status(f *protocol.Flow, line []byte) bool {
	if len(line) < 12 || probeStatus(line) != protocol.Sure || len(line) > 12 && line[12] != ' ' {
		return false
	}
	code := uint16(line[9]-'0')*100 + uint16(line[10]-'0')*10 + uint16(line[11]-'0')
	var tx *Record
	if len(a.pending) > 0 {
		tx = a.pending[0]
	} else {
		tx = a.open(f)
		tx.requestDone = true
	}
	s := &a.sides[session.Resp]
	s.begin(tx)
	version := line[5:8]
	if len(tx.Version) > 0 && string(tx.Version) != string(version) {
		tx.Version = tx.Version[:0]
	}
	if len(tx.Version) == 0 {
		tx.Version = tx.keep(version)
	}
	tx.Status = code
	var reason []byte
	if len(line) > 13 {
		reason = tx.keep(line[13:])
	}
	tx.StatusMsg = reason
	if code < 200 {
		tx.InfoCode, tx.InfoMsg = code, reason
	}
	return true
}

// fold reports whether b is the name, which is in lower case.
func fold(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// containsFold reports whether a list of tokens has the one, which is in lower
// case.
func containsFold(list []byte, name string) bool {
	for len(list) > 0 {
		var one []byte
		one, list, _ = bytes.Cut(list, []byte{','})
		if fold(bytes.Trim(one, " \t"), name) {
			return true
		}
	}
	return false
}

// field reads a field line (RFC 9112 section 5).
func (a *analyzer) field(f *protocol.Flow, dir session.Direction, line []byte) {
	s := &a.sides[dir]
	colon := bytes.IndexByte(line, ':')
	if line[0] == ' ' || line[0] == '\t' {
		a.weird(f, "http_obsolete_line_folding", "")
		return
	}
	if colon <= 0 {
		a.weird(f, "http_malformed_header", "")
		return
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
	if last := name[len(name)-1]; last == ' ' || last == '\t' {
		a.weird(f, "http_space_before_colon", "")
		name = bytes.TrimRight(name, " \t")
	}
	a.framing(f, s, name, value)
	if s.tx == nil {
		return
	}
	if dir == session.Orig {
		a.requestField(f, s.tx, name, value)
	} else {
		a.responseField(f, s.tx, name, value)
	}
}

// framing reads the fields that say how long a body is and what follows it.
func (a *analyzer) framing(f *protocol.Flow, s *side, name, value []byte) {
	switch len(name) {
	case 7:
		if fold(name, "upgrade") {
			s.upgrade = true
		}
	case 14:
		if fold(name, "content-length") {
			a.contentLength(f, s, value)
		}
	case 16:
		if fold(name, "content-encoding") && !fold(value, "identity") {
			s.coded = true
		}
	case 17:
		if fold(name, "transfer-encoding") {
			i := bytes.LastIndexByte(value, ',')
			s.chunked = fold(bytes.Trim(value[i+1:], " \t"), "chunked")
			if s.chunked && s.length >= 0 {
				a.weird(f, "http_content_length_with_chunked", "")
			}
			if i >= 0 {
				s.coded = true
			}
		}
	}
}

func (a *analyzer) contentLength(f *protocol.Flow, s *side, value []byte) {
	if s.chunked {
		a.weird(f, "http_content_length_with_chunked", "")
	}
	n := int64(0)
	for _, c := range value {
		if !digit(c) || n > 1<<56 {
			a.weird(f, "http_bad_content_length", "")
			return
		}
		n = n*10 + int64(c-'0')
	}
	if len(value) == 0 {
		a.weird(f, "http_bad_content_length", "")
		return
	}
	if s.length >= 0 && s.length != n {
		a.weird(f, "http_multiple_content_length", "")
	}
	s.length = n
}

func (a *analyzer) requestField(f *protocol.Flow, tx *Record, name, value []byte) {
	switch len(name) {
	case 3:
		if fold(name, "via") {
			tx.proxy("VIA", value)
		}
	case 4:
		if fold(name, "host") {
			if len(tx.Host) == 0 || string(tx.Method) != "CONNECT" {
				a.host(f, tx, value)
			}
		}
	case 6:
		switch {
		case fold(name, "origin"):
			tx.Origin = tx.keep(value)
		case fold(name, "accept") && fold(value, "application/dns-message"):
			f.SetApp("doh")
		}
	case 7:
		switch {
		case fold(name, "referer"):
			tx.Referrer = tx.keep(value)
		case fold(name, "upgrade"):
			tx.upgrade = true
		}
	case 9:
		switch {
		case fold(name, "forwarded"):
			tx.proxy("FORWARDED", value)
		case fold(name, "client-ip"):
			tx.proxy("CLIENT-IP", value)
		}
	case 10:
		if fold(name, "user-agent") {
			tx.UserAgent = tx.keep(value)
			a.told.Software(f, session.Orig, value)
		}
	case 12:
		if fold(name, "content-type") {
			a.requestType(f, value)
			const form = "application/x-www-form-urlencoded"
			a.sides[session.Orig].isForm = len(value) >= len(form) && fold(value[:len(form)], form)
		}
	case 13:
		if fold(name, "authorization") {
			a.told.Authorization(f, tx, value)
		}
	case 15:
		if fold(name, "x-forwarded-for") {
			tx.proxy("X-FORWARDED-FOR", value)
		}
	case 16:
		switch {
		case fold(name, "proxy-connection"):
			tx.proxy("PROXY-CONNECTION", value)
		case fold(name, "xroxy-connection"):
			tx.proxy("XROXY-CONNECTION", value)
		case fold(name, "x-forwarded-from"):
			tx.proxy("X-FORWARDED-FROM", value)
		}
	case 19:
		if fold(name, "proxy-authorization") {
			a.told.Authorization(f, tx, value)
		}
	}
}

func (a *analyzer) requestType(f *protocol.Flow, value []byte) {
	switch {
	case fold(value, "application/dns-message"):
		f.SetApp("doh")
	case fold(value, "application/ocsp-request"):
		f.SetApp("ocsp")
	}
}

func (a *analyzer) responseField(f *protocol.Flow, tx *Record, name, value []byte) {
	switch len(name) {
	case 6:
		if fold(name, "server") {
			tx.Server = tx.keep(value)
			a.told.Software(f, session.Resp, value)
		}
	case 7:
		if fold(name, "upgrade") {
			tx.protocol = tx.keep(value)
		}
	case 8:
		if fold(name, "location") {
			tx.Location = tx.keep(value)
		}
	case 12:
		if fold(name, "content-type") {
			tx.ContentType = tx.keep(value)
			switch {
			case fold(value, "application/dns-message"):
				f.SetApp("doh")
			case fold(value, "application/ocsp-response"):
				f.SetApp("ocsp")
			}
		}
	}
}

// host takes the name the client wants.
func (a *analyzer) host(f *protocol.Flow, tx *Record, value []byte) {
	tx.Host = tx.keep(value)
	a.told.Host(f, value)
}

// headersEnd says what follows the fields of a message (RFC 9112 section 6.3).
func (a *analyzer) headersEnd(f *protocol.Flow, dir session.Direction) {
	s := &a.sides[dir]
	tx := s.tx
	if dir == session.Orig {
		switch {
		case s.chunked:
			s.state = atChunk
		case s.length > 0:
			s.state, s.left = inBody, s.length
		case tx != nil && (string(tx.Method) == "CONNECT" || tx.upgrade):
			a.done(f, dir)
			s.state = waiting
		default:
			a.done(f, dir)
		}
		return
	}
	if tx == nil {
		s.state = lost
		return
	}
	a.told.Outcome(f, tx)
	final := tx.Status >= 200 || tx.Status == 101
	orig := &a.sides[session.Orig]
	switch {
	case tx.Status == 101:
		a.upgraded(f, tx)
		return
	case string(tx.Method) == "CONNECT" && tx.Status >= 200 && tx.Status < 300:
		a.done(f, dir)
		a.handover(f, "", true)
		return
	case final && orig.state == waiting && (string(tx.Method) == "CONNECT" || tx.upgrade):
		orig.state = atStart // refused: requests go on
	}
	switch {
	case !final, tx.Status == 204, tx.Status == 304, string(tx.Method) == "HEAD":
		a.done(f, dir)
	case s.chunked:
		s.state = atChunk
	case s.length == 0:
		a.done(f, dir)
	case s.length > 0:
		s.state, s.left = inBody, s.length
	default:
		s.state = toClose
	}
}

// upgraded follows a switch of protocols (RFC 9110 section 7.8).
func (a *analyzer) upgraded(f *protocol.Flow, tx *Record) {
	next := ""
	switch {
	case containsFold(tx.protocol, "websocket"):
		next = "websocket"
	case containsFold(tx.protocol, "h2c"):
		next = "http2"
	}
	a.done(f, session.Resp)
	switch next {
	case "websocket":
		f.SetApp("websocket")
		a.sides[0].state, a.sides[1].state = frames, frames
	case "http2":
		a.handover(f, next, false)
	default:
		a.handover(f, "", true)
	}
}

// frame reads a WebSocket frame's header (RFC 6455 section 5.2). The message's
// kind is the opcode.
func (a *analyzer) frame(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	first, second := c.U8(), c.U8()
	n := uint64(second & 0x7f)
	switch n {
	case 126:
		n = uint64(c.U16())
	case 127:
		n = c.U64()
	}
	if second&0x80 != 0 {
		c.Skip(4)
	}
	if !c.OK() {
		return 0
	}
	op := first & 15
	if op > 2 && op < 8 || op > 10 || n > 1<<40 || op >= 8 && n > 125 {
		a.weird(f, "websocket_bad_frame", "")
		f.Finish()
		return protocol.SkipAll
	}
	size := c.Offset() + int(n)
	f.Message(dir, op, size)
	return size
}
