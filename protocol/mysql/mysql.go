// Package mysql reads the client/server protocol of MySQL and MariaDB: the
// greeting, logins, commands and how they ended.
//
// Like Zeek's mysql.log it tells one record per login and command. The
// specification is the "Client/Server Protocol" chapter of MySQL's source
// documentation.
package mysql

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of mysql.
var Definition = protocol.Definition{
	Name:       "mysql",
	Doc:        "MySQL and MariaDB client/server protocol: recognised by the server's greeting, or by a query and its answer.",
	Transports: protocol.TCP,
	Ports:      []uint16{3306},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the mysql record.
var Schema = record.New("mysql", "mysql", "one MySQL login or command",
	record.Field{Name: "cmd", Type: record.String, Doc: "Command: login, query, init_db, …"},
	record.Field{Name: "arg", Type: record.String, Doc: "Its argument: the user of a login, the first 200 bytes of a statement."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the server accepted it; unset without an answer."},
	record.Field{Name: "rows", Type: record.Count, Doc: "Rows that were changed, or sent as the result."},
	record.Field{Name: "response", Type: record.String, Doc: "The server's error, or its message on success."},
	record.Field{Name: "error_code", Type: record.Count, Doc: "Number of the error."},
	record.Field{Name: "user", Type: record.String, Doc: "Account of the session."},
	record.Field{Name: "database", Type: record.String, Doc: "Database named in the login."},
	record.Field{Name: "server_version", Type: record.String, Doc: "Version in the server's greeting."},
	record.Field{Name: "auth_plugin", Type: record.String, Doc: "Authentication method that was used last."},
)

// Bounds of what is kept.
const (
	maxArg    = 200 // bytes of a statement
	maxText   = 256 // bytes of other texts
	maxLook   = 640 // bytes of a packet that are looked at; the rest is passed over
	maxLogins = 1000
)

// Capabilities that change the format.
const (
	capConnectDB    = 1 << 3
	capCompress     = 1 << 5
	capProtocol41   = 1 << 9
	capSSL          = 1 << 11
	capSecureAuth   = 1 << 15
	capPluginAuth   = 1 << 19
	capLenencAuth   = 1 << 21
	capDeprecateEOF = 1 << 24
	capZstd         = 1 << 26
)

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 3306), client, server)
	e.Reversed = reversed
	return protocol.Verdict(v)
}

var verbs = []string{"SELECT", "SHOW", "SET", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "USE", "BEGIN", "COMMIT", "ROLLBACK", "START", "CALL", "REPLACE", "/*", "TRUNCATE", "LOCK", "UNLOCK", "DESCRIBE", "EXPLAIN"}

// client accepts what a client says to a greeting, or a query.
func client(b []byte) textline.Verdict {
	c := wire.New(b)
	n := le24(&c)
	seq := c.U8()
	if !c.OK() {
		return textline.More
	}
	switch {
	case seq == 0 && n > 4 && n < 1<<20:
		if cmd := c.U8(); c.OK() && cmd != 3 && cmd != 22 {
			return textline.No
		}
		rest := c.Rest()
		if len(rest) < min(n-1, 9) {
			return textline.More
		}
		for _, v := range verbs {
			if textline.HasPrefix(rest, v) {
				return textline.Likely
			}
		}
	case seq == 0 && n == 1:
		switch cmd := c.U8(); {
		case !c.OK():
			return textline.More
		case cmd == 14 || cmd == 1 || cmd == 9:
			return textline.More
		}
	case seq == 1 && n >= 32 && n < 4096:
		caps := c.LE32()
		maxPacket := c.LE32()
		c.U8()
		zeros := c.Bytes(19)
		if !c.OK() {
			return textline.More
		}
		if caps&capProtocol41 != 0 && maxPacket > 0 && allZero(zeros) {
			return textline.Sure // 152 bits of zeros and the flag
		}
	case seq == 1 && n > 8 && n < 512:
		return textline.More // a login of before 4.1: the greeting must prove it
	}
	return textline.No
}

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

