// Package ftp reads the control connection of the File Transfer Protocol
// (RFC 959, RFC 2228, RFC 2428, RFC 3659, RFC 4217).
//
// Like Zeek's ftp.log it tells one record per command that moves or removes
// data or opens a data connection, with the reply that ended it and the
// addresses of the data connection.
package ftp

import (
	"bytes"
	"net/netip"
	"strconv"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition of ftp.
var Definition = protocol.Definition{
	Name:       "ftp",
	Doc:        "File Transfer Protocol control connection (RFC 959): recognised by the server's 220 greeting and by commands only FTP has.",
	Transports: protocol.TCP,
	Ports:      []uint16{21},
	OddPort:    true,
	Cleartext:  true,
	Apps:       []string{"ftp-data"}, // its data connections
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the ftp record.
var Schema = record.New("ftp", "ftp", "one FTP command that concerns data, with its reply",
	record.Field{Name: "user", Type: record.String, Doc: "Account of the session, or <unknown> before USER."},
	record.Field{Name: "password", Type: record.String, Doc: "The text <hidden> once a password was sent; the password itself is never told."},
	record.Field{Name: "command", Type: record.String, Doc: "Command, in capitals."},
	record.Field{Name: "arg", Type: record.String, Doc: "Argument of the command; for files an ftp URL made with the working directory as far as it is known."},
	record.Field{Name: "mime_type", Type: record.String, Doc: "Type of the file; never set, the data connection is another session."},
	record.Field{Name: "file_size", Type: record.Count, Doc: "Size of the file in bytes as a reply tells it."},
	record.Field{Name: "reply_code", Type: record.Count, Doc: "Code of the reply that ended the command."},
	record.Field{Name: "reply_msg", Type: record.String, Doc: "Text of the last line of that reply."},
	record.Field{Name: "data_channel.passive", Type: record.Bool, Doc: "Whether the client opens the data connection."},
	record.Field{Name: "data_channel.orig_h", Type: record.Addr, Doc: "Who opens the data connection."},
	record.Field{Name: "data_channel.resp_h", Type: record.Addr, Doc: "Address the data connection goes to."},
	record.Field{Name: "data_channel.resp_p", Type: record.Port, Doc: "Port the data connection goes to."},
	record.Field{Name: "fuid", Type: record.String, Doc: "File identifier; never set."},
)

// Bounds of what is kept of a session.
const (
	maxPending = 32   // commands without a reply
	maxText    = 256  // bytes of a user, argument or reply text
	maxPath    = 512  // bytes of the working directory
	maxLogins  = 1000 // logins told per session
)

// Commands that FTP alone has among the protocols with lines of text, and
// those it shares with others.
var (
	ownCommands    = []string{"PASV", "EPSV", "PORT", "EPRT", "STOR", "APPE", "CWD", "XPWD", "MKD", "RMD", "SYST", "FEAT", "TYPE", "SIZE", "MDTM", "MLSD", "MLST", "NLST", "RNFR", "RNTO", "CDUP", "PBSZ", "PROT", "OPTS", "STRU", "CLNT", "ALLO", "ACCT", "LPRT", "LPSV", "REIN", "SMNT", "ADAT", "XCUP", "XMKD", "XCWD"}
	sharedCommands = []string{"USER", "PASS", "RETR", "LIST", "DELE", "PWD", "QUIT", "NOOP", "AUTH", "REST", "SITE", "STAT", "HELP", "ABOR", "MODE", "HOST", "LANG", "STOU", "CCC"}
)

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 21), client, server)
	e.Reversed = reversed
	return protocol.Verdict(v)
}

