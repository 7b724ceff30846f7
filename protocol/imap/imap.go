// Package imap reads the Internet Message Access Protocol (RFC 3501, RFC 9051):
// logins, mailboxes and which commands were given. Messages are passed over.
package imap

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of imap.
var Definition = protocol.Definition{
	Name:       "imap",
	Doc:        "Internet Message Access Protocol (RFC 9051): recognised by the untagged greeting and tagged commands.",
	Transports: protocol.TCP,
	Ports:      []uint16{143},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the imap record.
var Schema = record.New("imap", "", "one IMAP session, told when it ends or turns to TLS",
	record.Field{Name: "user", Type: record.String, Doc: "Account of the last login."},
	record.Field{Name: "auth", Type: record.Enum, Doc: "How it logged in: LOGIN or the SASL mechanism."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the last login was accepted; unset if none was answered."},
	record.Field{Name: "failures", Type: record.Count, Doc: "Logins that were refused."},
	record.Field{Name: "mailboxes", Type: record.Set, Doc: "Mailboxes that were selected or examined, at most 32."},
	record.Field{Name: "commands", Type: record.Count, Doc: "Commands the client gave."},
	record.Field{Name: "fetches", Type: record.Count, Doc: "FETCH commands among them."},
	record.Field{Name: "idles", Type: record.Count, Doc: "IDLE commands among them."},
	record.Field{Name: "greeting", Type: record.String, Doc: "Text of the server's greeting."},
	record.Field{Name: "client", Type: record.String, Doc: "Name and version the client gave in ID (RFC 2971)."},
	record.Field{Name: "last_error", Type: record.String, Doc: "Text of the last NO or BAD reply."},
	record.Field{Name: "tls", Type: record.Bool, Doc: "Whether the session went on encrypted after STARTTLS."},
)

// Bounds of what is kept of a session.
const (
	maxText      = 256
	maxMailboxes = 32
	maxPending   = 32   // commands without a tagged reply
	maxTag       = 16   // bytes of a tag that are compared
	maxLogins    = 1000 // logins told per session
)

var commands = []string{"CAPABILITY", "LOGIN", "AUTHENTICATE", "ID", "STARTTLS", "NOOP", "LOGOUT", "SELECT", "EXAMINE", "LIST", "LSUB", "STATUS",
	"FETCH", "UID", "IDLE", "NAMESPACE", "ENABLE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "APPEND", "CHECK", "CLOSE", "UNSELECT",
	"EXPUNGE", "SEARCH", "STORE", "COPY", "MOVE", "GETQUOTAROOT", "GETQUOTA", "GETACL", "MYRIGHTS", "SORT", "THREAD", "COMPRESS", "XLIST", "GETMETADATA"}

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 143), client, server)
	e.Reversed = reversed
	return protocol.Verdict(v)
}

func tagByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '.' || c == '_' || c == '-' || c == '$' || c == '#'
}

func client(b []byte) textline.Verdict {
	line, complete := textline.First(b)
	tag, rest := textline.Word(line)
	if len(tag) == 0 || len(tag) > maxTag {
		return textline.No
	}
	for _, c := range tag {
		if !tagByte(c) {
			return textline.No
		}
	}
	word, _ := textline.Word(rest)
	switch {
	case !complete && len(word) == len(rest):
		if textline.PrefixOf(word, commands) {
			return textline.More
		}
		return textline.No
	case !textline.OneOf(word, commands):
		return textline.No
	}
	return textline.Likely
}

func server(b []byte) textline.Verdict {
	line, complete := textline.First(b)
	if len(line) == 0 {
		return textline.No
	}
	if line[0] != '*' {
		// Mid-session: a tagged reply.
		tag, rest := textline.Word(line)
		for _, c := range tag {
			if !tagByte(c) {
				return textline.No
			}
		}
		switch {
		case len(tag) > maxTag:
			return textline.No
		case textline.HasPrefix(rest, "OK "), textline.HasPrefix(rest, "NO "), textline.HasPrefix(rest, "BAD "):
			return textline.Likely
		case !complete && len(rest) < 4:
			return textline.More
		}
		return textline.No
	}
	if len(line) > 1 && line[1] != ' ' {
		return textline.No
	}
	if !complete {
		return textline.More
	}
	rest := line[min(len(line), 2):]
	switch {
	case textline.HasPrefix(rest, "OK"), textline.HasPrefix(rest, "PREAUTH"), textline.HasPrefix(rest, "BYE"):
		if textline.Contains(rest, "IMAP4") {
			return textline.Sure
		}
		return textline.Likely
	case textline.HasPrefix(rest, "CAPABILITY IMAP4"):
		return textline.Sure
	case textline.HasPrefix(rest, "LIST ("), textline.HasPrefix(rest, "FLAGS ("), len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9',
		textline.HasPrefix(rest, "SEARCH"), textline.HasPrefix(rest, "STATUS "), textline.HasPrefix(rest, "NO "), textline.HasPrefix(rest, "BAD "), textline.HasPrefix(rest, "ID "):
		return textline.Likely
	}
	return textline.No
}

