// Package ike reads the Internet Key Exchange, versions 1 and 2, on port 500
// and behind the non-ESP marker on port 4500 (RFC 2408, RFC 2409, RFC 7296,
// RFC 3948), and follows the ESP that shares the latter port.
package ike

import (
	"crypto/sha1"
	"encoding/binary"
	"net/netip"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "ike",
	Service:    "ipsec",
	Doc:        "Internet Key Exchange of IPsec (RFC 7296, RFC 2408); recognised by version, exchange type, flags and length of its header, with or without the non-ESP marker.",
	Transports: protocol.UDP,
	Ports:      []uint16{500, 4500},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the ike record: one a message.
var Schema = record.New("ike", "ipsec", "An IKE message.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "initiator_spi", Type: record.String, Doc: "Security parameter index (cookie) of the initiator, in hexadecimal."},
	record.Field{Name: "responder_spi", Type: record.String, Doc: "Security parameter index (cookie) of the responder, in hexadecimal."},
	record.Field{Name: "maj_ver", Type: record.Count, Doc: "Major version."},
	record.Field{Name: "min_ver", Type: record.Count, Doc: "Minor version."},
	record.Field{Name: "exchange_type", Type: record.Count, Doc: "Exchange type number."},
	record.Field{Name: "flag_e", Type: record.Bool, Doc: "Encryption flag (version 1)."},
	record.Field{Name: "flag_c", Type: record.Bool, Doc: "Commit flag (version 1)."},
	record.Field{Name: "flag_a", Type: record.Bool, Doc: "Authentication only flag (version 1)."},
	record.Field{Name: "flag_i", Type: record.Bool, Doc: "Initiator flag (version 2): the original initiator sent the message."},
	record.Field{Name: "flag_v", Type: record.Bool, Doc: "Version flag (version 2): a higher version is supported."},
	record.Field{Name: "flag_r", Type: record.Bool, Doc: "Response flag (version 2)."},
	record.Field{Name: "message_id", Type: record.Count, Doc: "Message identifier."},
	record.Field{Name: "vendor_ids", Type: record.Strings, Doc: "Vendor identifiers: names of those known, else hexadecimal."},
	record.Field{Name: "notify_messages", Type: record.Strings, Doc: "Types of the notifications."},
	record.Field{Name: "transforms", Type: record.Strings, Doc: "Transforms offered or chosen, with key length; in version 1 cipher, hash, authentication and group of each."},
	record.Field{Name: "ke_dh_groups", Type: record.Counts, Doc: "Diffie-Hellman groups of the key exchange payloads (version 2)."},
	record.Field{Name: "proposals", Type: record.Counts, Doc: "Numbers of the proposals."},
	record.Field{Name: "protocol_id", Type: record.Count, Doc: "Protocol of the last proposal: 1 IKE, 2 AH, 3 ESP."},
	record.Field{Name: "length", Type: record.Count, Doc: "Length of header and payloads in bytes."},
	record.Field{Name: "doi", Type: record.Count, Doc: "Domain of interpretation (version 1)."},
	record.Field{Name: "situation", Type: record.String, Doc: "Situation (version 1), in hexadecimal."},
	record.Field{Name: "exchange", Type: record.String, Doc: "Exchange type by name."},
	record.Field{Name: "identity", Type: record.String, Doc: "Identity that crossed in the clear (aggressive mode)."},
	record.Field{Name: "nat", Type: record.Bool, Doc: "True if the NAT detection hashes show that an address was translated on the way of this message."},
)

const (
	headerBytes = 28
	nattPort    = 4500
)

// Bounds of what is kept of a message.
const (
	maxPayloads   = 64
	maxList       = 32
	maxVendorText = 64
	maxIdentity   = 128
)

// Exchange types of version 1 (below 34) and 2.
const (
	exchangeAggressive = 4
	exchangeSAInit     = 34
)

func exchangeName(t uint8) string {
	switch t {
	case 1:
		return "base"
	case 2:
		return "main"
	case 3:
		return "authentication_only"
	case exchangeAggressive:
		return "aggressive"
	case 5:
		return "informational"
	case 6:
		return "transaction"
	case 32:
		return "quick"
	case 33:
		return "new_group"
	case exchangeSAInit:
		return "IKE_SA_INIT"
	case 35:
		return "IKE_AUTH"
	case 36:
		return "CREATE_CHILD_SA"
	case 37:
		return "INFORMATIONAL"
	case 38:
		return "IKE_SESSION_RESUME"
	case 43:
		return "IKE_INTERMEDIATE"
	case 44:
		return "IKE_FOLLOWUP_KE"
	}
	return ""
}

// header reports whether b starts with an IKE header, and whether its length is
// that of b.
func header(b []byte) (ok, exact bool) {
	if len(b) < headerBytes || binary.BigEndian.Uint64(b) == 0 {
		return false, false
	}
	version, exchange, flags, next := b[17], b[18], b[19], b[16]
	switch version >> 4 {
	case 1:
		ok = exchange <= 33 && flags&^7 == 0 && (next <= 21 || next >= 128)
	case 2:
		ok = exchange >= exchangeSAInit && flags&^0x38 == 0 && (next == 0 || next >= 33 && next <= 54)
	}
	ok = ok && version&0xf == 0 && exchangeName(exchange) != ""
	return ok, ok && int(binary.BigEndian.Uint32(b[24:])) == len(b)
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	marked := len(b) > 4 && binary.BigEndian.Uint32(b) == 0
	if marked {
		b = b[4:]
	}
	ok, exact := header(b)
	if !ok || !exact && !e.Port(500) && !e.Port(nattPort) {
		return protocol.No
	}
	// In the first exchange a responder's index shows who answers.
	if first := b[18] == exchangeSAInit && b[19]&0x20 != 0; first && e.Dir == session.Orig {
		e.Reversed = true
	}
	if exact {
		return protocol.Sure
	}
	return protocol.Likely
}

type analyzer struct {
	rec    Record
	tunnel bool
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse reads one datagram: an IKE message, an ESP packet or a keepalive.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	b := data
	natt := f.Session.OrigPort == nattPort || f.Session.RespPort == nattPort
	if len(b) >= 4 && binary.BigEndian.Uint32(b) == 0 {
		b = b[4:]
	} else if ok, _ := header(b); !ok && (natt || a.tunnel) {
		a.esp(f, dir, b)
		return len(data)
	}
	if ok, exact := header(b); !ok {
		f.Anomaly("ike_bad_header", "")
		return len(data)
	} else if !exact {
		f.Anomaly("ike_bad_length", "")
	}
	a.message(f, dir, b)
	return len(data)
}

// esp takes a datagram that is no IKE: ESP, or the single byte ff that keeps
// the translation alive (RFC 3948 section 2.3).
func (a *analyzer) esp(f *protocol.Flow, dir session.Direction, b []byte) {
	if len(b) < 16 {
		return
	}
	f.Message(dir, 0, len(b))
	a.secure(f)
	f.AddService("esp")
}

// secure tells, once, that what follows cannot be read.
func (a *analyzer) secure(f *protocol.Flow) {
	if !a.tunnel {
		a.tunnel = true
		f.SetEncrypted()
		f.Observe(protocol.Observation{Kind: protocol.Tunnel, Value: "ipsec"})
	}
}

// Payload types (RFC 2408 section 3.1; RFC 7296 section 3.2).
const (
	v1SA, v1ID, v1Notify, v1Vendor   = 1, 5, 11, 13
	v1NATD, v1NATDDraft              = 20, 130
	v2SA, v2KE, v2Notify, v2Vendor   = 33, 34, 41, 43
	v2Encrypted, v2EncryptedFragment = 46, 53
	notifyNATSource, notifyNATDest   = 16388, 16389
)

func (a *analyzer) message(f *protocol.Flow, dir session.Direction, b []byte) {
	r := &a.rec
	*r = Record{vendors: r.vendors[:0], notifies: r.notifies[:0], transforms: r.transforms[:0], groups: r.groups[:0], proposals: r.proposals[:0], orig: dir == session.Orig}
	c := wire.New(b)
	r.spi = c.Bytes(16)
	next := c.U8()
	r.version, r.exchange, r.flags, r.id = c.U8(), c.U8(), c.U8(), c.U32()
	r.length = c.U32()
	f.Message(dir, r.exchange, len(b))
	v2 := r.version>>4 == 2
	if !v2 && r.flags&1 != 0 {
		a.secure(f)
		f.Emit(r)
		return
	}
	for i := 0; next != 0; i++ {
		t := next
		next = c.U8()
		c.Skip(1)
		n := int(c.U16())
		body := c.Sub(n - 4)
		if !c.OK() || i == maxPayloads {
			f.Anomaly("ike_bad_payload", "")
			break
		}
		if v2 && (t == v2Encrypted || t == v2EncryptedFragment) {
			a.secure(f)
			break
		}
		if v2 {
			a.payload2(f, dir, t, body)
		} else {
			a.payload1(f, dir, t, body)
		}
	}
	f.Emit(r)
}

func (a *analyzer) payload2(f *protocol.Flow, dir session.Direction, t uint8, c wire.Cursor) {
	r := &a.rec
	switch t {
	case v2SA:
		r.security2(c)
	case v2KE:
		if g := c.U16(); c.OK() && len(r.groups) < maxList {
			r.groups = append(r.groups, uint64(g))
		}
	case v2Vendor:
		a.vendor(f, dir, c.Rest())
	case v2Notify:
		c.Skip(1)
		n := int(c.U8())
		kind := c.U16()
		if c.Skip(n); !c.OK() {
			return
		}
		add(&r.notifies, notifyName2(kind))
		switch kind {
		case notifyNATSource:
			r.nat = r.nat || a.sourceTranslated(f, dir, c.Rest())
		case notifyNATDest:
			r.natDest = r.natDest || a.translated(f.Addr(dir.Other()), port(f, dir.Other()), c.Rest())
		}
	}
}

// sourceTranslated reports whether none of the hashes so far is of the sender's
// address. A sender with several addresses may send several.
func (a *analyzer) sourceTranslated(f *protocol.Flow, dir session.Direction, hash []byte) bool {
	return a.translated(f.Addr(dir), port(f, dir), hash)
}

// translated reports whether a NAT detection hash is not of the given end point
// (RFC 7296 section 2.23).
func (a *analyzer) translated(addr packet.Addr, port uint16, hash []byte) bool {
	if len(hash) != sha1.Size {
		return false
	}
	var b [16 + 16 + 2]byte
	n := copy(b[:], a.rec.spi)
	n += copy(b[n:], addr.Bytes())
	binary.BigEndian.PutUint16(b[n:], port)
	want := sha1.Sum(b[:n+2])
	return string(want[:]) != string(hash)
}

func port(f *protocol.Flow, dir session.Direction) uint16 {
	if dir == session.Orig {
		return f.Session.OrigPort
	}
	return f.Session.RespPort
}

// security2 reads the proposals of a version 2 security association payload
// (RFC 7296 section 3.3).
func (r *Record) security2(c wire.Cursor) {
	for i := 0; c.Len() >= 8 && i < maxList; i++ {
		c.Skip(2)
		p := c.Sub(int(c.U16()) - 4)
		number, proto, spi, n := p.U8(), p.U8(), int(p.U8()), int(p.U8())
		p.Skip(spi)
		if !p.OK() {
			return
		}
		r.proposals = append(r.proposals, uint64(number))
		r.protocol = proto
		for k := 0; k < n && p.Len() >= 8 && k < maxList; k++ {
			p.Skip(2)
			t := p.Sub(int(p.U16()) - 4)
			kind := t.U8()
			t.Skip(1)
			id := t.U16()
			bits := uint16(0)
			if t.Len() >= 4 && t.U16() == 0x800e { // key length
				bits = t.U16()
			}
			if t.OK() {
				add(&r.transforms, transformName2(kind, id, bits))
			}
		}
	}
}

func (a *analyzer) payload1(f *protocol.Flow, dir session.Direction, t uint8, c wire.Cursor) {
	r := &a.rec
	switch t {
	case v1SA:
		r.doi = c.U32()
		r.situation = c.U32()
		r.hasDOI = c.OK()
		r.security1(c)
	case v1Vendor:
		a.vendor(f, dir, c.Rest())
	case v1Notify:
		c.Skip(4)
		c.Skip(2)
		if kind := c.U16(); c.OK() {
			add(&r.notifies, notifyName1(kind))
		}
	case v1ID:
		kind := c.U8()
		if c.Skip(3); c.OK() {
			a.identity(f, dir, kind, c.Rest())
		}
	case v1NATD, v1NATDDraft:
		// The first is of the receiver, those after it of the sender (RFC 3947 section 3.2).
		if r.natd++; r.natd == 1 {
			r.natDest = a.translated(f.Addr(dir.Other()), port(f, dir.Other()), c.Rest())
		} else {
			miss := a.sourceTranslated(f, dir, c.Rest())
			r.nat = miss && (r.natd == 2 || r.nat)
		}
	}
}

// security1 reads the proposals of a version 1 security association payload
// (RFC 2408 section 3.5).
func (r *Record) security1(c wire.Cursor) {
	for i := 0; c.Len() >= 8 && i < maxList; i++ {
		c.Skip(2)
		p := c.Sub(int(c.U16()) - 4)
		number, proto, spi, n := p.U8(), p.U8(), int(p.U8()), int(p.U8())
		p.Skip(spi)
		if !p.OK() {
			return
		}
		r.proposals = append(r.proposals, uint64(number))
		r.protocol = proto
		for k := 0; k < n && p.Len() >= 8 && k < maxList; k++ {
			p.Skip(2)
			t := p.Sub(int(p.U16()) - 4)
			t.Skip(1)
			id := t.U8()
			t.Skip(2)
			if !t.OK() {
				return
			}
			add(&r.transforms, transformName1(proto, id, t))
		}
	}
}

// identity tells who says it is here: in aggressive mode before anything is
// encrypted.
func (a *analyzer) identity(f *protocol.Flow, dir session.Direction, kind uint8, b []byte) {
	o := protocol.Observation{Addr: f.Addr(dir), Value: string(b[:min(len(b), maxIdentity)])}
	switch kind {
	case 1, 5: // addresses
		if ip, ok := netip.AddrFromSlice(b); ok {
			a.rec.identity = ip.String()
		}
		return
	case 2: // domain name
		o.Kind = protocol.HostName
	case 3, 11: // user@domain, key identifier
		o.Kind = protocol.UserName
	default:
		return
	}
	a.rec.identity = o.Value
	if o.Value != "" {
		f.Observe(o)
	}
}

func (a *analyzer) vendor(f *protocol.Flow, dir session.Direction, b []byte) {
	name, software := vendorName(b)
	add(&a.rec.vendors, name)
	if software {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: name})
	}
}

