// Package openvpn follows OpenVPN sessions over UDP and TCP, whatever guards
// the control channel: nothing, tls-auth, tls-crypt or tls-crypt-v2
// (draft-gremblay-openvpn-wire-protocol describes the formats).
package openvpn

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "openvpn",
	Doc:        "OpenVPN; recognised by the layout of its reset packets (session identifier, HMAC, replay packet identifier and time, message packet identifier) or by data packets that count up.",
	Transports: protocol.UDP | protocol.TCP,
	Ports:      []uint16{1194},
	OddPort:    true,
	Encrypted:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the openvpn record: one a session.
var Schema = record.New("openvpn", "", "An OpenVPN session, told at its end.",
	record.Field{Name: "control_channel", Type: record.Enum, Doc: "What guards the control channel: plain, tls-auth, tls-crypt or tls-crypt-v2; unset if the start was not seen."},
	record.Field{Name: "hmac_size", Type: record.Count, Doc: "Bytes of the HMAC of tls-auth or tls-crypt."},
	record.Field{Name: "orig_session_id", Type: record.String, Doc: "Session identifier of the originator, in hexadecimal."},
	record.Field{Name: "resp_session_id", Type: record.String, Doc: "Session identifier of the responder, in hexadecimal."},
	record.Field{Name: "established", Type: record.Bool, Doc: "True if both sides sent data."},
	record.Field{Name: "resets", Type: record.Count, Doc: "Hard and soft resets: starts and key renewals."},
	record.Field{Name: "control", Type: record.Count, Doc: "Control packets that carry TLS."},
	record.Field{Name: "acks", Type: record.Count, Doc: "Acknowledgements."},
	record.Field{Name: "data_version", Type: record.Count, Doc: "Version of the data packets: 1, or 2 with a peer identifier."},
	record.Field{Name: "orig_data", Type: record.Count, Doc: "Data packets from the originator."},
	record.Field{Name: "resp_data", Type: record.Count, Doc: "Data packets from the responder."},
)

// Opcodes: the high five bits of a packet's first byte; the others are the key
// identifier.
const (
	hardResetClientV1 = 1
	hardResetServerV1 = 2
	softResetV1       = 3
	controlV1         = 4
	ackV1             = 5
	dataV1            = 6
	hardResetClientV2 = 7
	hardResetServerV2 = 8
	dataV2            = 9
	hardResetClientV3 = 10
	controlWKCV1      = 11
)

// channel is what guards the control channel.
type channel uint8

const (
	unknownChannel channel = iota
	plain
	tlsAuth
	tlsCrypt
	tlsCryptV2
)

var channelNames = [...]string{"", "plain", "tls-auth", "tls-crypt", "tls-crypt-v2"}

const (
	sessionBytes   = 8
	cryptHMACBytes = 32 // of tls-crypt: HMAC-SHA256
	cryptBytes     = 1 + sessionBytes + 8 + cryptHMACBytes
)

// guard is what a reset packet shows: the kind of control channel and the
// length of its HMAC.
type guard struct {
	channel channel
	hmac    int
}

// earlyMarks are the bits of a replay packet identifier that a client sets to
// say that it can negotiate early (tls-crypt-v2 with a cookie).
const earlyMarks = 0x0f010000

// replay reports whether b starts with a replay packet identifier and time: a
// small number, or one marked for early negotiation, and a time since 2001.
func replay(b []byte) bool {
	id, t := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	return id&^earlyMarks != 0 && id&^earlyMarks < 1<<10 && t >= 0x3b000000 && t < 0xf0000000
}

// acknowledged returns the length of an acknowledgement array and the remote
// session identifier behind it, or -1.
func acknowledged(b []byte) int {
	if len(b) == 0 || b[0] > 8 {
		return -1
	}
	n := 1
	if b[0] > 0 {
		n += int(b[0])*4 + sessionBytes
	}
	if n > len(b) {
		return -1
	}
	for i := 0; i < int(b[0]); i++ {
		if binary.BigEndian.Uint32(b[1+4*i:]) >= 1<<16 {
			return -1
		}
	}
	return n
}