type command struct {
	tag  [maxTag]byte
	n    uint8
	kind kind
}

// kind is a command whose reply matters.
type kind uint8

const (
	kindOther kind = iota
	kindLogin
	kindTLS
)

type analyzer struct {
	lines   [2]textline.Reader
	pending [maxPending]command
	n       int
	greeted bool
	tls     bool   // STARTTLS was sent
	skip    [2]int // bytes left of a literal
	cont    bool   // the next line of the client goes on with a command
	sasl    int    // 1 PLAIN, 2 the user of LOGIN, 3 its password, 4 another's
	idle    bool
	want    want // what a literal at the end of the command holds
	logins  int
	any     bool
	rec     sessionRecord
}

// want says what a literal that ends a line is.
type want uint8

const (
	wantNothing want = iota
	wantUser
	wantPassword
	wantMailbox
)

type sessionRecord struct {
	user, auth, greeting, client, lastError []byte
	judged, success, tls                    bool
	failures, commands, fetches, idles      uint64
	mailboxes                               []string
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
	e.Uint(r.failures)
	e.Strs(r.mailboxes)
	e.Uint(r.commands)
	e.Uint(r.fetches)
	e.Uint(r.idles)
	e.Bytes(r.greeting)
	e.Bytes(r.client)
	e.Bytes(r.lastError)
	e.Bool(r.tls)
}

// Parse reads one line, or a literal.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if dir == session.Orig && a.tls {
		return 0 // until the server says whether TLS follows
	}
	if n := a.skip[dir]; n > 0 {
		if dir == session.Orig && a.want != wantNothing && n <= maxText {
			if len(data) < n {
				return 0
			}
			a.literal(f, data[:n])
		}
		a.skip[dir] = 0
		return n
	}
	line, n, ok := a.lines[dir].Next(data)
	if !ok {
		return n
	}
	size := literalSize(line)
	if dir == session.Orig {
		if !a.cont {
			a.command(f, line, size > 0)
		} else if a.want == wantPassword && size == 0 { // behind a literal
			a.credential(f)
			a.want = wantNothing
		}
		a.cont = size > 0
	} else {
		a.reply(f, line)
	}
	if size > 0 {
		a.skip[dir] = size
	}
	return n
}

// literalSize returns the size of the literal that a line ends with
// (RFC 9051 section 4.3), 0 if there is none.
func literalSize(line []byte) int {
	if len(line) < 3 || line[len(line)-1] != '}' {
		return 0
	}
	i := bytes.LastIndexByte(line, '{')
	if i < 0 {
		return 0
	}
	v, ok := textline.Uint(bytes.TrimRight(line[i+1:len(line)-1], "+"))
	if !ok {
		return 0
	}
	return int(v)
}

// Gap goes on at the next line.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.lines[dir].Resync()
	a.skip[dir] = 0
	if dir == session.Orig {
		a.n, a.sasl, a.tls, a.cont, a.idle, a.want = 0, 0, false, false, false, wantNothing
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

func (a *analyzer) credential(f *protocol.Flow) {
	if a.logins++; a.logins <= maxLogins {
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(a.rec.user)})
	}
}

func (a *analyzer) command(f *protocol.Flow, line []byte, literal bool) {
	a.any = true
	a.want = wantNothing
	if a.idle {
		a.idle = !textline.Equal(line, "DONE")
		return
	}
	if a.sasl > 0 {
		a.saslLine(f, line)
		return
	}
	tag, rest := textline.Word(line)
	word, arg := textline.Word(rest)
	if len(word) == 0 {
		return
	}
	a.rec.commands++
	var c command
	c.n = uint8(copy(c.tag[:], tag))
	if textline.Equal(word, "UID") {
		word, arg = textline.Word(arg)
	}
	switch {
	case textline.Equal(word, "LOGIN"):
		c.kind = kindLogin
		a.rec.auth = append(a.rec.auth[:0], "LOGIN"...)
		user, after := astring(arg)
		if literal && len(after) == 0 && literalSize(user) > 0 {
			a.want = wantUser
			break
		}
		a.rec.user = textline.Set(a.rec.user, user, maxText)
		a.credential(f)
	case textline.Equal(word, "AUTHENTICATE"):
		c.kind = kindLogin
		a.authenticate(f, arg)
	case textline.Equal(word, "STARTTLS"):
		c.kind, a.tls = kindTLS, true
	case textline.Equal(word, "SELECT"), textline.Equal(word, "EXAMINE"):
		if literal {
			a.want = wantMailbox
			break
		}
		name, _ := astring(arg)
		a.mailbox(name)
	case textline.Equal(word, "FETCH"):
		a.rec.fetches++
	case textline.Equal(word, "IDLE"):
		a.rec.idles++
		a.idle = true
	case textline.Equal(word, "ID"):
		a.identify(f, arg)
	}
	if a.n < maxPending {
		a.pending[a.n] = c
		a.n++
	}
}

