package smb

import (
	"bytes"
	"strings"

	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/protocol/ntlm"
	"tyto/session"
)

// Commands (MS-CIFS section 2.2.2.1).
const (
	cmd1CreateDirectory = 0x00
	cmd1DeleteDirectory = 0x01
	cmd1Close           = 0x04
	cmd1Delete          = 0x06
	cmd1Rename          = 0x07
	cmd1Transaction     = 0x25
	cmd1Open            = 0x2d // OPEN_ANDX
	cmd1Read            = 0x2e // READ_ANDX
	cmd1Write           = 0x2f // WRITE_ANDX
	cmd1Transaction2    = 0x32
	cmd1TreeDisconnect  = 0x71
	cmd1Negotiate       = 0x72
	cmd1SessionSetup    = 0x73
	cmd1Logoff          = 0x74
	cmd1TreeConnect     = 0x75 // TREE_CONNECT_ANDX
	cmd1Create          = 0xa2 // NT_CREATE_ANDX
	cmd1None            = 0xff
)

const (
	header1Bytes = 32
	flag1Reply   = 0x80
	flag1Unicode = 0x8000 // of Flags2
	flag1Status  = 0x4000 // of Flags2: the status is an NTSTATUS

	maxAndX     = 8       // commands of one message
	maxDialects = 32      // dialects a client may offer
	ioBytes     = 32 + 80 // of a message with file contents
)

// message1 is a message and the command of it that is read.
type message1 struct {
	command  uint8
	status   uint32
	flags2   uint16
	tree     uint32
	session  uint64
	mid      uint64
	b        []byte // what is looked at of the message
	size     int
	words    wire.Cursor
	nwords   int
	data     wire.Cursor // bytes after the words
	position int         // of data in b
}

// smb1 reads the message at the front of data.
func (a *analyzer) smb1(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.streams[dir]
	if s.left < header1Bytes+3 {
		f.Anomaly("smb1_truncated_header", "")
		return a.drop(s)
	}
	if len(data) < header1Bytes+3 {
		return 0
	}
	m := message1{command: data[4], status: le32(data[5:]), flags2: le16(data[10:]), tree: uint32(le16(data[24:])),
		session: uint64(le16(data[28:])), size: s.left}
	m.mid = uint64(le16(data[30:])) | uint64(le16(data[26:]))<<16 | uint64(le16(data[12:]))<<32
	reply := data[9]&flag1Reply != 0 || dir == session.Resp
	need := min(s.left, need1(m.command, reply))
	if len(data) < need {
		return 0
	}
	if !a.facts.seen {
		a.facts.seen, a.facts.version = true, "SMB1"
	}
	if m.flags2&flag1Status == 0 && m.status != 0 {
		m.status = dosStatus(m.status)
	}
	m.b = data[:need]
	return a.commands1(f, s, &m, reply)
}

// need1 returns how many bytes of a message are read.
func need1(command uint8, reply bool) int {
	switch command {
	case cmd1Negotiate, cmd1SessionSetup:
		return maxToken
	case cmd1Read, cmd1Write, cmd1Close:
		return ioBytes
	case cmd1Transaction2:
		if reply {
			return ioBytes
		}
	}
	return maxCommand
}

// dosStatus makes an NTSTATUS of an error class and code (MS-CIFS section
// 2.2.2.4): of those that matter, and a general failure of the others.
func dosStatus(s uint32) uint32 {
	class, code := s&0xff, s>>16
	switch {
	case class == 1 && code == 5:
		return statusAccessDenied
	case class == 1 && code == 234, class == 0:
		return statusSuccess
	case class == 2 && code == 2:
		return 0xc000006d
	case class == 2 && code == 6:
		return 0xc00000cc
	}
	return 0xc0000001
}

// commands1 reads the commands of a message, which AndX chains (MS-CIFS section
// 2.2.3.4), and returns what Parse has consumed.
func (a *analyzer) commands1(f *protocol.Flow, s *stream, m *message1, reply bool) int {
	at := header1Bytes
	for range maxAndX {
		if !m.load(at) {
			if m.size <= len(m.b) {
				f.Anomaly("smb1_truncated_command", "")
			}
			break
		}
		next, off := uint8(cmd1None), 0
		if andX(m.command) && m.nwords >= 2 {
			w := m.words
			next = w.U8()
			w.Skip(1)
			off = int(w.LE16())
		}
		var n int
		if reply {
			n = a.response1(f, s, m)
		} else {
			n = a.request1(f, s, m)
		}
		if n > 0 {
			return n
		}
		if next == cmd1None || next == 0 && off == 0 {
			break
		}
		if off <= at {
			f.Anomaly("smb1_bad_andx_offset", "")
			break
		}
		m.command, at = next, off
	}
	return a.drop(s)
}

