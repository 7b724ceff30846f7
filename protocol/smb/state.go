package smb

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"tyto/protocol"
	"tyto/protocol/dcerpc"
	"tyto/protocol/ntlm"
	"tyto/session"
)

// login is one sign-in.
type login struct {
	ntlm.Negotiation
	user      string // account that was accepted
	plain     bool   // without a security token
	plainUser string // and its account
}

// treeKey identifies a mapped share: identifiers of trees are unique in a
// session.
type treeKey struct {
	session uint64
	tree    uint32
}

// tree is a mapped share.
type tree struct {
	path string
	kind shareKind
}

type shareKind uint8

// Kinds of shares; the values are SMB2's (MS-SMB2 section 2.2.10).
const (
	shareUnknown shareKind = iota
	shareDisk
	sharePipe
	sharePrint
)

// String returns the kind's name in Zeek's smb_mapping.log.
func (k shareKind) String() string {
	switch k {
	case shareDisk:
		return "DISK"
	case sharePipe:
		return "PIPE"
	case sharePrint:
		return "PRINT"
	}
	return "UNKNOWN"
}

// fileKey identifies an open file: SMB2's two halves, or SMB1's FID with a
// second half that SMB2 does not have.
type fileKey struct{ persistent, volatile uint64 }

// relatedKey stands for the file of the command before (MS-SMB2 section
// 3.3.5.2.7.2).
var relatedKey = fileKey{1<<64 - 1, 1<<64 - 1}

func fid(id uint16) fileKey { return fileKey{uint64(id), 1<<64 - 2} }

// times are a file's, in nanoseconds since the epoch; 0 is unknown.
type times struct{ created, accessed, modified, changed int64 }

// file is an open file or pipe.
type file struct {
	key     fileKey
	path    string // of the share
	name    string
	user    string
	pipe    bool
	opened  bool // its opening is in the capture
	created bool
	doomed  bool // to be deleted when closed
	listed  bool
	size    uint64
	times   times

	readBytes, writtenBytes uint64
	reads, writes           uint64

	sniffed bool
	conn    *dcerpc.Conn // nil if the pipe carries something else
}

// data takes pipe data. Whether it is DCE/RPC its first byte tells: all PDUs
// begin with the version, 5.
func (p *file) data(f *protocol.Flow, a *analyzer, dir session.Direction, b []byte) {
	if !p.sniffed && len(b) > 0 {
		p.sniffed = true
		if b[0] == 5 && a.files.pipes < maxPipes {
			a.files.pipes++
			p.conn = a.newConn(p.name)
			f.AddService("dcerpc")
		}
	}
	if p.conn != nil {
		p.conn.Data(f, dir, b)
	}
}

// table holds the open files. When it is full the file that was opened first is
// given up.
type table struct {
	files map[fileKey]*file
	order []*file // in the order of opening; may hold files that are closed
	pipes int
}

func (t *table) get(k fileKey) *file { return t.files[k] }

// add puts a file into the table and returns the one it takes the place of, if
// any.
func (t *table) add(p *file) (old *file) {
	if t.files == nil {
		t.files = make(map[fileKey]*file)
	}
	if old = t.files[p.key]; old != nil {
		t.remove(old)
	}
	for old == nil && len(t.files) >= maxFiles {
		if q := t.order[0]; t.files[q.key] == q {
			old = q
			t.remove(q)
		}
		t.order = t.order[1:]
	}
	if len(t.order) >= 2*maxFiles {
		t.order = slices.DeleteFunc(slices.Clone(t.order), func(q *file) bool { return t.files[q.key] != q })
	}
	t.files[p.key] = p
	t.order = append(t.order, p)
	return old
}

func (t *table) remove(p *file) {
	delete(t.files, p.key)
	if p.conn != nil {
		t.pipes--
	}
}

// each calls do for every open file in the order of opening, and empties the
// table.
func (t *table) each(do func(*file)) {
	for _, p := range t.order {
		if t.files[p.key] == p {
			delete(t.files, p.key)
			do(p)
		}
	}
	*t = table{}
}

// request is one that waits for its response.
type request struct {
	command uint16
	kind    uint8  // of a SET_INFO or transaction: what it does
	options uint32 // of a CREATE
	session uint64
	tree    uint32
	create  uint64 // its file is what the CREATE with this message id, plus one, opens; 0: key
	key     fileKey
	bytes   uint64 // to write
	name    string
	login   *login
}

func (a *analyzer) await(id uint64, r request) {
	if a.requests == nil {
		a.requests = make(map[uint64]request)
	}
	if len(a.requests) >= maxRequests {
		clear(a.requests)
	}
	a.requests[id] = r
}