func client(b []byte) textline.Verdict {
	line, complete := textline.First(b)
	word, rest := textline.Word(line)
	if !complete && len(word) == len(line) {
		if len(word) <= 4 && (textline.PrefixOf(word, ownCommands) || textline.PrefixOf(word, sharedCommands)) {
			return textline.More
		}
		if textline.OneOf(word, ownCommands) || textline.OneOf(word, sharedCommands) {
			return textline.More
		}
		return textline.No
	}
	switch {
	case textline.OneOf(word, ownCommands):
		return textline.Likely
	case !textline.OneOf(word, sharedCommands):
		return textline.No
	case !complete, textline.Equal(word, "QUIT"), textline.Equal(word, "NOOP"), textline.Equal(word, "HELP"):
		return textline.More // anybody's
	case textline.Equal(word, "AUTH"):
		if !textline.HasPrefix(rest, "TLS") && !textline.HasPrefix(rest, "SSL") && !textline.HasPrefix(rest, "GSSAPI") && !textline.HasPrefix(rest, "KERBEROS") {
			return textline.No // SMTP, POP3 and Redis have it as well
		}
	}
	return textline.Likely
}

func server(b []byte) textline.Verdict {
	line, complete := textline.First(b)
	for i, c := range line[:min(len(line), 3)] {
		if c < '0' || c > '9' || i == 0 && (c < '1' || c > '5') {
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
			return textline.No
		}
		if textline.Contains(line, "FTP") || textline.Contains(line, "FILEZILLA") {
			return textline.Sure
		}
		return textline.Likely
	case 110, 120, 125, 150, 200, 202, 211, 212, 213, 214, 215, 221, 225, 226, 227, 228, 229, 230, 231, 232, 234, 235, 250, 257,
		331, 332, 334, 335, 336, 350, 421, 425, 426, 430, 431, 450, 451, 452, 500, 501, 502, 503, 504, 521, 522, 530, 532, 533, 534, 535, 536, 537, 550, 551, 552, 553:
		return textline.Likely
	}
	return textline.No
}

type command struct {
	verb [4]byte
	arg  []byte
}

type analyzer struct {
	lines   [2]textline.Reader
	user    []byte
	pass    bool // a password was sent
	banner  bool // the greeting is past
	named   bool // the server's program was told
	told    bool // the account was told as a credential
	logins  int
	cwd     []byte
	pending []command // oldest first; memory of arguments is reused
	n       int       // valid entries of pending
	lost    int       // commands beyond maxPending
	reply   int       // code of the multi-line reply at hand, 0 if none
	tls     bool      // a security exchange was asked for

	size    uint64
	hasSize bool
	data    struct {
		set, passive bool
		orig, resp   netip.Addr
		port         uint16
	}
	rec ftpRecord
	arg []byte
}

type ftpRecord struct {
	a    *analyzer
	cmd  *command
	arg  []byte
	code int
	msg  []byte
}

func (r *ftpRecord) Schema() *record.Schema { return Schema }

func (r *ftpRecord) Append(e *record.Encoder) {
	a := r.a
	if len(a.user) > 0 {
		e.Bytes(a.user)
	} else {
		e.Str("<unknown>")
	}
	if a.pass {
		e.Str("<hidden>")
	} else {
		e.Unset()
	}
	e.Bytes(r.cmd.name())
	e.Bytes(r.arg)
	e.Unset()
	if a.hasSize {
		e.Uint(a.size)
	} else {
		e.Unset()
	}
	if r.code > 0 {
		e.Uint(uint64(r.code))
	} else {
		e.Unset()
	}
	e.Bytes(r.msg)
	if a.data.set {
		e.Bool(a.data.passive)
		e.Addr(a.data.orig)
		e.Addr(a.data.resp)
		e.Uint(uint64(a.data.port))
	} else {
		e.Unset()
		e.Unset()
		e.Unset()
		e.Unset()
	}
	e.Unset()
}

func (c *command) name() []byte { return bytes.TrimRight(c.verb[:], "\x00") }

func (c *command) is(name string) bool { return string(c.name()) == name }

// logged reports whether a command is told as a record: Zeek's choice.
func (c *command) logged() bool {
	switch string(c.name()) {
	case "APPE", "DELE", "RETR", "STOR", "STOU", "ACCT", "PORT", "PASV", "EPRT", "EPSV":
		return true
	}
	return false
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
		a.replyLine(f, line)
	}
	return n
}

