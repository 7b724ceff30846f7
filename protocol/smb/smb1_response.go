package smb

import (
	"strings"

	"tyto/protocol"
	"tyto/protocol/ntlm"
)

// response1 reads the command of a response. A result above 0 is what Parse has
// consumed, and the message is done with.
func (a *analyzer) response1(f *protocol.Flow, s *stream, m *message1) int {
	switch m.command {
	case cmd1TreeDisconnect:
		delete(a.trees, treeKey{m.session, m.tree})
		return 0
	case cmd1Transaction + 1, cmd1Transaction2 + 1:
		return 0
	}
	r, ok := a.take(m.mid<<8|uint64(m.command), false)
	if !ok {
		return 0
	}
	p := a.files.get(r.key)
	switch m.command {
	case cmd1Negotiate:
		a.negotiated1(m, r.name)
	case cmd1SessionSetup:
		a.signIn1(f, m, r.login)
	case cmd1TreeConnect:
		a.treeDone1(f, m, &r)
	case cmd1Create, cmd1Open:
		a.createDone1(f, m, &r)
	case cmd1Read:
		return a.readDone1(s, m, p)
	case cmd1Transaction:
		w := m.words
		w.Skip(12)
		n, off := int(w.LE16()), int(w.LE16())
		if p != nil && p.pipe && !failed(m.status) && w.OK() {
			return s.pass(p, off, n, m.size)
		}
	default:
		if !failed(m.status) {
			a.done1(f, m, &r, p)
		}
	}
	return 0
}

// done1 notes that a request about a file was carried out.
func (a *analyzer) done1(f *protocol.Flow, m *message1, r *request, p *file) {
	named := file{name: r.name, user: a.user(r.session)}
	if t := a.trees[treeKey{r.session, r.tree}]; t != nil {
		named.path = t.path
	}
	switch m.command {
	case cmd1Close:
		if p != nil {
			a.files.remove(p)
			a.closeFile(f, p)
		}
	case cmd1Write:
		if p != nil {
			p.writes++
			p.writtenBytes += r.bytes
		}
	case cmd1Delete, cmd1DeleteDirectory:
		a.told(f, "SMB::FILE_DELETE", &named, fileRecord{})
	case cmd1Rename:
		prev, name, _ := strings.Cut(r.name, "\n")
		a.told(f, "SMB::FILE_RENAME", &named, fileRecord{name: name, prev: prev})
	case cmd1Transaction2:
		switch {
		case r.kind == trans2Find:
			a.told(f, "SMB::DIR_LIST", &named, fileRecord{})
		case r.kind > kindSetFile && p != nil:
			a.applied(f, p, r.kind-kindSetFile, r.name)
		}
	}
}

// capExtended is the capability of security tokens (MS-SMB section 2.2.4.5.2).
const capExtended = 0x80000000

// negotiated1 reads a NEGOTIATE response (MS-CIFS section 2.2.4.52.2).
func (a *analyzer) negotiated1(m *message1, offered string) {
	w, c := m.words, m.data
	index := int(w.LE16())
	r := &a.facts
	r.version = "SMB1"
	if list := strings.Split(offered, "\n"); index < len(list) {
		r.dialect = list[index]
	}
	if m.nwords != 17 {
		return
	}
	mode := w.U8()
	w.Skip(16)
	caps, now := w.LE32(), w.LE64()
	w.Skip(2)
	challenge := int(w.U8())
	if !w.OK() {
		return
	}
	r.signing = mode&0x08 != 0
	r.serverTime = ntlm.Filetime(now)
	if caps&capExtended != 0 {
		r.server = guid(c.Bytes(16))
		return
	}
	// The names, of the domain and of the server, are not aligned. Samba writes
	// UTF-16 without setting the flag.
	c.Skip(challenge)
	if rest := c.Rest(); len(rest) > 1 && rest[1] == 0 {
		m.flags2 |= flag1Unicode
	}
	m.text(&c, c.Offset())
	if name := m.text(&c, c.Offset()); name != "" && r.serverName == "" {
		r.serverName = name
	}
}

