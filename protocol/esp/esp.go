// Package esp follows the Encapsulating Security Payload of IPsec (RFC 4303),
// on IP and inside UDP (RFC 3948).
package esp

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "esp",
	Doc:        "IPsec Encapsulating Security Payload (RFC 4303); IP protocol 50, or UDP port 4500 with a security parameter index that stays and a sequence that counts up.",
	Transports: protocol.IP | protocol.UDP,
	Ports:      []uint16{nattPort},
	Encrypted:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the esp record: one a session.
var Schema = record.New("esp", "", "An ESP session, told at its end.",
	record.Field{Name: "orig_spi", Type: record.String, Doc: "First security parameter index of packets from the originator, in hexadecimal."},
	record.Field{Name: "resp_spi", Type: record.String, Doc: "First security parameter index of packets from the responder, in hexadecimal."},
	record.Field{Name: "orig_seq", Type: record.Count, Doc: "Highest sequence number from the originator."},
	record.Field{Name: "resp_seq", Type: record.Count, Doc: "Highest sequence number from the responder."},
	record.Field{Name: "rekeys", Type: record.Count, Doc: "Changes of a security parameter index."},
)

const (
	ipProto     = 50
	nattPort    = 4500
	headerBytes = 8
	minBytes    = headerBytes + 12 // the smallest trailer and integrity check value
	// Indices up to 255 are reserved (RFC 4303 section 2.1).
	minSPI = 256
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.IP {
		if e.Proto == ipProto {
			return protocol.Sure
		}
		return protocol.No
	}
	if !e.Port(nattPort) || len(b) < minBytes {
		return protocol.No
	}
	spi, seq := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if spi < minSPI || seq == 0 {
		return protocol.No
	}
	if s := e.Seen[e.Dir]; len(s) >= headerBytes {
		if d := seq - binary.BigEndian.Uint32(s[4:]); string(s[:4]) == string(b[:4]) && d > 0 && d < 64 {
			return protocol.Sure
		}
		return protocol.No
	}
	if seq < 1<<16 {
		return protocol.Likely
	}
	return protocol.More
}

type analyzer struct {
	rec  Record
	told bool
}

// Parse takes one packet.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, b []byte) int {
	if len(b) < headerBytes {
		if f.Session.Proto == ipProto {
			f.Anomaly("truncated_ESP", "")
		}
		return len(b)
	}
	spi, seq := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if spi < minSPI && f.Session.Proto != ipProto {
		return len(b) // IKE behind its marker
	}
	s := &a.rec.sides[dir]
	switch {
	case s.spi == 0:
		s.first, s.spi = spi, spi
	case s.spi != spi:
		a.rec.rekeys++
		s.spi, s.seq = spi, 0
	}
	s.seq = max(s.seq, seq)
	f.Message(dir, 0, len(b))
	if !a.told {
		a.told = true
		f.Observe(protocol.Observation{Kind: protocol.Tunnel, Value: "ipsec"})
	}
	return len(b)
}

// Close tells the session's record.
func (a *analyzer) Close(f *protocol.Flow) { f.Emit(&a.rec) }

type side struct{ first, spi, seq uint32 }

// Record is an ESP session.
type Record struct {
	sides  [2]side
	rekeys uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	for _, s := range r.sides {
		if s.first == 0 {
			e.Unset()
			continue
		}
		var text [8]byte
		for i := range text {
			text[i] = "0123456789abcdef"[s.first>>(28-4*i)&15]
		}
		e.Raw(text[:])
	}
	for _, s := range r.sides {
		e.Uint(uint64(s.seq))
	}
	e.Uint(r.rekeys)
}
