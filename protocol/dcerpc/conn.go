package dcerpc

import (
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/protocol/ntlm"
	"tyto/session"
)

// Limits of what a connection keeps.
const (
	maxContexts = 32       // presentation contexts
	maxCalls    = 64       // calls without a response
	maxControl  = 16 << 10 // bytes of a PDU that sets up contexts or security
	maxStub     = 2 << 10  // bytes of a call's stub that are looked at
	maxSecAddr  = 64       // bytes of the secondary address

	maxIdleBuffer = 2 << 10 // bytes of buffer that stay while nothing waits
)

// PDU types (C706 section 12.6.4.1, MS-RPCE section 2.2.2.1).
const (
	pduRequest      = 0
	pduResponse     = 2
	pduFault        = 3
	pduBind         = 11
	pduBindAck      = 12
	pduBindNak      = 13
	pduAlter        = 14
	pduAlterResp    = 15
	pduAuth3        = 16
	pduShutdown     = 17
	pduCancel       = 18
	pduOrphaned     = 19
	flagFirst       = 0x01
	flagLast        = 0x02
	flagObject      = 0x80
	headerBytes     = 16
	callHeaderBytes = 24
	uuidBytes       = 16
	trailerBytes    = 8
)

// Types and levels of authentication (MS-RPCE sections 2.2.1.1.7, 2.2.1.1.8).
const (
	authSPNEGO      = 9
	authNTLM        = 10
	authTLS         = 14
	authKerberos    = 16
	authNetlogon    = 68
	levelConnect    = 2
	levelPrivacy    = 6
	faultAccess     = 0x00000005
	faultSecPackage = 0x00000721
)

// Conn reads one connection of DCE/RPC: a TCP connection, or a named pipe in
// SMB. The zero value is ready.
type Conn struct {
	// Pipe is the name of the pipe without "\pipe\"; empty on TCP.
	Pipe string
	// Kerberos is given the Kerberos messages of the connection; may be nil.
	Kerberos ntlm.Kerberos

	side     [2]side
	secAddr  string
	contexts []context
	offered  []uint16 // contexts of the bind whose answer is awaited
	calls    []call
	security ntlm.Negotiation
	auth     auth
	byPipe   *Interface // interface that the pipe's name stands for
	zeroTold bool       // the anomaly of a zero credential was told
	rec      Record
}

// auth is the security of the connection.
type auth struct {
	kind   uint8 // 0 if there is none
	level  uint8
	awaits bool // the next response or fault tells whether it was accepted
}

// side is one direction of the byte stream.
type side struct {
	buf  []byte // start of a PDU that is not complete enough yet
	skip int    // bytes of the PDU at hand that are not looked at
	lost bool   // after a gap: no PDU begins at a known place
}

// context is a presentation context.
type context struct {
	id       uint16
	uuid     UUID
	major    uint16
	minor    uint16
	iface    *Interface // nil if it is not known
	name     string
	accepted bool
}

// call is one that waits for its response.
type call struct {
	id                    uint32
	context, opnum        uint16
	first, last, answered int64 // times in ns; 0 is not yet
	requestBytes          uint64
	responseBytes         uint64
	object                UUID
	args                  []string
	tower                 Tower
	hasTower              bool
	encrypted             bool
}

// Data takes the next bytes of a direction: on a pipe what one write or read
// carries. All are consumed; what is kept of a PDU that is not complete is
// bounded.
func (c *Conn) Data(f *protocol.Flow, dir session.Direction, data []byte) {
	s := &c.side[dir]
	for len(data) > 0 {
		switch {
		case s.skip > 0:
			n := min(s.skip, len(data))
			s.skip -= n
			data = data[n:]
		case s.lost:
			data = s.resync(data)
		case len(s.buf) == 0:
			n := c.step(f, dir, data)
			if n == 0 {
				s.buf = append(s.buf, data...)
				return
			}
			data = s.consume(data, n)
		default:
			// Only as much is added as the PDU at hand needs, so that what
			// follows it is not copied.
			k := min(max(c.need(dir, s.buf)-len(s.buf), 1), len(data))
			s.buf = append(s.buf, data[:k]...)
			data = data[k:]
			if n := c.step(f, dir, s.buf); n > 0 {
				rest := s.consume(s.buf, n)
				s.keep(rest)
			}
		}
	}
}

