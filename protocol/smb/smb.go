// Package smb reads SMB, Windows file and pipe sharing, in all its versions
// (MS-CIFS, MS-SMB, MS-SMB2): who signs in, which shares are mapped, which files
// are opened, read, written, renamed and deleted, and, through named pipes, the
// remote procedure calls of package dcerpc. Of file contents only the sizes are
// looked at.
package smb

import (
	"bytes"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/protocol/dcerpc"
	"tyto/protocol/ntlm"
	"tyto/session"
)

// Definition describes the protocol.
var Definition = protocol.Definition{
	Name:       "smb",
	Doc:        "SMB over TCP, with or without NetBIOS sessions, recognised by its signature on any port (MS-CIFS, MS-SMB2).",
	Transports: protocol.TCP,
	Ports:      []uint16{445, 139},
	OddPort:    true,
	Probe:      probe,
	New:        New(nil),
	Schemas:    []*record.Schema{SessionSchema, MappingSchema, FileSchema},
}

// New returns a constructor of analyzers that hand the Kerberos messages of
// sign-ins to the given function; nil drops them.
func New(kerberos ntlm.Kerberos) func() protocol.Analyzer {
	return func() protocol.Analyzer { return &analyzer{kerberos: kerberos} }
}

// Limits of what an analyzer keeps.
const (
	maxRequests = 1024     // requests that wait for their response
	maxTrees    = 256      // mapped shares
	maxFiles    = 1024     // open files
	maxPipes    = 64       // pipes that are read, among them
	maxLogins   = 64       // signed-in users
	maxName     = 512      // bytes of a name
	maxCommand  = 4 << 10  // bytes of a command with a name
	maxToken    = 64 << 10 // bytes of a command with a security token
)

// Layout of a NetBIOS session packet (RFC 1002 section 4.3.1), which SMB over
// TCP keeps (MS-SMB2 section 2.1).
const (
	nbHeaderBytes = 4
	nbMessage     = 0x00
	nbRequest     = 0x81
	nbPositive    = 0x82
	nbNegative    = 0x83
	nbRetarget    = 0x84
	nbKeepAlive   = 0x85
	nbNameBytes   = 34 // one encoded name
)

// First byte of each kind of message; "SMB" follows.
const (
	magicCompressed = 0xfc
	magicTransform  = 0xfd
	magic2          = 0xfe
	magic1          = 0xff
)

// sender is who sent a message, as far as it tells.
type sender uint8

const (
	senderUnknown sender = iota
	senderClient
	senderServer
)

func probe(e *protocol.Evidence) protocol.Verdict {
	verdict := protocol.No
	for dir, b := range e.Data {
		if len(b) == 0 {
			continue
		}
		v, by := weigh(b, e)
		if v == protocol.Sure {
			e.Reversed = by == senderServer && session.Direction(dir) == session.Orig || by == senderClient && session.Direction(dir) == session.Resp
			return v
		}
		verdict = max(verdict, v)
	}
	return verdict
}

// senderBytes is how many bytes of a message tell who sent it.
const senderBytes = 20

// senderOf returns who sent the message at the front of b, which has
// senderBytes of it.
func senderOf(b []byte) sender {
	switch {
	case b[0] == magic1 && b[9]&0x80 == 0, b[0] == magic2 && b[16]&flag2Server == 0:
		return senderClient
	case b[0] == magic1, b[0] == magic2:
		return senderServer
	}
	return senderUnknown
}

// weigh tells how sure the start of a direction is, and who sent it.
func weigh(b []byte, e *protocol.Evidence) (protocol.Verdict, sender) {
	switch b[0] {
	case nbMessage:
		m := b[min(len(b), nbHeaderBytes):]
		switch {
		case !startsMagic(m):
			return odd(b, e)
		case len(m) < senderBytes:
			return protocol.More, senderUnknown
		}
		return protocol.Sure, senderOf(m)
	case nbRequest:
		if len(b) < nbHeaderBytes+1 {
			return protocol.More, senderUnknown
		}
		if b[1] == 0 && b[2] == 0 && b[3] == 2*nbNameBytes && b[4] == 32 {
			return protocol.Sure, senderClient
		}
	case nbPositive, nbKeepAlive:
		if len(b) < nbHeaderBytes || b[1]|b[2]|b[3] == 0 {
			return protocol.More, senderUnknown
		}
	}
	return odd(b, e)
}

// startsMagic reports whether b may be the start of a message, as far as it
// goes.
func startsMagic(b []byte) bool {
	for i, v := range b[:min(len(b), 4)] {
		if i == 0 && v < magicCompressed || i > 0 && v != "SMB"[i-1] {
			return false
		}
	}
	return true
}