// Gap goes on at the next line.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.lines[dir].Resync()
	a.n, a.lost, a.reply, a.tls = 0, 0, 0, false
	return true
}

// Close tells the commands that had no reply.
func (a *analyzer) Close(f *protocol.Flow) {
	for i := 0; i < a.n; i++ {
		if a.pending[i].logged() {
			a.emit(f, &a.pending[i], 0, nil)
		}
	}
	a.n = 0
}

func (a *analyzer) command(f *protocol.Flow, line []byte) {
	// Telnet's interrupt and synch may precede ABOR and STAT.
	for len(line) > 0 && line[0] >= 0xf0 {
		line = line[1:]
	}
	word, arg := textline.Word(line)
	if len(word) < 3 || len(word) > 4 {
		if len(word) > 0 {
			f.Anomaly("ftp_invalid_command", "")
		}
		return
	}
	if a.n == maxPending {
		a.lost++
		return
	}
	if a.n == len(a.pending) {
		a.pending = append(a.pending, command{})
	}
	c := &a.pending[a.n]
	a.n++
	c.verb = [4]byte{}
	for i, ch := range word {
		c.verb[i] = textline.Upper(ch)
	}
	c.arg = c.arg[:0]
	switch string(c.name()) {
	case "USER":
		a.user = textline.Set(a.user, arg, maxText)
		a.pass, a.told = false, false
	case "PASS":
		a.pass = true
		if !a.told && a.logins < maxLogins {
			a.told = true
			f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(a.user)})
		}
	case "ADAT":
	case "PORT":
		c.arg = textline.Set(c.arg, arg, maxText)
		a.channel(f, c.arg)
	case "EPRT":
		c.arg = textline.Set(c.arg, arg, maxText)
		a.extended(f, c.arg, false)
	case "AUTH":
		c.arg = textline.Set(c.arg, arg, maxText)
		a.tls = true
	case "CLNT":
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Orig, Value: string(arg[:min(len(arg), maxText)])})
	default:
		c.arg = textline.Set(c.arg, arg, maxText)
	}
}

func (a *analyzer) replyLine(f *protocol.Flow, line []byte) {
	code, more := textline.Code(line)
	if !a.banner && (code == 220 || a.reply == 220) {
		a.greeting(f, line)
	}
	if a.reply != 0 { // RFC 959 section 4.2: the same code and a space end it
		if code != a.reply || more {
			return
		}
	} else if code == 0 {
		return
	}
	a.reply = 0
	if more {
		a.reply = code
		return
	}
	if !a.banner && code == 220 {
		a.banner = true
		return
	}
	a.banner = true
	if code == 421 && a.n == 0 || code < 200 {
		if a.n > 0 && a.pending[0].is("RETR") {
			a.sizeIn(textline.Text(line))
		}
		return
	}
	a.done(f, code, textline.Text(line))
}

// greeting looks for the name of the server's program.
func (a *analyzer) greeting(f *protocol.Flow, line []byte) {
	if code, _ := textline.Code(line); code != 0 {
		line = textline.Text(line)
	}
	if !a.named && (textline.Contains(line, "FTP") || textline.Contains(line, "FILEZILLA")) {
		a.named = true
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: string(line[:min(len(line), maxText)])})
	}
}

