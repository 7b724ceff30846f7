package tls

import (
	"tyto/protocol"
	"tyto/session"
)

// Carrier is what brings the handshake messages: the first letter of JA4.
type Carrier byte

// Carriers.
const (
	OverTCP  Carrier = 't'
	OverUDP  Carrier = 'd'
	OverQUIC Carrier = 'q'
)

// Handshake message types (RFC 8446 section 4, RFC 5246 section 7.4, RFC 6347).
const (
	helloRequest        = 0
	clientHello         = 1
	serverHello         = 2
	helloVerifyRequest  = 3
	newSessionTicket    = 4
	endOfEarlyData      = 5
	helloRetryRequest   = 6 // drafts of TLS 1.3
	encryptedExtensions = 8
	certificateMsg      = 11
	serverKeyExchange   = 12
	certificateRequest  = 13
	serverHelloDone     = 14
	certificateVerify   = 15
	clientKeyExchange   = 16
	finished            = 20
	certificateURL      = 21
	certificateStatus   = 22
	supplementalData    = 23
	keyUpdate           = 24
	messageHash         = 254
)

// letters are Zeek's in ssl_history, by message type; 0 where a type is not
// assigned.
var letters = [256]byte{helloRequest: 'h', clientHello: 'c', serverHello: 's', helloVerifyRequest: 'v', newSessionTicket: 't',
	endOfEarlyData: 'e', helloRetryRequest: 'j', encryptedExtensions: 'o', certificateMsg: 'x', serverKeyExchange: 'k',
	certificateRequest: 'r', serverHelloDone: 'n', certificateVerify: 'y', clientKeyExchange: 'g', finished: 'f',
	certificateURL: 'w', certificateStatus: 'u', supplementalData: 'a', keyUpdate: 'p', messageHash: 'm'}

// Versions as they are on the wire.
const (
	ssl2   = 0x0002
	ssl3   = 0x0300
	tls10  = 0x0301
	tls11  = 0x0302
	tls12  = 0x0303
	tls13  = 0x0304
	dtls10 = 0xfeff
	dtls12 = 0xfefd
	dtls13 = 0xfefc
)

// Limits of what is kept of a session.
const (
	maxMessage = 128 << 10 // bytes of a handshake message
	maxHistory = 100       // letters of ssl_history, as in Zeek
	maxName    = 255       // bytes of a server or protocol name
	maxALPN    = 16        // protocols offered
	maxChain   = 16        // certificates of one side
	maxVersion = 16        // versions offered
)

// Handshake reads the handshake messages of one session, whatever carries them,
// and tells them as one record. Client and server are told apart by who sends
// which hello.
type Handshake struct {
	carrier Carrier
	client  session.Direction
	told    bool // the record was emitted

	buf    [2][]byte // start of a message that is not complete
	unsure [2]bool   // after a gap: messages may start anywhere
	closed [2]bool   // no messages can be read any more
	ccs    [2]bool   // ChangeCipherSpec was seen
	sealed [2]bool   // protected records were seen

	helloSeen   bool // a ClientHello was read
	serverSeen  bool // a ServerHello that is not a retry was read
	retry       bool // a HelloRetryRequest was read
	emptyTicket bool // a ticket was offered without a session identifier
	keyExchange bool // a ClientKeyExchange was seen
	early       bool // application data in the clear was told
	bled        bool // a heartbeat asked for more than it carries
	idBytes     uint8
	id          [32]byte // session identifier the client offered
	beat        int      // bytes of the latest protected heartbeat request
	beatDir     session.Direction

	sum summary
}

// NewHandshake returns a reader for the handshake of one session.
func NewHandshake(c Carrier) *Handshake { return &Handshake{carrier: c} }

// ServerName returns the name the client asked for, "" if there is none so far.
func (h *Handshake) ServerName() string { return h.sum.serverName }

// Protocol returns the first application protocol the client offers, "" if
// there is none so far.
func (h *Handshake) Protocol() string {
	if len(h.sum.alpn) == 0 {
		return ""
	}
	return h.sum.alpn[0]
}

// ClientHello reports whether a ClientHello has been read.
func (h *Handshake) ClientHello() bool { return h.helloSeen }

// ServerHello reports whether a ServerHello that is not a HelloRetryRequest has
// been read.
func (h *Handshake) ServerHello() bool { return h.serverSeen }

// Stream takes the next bytes of a direction's handshake messages and reads
// those that are complete.
func (h *Handshake) Stream(f *protocol.Flow, dir session.Direction, data []byte) {
	if h.closed[dir] || len(data) == 0 {
		return
	}
	if h.unsure[dir] {
		if !wholeMessages(data) {
			return
		}
		h.unsure[dir] = false
	}
	own := len(h.buf[dir]) > 0
	if own {
		h.buf[dir] = append(h.buf[dir], data...)
		data = h.buf[dir]
	}
	for len(data) >= 4 {
		n := int(data[1])<<16 | int(data[2])<<8 | int(data[3])
		if n > maxMessage {
			f.Anomaly("ssl_message_too_long", "")
			h.closed[dir], h.buf[dir] = true, nil
			return
		}
		if len(data) < 4+n {
			break
		}
		h.Message(f, dir, data[0], data[4:4+n])
		data = data[4+n:]
	}
	switch {
	case len(data) == 0:
		h.buf[dir] = nil
	case own:
		h.buf[dir] = h.buf[dir][:copy(h.buf[dir], data)]
	default:
		h.buf[dir] = append(h.buf[dir], data...)
	}
}

// wholeMessages reports whether b is a run of complete messages.
func wholeMessages(b []byte) bool {
	for len(b) >= 4 {
		n := 4 + (int(b[1])<<16 | int(b[2])<<8 | int(b[3]))
		if len(b) < n || letters[b[0]] == 0 {
			return false
		}
		b = b[n:]
	}
	return len(b) == 0
}