func server(b []byte) textline.Verdict {
	c := wire.New(b)
	n := le24(&c)
	seq := c.U8()
	kind := c.U8()
	if !c.OK() {
		return textline.More
	}
	switch {
	case seq == 0 && kind == 10 && n >= 20 && n < 512:
		rest := c.Rest()
		i := bytes.IndexByte(rest, 0)
		if i < 0 {
			if len(rest) < n && len(rest) < 80 && textline.Printable(rest) {
				return textline.More
			}
			return textline.No
		}
		if i < 3 || i > 80 || !textline.Printable(rest[:i]) || bytes.IndexByte(rest[:i], '.') < 0 {
			return textline.No
		}
		c.Skip(i + 1 + 4 + 8)
		filler := c.U8()
		if !c.OK() {
			return textline.More
		}
		if filler != 0 {
			return textline.No
		}
		return textline.Sure
	case seq == 0 && kind == 0xff && n > 3 && n < 512: // the server refuses at once
		code := c.LE16()
		if !c.OK() {
			return textline.More
		}
		if code >= 1000 && code < 4200 && textline.Printable(c.Rest()) {
			return textline.Likely
		}
	case seq == 1 && n > 0 && n < 1<<20: // mid-session
		return textline.Likely
	}
	return textline.No
}

func le24(c *wire.Cursor) int {
	b := c.Bytes(3)
	if b == nil {
		return 0
	}
	return int(b[0]) | int(b[1])<<8 | int(b[2])<<16
}

// phase is what is under way.
type phase uint8

const (
	greeting phase = iota
	loggingIn
	commands
)

// result is what the server sends next in answer to a command.
type result uint8

const (
	nothing result = iota
	header
	columns
	columnsEnd
	rows
)

type analyzer struct {
	phase  phase
	result result
	left   uint64 // column definitions to come
	caps   uint32 // that both sides have
	server uint32 // capabilities of the server
	logins int
	open   bool // a command waits for its end

	user, database, version, plugin []byte
	rec                             mysqlRecord
}

type mysqlRecord struct {
	a                        *analyzer
	cmd                      string
	arg, response            []byte
	answered, success, count bool
	rows                     uint64
	code                     uint16
}

func (r *mysqlRecord) Schema() *record.Schema { return Schema }

func (r *mysqlRecord) Append(e *record.Encoder) {
	e.Str(r.cmd)
	e.Bytes(r.arg)
	if r.answered {
		e.Bool(r.success)
	} else {
		e.Unset()
	}
	if r.count {
		e.Uint(r.rows)
	} else {
		e.Unset()
	}
	e.Bytes(r.response)
	if r.code > 0 {
		e.Uint(uint64(r.code))
	} else {
		e.Unset()
	}
	e.Bytes(r.a.user)
	e.Bytes(r.a.database)
	e.Bytes(r.a.version)
	e.Bytes(r.a.plugin)
}

// Parse reads one packet, of a long one only the start.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	n := le24(&c)
	seq := c.U8()
	if !c.OK() || c.Len() < min(n, maxLook) {
		return 0
	}
	body := c.Rest()[:min(n, c.Len())]
	if n > 0 {
		if dir == session.Orig {
			a.fromClient(f, seq, n, body)
		} else {
			a.fromServer(f, seq, n, body)
		}
	}
	return 4 + n
}

// Close tells the command at hand.
func (a *analyzer) Close(f *protocol.Flow) { a.finish(f) }

// begin starts the record of a command.
func (a *analyzer) begin(f *protocol.Flow, cmd string, arg []byte) {
	a.finish(f)
	a.rec = mysqlRecord{a: a, cmd: cmd, arg: textline.Set(a.rec.arg, arg, maxArg), response: a.rec.response[:0]}
	a.open, a.result = true, header
}

func (a *analyzer) finish(f *protocol.Flow) {
	if a.open {
		a.open = false
		f.Emit(&a.rec)
	}
	a.result = nothing
}

var commandNames = [...]string{"sleep", "quit", "init_db", "query", "field_list", "create_db", "drop_db", "refresh", "shutdown", "statistics",
	"process_info", "connect", "process_kill", "debug", "ping", "time", "delayed_insert", "change_user", "binlog_dump", "table_dump",
	"connect_out", "register_slave", "stmt_prepare", "stmt_execute", "stmt_send_long_data", "stmt_close", "stmt_reset", "set_option",
	"stmt_fetch", "daemon", "binlog_dump_gtid", "reset_connection", "clone"}