// done takes the final reply to the oldest command.
func (a *analyzer) done(f *protocol.Flow, code int, text []byte) {
	if a.n == 0 {
		return
	}
	c := a.pending[0]
	ok := code < 400
	switch string(c.name()) {
	case "USER", "PASS", "ACCT", "ADAT":
		a.login(f, &c, code)
	case "CWD", "XCWD":
		if code == 250 {
			a.cd(c.arg)
		}
	case "CDUP", "XCUP":
		if ok {
			a.cd([]byte(".."))
		}
	case "PWD", "XPWD":
		if code == 257 {
			if i := bytes.IndexByte(text, '"'); i >= 0 {
				if j := bytes.IndexByte(text[i+1:], '"'); j >= 0 {
					a.cwd = textline.Set(a.cwd, text[i+1:i+1+j], maxPath)
				}
			}
		}
	case "SIZE":
		if code == 213 {
			a.size, a.hasSize = textline.Uint(bytes.TrimSpace(text))
		}
	case "PASV":
		if code == 227 {
			if i := bytes.IndexAny(text, "0123456789"); i >= 0 {
				a.passive(f, text[i:])
			}
		}
	case "EPSV":
		if code == 229 {
			if i := bytes.IndexByte(text, '('); i >= 0 {
				a.extended(f, text[i+1:], true)
			}
		}
	case "AUTH":
		a.tls = false
		if code == 234 {
			if textline.HasPrefix(c.arg, "TLS") || textline.HasPrefix(c.arg, "SSL") {
				f.Handover("tls", true)
			} else {
				f.SetEncrypted()
			}
		}
	}
	if c.logged() {
		a.emit(f, &c, code, text)
	}
	switch string(c.name()) {
	case "RETR", "STOR", "STOU", "APPE", "LIST", "NLST", "MLSD":
		a.hasSize = false
		a.data.set = false
	}
	copy(a.pending, a.pending[1:a.n])
	a.n--
	a.pending[a.n] = c // keeps the argument's memory
	if a.n == 0 {
		a.lost = 0
	}
}

func (a *analyzer) login(f *protocol.Flow, c *command, code int) {
	var kind protocol.ObservationKind
	switch {
	case code == 230 || code == 232:
		kind = protocol.LoginOK
	case code == 530 || code == 430 || code == 535:
		kind = protocol.LoginFailed
	default:
		return
	}
	if a.logins++; a.logins > maxLogins {
		return
	}
	user := string(a.user)
	if kind == protocol.LoginOK && user != "" {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: user})
	}
	f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: user})
}

// cd changes the working directory as far as the text of the paths tells it.
func (a *analyzer) cd(arg []byte) {
	switch {
	case len(arg) == 0:
	case arg[0] == '/' || arg[0] == '\\':
		a.cwd = textline.Set(a.cwd, arg, maxPath)
	case string(arg) == "..":
		if i := bytes.LastIndexByte(bytes.TrimRight(a.cwd, "/"), '/'); i >= 0 {
			a.cwd = a.cwd[:max(i, 1)]
		}
	default:
		if len(a.cwd) == 0 {
			a.cwd = append(a.cwd, '.')
		}
		if len(a.cwd)+1+len(arg) <= maxPath {
			if a.cwd[len(a.cwd)-1] != '/' {
				a.cwd = append(a.cwd, '/')
			}
			a.cwd = append(a.cwd, arg...)
		}
	}
}

// channel reads h1,h2,h3,h4,p1,p2 as the argument of PORT.
func (a *analyzer) channel(f *protocol.Flow, b []byte) {
	addr, port, ok := hostPort(b)
	if !ok {
		f.Anomaly("ftp_invalid_port", "")
		return
	}
	if packet.AddrOf(addr) != f.Session.Orig {
		f.Anomaly("ftp_data_address_mismatch", addr.String())
	}
	a.data.set, a.data.passive = true, false
	a.data.orig, a.data.resp, a.data.port = f.Session.Resp.Netip(), addr, port
	a.announce(f)
}

// announce tells where the data connection will go. A server behind address
// translation may give an address of its own network: the client then goes to
// the one it knows.
func (a *analyzer) announce(f *protocol.Flow) {
	o := protocol.Observation{Kind: protocol.Expected, Addr: packet.AddrOf(a.data.resp), Port: a.data.port, Proto: packet.ProtoTCP, Value: "ftp-data"}
	f.Observe(o)
	if a.data.passive && o.Addr != f.Session.Resp {
		o.Addr = f.Session.Resp
		f.Observe(o)
	}
}

// passive reads h1,h2,h3,h4,p1,p2 of a 227 reply.
func (a *analyzer) passive(f *protocol.Flow, b []byte) {
	addr, port, ok := hostPort(b)
	if !ok {
		f.Anomaly("ftp_invalid_pasv", "")
		return
	}
	a.data.set, a.data.passive = true, true
	a.data.orig, a.data.resp, a.data.port = f.Session.Orig.Netip(), addr, port
	a.announce(f)
}