// Message takes a complete handshake message.
func (h *Handshake) Message(f *protocol.Flow, dir session.Direction, kind uint8, body []byte) {
	switch kind {
	case clientHello:
		h.client = dir
	case serverHello, helloVerifyRequest:
		h.client = dir.Other()
	}
	letter := letters[kind]
	switch kind {
	case clientHello:
		h.readClientHello(f, body)
	case serverHello:
		if h.readServerHello(f, body) {
			letter = 'j'
		}
	case helloRetryRequest:
		h.retry = true
	case certificateMsg:
		h.readCertificates(f, dir, body)
	case serverKeyExchange:
		h.readServerKeyExchange(body)
	case clientKeyExchange:
		h.keyExchange = true
	case certificateRequest:
		h.sum.certRequested = true
	}
	if letter == 0 {
		letter = 'z'
	}
	h.note(f, dir, letter)
}

// note adds a letter to the history: upper case from the client.
func (h *Handshake) note(f *protocol.Flow, dir session.Direction, letter byte) {
	if len(h.sum.history) == maxHistory {
		return
	}
	if dir == h.client {
		letter -= 'a' - 'A'
	}
	if h.sum.history == nil {
		h.sum.history = h.sum.letters[:0]
	}
	h.sum.history = append(h.sum.history, letter)
	if len(h.sum.history) == maxHistory {
		f.Anomaly("SSL_max_ssl_history_length_reached", "")
	}
}

// ChangeCipherSpec takes that a direction's later records are protected.
func (h *Handshake) ChangeCipherSpec(f *protocol.Flow, dir session.Direction) {
	h.note(f, dir, 'i')
	h.ccs[dir] = true
	f.SetEncrypted()
	if dir == h.client && h.emptyTicket && !h.keyExchange && h.serverSeen && !h.modern() {
		h.sum.resumed = true
	}
}

// opaque reports whether the records of a direction are protected. In TLS 1.3
// a HelloRetryRequest is followed by a ChangeCipherSpec without meaning, and
// then by hellos in the clear (RFC 8446 appendix D.4).
func (h *Handshake) opaque(dir session.Direction) bool {
	return h.ccs[dir] && (!h.retry || h.serverSeen)
}

// modern reports whether the server chose version 1.3.
func (h *Handshake) modern() bool {
	return h.sum.version == tls13 || h.sum.version == dtls13 || h.sum.version>>8 == 0x7f
}

// Protected takes that a record of a direction cannot be read. It reports
// whether there is nothing more to learn: the handshake is over and told.
func (h *Handshake) Protected(f *protocol.Flow, dir session.Direction, kind uint8) (over bool) {
	switch {
	case h.modern():
		if kind != applicationData {
			return false
		}
	case !h.ccs[dir]:
		// Application data without protection, or early data, or a session
		// whose start is not in the capture.
		if h.serverSeen && !h.early {
			h.early = true
			f.Anomaly("ssl_early_application_data", "")
		}
		if h.helloSeen || h.serverSeen {
			return false
		}
	}
	h.sealed[dir] = true
	if !h.sealed[0] || !h.sealed[1] {
		return false
	}
	f.SetEncrypted()
	h.Established(f)
	return true
}

// Established takes that both sides use the keys they agreed on, and tells the
// record.
func (h *Handshake) Established(f *protocol.Flow) {
	h.sum.established = h.helloSeen || h.serverSeen || len(h.sum.history) > 0
	h.Close(f)
}

// Close tells the record of a session that something is known of, once.
func (h *Handshake) Close(f *protocol.Flow) {
	if h.told || len(h.sum.history) == 0 {
		return
	}
	h.told = true
	f.Emit(&h.sum)
}

// Alert takes the content of an alert record that is not protected.
func (h *Handshake) Alert(f *protocol.Flow, dir session.Direction, body []byte) {
	if len(body) != 2 {
		f.Anomaly("ssl_malformed_alert", "")
		return
	}
	h.note(f, dir, 'l')
	h.sum.alert, h.sum.hasAlert = body[1], true
}

// heartbeat takes a heartbeat that is not protected (RFC 6520 section 4). One
// that asks for more than it carries is the Heartbleed attack.
func (h *Handshake) heartbeat(f *protocol.Flow, dir session.Direction, body []byte) {
	h.note(f, dir, 'b')
	if len(body) < 3 {
		f.Anomaly("ssl_malformed_heartbeat", "")
		return
	}
	const minPadding = 16
	claimed := int(body[1])<<8 | int(body[2])
	switch {
	case body[0] == 1 && 3+claimed+minPadding > len(body):
		h.bled = true
		f.Anomaly("ssl_heartbeat_attack", "payload length exceeds the message")
	case body[0] == 2 && h.bled:
		h.bled = false
		f.Anomaly("ssl_heartbeat_attack_success", "answer to a request that exceeds its message")
	}
}

// protectedHeartbeat takes a protected heartbeat record of n bytes. An answer is
// as long as its request (RFC 6520), up to padding: a much longer one gave
// memory away.
func (h *Handshake) protectedHeartbeat(f *protocol.Flow, dir session.Direction, n int) {
	const slack = 64
	if h.beat > 0 && dir != h.beatDir && n > h.beat+slack {
		f.Anomaly("ssl_heartbeat_attack_success", "answer exceeds the request")
	}
	h.note(f, dir, 'b')
	h.beat, h.beatDir = n, dir
}

// gap takes that bytes of a direction are missing.
func (h *Handshake) gap(dir session.Direction) {
	h.buf[dir], h.unsure[dir] = nil, true
}