func (a *analyzer) fromClient(f *protocol.Flow, seq uint8, n int, body []byte) {
	if a.phase == greeting {
		if seq == 0 {
			a.phase = commands // the capture starts later
			a.caps = capProtocol41
		} else {
			a.login(f, body)
			return
		}
	}
	if a.phase == loggingIn {
		if seq != 0 {
			if bytes.Equal(a.plugin, []byte("mysql_clear_password")) {
				f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(a.user)})
			}
			return
		}
		a.phase = commands
	}
	if seq != 0 {
		return // data of LOAD DATA LOCAL
	}
	cmd := body[0]
	name := "unknown"
	if int(cmd) < len(commandNames) {
		name = commandNames[cmd]
	}
	arg := body[1:]
	switch cmd {
	case 2, 3, 5, 6, 22:
	case 17: // the user, then secrets
		user, _, _ := bytes.Cut(arg, []byte{0})
		a.user = textline.Set(a.user, user, maxText)
		a.begin(f, name, user)
		a.phase = loggingIn
		return
	default:
		arg = nil
	}
	a.begin(f, name, arg)
	switch cmd {
	case 1, 24, 25: // no answer comes
		a.finish(f)
	}
}

// login reads the client's answer to the greeting.
func (a *analyzer) login(f *protocol.Flow, body []byte) {
	c := wire.New(body)
	caps := uint32(c.LE16())
	if caps&capProtocol41 == 0 {
		c.Skip(3)
	} else {
		caps |= uint32(c.LE16()) << 16
		c.Skip(4 + 1 + 23)
	}
	if !c.OK() {
		f.Anomaly("mysql_invalid_login", "")
		f.Finish()
		return
	}
	if caps&capSSL != 0 && c.Len() == 0 {
		a.begin(f, "ssl_request", nil)
		a.finish(f)
		f.Handover("tls", true)
		return
	}
	a.caps = caps
	if a.server != 0 {
		a.caps &= a.server
	}
	user := text(&c)
	a.user = textline.Set(a.user, user, maxText)
	switch {
	case caps&capProtocol41 == 0:
		c.Skip(c.Len())
	case caps&capLenencAuth != 0:
		c.Skip(int(min(lenenc(&c), 1<<20)))
	case caps&capSecureAuth != 0:
		c.Vec8()
	default:
		text(&c)
	}
	if caps&capConnectDB != 0 && c.Len() > 0 {
		a.database = textline.Set(a.database, text(&c), maxText)
	}
	if caps&capPluginAuth != 0 && c.Len() > 0 {
		a.plugin = textline.Set(a.plugin, text(&c), maxText)
	}
	a.begin(f, "login", user)
	a.phase = loggingIn
	if bytes.Equal(a.plugin, []byte("mysql_clear_password")) {
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(a.user)})
	}
}

// text reads a string up to a NUL, or to the end.
func text(c *wire.Cursor) []byte {
	rest := c.Rest()
	if i := bytes.IndexByte(rest, 0); i >= 0 {
		c.Skip(i + 1)
		return rest[:i]
	}
	c.Skip(len(rest))
	return rest
}

// lenenc reads a length-encoded integer.
func lenenc(c *wire.Cursor) uint64 {
	switch b := c.U8(); b {
	case 0xfc:
		return uint64(c.LE16())
	case 0xfd:
		return uint64(le24(c))
	case 0xfe:
		return c.LE64()
	default:
		return uint64(b)
	}
}

func (a *analyzer) fromServer(f *protocol.Flow, seq uint8, n int, body []byte) {
	switch {
	case a.phase == greeting && seq == 0 && body[0] == 10:
		a.greet(f, body)
		return
	case a.phase == greeting && seq == 0 && body[0] == 0xff:
		a.begin(f, "connect", nil)
		a.failed(body)
		a.finish(f)
		return
	case a.phase == loggingIn:
		a.judge(f, body)
		return
	case !a.open:
		return
	}
	a.answer(f, n, body)
}

