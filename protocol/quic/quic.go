// Package quic reads QUIC (RFC 9000): the packet headers in the clear, and the
// TLS hellos in Initial packets, whose keys anyone can derive from the first
// connection identifier (RFC 9001 section 5.2).
//
// Versions 1 and 2, the drafts from 22 on, those of mvfst, and Google's Q046,
// Q050, T050 and T051 are read; other versions are recognised. Besides the
// "quic" record there is the "tls" record of the handshake.
package quic

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/protocol/tls"
	"tyto/session"
)

// Definition recognises QUIC over UDP.
var Definition = protocol.Definition{
	Name:       "quic",
	Apps:       []string{"doq", "doh"},
	Doc:        "QUIC over UDP, versions 1 and 2, drafts, and Google's own, recognised by its long headers (RFC 9000, RFC 9001, RFC 9369, RFC 8999).",
	Transports: protocol.UDP,
	Ports:      []uint16{443, 80, 784, 853, 4433, 8443, 8853},
	OddPort:    true,
	Encrypted:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{hs: tls.NewHandshake(tls.OverQUIC)} },
	Schemas:    []*record.Schema{Schema, tls.Schema, tls.CertificateSchema},
}

// Schema describes the record of one QUIC connection.
var Schema = record.New("quic", "quic", "One QUIC connection.",
	record.Field{Name: "version", Type: record.String, Doc: "Version of the first packet: \"1\", \"quicv2\", \"draft-29\", …"},
	record.Field{Name: "client_initial_dcid", Type: record.String, Doc: "First connection identifier the client addressed, which the keys of Initial packets come from."},
	record.Field{Name: "client_scid", Type: record.String, Doc: "Connection identifier the client chose for itself."},
	record.Field{Name: "server_scid", Type: record.String, Doc: "Connection identifier the server chose for itself."},
	record.Field{Name: "server_name", Type: record.String, Doc: "Name the client asked for (SNI)."},
	record.Field{Name: "client_protocol", Type: record.String, Doc: "First application protocol the client offered (ALPN)."},
	record.Field{Name: "history", Type: record.String, Doc: "Packets in the order they were seen, a letter each as in Zeek, upper case from the client: I Initial, H Handshake, Z 0-RTT, R Retry, S hello, C close, U unknown version, X not decrypted any more, O 2^n short packets, and V Version Negotiation."},
	record.Field{Name: "user_agent", Type: record.String, Doc: "Program of the client, told by Google's versions."},
)

// Limits of what is kept and tried.
const (
	maxCID     = 20    // bytes of a connection identifier (RFC 9000 section 17.2)
	maxHistory = 100   // letters, as in Zeek
	maxKeys    = 6     // times that keys are derived anew for a session
	maxCrypto  = 32768 // bytes of a direction's CRYPTO stream that are put together
	maxShort   = 4096  // short packets in a row after which a connection is not followed any more
	maxFrames  = 512   // frames of a packet that are read
)

// sampleBytes is how much of a packet the header's protection is made of.
const sampleBytes = 16

// connectionRecord is the record of a connection.
type connectionRecord struct {
	version            uint32
	dcid, client, serv cid
	serverName         string
	protocol           string
	userAgent          string
	history            []byte
	letters            [32]byte // first memory of history
	hex                [2 * maxCID]byte
}

// cid is a connection identifier.
type cid struct {
	set bool
	n   uint8
	b   [maxCID]byte
}

func (c *cid) put(b []byte) { c.set, c.n = true, uint8(copy(c.b[:], b)) }

func (c *cid) bytes() []byte { return c.b[:c.n] }

// Schema returns the schema of QUIC records.
func (r *connectionRecord) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *connectionRecord) Append(e *record.Encoder) {
	e.Str(versionName(r.version))
	r.id(e, &r.dcid)
	r.id(e, &r.client)
	r.id(e, &r.serv)
	e.Str(r.serverName)
	e.Str(r.protocol)
	e.Bytes(r.history)
	e.Str(r.userAgent)
}

func (r *connectionRecord) id(e *record.Encoder, c *cid) {
	const digits = "0123456789abcdef"
	for i, v := range c.bytes() {
		r.hex[2*i], r.hex[2*i+1] = digits[v>>4], digits[v&15]
	}
	if c.n == 0 {
		e.Unset()
		return
	}
	e.Raw(r.hex[:2*int(c.n)])
}