// odd is for a session that starts inside a message: on SMB's ports, a header
// further on is looked for.
func odd(b []byte, e *protocol.Evidence) (protocol.Verdict, sender) {
	if !e.Port(445) && !e.Port(139) {
		return protocol.No, senderUnknown
	}
	i := findHeader(b)
	if i < 0 || len(b) < i+nbHeaderBytes+senderBytes {
		return protocol.More, senderUnknown
	}
	return protocol.Sure, senderOf(b[i+nbHeaderBytes:])
}

// findHeader returns the offset of the first message that b may hold, -1 if
// there is none.
func findHeader(b []byte) int {
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte("SMB"))
		if i < 0 {
			return -1
		}
		i += from
		if i > nbHeaderBytes && b[i-1] >= magicTransform && b[i-1-nbHeaderBytes] == nbMessage {
			return i - 1 - nbHeaderBytes
		}
		from = i + 1
	}
}

// analyzer reads one connection.
type analyzer struct {
	kerberos ntlm.Kerberos
	streams  [2]stream
	facts    facts
	requests map[uint64]request
	trees    map[treeKey]*tree
	logins   map[uint64]*login
	files    table
	mapping  mappingRecord
	fileRec  fileRecord

	opened    *file  // what the latest CREATE opened, for related commands
	openedMid uint64 // its message id, plus one
}

// stream is one direction.
type stream struct {
	begun  bool // the first message was seen
	left   int  // bytes of the message at hand
	skip   int  // bytes to pass over after a gap inside a message
	unread int  // bytes given to Parse and not consumed
	lost   bool // no message begins at a known place

	// Pipe data that passes by, and what follows it in its command.
	pipe     *file
	pipeLeft int
	pad      int

	chain chain
}

// chain is what related commands of a compound take from those before them.
type chain struct {
	session uint64
	tree    uint32
	file    fileKey
	create  uint64 // message id of the CREATE before, plus one
}

// Parse implements protocol.Analyzer.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	n := a.parse(f, dir, data)
	a.streams[dir].unread = max(len(data)-n, 0)
	return n
}

func (a *analyzer) parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.streams[dir]
	if s.skip > 0 {
		n := s.skip
		s.skip = 0
		return n
	}
	if !s.begun {
		if len(data) < 2*nbHeaderBytes && f.Session.Flags&session.MidSession != 0 {
			return 0
		}
		// A capture that starts inside a session often starts inside a message,
		// or with the byte of a keep-alive probe. That is no anomaly.
		s.begun = true
		s.lost = f.Session.Flags&session.MidSession != 0 && (data[0] != nbMessage || !startsMagic(data[nbHeaderBytes:]))
	}
	if s.lost {
		i := findHeader(data)
		if i < 0 {
			return max(len(data)-2*nbHeaderBytes, 0)
		}
		s.lost = false
		if i > 0 {
			return i
		}
	}
	switch {
	case s.pipeLeft > 0:
		return a.pipeData(f, dir, data)
	case s.left == 0:
		return a.packet(f, dir, data)
	}
	if s.left < 4 {
		return a.drop(s)
	}
	if len(data) < 4 {
		return 0
	}
	if !startsMagic(data) {
		f.Anomaly("smb_bad_signature", "")
		return a.drop(s)
	}
	switch data[0] {
	case magic2:
		return a.smb2(f, dir, data)
	case magic1:
		return a.smb1(f, dir, data)
	case magicTransform:
		return a.transform(f, dir, data)
	}
	return a.compressed(f, dir, data)
}

// drop passes over the rest of the message at hand.
func (a *analyzer) drop(s *stream) int {
	n := s.left
	s.left = 0
	return n
}

// packet reads the header of a NetBIOS session packet.
func (a *analyzer) packet(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.streams[dir]
	if len(data) < nbHeaderBytes {
		return 0
	}
	n := int(data[1])<<16 | int(data[2])<<8 | int(data[3])
	switch data[0] {
	case nbMessage:
		s.left = n
		s.chain = chain{}
		return nbHeaderBytes
	case nbRequest:
		if n <= 2*nbNameBytes+2 {
			if len(data) < nbHeaderBytes+n {
				return 0
			}
			a.sessionRequest(f, data[nbHeaderBytes:nbHeaderBytes+n])
			return nbHeaderBytes + n
		}
	case nbPositive, nbNegative, nbRetarget, nbKeepAlive:
		if n <= 16 {
			return nbHeaderBytes + n
		}
	}
	f.Anomaly("netbios_bad_session_packet", "")
	s.lost = true
	return 1
}

