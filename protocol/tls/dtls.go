package tls

import (
	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// DTLS recognises Datagram TLS over UDP.
var DTLS = protocol.Definition{
	Name:       "dtls",
	Doc:        "Datagram Transport Layer Security over UDP, 1.0 to 1.3, recognised by its records (RFC 9147, RFC 6347, RFC 9146).",
	Transports: protocol.UDP,
	Ports:      []uint16{443, 684, 853, 2221, 3391, 3478, 4433, 4740, 5061, 5246, 5247, 5349, 5684, 6514, 6636, 10161, 10162},
	Encrypted:  true,
	Probe:      probeDatagram,
	New:        func() protocol.Analyzer { return &datagramAnalyzer{hs: NewHandshake(OverUDP)} },
	Schemas:    []*record.Schema{Schema, CertificateSchema},
}

const (
	datagramHeader = 13 // of a DTLS 1.2 record without connection identifier
	fragmentHeader = 12 // of a handshake message (RFC 6347 section 4.2.2)
)

// datagramRecord is one record of a datagram.
type datagramRecord struct {
	kind    uint8
	epoch   uint16
	bytes   int // header included
	body    []byte
	unified bool // with the header of DTLS 1.3 (RFC 9147 section 4)
}

// nextRecord reads the record at the start of b. A record with a connection
// identifier does not say how long that is (RFC 9146 section 4): it is taken to
// fill the datagram.
func nextRecord(b []byte) (r datagramRecord, ok bool) {
	if len(b) > 0 && b[0]&0xe0 == 0x20 {
		return unifiedRecord(b)
	}
	c := wire.New(b)
	r.kind = c.U8()
	version := c.U16()
	r.epoch = c.U16()
	c.Skip(6)
	if r.kind < changeCipherSpec || r.kind > dtls13ACK || version>>8 != 0xfe && version != 0x0100 || version>>8 == 0xfe && version < 0xfefc {
		return r, false
	}
	if r.kind == tls12CID {
		r.bytes = len(b)
		return r, c.OK() && r.epoch > 0 && len(b) > datagramHeader
	}
	n := int(c.U16())
	r.body = c.Bytes(n)
	r.bytes = datagramHeader + n
	return r, c.OK() && n > 0 && n <= maxRecord
}

// unifiedRecord reads a protected record of DTLS 1.3: 001CSLEE, where C tells of
// a connection identifier, S of two bytes of sequence number, L of a length.
func unifiedRecord(b []byte) (r datagramRecord, ok bool) {
	r = datagramRecord{kind: applicationData, epoch: 2, unified: true, bytes: len(b)}
	if b[0]&0x10 != 0 { // the identifier's length is not told
		return r, len(b) > 17
	}
	c := wire.New(b)
	c.Skip(2)
	if b[0]&8 != 0 {
		c.Skip(1)
	}
	if b[0]&4 != 0 {
		n := int(c.U16())
		c.Skip(n)
		r.bytes = c.Offset()
	}
	return r, c.OK() && r.bytes > 17
}

// probeDatagram recognises a datagram of records that fill it exactly.
func probeDatagram(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) <= datagramHeader || b[0] < changeCipherSpec || b[0] > dtls13ACK || b[1] != 0xfe && b[1] != 1 {
		return protocol.No
	}
	first, ok := nextRecord(b)
	if !ok {
		return protocol.No
	}
	for rest := b[first.bytes:]; len(rest) > 0; {
		r, ok := nextRecord(rest)
		if !ok {
			return protocol.No
		}
		rest = rest[r.bytes:]
	}
	if first.kind == tls12CID {
		return protocol.Likely
	}
	if first.kind == handshake && first.epoch == 0 {
		m, ok := nextFragment(first.body)
		if !ok {
			return protocol.No
		}
		switch m.kind {
		case clientHello:
			e.Reversed = e.Dir == session.Resp
		case serverHello, helloVerifyRequest:
			e.Reversed = e.Dir == session.Orig
		}
	} else if b[1] != 0xfe {
		return protocol.No
	}
	return protocol.Sure
}

// fragment is a part of a handshake message.
type fragment struct {
	kind          uint8
	message       uint16 // number of the message
	total, offset int
	data          []byte
	bytes         int // header included
}

