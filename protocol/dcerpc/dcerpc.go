// Package dcerpc reads DCE/RPC, the remote procedure calls that Windows is
// administered with (C706, MS-RPCE): which interface is bound, which operation
// is called, and by whom. Interface and operation are in the clear even when
// the arguments are encrypted.
//
// A [Conn] reads one connection, here one over TCP; SMB has one for each named
// pipe. Datagrams of the connectionless protocol are read as well.
//
// To add an interface, add its lines to interfaces.txt.
package dcerpc

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/protocol/ntlm"
	"tyto/session"
)

// Definition describes the protocol.
var Definition = protocol.Definition{
	Name:       "dcerpc",
	Service:    "dce_rpc",
	Doc:        "DCE/RPC over TCP or UDP, recognised by its PDU header on any port (C706, MS-RPCE).",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{135, 593, 34964},
	Probe:      probe,
	New:        New(nil),
	Schemas:    []*record.Schema{Schema},
}

// New returns a constructor of analyzers that hand Kerberos messages to the
// given function; nil drops them.
func New(kerberos ntlm.Kerberos) func() protocol.Analyzer {
	return func() protocol.Analyzer { return &analyzer{conn: Conn{Kerberos: kerberos}} }
}

// httpBanner is what a server says first on a connection of RPC over HTTP
// version 1 (MS-RPCH section 2.2.1.1.1).
var httpBanner = []byte("ncacn_http/1.0")

func probe(e *protocol.Evidence) protocol.Verdict {
	if e.Transport == protocol.UDP {
		return probeDatagram(e)
	}
	verdict := protocol.No
	for dir, b := range e.Data {
		if len(b) == 0 {
			continue
		}
		if b[0] == httpBanner[0] {
			n := min(len(b), len(httpBanner))
			if !bytes.Equal(b[:n], httpBanner[:n]) {
				return protocol.No
			}
			if n == len(httpBanner) {
				e.Reversed = session.Direction(dir) == session.Orig
				return protocol.Sure
			}
			verdict = protocol.More
			continue
		}
		if !plausible(b) {
			return protocol.No
		}
		if len(b) < headerBytes {
			verdict = protocol.More
			continue
		}
		v := weigh(b, e)
		if v == protocol.Sure {
			e.Reversed = fromServer(b[2]) == (session.Direction(dir) == session.Orig) && directed(b[2])
			return protocol.Sure
		}
		verdict = max(verdict, v)
	}
	return verdict
}

// Layout of a bind: where the number of contexts is, and the length with one
// context and no transfer syntax.
const (
	contextCountAt = 24
	minBindBytes   = 52
)

// weigh tells how sure a complete header is. It alone proves about 2^-40, but
// the lengths are to make sense too.
func weigh(b []byte, e *protocol.Evidence) protocol.Verdict {
	n := pduLength(b)
	switch b[2] {
	case pduBind, pduAlter:
		switch {
		case n < minBindBytes:
			return protocol.No
		case len(b) <= contextCountAt:
			return protocol.More
		case b[contextCountAt] == 0:
			return protocol.No
		}
		return protocol.Sure
	case pduRequest, pduResponse:
		if n < callHeaderBytes {
			return protocol.No
		}
		return protocol.Sure
	case pduBindAck, pduAlterResp, pduBindNak, pduFault, pduAuth3:
		return protocol.Sure
	}
	return protocol.Likely
}

// fromServer reports whether servers send a type of PDU.
func fromServer(t byte) bool {
	switch t {
	case pduResponse, pduFault, pduBindAck, pduBindNak, pduAlterResp, pduShutdown:
		return true
	}
	return false
}

// directed reports whether only one side sends a type of PDU.
func directed(t byte) bool { return t <= pduAuth3 }

type analyzer struct {
	conn    Conn
	started [2]bool
	banner  int // bytes of the banner that were seen
	gram    datagrams
}

func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if f.Datagram() {
		a.gram.parse(f, dir, data)
		return len(data)
	}
	n := len(data)
	if dir == session.Resp && !a.started[dir] {
		k := 0
		for a.banner+k < len(httpBanner) && k < n && data[k] == httpBanner[a.banner+k] {
			k++
		}
		if a.banner += k; k == n && a.banner < len(httpBanner) {
			return n
		}
		data = data[k:]
	}
	a.started[dir] = true
	a.conn.Data(f, dir, data)
	return n
}

// Gap implements protocol.GapHandler.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.started[dir] = true
	a.conn.Gap(dir, n)
	return true
}

