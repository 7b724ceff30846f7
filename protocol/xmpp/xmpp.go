// Package xmpp reads the Extensible Messaging and Presence Protocol (RFC 6120):
// whose stream it is, logins, and how many stanzas are exchanged. It looks at
// tags only, what is said is not kept.
package xmpp

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of xmpp.
var Definition = protocol.Definition{
	Name:       "xmpp",
	Doc:        "Extensible Messaging and Presence Protocol (RFC 6120): recognised by the opening tag of a stream.",
	Transports: protocol.TCP,
	Ports:      []uint16{5222, 5269},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the xmpp record.
var Schema = record.New("xmpp", "", "one XMPP session, told when it ends or turns to TLS",
	record.Field{Name: "kind", Type: record.Enum, Doc: "Whose stream it is: client, server or component."},
	record.Field{Name: "to", Type: record.String, Doc: "Domain the originator asked for."},
	record.Field{Name: "from", Type: record.String, Doc: "Name the originator gave itself."},
	record.Field{Name: "mechanism", Type: record.String, Doc: "SASL mechanism of the last login."},
	record.Field{Name: "user", Type: record.String, Doc: "Account of the last login, for mechanisms that show it."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the last login was accepted; unset if none was answered."},
	record.Field{Name: "messages", Type: record.Count, Doc: "Messages, in both directions."},
	record.Field{Name: "presences", Type: record.Count, Doc: "Presence stanzas, in both directions."},
	record.Field{Name: "queries", Type: record.Count, Doc: "Info/query stanzas, in both directions."},
	record.Field{Name: "tls", Type: record.Bool, Doc: "Whether the session went on encrypted after STARTTLS."},
)

// Bounds of what is kept.
const (
	maxText   = 256
	maxTag    = 2048 // bytes of a tag; of a longer one the rest is passed over
	maxLogins = 1000
)

func probe(e *protocol.Evidence) protocol.Verdict {
	for dir, b := range e.Data {
		if len(b) == 0 {
			continue
		}
		v := opening(b)
		if v == protocol.Sure {
			e.Reversed = dir == int(session.Resp) && len(e.Data[0]) == 0
		}
		return v
	}
	return protocol.No
}

// opening accepts an XML declaration and the tag of a stream.
func opening(b []byte) protocol.Verdict {
	b = bytes.TrimLeft(b, " \r\n\t")
	const xml, stream = "<?xml", "<stream:stream"
	if len(b) < len(xml) {
		if string(b) == xml[:len(b)] || string(b) == stream[:len(b)] {
			return protocol.More
		}
		return protocol.No
	}
	if string(b[:len(xml)]) == xml {
		i := bytes.Index(b, []byte("?>"))
		if i < 0 {
			if len(b) < 128 {
				return protocol.More
			}
			return protocol.No
		}
		b = bytes.TrimLeft(b[i+2:], " \r\n\t")
	}
	n := min(len(b), len(stream))
	if string(b[:n]) != stream[:n] {
		return protocol.No
	}
	i := bytes.IndexByte(b, '>')
	head := b
	if i >= 0 {
		head = b[:i]
	}
	switch {
	case bytes.Contains(head, []byte("etherx.jabber.org/streams")), bytes.Contains(head, []byte("jabber:client")), bytes.Contains(head, []byte("jabber:server")), bytes.Contains(head, []byte("jabber:component")):
		return protocol.Sure
	case i < 0 && len(b) < 1024:
		return protocol.More
	}
	return protocol.No
}

type analyzer struct {
	long  [2]bool // the rest of a tag is passed over
	tls   bool    // STARTTLS was sent
	text  want    // what the text behind the client's last tag is
	login int
	rec   xmppRecord
	any   bool
}

// want says what text is.
type want uint8

const (
	wantNothing want = iota
	wantPlain        // a SASL PLAIN message
	wantUser         // the user name of a login of before SASL (XEP-0078)
)

type xmppRecord struct {
	kind                         string
	to, from, mechanism, user    []byte
	judged, success, tls         bool
	messages, presences, queries uint64
}

func (r *xmppRecord) Schema() *record.Schema { return Schema }

func (r *xmppRecord) Append(e *record.Encoder) {
	e.Str(r.kind)
	e.Bytes(r.to)
	e.Bytes(r.from)
	e.Bytes(r.mechanism)
	e.Bytes(r.user)
	if r.judged {
		e.Bool(r.success)
	} else {
		e.Unset()
	}
	e.Uint(r.messages)
	e.Uint(r.presences)
	e.Uint(r.queries)
	e.Bool(r.tls)
}

// Parse reads a tag, or the text in front of the next one.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if dir == session.Orig && a.tls {
		return 0 // until the server says whether TLS follows
	}
	a.any = true
	if a.long[dir] {
		i := bytes.IndexByte(data, '>')
		if i < 0 {
			return len(data)
		}
		a.long[dir] = false
		return i + 1
	}
	if data[0] != '<' {
		i := bytes.IndexByte(data, '<')
		if dir == session.Orig && a.text != wantNothing {
			if i < 0 && len(data) < maxTag {
				return 0
			}
			if i >= 0 {
				a.content(f, data[:i])
			}
			a.text = wantNothing
		}
		if i < 0 {
			return len(data)
		}
		return i
	}
	i := bytes.IndexByte(data[:min(len(data), maxTag)], '>')
	if i < 0 {
		if len(data) >= maxTag {
			a.long[dir] = true
			return maxTag
		}
		return 0
	}
	a.tag(f, dir, data[1:i])
	return i + 1
}

