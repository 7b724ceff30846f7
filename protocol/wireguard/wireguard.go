// Package wireguard follows WireGuard tunnels (the WireGuard whitepaper, section
// 5.4), and the path discovery messages Tailscale sends beside them.
package wireguard

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "wireguard",
	Apps:       []string{"tailscale"},
	Doc:        "WireGuard VPN; recognised by message type, reserved bytes and the exact lengths of its handshake, or by a receiver index and counter that go on.",
	Transports: protocol.UDP,
	Ports:      []uint16{51820, 41641},
	OddPort:    true,
	Encrypted:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the wireguard record: one a session.
var Schema = record.New("wireguard", "wireguard", "A WireGuard session, told at its end.",
	record.Field{Name: "established", Type: record.Bool, Doc: "True if a response answered an initiation seen before it."},
	record.Field{Name: "initiations", Type: record.Count, Doc: "Handshake initiations."},
	record.Field{Name: "responses", Type: record.Count, Doc: "Handshake responses."},
	record.Field{Name: "cookies", Type: record.Count, Doc: "Cookie replies: a side is under load."},
	record.Field{Name: "keepalives", Type: record.Count, Doc: "Data messages without content."},
	record.Field{Name: "orig_data", Type: record.Count, Doc: "Data messages with content from the originator."},
	record.Field{Name: "resp_data", Type: record.Count, Doc: "Data messages with content from the responder."},
	record.Field{Name: "disco", Type: record.Count, Doc: "Tailscale path discovery messages."},
)

// Message types.
const (
	initiation = 1
	response   = 2
	cookie     = 3
	data       = 4
	disco      = 0x54 // not WireGuard's: first byte of Tailscale's magic
)

// Lengths of messages in bytes.
const (
	initiationBytes = 148
	responseBytes   = 92
	cookieBytes     = 64
	keepaliveBytes  = 32
)

const discoMagic = "TS\xf0\x9f\x92\xac"

// kind returns the message type of a datagram, 0 if its length or header is not
// that of one. The three bytes after the type are zero, but some services put an
// identifier of the client into them.
func kind(b []byte) uint8 {
	if len(b) < keepaliveBytes {
		return 0
	}
	switch t := b[0]; {
	case t == initiation && len(b) == initiationBytes, t == response && len(b) == responseBytes, t == cookie && len(b) == cookieBytes,
		t == data && len(b)%16 == 0:
		return t
	case t == disco && len(b) >= len(discoMagic)+32+24 && string(b[:len(discoMagic)]) == discoMagic:
		return disco
	}
	return 0
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	t := kind(b)
	if t == 0 {
		return protocol.No
	}
	if t == disco {
		return protocol.Sure
	}
	zero := b[1]|b[2]|b[3] == 0
	same, other := e.Seen[e.Dir], e.Seen[e.Dir.Other()]
	switch t {
	case initiation:
		var mac2 byte // not set unless the peer is under load
		for _, v := range b[initiationBytes-16:] {
			mac2 |= v
		}
		switch {
		case zero:
			return protocol.Sure
		case mac2 == 0:
			return protocol.Likely
		}
	case response:
		if len(other) >= 8 && other[0] == initiation && string(other[4:8]) == string(b[8:12]) {
			return protocol.Sure
		}
		e.Reversed = e.Dir == session.Orig
		if zero {
			return protocol.Likely
		}
	case cookie:
		if zero && len(other) >= 8 && string(other[4:8]) == string(b[4:8]) {
			return protocol.Sure
		}
		if zero {
			return protocol.Likely
		}
	case data:
		// A counter of 2^48 messages is never reached.
		if !zero || b[14]|b[15] != 0 {
			return protocol.No
		}
		if len(same) >= 16 && string(same[:8]) == string(b[:8]) {
			if d := binary.LittleEndian.Uint64(b[8:]) - binary.LittleEndian.Uint64(same[8:]); d > 0 && d < 256 {
				return protocol.Sure
			}
		}
		return protocol.Likely
	}
	return protocol.No
}

type analyzer struct {
	rec    Record
	sender [2]uint32 // index each side chose in its latest handshake message; 0 is unknown
	told   bool
}

// Parse reads one datagram.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, b []byte) int {
	r := &a.rec
	t := kind(b)
	switch t {
	case 0:
		if len(b) > 0 {
			f.Anomaly("wireguard_unknown_message", "")
		}
		return len(b)
	case initiation:
		r.initiations++
		a.sender[dir] = binary.LittleEndian.Uint32(b[4:])
	case response:
		r.responses++
		a.sender[dir] = binary.LittleEndian.Uint32(b[4:])
		if p := a.sender[dir.Other()]; p != 0 && p == binary.LittleEndian.Uint32(b[8:]) {
			r.established = true
		}
	case cookie:
		r.cookies++
	case data:
		if len(b) == keepaliveBytes {
			r.keepalives++
		} else {
			r.data[dir]++
		}
	case disco:
		if r.disco++; r.disco == 1 {
			f.SetApp("tailscale")
		}
	}
	f.Message(dir, t, len(b))
	if !a.told && t != disco {
		a.told = true
		f.Observe(protocol.Observation{Kind: protocol.Tunnel, Value: "wireguard"})
	}
	return len(b)
}

// Close tells the session's record.
func (a *analyzer) Close(f *protocol.Flow) { f.Emit(&a.rec) }

// Record is a WireGuard session.
type Record struct {
	established                                        bool
	initiations, responses, cookies, keepalives, disco uint64
	data                                               [2]uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.established)
	e.Uint(r.initiations)
	e.Uint(r.responses)
	e.Uint(r.cookies)
	e.Uint(r.keepalives)
	e.Uint(r.data[session.Orig])
	e.Uint(r.data[session.Resp])
	e.Uint(r.disco)
}
