// Package memcached reads how Memcached is used: the text protocol over TCP and
// UDP, and the binary protocol.
package memcached

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of memcached.
var Definition = protocol.Definition{
	Name:       "memcached",
	Doc:        "Memcached: recognised by a command with its answer, by the UDP frame header with a command, or by a binary header.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{11211},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the memcached record.
var Schema = record.New("memcached", "", "one Memcached session",
	record.Field{Name: "format", Type: record.Enum, Doc: "Protocol: text or binary."},
	record.Field{Name: "commands", Type: record.Set, Doc: "Commands that were given, at most 32."},
	record.Field{Name: "requests", Type: record.Count, Doc: "Commands, all together."},
	record.Field{Name: "first_key", Type: record.String, Doc: "Key of the first command that has one."},
	record.Field{Name: "values", Type: record.Count, Doc: "Values the server returned."},
	record.Field{Name: "errors", Type: record.Count, Doc: "Commands the server refused."},
	record.Field{Name: "version", Type: record.String, Doc: "Version of the server, if it was told."},
	record.Field{Name: "user", Type: record.String, Doc: "Account of a SASL PLAIN login (binary only)."},
	record.Field{Name: "response_bytes", Type: record.Count, Doc: "Bytes the server sent, which tells amplification over UDP."},
)

// Bounds of what is kept.
const (
	maxText = 250 // of a key
	maxSet  = 32
	maxSkip = 1 << 30
	maxLook = 512
)

// Commands of the text protocol, in capitals for comparison; it has them in
// lower case.
var commands = []string{"GET", "GETS", "GAT", "GATS", "SET", "ADD", "REPLACE", "APPEND", "PREPEND", "CAS", "DELETE", "INCR", "DECR", "TOUCH", "STATS",
	"VERSION", "FLUSH_ALL", "VERBOSITY", "QUIT", "MG", "MS", "MD", "MA", "MN", "ME"}

func probe(e *protocol.Evidence) protocol.Verdict {
	if e.Transport == protocol.UDP {
		return datagram(e)
	}
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 11211), client, server)
	e.Reversed = reversed
	return protocol.Verdict(v)
}

// datagram accepts the header of UDP frames (request, sequence, total,
// reserved) in front of a command or an answer.
func datagram(e *protocol.Evidence) protocol.Verdict {
	c := wire.New(e.Data[e.Dir])
	c.U16()
	sequence, total, reserved := c.U16(), c.U16(), c.U16()
	if !c.OK() || reserved != 0 || total == 0 || sequence >= total {
		return protocol.No
	}
	line, complete := textline.First(c.Rest())
	word, _ := textline.Word(line)
	if !complete || len(word) == 0 || word[0] < 'A' {
		return protocol.No
	}
	switch {
	case total == 1 && word[0] >= 'a' && textline.OneOf(word, commands) && textline.Printable(line):
		return protocol.Sure
	case sequence == 0 && (string(word) == "STAT" || string(word) == "VALUE" || string(word) == "END" || string(word) == "VERSION" || string(word) == "STORED"):
		// The victim of an attack sees only answers.
		e.Reversed = e.Dir == session.Orig
		return protocol.Sure
	}
	return protocol.No
}

func client(b []byte) textline.Verdict {
	if b[0] == 0x80 {
		return binary(b)
	}
	line, complete := textline.First(b)
	word, rest := textline.Word(line)
	if len(word) > 0 && (word[0] < 'a' || word[0] > 'z') {
		return textline.No
	}
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
	}
	if textline.Equal(word, "SET") || textline.Equal(word, "ADD") || textline.Equal(word, "CAS") || textline.Equal(word, "REPLACE") {
		if bytes.Count(rest, []byte{' '}) >= 3 {
			return textline.Likely
		}
		return textline.No
	}
	if textline.Equal(word, "QUIT") {
		return textline.More
	}
	return textline.Likely
}

var answers = []string{"VALUE", "END", "STORED", "NOT_STORED", "EXISTS", "NOT_FOUND", "DELETED", "TOUCHED", "STAT", "VERSION", "ERROR", "CLIENT_ERROR",
	"SERVER_ERROR", "OK", "RESET", "HD", "VA", "EN", "NF", "MN"}

