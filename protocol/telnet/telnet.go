// Package telnet reads Telnet (RFC 854): the negotiation of options, and logins
// as far as prompts show them.
//
// Passwords are recognised by the prompt before them and never kept.
package telnet

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of telnet.
var Definition = protocol.Definition{
	Name:       "telnet",
	Doc:        "Telnet (RFC 854): recognised by option negotiation, or on its port by a login prompt.",
	Transports: protocol.TCP,
	Ports:      []uint16{23, 2323},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the telnet record.
var Schema = record.New("telnet", "", "one Telnet session",
	record.Field{Name: "user", Type: record.String, Doc: "Account of the last login, as it was typed or sent as an option."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the last login was accepted as far as the output shows it; unset if it does not."},
	record.Field{Name: "failures", Type: record.Count, Doc: "Logins that were refused."},
	record.Field{Name: "banner", Type: record.String, Doc: "First line of text the server sent."},
	record.Field{Name: "terminal", Type: record.String, Doc: "Terminal type (RFC 1091)."},
	record.Field{Name: "lines", Type: record.Count, Doc: "Lines the client sent."},
	record.Field{Name: "encrypted", Type: record.Bool, Doc: "Whether encryption was started (RFC 2946, or TLS)."},
)

// Telnet commands (RFC 854) and options.
const (
	se   = 240
	sb   = 250
	will = 251
	dont = 254
	iac  = 255

	optTerminal = 24
	optEncrypt  = 38
	optEnviron  = 39
	optTLS      = 46
)

// Bounds of what is kept.
const (
	maxText   = 128
	maxOption = 512  // bytes of a subnegotiation
	maxOutput = 512  // bytes of output after a password that are looked at
	maxLogins = 1000 // logins told per session
)

func probe(e *protocol.Evidence) protocol.Verdict {
	best := protocol.No
	for dir, b := range e.Data {
		if len(b) == 0 {
			continue
		}
		switch v := options(b); {
		case v == protocol.Sure:
			return v
		case v == protocol.More:
			best = v
		}
		if session.Direction(dir) == session.Resp && b[0] != iac && (e.RespPort == 23 || e.RespPort == 2323) && textline.Printable(bytes.Trim(b, "\x00\x1b")) {
			if prompt(b) != promptNone {
				return protocol.Likely
			}
			if len(b) < 1024 {
				best = protocol.More
			}
		}
		if session.Direction(dir) == session.Orig && len(e.Data[1]) == 0 && b[0] != iac && (e.RespPort == 23 || e.RespPort == 2323) && textline.Printable(b) {
			best = protocol.More // the server speaks first, or it will
		}
	}
	return best
}

// options judges a stream that starts with negotiation: two requests in a row,
// or one and a subnegotiation, are proof.
func options(b []byte) protocol.Verdict {
	for n := 0; ; n++ {
		if len(b) < 3 {
			if n >= 2 || len(b) == 0 && n > 0 {
				if n >= 2 {
					return protocol.Sure
				}
				return protocol.More
			}
			if len(b) > 0 && b[0] == iac && (len(b) == 1 || b[1] >= sb && b[1] <= dont) {
				return protocol.More
			}
			return protocol.No
		}
		if n >= 2 {
			return protocol.Sure
		}
		switch {
		case b[0] != iac:
			if n == 1 && textline.Printable(b[:3]) {
				return protocol.More // the other side has to confirm
			}
			return protocol.No
		case b[1] >= will && b[1] <= dont && (b[2] <= 49 || b[2] >= 138 && b[2] <= 140 || b[2] == 69 || b[2] == 70 || b[2] >= 85 && b[2] <= 93 || b[2] >= 200 && b[2] <= 201):
			b = b[3:]
		case b[1] == sb && n == 1 && b[2] <= 49:
			return protocol.Sure
		default:
			return protocol.No
		}
	}
}

// promptKind is what a line of output asks for.
type promptKind uint8

const (
	promptNone promptKind = iota
	promptUser
	promptPassword
	promptShell
)

// prompt judges the end of a server's output.
func prompt(b []byte) promptKind {
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		b = b[i+1:]
	}
	b = bytes.TrimRight(b, " \x00")
	b = bytes.TrimSuffix(b, []byte("\x1b[K"))
	if len(b) == 0 {
		return promptNone
	}
	switch b[len(b)-1] {
	case ':':
		switch word := b[:len(b)-1]; {
		case hasSuffix(word, "PASSWORD"), hasSuffix(word, "PASSCODE"), hasSuffix(word, "PASSWD"):
			return promptPassword
		case hasSuffix(word, "LAST LOGIN"):
			return promptNone
		case hasSuffix(word, "LOGIN"), hasSuffix(word, "USERNAME"), hasSuffix(word, "USER NAME"), hasSuffix(word, "USER"), hasSuffix(word, "ACCOUNT"):
			return promptUser
		}
	case '$', '#', '>', '%':
		return promptShell
	}
	return promptNone
}

func hasSuffix(b []byte, s string) bool {
	return len(b) >= len(s) && textline.Equal(b[len(b)-len(s):], s)
}

type analyzer struct {
	line    []byte // what the client typed since the last line end
	typed   bool   // it typed something
	want    promptKind
	tail    []byte // output of the server since its last line end
	first   []byte // the first line of output, until it ends
	judging bool   // a password was sent
	output  []byte // output since then
	logins  int
	rec     telnetRecord
}

type telnetRecord struct {
	user, banner, terminal     []byte
	judged, success, encrypted bool
	failures, lines            uint64
}

func (r *telnetRecord) Schema() *record.Schema { return Schema }

func (r *telnetRecord) Append(e *record.Encoder) {
	e.Bytes(r.user)
	if r.judged {
		e.Bool(r.success)
	} else {
		e.Unset()
	}
	e.Uint(r.failures)
	e.Bytes(r.banner)
	e.Bytes(r.terminal)
	e.Uint(r.lines)
	e.Bool(r.encrypted)
}

// Parse reads a command, or text up to the next one.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if data[0] != iac {
		n := bytes.IndexByte(data, iac)
		if n < 0 {
			n = len(data)
		}
		a.text(f, dir, data[:n])
		return n
	}
	switch {
	case len(data) < 2:
		return 0
	case data[1] == iac:
		a.text(f, dir, data[1:2])
		return 2
	case data[1] >= will && data[1] <= dont:
		if len(data) < 3 {
			return 0
		}
		return 3
	case data[1] == sb:
		end := bytes.Index(data[:min(len(data), maxOption)], []byte{iac, se})
		if end < 0 {
			if len(data) >= maxOption {
				f.Anomaly("telnet_option_too_long", "")
				return 2
			}
			return 0
		}
		if end > 2 {
			a.option(f, dir, data[2], data[3:max(3, end)])
		}
		return end + 2
	}
	return 2
}