// reset returns what a whole hard reset packet shows.
func reset(p []byte) (g guard) {
	if len(p) < 14 || p[0]&7 != 0 {
		return g
	}
	client := p[0]>>3 == hardResetClientV2 || p[0]>>3 == hardResetClientV3
	body := p[1+sessionBytes:]
	if tail(body, client) {
		return guard{plain, 0}
	}
	for _, n := range [...]int{16, 20, 28, 32, 48, 64} {
		if len(body) >= n+8+5 && replay(body[n:]) && tail(body[n+8:], client) {
			return guard{tlsAuth, n}
		}
	}
	if len(p) < cryptBytes+5 || !replay(body) {
		return g
	}
	extra := len(p) - cryptBytes
	switch {
	case p[0]>>3 == hardResetClientV3:
		// A wrapped key ends the packet, with its own length last.
		if w := int(binary.BigEndian.Uint16(p[len(p)-2:])); w > 290 && w <= extra-5 && w <= 1024+290 {
			return guard{tlsCryptV2, cryptHMACBytes}
		}
	case client && extra == 5, !client && extra == 5+4+sessionBytes, !client && extra == 5:
		return guard{tlsCrypt, cryptHMACBytes}
	case !client && extra > 5 && extra < 128:
		return guard{tlsCrypt, cryptHMACBytes}
	}
	return g
}

// tail reports whether b is the end of a reset packet: acknowledgements and the
// message packet identifier 0, which in a server's may be followed by
// extensions.
func tail(b []byte, client bool) bool {
	n := acknowledged(b)
	return n >= 0 && len(b) == n+4 && binary.BigEndian.Uint32(b[n:]) == 0 && (!client || n == 1)
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.TCP {
		if len(b) < 3 {
			if len(b) == 0 || b[0] > 8 {
				return protocol.No
			}
			return protocol.More
		}
		n := int(binary.BigEndian.Uint16(b))
		if op := b[2] >> 3; n < 14 || n > 1600 || op == 0 || op > controlWKCV1 {
			return protocol.No
		}
		switch op := b[2] >> 3; op {
		case hardResetClientV2, hardResetServerV2, hardResetClientV3:
		default:
			return probeTCP(e, b)
		}
		if len(b) < 2+n {
			if b[2]&7 != 0 {
				return protocol.No
			}
			return protocol.More
		}
		b = b[2 : 2+n]
	}
	if len(b) < 14 {
		return protocol.No
	}
	switch op := b[0] >> 3; op {
	case hardResetClientV2, hardResetClientV3:
		if reset(b).channel == unknownChannel {
			return protocol.No
		}
		e.Reversed = e.Dir == session.Resp
		return protocol.Sure
	case hardResetServerV2:
		g := reset(b)
		if g.channel == unknownChannel {
			return protocol.No
		}
		e.Reversed = e.Dir == session.Orig
		if g.channel == tlsCrypt && len(b) != cryptBytes+17 {
			return protocol.Likely
		}
		return protocol.Sure
	case dataV2:
		return probeData(e, b)
	case controlV1, ackV1:
		if e.Transport == protocol.TCP {
			return protocol.No
		}
		return probeControl(b)
	}
	return protocol.No
}

// probeTCP recognises a stream in mid-session by three frames of data packets
// in a row whose packet identifiers count up.
func probeTCP(e *protocol.Evidence, b []byte) protocol.Verdict {
	op := b[2] >> 3
	if op != dataV2 {
		return protocol.No
	}
	var first [4]byte
	copy(first[:], b[2:])
	var last uint32
	for i := 0; i < 3; i++ {
		if len(b) < 10 {
			return protocol.More
		}
		if i > 0 && string(b[2:min(6, len(b))]) != string(first[:]) {
			return protocol.No
		}
		id := binary.BigEndian.Uint32(b[6:])
		if i > 0 && id != last+1 {
			return protocol.No
		}
		last = id
		n := 2 + int(binary.BigEndian.Uint16(b))
		if i == 2 {
			return protocol.Sure
		}
		if n > len(b) {
			return protocol.More
		}
		b = b[n:]
	}
	return protocol.No
}

// probeControl recognises a control channel without a guard in mid-session.
func probeControl(b []byte) protocol.Verdict {
	n := acknowledged(b[1+sessionBytes:])
	if n < 0 {
		return protocol.No
	}
	rest := b[1+sessionBytes+n:]
	if b[0]>>3 == ackV1 {
		if len(rest) == 0 && n > 1 {
			return protocol.Likely
		}
		return protocol.No
	}
	if len(rest) > 7 && rest[0]|rest[1]|rest[2] == 0 && rest[4] >= 20 && rest[4] <= 23 && rest[5] == 3 && rest[6] <= 4 {
		return protocol.Sure
	}
	return protocol.No
}

