// Package l2tp reads the control channel of the Layer 2 Tunneling Protocol,
// versions 2 and 3 (RFC 2661, RFC 3931), and the names of PPP users in its data.
package l2tp

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "l2tp",
	Doc:        "Layer 2 Tunneling Protocol (RFC 2661, RFC 3931); recognised by a control header whose length is the datagram's and a message type first, or IP protocol 115.",
	Transports: protocol.UDP | protocol.IP,
	Ports:      []uint16{1701},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the l2tp record: one a control message.
var Schema = record.New("l2tp", "", "An L2TP control message.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version, 2 or 3."},
	record.Field{Name: "message", Type: record.String, Doc: "Message type, such as SCCRQ."},
	record.Field{Name: "tunnel_id", Type: record.Count, Doc: "Tunnel (version 3: control connection) identifier the message is sent to."},
	record.Field{Name: "session_id", Type: record.Count, Doc: "Session identifier the message is sent to (version 2)."},
	record.Field{Name: "assigned_tunnel_id", Type: record.Count, Doc: "Tunnel identifier the sender wants to be called by."},
	record.Field{Name: "assigned_session_id", Type: record.Count, Doc: "Session identifier the sender wants to be called by."},
	record.Field{Name: "host_name", Type: record.String, Doc: "Name of the sender."},
	record.Field{Name: "vendor", Type: record.String, Doc: "Vendor name of the sender."},
	record.Field{Name: "called", Type: record.String, Doc: "Called number."},
	record.Field{Name: "calling", Type: record.String, Doc: "Calling number."},
	record.Field{Name: "result", Type: record.Count, Doc: "Result code of a message that ends a tunnel or session."},
	record.Field{Name: "error", Type: record.String, Doc: "Text of the error."},
)

const (
	ipProto = 115
	// Flags of a header: control, length present, sequence present, offset present.
	flagControl, flagLength, flagSequence, flagOffset = 0x8000, 0x4000, 0x0800, 0x0200
	controlFlags                                      = flagControl | flagLength | flagSequence
	headerBytes                                       = 12
)

// Bounds of what is kept of a message.
const (
	maxAVPs = 64
	maxText = 128
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.IP {
		if e.Proto == ipProto {
			return protocol.Sure
		}
		return protocol.No
	}
	if len(b) < 8 {
		return protocol.No
	}
	flags := binary.BigEndian.Uint16(b)
	if flags&flagControl == 0 {
		// Data: bits that must be zero are, and PPP follows (RFC 2661 section 3.1).
		if flags&0x34ff != 2 || flags&0x0010 != 0 || !e.Port(1701) {
			return protocol.No
		}
		if p := payload(b); len(p) >= 4 && p[0] == 0xff && p[1] == 3 {
			return protocol.Likely
		}
		return protocol.No
	}
	if flags&^1 != controlFlags|2 || len(b) < headerBytes || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return protocol.No
	}
	if len(b) == headerBytes { // an acknowledgement
		return protocol.Likely
	}
	if len(b) >= headerBytes+8 && binary.BigEndian.Uint32(b[headerBytes+2:]) == 0 && binary.BigEndian.Uint16(b[headerBytes:])&0x3ff == 8 {
		return protocol.Sure
	}
	return protocol.No
}

// payload returns what a version 2 data header carries.
func payload(b []byte) []byte {
	c := wire.New(b)
	flags := c.U16()
	if flags&flagLength != 0 {
		c.Skip(2)
	}
	c.Skip(4)
	if flags&flagSequence != 0 {
		c.Skip(4)
	}
	if flags&flagOffset != 0 {
		c.Skip(int(c.U16()))
	}
	if !c.OK() {
		return nil
	}
	return c.Rest()
}

type analyzer struct {
	rec  Record
	told bool
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse reads one datagram.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	b := data
	if f.Session.Proto == ipProto { // a session identifier; zero for control
		if len(b) < 4 {
			return len(data)
		}
		if binary.BigEndian.Uint32(b) != 0 {
			a.tunnel(f, dir, b)
			return len(data)
		}
		b = b[4:]
	}
	if len(b) < 2 {
		return len(data)
	}
	flags := binary.BigEndian.Uint16(b)
	if flags&flagControl == 0 {
		a.tunnel(f, dir, b)
		if flags&0xf == 2 {
			a.ppp(f, dir, payload(b))
		}
		return len(data)
	}
	a.control(f, dir, b)
	return len(data)
}

func (a *analyzer) tunnel(f *protocol.Flow, dir session.Direction, b []byte) {
	f.Message(dir, 0, len(b))
	if !a.told {
		a.told = true
		f.Observe(protocol.Observation{Kind: protocol.Tunnel, Value: "l2tp"})
	}
}

// PPP protocols of authentication (RFC 1334, RFC 1994).
const (
	pppPAP  = 0xc023
	pppCHAP = 0xc223
)