// analyzer follows the connections of a session, one after another.
type analyzer struct {
	hs      *tls.Handshake // of the connection at hand; nil once it is over and told
	rec     connectionRecord
	open    bool // rec has something to tell
	client  session.Direction
	keys    keys
	sets    int             // times that keys were derived
	crypto  [2]tls.Assembly // CRYPTO streams
	fed     [2]int          // bytes of them that were given to hs
	hellos  [2]bool         // hellos were noted
	over    bool            // the connection at hand was closed and told
	retried bool            // the connection at hand answers a Retry
	plain   []byte          // memory for decrypted packets
	short   [2]uint32       // short packets
	run     uint32          // short packets since the last long one
	broken  bool            // a malformed packet was told
}

func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	b := data
	for n := 0; len(b) > 0; n++ {
		if b[0]&0x80 == 0 {
			if h, ok := publicHeader(b); ok && n == 0 {
				a.packet(f, dir, b, &h)
			} else {
				a.shortHeader(f, dir, b, n == 0)
			}
			return len(data)
		}
		h, ok := longHeader(b)
		if !ok {
			if n == 0 {
				a.malformed(f, "")
			}
			return len(data)
		}
		a.run = 0
		a.packet(f, dir, b[:h.bytes], &h)
		b = b[h.bytes:]
	}
	return len(data)
}

func (a *analyzer) malformed(f *protocol.Flow, detail string) {
	if !a.broken {
		a.broken = true
		f.Anomaly("quic_malformed_packet", detail)
	}
}

// begin opens a record with the first packet of a connection.
func (a *analyzer) begin(dir session.Direction, h *header) {
	if a.over {
		return
	}
	if !a.open {
		a.open = true
		a.rec.version = h.version
		a.rec.history = a.rec.letters[:0]
	}
	if dir == a.client {
		if !known(a.rec.version) && known(h.version) { // after a Version Negotiation
			a.rec.version = h.version
		}
		if !a.rec.dcid.set && len(h.dcid) > 0 {
			a.rec.dcid.put(h.dcid)
		}
		a.rec.client.put(h.scid)
		return
	}
	a.rec.serv.put(h.scid)
}

// note adds a letter to the history: upper case from the client.
func (a *analyzer) note(f *protocol.Flow, dir session.Direction, letter byte) {
	if !a.open || len(a.rec.history) == maxHistory {
		return
	}
	if dir != a.client {
		letter += 'a' - 'A'
	}
	a.rec.history = append(a.rec.history, letter)
	if len(a.rec.history) == maxHistory {
		f.Anomaly("QUIC_max_history_length_reached", "")
	}
}

// packet takes one packet with a long header.
func (a *analyzer) packet(f *protocol.Flow, dir session.Direction, b []byte, h *header) {
	switch h.kind {
	case kindNegotiation:
		if !a.open && !a.over {
			a.open, a.rec.history = true, a.rec.letters[:0]
		}
		a.note(f, dir, 'V')
	case kindUnknown:
		a.begin(dir, h)
		a.note(f, dir, 'U')
		if v, ok := tagVersion(h.version); ok && v < 50 && a.hs != nil {
			a.googleStream(f, dir, b[h.payload:])
		}
	case kindInitial:
		a.initial(f, dir, b, h)
	case kindZeroRTT:
		a.begin(dir, h)
		a.note(f, dir, 'Z')
	case kindHandshake:
		a.begin(dir, h)
		a.note(f, dir, 'H')
	case kindRetry:
		a.begin(dir, h)
		a.note(f, dir, 'R')
		// The client starts again with the identifier that the server chose: a
		// connection of its own in the log, as Zeek has it, with the same TLS
		// handshake. It does so once only (RFC 9000 section 17.2.5.2).
		if !a.retried && dir != a.client && a.hs != nil {
			a.tell(f)
			a.forget()
			a.retried = true
		}
	}
}

// initial takes an Initial packet and reads the hello in it.
func (a *analyzer) initial(f *protocol.Flow, dir session.Direction, b []byte, h *header) {
	if a.hs == nil && a.another(f, dir, b, h) {
		a.hs = tls.NewHandshake(tls.OverQUIC)
	}
	var text []byte
	if a.hs != nil {
		text = a.decrypt(dir, b, h)
	}
	a.begin(dir, h)
	a.note(f, dir, 'I')
	switch {
	case a.hs == nil:
		a.note(f, dir, 'X')
	case text != nil:
		a.frames(f, dir, text, h)
	}
}

// another reports whether an Initial packet, after a handshake that is over, is
// the first of another connection between the same ports, and ends the old one.
func (a *analyzer) another(f *protocol.Flow, dir session.Direction, b []byte, h *header) bool {
	if dir != a.client || a.keys.of(h) || len(h.dcid) < 8 || a.sets >= maxKeys || bytes.Equal(h.dcid, a.rec.serv.bytes()) {
		return false
	}
	if a.tryClient(b, h) == nil {
		return false
	}
	k := a.keys
	a.tell(f)
	a.forget()
	a.keys = k
	return true
}