// take returns the request that a response belongs to.
func (a *analyzer) take(id uint64, keep bool) (r request, ok bool) {
	r, ok = a.requests[id]
	if ok && !keep {
		delete(a.requests, id)
	}
	return r, ok
}

func (a *analyzer) user(session uint64) string {
	if l := a.logins[session]; l != nil {
		return l.user
	}
	return ""
}

// mapped notes that the server answered to a request for a share.
func (a *analyzer) mapped(f *protocol.Flow, k treeKey, t tree, m mappingRecord) {
	m.path, m.user = t.path, a.user(k.session)
	a.mapping = m
	f.Emit(&a.mapping)
	if m.status != statusSuccess {
		return
	}
	if host := hostOf(t.path); host != "" {
		f.Observe(protocol.Observation{Kind: protocol.ServerName, Addr: f.Session.Resp, Value: host, Source: "smb"})
		if a.facts.serverName == "" {
			a.facts.serverName = host
		}
	}
	if a.trees == nil {
		a.trees = make(map[treeKey]*tree)
	}
	if _, known := a.trees[k]; known || len(a.trees) < maxTrees {
		a.trees[k] = &t
	}
}

// hostOf returns the server's name in a path, unless it is an address.
func hostOf(path string) string {
	host, _, _ := strings.Cut(strings.TrimLeft(path, `\`), `\`)
	if _, err := netip.ParseAddr(host); err == nil || strings.HasSuffix(strings.ToLower(host), ".ipv6-literal.net") {
		return ""
	}
	return host
}

// open notes that the server opened a file.
func (a *analyzer) open(f *protocol.Flow, p *file, k treeKey) {
	t := a.trees[k]
	if t != nil {
		p.path = t.path
		p.pipe = t.kind == sharePipe
	} else {
		p.pipe = dcerpc.ByName(p.name) != nil
	}
	p.user, p.opened = a.user(k.session), true
	if old := a.files.add(p); old != nil {
		a.closeFile(f, old)
	}
	action := "SMB::FILE_OPEN"
	switch {
	case p.pipe:
		action = "SMB::PIPE_OPEN"
	case t != nil && t.kind == sharePrint:
		action = "SMB::PRINT_OPEN"
	}
	a.told(f, action, p, fileRecord{})
}

// refused notes that the server did not open a file. Only what the client may
// not do is told: names that do not exist are asked for all the time.
func (a *analyzer) refused(f *protocol.Flow, name string, k treeKey, status uint32) {
	if status != statusAccessDenied {
		return
	}
	p := &file{name: name, user: a.user(k.session)}
	action := "SMB::FILE_OPEN"
	if t := a.trees[k]; t != nil {
		p.path = t.path
		if t.kind == sharePipe {
			action = "SMB::PIPE_OPEN"
		}
	}
	a.told(f, action, p, fileRecord{status: status})
}

// told writes the record of an action on a file.
func (a *analyzer) told(f *protocol.Flow, action string, p *file, r fileRecord) {
	r.action, r.path, r.user, r.file = action, p.path, p.user, p
	if r.name == "" {
		r.name = p.name
	}
	a.fileRec = r
	f.Emit(&a.fileRec)
	a.fileRec.file = nil
}

// closeFile tells what was done to a file that is closed.
func (a *analyzer) closeFile(f *protocol.Flow, p *file) {
	if p.conn != nil {
		p.conn.Close(f)
	}
	if p.pipe {
		return
	}
	if p.reads > 0 {
		a.told(f, "SMB::FILE_READ", p, fileRecord{bytes: p.readBytes, ops: p.reads})
	}
	if p.writes > 0 {
		a.told(f, "SMB::FILE_WRITE", p, fileRecord{bytes: p.writtenBytes, ops: p.writes})
	}
	if p.doomed {
		a.told(f, "SMB::FILE_DELETE", p, fileRecord{})
	}
}

// signedIn notes the result of a sign-in.
func (a *analyzer) signedIn(f *protocol.Flow, l *login, status uint32, guest, anonymous bool) {
	ok := status == statusSuccess
	r := &a.facts
	account, mech := l.Account(), l.Mech.String()
	if l.plain {
		account, mech = l.plainUser, "password"
	}
	if ok {
		r.logins++
		l.user = account
		if account != "" {
			r.user = account
		}
		switch {
		case guest:
			mech = "guest"
		case anonymous || l.Anonymous:
			mech = "anonymous"
		}
	} else {
		r.failed++
		r.status = status
	}
	if mech != "" {
		r.auth = mech
	}
	l.Result(f, ok)
	if l.plain && account != "" {
		kind := protocol.LoginFailed
		if ok {
			kind = protocol.LoginOK
		}
		f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: account, Source: "smb"})
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