func hostPort(b []byte) (netip.Addr, uint16, bool) {
	var v [6]byte
	for i := range v {
		n, digits := 0, 0
		for digits < len(b) && digits < 4 && b[digits] >= '0' && b[digits] <= '9' {
			n = n*10 + int(b[digits]-'0')
			digits++
		}
		if digits == 0 || n > 255 || i < 5 && (digits == len(b) || b[digits] != ',') {
			return netip.Addr{}, 0, false
		}
		v[i] = byte(n)
		b = b[min(digits+1, len(b)):]
	}
	return netip.AddrFrom4([4]byte(v[:4])), uint16(v[4])<<8 | uint16(v[5]), true
}

// extended reads |protocol|address|port| (RFC 2428), whose first two are empty
// in a reply to EPSV.
func (a *analyzer) extended(f *protocol.Flow, b []byte, passive bool) {
	if len(b) < 5 {
		f.Anomaly("ftp_invalid_eprt", "")
		return
	}
	var part [3][]byte
	sep := b[:1]
	b = b[1:]
	for i := range part {
		k := bytes.IndexByte(b, sep[0])
		if k < 0 {
			f.Anomaly("ftp_invalid_eprt", "")
			return
		}
		part[i], b = b[:k], b[k+1:]
	}
	port, ok := textline.Uint(part[2])
	if !ok || port > 65535 {
		f.Anomaly("ftp_invalid_eprt", "")
		return
	}
	if passive {
		a.data.set, a.data.passive, a.data.port = true, true, uint16(port)
		a.data.orig, a.data.resp = f.Session.Orig.Netip(), f.Session.Resp.Netip()
		a.announce(f)
		return
	}
	addr, err := netip.ParseAddr(string(part[1][:min(len(part[1]), 64)]))
	if err != nil {
		f.Anomaly("ftp_invalid_eprt", "")
		return
	}
	addr = addr.WithZone("").Unmap()
	if packet.AddrOf(addr) != f.Session.Orig {
		f.Anomaly("ftp_data_address_mismatch", addr.String())
	}
	a.data.set, a.data.passive, a.data.port = true, false, uint16(port)
	a.data.orig, a.data.resp = f.Session.Resp.Netip(), addr
	a.announce(f)
}

// sizeIn finds "(123 bytes)" in the text of a 150 reply.
func (a *analyzer) sizeIn(text []byte) {
	i := bytes.LastIndexByte(text, '(')
	if i < 0 {
		return
	}
	word, rest := textline.Word(text[i+1:])
	if v, ok := textline.Uint(word); ok && textline.HasPrefix(rest, "BYTES") {
		a.size, a.hasSize = v, true
	}
}

// emit tells a command. Files are named by a URL as in Zeek's log.
func (a *analyzer) emit(f *protocol.Flow, c *command, code int, text []byte) {
	arg := c.arg
	switch string(c.name()) {
	case "APPE", "DELE", "RETR", "STOR", "STOU":
		b := append(a.arg[:0], "ftp://"...)
		v6 := !f.Session.Resp.Is4()
		if v6 {
			b = append(b, '[')
		}
		b = f.Session.Resp.AppendTo(b)
		if v6 {
			b = append(b, ']')
		}
		if f.Session.RespPort != 21 {
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(f.Session.RespPort), 10)
		}
		if len(arg) == 0 || arg[0] != '/' {
			cwd := a.cwd
			if len(cwd) == 0 {
				cwd = []byte(".")
			}
			if cwd[0] != '/' {
				b = append(b, '/')
			}
			b = append(b, cwd...)
			if b[len(b)-1] != '/' {
				b = append(b, '/')
			}
		}
		a.arg = append(b, arg...)
		arg = a.arg
	}
	a.rec = ftpRecord{a: a, cmd: c, arg: arg, code: code, msg: text[:min(len(text), maxText)]}
	f.Emit(&a.rec)
}