// probeData recognises data packets with a peer identifier: the same in two
// packets of one side, whose packet identifiers are near each other.
func probeData(e *protocol.Evidence, b []byte) protocol.Verdict {
	if len(b) < 24 {
		return protocol.No
	}
	s := e.Seen[e.Dir]
	if len(s) < 8 {
		if b[1] == 0 || b[1]&b[2]&b[3] == 0xff {
			return protocol.More
		}
		return protocol.No
	}
	if string(s[:4]) != string(b[:4]) {
		return protocol.No
	}
	if d := binary.BigEndian.Uint32(b[4:]) - binary.BigEndian.Uint32(s[4:]); d > 0 && d < 64 {
		return protocol.Sure
	}
	return protocol.No
}

type analyzer struct {
	rec  Record
	told bool
}

// maxControl is how many bytes a control packet may have: those of more are
// data, or no OpenVPN.
const maxControl = 4096

// Parse reads packets: a datagram is one, on a stream each has its length in
// front.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, b []byte) int {
	if f.Datagram() {
		if len(b) > 0 {
			a.packet(f, dir, b, len(b))
		}
		return len(b)
	}
	used := 0
	for len(b)-used >= 3 {
		p := b[used:]
		n := int(binary.BigEndian.Uint16(p))
		op := p[2] >> 3
		if n == 0 || op == 0 || op > controlWKCV1 {
			f.Anomaly("openvpn_bad_packet", "")
			f.Finish()
			return len(b)
		}
		isData := op == dataV1 || op == dataV2
		if !isData && n <= maxControl && len(p) < 2+n {
			return used
		}
		a.packet(f, dir, p[2:min(len(p), 2+n)], n)
		used += 2 + n
	}
	return used
}

// packet takes a packet of n bytes, of which p may be the start only.
func (a *analyzer) packet(f *protocol.Flow, dir session.Direction, p []byte, n int) {
	r := &a.rec
	op := p[0] >> 3
	switch op {
	case hardResetClientV1, hardResetServerV1, softResetV1, hardResetClientV2, hardResetServerV2, hardResetClientV3:
		r.resets++
		if g := reset(p); g.channel > r.guard.channel && (r.guard.channel == unknownChannel || g.channel == tlsCryptV2) {
			r.guard = g
		}
	case controlV1, controlWKCV1:
		r.control++
	case ackV1:
		r.acks++
	case dataV1, dataV2:
		r.data[dir]++
		r.version = 1
		if op == dataV2 {
			r.version = 2
		}
	default:
		f.Anomaly("openvpn_bad_packet", "")
		return
	}
	if op != dataV1 && op != dataV2 && len(p) > sessionBytes && !r.hasID[dir] {
		r.hasID[dir] = true
		copy(r.id[dir][:], p[1:])
	}
	f.Message(dir, op, n)
	if !a.told && dir == session.Resp {
		a.told = true
		f.Observe(protocol.Observation{Kind: protocol.Tunnel, Value: "openvpn"})
	}
}

// Close tells the session's record.
func (a *analyzer) Close(f *protocol.Flow) { f.Emit(&a.rec) }

// Record is an OpenVPN session.
type Record struct {
	guard         guard
	id            [2][sessionBytes]byte
	hasID         [2]bool
	resets        uint64
	control, acks uint64
	version       uint8
	data          [2]uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Str(channelNames[r.guard.channel])
	unlessZero(e, uint64(r.guard.hmac))
	for d := range r.id {
		if !r.hasID[d] {
			e.Unset()
			continue
		}
		var text [2 * sessionBytes]byte
		const digits = "0123456789abcdef"
		for i, v := range r.id[d] {
			text[2*i], text[2*i+1] = digits[v>>4], digits[v&15]
		}
		e.Raw(text[:])
	}
	e.Bool(r.data[0] > 0 && r.data[1] > 0)
	e.Uint(r.resets)
	e.Uint(r.control)
	e.Uint(r.acks)
	unlessZero(e, uint64(r.version))
	e.Uint(r.data[session.Orig])
	e.Uint(r.data[session.Resp])
}

func unlessZero(e *record.Encoder, v uint64) {
	if v == 0 {
		e.Unset()
		return
	}
	e.Uint(v)
}
