// Package dnscrypt recognises DNSCrypt, versions 1 and 2 (draft-denis-dprive-dnscrypt):
// queries and answers that are encrypted, not the DNS that fetches the certificate.
package dnscrypt

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "dnscrypt",
	Doc:        "DNSCrypt; recognised by the magic number of the resolver's answers, or that of the oldest resolvers in queries.",
	Transports: protocol.UDP | protocol.TCP,
	Ports:      []uint16{443, 5353, 8443},
	Encrypted:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the dnscrypt record: one a session.
var Schema = record.New("dnscrypt", "", "A DNSCrypt session, told at its end.",
	record.Field{Name: "client_magic", Type: record.String, Doc: "First eight bytes of the queries, in hexadecimal: they name the resolver's certificate."},
	record.Field{Name: "queries", Type: record.Count, Doc: "Queries."},
	record.Field{Name: "answers", Type: record.Count, Doc: "Answers."},
)

const (
	resolverMagic = "r6fnvWj8"
	oldMagic      = "q6fnvWj8"
	queryBytes    = 8 + 32 + 12 + 16 // magic, public key, nonce, authenticator
	answerBytes   = 8 + 24 + 16
	blockBytes    = 64 // queries are padded to a multiple of this
	minPadded     = 128
)

func isAnswer(b []byte) bool { return len(b) >= answerBytes && string(b[:8]) == resolverMagic }

// mayBeQuery reports whether n bytes have the length of a query: the text is
// padded to a multiple of a block, or, by some clients, the whole message is.
func mayBeQuery(n int) bool {
	return n >= queryBytes+minPadded && (n%blockBytes == 0 || (n-queryBytes)%blockBytes == 0)
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.TCP {
		if o := e.Data[e.Dir.Other()]; len(o) >= 10 && string(o[2:10]) == resolverMagic {
			return protocol.Sure
		}
		if len(b) < 10 {
			return protocol.More
		}
		n := int(binary.BigEndian.Uint16(b))
		switch string(b[2:10]) {
		case resolverMagic:
			e.Reversed = e.Dir == session.Orig
			return protocol.Sure
		case oldMagic:
			return protocol.Sure
		}
		if n > 1500 || len(b) > 2+n || !mayBeQuery(n) {
			return protocol.No
		}
		return protocol.More
	}
	switch {
	case isAnswer(b):
		e.Reversed = e.Dir == session.Orig
		return protocol.Sure
	case len(b) >= queryBytes+minPadded && string(b[:8]) == oldMagic:
		return protocol.Sure
	case mayBeQuery(len(b)) && len(b) <= 1500 && (e.Count == 1 || len(e.Seen[e.Dir]) >= 8 && string(e.Seen[e.Dir][:8]) == string(b[:8])):
		return protocol.More
	}
	return protocol.No
}

type analyzer struct {
	rec Record
}

// Parse counts queries and answers.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	b, n := data, len(data)
	if !f.Datagram() {
		if len(data) < 10 {
			return 0
		}
		n = 2 + int(binary.BigEndian.Uint16(data))
		b = data[2:]
	}
	f.Message(dir, 0, n)
	if len(b) < 8 {
		return n
	}
	if string(b[:8]) == resolverMagic {
		a.rec.answers++
		return n
	}
	a.rec.queries++
	if !a.rec.hasMagic {
		a.rec.hasMagic = true
		copy(a.rec.magic[:], b)
	}
	return n
}

// Close tells the session's record.
func (a *analyzer) Close(f *protocol.Flow) { f.Emit(&a.rec) }

// Record is a DNSCrypt session.
type Record struct {
	magic            [8]byte
	hasMagic         bool
	queries, answers uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	if r.hasMagic {
		var text [16]byte
		const digits = "0123456789abcdef"
		for i, v := range r.magic {
			text[2*i], text[2*i+1] = digits[v>>4], digits[v&15]
		}
		e.Raw(text[:])
	} else {
		e.Unset()
	}
	e.Uint(r.queries)
	e.Uint(r.answers)
}
