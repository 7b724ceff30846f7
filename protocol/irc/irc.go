// Package irc reads Internet Relay Chat (RFC 1459, RFC 2812): who joins what,
// files that are offered, logins, and how much is said. What is said is not
// kept.
package irc

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of irc.
var Definition = protocol.Definition{
	Name:       "irc",
	Doc:        "Internet Relay Chat (RFC 2812): recognised by NICK and USER, or by a command and an answer with a server's prefix.",
	Transports: protocol.TCP,
	Ports:      []uint16{6667, 6666, 6668, 6669, 7000},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the irc record.
var Schema = record.New("irc", "irc", "one IRC command that names a person, a channel or a file; at the end of a session one PRIVMSG record that counts the messages",
	record.Field{Name: "nick", Type: record.String, Doc: "Nickname of the client."},
	record.Field{Name: "user", Type: record.String, Doc: "User name of the client."},
	record.Field{Name: "command", Type: record.String, Doc: "Command: NICK, USER, JOIN, DCC, or PRIVMSG for the sum."},
	record.Field{Name: "value", Type: record.String, Doc: "Its value: the new name, the channel, the receiver."},
	record.Field{Name: "addl", Type: record.String, Doc: "More of it: host, server and real name of USER."},
	record.Field{Name: "dcc_file_name", Type: record.String, Doc: "Name of the file that is offered."},
	record.Field{Name: "dcc_file_size", Type: record.Count, Doc: "Its size in bytes."},
	record.Field{Name: "dcc_mime_type", Type: record.String, Doc: "Its type; never set."},
	record.Field{Name: "fuid", Type: record.String, Doc: "File identifier; never set."},
	record.Field{Name: "sent", Type: record.Count, Doc: "Messages the client sent; in the last record only."},
	record.Field{Name: "received", Type: record.Count, Doc: "Messages the server sent it; in the last record only."},
)

// Bounds of what is kept.
const (
	maxText    = 128
	maxRecords = 1000 // records of a session
)

var commands = []string{"NICK", "USER", "PASS", "CAP", "JOIN", "PRIVMSG", "NOTICE", "PING", "PONG", "MODE", "WHO", "WHOIS", "LIST", "QUIT", "PART", "TOPIC",
	"USERHOST", "ISON", "AUTHENTICATE", "SERVER", "AWAY", "NAMES", "KICK", "OPER", "STARTTLS"}

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 6667, 6666, 6668, 6669, 7000), client, server)
	e.Reversed = reversed
	return protocol.Verdict(v)
}

func client(b []byte) textline.Verdict {
	line, complete := textline.First(b)
	word, rest := textline.Word(line)
	switch {
	case !complete && len(word) == len(line):
		if textline.PrefixOf(word, commands) {
			return textline.More
		}
		return textline.No
	case !textline.OneOf(word, commands):
		return textline.No
	case !complete:
		return textline.More
	case textline.Equal(word, "CAP"):
		if textline.HasPrefix(rest, "LS") {
			return textline.Sure
		}
		return textline.No
	}
	// NICK and USER, in either order, are proof; PASS may come before them.
	nick, user := false, false
	next := b
	for i := 0; i < 6; i++ {
		line, complete := textline.First(next)
		if !complete {
			break
		}
		next = next[bytes.IndexByte(next, '\n')+1:]
		word, rest := textline.Word(line)
		nick = nick || textline.Equal(word, "NICK") && len(rest) > 0
		user = user || textline.Equal(word, "USER") && bytes.Count(rest, []byte{' '}) >= 3
	}
	if nick && user || user && bytes.Contains(b, []byte(" :")) {
		return textline.Sure
	}
	switch {
	case textline.Equal(word, "USER"), textline.Equal(word, "PASS"), textline.Equal(word, "LIST"), textline.Equal(word, "QUIT"), textline.Equal(word, "MODE"):
		return textline.More // FTP, POP3 and NNTP have them as well
	}
	return textline.Likely
}

