// Package smtp reads the Simple Mail Transfer Protocol (RFC 5321) and LMTP
// (RFC 2033): the envelope, the headers that say whose mail it is, and logins.
//
// The body of a message is passed over. STARTTLS (RFC 3207) hands over to tls.
package smtp

import (
	"bytes"
	"net/netip"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of smtp.
var Definition = protocol.Definition{
	Name:       "smtp",
	Doc:        "Simple Mail Transfer Protocol (RFC 5321): recognised by a greeting that names SMTP, by EHLO, or by the commands of the envelope.",
	Transports: protocol.TCP,
	Ports:      []uint16{25, 587, 2525},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the smtp record.
var Schema = record.New("smtp", "smtp", "one mail, or what a session did without sending one",
	record.Field{Name: "trans_depth", Type: record.Count, Doc: "Number of the mail in its session, from 1."},
	record.Field{Name: "helo", Type: record.String, Doc: "Name the client gave itself in HELO, EHLO or LHLO."},
	record.Field{Name: "mailfrom", Type: record.String, Doc: "Sender address of the envelope."},
	record.Field{Name: "rcptto", Type: record.Set, Doc: "Recipient addresses of the envelope, at most 64."},
	record.Field{Name: "date", Type: record.String, Doc: "Date header."},
	record.Field{Name: "from", Type: record.String, Doc: "From header."},
	record.Field{Name: "to", Type: record.Set, Doc: "Addresses of the To header, at most 64."},
	record.Field{Name: "cc", Type: record.Set, Doc: "Addresses of the Cc header, at most 64."},
	record.Field{Name: "reply_to", Type: record.String, Doc: "Reply-To header."},
	record.Field{Name: "msg_id", Type: record.String, Doc: "Message-ID header."},
	record.Field{Name: "in_reply_to", Type: record.String, Doc: "In-Reply-To header."},
	record.Field{Name: "subject", Type: record.String, Doc: "Subject header, as it was sent."},
	record.Field{Name: "x_originating_ip", Type: record.Addr, Doc: "X-Originating-IP header."},
	record.Field{Name: "first_received", Type: record.String, Doc: "First Received header."},
	record.Field{Name: "second_received", Type: record.String, Doc: "Second Received header."},
	record.Field{Name: "last_reply", Type: record.String, Doc: "The server's last reply."},
	record.Field{Name: "path", Type: record.Addrs, Doc: "Relays the mail came by, the latest first: this session's addresses and those of the Received headers."},
	record.Field{Name: "user_agent", Type: record.String, Doc: "User-Agent or X-Mailer header."},
	record.Field{Name: "tls", Type: record.Bool, Doc: "Whether the session went on encrypted."},
	record.Field{Name: "fuids", Type: record.Strings, Doc: "File identifiers; never set."},
)

// Bounds of what is kept of a mail.
const (
	maxText    = 512  // bytes of a name, address, header value or reply
	maxList    = 64   // recipients, addresses of a header
	maxPath    = 16   // relays
	maxHeaders = 256  // header lines that are looked at
	maxPending = 64   // commands without a reply
	maxLogins  = 1000 // logins told per session
)

var commands = []string{"QUIT", "RSET", "NOOP", "DATA", "VRFY", "EXPN", "HELP", "STARTTLS", "AUTH", "HELO", "EHLO", "LHLO", "MAIL", "RCPT", "BDAT", "ETRN", "TURN", "XCLIENT", "XFORWARD", "SEND", "SOML", "SAML"}

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 25, 587, 2525), client, server)
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
	if !textline.OneOf(word, commands) {
		return textline.No
	}
	if !complete {
		return textline.More
	}
	switch {
	case textline.Equal(word, "AUTH"):
		if mech, _ := textline.Word(rest); !textline.Mechanism(mech) {
			return textline.No // FTP has AUTH TLS
		}
	case textline.Equal(word, "QUIT"), textline.Equal(word, "NOOP"), textline.Equal(word, "HELP"), textline.Equal(word, "RSET"):
		return textline.More // anybody's
	}
	switch textline.Upper(word[0]) {
	case 'E', 'L':
		if textline.Equal(word[1:], "HLO") {
			return textline.Sure
		}
	case 'M':
		if textline.HasPrefix(rest, "FROM:") {
			return textline.Sure
		}
	case 'R':
		if textline.HasPrefix(rest, "TO:") {
			return textline.Sure
		}
	}
	return textline.Likely
}

