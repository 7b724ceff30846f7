package smb

import (
	"encoding/binary"
	"strings"

	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/protocol/dcerpc"
	"tyto/protocol/ntlm"
	"tyto/session"
)

// Commands (MS-SMB2 section 2.2.1.2).
const (
	cmd2Negotiate = iota
	cmd2SessionSetup
	cmd2Logoff
	cmd2TreeConnect
	cmd2TreeDisconnect
	cmd2Create
	cmd2Close
	cmd2Flush
	cmd2Read
	cmd2Write
	cmd2Lock
	cmd2Ioctl
	cmd2Cancel
	cmd2Echo
	cmd2QueryDirectory
	cmd2ChangeNotify
	cmd2QueryInfo
	cmd2SetInfo
	cmd2OplockBreak
	cmd2Last = cmd2OplockBreak
)

const (
	header2Bytes = 64
	flag2Server  = 0x1
	flag2Async   = 0x2
	flag2Related = 0x4

	fsctlPipeTransceive = 0x0011c017
)

// header2 is a packet header (MS-SMB2 section 2.2.1).
type header2 struct {
	status  uint32
	command uint16
	flags   uint32
	next    uint32
	mid     uint64
	tree    uint32
	session uint64
}

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func readHeader2(b []byte) header2 {
	return header2{status: le32(b[8:]), command: le16(b[12:]), flags: le32(b[16:]), next: le32(b[20:]),
		mid: le64(b[24:]), tree: le32(b[36:]), session: le64(b[40:])}
}

// smb2 reads the command at the front of data: one of those that the message at
// hand is made of.
func (a *analyzer) smb2(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.streams[dir]
	if s.left < header2Bytes {
		f.Anomaly("smb2_truncated_header", "")
		return a.drop(s)
	}
	if len(data) < header2Bytes {
		return 0
	}
	h := readHeader2(data)
	size := s.left
	if h.next != 0 {
		if h.next < header2Bytes || int64(h.next) > int64(s.left) {
			f.Anomaly("smb2_bad_next_command", "")
			return a.drop(s)
		}
		size = int(h.next)
	}
	if h.command > cmd2Last {
		f.Anomaly("smb2_unknown_command", "")
		s.left -= size
		return size
	}
	need := min(size, need2(&h))
	if len(data) < need {
		return 0
	}
	if !a.facts.seen {
		a.facts.seen, a.facts.version = true, "SMB2"
	}
	c := command2{header2: h, b: data[:need], size: size}
	if h.flags&flag2Server != 0 {
		return a.response2(f, s, &c)
	}
	return a.request2(f, s, &c)
}

// need2 returns how many bytes of a command are read.
func need2(h *header2) int {
	server := h.flags&flag2Server != 0
	switch h.command {
	case cmd2Negotiate, cmd2SessionSetup:
		return maxToken
	case cmd2TreeConnect, cmd2SetInfo, cmd2QueryDirectory:
		if server {
			return 80
		}
		return maxCommand
	case cmd2Create:
		if server {
			return 152
		}
		return maxCommand
	case cmd2Read:
		if server {
			return 80
		}
		return 96
	case cmd2Write:
		if server {
			return 80
		}
		return 112 + pduHeader
	case cmd2Ioctl:
		if server {
			return 112
		}
		return 120
	case cmd2Close:
		return 88
	}
	return header2Bytes
}

// pduHeader is how much of what is written to a file whose opening is not in
// the capture is looked at, to see whether it is a pipe with DCE/RPC.
const pduHeader = 16

// command2 is one command. Of its size bytes b has the first ones, which are
// all that is looked at however the stream was cut.
type command2 struct {
	header2
	b    []byte
	size int
}

// at returns a cursor at an offset of the command.
func (c *command2) at(off int) wire.Cursor {
	r := wire.New(c.b)
	r.Seek(off)
	return r
}

// sub returns n bytes at an offset of the command; what is not there is cut.
func (c *command2) sub(off, n int) []byte {
	if off < header2Bytes || off > len(c.b) || n < 0 {
		return nil
	}
	return c.b[off:min(off+n, len(c.b))]
}

func (c *command2) fileID(off int) fileKey {
	r := c.at(off)
	return fileKey{r.LE64(), r.LE64()}
}

func (c *command2) name(off, n int) string {
	var buf [maxName]byte
	return string(ntlm.AppendUTF16(buf[:0], c.sub(off, n), maxName))
}