// consume drops n bytes, of which some may not have arrived yet.
func (s *side) consume(data []byte, n int) []byte {
	if n > len(data) {
		s.skip = n - len(data)
		return nil
	}
	return data[n:]
}

// keep makes rest, the tail of the buffer, all that is kept.
func (s *side) keep(rest []byte) {
	if len(rest) == 0 && cap(s.buf) > maxIdleBuffer {
		s.buf = nil
		return
	}
	s.buf = s.buf[:copy(s.buf, rest)]
}

// resync looks for the next PDU after a gap, and leaves its header in the
// buffer when it is found.
func (s *side) resync(data []byte) (rest []byte) {
	for i, v := range data {
		s.buf = append(s.buf, v)
		for len(s.buf) > 0 && !plausible(s.buf) {
			s.buf = s.buf[:copy(s.buf, s.buf[1:])]
		}
		if len(s.buf) >= headerBytes {
			s.lost = false
			return data[i+1:]
		}
	}
	return nil
}

// Gap takes that n bytes of a direction are not in the capture.
func (c *Conn) Gap(dir session.Direction, n int) {
	s := &c.side[dir]
	n += len(s.buf)
	s.buf = s.buf[:0]
	if n <= s.skip {
		s.skip -= n
		return
	}
	s.skip, s.lost = 0, true
}

// Close tells what is pending.
func (c *Conn) Close(f *protocol.Flow) {
	for i := range c.calls {
		c.emit(f, &c.calls[i], 0, false)
	}
	c.calls = nil
	c.security.Close(f)
}

// plausible reports whether b may start a PDU: version 5, a known type, a known
// data representation and a length that holds the header. Of a shorter b the
// bytes that are there are looked at.
func plausible(b []byte) bool {
	for i, v := range b[:min(len(b), headerBytes)] {
		ok := true
		switch i {
		case 0:
			ok = v == 5
		case 1:
			ok = v <= 1
		case 2:
			ok = v <= pduOrphaned && (v == pduRequest || v == pduResponse || v == pduFault || v >= pduBind)
		case 4:
			ok = v == 0x10 || v == 0x00 || v == 0x11 || v == 0x01
		case 5:
			ok = v <= 3
		case 6, 7:
			ok = v == 0
		case 9:
			n := pduLength(b)
			ok = n >= headerBytes
		case 11:
			ok = int(authLength(b)) <= pduLength(b)
		}
		if !ok {
			return false
		}
	}
	return true
}

// Plausible reports whether b starts with the header of a PDU.
func Plausible(b []byte) bool { return len(b) >= headerBytes && plausible(b) }

// bigEndian reports the byte order of a PDU's integers.
func bigEndian(b []byte) bool { return b[4]>>4 == 0 }

// pduLength returns the length of the PDU of which b has the first ten bytes.
func pduLength(b []byte) int { return u16(b[8:], bigEndian(b)) }

func authLength(b []byte) int { return u16(b[10:], bigEndian(b)) }

func u16(b []byte, big bool) int {
	if big {
		return int(b[0])<<8 | int(b[1])
	}
	return int(b[1])<<8 | int(b[0])
}