func (a *analyzer) Close(f *protocol.Flow) {
	a.conn.Close(f)
	a.gram.close(f)
}

// datagrams reads the connectionless protocol (C706 section 12.5).
type datagrams struct {
	rec   Record
	calls []gramCall
}

type gramCall struct {
	call
	activity UUID
	sequence uint32
	uuid     UUID
	version  uint32
}

// Layout of the connectionless header, and its types of PDU.
const (
	gramHeaderBytes = 80
	gramRequest     = 0
	gramResponse    = 2
	gramFault       = 3
	gramReject      = 6
	gramLastType    = 10
	maxGramCalls    = 16
)

// gramHeader reads a connectionless header.
func gramHeader(b []byte) (h struct {
	kind                       uint8
	frag                       bool
	activity, uuid             UUID
	version, sequence          uint32
	opnum, bodyBytes, fragment uint16
	big                        bool
}, ok bool) {
	if len(b) < gramHeaderBytes || b[0] != 4 || b[1] > gramLastType || b[4]&0xef != 0 || b[5] > 3 {
		return h, false
	}
	h.big = b[4]>>4 == 0
	r := reader{Cursor: wire.New(b), big: h.big}
	r.Skip(1)
	h.kind = r.U8()
	h.frag = r.U8()&0x04 != 0
	r.Skip(5 + 16)
	h.uuid = readUUID(&r.Cursor, h.big)
	h.activity = readUUID(&r.Cursor, h.big)
	r.Skip(4)
	h.version, h.sequence = r.u32(), r.u32()
	h.opnum = r.u16()
	r.Skip(4)
	h.bodyBytes, h.fragment = r.u16(), r.u16()
	return h, r.OK() && gramHeaderBytes+int(h.bodyBytes) <= len(b)
}

func probeDatagram(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	h, ok := gramHeader(b)
	if !ok {
		return protocol.No
	}
	e.Reversed = (h.kind == gramResponse || h.kind == gramFault) && e.Dir == session.Orig
	if Lookup(h.uuid) != nil {
		return protocol.Sure
	}
	if gramHeaderBytes+int(h.bodyBytes) == len(b) && (e.Port(135) || h.activity != UUID{}) {
		return protocol.Likely
	}
	return protocol.No
}

func (g *datagrams) parse(f *protocol.Flow, dir session.Direction, b []byte) {
	h, ok := gramHeader(b)
	if !ok {
		f.Anomaly("dce_rpc_bad_header", "")
		return
	}
	switch h.kind {
	case gramRequest:
		if k := g.find(h.activity, h.sequence); k >= 0 {
			g.calls[k].last = f.Now
			g.calls[k].requestBytes += uint64(h.bodyBytes)
			return
		}
		if len(g.calls) == maxGramCalls {
			g.emit(f, 0, 0, false)
		}
		g.calls = append(g.calls, gramCall{activity: h.activity, sequence: h.sequence, uuid: h.uuid, version: h.version,
			call: call{opnum: h.opnum, first: f.Now, last: f.Now, requestBytes: uint64(h.bodyBytes)}})
	case gramResponse, gramFault, gramReject:
		k := g.find(h.activity, h.sequence)
		if k < 0 {
			return
		}
		g.calls[k].answered = f.Now
		status := uint32(0)
		if body := b[gramHeaderBytes:]; h.kind != gramResponse && len(body) >= 4 {
			status = byteOrder(h.big).Uint32(body)
		} else if h.kind == gramResponse {
			g.calls[k].responseBytes = uint64(h.bodyBytes)
		}
		g.emit(f, k, status, h.kind != gramResponse)
	}
}

func (g *datagrams) find(activity UUID, sequence uint32) int {
	for i := range g.calls {
		if g.calls[i].activity == activity && g.calls[i].sequence == sequence {
			return i
		}
	}
	return -1
}

func (g *datagrams) emit(f *protocol.Flow, i int, status uint32, fault bool) {
	k := &g.calls[i]
	g.rec = Record{call: &k.call, uuid: k.uuid, hasUUID: true, iface: Lookup(k.uuid), status: status, fault: fault,
		major: uint16(k.version), minor: uint16(k.version >> 16)}
	if g.rec.iface != nil {
		g.rec.endpoint = g.rec.iface.Name
	} else {
		g.rec.endpoint = "unknown-" + k.uuid.String()
	}
	f.Emit(&g.rec)
	g.calls = append(g.calls[:i], g.calls[i+1:]...)
}

func (g *datagrams) close(f *protocol.Flow) {
	for len(g.calls) > 0 {
		g.emit(f, 0, 0, false)
	}
}