func server(b []byte) textline.Verdict {
	line, complete := textline.First(b)
	if !complete {
		if textline.Printable(line) && len(line) < 512 {
			return textline.More
		}
		return textline.No
	}
	if line = bytes.TrimLeft(line, "\r"); len(line) == 0 {
		return textline.No
	}
	if line[0] == ':' {
		prefix, rest := textline.Word(line)
		word, _ := textline.Word(rest)
		code, _ := textline.Code(word)
		known := textline.OneOf(word, commands)
		switch {
		case known && bytes.IndexByte(prefix, '!') > 0 && bytes.IndexByte(prefix, '@') > 0:
			return textline.Sure
		case known || code > 0 || len(word) == 3 && word[0] == '0':
			return textline.Likely
		}
		return textline.No
	}
	word, rest := textline.Word(line)
	switch {
	case textline.Equal(word, "NOTICE") && textline.HasPrefix(rest, "AUTH "):
		return textline.Sure
	case textline.Equal(word, "PING"), textline.Equal(word, "NOTICE"), textline.Equal(word, "ERROR"), textline.Equal(word, "AUTHENTICATE"):
		return textline.Likely
	}
	return textline.No
}

type analyzer struct {
	lines          [2]textline.Reader
	nick, user     []byte
	target         []byte // of the first message
	sent, received uint64
	records        int
	pass           bool // PASS was sent and is not told yet
	plain          bool // the next AUTHENTICATE is a SASL PLAIN message
	tls            bool // STARTTLS was sent
	soft           bool
	rec            ircRecord
}

type ircRecord struct {
	a                 *analyzer
	command           string
	value, addl, file []byte
	size              uint64
	hasSize, sum      bool
}

func (r *ircRecord) Schema() *record.Schema { return Schema }

func (r *ircRecord) Append(e *record.Encoder) {
	e.Bytes(r.a.nick)
	e.Bytes(r.a.user)
	e.Str(r.command)
	e.Bytes(r.value)
	e.Bytes(r.addl)
	e.Bytes(r.file)
	if r.hasSize {
		e.Uint(r.size)
	} else {
		e.Unset()
	}
	e.Unset()
	e.Unset()
	if r.sum {
		e.Uint(r.a.sent)
		e.Uint(r.a.received)
	} else {
		e.Unset()
		e.Unset()
	}
}

// Parse reads one line.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if dir == session.Orig && a.tls {
		return 0 // until the server says whether TLS follows
	}
	line, n, ok := a.lines[dir].Next(data)
	if ok && len(line) > 0 {
		a.line(f, dir, line)
	}
	return n
}

// Gap goes on at the next line.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.lines[dir].Resync()
	a.plain, a.tls = false, false
	return true
}

// Close tells how much was said.
func (a *analyzer) Close(f *protocol.Flow) {
	if a.sent+a.received > 0 {
		a.rec = ircRecord{a: a, command: "PRIVMSG", value: a.target, sum: true}
		f.Emit(&a.rec)
	}
}

func (a *analyzer) emit(f *protocol.Flow, r ircRecord) {
	if a.records++; a.records > maxRecords {
		return
	}
	r.a = a
	a.rec = r
	f.Emit(&a.rec)
}

// parameter returns the next parameter and what follows; one that starts with a
// colon is the last.
func parameter(b []byte) (p, rest []byte) {
	if len(b) > 0 && b[0] == ':' {
		return b[1:], nil
	}
	return textline.Word(b)
}

func clip(b []byte) []byte { return b[:min(len(b), maxText)] }