// need returns how many bytes of a PDU must be there to read it.
func (c *Conn) need(dir session.Direction, b []byte) int {
	if len(b) < headerBytes {
		return headerBytes
	}
	n := pduLength(b)
	if c.learns(b) {
		return n
	}
	switch b[2] {
	case pduRequest:
		if len(b) < callHeaderBytes {
			return min(n, callHeaderBytes)
		}
		k := callHeaderBytes
		if b[3]&flagObject != 0 {
			k += uuidBytes
		}
		if c.wants(b) {
			k += maxStub
		}
		return min(n, k)
	case pduResponse:
		if len(b) < callHeaderBytes {
			return min(n, callHeaderBytes)
		}
		if i := c.contextIndex(uint16(u16(b[20:], bigEndian(b)))); i >= 0 && isMapper(c.contexts[i].iface) && authLength(b) == 0 {
			return min(n, callHeaderBytes+maxStub)
		}
		return min(n, callHeaderBytes)
	case pduFault:
		return min(n, 32)
	}
	return min(n, maxControl)
}

// wants reports whether the stub of the request whose header is b is looked at.
func (c *Conn) wants(b []byte) bool {
	if b[3]&flagFirst == 0 || authLength(b) > 0 && c.auth.level >= levelPrivacy {
		return false
	}
	big := bigEndian(b)
	iface := c.iface(uint16(u16(b[20:], big)))
	return iface != nil && (iface.tells(uint16(u16(b[22:], big))) || isMapper(iface) || isActivator(iface))
}

func isMapper(i *Interface) bool { return i != nil && i.Name == "epmapper" }

func isActivator(i *Interface) bool {
	return i != nil && (i.Name == "IRemoteSCMActivator" || i.Name == "IActivation")
}

// step reads the PDU at the front of b and returns its length, which may be
// more than is there, or 0 if more bytes are needed first.
func (c *Conn) step(f *protocol.Flow, dir session.Direction, b []byte) int {
	if !plausible(b) {
		f.Anomaly("dce_rpc_bad_header", "")
		c.side[dir].lost = true
		return 1
	}
	if len(b) < c.need(dir, b) {
		return 0
	}
	n := pduLength(b)
	c.pdu(f, dir, b[:min(n, len(b))])
	return n
}

// pdu reads a PDU, of which b has the part that is looked at.
func (c *Conn) pdu(f *protocol.Flow, dir session.Direction, b []byte) {
	big := bigEndian(b)
	n := pduLength(b)
	if c.learns(b) {
		c.learn(b)
	}
	if c.Pipe == "" && c.auth.level >= levelPrivacy {
		f.Message(dir, b[2], n)
	}
	r := reader{Cursor: wire.New(b), big: big}
	r.Skip(12)
	id := r.u32()
	switch b[2] {
	case pduBind, pduAlter:
		c.bind(f, &r)
		c.verifier(f, b, c.security.Client)
	case pduBindAck, pduAlterResp:
		c.bindAck(&r)
		c.verifier(f, b, c.security.Server)
	case pduBindNak:
		if c.security.Pending() {
			c.security.Result(f, false)
		}
		c.offered = c.offered[:0]
	case pduAuth3:
		c.verifier(f, b, c.security.Client)
	case pduRequest:
		c.request(f, &r, b, id)
	case pduResponse:
		c.response(f, &r, b, id)
	case pduFault:
		c.fault(f, &r, id)
	}
}

// reader reads integers in the byte order of the PDU.
type reader struct {
	wire.Cursor
	big bool
}

func (r *reader) u16() uint16 {
	if r.big {
		return r.U16()
	}
	return r.LE16()
}

func (r *reader) u32() uint32 {
	if r.big {
		return r.U32()
	}
	return r.LE32()
}

// bind reads the presentation contexts that the client offers (C706 sections
// 12.6.4.3 and 12.6.4.1).
func (c *Conn) bind(f *protocol.Flow, r *reader) {
	r.Skip(8) // fragment sizes, association group
	n := int(r.U8())
	r.Skip(3)
	c.offered = c.offered[:0]
	for range n {
		id := r.u16()
		transfers := int(r.U8())
		r.Skip(1)
		u := readUUID(&r.Cursor, r.big)
		major, minor := r.u16(), r.u16()
		r.Skip(20 * transfers)
		if !r.OK() {
			f.Anomaly("dce_rpc_bad_bind", "")
			return
		}
		c.offered = append(c.offered, id)
		c.setContext(context{id: id, uuid: u, major: major, minor: minor})
		if len(c.offered) == maxContexts {
			break
		}
	}
}

