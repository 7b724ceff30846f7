// Package pop3 reads the Post Office Protocol version 3 (RFC 1939, RFC 2449,
// RFC 2595, RFC 5034): logins and what was fetched. Messages are passed over.
package pop3

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of pop3.
var Definition = protocol.Definition{
	Name:       "pop3",
	Doc:        "Post Office Protocol version 3 (RFC 1939): recognised by the +OK greeting together with its commands.",
	Transports: protocol.TCP,
	Ports:      []uint16{110},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the pop3 record.
var Schema = record.New("pop3", "", "one mailbox session, told when it ends or turns to TLS",
	record.Field{Name: "user", Type: record.String, Doc: "Account of the last login."},
	record.Field{Name: "auth", Type: record.Enum, Doc: "How it logged in: PASS, APOP, or the SASL mechanism."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the last login was accepted; unset if none was answered."},
	record.Field{Name: "failures", Type: record.Count, Doc: "Logins that were refused."},
	record.Field{Name: "messages", Type: record.Count, Doc: "Messages in the mailbox as STAT tells it."},
	record.Field{Name: "retrieved", Type: record.Count, Doc: "Messages fetched with RETR."},
	record.Field{Name: "deleted", Type: record.Count, Doc: "Messages marked with DELE."},
	record.Field{Name: "banner", Type: record.String, Doc: "The server's greeting."},
	record.Field{Name: "last_error", Type: record.String, Doc: "Text of the last -ERR reply."},
	record.Field{Name: "tls", Type: record.Bool, Doc: "Whether the session went on encrypted after STLS."},
)

// Bounds of what is kept of a session.
const (
	maxText    = 256
	maxPending = 64   // commands without a reply
	maxLogins  = 1000 // logins told per session
)

var commands = []string{"USER", "PASS", "APOP", "AUTH", "CAPA", "STLS", "STAT", "LIST", "RETR", "DELE", "UIDL", "TOP", "NOOP", "RSET", "QUIT", "UTF8", "LANG", "XTND"}

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 110), client, server)
	e.Reversed = reversed
	return protocol.Verdict(v)
}

func client(b []byte) textline.Verdict {
	line, complete := textline.First(b)
	word, rest := textline.Word(line)
	if !complete && len(word) == len(line) {
		if textline.PrefixOf(word, commands) {
			return textline.More
		}
		return textline.No
	}
	if textline.Equal(word, "AUTH") && len(rest) > 0 && complete {
		if mech, _ := textline.Word(rest); !textline.Mechanism(mech) {
			return textline.No // Redis has AUTH and +OK as well
		}
	}
	if !complete {
		return textline.More
	}
	if textline.OneOf(word, commands) {
		return textline.Likely
	}
	return textline.No
}

func server(b []byte) textline.Verdict {
	line, complete := textline.First(b)
	if len(line) == 0 {
		return textline.No
	}
	const ok, bad = "+OK", "-ERR"
	n := min(len(line), 3)
	if string(line[:n]) != ok[:n] && string(line[:n]) != bad[:n] || len(line) > 3 && line[0] == '-' && line[3] != 'R' {
		return textline.No
	}
	if !complete {
		return textline.More
	}
	switch {
	case len(line) > 3 && line[0] == '+' && line[3] != ' ':
		return textline.No
	case textline.Contains(line, "POP3"), line[0] == '+' && bytes.IndexByte(line, '<') > 0 && bytes.IndexByte(line, '@') > 0:
		return textline.Sure
	}
	return textline.Likely
}

// kind is a command whose reply matters.
type kind uint8

const (
	kindOther kind = iota
	kindUser
	kindLogin
	kindList // a reply of several lines follows +OK
	kindRetr
	kindDele
	kindStat
	kindTLS
	kindAuth
)

type analyzer struct {
	lines   [2]textline.Reader
	pending [maxPending]kind
	n       int
	banner  bool
	multi   bool // the server's reply goes on to a line with a dot
	sasl    int  // client lines of a SASL exchange that are expected: 1 PLAIN, 2 LOGIN's user, 3 its password, 4 another's
	tls     bool // STLS was sent

	rec sessionRecord
	any bool // there is something to tell
}

// sessionRecord is what is told of a session.
type sessionRecord struct {
	user, auth, greeting, lastError []byte
	judged, success                 bool
	failures, retrieved, deleted    int
	logins                          int
	messages                        uint64
	hasMessages, tls                bool
}

func (r *sessionRecord) Schema() *record.Schema { return Schema }

func (r *sessionRecord) Append(e *record.Encoder) {
	e.Bytes(r.user)
	e.Bytes(r.auth)
	if r.judged {
		e.Bool(r.success)
	} else {
		e.Unset()
	}
	e.Uint(uint64(r.failures))
	if r.hasMessages {
		e.Uint(r.messages)
	} else {
		e.Unset()
	}
	e.Uint(uint64(r.retrieved))
	e.Uint(uint64(r.deleted))
	e.Bytes(r.greeting)
	e.Bytes(r.lastError)
	e.Bool(r.tls)
}

// Parse reads one line.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if dir == session.Orig && a.tls {
		return 0 // until the server says whether TLS follows
	}
	line, n, ok := a.lines[dir].Next(data)
	if !ok {
		return n
	}
	if dir == session.Orig {
		a.command(f, line)
	} else {
		a.reply(f, line)
	}
	return n
}

// Gap goes on at the next line.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.lines[dir].Resync()
	if dir == session.Orig {
		a.n, a.sasl, a.tls = 0, 0, false
	}
	return true
}