// Gap goes on with the next byte.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	if dir == session.Orig {
		a.line, a.typed = a.line[:0], false
	}
	a.want, a.judging, a.tail = promptNone, false, a.tail[:0]
	return true
}

// Close tells the session.
func (a *analyzer) Close(f *protocol.Flow) {
	a.judge(f)
	a.endBanner()
	f.Emit(&a.rec)
}

// option reads a subnegotiation.
func (a *analyzer) option(f *protocol.Flow, dir session.Direction, option byte, b []byte) {
	switch option {
	case optTerminal: // IS and a name
		if dir == session.Orig && len(b) > 1 && b[0] == 0 {
			a.rec.terminal = clean(textline.Set(a.rec.terminal, b[1:], maxText))
		}
	case optEnviron: // IS, VAR "USER" VALUE name (RFC 1572)
		if i := bytes.Index(b, []byte("\x00USER\x01")); dir == session.Orig && i >= 0 {
			name := b[i+6:]
			if j := bytes.IndexAny(name, "\x00\x01\x02\x03"); j >= 0 {
				name = name[:j]
			}
			a.rec.user = clean(textline.Set(a.rec.user, name, maxText))
			if len(a.rec.user) > 0 {
				f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: string(a.rec.user)})
			}
		}
	case optEncrypt: // START
		if len(b) > 0 && b[0] == 3 {
			a.rec.encrypted = true
			f.SetEncrypted()
			f.Finish()
		}
	case optTLS: // FOLLOWS
		if dir == session.Orig && len(b) > 0 && b[0] == 1 {
			a.rec.encrypted = true
			f.Handover("tls", true)
		}
	}
}

