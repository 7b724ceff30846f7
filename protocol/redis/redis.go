// Package redis reads the RESP protocol of Redis and its kin (RESP2, RESP3, and
// inline commands): commands with their key, and how they ended.
//
// Like Zeek's redis.log it tells one record per command.
package redis

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of redis.
var Definition = protocol.Definition{
	Name:       "redis",
	Doc:        "Redis serialization protocol: recognised by a command as an array of strings, or by an inline command and its answer.",
	Transports: protocol.TCP,
	Ports:      []uint16{6379},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the redis record.
var Schema = record.New("redis", "redis", "one Redis command",
	record.Field{Name: "cmd.name", Type: record.String, Doc: "Command, in capitals."},
	record.Field{Name: "cmd.key", Type: record.String, Doc: "Its first argument: mostly a key, or the name of a subcommand."},
	record.Field{Name: "cmd.value", Type: record.String, Doc: "The first 64 bytes of its second argument; never set where it may be a password."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the server answered with something else than an error; unset without an answer."},
	record.Field{Name: "reply.value", Type: record.String, Doc: "The first 128 bytes of an answer that is no list."},
	record.Field{Name: "args", Type: record.Count, Doc: "Arguments of the command."},
)

// Bounds of what is kept.
const (
	maxName    = 32
	maxKey     = 128
	maxValue   = 64
	maxReply   = 128
	maxLook    = 256     // bytes of a string that are looked at
	maxPending = 256     // commands without an answer
	maxArgs    = 1 << 20 // what Redis takes as well
	maxBulk    = 1 << 30 // bytes of a string
	maxLogins  = 1000
)

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 6379), client, server)
	e.Reversed = reversed
	return protocol.Verdict(v)
}

var inline = []string{"PING", "INFO", "CONFIG", "SET", "GET", "KEYS", "FLUSHALL", "FLUSHDB", "SAVE", "BGSAVE", "SLAVEOF", "REPLICAOF", "EVAL", "MODULE",
	"HELLO", "ECHO", "COMMAND", "CLIENT", "SELECT", "DBSIZE", "MONITOR", "AUTH", "SCAN", "DEL", "EXISTS", "TYPE", "ROLE", "ACL", "SYNC", "PSYNC",
	"PUBLISH", "SUBSCRIBE", "PSUBSCRIBE", "LPUSH", "RPUSH", "HSET", "HGET", "HGETALL", "INCR", "EXPIRE", "TTL", "MGET", "MSET", "QUIT"}

func client(b []byte) textline.Verdict {
	if b[0] != '*' {
		line, complete := textline.First(b)
		word, rest := textline.Word(line)
		switch {
		case !complete && len(word) == len(line):
			if textline.PrefixOf(word, inline) {
				return textline.More
			}
			return textline.No
		case !textline.OneOf(word, inline):
			return textline.No
		case !complete:
			return textline.More
		case textline.Equal(word, "AUTH") && (len(rest) == 0 || textline.Mechanism(rest)): // POP3 has it as well
			return textline.No
		}
		return textline.Likely
	}
	// *N CRLF $L CRLF and a word
	rest := b[1:]
	for _, mark := range [2]byte{0, '$'} {
		if mark != 0 {
			if len(rest) == 0 {
				return textline.More
			}
			if rest[0] != mark {
				return textline.No
			}
			rest = rest[1:]
		}
		i := 0
		for i < len(rest) && rest[i] >= '0' && rest[i] <= '9' {
			i++
		}
		switch {
		case i > 7 || i == 0 && len(rest) > 0 || i < len(rest) && rest[i] != '\r' || i+1 < len(rest) && rest[i+1] != '\n':
			return textline.No
		case i+2 > len(rest):
			return textline.More
		}
		rest = rest[i+2:]
	}
	if len(rest) == 0 {
		return textline.More
	}
	if c := textline.Upper(rest[0]); c < 'A' || c > 'Z' {
		return textline.No
	}
	return textline.Sure
}

func server(b []byte) textline.Verdict {
	if bytes.IndexByte([]byte("+-:$*_#,(!=%~>|"), b[0]) < 0 {
		return textline.No
	}
	line, complete := textline.First(b)
	if !complete {
		if textline.Printable(line) {
			return textline.More
		}
		return textline.No
	}
	switch b[0] {
	case '$', '*', ':', '%', '~', '>':
		if _, ok := number(line[1:]); !ok {
			return textline.No
		}
	case '-':
		if len(line) < 4 || line[1] < 'A' || line[1] > 'Z' {
			return textline.No
		}
	}
	return textline.Likely
}

