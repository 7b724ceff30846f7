// Package nats reads the client protocol of the NATS message system: who
// connects, and which subjects are used. Messages are passed over.
package nats

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of nats.
var Definition = protocol.Definition{
	Name:       "nats",
	Doc:        "NATS client protocol: recognised by the server's INFO or the client's CONNECT, which carry JSON.",
	Transports: protocol.TCP,
	Ports:      []uint16{4222},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the nats record.
var Schema = record.New("nats", "", "one NATS session, told when it ends or turns to TLS",
	record.Field{Name: "server", Type: record.String, Doc: "Name of the server."},
	record.Field{Name: "server_version", Type: record.String, Doc: "Version of the server."},
	record.Field{Name: "client", Type: record.String, Doc: "Name of the client."},
	record.Field{Name: "library", Type: record.String, Doc: "Language and version of the client's library."},
	record.Field{Name: "user", Type: record.String, Doc: "Account of the login."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the login was accepted; unset if that was not seen."},
	record.Field{Name: "published", Type: record.Set, Doc: "Subjects the client published to, at most 32."},
	record.Field{Name: "subscribed", Type: record.Set, Doc: "Subjects the client subscribed to, at most 32."},
	record.Field{Name: "sent", Type: record.Count, Doc: "Messages the client sent."},
	record.Field{Name: "received", Type: record.Count, Doc: "Messages the server sent."},
	record.Field{Name: "last_error", Type: record.String, Doc: "Text of the last error."},
	record.Field{Name: "tls", Type: record.Bool, Doc: "Whether the session went on encrypted."},
)

// Bounds of what is kept.
const (
	maxText = 128
	maxSet  = 32
	maxSkip = 1 << 30
)

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 4222), client, server)
	e.Reversed = reversed
	return protocol.Verdict(v)
}

func client(b []byte) textline.Verdict {
	return start(b, "CONNECT {", `"verbose":`, `"lang":`, `"protocol":`)
}

func server(b []byte) textline.Verdict {
	return start(b, "INFO {", `"server_id":`, `"max_payload":`, `"proto":`)
}

// start accepts a verb and JSON that has one of three names.
func start(b []byte, verb, n1, n2, n3 string) textline.Verdict {
	n := min(len(b), len(verb))
	switch {
	case !textline.HasPrefix(b[:n], verb[:n]):
		if b[0] == 0x16 && verb[0] == 'C' {
			return textline.More // TLS from the start
		}
		return textline.No
	case n < len(verb):
		return textline.More
	}
	line, complete := textline.First(b)
	if bytes.Contains(line, []byte(n1)) || bytes.Contains(line, []byte(n2)) || bytes.Contains(line, []byte(n3)) {
		return textline.Sure
	}
	if complete || len(b) >= 2048 {
		return textline.No
	}
	return textline.More
}

type analyzer struct {
	lines [2]textline.Reader
	judge bool // a login is not answered yet
	rec   natsRecord
	any   bool
}

type natsRecord struct {
	server, version, client, library, user, err []byte
	judged, ok, tls                             bool
	published, subscribed                       []string
	sent, received                              uint64
}

func (r *natsRecord) Schema() *record.Schema { return Schema }

func (r *natsRecord) Append(e *record.Encoder) {
	e.Bytes(r.server)
	e.Bytes(r.version)
	e.Bytes(r.client)
	e.Bytes(r.library)
	e.Bytes(r.user)
	if r.judged {
		e.Bool(r.ok)
	} else {
		e.Unset()
	}
	e.Strs(r.published)
	e.Strs(r.subscribed)
	e.Uint(r.sent)
	e.Uint(r.received)
	e.Bytes(r.err)
	e.Bool(r.tls)
}

// Parse reads one line and passes over the message behind it.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	a.any = true
	if dir == session.Orig && data[0] == 0x16 {
		a.rec.tls = true
		f.Handover("tls", true)
		return 0
	}
	line, n, ok := a.lines[dir].Next(data)
	if !ok {
		return n
	}
	if dir == session.Orig {
		return n + a.command(f, line)
	}
	return n + a.answer(f, line)
}

// Gap goes on at the next line.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.lines[dir].Resync()
	return true
}

// Close tells the session.
func (a *analyzer) Close(f *protocol.Flow) {
	if a.any {
		a.any = false
		f.Emit(&a.rec)
	}
}