func server(b []byte) textline.Verdict {
	if b[0] == 0x81 {
		return binary(b)
	}
	line, complete := textline.First(b)
	word, _ := textline.Word(line)
	if len(word) == 0 || word[0] < '0' || word[0] > 'Z' {
		return textline.No
	}
	switch {
	case !complete && (len(word) == len(line) && textline.PrefixOf(word, answers) || textline.OneOf(word, answers)):
		return textline.More
	case complete && textline.OneOf(word, answers):
		return textline.Likely
	case digits(word): // of incr and decr
		return textline.More
	}
	return textline.No
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// header is that of the binary protocol.
type header struct {
	magic, code, extras byte
	key                 int
	status              uint16
	body                int
}

func parse(b []byte) (h header, ok bool) {
	c := wire.New(b)
	h.magic, h.code = c.U8(), c.U8()
	h.key = int(c.U16())
	h.extras = c.U8()
	kind := c.U8()
	h.status = c.U16()
	h.body = int(c.U32())
	c.Skip(12)
	return h, c.OK() && (h.magic == 0x80 || h.magic == 0x81) && h.code <= 0x50 && kind == 0 && h.key <= 250 && h.extras <= 32 &&
		h.body >= h.key+int(h.extras) && h.body <= maxSkip
}

func binary(b []byte) textline.Verdict {
	if len(b) < 24 {
		if len(b) > 1 && b[1] > 0x50 || len(b) > 5 && b[5] != 0 {
			return textline.No
		}
		return textline.More
	}
	if _, ok := parse(b); !ok {
		return textline.No
	}
	return textline.Likely
}

type analyzer struct {
	lines [2]textline.Reader
	rec   memRecord
}

type memRecord struct {
	format                   string
	commands                 []string
	key, version, user       []byte
	requests, values, errors uint64
	bytes                    uint64
}

func (r *memRecord) Schema() *record.Schema { return Schema }

func (r *memRecord) Append(e *record.Encoder) {
	e.Str(r.format)
	e.Strs(r.commands)
	e.Uint(r.requests)
	e.Bytes(r.key)
	e.Uint(r.values)
	e.Uint(r.errors)
	e.Bytes(r.version)
	e.Bytes(r.user)
	e.Uint(r.bytes)
}

// Parse reads one line, one binary message, or one datagram.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if f.Datagram() {
		a.datagram(f, dir, data)
		return len(data)
	}
	n := 0
	switch {
	case data[0] == 0x80 && dir == session.Orig, data[0] == 0x81 && dir == session.Resp:
		n = a.message(f, dir, data)
	default:
		line, k, ok := a.lines[dir].Next(data)
		n = k
		if ok {
			n += a.line(f, dir, line)
		}
	}
	if dir == session.Resp {
		a.rec.bytes += uint64(n)
	}
	return n
}

// Gap goes on at the next line.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.lines[dir].Resync()
	return a.rec.format != "binary"
}

// Close tells the session.
func (a *analyzer) Close(f *protocol.Flow) { f.Emit(&a.rec) }

func (a *analyzer) datagram(f *protocol.Flow, dir session.Direction, data []byte) {
	if dir == session.Resp {
		a.rec.bytes += uint64(len(data))
	}
	if len(data) < 8 {
		f.Anomaly("memcached_truncated", "")
		return
	}
	rest := data[8:]
	if dir == session.Orig {
		line, _ := textline.First(rest[:min(len(rest), maxLook)])
		a.line(f, dir, line)
		return
	}
	if data[2]|data[3] != 0 {
		return // a later part of an answer
	}
	for i := 0; i < 64 && len(rest) > 0; i++ {
		line, complete := textline.First(rest)
		if !complete {
			break
		}
		rest = rest[bytes.IndexByte(rest, '\n')+1:]
		n := a.line(f, dir, line)
		rest = rest[min(n, len(rest)):]
	}
}

