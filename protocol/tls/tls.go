// Package tls reads Transport Layer Security: TLS over TCP and DTLS over UDP,
// from SSL 2.0 to version 1.3, and the handshake for carriers without a record
// layer of their own (QUIC).
//
// What is in the clear is read: the hellos, the certificates up to version 1.2,
// alerts. It becomes one "tls" record a session and one "x509" record a
// certificate. The record headers are followed to the end of the session, so
// that later stages see where each message starts and how long it is; what they
// protect is skipped without being looked at.
//
// JA3, JA3S and JA4 (the TLS client fingerprint) follow their published
// definitions.
package tls

import (
	"bytes"
	"encoding/binary"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition recognises TLS over TCP.
var Definition = protocol.Definition{
	Name:       "tls",
	Service:    "ssl",
	Apps:       []string{"dot", "doh", "tor"},
	Doc:        "Transport Layer Security over TCP, SSL 2.0 to TLS 1.3, recognised by its records (RFC 8446, RFC 5246, RFC 6101).",
	Transports: protocol.TCP,
	Ports:      ports,
	OddPort:    true,
	Encrypted:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{hs: NewHandshake(OverTCP)} },
	Schemas:    []*record.Schema{Schema, CertificateSchema},
}

// ports are those of IANA's registry and of common use.
var ports = []uint16{443, 465, 563, 585, 614, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 3269, 5061, 5223, 5228, 5349, 5671, 5986,
	6443, 6514, 6679, 6697, 8443, 8883, 9443, 10250}

// Content types of records (RFC 8446 section 5.1, RFC 6520, RFC 9146, RFC
// 9147): the kinds that Flow.Message is told.
const (
	changeCipherSpec = 20
	alert            = 21
	handshake        = 22
	applicationData  = 23
	heartbeat        = 24
	tls12CID         = 25
	dtls13ACK        = 26
)

const (
	headerBytes = 5
	// maxRecord is the longest fragment of a record: RFC 5246 section 6.2.3
	// allows 2^14+2048 bytes after protection.
	maxRecord = 1<<14 + 2048
)

// validHeader reports whether b, of at least five bytes, starts like a record.
func validHeader(b []byte) bool {
	n := int(binary.BigEndian.Uint16(b[3:]))
	return b[0]-changeCipherSpec <= heartbeat-changeCipherSpec && b[1] == 3 && b[2] <= 4 && n <= maxRecord && (n > 0 || b[0] == applicationData)
}

// probe recognises the first record of either direction.
func probe(e *protocol.Evidence) protocol.Verdict {
	verdict := protocol.No
	for dir := range e.Data {
		b := e.Data[dir]
		if len(b) == 0 {
			continue
		}
		v, fromServer := probeStream(b)
		if v == protocol.Sure {
			e.Reversed = session.Direction(dir) == session.Orig && fromServer == yes || session.Direction(dir) == session.Resp && fromServer == no
			return v
		}
		verdict = max(verdict, v)
	}
	if verdict == protocol.No && len(e.Data[0])+len(e.Data[1]) <= maxLostProbe && onPort(e) {
		return probeInside(e)
	}
	return verdict
}

// side says whether bytes are from the server.
type side uint8

const (
	unknown side = iota
	yes
	no
)

func probeStream(b []byte) (v protocol.Verdict, fromServer side) {
	if b[0]&0x80 != 0 {
		return probeV2(b)
	}
	if b[0]-changeCipherSpec > heartbeat-changeCipherSpec || len(b) > 1 && b[1] != 3 || len(b) > 2 && b[2] > 4 {
		return protocol.No, unknown
	}
	if len(b) < headerBytes {
		return protocol.More, unknown
	}
	if !validHeader(b) {
		return protocol.No, unknown
	}
	n := int(binary.BigEndian.Uint16(b[3:]))
	body := b[headerBytes:]
	switch b[0] {
	case handshake:
		return probeHandshake(body, n)
	case changeCipherSpec:
		if n != 1 || len(body) > 0 && body[0] != 1 {
			return protocol.No, unknown
		}
		if len(body) == 0 {
			return protocol.More, unknown
		}
		return protocol.Sure, unknown
	case alert:
		if n == 2 {
			if len(body) < 2 {
				return protocol.More, unknown
			}
			if body[0] != 1 && body[0] != 2 {
				return protocol.No, unknown
			}
			return protocol.Sure, unknown
		}
	}
	// Protected: 24 bits of header, a length in its range, and a second header
	// where the first record ends if it is there to be seen.
	if len(body) >= n+3 {
		next := body[n:]
		if next[0]-changeCipherSpec > heartbeat-changeCipherSpec || next[1] != 3 || next[2] != b[2] {
			return protocol.No, unknown
		}
		return protocol.Sure, unknown
	}
	if n >= 16 && b[2] >= 1 && b[2] <= 3 {
		return protocol.Sure, unknown
	}
	return protocol.Likely, unknown
}