// request2 reads a request and returns what Parse has consumed.
func (a *analyzer) request2(f *protocol.Flow, s *stream, c *command2) int {
	x := &s.chain
	if c.flags&flag2Related == 0 {
		x.session, x.tree = c.session, c.tree
	}
	r := request{command: c.command, session: x.session, tree: x.tree}
	switch c.command {
	case cmd2Negotiate:
		a.negotiate2(f, c)
	case cmd2SessionSetup:
		r.login = a.sessionSetup2(f, c)
		a.await(c.mid, r)
	case cmd2TreeConnect:
		b := c.at(68)
		r.name = c.name(int(b.LE16()), int(b.LE16()))
		a.await(c.mid, r)
	case cmd2Create:
		b := c.at(100)
		b.Skip(4)
		r.options = b.LE32()
		r.name = c.name(int(b.LE16()), int(b.LE16()))
		if r.name == "" {
			r.name = shareRoot
		}
		x.create, x.file = c.mid+1, relatedKey
		a.await(c.mid, r)
	case cmd2Close:
		a.refer(&r, x, c.fileID(72))
		a.await(c.mid, r)
	case cmd2Read:
		a.refer(&r, x, c.fileID(80))
		a.await(c.mid, r)
	case cmd2Write:
		return a.write2(f, s, c, &r)
	case cmd2Ioctl:
		return a.ioctl2(f, s, c, &r)
	case cmd2QueryDirectory:
		a.refer(&r, x, c.fileID(72))
		b := c.at(88)
		r.name = c.name(int(b.LE16()), int(b.LE16()))
		a.await(c.mid, r)
	case cmd2SetInfo:
		a.refer(&r, x, c.fileID(80))
		if a.setInfo2(c, &r) {
			a.await(c.mid, r)
		}
	}
	s.left -= c.size
	return c.size
}

// refer notes which file a request is about.
func (a *analyzer) refer(r *request, x *chain, k fileKey) {
	if k == relatedKey {
		k, r.create = x.file, x.create
	} else {
		x.file, x.create = k, 0
	}
	r.key = k
}

// fileOf returns the file that a request is about; nil if it is not known.
func (a *analyzer) fileOf(r *request) *file {
	if r.create != 0 {
		if a.openedMid == r.create && a.files.get(a.opened.key) == a.opened {
			return a.opened
		}
		return nil
	}
	return a.files.get(r.key)
}

// negotiate2 reads a NEGOTIATE request (MS-SMB2 section 2.2.3).
func (a *analyzer) negotiate2(f *protocol.Flow, c *command2) {
	b := c.at(66)
	dialects := int(b.LE16())
	b.Skip(8)
	a.facts.client = guid(b.Bytes(16))
	offset, count := int(b.LE32()), int(b.LE16())
	b.Skip(2)
	for range dialects {
		if b.LE16() == dialect311 && b.OK() {
			a.contexts(f, c, offset, count)
			return
		}
	}
}

const (
	dialect311     = 0x0311
	dialectAny     = 0x02ff
	contextNetname = 5
	maxContexts    = 16
)

// contexts reads the negotiate contexts of a request (MS-SMB2 section 2.2.3.1):
// one has the name the client reaches the server by.
func (a *analyzer) contexts(f *protocol.Flow, c *command2, off, n int) {
	for range min(n, maxContexts) {
		b := c.at(off)
		kind, size := b.LE16(), int(b.LE16())
		if !b.OK() {
			return
		}
		if kind == contextNetname {
			if name := c.name(off+8, size); name != "" {
				a.facts.serverName = name
				if host := hostOf(name); host != "" {
					f.Observe(protocol.Observation{Kind: protocol.ServerName, Addr: f.Session.Resp, Value: host, Source: "smb"})
				}
			}
		}
		off = (off + 8 + size + 7) &^ 7
	}
}

func guid(b []byte) (u dcerpc.UUID) {
	if len(b) != 16 {
		return u
	}
	u = dcerpc.UUID(b)
	u[0], u[1], u[2], u[3] = b[3], b[2], b[1], b[0]
	u[4], u[5], u[6], u[7] = b[5], b[4], b[7], b[6]
	return u
}