func (a *analyzer) greet(f *protocol.Flow, body []byte) {
	c := wire.New(body)
	c.U8()
	version := text(&c)
	c.Skip(4 + 8 + 1)
	caps := uint32(c.LE16())
	if c.Len() > 0 {
		c.Skip(1 + 2)
		caps |= uint32(c.LE16()) << 16
		salt := int(c.U8())
		c.Skip(10)
		if caps&capSecureAuth != 0 {
			c.Skip(max(13, salt-8))
		}
		if caps&capPluginAuth != 0 && c.OK() {
			a.plugin = textline.Set(a.plugin, text(&c), maxText)
		}
	}
	a.server = caps
	a.version = textline.Set(a.version, version, maxText)
	name := "MySQL "
	if textline.Contains(version, "MARIADB") {
		name = "MariaDB "
		version = bytes.TrimPrefix(version, []byte("5.5.5-"))
	}
	f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: name + string(version[:min(len(version), maxText)])})
}

// judge takes an answer to a login.
func (a *analyzer) judge(f *protocol.Flow, body []byte) {
	switch body[0] {
	case 0x00:
		a.rec.answered, a.rec.success = true, true
	case 0xff:
		a.failed(body)
	case 0xfe: // another method is wanted
		if len(body) > 1 {
			c := wire.New(body[1:])
			a.plugin = textline.Set(a.plugin, text(&c), maxText)
		}
		return
	default:
		return
	}
	a.phase = commands
	if a.logins++; a.logins <= maxLogins {
		kind := protocol.LoginFailed
		if a.rec.success {
			kind = protocol.LoginOK
			f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: string(a.user)})
		}
		f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: string(a.user)})
	}
	a.finish(f)
	if a.rec.success && a.caps&(capCompress|capZstd) != 0 {
		f.Finish() // what follows is compressed
	}
}

// failed reads an error packet into the record.
func (a *analyzer) failed(body []byte) {
	c := wire.New(body)
	c.U8()
	a.rec.answered, a.rec.success = true, false
	a.rec.code = c.LE16()
	rest := c.Rest()
	if len(rest) >= 6 && rest[0] == '#' {
		rest = rest[6:]
	}
	a.rec.response = textline.Set(a.rec.response, rest, maxText)
}

// answer follows the answer to a command: an OK or error packet, or columns and
// rows.
func (a *analyzer) answer(f *protocol.Flow, n int, body []byte) {
	end := body[0] == 0xfe && (n < 9 || a.caps&capDeprecateEOF != 0 && n < 0xffffff)
	switch {
	case body[0] == 0xff && a.result != columns:
		a.failed(body)
		a.finish(f)
	case a.result == header && a.rec.cmd == "statistics":
		a.rec.answered, a.rec.success = true, true
		a.rec.response = textline.Set(a.rec.response, body, maxText)
		a.finish(f)
	case a.result == header && body[0] == 0:
		c := wire.New(body[1:])
		a.rec.answered, a.rec.success = true, true
		if a.rec.cmd != "stmt_prepare" {
			a.rec.rows, a.rec.count = lenenc(&c), true
		}
		a.finish(f)
	case a.result == header && end:
		a.rec.answered, a.rec.success = true, true
		a.finish(f)
	case a.result == header && body[0] == 0xfb: // the server asks for a file
		a.rec.response = textline.Set(a.rec.response, body[1:], maxText)
		f.Anomaly("mysql_local_infile", string(a.rec.response))
	case a.result == header:
		c := wire.New(body)
		a.left = lenenc(&c)
		a.rec.answered, a.rec.success, a.rec.count = true, true, true
		a.result = columns
		if a.rec.cmd == "field_list" {
			a.result = rows
		}
	case a.result == columns:
		if a.left > 1 {
			a.left--
			break
		}
		a.result = columnsEnd
		if a.caps&capDeprecateEOF != 0 {
			a.result = rows
		}
	case a.result == columnsEnd:
		a.result = rows
		if !end { // the capabilities are not known
			a.caps |= capDeprecateEOF
			a.rec.rows++
		}
	case a.result == rows && end:
		a.finish(f)
	case a.result == rows:
		a.rec.rows++
	}
}