// number reads a length or count, -1 included.
func number(b []byte) (int, bool) {
	if string(b) == "-1" {
		return -1, true
	}
	if len(b) > 0 && b[0] == '-' {
		_, ok := textline.Uint(b[1:])
		return -1, ok
	}
	v, ok := textline.Uint(b)
	return int(v), ok
}

type command struct {
	name, key, value []byte
	args             int
}

type analyzer struct {
	lines   [2]textline.Reader
	cur     command
	args    int       // arguments of the command at hand that are to come
	bulk    int       // 1 + length of the string to come, 0 for none
	pending []command // oldest first; memory is reused
	n       int
	lost    int
	pushed  bool // answers are messages of subscriptions or a monitor
	resp3   bool // subscriptions come out of band (RESP3)
	off     bool // answers are off
	next    bool // the next command has no answer
	logins  int
	soft    bool

	// The answer at hand.
	left    uint64 // elements to come
	rbulk   int    // as bulk
	push    bool   // it is out of band
	isError bool
	list    bool
	reply   []byte
	rec     redisRecord
}

type redisRecord struct {
	cmd      *command
	answered bool
	success  bool
	reply    []byte
}

func (r *redisRecord) Schema() *record.Schema { return Schema }

func (r *redisRecord) Append(e *record.Encoder) {
	e.Bytes(r.cmd.name)
	e.Bytes(r.cmd.key)
	e.Bytes(r.cmd.value)
	if r.answered {
		e.Bool(r.success)
	} else {
		e.Unset()
	}
	e.Bytes(r.reply)
	e.Uint(uint64(r.cmd.args))
}

// Parse reads one line or one string.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	bulk := &a.bulk
	if dir == session.Resp {
		bulk = &a.rbulk
	}
	if *bulk > 0 {
		size := *bulk - 1
		if len(data) < min(size, maxLook) {
			return 0
		}
		*bulk = 0
		if dir == session.Orig {
			a.argument(f, data[:min(size, maxLook)])
		} else {
			a.element(f, data[:min(size, maxLook)])
		}
		return size + 2
	}
	line, n, ok := a.lines[dir].Next(data)
	if !ok {
		return n
	}
	if dir == session.Orig {
		a.commandLine(f, line)
	} else {
		a.replyLine(f, line)
	}
	return n
}

// Gap gives up what is at hand and goes on at the next line.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.lines[dir].Resync()
	a.flush(f)
	if dir == session.Orig {
		a.args, a.bulk = 0, 0
	} else {
		a.left, a.rbulk = 0, 0
	}
	return true
}

// Close tells the commands that had no answer.
func (a *analyzer) Close(f *protocol.Flow) { a.flush(f) }

func (a *analyzer) flush(f *protocol.Flow) {
	for i := 0; i < a.n; i++ {
		a.rec = redisRecord{cmd: &a.pending[i]}
		f.Emit(&a.rec)
	}
	a.n, a.lost = 0, 0
}

func (a *analyzer) start() {
	a.cur.name, a.cur.key, a.cur.value, a.cur.args = a.cur.name[:0], a.cur.key[:0], a.cur.value[:0], -1
}

func (a *analyzer) commandLine(f *protocol.Flow, line []byte) {
	switch {
	case a.args > 0:
		n, ok := 0, false
		if len(line) > 1 && line[0] == '$' {
			n, ok = number(line[1:])
		}
		if !ok || n < 0 || n > maxBulk {
			f.Anomaly("redis_invalid_bulk", "")
			a.args = 0
			return
		}
		a.bulk = n + 1
	case len(line) > 0 && line[0] == '*':
		n, ok := number(line[1:])
		if !ok || n > maxArgs {
			f.Anomaly("redis_invalid_array", "")
			return
		}
		if n > 0 {
			a.args = n
			a.start()
		}
	case len(line) > 0: // an inline command
		// After a hole a line may be anything, a password as well: only what
		// starts with a known command is told.
		if word, _ := textline.Word(line); !textline.OneOf(word, inline) {
			f.Anomaly("redis_invalid_command", "")
			return
		}
		a.start()
		for rest := line; len(rest) > 0; {
			var word []byte
			word, rest = textline.Word(rest)
			a.args = 2 // so that argument does not end the command
			a.argument(f, word)
		}
		a.args = 0
		a.complete(f)
	}
}

// argument takes the next word of a command. Of AUTH and HELLO nothing that may
// be a password stays: AUTH has a user only if a second argument follows.
func (a *analyzer) argument(f *protocol.Flow, b []byte) {
	c := &a.cur
	c.args++
	name := string(c.name)
	switch c.args {
	case 0:
		c.name = textline.AppendUpper(c.name, b, maxName)
	case 1:
		c.key = textline.Set(c.key, b, maxKey)
	case 2:
		if name == "HELLO" && textline.Equal(b, "AUTH") || name != "AUTH" && name != "HELLO" {
			c.value = textline.Set(c.value, b, maxValue)
		}
	case 3:
		if name == "HELLO" && len(c.value) > 0 {
			a.credential(f, b)
		}
	}
	if a.args--; a.args == 0 {
		a.complete(f)
	}
}

