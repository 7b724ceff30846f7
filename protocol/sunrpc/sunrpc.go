// Package sunrpc reads ONC remote procedure calls (RFC 5531), and names the
// programs called: NFS, mount, the port mapper and others.
package sunrpc

import (
	"encoding/binary"
	"strconv"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "sunrpc",
	Apps:       []string{"nfs", "mount", "portmap", "nlm", "rpcstat", "ypserv"},
	Doc:        "ONC remote procedure call (RFC 5531); recognised by message type, RPC version 2, a program number and the sizes of credentials.",
	Transports: protocol.UDP | protocol.TCP,
	Ports:      []uint16{111, 2049},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
	MaxBuffer:  4 << 10,
}

// Schema of the sunrpc record: one for each procedure that is called.
var Schema = record.New("sunrpc", "", "The first call of a remote procedure in a session.",
	record.Field{Name: "program", Type: record.Count, Doc: "Program number."},
	record.Field{Name: "program_name", Type: record.String, Doc: "Program by name."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version of the program."},
	record.Field{Name: "procedure", Type: record.Count, Doc: "Procedure number."},
	record.Field{Name: "procedure_name", Type: record.String, Doc: "Procedure by name."},
	record.Field{Name: "auth", Type: record.String, Doc: "How the caller says who it is: none, unix, gss …"},
	record.Field{Name: "machine", Type: record.String, Doc: "Machine name in the credentials of the caller."},
	record.Field{Name: "user", Type: record.Count, Doc: "User number in the credentials of the caller."},
	record.Field{Name: "asked_program", Type: record.Count, Doc: "Program whose port the port mapper is asked for."},
)

const (
	call, reply = 0, 1
	rpcVersion  = 2
	authUnix    = 1
	maxAuth     = 400 // RFC 5531 section 8.2
	callBytes   = 40
	replyBytes  = 24
	// maxHead is how much of a record is looked at: a call's header, its
	// credentials and the start of the arguments.
	maxHead       = callBytes + 2*maxAuth + 64
	maxProcedures = 64 // different procedures told in a session
	maxMachine    = 64
)

// message reports whether b starts with a call or a reply, and which.
func message(b []byte) (kind uint32, ok bool) {
	if len(b) < replyBytes {
		return 0, false
	}
	switch kind = binary.BigEndian.Uint32(b[4:]); kind {
	case call:
		if len(b) < callBytes {
			return 0, false
		}
		program := binary.BigEndian.Uint32(b[12:])
		flavor, n := binary.BigEndian.Uint32(b[24:]), binary.BigEndian.Uint32(b[28:])
		ok = binary.BigEndian.Uint32(b[8:]) == rpcVersion && program >= 99999 && program < 0x60000000 && binary.BigEndian.Uint32(b[16:]) <= 16 &&
			binary.BigEndian.Uint32(b[20:]) < 1024 && (flavor <= 7 || flavor >= 300000 && flavor < 400000) && n <= maxAuth && n%4 == 0
	case reply:
		// Accepted, with a verifier and a status.
		n := binary.BigEndian.Uint32(b[16:])
		if binary.BigEndian.Uint32(b[8:]) == 0 && binary.BigEndian.Uint32(b[12:]) <= 7 && n <= maxAuth && n%4 == 0 && int(n)+replyBytes <= len(b) {
			ok = binary.BigEndian.Uint32(b[20+n:]) <= 5
		}
	}
	return kind, ok
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.TCP {
		if len(b) > 0 && b[0]&0x80 == 0 || len(b) > 1 && b[0]&0x7f != 0 {
			return protocol.No
		}
		if len(b) < 4+replyBytes {
			return protocol.More
		}
		n := binary.BigEndian.Uint32(b) & 0x7fffffff
		if b = b[4:]; n < replyBytes || binary.BigEndian.Uint32(b[4:]) > reply {
			return protocol.No
		}
		if binary.BigEndian.Uint32(b[4:]) == call && len(b) < callBytes {
			if binary.BigEndian.Uint32(b[8:]) == rpcVersion {
				return protocol.More
			}
			return protocol.No
		}
	}
	kind, ok := message(b)
	switch {
	case !ok:
		return protocol.No
	case kind == call:
		e.Reversed = e.Dir == session.Resp
		return protocol.Sure
	}
	if s := e.Seen[e.Dir.Other()]; len(s) >= 8 && string(s[:4]) == string(b[:4]) {
		return protocol.Sure
	}
	if !e.Port(111) && !e.Port(2049) {
		return protocol.No
	}
	e.Reversed = e.Dir == session.Orig
	return protocol.Likely
}

type procedure struct{ program, version, number uint32 }

type analyzer struct {
	rec     Record
	seen    []procedure
	machine bool // told
	more    [2]bool
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Gap goes on with the next segment if that starts a record.
func (a *analyzer) Gap(*protocol.Flow, session.Direction, int) bool { return true }

// Parse reads datagrams, or the fragments of records (RFC 5531 section 11).
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if f.Datagram() {
		a.message(f, dir, data)
		return len(data)
	}
	if len(data) < 4 {
		return 0
	}
	h := binary.BigEndian.Uint32(data)
	n := int(h & 0x7fffffff)
	if n > 16<<20 {
		f.Anomaly("bad_RPC", "record too long")
		return protocol.SkipAll
	}
	if len(data) < 4+min(n, maxHead) {
		return 0
	}
	if !a.more[dir] && !a.message(f, dir, data[4:4+min(n, maxHead)]) {
		return protocol.SkipAll
	}
	a.more[dir] = h&0x80000000 == 0
	return 4 + n
}

// message reads a call. It returns false if b is neither call nor reply.
func (a *analyzer) message(f *protocol.Flow, dir session.Direction, b []byte) bool {
	kind, ok := message(b)
	if !ok {
		if len(b) < replyBytes || binary.BigEndian.Uint32(b[4:]) > reply {
			f.Anomaly("bad_RPC", "")
			return false
		}
		return true
	}
	if kind == reply {
		return true
	}
	r := &a.rec
	c := wire.New(b)
	c.Skip(12)
	p := procedure{c.U32(), c.U32(), c.U32()}
	for _, s := range a.seen {
		if s == p {
			return true
		}
	}
	if len(a.seen) == maxProcedures {
		return true
	}
	if len(a.seen) == 0 {
		if name := appName(p.program); name != "" {
			f.SetApp(name)
		}
	}
	a.seen = append(a.seen, p)
	*r = Record{procedure: p, flavor: c.U32()}
	cred := c.Sub(int(c.U32()))
	if r.flavor == authUnix {
		cred.Skip(4)
		n := int(cred.U32())
		r.machine = cred.Bytes(n)
		cred.Skip(-n & 3)
		r.user = cred.U32()
		r.hasUser = cred.OK()
	}
	c.Skip(4)
	c.Skip(int(c.U32()))
	if p.program == 100000 && p.version == 2 && p.number == 3 {
		r.asked = c.U32()
	}
	if len(r.machine) > 0 && len(r.machine) <= maxMachine && !a.machine {
		a.machine = true
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: string(r.machine)})
	}
	f.Emit(r)
	return true
}