// sessionRequest reads the names of a NetBIOS session request (RFC 1002 section
// 4.3.2): the server's and the client's.
func (a *analyzer) sessionRequest(f *protocol.Flow, b []byte) {
	if len(b) < 2*nbNameBytes {
		return
	}
	called, calling := netbiosName(b), netbiosName(b[nbNameBytes:])
	if called != "" && called[0] != '*' {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Session.Resp, Value: called, Source: "netbios"})
		a.facts.serverName = called
	}
	if calling != "" {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Session.Orig, Value: calling, Source: "netbios"})
	}
}

// netbiosName decodes a name of sixteen bytes in first-level encoding (RFC 1001
// section 14.1), without its padding and type.
func netbiosName(b []byte) string {
	if b[0] != 32 {
		return ""
	}
	var name [15]byte
	for i := range name {
		hi, lo := b[1+2*i]-'A', b[2+2*i]-'A'
		if hi > 15 || lo > 15 {
			return ""
		}
		name[i] = hi<<4 | lo
	}
	return string(bytes.TrimRight(name[:], " \x00"))
}

// transform reads the header of an encrypted message (MS-SMB2 section 2.2.41).
func (a *analyzer) transform(f *protocol.Flow, dir session.Direction, data []byte) int {
	a.facts.encrypted = true
	f.SetEncrypted()
	f.Message(dir, magicTransform, a.streams[dir].left)
	return a.drop(&a.streams[dir])
}

// compressedHeaderBytes is the length of SMB2_COMPRESSION_TRANSFORM_HEADER_UNCHAINED.
const compressedHeaderBytes = 16

// compressed reads the header of a compressed message (MS-SMB2 section 2.2.42).
// The sum of its two lengths must be no more than a message may have:
// CVE-2020-0796 is a sum beyond 32 bits.
func (a *analyzer) compressed(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.streams[dir]
	if s.left < compressedHeaderBytes {
		return a.drop(s)
	}
	if len(data) < compressedHeaderBytes {
		return 0
	}
	a.facts.compressed = true
	original, offset := le32(data[4:]), le32(data[12:])
	if uint64(original)+uint64(offset) > 1<<32-1 {
		f.Anomaly("smb_compression_overflow", "CVE-2020-0796")
	}
	return a.drop(s)
}

// pipeData passes pipe data on.
func (a *analyzer) pipeData(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.streams[dir]
	n := min(s.pipeLeft, len(data))
	s.pipe.data(f, a, dir, data[:n])
	s.pipeLeft -= n
	s.left -= n
	if s.pipeLeft == 0 {
		n += s.pad
		s.left -= s.pad
		s.pipe, s.pad = nil, 0
	}
	return n
}

// pass makes the payload that starts at an offset of a command, of which size
// bytes are its own, go to a pipe. It returns what Parse has consumed.
func (s *stream) pass(p *file, offset, n, size int) int {
	if p == nil || n <= 0 || offset < 0 || offset > size {
		s.left -= size
		return size
	}
	n = min(n, size-offset)
	s.pipe, s.pipeLeft, s.pad = p, n, size-offset-n
	s.left -= offset
	if n == 0 {
		s.pipe, s.pad = nil, 0
		s.left -= size - offset
		return size
	}
	return offset
}

// Gap implements protocol.GapHandler.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	s := &a.streams[dir]
	n += s.unread
	s.unread = 0
	if s.pipeLeft > 0 {
		k := min(n, s.pipeLeft)
		if s.pipe.conn != nil {
			s.pipe.conn.Gap(dir, k)
		}
		s.pipeLeft -= k
		s.left -= k
		n -= k
		if s.pipeLeft > 0 {
			return true
		}
		s.pipe, s.pad = nil, 0
	}
	if n <= s.left {
		s.skip, s.left = s.left-n, 0
		return true
	}
	s.left, s.skip, s.lost = 0, 0, true
	return true
}

// Close implements protocol.Analyzer.
func (a *analyzer) Close(f *protocol.Flow) {
	a.files.each(func(p *file) { a.closeFile(f, p) })
	for _, id := range sortedKeys(a.logins) {
		a.logins[id].Close(f)
	}
	if a.facts.seen {
		f.Emit(&a.facts)
	}
}

// newConn returns what a pipe's data is read by.
func (a *analyzer) newConn(name string) *dcerpc.Conn {
	return &dcerpc.Conn{Pipe: name, Kerberos: a.kerberos}
}