func (a *analyzer) credential(f *protocol.Flow, user []byte) {
	if a.logins++; a.logins <= maxLogins {
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(user[:min(len(user), maxKey)])})
	}
}

// complete takes the command that is read.
func (a *analyzer) complete(f *protocol.Flow) {
	c := &a.cur
	silent := a.off
	if a.next {
		silent, a.next = true, false
	}
	switch string(c.name) {
	case "AUTH":
		if c.args < 2 { // only a password: what was kept is none of our business
			c.key = append(c.key[:0], "default"...)
		}
		a.credential(f, c.key)
	case "HELLO":
		if len(c.key) == 1 {
			a.resp3 = c.key[0] == '3'
		}
	case "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE":
		a.pushed = !a.resp3
		silent = true
	case "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE":
		silent = a.resp3
	case "MONITOR", "SYNC", "PSYNC":
		a.pushed = true
	case "RESET":
		a.pushed = false
	case "CLIENT":
		if textline.Equal(c.key, "REPLY") {
			silent = a.muted(c.value)
		}
	}
	if a.pushed || silent {
		a.rec = redisRecord{cmd: c}
		f.Emit(&a.rec)
		return
	}
	if a.n == maxPending {
		a.lost++
		return
	}
	if a.n == len(a.pending) {
		a.pending = append(a.pending, command{})
	}
	a.pending[a.n], a.cur = a.cur, a.pending[a.n]
	a.n++
}

// muted takes CLIENT REPLY, and reports whether it has no answer itself.
func (a *analyzer) muted(how []byte) bool {
	switch {
	case textline.Equal(how, "OFF"):
		a.off = true
	case textline.Equal(how, "SKIP"):
		a.next = true
	default:
		a.off = false
		return false
	}
	return true
}

func (a *analyzer) replyLine(f *protocol.Flow, line []byte) {
	if len(line) == 0 {
		return
	}
	kind, text := line[0], line[1:]
	if a.left == 0 {
		a.left = 1
		a.push, a.list, a.isError = kind == '>', false, kind == '-' || kind == '!'
		a.reply = a.reply[:0]
	}
	switch kind {
	case '$', '!', '=':
		n, ok := number(text)
		switch {
		case !ok || n > maxBulk:
			f.Anomaly("redis_invalid_bulk", "")
			a.left = 0
		case n < 0:
			a.element(f, nil)
		default:
			a.rbulk = n + 1
		}
	case '*', '%', '~', '>', '|':
		n, ok := number(text)
		if !ok || n > maxBulk {
			f.Anomaly("redis_invalid_array", "")
			a.left = 0
			return
		}
		a.list = true
		count := uint64(max(n, 0))
		if kind == '%' || kind == '|' {
			count *= 2
		}
		if kind == '|' {
			count++ // the attribute's subject follows
		}
		a.left += count
		a.element(f, nil)
	case '+', '-', ':', '_', '#', ',', '(':
		a.element(f, text)
	default:
		f.Anomaly("redis_invalid_reply", "")
		a.left = 0
	}
}

// element takes the next part of an answer.
func (a *analyzer) element(f *protocol.Flow, b []byte) {
	if !a.list {
		a.reply = textline.Set(a.reply, b, maxReply)
		if !a.soft {
			a.version(f, b)
		}
	}
	if a.left--; a.left > 0 {
		return
	}
	if a.push || a.pushed || a.n == 0 {
		return
	}
	c := a.pending[0]
	a.rec = redisRecord{cmd: &a.pending[0], answered: true, success: !a.isError}
	a.rec.reply = a.reply
	f.Emit(&a.rec)
	if string(c.name) == "AUTH" {
		a.login(f, &c)
	}
	copy(a.pending, a.pending[1:a.n])
	a.n--
	a.pending[a.n] = c
}

func (a *analyzer) login(f *protocol.Flow, c *command) {
	if a.logins > maxLogins {
		return
	}
	kind := protocol.LoginOK
	if a.isError {
		kind = protocol.LoginFailed
	}
	f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: string(c.key)})
}

// version looks for the server's version in the answer to INFO.
func (a *analyzer) version(f *protocol.Flow, b []byte) {
	const mark = "redis_version:"
	i := bytes.Index(b[:min(len(b), maxLook)], []byte(mark))
	if i < 0 {
		return
	}
	line, _ := textline.First(b[i+len(mark):])
	a.soft = true
	f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: "Redis " + string(line[:min(len(line), 32)])})
}