func appName(program uint32) string {
	switch program {
	case 100000:
		return "portmap"
	case 100003:
		return "nfs"
	case 100004:
		return "ypserv"
	case 100005:
		return "mount"
	case 100021:
		return "nlm"
	case 100024:
		return "rpcstat"
	}
	return ""
}

func programName(program uint32) string {
	switch program {
	case 100001:
		return "rstatd"
	case 100002:
		return "rusersd"
	case 100007:
		return "ypbind"
	case 100008:
		return "walld"
	case 100011:
		return "rquotad"
	case 100083:
		return "ttdbserverd"
	case 100068:
		return "cmsd"
	case 100227:
		return "nfs_acl"
	case 100232:
		return "sadmind"
	case 100249:
		return "snmpXdmid"
	case 300019:
		return "amd"
	case 395183:
		return "vxi-11"
	case 395184:
		return "vxi-11-async"
	case 1073741824:
		return "nfs_callback"
	}
	return appName(program)
}

var (
	portmap2 = []string{"NULL", "SET", "UNSET", "GETPORT", "DUMP", "CALLIT"}
	portmap3 = []string{"NULL", "SET", "UNSET", "GETADDR", "DUMP", "BCAST", "GETTIME", "UADDR2TADDR", "TADDR2UADDR", "GETVERSADDR", "INDIRECT", "GETADDRLIST", "GETSTAT"}
	nfs2     = []string{"NULL", "GETATTR", "SETATTR", "ROOT", "LOOKUP", "READLINK", "READ", "WRITECACHE", "WRITE", "CREATE", "REMOVE", "RENAME", "LINK",
		"SYMLINK", "MKDIR", "RMDIR", "READDIR", "STATFS"}
	nfs3 = []string{"NULL", "GETATTR", "SETATTR", "LOOKUP", "ACCESS", "READLINK", "READ", "WRITE", "CREATE", "MKDIR", "SYMLINK", "MKNOD", "REMOVE",
		"RMDIR", "RENAME", "LINK", "READDIR", "READDIRPLUS", "FSSTAT", "FSINFO", "PATHCONF", "COMMIT"}
	nfs4   = []string{"NULL", "COMPOUND"}
	mount3 = []string{"NULL", "MNT", "DUMP", "UMNT", "UMNTALL", "EXPORT"}
)

func (p procedure) name() string {
	var names []string
	switch {
	case p.program == 100000 && p.version == 2:
		names = portmap2
	case p.program == 100000:
		names = portmap3
	case p.program == 100003 && p.version == 2:
		names = nfs2
	case p.program == 100003 && p.version == 3:
		names = nfs3
	case p.program == 100003:
		names = nfs4
	case p.program == 100005:
		names = mount3
	case p.number == 0:
		return "NULL"
	}
	if int(p.number) < len(names) {
		return names[p.number]
	}
	return ""
}

// Record is a call.
type Record struct {
	procedure
	flavor, user, asked uint32
	hasUser             bool
	machine             []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Uint(uint64(r.program))
	e.Str(programName(r.program))
	e.Uint(uint64(r.version))
	e.Uint(uint64(r.number))
	e.Str(r.name())
	flavors := [...]string{"none", "unix", "short", "dh", "kerberos", "rsa", "gss", "tls"}
	if int(r.flavor) < len(flavors) {
		e.Str(flavors[r.flavor])
	} else {
		e.Str(strconv.Itoa(int(r.flavor)))
	}
	e.Bytes(r.machine[:min(len(r.machine), maxMachine)])
	if r.hasUser {
		e.Uint(uint64(r.user))
	} else {
		e.Unset()
	}
	if r.asked == 0 {
		e.Unset()
	} else {
		e.Uint(uint64(r.asked))
	}
}