// astring returns the first argument of b, an atom or a quoted string, and what
// follows. Escapes in quoted strings stay as they are.
func astring(b []byte) (s, rest []byte) {
	if len(b) == 0 || b[0] != '"' {
		return textline.Word(b)
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[1:i], bytes.TrimLeft(b[i+1:], " ")
		}
	}
	return b[1:], nil
}

// literal takes a literal that names a user or mailbox.
func (a *analyzer) literal(f *protocol.Flow, b []byte) {
	switch a.want {
	case wantUser:
		a.rec.user = textline.Set(a.rec.user, b, maxText)
		a.want = wantPassword
		return
	case wantPassword:
		a.credential(f)
	case wantMailbox:
		a.mailbox(b)
	}
	a.want = wantNothing
}

func (a *analyzer) mailbox(name []byte) {
	name = name[:min(len(name), maxText)]
	if len(a.rec.mailboxes) >= maxMailboxes || len(name) == 0 {
		return
	}
	for _, m := range a.rec.mailboxes {
		if m == string(name) {
			return
		}
	}
	a.rec.mailboxes = append(a.rec.mailboxes, string(name))
}

// identify reads ("name" "x" "version" "y" …).
func (a *analyzer) identify(f *protocol.Flow, b []byte) {
	if len(b) == 0 || b[0] != '(' || len(a.rec.client) > 0 {
		return
	}
	b = b[1:]
	var name, version []byte
	for i := 0; i < 32 && len(b) > 0; i++ {
		var key, value []byte
		key, b = astring(b)
		value, b = astring(b)
		switch {
		case textline.Equal(key, "NAME"):
			name = value
		case textline.Equal(key, "VERSION"):
			version = value
		}
	}
	if len(name) == 0 {
		return
	}
	a.rec.client = textline.Set(a.rec.client, name, maxText)
	if len(version) > 0 {
		a.rec.client = append(append(a.rec.client, ' '), version[:min(len(version), 64)]...)
	}
	f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Orig, Value: string(a.rec.client)})
}

func (a *analyzer) authenticate(f *protocol.Flow, arg []byte) {
	mech, initial := textline.Word(arg)
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
	tag, rest := textline.Word(line)
	word, text := textline.Word(rest)
	if len(tag) == 1 && tag[0] == '*' {
		if !a.greeted && (textline.Equal(word, "OK") || textline.Equal(word, "PREAUTH")) {
			a.any = true
			if textline.Contains(text, "IMAP") || a.n == 0 && a.rec.commands == 0 {
				a.rec.greeting = textline.Set(a.rec.greeting, text, maxText)
			}
			if textline.Contains(text, "IMAP") || textline.Contains(text, "DOVECOT") {
				f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: string(a.rec.greeting)})
			}
		}
		a.greeted = true
		return
	}
	ok, bad := textline.Equal(word, "OK"), textline.Equal(word, "NO") || textline.Equal(word, "BAD")
	if !ok && !bad {
		return
	}
	a.greeted = true
	for i := 0; i < a.n; i++ {
		c := a.pending[i]
		if string(c.tag[:c.n]) != string(tag[:min(len(tag), maxTag)]) {
			continue
		}
		copy(a.pending[i:], a.pending[i+1:a.n])
		a.n--
		a.done(f, c.kind, ok, text)
		return
	}
}

// done takes the tagged reply to a command.
func (a *analyzer) done(f *protocol.Flow, k kind, ok bool, text []byte) {
	if !ok {
		a.rec.lastError = textline.Set(a.rec.lastError, text, maxText)
		a.idle = false
	}
	switch k {
	case kindTLS:
		a.tls = false
		if ok {
			a.rec.tls = true
			f.Handover("tls", true)
		}
	case kindLogin:
		a.sasl = 0
		a.rec.judged, a.rec.success = true, ok
		if !ok {
			a.rec.failures++
		}
		if a.logins > maxLogins {
			return
		}
		value := string(a.rec.user)
		if value == "" {
			value = string(a.rec.auth)
		} else if ok {
			f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: value})
		}
		kind := protocol.LoginFailed
		if ok {
			kind = protocol.LoginOK
		}
		f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: value})
	}
}