// signIn1 reads a SESSION_SETUP_ANDX response.
func (a *analyzer) signIn1(f *protocol.Flow, m *message1, l *login) {
	if l == nil {
		return
	}
	w, c := m.words, m.data
	w.Skip(4)
	guest := w.LE16()&1 != 0
	var token []byte
	if m.nwords == 4 {
		token = c.Bytes(min(int(w.LE16()), c.Len()))
	}
	if m.nwords >= 3 {
		if os := m.text(&c, m.position); os != "" {
			a.facts.nativeOS = os
			a.facts.nativeLM = m.text(&c, m.position)
		}
	}
	if m.session != 0 && (m.status == statusMoreProcessing || !failed(m.status)) && a.logins[m.session] != l {
		a.keepLogin(f, m.session, l)
	}
	if m.status == statusMoreProcessing {
		l.Server(f, token)
		return
	}
	ok := !failed(m.status)
	a.signedIn(f, l, m.status, guest && ok, l.plain && l.plainUser == "")
	if ok && len(token) > 0 {
		l.Server(f, token)
	}
}

// treeDone1 reads a TREE_CONNECT_ANDX response (MS-CIFS section 2.2.4.55.2).
func (a *analyzer) treeDone1(f *protocol.Flow, m *message1, r *request) {
	k := treeKey{m.session, m.tree}
	if failed(m.status) {
		a.mapped(f, k, tree{path: r.name}, mappingRecord{status: m.status})
		return
	}
	c := m.data
	t := tree{path: r.name}
	rec := mappingRecord{service: ascii(&c)}
	switch {
	case rec.service == "A:":
		t.kind = shareDisk
	case rec.service == "IPC":
		t.kind = sharePipe
	case strings.HasPrefix(rec.service, "LPT"):
		t.kind = sharePrint
	}
	rec.system = m.text(&c, m.position)
	rec.kind = t.kind.String()
	a.mapped(f, k, t, rec)
}

// createDone1 reads an NT_CREATE_ANDX response (MS-CIFS section 2.2.4.64.2) or
// an OPEN_ANDX response (section 2.2.4.41.2).
func (a *analyzer) createDone1(f *protocol.Flow, m *message1, r *request) {
	k := treeKey{r.session, m.tree}
	if failed(m.status) {
		a.refused(f, r.name, k, m.status)
		return
	}
	w := m.words
	w.Skip(4)
	p := &file{name: r.name}
	if m.command == cmd1Open {
		p.key = fid(w.LE16())
		w.Skip(6)
		p.size = uint64(w.LE32())
	} else {
		w.Skip(1)
		p.key = fid(w.LE16())
		action := w.LE32()
		p.created = action == 0 || action >= 2
		p.times.created = ntlm.Filetime(w.LE64())
		p.times.accessed = ntlm.Filetime(w.LE64())
		p.times.modified = ntlm.Filetime(w.LE64())
		p.times.changed = ntlm.Filetime(w.LE64())
		w.Skip(12)
		p.size = w.LE64()
		p.doomed = r.options&optionDeleteOnClose != 0
	}
	if !w.OK() {
		return
	}
	a.open(f, p, k)
}

// readDone1 reads a READ_ANDX response (MS-CIFS section 2.2.4.42.2).
func (a *analyzer) readDone1(s *stream, m *message1, p *file) int {
	w := m.words
	w.Skip(10)
	n := int(w.LE16())
	off := int(w.LE16())
	n |= int(w.LE16()) << 16
	if p == nil || failed(m.status) || !w.OK() {
		return 0
	}
	if p.pipe {
		return s.pass(p, off, n, m.size)
	}
	p.reads++
	p.readBytes += uint64(n)
	return 0
}