// field returns the value of a name in flat JSON, a string or anything else up
// to a comma or brace. Escapes stay as they are.
func field(b []byte, name string) []byte {
	for off := 0; ; {
		i := bytes.Index(b[off:], []byte(name))
		if i < 0 {
			return nil
		}
		i += off
		off = i + len(name)
		if i == 0 || b[i-1] != '"' || off >= len(b) || b[off] != '"' {
			continue
		}
		rest := bytes.TrimLeft(b[off+1:], " ")
		if len(rest) == 0 || rest[0] != ':' {
			continue
		}
		rest = bytes.TrimLeft(rest[1:], " ")
		if len(rest) > 0 && rest[0] == '"' {
			value, _, _ := bytes.Cut(rest[1:], []byte{'"'})
			return value
		}
		if k := bytes.IndexAny(rest, ",}"); k >= 0 {
			return rest[:k]
		}
		return rest
	}
}

func (a *analyzer) command(f *protocol.Flow, line []byte) int {
	word, rest := textline.Word(line)
	r := &a.rec
	switch {
	case textline.Equal(word, "CONNECT"):
		a.connect(f, rest)
	case textline.Equal(word, "PUB"), textline.Equal(word, "HPUB"):
		r.sent++
		subject, _ := textline.Word(rest)
		r.published = add(r.published, subject)
		return size(rest)
	case textline.Equal(word, "SUB"):
		subject, _ := textline.Word(rest)
		r.subscribed = add(r.subscribed, subject)
	}
	return 0
}

// size returns how many bytes follow a line whose last word is the length of a
// message.
func size(rest []byte) int {
	rest = bytes.TrimRight(rest, " \t")
	if n, ok := textline.Uint(rest[bytes.LastIndexAny(rest, " \t")+1:]); ok && n <= maxSkip {
		return int(n) + 2
	}
	return 0
}

func add(set []string, b []byte) []string {
	b = b[:min(len(b), maxText)]
	if len(set) >= maxSet || len(b) == 0 {
		return set
	}
	for _, s := range set {
		if s == string(b) {
			return set
		}
	}
	return append(set, string(b))
}

func (a *analyzer) connect(f *protocol.Flow, b []byte) {
	r := &a.rec
	r.client = textline.Set(r.client, field(b, "name"), maxText)
	r.library = textline.Set(r.library, field(b, "lang"), 32)
	if v := field(b, "version"); len(v) > 0 {
		r.library = append(append(r.library, ' '), v[:min(len(v), 32)]...)
	}
	if len(r.library) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Orig, Value: "NATS client " + string(r.library)})
	}
	user, pass, token := field(b, "user"), field(b, "pass"), field(b, "auth_token")
	r.user = textline.Set(r.user, user, maxText)
	switch {
	case len(pass) > 0:
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(r.user)})
	case len(token) > 0:
		r.user = append(r.user[:0], "token"...)
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: "token"})
	default:
		return
	}
	a.judge = true
}

func (a *analyzer) answer(f *protocol.Flow, line []byte) int {
	word, rest := textline.Word(line)
	r := &a.rec
	switch {
	case textline.Equal(word, "INFO"):
		if len(r.version) > 0 {
			break
		}
		r.server = textline.Set(r.server, field(rest, "server_name"), maxText)
		r.version = textline.Set(r.version, field(rest, "version"), 32)
		if len(r.version) > 0 {
			f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: "NATS " + string(r.version)})
		}
	case textline.Equal(word, "MSG"), textline.Equal(word, "HMSG"):
		r.received++
		a.login(f, true)
		return size(rest)
	case textline.Equal(word, "+OK"), textline.Equal(word, "PONG"):
		a.login(f, true)
	case textline.Equal(word, "-ERR"):
		r.err = textline.Set(r.err, bytes.Trim(rest, "'"), maxText)
		if textline.Contains(rest, "AUTHORIZATION VIOLATION") || textline.Contains(rest, "AUTHENTICATION") {
			a.login(f, false)
		}
	}
	return 0
}

func (a *analyzer) login(f *protocol.Flow, ok bool) {
	if !a.judge {
		return
	}
	a.judge = false
	a.rec.judged, a.rec.ok = true, ok
	kind := protocol.LoginFailed
	if ok {
		kind = protocol.LoginOK
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: string(a.rec.user)})
	}
	f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: string(a.rec.user)})
}