func server(b []byte) textline.Verdict {
	line, complete := textline.First(b)
	for i, c := range line[:min(len(line), 3)] {
		if c < '0' || c > '9' || i == 0 && (c < '2' || c > '5') {
			return textline.No
		}
	}
	if len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return textline.No
	}
	if !complete && len(line) < maxText {
		return textline.More
	}
	code, _ := textline.Code(line)
	switch code {
	case 220:
		if textline.Contains(line, "SMTP") {
			return textline.Sure
		}
		if textline.Contains(line, "FTP") {
			return textline.No
		}
		return textline.Likely
	case 211, 214, 221, 235, 250, 251, 252, 334, 354, 421, 432, 450, 451, 452, 454, 455, 500, 501, 502, 503, 504, 521, 530, 534, 535, 538, 550, 551, 552, 553, 554, 555:
		return textline.Likely
	}
	return textline.No
}

// kind is a command whose reply matters.
type kind uint8

const (
	kindOther kind = iota
	kindData
	kindEnd // the end of a message
	kindStartTLS
	kindAuth
	kindReset
)

// mode is what the client's next line is.
type mode uint8

const (
	modeCommand mode = iota
	modeHeader
	modeBody
	modePlain    // a SASL PLAIN message
	modeUser     // the user name of AUTH LOGIN
	modePassword // its password
	modeCRAM     // a CRAM-MD5 response, which starts with the user name
	modeAuth     // something of another mechanism
	modeWait     // nothing until the server answers STARTTLS
)

type analyzer struct {
	lines   [2]textline.Reader
	mode    mode
	pending [maxPending]kind
	n       int
	more    bool // a reply goes on
	banner  bool // the greeting is past
	chunk   int  // bytes left of a BDAT chunk
	last    bool // it is the last
	resume  mode // header or body, between two chunks
	user    []byte
	auth    bool // a login is being judged
	named   bool // its user is known; else user holds the mechanism
	logins  int

	depth   int
	active  bool // the client did something since the last record
	tls     bool
	helo    []byte
	reply   []byte
	mail    mail
	headers int
	header  []byte // header line at hand, unfolded
	rec     smtpRecord
}

// mail is what is known of the message at hand.
type mail struct {
	from                                                           []byte
	envelope                                                       bool // MAIL was seen
	rcpt, to, cc                                                   []string
	date, hfrom, replyTo, id, inReplyTo, subject, agent, rcv, rcv2 []byte
	origin                                                         netip.Addr
	path                                                           []string
}

func (m *mail) reset() {
	*m = mail{from: m.from[:0], rcpt: m.rcpt[:0], to: m.to[:0], cc: m.cc[:0], date: m.date[:0], hfrom: m.hfrom[:0], replyTo: m.replyTo[:0],
		id: m.id[:0], inReplyTo: m.inReplyTo[:0], subject: m.subject[:0], agent: m.agent[:0], rcv: m.rcv[:0], rcv2: m.rcv2[:0], path: m.path[:0]}
}

type smtpRecord struct{ a *analyzer }

func (r *smtpRecord) Schema() *record.Schema { return Schema }

func (r *smtpRecord) Append(e *record.Encoder) {
	a, m := r.a, &r.a.mail
	e.Uint(uint64(a.depth))
	e.Bytes(a.helo)
	e.Bytes(m.from)
	e.Strs(m.rcpt)
	e.Bytes(m.date)
	e.Bytes(m.hfrom)
	e.Strs(m.to)
	e.Strs(m.cc)
	e.Bytes(m.replyTo)
	e.Bytes(m.id)
	e.Bytes(m.inReplyTo)
	e.Bytes(m.subject)
	e.Addr(m.origin)
	e.Bytes(m.rcv)
	e.Bytes(m.rcv2)
	e.Bytes(a.reply)
	e.Strs(m.path)
	e.Bytes(m.agent)
	e.Bool(a.tls)
	e.Strs(nil)
}

// Parse reads one line, or a part of a BDAT chunk.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if dir == session.Resp {
		line, n, ok := a.lines[dir].Next(data)
		if ok {
			a.replyLine(f, line)
		}
		return n
	}
	if a.mode == modeWait {
		return 0
	}
	if a.chunk > 0 {
		return a.chunkPart(f, data)
	}
	line, n, ok := a.lines[dir].Next(data)
	if ok {
		a.clientLine(f, line)
	}
	return n
}