func (a *analyzer) text(f *protocol.Flow, dir session.Direction, b []byte) {
	if dir == session.Resp {
		a.outputText(b)
		return
	}
	for _, c := range b {
		switch c {
		case '\r', '\n':
			if a.typed {
				a.endLine(f)
			}
		case 0:
		case 8, 127:
			if len(a.line) > 0 {
				a.line = a.line[:len(a.line)-1]
			}
		default:
			if !a.typed {
				a.typed = true
				a.endBanner() // what follows is echo
				a.judge(f)
				a.want = prompt(a.tail)
			}
			if a.want == promptUser && len(a.line) < maxText {
				a.line = append(a.line, c)
			}
		}
	}
}

// endBanner takes the first line as it is, if it has any text.
func (a *analyzer) endBanner() {
	if len(a.rec.banner) == 0 {
		a.rec.banner = clean(textline.Set(a.rec.banner, a.first, maxText))
	}
}

// clean removes from b, in place, what is no text: control characters, of which
// a tab becomes a space, and the control sequences of terminals (ECMA-48 section
// 5.4), and space at both ends.
func clean(b []byte) []byte {
	out := b[:0]
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\t':
			out = append(out, ' ')
		case c == 0x1b && i+1 < len(b) && b[i+1] == '[':
			for i += 2; i < len(b) && (b[i] < 0x40 || b[i] > 0x7e); i++ {
			}
		case c == 0x1b:
			i++ // and the one byte that says what is to be done
		case c >= ' ' && c != 0x7f:
			out = append(out, c)
		}
	}
	return bytes.TrimSpace(out)
}

func (a *analyzer) outputText(b []byte) {
	if len(a.rec.banner) == 0 && len(a.first) < maxText {
		a.first = append(a.first, b[:min(len(b), maxText-len(a.first))]...)
		for {
			line, complete := textline.First(a.first)
			if !complete {
				break
			}
			if a.rec.banner = clean(textline.Set(a.rec.banner, line, maxText)); len(a.rec.banner) > 0 {
				break
			}
			a.first = a.first[bytes.IndexByte(a.first, '\n')+1:]
		}
	}
	if a.judging && len(a.output) < maxOutput {
		a.output = append(a.output, b[:min(len(b), maxOutput-len(a.output))]...)
	}
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		a.tail, b = a.tail[:0], b[i+1:]
	}
	if len(a.tail)+len(b) > maxText {
		b = b[max(0, len(b)-maxText):]
		a.tail = a.tail[:copy(a.tail, a.tail[min(len(a.tail), max(0, len(a.tail)+len(b)-maxText)):])]
	}
	a.tail = append(a.tail, b...)
}

// endLine takes a line the client finished.
func (a *analyzer) endLine(f *protocol.Flow) {
	a.rec.lines++
	a.typed = false
	switch a.want {
	case promptUser:
		a.rec.user = clean(textline.Set(a.rec.user, a.line, maxText))
	case promptPassword:
		if a.logins++; a.logins <= maxLogins {
			f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(a.rec.user)})
		}
		a.judging, a.output = true, a.output[:0]
	}
	a.line, a.want = a.line[:0], promptNone
}

// refusals are what servers write after a wrong password.
var refusals = []string{"INCORRECT", "FAILED", "FAILURE", "DENIED", "INVALID", "BAD PASSWORD", "REFUSED", "WRONG"}

// judge decides from the output since the password whether it was accepted.
func (a *analyzer) judge(f *protocol.Flow) {
	if !a.judging {
		return
	}
	a.judging = false
	bad := false
	for _, s := range refusals {
		bad = bad || textline.Contains(a.output, s)
	}
	next := prompt(a.tail)
	bad = bad || next == promptUser || next == promptPassword
	ok := !bad && (next == promptShell || textline.Contains(a.output, "LAST LOGIN") || textline.Contains(a.output, "WELCOME"))
	if !bad && !ok {
		return
	}
	a.rec.judged, a.rec.success = true, ok
	if !ok {
		a.rec.failures++
	}
	if a.logins > maxLogins {
		return
	}
	value := string(a.rec.user)
	if value == "" {
		value = "password"
	}
	if ok {
		if len(a.rec.user) > 0 {
			f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: value})
		}
		f.Observe(protocol.Observation{Kind: protocol.LoginOK, Addr: f.Session.Orig, Value: value})
		return
	}
	f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: f.Session.Orig, Value: value})
}