func probeHandshake(body []byte, n int) (v protocol.Verdict, fromServer side) {
	if len(body) == 0 {
		return protocol.More, unknown
	}
	switch body[0] {
	case clientHello, serverHello:
		fromServer = no
		if body[0] == serverHello {
			fromServer = yes
		}
		if len(body) < 6 {
			if n < 6 { // a message in tiny fragments
				return protocol.Likely, fromServer
			}
			return protocol.More, fromServer
		}
		length := int(body[1])<<16 | int(body[2])<<8 | int(body[3])
		if length < 34 || length > maxMessage || body[4] != 3 && body[4] != 0x7f {
			return protocol.No, unknown
		}
		return protocol.Sure, fromServer
	case helloRequest, certificateMsg, certificateStatus, serverKeyExchange, clientKeyExchange, serverHelloDone, newSessionTicket, finished:
		if len(body) < 4 {
			return protocol.More, unknown
		}
		if body[1] == 0 && int(body[2])<<8|int(body[3]) <= maxRecord {
			return protocol.Sure, unknown
		}
	}
	return protocol.Likely, unknown // in mid-session: an encrypted Finished
}

// probeV2 recognises an SSL 2.0 CLIENT-HELLO, which clients of old also sent to
// ask for newer versions (RFC 5246 appendix E.2), and an SSL 2.0 SERVER-HELLO.
func probeV2(b []byte) (v protocol.Verdict, fromServer side) {
	if len(b) < 3 {
		return protocol.More, unknown
	}
	n := int(b[0]&0x7f)<<8 | int(b[1])
	if b[2] != v2ClientHello || n < 9+3 || n > maxV2Hello {
		return protocol.No, unknown
	}
	if len(b) < 11 {
		return protocol.More, unknown
	}
	ciphers, id, challenge := int(b[5])<<8|int(b[6]), int(b[7])<<8|int(b[8]), int(b[9])<<8|int(b[10])
	if !(b[3] == 0 && b[4] == 2 || b[3] == 3 && b[4] <= 3) || ciphers%3 != 0 || ciphers == 0 || id != 0 && id != 16 ||
		challenge < 16 || challenge > 32 || 9+ciphers+id+challenge != n {
		return protocol.No, unknown
	}
	return protocol.Sure, no
}

// maxLostProbe is how many bytes are searched for the start of a record when a
// session on a port of TLS starts inside one.
const maxLostProbe = 1024

func onPort(e *protocol.Evidence) bool {
	for _, p := range ports {
		if e.RespPort == p || e.OrigPort == p {
			return true
		}
	}
	return false
}

// probeInside recognises a session that starts inside a record, by two record
// headers that follow each other. Only for ports of TLS, where it is likely.
func probeInside(e *protocol.Evidence) protocol.Verdict {
	for _, b := range e.Data {
		for off := 0; ; off++ {
			i := findRecord(b[off:], 0)
			if i < 0 {
				break
			}
			off += i
			end := off + headerBytes + int(binary.BigEndian.Uint16(b[off+3:]))
			if len(b) >= end+headerBytes && validHeader(b[end:]) && b[end+2] == b[off+2] {
				return protocol.Sure
			}
		}
	}
	return protocol.More
}