// Close tells the session.
func (a *analyzer) Close(f *protocol.Flow) {
	if a.any {
		f.Emit(&a.rec)
		a.any = false
	}
}

func (a *analyzer) push(k kind) {
	if a.n < maxPending {
		a.pending[a.n] = k
		a.n++
	}
}

func (a *analyzer) credential(f *protocol.Flow) {
	if a.rec.logins++; a.rec.logins <= maxLogins {
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(a.rec.user)})
	}
}

func (a *analyzer) command(f *protocol.Flow, line []byte) {
	a.any = true
	if a.sasl > 0 {
		a.saslLine(f, line)
		return
	}
	word, rest := textline.Word(line)
	k := kindOther
	switch {
	case textline.Equal(word, "USER"):
		k = kindUser
		a.rec.user = textline.Set(a.rec.user, rest, maxText)
	case textline.Equal(word, "PASS"):
		k = kindLogin
		a.rec.auth = append(a.rec.auth[:0], "PASS"...)
		a.credential(f)
	case textline.Equal(word, "APOP"): // a digest: nothing to read in the clear
		k = kindLogin
		name, _ := textline.Word(rest)
		a.rec.user = textline.Set(a.rec.user, name, maxText)
		a.rec.auth = append(a.rec.auth[:0], "APOP"...)
	case textline.Equal(word, "AUTH"):
		if len(rest) == 0 {
			k = kindList // asks for the mechanisms
			break
		}
		k = kindAuth
		a.authenticate(f, rest)
	case textline.Equal(word, "STLS"):
		k, a.tls = kindTLS, true
	case textline.Equal(word, "STAT"):
		k = kindStat
	case textline.Equal(word, "RETR"):
		k = kindRetr
	case textline.Equal(word, "DELE"):
		k = kindDele
	case textline.Equal(word, "CAPA"), textline.Equal(word, "TOP"):
		k = kindList
	case textline.Equal(word, "LIST"), textline.Equal(word, "UIDL"):
		if len(rest) == 0 {
			k = kindList
		}
	}
	a.push(k)
}

func (a *analyzer) authenticate(f *protocol.Flow, rest []byte) {
	mech, initial := textline.Word(rest)
	a.rec.auth = textline.AppendUpper(a.rec.auth[:0], mech, 32)
	switch {
	case textline.Equal(mech, "PLAIN"):
		a.sasl = 1
	case textline.Equal(mech, "LOGIN"):
		a.sasl = 2
	default:
		a.sasl = 4
		return
	}
	if len(initial) > 0 {
		a.saslLine(f, initial)
	}
}

func (a *analyzer) saslLine(f *protocol.Flow, line []byte) {
	stage := a.sasl
	if stage == 4 {
		return
	}
	a.sasl = 0
	if stage == 3 {
		return
	}
	msg, _ := textline.Decode64(line)
	if stage == 1 {
		msg = textline.PlainUser(msg)
	}
	if len(msg) == 0 {
		return
	}
	if stage == 2 {
		a.sasl = 3
	}
	a.rec.user = textline.Set(a.rec.user, msg, maxText)
	a.credential(f)
}

func (a *analyzer) reply(f *protocol.Flow, line []byte) {
	if a.multi {
		if len(line) == 1 && line[0] == '.' {
			a.multi = false
		}
		return
	}
	ok := bytes.HasPrefix(line, []byte("+OK"))
	bad := bytes.HasPrefix(line, []byte("-ERR"))
	if !ok && !bad {
		return // "+ " goes on with SASL; else the rest of a message
	}
	text := textline.Text(line)
	if bad {
		text = textline.Text(text)
		a.rec.lastError = textline.Set(a.rec.lastError, line[min(len(line), 5):], maxText)
	}
	if !a.banner {
		a.banner = true
		if a.n == 0 || len(a.rec.greeting) == 0 && textline.Contains(text, "POP") {
			a.any = true
			a.rec.greeting = textline.Set(a.rec.greeting, text, maxText)
			if textline.Contains(text, "POP") {
				f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: string(a.rec.greeting)})
			}
			return
		}
	}
	if a.n == 0 {
		return
	}
	k := a.pending[0]
	copy(a.pending[:], a.pending[1:a.n])
	a.n--
	switch k {
	case kindLogin, kindAuth:
		a.login(f, ok)
	case kindUser:
		if bad {
			a.login(f, false)
		}
	case kindTLS:
		a.tls = false
		if ok {
			a.rec.tls, a.any = true, true
			f.Handover("tls", true)
		}
	case kindList:
		a.multi = ok
	case kindRetr:
		a.multi = ok
		if ok {
			a.rec.retrieved++
		}
	case kindDele:
		if ok {
			a.rec.deleted++
		}
	case kindStat:
		word, _ := textline.Word(text)
		if v, valid := textline.Uint(word); ok && valid {
			a.rec.messages, a.rec.hasMessages = v, true
		}
	}
}

func (a *analyzer) login(f *protocol.Flow, ok bool) {
	a.sasl = 0
	a.rec.judged, a.rec.success = true, ok
	if !ok {
		a.rec.failures++
	}
	if a.rec.logins > maxLogins {
		return
	}
	value := string(a.rec.user)
	if value == "" {
		if value = string(a.rec.auth); value == "" {
			return
		}
	} else if ok {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: value})
	}
	kind := protocol.LoginFailed
	if ok {
		kind = protocol.LoginOK
	}
	f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: value})
}