func (c *Conn) setContext(x context) {
	if x.iface = Lookup(x.uuid); x.iface != nil {
		x.name = x.iface.Name
	} else {
		x.name = "unknown-" + x.uuid.String()
	}
	if i := c.contextIndex(x.id); i >= 0 {
		c.contexts[i] = x
		return
	}
	if len(c.contexts) < maxContexts {
		c.contexts = append(c.contexts, x)
	}
}

func (c *Conn) contextIndex(id uint16) int {
	for i := range c.contexts {
		if c.contexts[i].id == id {
			return i
		}
	}
	return -1
}

// iface returns the interface that calls on a context are meant for. Where the
// bind is not in the capture, the name of the pipe tells it.
func (c *Conn) iface(id uint16) *Interface {
	if i := c.contextIndex(id); i >= 0 {
		return c.contexts[i].iface
	}
	if c.byPipe == nil {
		c.byPipe = ByName(c.Pipe)
	}
	return c.byPipe
}

// bindAck reads the server's answer to a bind (C706 section 12.6.4.4).
func (c *Conn) bindAck(r *reader) {
	r.Skip(8)
	n := int(r.u16())
	addr := r.Bytes(n)
	if n > 0 && addr != nil {
		c.secAddr = cString(addr, maxSecAddr)
	}
	if pad := r.Offset() & 3; pad > 0 {
		r.Skip(4 - pad)
	}
	results := int(r.U8())
	r.Skip(3)
	for i := 0; i < results && i < len(c.offered); i++ {
		result := r.u16()
		r.Skip(22)
		if !r.OK() {
			break
		}
		if k := c.contextIndex(c.offered[i]); k >= 0 {
			c.contexts[k].accepted = result == 0
		}
	}
	c.offered = c.offered[:0]
}

// learns reports whether the security trailer of a call or an answer tells the
// security of the connection, whose bind is not in the capture. The first PDU
// that is not too long to be kept does.
func (c *Conn) learns(b []byte) bool {
	return c.auth.kind == 0 && (b[2] == pduRequest || b[2] == pduResponse) && authLength(b) > 0 && pduLength(b) <= maxControl
}

// learn takes type and level from a security trailer, if it can be one: its
// padding is less than a block of sixteen bytes and its fourth byte zero.
func (c *Conn) learn(b []byte) {
	n := pduLength(b)
	start := n - authLength(b) - trailerBytes
	if n > len(b) || start < callHeaderBytes {
		return
	}
	kind, level, padding, zero := b[start], b[start+1], b[start+2], b[start+3]
	if kind == 0 || level < levelConnect || level > levelPrivacy || padding > 15 || zero != 0 {
		return
	}
	c.auth.kind, c.auth.level = kind, level
}

// verifier reads the security trailer at the end of a PDU (MS-RPCE section
// 2.2.2.11) and gives its token to take.
func (c *Conn) verifier(f *protocol.Flow, b []byte, take func(*protocol.Flow, []byte)) {
	n, k := pduLength(b), authLength(b)
	if k == 0 || n > len(b) {
		return
	}
	start := n - k - trailerBytes
	if start < headerBytes {
		f.Anomaly("dce_rpc_bad_auth_trailer", "")
		return
	}
	c.auth.kind, c.auth.level = b[start], max(c.auth.level, b[start+1])
	switch c.auth.kind {
	case authSPNEGO, authNTLM, authKerberos:
		c.security.Kerberos = c.Kerberos
		take(f, b[start+trailerBytes:n])
		c.auth.awaits = c.security.Pending()
	}
}