// load sets the words and data of the command at an offset.
func (m *message1) load(at int) bool {
	c := wire.New(m.b)
	c.Seek(at)
	m.nwords = int(c.U8())
	m.words = c.Sub(2 * m.nwords)
	if !c.OK() {
		return false
	}
	n := int(c.LE16())
	m.position = c.Offset()
	m.data = wire.New(c.Rest()[:min(n, c.Len())])
	return c.OK()
}

func andX(command uint8) bool {
	switch command {
	case cmd1Open, cmd1Read, cmd1Write, cmd1SessionSetup, cmd1Logoff, cmd1TreeConnect, cmd1Create, 0x24:
		return true
	}
	return false
}

// sub returns n bytes at an offset of the message; what is not there is cut.
func (m *message1) sub(off, n int) []byte {
	if off < header1Bytes || off > len(m.b) || n < 0 {
		return nil
	}
	return m.b[off:min(off+n, len(m.b))]
}

// text reads a string off the front of c, which starts at an offset of the
// message: UTF-16 at an even offset, or bytes.
func (m *message1) text(c *wire.Cursor, position int) string {
	if m.flags2&flag1Unicode == 0 {
		return ascii(c)
	}
	if (position+c.Offset())&1 != 0 {
		c.Skip(1)
	}
	b := c.Rest()
	n := len(b) &^ 1
	for i := 0; i+1 < len(b); i += 2 {
		if b[i]|b[i+1] == 0 {
			n = i
			break
		}
	}
	c.Skip(min(n+2, len(b)))
	var buf [maxName]byte
	return string(ntlm.AppendUTF16(buf[:0], b[:n], maxName))
}

// ascii reads a string of bytes that ends with a zero byte.
func ascii(c *wire.Cursor) string {
	b := c.Rest()
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		n = len(b)
	}
	c.Skip(min(n+1, len(b)))
	return string(b[:min(n, maxName)])
}

// request1 reads the command of a request. A result above 0 is what Parse has
// consumed, and the message is done with.
func (a *analyzer) request1(f *protocol.Flow, s *stream, m *message1) int {
	r := request{command: uint16(m.command), session: m.session, tree: m.tree}
	w := m.words
	switch m.command {
	case cmd1Negotiate:
		r.name = dialects(m.data)
	case cmd1SessionSetup:
		r.login = a.sessionSetup1(f, m)
	case cmd1TreeConnect:
		w.Skip(6)
		c := m.data
		c.Skip(int(w.LE16()))
		r.name = m.text(&c, m.position)
	case cmd1Create:
		w.Skip(5)
		n := int(w.LE16())
		w.Skip(32)
		r.options = w.LE32()
		c := m.data
		r.name = trimName(m.text(&c, m.position))
		if n == 0 || r.name == "" {
			r.name = shareRoot
		}
	case cmd1Open:
		c := m.data
		r.name = trimName(m.text(&c, m.position))
	case cmd1Close, cmd1Read:
		if m.command == cmd1Read {
			w.Skip(4)
		}
		r.key = fid(w.LE16())
	case cmd1Write:
		return a.write1(f, s, m, &r)
	case cmd1Delete, cmd1DeleteDirectory, cmd1Rename:
		r.name = m.paths()
	case cmd1Transaction:
		return a.transaction1(f, s, m, &r)
	case cmd1Transaction2:
		a.transaction2(f, m, &r)
	default:
		return 0
	}
	a.await(m.mid<<8|uint64(m.command), r)
	return 0
}