// Gap goes on at the next tag.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.long[dir] = true
	a.text, a.tls = wantNothing, false
	return true
}

// Close tells the session.
func (a *analyzer) Close(f *protocol.Flow) {
	if a.any {
		a.any = false
		f.Emit(&a.rec)
	}
}

// attribute returns the value of name="value" in a tag.
func attribute(tag []byte, name string) []byte {
	for off := 0; off < len(tag); {
		i := bytes.Index(tag[off:], []byte(name))
		if i < 0 {
			return nil
		}
		i += off
		off = i + len(name)
		if i > 0 && tag[i-1] != ' ' && tag[i-1] != '\n' && tag[i-1] != '\t' {
			continue
		}
		rest := tag[off:]
		if len(rest) < 3 || rest[0] != '=' || rest[1] != '"' && rest[1] != '\'' {
			continue
		}
		value, _, _ := bytes.Cut(rest[2:], rest[1:2])
		return value
	}
	return nil
}

func (a *analyzer) tag(f *protocol.Flow, dir session.Direction, tag []byte) {
	name := tag
	if i := bytes.IndexAny(tag, " \r\n\t/"); i > 0 {
		name = tag[:i]
	}
	r := &a.rec
	switch string(name) {
	case "stream:stream":
		a.stream(f, dir, tag)
	case "message":
		r.messages++
	case "presence":
		r.presences++
	case "iq":
		r.queries++
	case "starttls":
		if dir == session.Orig {
			a.tls = true
		}
	case "proceed":
		if dir == session.Resp && a.tls {
			a.tls = false
			r.tls = true
			f.Handover("tls", true)
		}
	case "auth":
		if dir == session.Orig {
			r.mechanism = textline.Set(r.mechanism, attribute(tag, "mechanism"), 32)
			r.user = r.user[:0]
			if string(r.mechanism) == "PLAIN" {
				a.text = wantPlain
			}
		}
	case "username":
		if dir == session.Orig {
			a.text = wantUser
		}
	case "password", "digest":
		if dir == session.Orig && len(r.user) > 0 {
			r.mechanism = append(r.mechanism[:0], "legacy "...)
			r.mechanism = append(r.mechanism, name...)
			if string(name) == "password" {
				a.credential(f)
			}
		}
	case "success":
		if dir == session.Resp {
			a.judge(f, true)
		}
	case "failure":
		if dir == session.Resp {
			a.tls = false
			if len(r.mechanism) > 0 {
				a.judge(f, false)
			}
		}
	}
}

func (a *analyzer) stream(f *protocol.Flow, dir session.Direction, tag []byte) {
	r := &a.rec
	switch space := attribute(tag, "xmlns"); {
	case bytes.HasPrefix(space, []byte("jabber:client")):
		r.kind = "client"
	case bytes.HasPrefix(space, []byte("jabber:server")):
		r.kind = "server"
	case bytes.HasPrefix(space, []byte("jabber:component")):
		r.kind = "component"
	}
	if dir == session.Resp {
		return
	}
	first := len(r.to) == 0
	r.to = textline.Set(r.to, attribute(tag, "to"), maxText)
	r.from = textline.Set(r.from, attribute(tag, "from"), maxText)
	if first && len(r.to) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.ServerName, Addr: f.Session.Resp, Value: string(r.to)})
	}
}

// content takes text that names the user.
func (a *analyzer) content(f *protocol.Flow, b []byte) {
	r := &a.rec
	if a.text == wantUser {
		r.user = textline.Set(r.user, b, maxText)
		return
	}
	msg, _ := textline.Decode64(bytes.TrimSpace(b))
	if user := textline.PlainUser(msg); len(user) > 0 {
		r.user = textline.Set(r.user, user, maxText)
		a.credential(f)
	}
}

func (a *analyzer) credential(f *protocol.Flow) {
	if a.login++; a.login <= maxLogins {
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(a.rec.user)})
	}
}

func (a *analyzer) judge(f *protocol.Flow, ok bool) {
	r := &a.rec
	r.judged, r.success = true, ok
	if a.login > maxLogins {
		return
	}
	value := string(r.user)
	if value == "" {
		value = string(r.mechanism)
	} else if ok {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: value})
	}
	kind := protocol.LoginFailed
	if ok {
		kind = protocol.LoginOK
	}
	f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: value})
}