func nextFragment(b []byte) (m fragment, ok bool) {
	c := wire.New(b)
	m.kind = c.U8()
	m.total = int(c.U24())
	m.message = c.U16()
	m.offset = int(c.U24())
	m.data = c.Bytes(int(c.U24()))
	m.bytes = c.Offset()
	return m, c.OK() && m.offset+len(m.data) <= m.total && m.total <= maxDatagramMessage && letters[m.kind] != 0
}

// maxDatagramMessage bounds a message that is put together from fragments,
// maxParts the messages of a direction that are put together at a time, and
// maxMessages the numbers of those that are remembered as read.
const (
	maxDatagramMessage = 32 << 10
	maxParts           = 4
	maxMessages        = 64
)

// part is a message that is being put together.
type part struct {
	used    bool
	kind    uint8
	message uint16
	total   int
	Assembly
}

// datagramAnalyzer follows the records of DTLS.
type datagramAnalyzer struct {
	hs    *Handshake         // nil once the handshake is over and told
	parts *[2][maxParts]part // nil without fragments
	read  [2]uint64          // messages that were read, by number
	bad   bool               // a malformed datagram was told
}

func (a *datagramAnalyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	for b := data; len(b) > 0; {
		r, ok := nextRecord(b)
		if !ok {
			// Media shares the flow with DTLS where that only agrees on keys
			// (RFC 7983): first bytes of 128 and more, and STUN's of 0 to 3.
			if media := b[0] >= 128 || b[0] <= 3; !media && !a.bad {
				a.bad = true
				f.Anomaly("dtls_invalid_record", "")
			}
			return len(data)
		}
		b = b[r.bytes:]
		f.Message(dir, r.kind, r.bytes)
		if a.hs == nil {
			continue
		}
		if r.epoch > 0 {
			if !r.unified && a.hs.modern() && r.kind != tls12CID {
				continue
			}
			a.hs.ccs[dir] = true // even if it was lost or came later
			if a.hs.Protected(f, dir, applicationData) {
				a.hs, a.parts = nil, nil
			}
			continue
		}
		a.plain(f, dir, r)
	}
	return len(data)
}

func (a *datagramAnalyzer) plain(f *protocol.Flow, dir session.Direction, r datagramRecord) {
	switch r.kind {
	case handshake:
		for b := r.body; len(b) > 0; {
			m, ok := nextFragment(b)
			if !ok {
				if !a.bad {
					a.bad = true
					f.Anomaly("dtls_malformed_handshake", "")
				}
				return
			}
			b = b[m.bytes:]
			a.fragment(f, dir, m)
		}
	case changeCipherSpec:
		if !a.hs.ccs[dir] {
			a.hs.ChangeCipherSpec(f, dir)
		}
	case alert:
		a.hs.Alert(f, dir, r.body)
	case heartbeat:
		a.hs.heartbeat(f, dir, r.body)
	}
}

// fragment takes a part of a message and reads the message once it is complete.
// Messages come again when an answer is late: the second time they are ignored.
func (a *datagramAnalyzer) fragment(f *protocol.Flow, dir session.Direction, m fragment) {
	if m.message >= maxMessages || a.read[dir]&(1<<m.message) != 0 {
		return
	}
	if len(m.data) == m.total {
		a.read[dir] |= 1 << m.message
		a.hs.Message(f, dir, m.kind, m.data)
		return
	}
	if a.parts == nil {
		a.parts = new([2][maxParts]part)
	}
	list := &a.parts[dir]
	p := &list[0]
	for i := range list {
		q := &list[i]
		if q.used && q.message == m.message {
			p = q
			break
		}
		// Else a free one, or that of the oldest message, which is given up.
		if p.used && (!q.used || q.message < p.message) {
			p = q
		}
	}
	if !p.used || p.message != m.message {
		p.Free()
		p.used, p.kind, p.message, p.total = true, m.kind, m.message, m.total
	}
	if p.kind != m.kind || p.total != m.total {
		return // contradicts the first fragment
	}
	p.Add(m.offset, m.data, m.total)
	if whole := p.Prefix(); len(whole) == p.total {
		a.read[dir] |= 1 << m.message
		a.hs.Message(f, dir, p.kind, whole)
		p.used = false
		p.Free()
	}
}

// Close tells what is known of a handshake that did not come to its end.
func (a *datagramAnalyzer) Close(f *protocol.Flow) {
	if a.hs != nil {
		a.hs.Close(f)
	}
}
