package smb

import (
	"tyto/protocol"
	"tyto/protocol/ntlm"
)

// response2 reads a response and returns what Parse has consumed.
func (a *analyzer) response2(f *protocol.Flow, s *stream, c *command2) int {
	pending := c.status == statusPending
	switch c.command {
	case cmd2Negotiate:
		if c.status == statusSuccess {
			a.negotiated2(f, c)
		}
	case cmd2TreeDisconnect:
		delete(a.trees, treeKey{c.session, c.tree})
	default:
		r, ok := a.take(c.mid, pending)
		if !ok || pending || r.command != c.command {
			break
		}
		p := a.fileOf(&r)
		switch c.command {
		case cmd2Read:
			return a.readDone2(s, c, p)
		case cmd2Ioctl:
			b := c.at(96)
			if off, n := int(b.LE32()), int(b.LE32()); !failed(c.status) && b.OK() && p != nil && p.pipe {
				return s.pass(p, off, n, c.size)
			}
		case cmd2Write:
			if p != nil && !failed(c.status) {
				p.writes++
				p.writtenBytes += r.bytes
			}
		case cmd2SessionSetup:
			a.signIn2(f, c, r.login)
		case cmd2TreeConnect:
			a.treeDone2(f, c, &r)
		case cmd2Create:
			a.createDone2(f, c, &r)
		default:
			if p != nil && !failed(c.status) {
				a.done2(f, c, &r, p)
			}
		}
	}
	s.left -= c.size
	return c.size
}

// done2 notes that a request about an open file was carried out.
func (a *analyzer) done2(f *protocol.Flow, c *command2, r *request, p *file) {
	switch c.command {
	case cmd2Close:
		a.files.remove(p)
		a.closeFile(f, p)
	case cmd2QueryDirectory:
		if !p.listed {
			p.listed = true
			a.told(f, "SMB::DIR_LIST", p, fileRecord{name: join(p.name, r.name)})
		}
	case cmd2SetInfo:
		a.applied(f, p, r.kind, r.name)
	}
}

func join(dir, pattern string) string {
	if dir == "" || dir == shareRoot {
		return pattern
	}
	return dir + `\` + pattern
}

// applied notes that information was set on a file.
func (a *analyzer) applied(f *protocol.Flow, p *file, kind uint8, name string) {
	switch kind {
	case setRename:
		prev := p.name
		p.name = name
		a.told(f, "SMB::FILE_RENAME", p, fileRecord{prev: prev})
	case setDelete:
		if !p.doomed {
			a.told(f, "SMB::FILE_DELETE", p, fileRecord{})
		}
		p.doomed = false
	case setKeep:
		p.doomed = false
	case setAttributes:
		a.told(f, "SMB::FILE_SET_ATTRIBUTE", p, fileRecord{})
	}
}

// negotiated2 reads a NEGOTIATE response (MS-SMB2 section 2.2.4).
func (a *analyzer) negotiated2(f *protocol.Flow, c *command2) {
	b := c.at(66)
	mode, dialect := b.LE16(), b.LE16()
	b.Skip(2)
	server := b.Bytes(16)
	b.Skip(16)
	now := b.LE64()
	if !b.OK() {
		f.Anomaly("smb2_truncated_command", "negotiate")
		return
	}
	r := &a.facts
	r.signing = mode&2 != 0
	r.server = guid(server)
	r.serverTime = ntlm.Filetime(now)
	r.version, r.dialect = "SMB2", dialectName(dialect)
	if dialect >= 0x0300 {
		r.version = "SMB3"
	}
}

func dialectName(d uint16) string {
	switch d {
	case 0x0202:
		return "2.0.2"
	case 0x0210:
		return "2.1"
	case 0x0300:
		return "3.0"
	case 0x0302:
		return "3.0.2"
	case dialect311:
		return "3.1.1"
	case dialectAny:
		return "2.???"
	}
	return "unknown"
}

// Session flags of a SESSION_SETUP response.
const (
	sessionGuest = 1
	sessionNull  = 2
)

// signIn2 reads a SESSION_SETUP response (MS-SMB2 section 2.2.6).
func (a *analyzer) signIn2(f *protocol.Flow, c *command2, l *login) {
	if l == nil {
		return
	}
	if c.session != 0 && a.logins[c.session] != l && !failed(c.status) || c.status == statusMoreProcessing && c.session != 0 {
		a.keepLogin(f, c.session, l)
	}
	b := c.at(66)
	flags := b.LE16()
	token := c.sub(int(b.LE16()), int(b.LE16()))
	if c.status == statusMoreProcessing {
		l.Server(f, token)
		return
	}
	a.signedIn(f, l, c.status, flags&sessionGuest != 0 && !failed(c.status), flags&sessionNull != 0 && !failed(c.status))
	if !failed(c.status) && len(token) > 0 {
		l.Server(f, token)
	}
}

// treeDone2 reads a TREE_CONNECT response (MS-SMB2 section 2.2.10).
func (a *analyzer) treeDone2(f *protocol.Flow, c *command2, r *request) {
	if failed(c.status) {
		a.mapped(f, treeKey{c.session, 0}, tree{path: r.name}, mappingRecord{status: c.status})
		return
	}
	b := c.at(66)
	kind := shareKind(b.U8())
	b.Skip(1)
	flags := b.LE32()
	if kind > sharePrint {
		kind = shareUnknown
	}
	const encryptData = 0x8000
	a.mapped(f, treeKey{c.session, c.tree}, tree{path: r.name, kind: kind},
		mappingRecord{kind: kind.String(), encrypted: flags&encryptData != 0 && b.OK()})
}

// shareRoot stands for the empty name, as in Zeek's smb_files.log.
const shareRoot = "<share_root>"

const optionDeleteOnClose = 0x1000

// createDone2 reads a CREATE response (MS-SMB2 section 2.2.14).
func (a *analyzer) createDone2(f *protocol.Flow, c *command2, r *request) {
	t := treeKey{r.session, r.tree}
	if failed(c.status) {
		a.refused(f, r.name, t, c.status)
		return
	}
	b := c.at(68)
	p := &file{name: r.name, doomed: r.options&optionDeleteOnClose != 0}
	action := b.LE32()
	p.created = action == 0 || action >= 2
	p.times.created = ntlm.Filetime(b.LE64())
	p.times.accessed = ntlm.Filetime(b.LE64())
	p.times.modified = ntlm.Filetime(b.LE64())
	p.times.changed = ntlm.Filetime(b.LE64())
	b.Skip(8)
	p.size = b.LE64()
	b.Skip(8)
	p.key = fileKey{b.LE64(), b.LE64()}
	if !b.OK() {
		f.Anomaly("smb2_truncated_command", "create")
		return
	}
	a.open(f, p, t)
	a.opened, a.openedMid = p, c.mid+1
}

// readDone2 reads a READ response (MS-SMB2 section 2.2.20).
func (a *analyzer) readDone2(s *stream, c *command2, p *file) int {
	b := c.at(66)
	off := int(b.U8())
	b.Skip(1)
	n := b.LE32()
	if p != nil && !failed(c.status) && b.OK() {
		if p.pipe {
			return s.pass(p, off, int(n), c.size)
		}
		p.reads++
		p.readBytes += uint64(n)
	}
	s.left -= c.size
	return c.size
}