func trimName(s string) string { return strings.TrimPrefix(s, `\`) }

// dialects returns the names of the dialects a client offers, a line each.
func dialects(c wire.Cursor) string {
	var list []string
	for c.Len() > 0 && len(list) < maxDialects {
		c.Skip(1)
		list = append(list, ascii(&c))
	}
	return strings.Join(list, "\n")
}

// paths returns the one or two paths of a command, a line each; each follows a
// byte that says so.
func (m *message1) paths() string {
	c := m.data
	c.Skip(1)
	first := trimName(m.text(&c, m.position))
	if m.command != cmd1Rename {
		return first
	}
	c.Skip(1)
	return first + "\n" + trimName(m.text(&c, m.position))
}

// sessionSetup1 reads a SESSION_SETUP_ANDX request: with a security token
// (MS-SMB section 2.2.4.6.1) or with passwords (MS-CIFS section 2.2.4.53.1).
func (a *analyzer) sessionSetup1(f *protocol.Flow, m *message1) *login {
	l := a.logins[m.session]
	if l == nil || m.session == 0 {
		l = a.newLogin()
	}
	w, c := m.words, m.data
	w.Skip(14)
	switch m.nwords {
	case 12:
		l.Client(f, c.Bytes(min(int(w.LE16()), c.Len())))
		a.facts.clientOS = m.text(&c, m.position)
	case 13:
		oem, unicode := int(w.LE16()), int(w.LE16())
		c.Skip(oem)
		c.Skip(unicode)
		user := m.text(&c, m.position)
		domain := m.text(&c, m.position)
		a.facts.clientOS = m.text(&c, m.position)
		l.password(f, user, domain)
	case 10:
		c.Skip(int(w.LE16()))
		user := m.text(&c, m.position)
		domain := m.text(&c, m.position)
		l.password(f, user, domain)
	}
	return l
}

// password notes a sign-in without a security token.
func (l *login) password(f *protocol.Flow, user, domain string) {
	l.plain = true
	l.plainUser = user
	if domain != "" && user != "" {
		l.plainUser = domain + `\` + user
	}
	if user != "" {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: l.plainUser, Source: "smb"})
	}
}

// write1 reads a WRITE_ANDX request (MS-CIFS section 2.2.4.43.1).
func (a *analyzer) write1(f *protocol.Flow, s *stream, m *message1, r *request) int {
	w := m.words
	w.Skip(4)
	id := w.LE16()
	w.Skip(12)
	high := int(w.LE16())
	n := int(w.LE16()) | high<<16
	off := int(w.LE16())
	r.key, r.bytes = fid(id), uint64(n)
	p := a.files.get(r.key)
	if w.OK() {
		p = a.unopened(f, p, m.sub(off, pduHeader), r)
	}
	a.await(m.mid<<8|cmd1Write, *r)
	if p == nil || !p.pipe || !w.OK() {
		return a.drop(s)
	}
	return s.pass(p, off, n, m.size)
}

// Subcommands of transactions.
const (
	transactPipe   = 0x26
	trans2Find     = 0x0001
	trans2SetPath  = 0x0006
	trans2SetFile  = 0x0008
	trans2Session  = 0x000e
	setDisposition = 0x0102
	passThrough    = 1000 // offset of native information classes
)

// transactionParts is where a transaction's parts are.
type transactionParts struct {
	setup                           wire.Cursor
	params, paramOff, data, dataOff int
}

func (m *message1) parts() (t transactionParts, ok bool) {
	w := m.words
	w.Skip(18)
	t.params, t.paramOff = int(w.LE16()), int(w.LE16())
	t.data, t.dataOff = int(w.LE16()), int(w.LE16())
	n := int(w.U8())
	w.Skip(1)
	t.setup = w.Sub(2 * n)
	return t, w.OK()
}

// transaction1 reads a TRANSACTION request (MS-CIFS section 2.2.4.33.1); that
// which writes to a pipe and reads the answer is of interest.
func (a *analyzer) transaction1(f *protocol.Flow, s *stream, m *message1, r *request) int {
	t, ok := m.parts()
	if !ok || t.setup.LE16() != transactPipe {
		return 0
	}
	r.key = fid(t.setup.LE16())
	p := a.unopened(f, a.files.get(r.key), m.sub(t.dataOff, pduHeader), r)
	a.await(m.mid<<8|cmd1Transaction, *r)
	if p == nil || !p.pipe {
		return 0
	}
	return s.pass(p, t.dataOff, t.data, m.size)
}

// transaction2 reads a TRANSACTION2 request (MS-CIFS section 2.2.6).
func (a *analyzer) transaction2(f *protocol.Flow, m *message1, r *request) {
	t, ok := m.parts()
	if !ok {
		return
	}
	params := wire.New(m.sub(t.paramOff, t.params))
	data := wire.New(m.sub(t.dataOff, t.data))
	switch t.setup.LE16() {
	case trans2Find:
		params.Skip(12)
		r.kind, r.name = trans2Find, trimName(m.text(&params, t.paramOff))
	case trans2SetFile:
		r.key = fid(params.LE16())
		switch level := params.LE16(); level {
		case setDisposition, passThrough + infoDisposition:
			r.kind = setKeep
			if data.U8()&1 != 0 {
				r.kind = setDelete
			}
		case passThrough + infoRename:
			data.Skip(8)
			n := int(data.LE32())
			var buf [maxName]byte
			r.kind, r.name = setRename, trimName(string(ntlm.AppendUTF16(buf[:0], data.Rest()[:min(n, data.Len())], maxName)))
		default:
			return
		}
		r.kind += kindSetFile
	case trans2Session:
		f.Anomaly("smb1_trans2_session_setup", "not used by any client, but by a known implant")
	}
}

// kindSetFile is added to a request's kind to tell it from trans2Find.
const kindSetFile = 0x10
