package tls

import (
	"bytes"

	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Extensions that are looked at (IANA TLS ExtensionType Values).
const (
	extServerName        = 0
	extSupportedGroups   = 10
	extPointFormats      = 11
	extSignatures        = 13
	extALPN              = 16
	extSessionTicket     = 35
	extPreSharedKey      = 41
	extEarlyData         = 42
	extSupportedVersions = 43
	extKeyShare          = 51
	extNextProtocol      = 13172
	extECH               = 0xfe0d
	extECHDraft          = 0xfe08 // to 0xfe0c in drafts
	extESNI              = 0xffce
)

// maxExtensions bounds how many extensions of a hello are taken into account.
const maxExtensions = 256

// isGrease reports whether v is one of the values of RFC 8701.
func isGrease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// hello is a ClientHello or ServerHello as it is read. The slices point into
// the message.
type hello struct {
	version    uint16 // legacy_version
	ciphers    []byte // of a client: list of two-byte values
	cipher     uint16 // of a server
	extensions [maxExtensions]uint16
	n          int // extensions

	groups, signatures, versions []byte // lists of two-byte values
	points                       []byte
	alpn                         []byte // list of protocol names
	hasName                      bool
}

// pairs calls yield with each two-byte value of a list.
func pairs(b []byte, yield func(uint16) bool) {
	for i := 0; i+1 < len(b); i += 2 {
		if !yield(uint16(b[i])<<8 | uint16(b[i+1])) {
			return
		}
	}
}

// extensions reads the list of extensions that ends a hello. Of one that claims
// more bytes than there are it takes what there is, and c fails.
func extensions(c *wire.Cursor) wire.Cursor {
	n := int(c.U16())
	b := c.Rest()
	if c.Skip(n); c.OK() {
		b = b[:n]
	}
	return wire.New(b)
}

// readClientHello reads a ClientHello (RFC 8446 section 4.1.2; RFC 6347 section
// 4.2.1 for the cookie). The first one of a session counts.
func (h *Handshake) readClientHello(f *protocol.Flow, body []byte) {
	if h.helloSeen {
		// Again after a HelloRetryRequest or HelloVerifyRequest, as it should be.
		if !h.retry && h.carrier == OverTCP && !h.serverSeen {
			f.Anomaly("ssl_repeated_client_hello", "")
		}
		return
	}
	h.helloSeen = true
	var m hello
	c := wire.New(body)
	m.version = c.U16()
	c.Skip(32)
	id := c.Vec8()
	if h.carrier == OverUDP {
		c.Vec8()
	}
	list := c.Vec16()
	m.ciphers = list.Rest()
	c.Vec8() // compression methods
	h.idBytes = uint8(copy(h.id[:], id.Rest()))
	var names wire.Cursor
	if c.Len() > 0 {
		ext := extensions(&c)
		for ext.Len() > 0 && m.n < maxExtensions {
			kind := ext.U16()
			val := ext.Vec16()
			if !ext.OK() {
				break
			}
			m.extensions[m.n] = kind
			m.n++
			switch kind {
			case extServerName:
				m.hasName = true
				names = val.Vec16()
			case extSupportedGroups:
				l := val.Vec16()
				m.groups = l.Rest()
			case extPointFormats:
				l := val.Vec8()
				m.points = l.Rest()
			case extSignatures:
				l := val.Vec16()
				m.signatures = l.Rest()
			case extALPN:
				l := val.Vec16()
				m.alpn = l.Rest()
			case extSupportedVersions:
				l := val.Vec8()
				m.versions = l.Rest()
			case extSessionTicket:
				h.emptyTicket = val.Len() > 0
			case extPreSharedKey:
				h.sum.psk = true
			case extEarlyData:
				h.sum.earlyData = true
			case extECH, extESNI:
				h.sum.ech = true
			default:
				if isGrease(kind) {
					h.sum.grease = true
				} else if kind >= extECHDraft && kind < extECH {
					h.sum.ech = true
				}
			}
		}
		if !ext.OK() {
			c.Fail()
		}
	}
	if !c.OK() {
		f.Anomaly("ssl_malformed_client_hello", "")
	}
	if h.idBytes > 0 && !allZero(h.id[:h.idBytes]) {
		h.emptyTicket = false
	} else {
		h.idBytes = 0
	}
	h.clientVersions(&m)
	h.clientProtocols(&m)
	h.clientPrints(&m)
	h.readServerName(f, &names)
	h.nameApp(f)
}

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// clientVersions notes the versions a client offers.
func (h *Handshake) clientVersions(m *hello) {
	s := &h.sum
	s.versions = s.versionList[:0]
	for v := range func(yield func(uint16) bool) { pairs(m.versions, yield) } {
		if isGrease(v) {
			s.grease = true
		} else if len(s.versions) < maxVersion {
			s.versions = append(s.versions, versionName(v))
		}
	}
	if len(s.versions) == 0 {
		s.versions = append(s.versions, versionName(m.version))
	}
	for v := range func(yield func(uint16) bool) { pairs(m.ciphers, yield) } {
		if isGrease(v) {
			s.grease = true
			break
		}
	}
}

// clientProtocols notes the application protocols a client offers.
func (h *Handshake) clientProtocols(m *hello) {
	for l := wire.New(m.alpn); l.Len() > 0 && len(h.sum.alpn) < maxALPN; {
		name := l.Vec8()
		if b := name.Rest(); len(b) > 0 && !greaseName(b) {
			h.sum.alpn = append(h.sum.alpn, protocolName(b))
		}
	}
}

func greaseName(b []byte) bool { return len(b) == 2 && isGrease(uint16(b[0])<<8|uint16(b[1])) }

// readServerName reads the list of a server_name extension (RFC 6066 section 3).
func (h *Handshake) readServerName(f *protocol.Flow, list *wire.Cursor) {
	for n := 0; list.Len() > 0; {
		kind := list.U8()
		name := list.Vec16()
		b := name.Rest()
		if !list.OK() || kind != 0 || len(b) == 0 {
			break
		}
		if n++; n == 2 {
			f.Anomaly("SSL_many_server_names", "")
			break
		}
		if len(b) > maxName {
			f.Anomaly("ssl_server_name_too_long", "")
			b = b[:maxName]
		}
		h.sum.serverName = string(b)
	}
	if h.sum.serverName == "" {
		return
	}
	f.SetDomain(h.sum.serverName, "sni")
	f.Observe(protocol.Observation{Kind: protocol.ServerName, Addr: f.Addr(h.client.Other()), Value: h.sum.serverName, Source: "sni"})
}

// retryRandom is the random of a ServerHello that is a HelloRetryRequest
// (RFC 8446 section 4.1.3).
var retryRandom = []byte("\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c")

// readServerHello reads a ServerHello and reports whether it is a
// HelloRetryRequest.
func (h *Handshake) readServerHello(f *protocol.Flow, body []byte) (retry bool) {
	if h.serverSeen { // again, in a retransmission
		return false
	}
	var m hello
	c := wire.New(body)
	m.version = c.U16()
	retry = bytes.Equal(c.Bytes(32), retryRandom)
	var id wire.Cursor
	// Drafts of TLS 1.3 before 22 have neither identifier nor compression.
	if old := m.version == tls13 || m.version>>8 == 0x7f && m.version&0xff < 22; !old {
		id = c.Vec8()
		m.cipher = c.U16()
		c.Skip(1)
	} else {
		m.cipher = c.U16()
	}
	if !c.OK() {
		f.Anomaly("ssl_malformed_server_hello", "")
		return false
	}
	s := &h.sum
	s.version, s.cipher, s.hasCipher = m.version, m.cipher, true
	psk := false
	if c.Len() > 0 {
		ext := extensions(&c)
		for ext.Len() > 0 && m.n < maxExtensions {
			kind := ext.U16()
			val := ext.Vec16()
			if !ext.OK() {
				break
			}
			m.extensions[m.n] = kind
			m.n++
			switch kind {
			case extSupportedVersions:
				if v := val.U16(); val.OK() {
					s.version = v
				}
			case extKeyShare:
				if v := val.U16(); val.OK() {
					s.curve, s.hasCurve = v, true
				}
			case extALPN:
				list := val.Vec16()
				name := list.Vec8()
				if b := name.Rest(); len(b) > 0 {
					s.nextProtocol = protocolName(b)
				}
			case extPreSharedKey:
				psk = true
			}
		}
		if !ext.OK() || !c.OK() {
			f.Anomaly("ssl_malformed_server_hello", "")
		}
	}
	if retry {
		h.retry, s.retry = true, true
		return true
	}
	h.serverSeen = true
	b := id.Rest()
	switch {
	case h.modern():
		s.resumed = psk && (s.psk || !h.helloSeen)
		f.SetEncrypted()
	case h.idBytes > 0 && bytes.Equal(b, h.id[:h.idBytes]):
		s.resumed = true
	}
	h.serverPrint(&m)
	return false
}

// readServerKeyExchange reads the named curve of an ECDHE exchange (RFC 8422
// section 5.4).
func (h *Handshake) readServerKeyExchange(body []byte) {
	const namedCurve = 3
	c := wire.New(body)
	if ellipticExchange(h.sum.cipher) && c.U8() == namedCurve {
		if v := c.U16(); c.OK() {
			h.sum.curve, h.sum.hasCurve = v, true
		}
	}
}

// SSL 2.0 messages that are in the clear.
const (
	v2ClientHello = 1
	v2ServerHello = 4
	maxV2Hello    = 4096
)

// version2 reads a message of SSL 2.0: a CLIENT-HELLO, which may be answered
// by a newer version, or a SERVER-HELLO. It returns how many bytes it consumed,
// 0 to wait for more; if it is neither, the direction is lost.
func (a *analyzer) version2(f *protocol.Flow, dir session.Direction, b []byte) int {
	s := &a.state[dir]
	n := 2 + (int(b[0]&0x7f)<<8 | int(b[1]))
	if n < 11 || n > 2+maxRecord || b[2] != v2ClientHello && b[2] != v2ServerHello || b[2] == v2ClientHello && n > maxV2Hello {
		s.lost = true
		return 0
	}
	if len(b) < n {
		return 0
	}
	h := a.hs
	c := wire.New(b[3:n])
	if b[2] == v2ClientHello {
		h.client = dir
		h.readClientHelloV2(f, &c)
		h.note(f, dir, 'c')
	} else {
		h.client = dir.Other()
		c.Skip(2) // session hit, certificate type
		h.sum.version = c.U16()
		certBytes, cipherBytes := int(c.U16()), int(c.U16())
		c.Skip(2)
		der := c.Bytes(certBytes)
		if k := c.Bytes(cipherBytes); c.OK() && len(k) == 3 {
			h.sum.cipherV2, h.sum.hasCipher = uint32(k[0])<<16|uint32(k[1])<<8|uint32(k[2]), true
		}
		if h.sum.version != ssl2 || !c.OK() {
			h.sum.version, h.sum.hasCipher = 0, false
			s.lost = true
			return 0
		}
		h.serverSeen = true
		h.note(f, dir, 's')
		if len(der) > 0 {
			h.certificate(f, dir, 0, der)
		}
		f.SetEncrypted()
		f.Finish()
	}
	f.Message(dir, handshake, n)
	s.started = true
	return n
}

func (h *Handshake) readClientHelloV2(f *protocol.Flow, c *wire.Cursor) {
	version := c.U16()
	ciphers, id, challenge := int(c.U16()), int(c.U16()), int(c.U16())
	c.Skip(ciphers + id + challenge)
	if !c.OK() {
		f.Anomaly("ssl_malformed_client_hello", "")
	}
	h.helloSeen = true
	h.clientVersions(&hello{version: version})
}
