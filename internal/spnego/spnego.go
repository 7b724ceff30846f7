// Package spnego takes GSS-API and SPNEGO security tokens apart.
//
// Protocols that authenticate by GSS-API (SMB, LDAP, HTTP, DCE/RPC) carry
// opaque tokens: an InitialContextToken (RFC 2743 section 3.1), a negotiation
// message of SPNEGO (RFC 4178) with the token of the chosen mechanism inside,
// or that mechanism's token as it is. When the context stands, tokens that sign
// or seal a message may follow in the same place (RFC 4752 section 3). [Parse]
// tells which it is and where the mechanism's own token lies. Nothing is copied.
package spnego

import (
	"bytes"

	"tyto/internal/wire"
)

// Mech is a security mechanism.
type Mech uint8

// Mechanisms that are told apart.
const (
	MechNone     Mech = iota // the token names none
	MechOther                // one that is not told apart
	MechNTLM                 // NTLMSSP (MS-NLMP)
	MechKerberos             // Kerberos 5 (RFC 4121), also as user-to-user
	MechNegoEx               // SPNEGO extended negotiation (MS-NEGOEX)
)

var mechNames = [...]string{"", "other", "ntlm", "kerberos", "negoex"}

// String returns the mechanism's name in lower case, empty for MechNone.
func (m Mech) String() string {
	if int(m) < len(mechNames) {
		return mechNames[m]
	}
	return "invalid"
}

// State is the state of a negotiation as a NegTokenResp tells it.
type State uint8

// States of a negotiation (RFC 4178 section 4.2.2).
const (
	StateNone State = iota // the token has none
	AcceptCompleted
	AcceptIncomplete
	Reject
	RequestMIC
)

// Kind says what a token was.
type Kind uint8

// Kinds of tokens.
const (
	Raw     Kind = iota // a mechanism's own token without SPNEGO around it
	Init                // NegTokenInit
	Resp                // NegTokenResp
	Message             // a token of Kerberos that protects a message: it has no Inner
)

// Token is a security token that was taken apart. Slices point into the bytes
// that were parsed.
type Token struct {
	Kind  Kind
	State State
	// Mech is the mechanism of Inner, told by its bytes if they are known, else
	// by the object identifier that belongs to it. Without Inner it is the
	// mechanism that is offered first or was chosen.
	Mech Mech
	// OID is the DER content of that object identifier; nil for a bare token.
	OID []byte
	// Inner is the mechanism's token; nil if the message has none.
	Inner []byte
}

// DER contents of object identifiers.
var (
	oidSPNEGO    = []byte{0x2b, 6, 1, 5, 5, 2}
	oidNTLM      = []byte{0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 10}
	oidKerberos  = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2}
	oidKerberosM = []byte{0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 1, 2, 2} // misprint that Windows kept
	oidU2U       = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2, 3}
	oidNegoEx    = []byte{0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 30}

	signatureNTLM   = []byte("NTLMSSP\x00")
	signatureNegoEx = []byte("NEGOEXTS")
)

// MechOf returns the mechanism of an object identifier given as DER content.
func MechOf(oid []byte) Mech {
	switch {
	case len(oid) == 0:
		return MechNone
	case bytes.Equal(oid, oidNTLM):
		return MechNTLM
	case bytes.Equal(oid, oidKerberos), bytes.Equal(oid, oidKerberosM), bytes.Equal(oid, oidU2U):
		return MechKerberos
	case bytes.Equal(oid, oidNegoEx):
		return MechNegoEx
	}
	return MechOther
}

// Parse takes a token apart. It reports false for bytes that are none; a token
// that breaks off is told as far as it goes.
func Parse(b []byte) (t Token, ok bool) {
	if bytes.HasPrefix(b, signatureNTLM) {
		return Token{Mech: MechNTLM, Inner: b}, true
	}
	if protects(b) {
		return Token{Kind: Message, Mech: MechKerberos}, true
	}
	c := wire.New(b)
	tag, body := element(&c)
	switch tag {
	case tagApplication0:
		inner := body
		idTag, oid := element(&inner)
		if idTag != tagOID {
			return t, false
		}
		if mech := MechOf(oid.Rest()); mech == MechKerberos && protectsOld(inner.Rest()) {
			return Token{Kind: Message, Mech: mech, OID: oid.Rest()}, true
		}
		if !bytes.Equal(oid.Rest(), oidSPNEGO) {
			return Token{Mech: MechOf(oid.Rest()), OID: oid.Rest(), Inner: b}, true
		}
		if tag, body = element(&inner); tag != tagContext0 {
			return t, false
		}
		return parseInit(body)
	case tagContext0:
		return parseInit(body)
	case tagContext1:
		return parseResp(body)
	case tagAPReq, tagAPRep, tagKRBError:
		return Token{Mech: MechKerberos, Inner: b}, true
	}
	return t, false
}

// minProtected is the header of a token that protects a message (RFC 4121
// section 4.2.6).
const minProtected = 16