// forget drops what belongs to one connection.
func (a *analyzer) forget() {
	a.rec = connectionRecord{}
	a.open = false
	a.over, a.retried, a.hellos, a.short, a.fed = false, false, [2]bool{}, [2]uint32{}, [2]int{}
	a.crypto[0].Free()
	a.crypto[1].Free()
	a.keys.ready = false
}

// tell emits the record of the connection at hand.
func (a *analyzer) tell(f *protocol.Flow) {
	if a.open {
		f.Emit(&a.rec)
		a.open = false
	}
}

// shortHeader takes a packet with a short header: all that is left of a
// connection once keys are agreed.
func (a *analyzer) shortHeader(f *protocol.Flow, dir session.Direction, b []byte, alone bool) {
	if b[0]&0x40 == 0 && !(alone && a.hellos[a.client]) { // padding, or another protocol
		return
	}
	a.short[dir]++
	if n := a.short[dir]; n&(n-1) == 0 {
		a.note(f, dir, 'O')
	}
	if a.hs != nil && dir == a.client && a.hs.ServerHello() {
		a.established(f)
	}
	if a.run++; a.run > maxShort {
		f.Finish()
	}
}

// established takes that the client uses the keys of application data.
func (a *analyzer) established(f *protocol.Flow) {
	a.hs.Established(f)
	a.drop()
}

// drop gives back what only the handshake needs.
func (a *analyzer) drop() {
	a.hs, a.plain = nil, nil
	a.crypto[0].Free()
	a.crypto[1].Free()
}

// Close tells the connection at hand.
func (a *analyzer) Close(f *protocol.Flow) {
	if a.hs != nil {
		a.hs.Close(f)
	}
	a.tell(f)
}

// probe recognises a datagram that starts with a long header of a version that
// is known, and whose lengths fit. In mid-session, when there are only short
// headers, two datagrams to port 443 with the same connection identifier make it
// likely.
func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 16 {
		return protocol.No
	}
	if b[0]&0x80 == 0 {
		return probeShort(e, b)
	}
	h, ok := longHeader(b)
	if !ok || !h.fixed && h.kind == kindInitial {
		return protocol.No
	}
	switch h.kind {
	case kindNegotiation:
		// Servers send it: a list of versions, of which one should be known.
		for c := wire.New(b[h.payload:]); c.Len() >= 4; {
			if v := c.U32(); known(v) || v&0x0f0f0f0f == 0x0a0a0a0a {
				e.Reversed = e.Dir == session.Orig
				return protocol.Sure
			}
		}
		return protocol.No
	case kindUnknown:
		if _, google := tagVersion(h.version); google || h.version&0x0f0f0f0f == 0x0a0a0a0a && h.fixed && len(h.dcid) >= 8 && len(b) >= 1200 ||
			h.version>>8 == 0xff0000 || h.version>>8 == 0xfaceb0 {
			return protocol.Sure
		}
		return protocol.No
	case kindRetry:
		e.Reversed = e.Dir == session.Orig
	case kindInitial:
		e.Reversed = reversed(e, b, &h)
	}
	return protocol.Sure
}

// reversed reports whether a session's first Initial packet is the server's: the
// ports say so, and the client's keys do not fit.
func reversed(e *protocol.Evidence, b []byte, h *header) bool {
	server, other := e.OrigPort, e.RespPort
	if e.Dir == session.Resp {
		server, other = other, server
	}
	fromServerPort := server < 1024 && other >= 1024
	if fromServerPort == (e.Dir == session.Resp) {
		return false
	}
	var k keys
	if !k.derive(h.version, h.dcid) {
		return false
	}
	var memory []byte
	fromClient := k.client.open(b[:h.bytes], h, &memory) != nil
	return fromClient == (e.Dir == session.Resp)
}

func probeShort(e *protocol.Evidence, b []byte) protocol.Verdict {
	if b[0]&0x40 == 0 {
		return probeGoogle(b)
	}
	if !e.Port(443) || len(b) < 24 {
		return protocol.No
	}
	seen := e.Seen[e.Dir]
	switch {
	case len(seen) >= 9 && bytes.Equal(seen[1:9], b[1:9]) && seen[0]&0xc0 == 0x40 && !bytes.Equal(seen[9:min(len(seen), 24)], b[9:24]):
		return protocol.Likely
	case e.Count < 8:
		return protocol.More
	}
	return protocol.No
}