func add(list *[]string, s string) {
	if len(*list) < maxList {
		*list = append(*list, s)
	}
}

// Record is an IKE message.
type Record struct {
	orig                          bool
	spi                           []byte
	version, exchange, flags      uint8
	id, length                    uint32
	vendors, notifies, transforms []string
	groups, proposals             []uint64
	protocol                      uint8
	hasDOI                        bool
	doi, situation                uint32
	identity                      string
	natd                          int
	nat, natDest                  bool
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	var text [16]byte
	e.Raw(appendHex(text[:0], r.spi[:8]))
	e.Raw(appendHex(text[:0], r.spi[8:]))
	e.Uint(uint64(r.version >> 4))
	e.Uint(uint64(r.version & 15))
	e.Uint(uint64(r.exchange))
	e.Bool(r.flags&0x01 != 0)
	e.Bool(r.flags&0x02 != 0)
	e.Bool(r.flags&0x04 != 0)
	e.Bool(r.flags&0x08 != 0)
	e.Bool(r.flags&0x10 != 0)
	e.Bool(r.flags&0x20 != 0)
	e.Uint(uint64(r.id))
	e.Strs(r.vendors)
	e.Strs(r.notifies)
	e.Strs(r.transforms)
	e.Uints(r.groups)
	e.Uints(r.proposals)
	if r.protocol == 0 {
		e.Unset()
	} else {
		e.Uint(uint64(r.protocol))
	}
	e.Uint(uint64(r.length))
	if r.hasDOI {
		e.Uint(uint64(r.doi))
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], r.situation)
		e.Raw(appendHex(text[:0], b[:]))
	} else {
		e.Unset()
		e.Unset()
	}
	e.Str(exchangeName(r.exchange))
	e.Str(r.identity)
	e.Bool(r.nat || r.natDest)
}

func appendHex(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	for _, v := range b {
		dst = append(dst, digits[v>>4], digits[v&15])
	}
	return dst
}