// protects reports whether b is a MIC or Wrap token of Kerberos: its identifier,
// flags of which three are defined, and filler (RFC 4121 section 4.2.6).
func protects(b []byte) bool {
	if len(b) < minProtected || b[1] != 4 || b[2] > 7 || b[3] != 0xff {
		return false
	}
	switch b[0] {
	case 4: // MIC
		return b[4] == 0xff && b[5] == 0xff && b[6] == 0xff && b[7] == 0xff
	case 5: // Wrap
		return true
	}
	return false
}

// protectsOld reports whether b, what follows the mechanism's identifier, is a
// MIC, Wrap or deletion of a context in the older form (RFC 1964 section 1.2).
func protectsOld(b []byte) bool {
	return len(b) >= 2 && (b[1] == 1 && (b[0] == 1 || b[0] == 2) || b[0] == 1 && b[1] == 2)
}

// DER identifier octets.
const (
	tagOctets       = 0x04
	tagOID          = 0x06
	tagEnumerated   = 0x0a
	tagSequence     = 0x30
	tagApplication0 = 0x60
	tagAPReq        = 0x6e
	tagAPRep        = 0x6f
	tagKRBError     = 0x7e
	tagContext0     = 0xa0
	tagContext1     = 0xa1
	tagContext2     = 0xa2
)

// element reads an element's identifier and length and returns its content,
// cut to what is there. The identifier is 0 at the end or if it is not DER.
func element(c *wire.Cursor) (tag uint8, content wire.Cursor) {
	if c.Len() == 0 {
		return 0, content
	}
	tag = c.U8()
	n := int(c.U8())
	if n&0x80 != 0 {
		k := n & 0x7f
		if k == 0 || k > 4 {
			c.Fail()
			return 0, content
		}
		n = 0
		for ; k > 0; k-- {
			n = n<<8 | int(c.U8())
		}
	}
	if !c.OK() {
		return 0, content
	}
	return tag, c.Sub(min(n, c.Len()))
}

// parseInit reads NegTokenInit (RFC 4178 section 4.2.1, and NegTokenInit2 of
// MS-SPNG, which has the same first fields).
func parseInit(c wire.Cursor) (t Token, ok bool) {
	tag, seq := element(&c)
	if tag != tagSequence {
		return t, false
	}
	t.Kind = Init
	for seq.Len() > 0 && seq.OK() {
		tag, field := element(&seq)
		switch tag {
		case tagContext0:
			if tag, list := element(&field); tag == tagSequence {
				if tag, oid := element(&list); tag == tagOID {
					t.OID = oid.Rest()
				}
			}
		case tagContext2:
			if tag, token := element(&field); tag == tagOctets {
				t.Inner = token.Rest()
			}
		}
	}
	t.settle()
	return t, true
}

// parseResp reads NegTokenResp (RFC 4178 section 4.2.2).
func parseResp(c wire.Cursor) (t Token, ok bool) {
	tag, seq := element(&c)
	if tag != tagSequence {
		return t, false
	}
	t.Kind = Resp
	for seq.Len() > 0 && seq.OK() {
		tag, field := element(&seq)
		inner, content := element(&field)
		switch {
		case tag == tagContext0 && inner == tagEnumerated && content.Len() == 1:
			t.State = State(min(content.U8(), 4) + 1)
		case tag == tagContext1 && inner == tagOID:
			t.OID = content.Rest()
		case tag == tagContext2 && inner == tagOctets:
			t.Inner = content.Rest()
		}
	}
	t.settle()
	return t, true
}

// settle tells the mechanism: what the inner token proves goes before what the
// message claims, because clients often offer one and send another.
func (t *Token) settle() {
	if t.State > RequestMIC {
		t.State = StateNone
	}
	t.Mech = MechOf(t.OID)
	switch {
	case bytes.HasPrefix(t.Inner, signatureNTLM):
		t.Mech = MechNTLM
	case bytes.HasPrefix(t.Inner, signatureNegoEx):
		t.Mech = MechNegoEx
	case len(t.Inner) > 0:
		if _, ok := Kerberos(t.Inner); ok {
			t.Mech = MechKerberos
		}
	}
}

// Kerberos returns the KRB-AP-REQ, KRB-AP-REP or KRB-ERROR message of a
// Kerberos token: what follows the mechanism's identifier and the two bytes of
// token identifier (RFC 4121 section 4.1), or the token itself in the style of
// DCE, which has neither.
func Kerberos(inner []byte) (msg []byte, ok bool) {
	c := wire.New(inner)
	tag, body := element(&c)
	switch tag {
	case tagAPReq, tagAPRep, tagKRBError:
		return inner, true
	case tagApplication0:
		idTag, oid := element(&body)
		if idTag != tagOID || MechOf(oid.Rest()) != MechKerberos {
			return nil, false
		}
		if protectsOld(body.Rest()) {
			return nil, false
		}
		body.Skip(2)
		return body.Rest(), body.OK() && body.Len() > 0
	}
	return nil, false
}