// sessionSetup2 reads a SESSION_SETUP request (MS-SMB2 section 2.2.5).
func (a *analyzer) sessionSetup2(f *protocol.Flow, c *command2) *login {
	l := a.logins[c.session]
	if l == nil || c.session == 0 {
		l = a.newLogin()
		if c.session != 0 {
			a.keepLogin(f, c.session, l)
		}
	}
	b := c.at(76)
	l.Client(f, c.sub(int(b.LE16()), int(b.LE16())))
	return l
}

func (a *analyzer) newLogin() *login {
	return &login{Negotiation: ntlm.Negotiation{Kerberos: a.kerberos}}
}

// keepLogin remembers the sign-in of a session.
func (a *analyzer) keepLogin(f *protocol.Flow, id uint64, l *login) {
	if a.logins == nil {
		a.logins = make(map[uint64]*login)
	}
	if len(a.logins) >= maxLogins && a.logins[id] == nil {
		for _, k := range sortedKeys(a.logins) {
			a.logins[k].Close(f)
		}
		clear(a.logins)
	}
	a.logins[id] = l
}

// write2 reads a WRITE request (MS-SMB2 section 2.2.21).
func (a *analyzer) write2(f *protocol.Flow, s *stream, c *command2, r *request) int {
	b := c.at(66)
	off, n := int(b.LE16()), b.LE32()
	b.Skip(8)
	k := fileKey{b.LE64(), b.LE64()}
	a.refer(r, &s.chain, k)
	r.bytes = uint64(n)
	p := a.fileOf(r)
	if b.OK() && r.create == 0 {
		p = a.unopened(f, p, c.sub(off, pduHeader), r)
	}
	a.await(c.mid, *r)
	if p == nil || !p.pipe {
		s.left -= c.size
		return c.size
	}
	return s.pass(p, off, int(n), c.size)
}

// unopened makes a pipe of a file whose opening, or whose share, is not in the
// capture, if what is written to it starts with DCE/RPC.
func (a *analyzer) unopened(f *protocol.Flow, p *file, b []byte, r *request) *file {
	if p != nil && (p.pipe || p.path != "") || !dcerpc.Plausible(b) {
		return p
	}
	if p == nil {
		return a.addPipe(f, r)
	}
	p.pipe = true
	return p
}

// addPipe makes a pipe whose opening is not in the capture.
func (a *analyzer) addPipe(f *protocol.Flow, r *request) *file {
	p := &file{key: r.key, pipe: true, user: a.user(r.session)}
	if old := a.files.add(p); old != nil {
		a.closeFile(f, old)
	}
	return p
}

// ioctl2 reads an IOCTL request (MS-SMB2 section 2.2.31).
func (a *analyzer) ioctl2(f *protocol.Flow, s *stream, c *command2, r *request) int {
	b := c.at(68)
	code := b.LE32()
	k := fileKey{b.LE64(), b.LE64()}
	off, n := int(b.LE32()), int(b.LE32())
	if code != fsctlPipeTransceive || !b.OK() {
		s.left -= c.size
		return c.size
	}
	a.refer(r, &s.chain, k)
	p := a.fileOf(r)
	if p == nil && r.create == 0 {
		p = a.addPipe(f, r)
	}
	a.await(c.mid, *r)
	return s.pass(p, off, n, c.size)
}

// What a SET_INFO request does.
const (
	setRename = iota + 1
	setDelete
	setKeep
	setAttributes
)

// Information classes (MS-FSCC section 2.4).
const (
	infoBasic         = 4
	infoRename        = 10
	infoDisposition   = 13
	infoDispositionEx = 64
	infoRenameEx      = 65
)

// setInfo2 reads a SET_INFO request (MS-SMB2 section 2.2.39). It reports
// whether the response is of interest.
func (a *analyzer) setInfo2(c *command2, r *request) bool {
	b := c.at(66)
	kind, class := b.U8(), b.U8()
	n, off := int(b.LE32()), int(b.LE16())
	if kind != 1 || !b.OK() {
		return false
	}
	v := wire.New(c.sub(off, n))
	switch class {
	case infoRename, infoRenameEx:
		v.Skip(16)
		size := int(v.LE32())
		if !v.OK() {
			return false
		}
		r.kind, r.name = setRename, strings.TrimPrefix(c.name(off+20, size), `\`)
	case infoDisposition, infoDispositionEx:
		r.kind = setKeep
		if v.U8()&1 != 0 {
			r.kind = setDelete
		}
	case infoBasic:
		r.kind = setAttributes
	}
	return r.kind != 0
}