// ppp tells the names of the users that authenticate inside the tunnel.
func (a *analyzer) ppp(f *protocol.Flow, dir session.Direction, b []byte) {
	if len(b) > 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	c := wire.New(b)
	proto := c.U16()
	if proto != pppPAP && proto != pppCHAP {
		return
	}
	code := c.U8()
	c.Skip(1)
	body := c.Sub(int(c.U16()) - 4)
	v := body.Vec8()
	if !body.OK() {
		return
	}
	o := protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(dir)}
	switch {
	case proto == pppPAP && code == 1:
		o.Value = text(v.Rest())
		if o.Value == "" {
			return
		}
		f.Observe(o)
		o.Kind = protocol.Credential
	case proto == pppCHAP && code == 2:
		o.Value = text(body.Rest())
	}
	if o.Value != "" {
		f.Observe(o)
	}
}

func text(b []byte) string { return string(bytes.TrimRight(b[:min(len(b), maxText)], "\x00")) }

// Attributes that are read (RFC 2661 section 4.4, RFC 3931 section 5.4).
const (
	avpMessage, avpResult, avpHostName, avpVendor, avpTunnel, avpSession = 0, 1, 7, 8, 9, 14
	avpCalled, avpCalling                                                = 21, 22
	avpConnection3, avpSession3                                          = 61, 63
)

func (a *analyzer) control(f *protocol.Flow, dir session.Direction, b []byte) {
	r := &a.rec
	c := wire.New(b)
	flags, n := c.U16(), int(c.U16())
	*r = Record{orig: dir == session.Orig, version: uint8(flags & 0xf)}
	if r.version == 3 {
		r.tunnel = c.U32()
	} else {
		r.tunnel, r.session = uint32(c.U16()), uint32(c.U16())
	}
	c.Skip(4)
	if !c.OK() || n > len(b) || flags&flagLength == 0 || r.version != 2 && r.version != 3 {
		f.Anomaly("l2tp_bad_header", "")
		return
	}
	if n <= headerBytes {
		return // an acknowledgement
	}
	body := c.Sub(n - headerBytes)
	for i := 0; body.Len() >= 6 && i < maxAVPs; i++ {
		h := body.U16()
		v := body.Sub(int(h&0x3ff) - 2)
		vendor, kind := v.U16(), v.U16()
		if !body.OK() {
			f.Anomaly("l2tp_bad_attribute", "")
			break
		}
		if vendor == 0 && h&0x4000 == 0 { // not hidden
			r.attribute(kind, v)
		}
	}
	r.emit(f, dir)
}

func (r *Record) attribute(kind uint16, v wire.Cursor) {
	b := v.Rest()
	b = b[:min(len(b), maxText)]
	switch kind {
	case avpMessage:
		r.message = v.U16()
	case avpResult:
		r.result = v.U16()
		if v.Skip(2); v.OK() {
			r.err = b[4:]
		}
	case avpHostName:
		r.host = b
	case avpVendor:
		r.vendor = b
	case avpTunnel, avpSession:
		n := v.U16()
		if kind == avpTunnel {
			r.newTunnel = uint32(n)
		} else {
			r.newSession = uint32(n)
		}
	case avpConnection3:
		r.newTunnel = v.U32()
	case avpSession3:
		r.newSession = v.U32()
	case avpCalled:
		r.called = b
	case avpCalling:
		r.calling = b
	}
}

func (r *Record) emit(f *protocol.Flow, dir session.Direction) {
	if len(r.host) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: text(r.host)})
	}
	if len(r.vendor) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: text(r.vendor)})
	}
	f.Emit(r)
}

// Record is an L2TP control message.
type Record struct {
	orig                               bool
	version                            uint8
	message, result                    uint16
	tunnel, session                    uint32
	newTunnel, newSession              uint32
	host, vendor, called, calling, err []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

var messages = [...]string{1: "SCCRQ", 2: "SCCRP", 3: "SCCCN", 4: "StopCCN", 6: "HELLO", 7: "OCRQ", 8: "OCRP", 9: "OCCN", 10: "ICRQ", 11: "ICRP",
	12: "ICCN", 14: "CDN", 15: "WEN", 16: "SLI", 20: "ACK"}

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Uint(uint64(r.version))
	if int(r.message) < len(messages) && messages[r.message] != "" {
		e.Str(messages[r.message])
	} else {
		e.Str("unknown-" + strconv.Itoa(int(r.message)))
	}
	e.Uint(uint64(r.tunnel))
	e.Uint(uint64(r.session))
	unlessZero(e, r.newTunnel)
	unlessZero(e, r.newSession)
	e.Bytes(bytes.TrimRight(r.host, "\x00"))
	e.Bytes(bytes.TrimRight(r.vendor, "\x00"))
	e.Bytes(r.called)
	e.Bytes(r.calling)
	unlessZero(e, uint32(r.result))
	e.Bytes(r.err)
}

func unlessZero(e *record.Encoder, v uint32) {
	if v == 0 {
		e.Unset()
		return
	}
	e.Uint(uint64(v))
}