// Gap goes on at the next line.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.lines[dir].Resync()
	a.n, a.more = 0, false
	if dir == session.Orig {
		if a.mode != modeBody && a.mode != modeHeader {
			a.mode = modeCommand
		} else {
			a.mode = modeBody
		}
		a.chunk = 0
	}
	return true
}

// Close tells what the session did since the last mail.
func (a *analyzer) Close(f *protocol.Flow) {
	if a.active {
		a.emit(f)
	}
}

func (a *analyzer) clientLine(f *protocol.Flow, line []byte) {
	switch a.mode {
	case modeHeader, modeBody:
		if len(line) == 1 && line[0] == '.' {
			a.endHeaders(f)
			a.mode = modeCommand
			a.push(kindEnd)
			return
		}
		if a.mode == modeHeader {
			a.headerLine(f, line)
		}
		return
	case modePlain, modeUser, modeCRAM:
		a.saslLine(f, line)
		return
	case modePassword:
		a.mode = modeCommand
		return
	case modeAuth:
		return
	}
	a.command(f, line)
}

func (a *analyzer) push(k kind) {
	if a.n < maxPending {
		a.pending[a.n] = k
		a.n++
	}
}

func (a *analyzer) command(f *protocol.Flow, line []byte) {
	word, rest := textline.Word(line)
	k := kindOther
	switch {
	case len(word) == 0:
		return
	case textline.Equal(word, "HELO"), textline.Equal(word, "EHLO"), textline.Equal(word, "LHLO"):
		a.helo = textline.Set(a.helo, rest, maxText)
		a.active = true
	case textline.Equal(word, "MAIL"):
		if a.mail.envelope {
			a.emit(f)
		}
		a.mail.from = textline.Set(a.mail.from, address(rest, "FROM:"), maxText)
		a.mail.envelope, a.active = true, true
	case textline.Equal(word, "RCPT"):
		if len(a.mail.rcpt) < maxList {
			v := address(rest, "TO:")
			a.mail.rcpt = append(a.mail.rcpt, string(v[:min(len(v), maxText)]))
		}
		a.active = true
	case textline.Equal(word, "DATA"):
		k = kindData
		a.mode, a.headers, a.header = modeHeader, 0, a.header[:0]
		a.active = true
	case textline.Equal(word, "BDAT"): // RFC 3030
		size, arg := textline.Word(rest)
		n, ok := textline.Uint(size)
		if !ok {
			f.Anomaly("smtp_invalid_bdat", "")
			break
		}
		a.chunk, a.last, a.active = int(n), textline.HasPrefix(arg, "LAST"), true
		if n == 0 {
			a.endChunk(f)
			return
		}
		return // its reply is counted at the end of the chunk
	case textline.Equal(word, "STARTTLS"):
		k, a.mode = kindStartTLS, modeWait
	case textline.Equal(word, "RSET"):
		k = kindReset
	case textline.Equal(word, "AUTH"):
		k = kindAuth
		a.authenticate(f, rest)
	}
	a.push(k)
}

// authenticate reads the argument of AUTH (RFC 4954).
func (a *analyzer) authenticate(f *protocol.Flow, rest []byte) {
	mech, initial := textline.Word(rest)
	a.auth, a.active, a.named = true, true, false
	a.user = textline.Set(a.user, mech, maxText) // until the user is known
	switch {
	case textline.Equal(mech, "PLAIN"):
		a.mode = modePlain
	case textline.Equal(mech, "LOGIN"):
		a.mode = modeUser
	case textline.Equal(mech, "CRAM-MD5"):
		a.mode = modeCRAM
		return
	default:
		a.mode = modeAuth
		return
	}
	if len(initial) > 0 {
		a.saslLine(f, initial)
	}
}

