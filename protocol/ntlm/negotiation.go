package ntlm

import (
	"tyto/internal/spnego"
	"tyto/protocol"
	"tyto/session"
)

// Kerberos is what a [Negotiation] hands Kerberos messages to: a KRB-AP-REQ,
// KRB-AP-REP or KRB-ERROR in DER (RFC 4120 sections 5.5 and 5.9), without the
// framing of GSS-API. The message is valid during the call.
type Kerberos func(f *protocol.Flow, dir session.Direction, msg []byte)

// Negotiation follows the authentications of one security context, with or
// without SPNEGO around them. The zero value is ready.
type Negotiation struct {
	Exchange
	// Kerberos is given the Kerberos messages; nil drops them.
	Kerberos Kerberos
	// Mech is the mechanism of the latest token that tells it.
	Mech spnego.Mech

	kerberos bool // the client sent an AP-REQ and the result is open
}

// Client takes a security token of the client.
func (n *Negotiation) Client(f *protocol.Flow, token []byte) {
	t, ok := n.open(f, token)
	if !ok {
		return
	}
	switch t.Mech {
	case spnego.MechNTLM:
		if len(t.Inner) > 0 {
			n.Exchange.Client(f, t.Inner)
		}
	case spnego.MechKerberos:
		if n.hand(f, session.Orig, t.Inner) == tagAPReq {
			n.kerberos = true
		}
	}
}

// Server takes a security token of the server, and from SPNEGO's state the
// result.
func (n *Negotiation) Server(f *protocol.Flow, token []byte) {
	t, ok := n.open(f, token)
	if !ok {
		return
	}
	switch t.Mech {
	case spnego.MechNTLM:
		if len(t.Inner) > 0 {
			n.Exchange.Server(f, t.Inner)
		}
	case spnego.MechKerberos:
		n.hand(f, session.Resp, t.Inner)
	}
	switch t.State {
	case spnego.AcceptCompleted:
		n.Result(f, true)
	case spnego.Reject:
		n.Result(f, false)
	}
}

// Result tells whether the server accepted the authentication that is under
// way. It does nothing if there is none.
func (n *Negotiation) Result(f *protocol.Flow, ok bool) {
	if n.kerberos {
		n.kerberos = false
		kind := protocol.LoginFailed
		if ok {
			kind = protocol.LoginOK
		}
		f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: "kerberos", Source: "kerberos"})
	}
	n.Exchange.Result(f, ok)
}

// Pending reports whether the client has authenticated and the result is not
// known yet.
func (n *Negotiation) Pending() bool { return n.kerberos || n.Exchange.Pending() }

func (n *Negotiation) open(f *protocol.Flow, token []byte) (spnego.Token, bool) {
	if len(token) == 0 {
		return spnego.Token{}, false
	}
	t, ok := spnego.Parse(token)
	if !ok {
		f.Anomaly("gssapi_bad_token", "")
		return t, false
	}
	if t.Kind != spnego.Raw || t.Mech != spnego.MechNTLM {
		f.AddService("gssapi")
	}
	if t.Mech != spnego.MechNone {
		n.Mech = t.Mech
	}
	return t, true
}

// tagAPReq is the first byte of a KRB-AP-REQ.
const tagAPReq = 0x6e

// hand passes a Kerberos message on and returns its first byte, 0 if there is
// none.
func (n *Negotiation) hand(f *protocol.Flow, dir session.Direction, inner []byte) byte {
	msg, ok := spnego.Kerberos(inner)
	if !ok {
		return 0
	}
	f.AddService("kerberos")
	if n.Kerberos != nil {
		n.Kerberos(f, dir, msg)
	}
	return msg[0]
}