// findRecord returns the offset of what looks like the header of a record in b,
// or -1. Minor is the version to look for, 0 for any from TLS 1.0 on. What
// follows the header does not matter: how a stream is cut into segments must not
// change what is found. By chance it finds one in some four million bytes; the
// next header that is none shows the mistake.
func findRecord(b []byte, minor uint8) int {
	for i := 1; ; i++ {
		k := bytes.IndexByte(b[min(i, len(b)):], 3)
		if k < 0 {
			return -1
		}
		i += k
		h := b[i-1:]
		if len(h) < headerBytes {
			return -1
		}
		if !validHeader(h) || h[2] != minor && (minor != 0 || h[2] == 0 || h[2] > 3) {
			continue
		}
		n := int(binary.BigEndian.Uint16(h[3:]))
		if h[0] == applicationData && n >= 16 || h[0] == handshake && n >= 4 || h[0] == changeCipherSpec && n == 1 ||
			h[0] == alert && (n == 2 || n >= 16 && n <= 64) {
			return i - 1
		}
	}
}

// analyzer follows the records of both directions.
type analyzer struct {
	hs      *Handshake // nil once the handshake is over and told
	state   [2]direction
	strayed int  // bytes in which no record was found, in both directions
	unclear bool // bytes are missing, or an invalid record was told
}

// direction is the record layer of one direction.
type direction struct {
	started bool  // a record was seen
	lost    bool  // looking for the next header
	minor   uint8 // version of the latest record: 3.minor
}

// maxStray is after how many bytes without a record a session is given up.
const maxStray = 256 << 10

func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.state[dir]
	off := 0
	for off < len(data) {
		b := data[off:]
		if s.lost {
			n := a.search(f, s, b)
			if s.lost {
				return off + n
			}
			off += n
			continue
		}
		if len(b) < headerBytes {
			return off
		}
		if !validHeader(b) {
			if !s.started && a.hs != nil && b[0]&0x80 != 0 {
				if n := a.version2(f, dir, b); n != 0 || !s.lost {
					return off + n
				}
				continue
			}
			if s.started && !a.unclear {
				a.unclear = true
				f.Anomaly("ssl_invalid_record", "")
			}
			s.lost = true
			continue
		}
		kind, n := b[0], headerBytes+int(binary.BigEndian.Uint16(b[3:]))
		if a.hs == nil || kind == applicationData || a.hs.opaque(dir) {
			f.Message(dir, kind, n)
			s.started, s.minor = true, b[2]
			if a.hs != nil {
				a.protected(f, dir, kind, n)
			}
			off += n
			continue
		}
		if len(b) < n {
			return off
		}
		f.Message(dir, kind, n)
		s.started, s.minor = true, b[2]
		a.plain(f, dir, kind, b[headerBytes:n])
		off += n
	}
	return off
}

// plain takes the content of a record that is not protected.
func (a *analyzer) plain(f *protocol.Flow, dir session.Direction, kind uint8, body []byte) {
	switch kind {
	case handshake:
		a.hs.Stream(f, dir, body)
	case changeCipherSpec:
		a.hs.ChangeCipherSpec(f, dir)
	case alert:
		a.hs.Alert(f, dir, body)
	case heartbeat:
		a.hs.heartbeat(f, dir, body)
	}
}

// protected takes that a record of n bytes, header included, is protected.
func (a *analyzer) protected(f *protocol.Flow, dir session.Direction, kind uint8, n int) {
	if kind == heartbeat {
		a.hs.protectedHeartbeat(f, dir, n)
	}
	if a.hs.Protected(f, dir, kind) {
		a.hs = nil
	}
}

// search looks for the next record in b. It returns how many bytes are done
// with.
func (a *analyzer) search(f *protocol.Flow, s *direction, b []byte) int {
	n := findRecord(b, s.minor)
	if n >= 0 {
		s.lost = false
	} else {
		n = max(len(b)-headerBytes+1, 0)
	}
	if a.strayed += n; a.strayed > maxStray {
		f.Finish()
	}
	return n
}

// Gap takes that n bytes are missing: the next header has to be searched for,
// and messages that were under way are lost.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.state[dir].lost = true
	a.unclear = true
	if a.hs != nil {
		a.hs.gap(dir)
	}
	return true
}

// Close tells what is known of a handshake that did not come to its end.
func (a *analyzer) Close(f *protocol.Flow) {
	if a.hs != nil {
		a.hs.Close(f)
	}
}