// line takes one line and returns how many bytes of a value follow it.
func (a *analyzer) line(f *protocol.Flow, dir session.Direction, line []byte) int {
	a.rec.format = "text"
	word, rest := textline.Word(line)
	if dir == session.Resp {
		return a.answer(f, word, rest)
	}
	if len(word) == 0 || !textline.OneOf(word, commands) {
		return 0
	}
	a.request(word)
	key, rest := textline.Word(rest)
	if len(a.rec.key) == 0 && !textline.Equal(word, "STATS") && !textline.Equal(word, "FLUSH_ALL") {
		a.rec.key = textline.Set(a.rec.key, key, maxText)
	}
	switch string(word) {
	case "set", "add", "replace", "append", "prepend", "cas": // flags, expiry, length
		_, rest = textline.Word(rest)
		_, rest = textline.Word(rest)
		size, _ := textline.Word(rest)
		return valueBytes(size)
	case "ms":
		size, _ := textline.Word(rest)
		return valueBytes(size)
	}
	return 0
}

// valueBytes returns how many bytes a value of the given length takes with its
// line end.
func valueBytes(b []byte) int {
	if n, ok := textline.Uint(b); ok && n <= maxSkip {
		return int(n) + 2
	}
	return 0
}

func (a *analyzer) request(word []byte) {
	r := &a.rec
	r.requests++
	if len(r.commands) >= maxSet {
		return
	}
	for _, s := range r.commands {
		if s == string(word) {
			return
		}
	}
	r.commands = append(r.commands, string(word))
}

func (a *analyzer) answer(f *protocol.Flow, word, rest []byte) int {
	r := &a.rec
	switch string(word) {
	case "VALUE": // key, flags, length
		r.values++
		_, rest = textline.Word(rest)
		_, rest = textline.Word(rest)
		size, _ := textline.Word(rest)
		return valueBytes(size)
	case "VA":
		r.values++
		size, _ := textline.Word(rest)
		return valueBytes(size)
	case "ERROR", "CLIENT_ERROR", "SERVER_ERROR":
		r.errors++
	case "VERSION":
		a.version(f, rest)
	case "STAT":
		if name, value := textline.Word(rest); string(name) == "version" {
			a.version(f, value)
		}
	}
	return 0
}

func (a *analyzer) version(f *protocol.Flow, b []byte) {
	if len(a.rec.version) == 0 && len(b) > 0 {
		a.rec.version = textline.Set(a.rec.version, b, 64)
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: "Memcached " + string(a.rec.version)})
	}
}

var binaryNames = map[byte]string{0: "get", 1: "set", 2: "add", 3: "replace", 4: "delete", 5: "incr", 6: "decr", 7: "quit", 8: "flush_all", 9: "getq",
	10: "noop", 11: "version", 12: "getk", 13: "getkq", 14: "append", 15: "prepend", 16: "stats", 17: "setq", 28: "touch", 29: "gat",
	32: "sasl_list", 33: "sasl_auth", 34: "sasl_step"}

// message reads one message of the binary protocol.
func (a *analyzer) message(f *protocol.Flow, dir session.Direction, data []byte) int {
	if len(data) < 24 {
		return 0
	}
	h, ok := parse(data)
	if !ok {
		f.Anomaly("memcached_invalid_header", "")
		f.Finish()
		return len(data)
	}
	if len(data) < 24+min(h.body, maxLook) {
		return 0
	}
	r := &a.rec
	r.format = "binary"
	body := wire.New(data[24 : 24+min(h.body, maxLook)])
	body.Skip(int(h.extras))
	key := body.Bytes(min(h.key, body.Len()))
	if dir == session.Orig {
		name := binaryNames[h.code]
		if name == "" {
			name = "other"
		}
		a.request([]byte(name))
		if len(r.key) == 0 && h.code < 32 {
			r.key = textline.Set(r.key, key, maxText)
		}
		if h.code == 33 && string(key) == "PLAIN" {
			r.user = textline.Set(r.user, textline.PlainUser(body.Rest()), maxText)
			f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(r.user)})
		}
		return 24 + h.body
	}
	switch {
	case h.code == 33 && h.status != 0x21: // 0x21: the exchange goes on
		kind := protocol.LoginOK
		if h.status != 0 {
			kind = protocol.LoginFailed
		}
		f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: string(r.user)})
	case h.status > 5:
		r.errors++
	case h.status == 0 && (h.code == 0 || h.code == 9 || h.code == 12 || h.code == 13):
		r.values++
	case h.status == 0 && h.code == 11:
		a.version(f, body.Rest())
	}
	return 24 + h.body
}