func (a *analyzer) line(f *protocol.Flow, dir session.Direction, line []byte) {
	if line[0] == '@' { // message tags (IRCv3)
		_, line = textline.Word(line)
	}
	var prefix []byte
	if len(line) > 0 && line[0] == ':' {
		prefix, line = textline.Word(line[1:])
	}
	word, rest := textline.Word(line)
	if dir == session.Resp {
		a.server(f, prefix, word, rest)
		return
	}
	switch {
	case textline.Equal(word, "NICK"):
		value, _ := parameter(rest)
		a.nick = textline.Set(a.nick, value, maxText)
		a.emit(f, ircRecord{command: "NICK", value: a.nick})
	case textline.Equal(word, "USER"):
		value, more := parameter(rest)
		a.user = textline.Set(a.user, value, maxText)
		a.credential(f)
		a.emit(f, ircRecord{command: "USER", value: a.user, addl: clip(more)})
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: string(a.user)})
	case textline.Equal(word, "JOIN"):
		value, _ := parameter(rest)
		a.emit(f, ircRecord{command: "JOIN", value: clip(value)})
	case textline.Equal(word, "PASS"):
		a.pass = true
	case textline.Equal(word, "OPER"):
		value, _ := parameter(rest)
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(clip(value))})
	case textline.Equal(word, "AUTHENTICATE"):
		a.authenticate(f, rest)
	case textline.Equal(word, "STARTTLS"):
		a.tls = true
	case textline.Equal(word, "PRIVMSG"), textline.Equal(word, "NOTICE"):
		a.sent++
		a.message(f, rest, true)
	}
}

// credential tells that a password was sent, once it is known for whom.
func (a *analyzer) credential(f *protocol.Flow) {
	if a.pass {
		a.pass = false
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(a.nick)})
	}
}

func (a *analyzer) authenticate(f *protocol.Flow, rest []byte) {
	if textline.Equal(rest, "PLAIN") {
		a.plain = true
		return
	}
	if !a.plain {
		return
	}
	a.plain = false
	if msg, ok := textline.Decode64(rest); ok {
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(clip(textline.PlainUser(msg)))})
	}
}

// message looks at PRIVMSG and NOTICE for files that are offered and passwords
// that are sent to NickServ.
func (a *analyzer) message(f *protocol.Flow, rest []byte, sent bool) {
	to, rest := parameter(rest)
	text, _ := parameter(rest)
	if len(a.target) == 0 {
		a.target = textline.Set(a.target, to, maxText)
	}
	if sent && textline.Equal(to, "NICKSERV") && textline.HasPrefix(text, "IDENTIFY ") {
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(a.nick)})
	}
	if !textline.HasPrefix(text, "\x01DCC SEND ") {
		return
	}
	name, rest := textline.Word(bytes.TrimSuffix(text[10:], []byte{1}))
	_, rest = textline.Word(rest)
	_, rest = textline.Word(rest)
	word, _ := textline.Word(rest)
	size, ok := textline.Uint(word)
	a.emit(f, ircRecord{command: "DCC", value: clip(to), file: clip(name), size: size, hasSize: ok})
}

func (a *analyzer) server(f *protocol.Flow, prefix, word, rest []byte) {
	switch {
	case textline.Equal(word, "PRIVMSG"):
		a.received++
		a.message(f, rest, false)
	case string(word) == "001": // welcome
		nick, _ := parameter(rest)
		if len(a.nick) == 0 {
			a.nick = textline.Set(a.nick, nick, maxText)
		}
		a.credential(f)
		f.Observe(protocol.Observation{Kind: protocol.LoginOK, Addr: f.Session.Orig, Value: string(clip(nick))})
	case string(word) == "004" && !a.soft: // nick, server, version
		_, rest = parameter(rest)
		_, rest = parameter(rest)
		version, _ := parameter(rest)
		if len(version) > 0 {
			a.soft = true
			f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: string(clip(version))})
		}
	case string(word) == "464" || string(word) == "904": // password incorrect, SASL failed
		f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: f.Session.Orig, Value: string(a.nick)})
	case string(word) == "670" && a.tls: // STARTTLS goes on
		a.tls = false
		f.Handover("tls", true)
	case string(word) == "691":
		a.tls = false
	}
}
