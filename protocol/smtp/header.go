package smtp

import (
	"bytes"
	"net/netip"

	"tyto/internal/textline"
	"tyto/protocol"
)

// headerLine takes one line of the message's header (RFC 5322 section 2.2).
func (a *analyzer) headerLine(f *protocol.Flow, line []byte) {
	if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		if len(a.header) > 0 && len(a.header) < maxText+32 {
			a.header = append(a.header, ' ')
			line = bytes.TrimLeft(line, " \t")
			a.header = append(a.header, line[:min(len(line), maxText+32-min(len(a.header), maxText+32))]...)
		}
		return
	}
	a.takeHeader(f)
	if len(line) == 0 || a.headers >= maxHeaders {
		a.mode = modeBody
		return
	}
	a.headers++
	a.header = textline.Set(a.header, line, maxText+32)
}

func (a *analyzer) endHeaders(f *protocol.Flow) {
	if a.mode == modeHeader {
		a.takeHeader(f)
	}
	a.mode = modeBody
}

// takeHeader looks at the complete header line.
func (a *analyzer) takeHeader(f *protocol.Flow) {
	i := bytes.IndexByte(a.header, ':')
	if i < 0 {
		a.header = a.header[:0]
		return
	}
	name, value := bytes.TrimRight(a.header[:i], " \t"), bytes.TrimSpace(a.header[i+1:])
	m := &a.mail
	set := func(dst *[]byte) {
		if len(*dst) == 0 {
			*dst = textline.Set(*dst, value, maxText)
		}
	}
	switch {
	case textline.Equal(name, "DATE"):
		set(&m.date)
	case textline.Equal(name, "FROM"):
		set(&m.hfrom)
	case textline.Equal(name, "TO"):
		m.to = addresses(m.to, value)
	case textline.Equal(name, "CC"):
		m.cc = addresses(m.cc, value)
	case textline.Equal(name, "REPLY-TO"):
		set(&m.replyTo)
	case textline.Equal(name, "MESSAGE-ID"):
		set(&m.id)
	case textline.Equal(name, "IN-REPLY-TO"):
		set(&m.inReplyTo)
	case textline.Equal(name, "SUBJECT"):
		set(&m.subject)
	case textline.Equal(name, "USER-AGENT"), textline.Equal(name, "X-MAILER"):
		set(&m.agent)
	case textline.Equal(name, "X-ORIGINATING-IP"):
		if addr, err := netip.ParseAddr(string(bytes.Trim(value[:min(len(value), 64)], "[]"))); err == nil {
			m.origin = addr.WithZone("")
		}
	case textline.Equal(name, "RECEIVED"):
		if len(m.rcv) == 0 {
			set(&m.rcv)
		} else {
			set(&m.rcv2)
		}
		a.relay(f, value)
	}
	a.header = a.header[:0]
}

// relay adds the address in brackets of a Received header to the path.
func (a *analyzer) relay(f *protocol.Flow, value []byte) {
	for k := 0; k < 8; k++ {
		i := bytes.IndexByte(value, '[')
		if i < 0 {
			return
		}
		value = value[i+1:]
		j := bytes.IndexByte(value, ']')
		if j < 0 {
			return
		}
		text := value[:j]
		if textline.HasPrefix(text, "IPV6:") {
			text = text[5:]
		}
		if addr, err := netip.ParseAddr(string(text[:min(len(text), 64)])); err == nil {
			a.path(f)
			if len(a.mail.path) < maxPath {
				a.mail.path = append(a.mail.path, addr.WithZone("").String())
			}
			return
		}
	}
}

// path makes the mail's path start with this session.
func (a *analyzer) path(f *protocol.Flow) {
	if len(a.mail.path) == 0 {
		a.mail.path = append(a.mail.path, f.Session.Resp.String(), f.Session.Orig.String())
	}
}

// addresses appends the addresses of a header's list to dst: parts between
// commas that are not quoted, and of each what is in angle brackets if anything
// is.
func addresses(dst []string, b []byte) []string {
	quoted, start := false, 0
	for i := 0; i <= len(b) && len(dst) < maxList; i++ {
		if i < len(b) && b[i] == '"' {
			quoted = !quoted
		}
		if i < len(b) && (b[i] != ',' || quoted) {
			continue
		}
		part := bytes.TrimSpace(b[start:i])
		start = i + 1
		if j := bytes.LastIndexByte(part, '<'); j >= 0 {
			if k := bytes.IndexByte(part[j:], '>'); k >= 0 {
				part = part[j+1 : j+k]
			}
		}
		if len(part) > 0 {
			dst = append(dst, string(part))
		}
	}
	return dst
}
