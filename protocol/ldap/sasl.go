package ldap

import (
	"bytes"
	"encoding/binary"

	"tyto/internal/ber"
	"tyto/protocol"
	"tyto/protocol/kerberos"
	"tyto/protocol/ntlm"
	"tyto/session"
)

// bind reads the rest of a BindRequest (RFC 4511 section 4.2).
func (a *analyzer) bind(f *protocol.Flow, r *ber.Reader, o *operation) bool {
	o.version = int8(r.Int())
	o.object = text(r.Bytes())
	auth := r.Next()
	if !r.OK() {
		return false
	}
	client := f.Addr(session.Orig)
	switch auth.Tag {
	case ber.Primitive(0):
		o.opcode = "bind simple"
		if len(auth.Body) > 0 {
			o.argument = "REDACTED"
		}
		if o.object != "" {
			f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: client, Value: o.object})
		}
		if len(auth.Body) > 0 && o.object != "" {
			f.Observe(protocol.Observation{Kind: protocol.Credential, Value: o.object})
		}
	case ber.Context(3):
		o.opcode = "bind SASL"
		in := auth.Reader()
		o.argument = text(in.Bytes())
		if !in.OK() {
			return false
		}
		if token, ok := in.Optional(ber.OctetString); ok {
			a.token(f, session.Orig, o, token.Body)
		}
	case ber.Primitive(9), ber.Primitive(10), ber.Primitive(11): // MS-ADTS section 5.1.1.1.3
		o.opcode = "bind sicily"
		o.argument = "NTLM"
		a.token(f, session.Orig, o, auth.Body)
	default:
		o.opcode = "bind unknown"
	}
	return true
}

// token reads the credentials of a bind. PLAIN (RFC 4616) tells the account;
// what GSS mechanisms and NTLM carry is for their own readers.
func (a *analyzer) token(f *protocol.Flow, dir session.Direction, o *operation, b []byte) {
	switch o.argument {
	case "GSS-SPNEGO", "GSSAPI", "NTLM":
		if len(b) == 0 {
			return
		}
		a.security.Kerberos = kerberos.Tell
		if dir == session.Orig {
			a.security.Client(f, b)
		} else {
			a.security.Server(f, b)
		}
		if account := a.security.Account(); account != "" {
			a.account = text([]byte(account))
		}
	case "PLAIN":
		parts := bytes.SplitN(b, []byte{0}, 3)
		if dir == session.Orig && len(parts) == 3 && len(parts[1]) > 0 {
			o.object = text(parts[1])
			f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(session.Orig), Value: o.object})
			f.Observe(protocol.Observation{Kind: protocol.Credential, Value: o.object})
		}
	}
}

// bound takes the result of a bind; r has what follows the diagnostic message.
// Sicily answers with its token in the place of the matched name.
func (a *analyzer) bound(f *protocol.Flow, o *operation, matched []byte, r *ber.Reader) {
	simple, pending := o.opcode == "bind simple", a.security.Pending()
	r.Optional(ber.Context(3)) // referral
	if token, ok := r.Optional(ber.Primitive(7)); ok && !simple {
		a.token(f, session.Resp, o, token.Body)
	} else if o.opcode == "bind sicily" && ntlm.Is(matched) {
		a.token(f, session.Resp, o, matched)
		return
	}
	if o.code == 14 {
		return
	}
	ok := o.code == 0
	a.layer = a.layer || ok && !simple
	if pending {
		a.security.Result(f, ok)
	} else if who := o.who(); who != "" && (ok || o.code == 49) {
		kind := protocol.LoginFailed
		if ok {
			kind = protocol.LoginOK
		}
		f.Observe(protocol.Observation{Kind: kind, Addr: f.Addr(session.Orig), Value: who})
	}
	if o.object == "" && !simple {
		o.object = a.account
	}
	a.account = ""
}

// who returns the account of a bind, or its mechanism; "" for an anonymous one.
func (o *operation) who() string {
	if o.object != "" || o.opcode == "bind simple" {
		return o.object
	}
	return o.argument
}

// Limits of the buffers of a security layer.
const (
	maxBuffer   = 1 << 24
	messageSASL = 1  // kind of messages told of: a buffer of the security layer
	tokenStart  = 64 // bytes of a token that say whether it is sealed
)

// probeLayer judges the start of a stream that may be inside a session with a
// security layer: a length and a Kerberos wrap token (RFC 4121 section 4.2.6.2).
func probeLayer(b []byte) protocol.Verdict {
	if len(b) < 8 {
		return protocol.More
	}
	if b[4] == 5 && b[5] == 4 && b[6] < 8 && b[7] == 0xff {
		return protocol.Likely
	}
	return protocol.No
}

// buffer takes a buffer of the security layer (RFC 4422 section 3.7): a length
// of four bytes, then a token with what it protects.
func (a *analyzer) buffer(f *protocol.Flow, dir session.Direction, data []byte) int {
	if len(data) < 4 {
		return 0
	}
	n := int(binary.BigEndian.Uint32(data))
	if n == 0 || n > maxBuffer {
		return a.broken(f, dir, data, "buffer length")
	}
	if len(data) < 4+min(n, tokenStart) {
		return 0
	}
	start, size := plain(data[4:4+min(n, tokenStart)], n)
	if size == 0 || n > maxMessage {
		if !a.sealed {
			a.sealed = true
			f.SetEncrypted()
		}
		f.Message(dir, messageSASL, 4+n)
		return 4 + n
	}
	if len(data) < 4+n {
		return 0
	}
	f.Message(dir, messageSASL, 4+n)
	for inner := data[4+start : 4+start+size]; len(inner) > 0; {
		k := ber.Size(inner)
		if k <= 0 || k > len(inner) {
			f.Anomaly("ldap_malformed_message", "signed buffer")
			break
		}
		a.message(f, dir, inner[:k])
		inner = inner[k:]
	}
	return 4 + n
}

// plain returns where in a token of n bytes, of which b is the start, the
// messages are that it protects without sealing them. The size is 0 if they
// cannot be read.
func plain(b []byte, n int) (start, size int) {
	switch {
	case len(b) < 17:
		return 0, 0
	case b[0] == 5 && b[1] == 4 && b[3] == 0xff: // RFC 4121 section 4.2.6.2
		ec, rrc := int(binary.BigEndian.Uint16(b[4:])), int(binary.BigEndian.Uint16(b[6:]))
		switch {
		case b[2]&2 != 0:
			return 0, 0
		case rrc == 0:
			start, size = 16, n-16-ec
		case rrc == ec:
			start, size = 16+ec, n-16-ec
		}
	case b[0] == 1 && b[1] == 0 && b[2] == 0 && b[3] == 0: // MS-NLMP section 2.2.2.9
		start, size = 16, n-16
	}
	if size <= 0 || start >= len(b) || b[start] != byte(ber.Sequence) {
		return 0, 0
	}
	if k := ber.Size(b[start:]); k <= 0 || k > size {
		return 0, 0
	}
	return start, size
}