// saslLine takes the message that names the user.
func (a *analyzer) saslLine(f *protocol.Flow, line []byte) {
	m := a.mode
	a.mode = modeCommand
	msg, ok := textline.Decode64(line)
	if !ok || len(msg) == 0 {
		return // "*" cancels (RFC 4954 section 4)
	}
	switch m {
	case modePlain:
		msg = textline.PlainUser(msg)
	case modeUser:
		a.mode = modePassword
	case modeCRAM:
		if i := bytes.LastIndexByte(msg, ' '); i >= 0 {
			msg = msg[:i]
		}
	}
	if len(msg) == 0 {
		return
	}
	a.user = textline.Set(a.user, msg, maxText)
	a.named = true
	if m != modeCRAM && a.logins < maxLogins {
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(a.user)})
	}
}

// chunkPart reads a part of a BDAT chunk: headers by line, the rest unseen.
func (a *analyzer) chunkPart(f *protocol.Flow, data []byte) int {
	if a.mode == modeCommand {
		if a.mode = a.resume; a.mode == modeCommand {
			a.mode, a.headers, a.header = modeHeader, 0, a.header[:0]
		}
	}
	n := a.chunk
	if a.mode == modeHeader {
		part := data[:min(len(data), a.chunk)]
		i := bytes.IndexByte(part, '\n')
		switch {
		case i >= 0:
			line, _ := textline.First(part)
			a.headerLine(f, line)
			n = i + 1
		case len(data) < a.chunk && len(part) <= textline.MaxLine:
			return 0
		case len(part) > textline.MaxLine:
			a.endHeaders(f)
		default: // the chunk ends within a line
			a.headerLine(f, part)
		}
	}
	a.chunk -= n
	if a.chunk == 0 {
		a.endChunk(f)
	}
	return n
}

func (a *analyzer) endChunk(f *protocol.Flow) {
	if !a.last {
		a.resume, a.mode = a.mode, modeCommand
		a.push(kindOther)
		return
	}
	a.endHeaders(f)
	a.resume = modeCommand
	a.mode = modeCommand
	a.push(kindEnd)
}

func (a *analyzer) replyLine(f *protocol.Flow, line []byte) {
	code, more := textline.Code(line)
	if code == 0 {
		return
	}
	a.reply = textline.Set(a.reply, line, maxText)
	if !a.banner {
		a.banner = true
		if code == 220 {
			text := textline.Text(line)
			f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: string(text[:min(len(text), maxText)])})
			if more {
				a.more = true
			}
			return
		}
	}
	if a.more && !more && code == 220 && a.n == 0 {
		a.more = false
		return
	}
	a.more = more
	if more {
		return
	}
	if code == 334 && a.auth {
		return
	}
	if a.n == 0 {
		return
	}
	k := a.pending[0]
	copy(a.pending[:], a.pending[1:a.n])
	a.n--
	switch k {
	case kindData:
		if code != 354 && (a.mode == modeHeader || a.mode == modeBody) {
			a.mode = modeCommand
		}
	case kindEnd:
		a.emit(f)
	case kindReset:
		if a.mail.envelope {
			a.emit(f)
		}
	case kindAuth:
		a.login(f, code)
	case kindStartTLS:
		a.mode = modeCommand
		if code == 220 {
			a.tls, a.active = true, true
			a.emit(f)
			f.Handover("tls", true)
		}
	}
}

func (a *analyzer) login(f *protocol.Flow, code int) {
	a.auth = false
	if a.mode >= modePlain && a.mode <= modeAuth {
		a.mode = modeCommand
	}
	if a.logins++; a.logins > maxLogins {
		return
	}
	switch {
	case code == 235:
		if a.named {
			f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: string(a.user)})
		}
		f.Observe(protocol.Observation{Kind: protocol.LoginOK, Addr: f.Session.Orig, Value: string(a.user)})
	case code == 535 || code == 534 || code == 454:
		f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: f.Session.Orig, Value: string(a.user)})
	}
}

func (a *analyzer) emit(f *protocol.Flow) {
	a.depth++
	a.path(f)
	a.rec.a = a
	f.Emit(&a.rec)
	a.active = false
	a.mail.reset()
}

// address returns the address of the argument of MAIL or RCPT: what is in angle
// brackets, or the first word.
func address(b []byte, keyword string) []byte {
	if textline.HasPrefix(b, keyword) {
		b = bytes.TrimLeft(b[len(keyword):], " \t")
	}
	if i := bytes.IndexByte(b, '<'); i >= 0 {
		if j := bytes.IndexByte(b[i:], '>'); j >= 0 {
			return b[i+1 : i+j]
		}
	}
	word, _ := textline.Word(b)
	return word
}
