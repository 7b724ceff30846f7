package kerberos

import (
	"crypto/md5"
	"encoding/hex"
	"math"
	"strings"
	"time"

	"tyto/internal/ber"
	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// KDC options (RFC 4120 section 5.4.1, RFC 6806, MS-SFU), as bits of a 32-bit
// string whose first bit is the most significant.
const (
	optForwardable = 1 << (31 - 1)
	optForwarded   = 1 << (31 - 2)
	optRenewable   = 1 << (31 - 8)
	optCNameInAddl = 1 << (31 - 14)
	optEncTktSKey  = 1 << (31 - 28)
)

// digest is an MD5, or none if it is zero.
type digest [md5.Size]byte

func (d *digest) write(e *record.Encoder) {
	if *d == (digest{}) {
		e.Unset()
		return
	}
	var b [2 * md5.Size]byte
	hex.Encode(b[:], d[:])
	e.Raw(b[:])
}

// APREQ is what can be read of an AP-REQ: a ticket presented to a service.
type APREQ struct {
	Realm       string   // realm of the service
	Service     string   // principal of the service: "cifs/server.example.com"
	TicketEtype int32    // encryption type of the ticket (see EtypeName)
	AuthEtype   int32    // encryption type of the authenticator
	Mutual      bool     // the client wants the service to prove itself
	Ticket      [16]byte // MD5 of the ticket's encrypted part: as new_ticket and auth_ticket of kerberos records
}

// EtypeName returns the name of an encryption type (RFC 3961 and IANA).
func EtypeName(etype int32) string { return etypeName(etype) }

// ParseAPREQ reads an AP-REQ, alone or as the initial token of the Kerberos
// GSS mechanism (RFC 4121 section 4.1), as it stands in SPNEGO, SMB, LDAP and
// RPC. It returns false if b does not start with one.
func ParseAPREQ(b []byte) (APREQ, bool) {
	var a APREQ
	r := ber.New(b)
	if r.Peek() == 0x60 { // [APPLICATION 0] { OID, token identifier 01 00, message }
		r = r.Enter(0x60)
		r.Want(ber.OID)
		b = r.Rest()
		if len(b) < 2 || b[0] != 1 || b[1] != 0 {
			return a, false
		}
		r = ber.New(b[2:])
	}
	e := r.Want(ber.Application(apREQ))
	if !r.OK() {
		return a, false
	}
	in := e.Reader()
	seq := in.Enter(ber.Sequence)
	seen := false
	for seq.More() {
		e := seq.Next()
		switch e.Tag {
		case ber.Context(2):
			a.Mutual = e.Explicit().Bits32()&(1<<29) != 0
		case ber.Context(3):
			t := parseTicket(e)
			a.Realm, a.Service, a.TicketEtype, a.Ticket = t.realm, t.service, t.etype, t.digest
			seen = t.ok
		case ber.Context(4):
			a.AuthEtype, _ = encrypted(e)
		}
	}
	return a, seen && seq.OK()
}

// Tell reads a Kerberos message that another protocol carries in its security
// tokens, without the framing of GSS-API. It emits the record of an AP-REQ or
// of an error; whether an AP-REQ was accepted shows in the other protocol.
func Tell(f *protocol.Flow, _ session.Direction, msg []byte) {
	r := Record{errorCode: -1}
	switch messageType(msg, len(msg)) {
	case apREQ:
		a, ok := ParseAPREQ(msg)
		if !ok {
			f.Anomaly("kerberos_malformed_message", "AP-REQ")
			return
		}
		r.kind, r.service, r.cipher, r.authTicket = apREQ, a.Service, a.TicketEtype, a.Ticket
	case krbERROR:
		r.answered = true
		if !parseError(msg, &r) {
			f.Anomaly("kerberos_malformed_message", "KRB-ERROR")
			return
		}
	default:
		return
	}
	f.Emit(&r)
}

type ticket struct {
	realm, service string
	etype          int32
	digest         digest
	ok             bool
}

// parseTicket reads the Ticket inside an explicit tag (RFC 4120 section 5.3).
func parseTicket(e ber.Element) (t ticket) {
	r := e.Reader()
	r = r.Enter(ber.Application(1))
	r = r.Enter(ber.Sequence)
	for r.More() {
		switch e := r.Next(); e.Tag {
		case ber.Context(1):
			t.realm = text(e.Explicit().Body)
		case ber.Context(2):
			t.service = principal(e)
		case ber.Context(3):
			var cipher []byte
			t.etype, cipher = encrypted(e)
			if t.ok = len(cipher) > 0; t.ok {
				t.digest = md5.Sum(cipher)
			}
		}
	}
	t.ok = t.ok && r.OK()
	return t
}

// encrypted reads the EncryptedData inside an explicit tag (section 5.2.9).
func encrypted(e ber.Element) (etype int32, cipher []byte) {
	r := e.Reader()
	r = r.Enter(ber.Sequence)
	for r.More() {
		switch e := r.Next(); e.Tag {
		case ber.Context(0):
			etype = int32(e.Explicit().Int())
		case ber.Context(2):
			cipher = e.Explicit().Body
		}
	}
	return etype, cipher
}

// principal reads the PrincipalName inside an explicit tag: its components with
// slashes between them (section 5.2.2).
func principal(e ber.Element) string {
	r := e.Reader()
	r = r.Enter(ber.Sequence)
	r.Optional(ber.Context(0))
	r = r.Enter(ber.Context(1))
	r = r.Enter(ber.Sequence)
	var buf [maxName]byte
	name := buf[:0]
	for i := 0; r.More() && i < maxList && len(name) < maxName; i++ {
		part := r.Bytes()
		if i > 0 {
			name = append(name, '/')
		}
		name = append(name, part[:min(len(part), maxName-min(maxName, len(name)))]...)
	}
	return text(name)
}

// text returns a KerberosString, cut to maxName bytes.
func text(b []byte) string { return string(b[:min(len(b), maxName)]) }

func join(name, realm string) string {
	switch {
	case realm == "":
		return name
	case name == "":
		return realm
	}
	return name + "/" + realm
}

// moment reads a KerberosTime, YYYYMMDDhhmmssZ, as nanoseconds since the epoch.
// Times before 1970 or too late for nanoseconds are 0, as those that are none.
func moment(b []byte) int64 {
	if len(b) != 15 || b[14] != 'Z' {
		return 0
	}
	var d [14]int
	for i := range d {
		if b[i] < '0' || b[i] > '9' {
			return 0
		}
		d[i] = int(b[i] - '0')
	}
	two := func(i int) int { return d[i]*10 + d[i+1] }
	s := time.Date(two(0)*100+two(2), time.Month(two(4)), two(6), two(8), two(10), two(12), 0, time.UTC).Unix()
	if s <= 0 || s > math.MaxInt64/1_000_000_000 {
		return 0
	}
	return s * 1e9
}

// parseRequest reads a KDC-REQ (section 5.4.1).
func parseRequest(b []byte, q *Record) bool {
	r := ber.New(b)
	r = r.Enter(ber.Application(q.kind))
	r = r.Enter(ber.Sequence)
	ok := false
	for r.More() {
		switch e := r.Next(); e.Tag {
		case ber.Context(3):
			requestPadata(e, q)
		case ber.Context(4):
			ok = parseBody(e, q)
		}
	}
	if q.kind == asREQ && q.preauth == "" {
		q.preauth = "none"
	}
	if q.options&optCNameInAddl != 0 {
		q.delegates = append(q.delegates, "s4u2proxy")
	}
	if q.options&optEncTktSKey != 0 {
		q.delegates = append(q.delegates, "user2user")
	}
	if q.options&optForwarded != 0 {
		q.delegates = append(q.delegates, "forwarded")
	}
	return ok && r.OK()
}

func parseBody(e ber.Element, q *Record) bool {
	r := e.Reader()
	r = r.Enter(ber.Sequence)
	var name, realm string
	for r.More() {
		switch e := r.Next(); e.Tag {
		case ber.Context(0):
			q.options = e.Explicit().Bits32()
		case ber.Context(1):
			name = principal(e)
		case ber.Context(2):
			realm = text(e.Explicit().Body)
		case ber.Context(3):
			q.service = principal(e)
		case ber.Context(4):
			q.from = moment(e.Explicit().Body)
		case ber.Context(5):
			q.till = moment(e.Explicit().Body)
		case ber.Context(6):
			q.rtime = moment(e.Explicit().Body)
		case ber.Context(7):
			q.nonce = uint32(e.Explicit().Int())
		case ber.Context(8):
			in := e.Reader()
			in = in.Enter(ber.Sequence)
			for in.More() && len(q.etypes) < maxList {
				q.etypes = append(q.etypes, etypeName(int32(in.Int())))
			}
		case ber.Context(9):
			q.host = netbios(e)
		}
	}
	if name != "" {
		q.client = join(name, realm)
	}
	if q.fast && anonymous(name, realm) {
		q.client = ""
	}
	return r.OK()
}

// netbios returns the first NetBIOS name of a HostAddresses (section 5.2.5).
func netbios(e ber.Element) string {
	r := e.Reader()
	r = r.Enter(ber.Sequence)
	for r.More() {
		a := r.Enter(ber.Sequence)
		kind := a.Want(ber.Context(0)).Explicit().Int()
		value := a.Want(ber.Context(1)).Explicit().Body
		if a.OK() && kind == 20 {
			return strings.TrimRight(string(value[:min(len(value), 16)]), " \x00")
		}
	}
	return ""
}

// Types of pre-authentication data that are looked into.
const (
	paTGSREQ             = 1
	paEncTimestamp       = 2
	paPKASREQOld         = 14
	paPKASREQ            = 16
	paPKASREP            = 17
	paForUser            = 129
	paFXFast             = 136
	paEncryptedChallenge = 138
)

func requestPadata(e ber.Element, q *Record) {
	r := e.Reader()
	r = r.Enter(ber.Sequence)
	for i := 0; r.More() && i < maxList; i++ {
		kind, value := padata(&r)
		if !r.OK() {
			return
		}
		q.padata = append(q.padata, padataName(kind))
		switch kind {
		case paTGSREQ:
			if ap, ok := ParseAPREQ(value); ok {
				q.auth, q.authTicket = ap.TicketEtype, ap.Ticket
			}
		case paEncTimestamp:
			q.preauth = "timestamp"
		case paEncryptedChallenge:
			q.preauth = "challenge"
		case paPKASREQ, paPKASREQOld:
			q.preauth = "pkinit"
			q.clientCert = certSubject(value)
		case paFXFast:
			q.fast = true
			if q.kind == asREQ && q.preauth == "" {
				q.preauth = "fast"
			}
		case paForUser:
			q.onBehalf = forUser(value)
			q.delegates = append(q.delegates, "s4u2self")
		}
	}
}

// padata reads one PA-DATA (section 5.2.7).
func padata(r *ber.Reader) (kind int32, value []byte) {
	p := r.Enter(ber.Sequence)
	kind = int32(p.Want(ber.Context(1)).Explicit().Int())
	value = p.Want(ber.Context(2)).Explicit().Body
	if !p.OK() {
		r.Fail()
	}
	return kind, value
}

// forUser returns the user of a PA-FOR-USER (MS-SFU section 2.2.1).
func forUser(b []byte) string {
	r := ber.New(b)
	r = r.Enter(ber.Sequence)
	name := principal(r.Want(ber.Context(0)))
	return join(name, text(r.Want(ber.Context(1)).Explicit().Body))
}

// parseReply reads a KDC-REP (section 5.4.2).
func parseReply(b []byte, q *Record) bool {
	r := ber.New(b)
	r = r.Enter(ber.Application(b[0] & 0x1f))
	r = r.Enter(ber.Sequence)
	var name, realm string
	ok := false
	for r.More() {
		switch e := r.Next(); e.Tag {
		case ber.Context(2):
			in := e.Reader()
			in = in.Enter(ber.Sequence)
			for i := 0; in.More() && i < maxList; i++ {
				kind, value := padata(&in)
				if kind == paPKASREP {
					q.serverCert = certSubject(value)
				}
			}
		case ber.Context(3):
			realm = text(e.Explicit().Body)
		case ber.Context(4):
			name = principal(e)
		case ber.Context(5):
			t := parseTicket(e)
			q.cipher, q.newTicket, ok = t.etype, t.digest, t.ok
			if t.service != "" {
				q.service = t.service
			}
		case ber.Context(6):
			q.reply, _ = encrypted(e)
		}
	}
	if name != "" && !anonymous(name, realm) {
		q.client = join(name, realm)
	}
	return ok && r.OK()
}

// anonymous reports whether a client is the name that hides one (RFC 8062
// section 3): what stands in the clear of a message whose true client is in the
// part that FAST seals (RFC 6113 section 5.4.6). In a reply it does not say who
// the client is; what the request said stays.
func anonymous(name, realm string) bool {
	return name == "WELLKNOWN/ANONYMOUS" || realm == "WELLKNOWN:ANONYMOUS"
}

// parseError reads a KRB-ERROR (section 5.9.1).
func parseError(b []byte, q *Record) bool {
	r := ber.New(b)
	r = r.Enter(ber.Application(krbERROR))
	r = r.Enter(ber.Sequence)
	var name, realm, service string
	ok := false
	for r.More() {
		switch e := r.Next(); e.Tag {
		case ber.Context(6):
			q.errorCode, ok = int32(e.Explicit().Uint()&0x7fffffff), true
		case ber.Context(7):
			realm = text(e.Explicit().Body)
		case ber.Context(8):
			name = principal(e)
		case ber.Context(10):
			service = principal(e)
		case ber.Context(11):
			q.errorText = text(e.Explicit().Body)
		}
	}
	if q.client == "" && name != "" && !anonymous(name, realm) {
		q.client = join(name, realm)
	}
	if q.service == "" {
		q.service = service
	}
	return ok && r.OK()
}

// certSubject returns the subject of the first certificate of a PKINIT message
// (RFC 4556 section 3.2): in a CMS SignedData (RFC 5652) behind an implicit or
// explicit tag, or within a choice of those.
func certSubject(b []byte) string {
	r := ber.New(b)
	for range 4 { // to the ContentInfo, which starts with its type
		e := r.Next()
		if !r.OK() {
			return ""
		}
		if e.Tag == ber.OID {
			break
		}
		in := e.Reader()
		if e.Tag&0xc0 == 0x80 && in.Peek() == ber.OctetString { // [0] EXPLICIT OCTET STRING
			in = ber.New(e.Explicit().Body)
		}
		r = in
	}
	r = r.Enter(ber.Context(0))
	r = r.Enter(ber.Sequence) // SignedData
	r.Want(ber.Integer)
	r.Want(ber.Set)
	r.Want(ber.Sequence)
	r = r.Enter(ber.Context(0))
	r = r.Enter(ber.Sequence) // Certificate
	r = r.Enter(ber.Sequence) // TBSCertificate (RFC 5280 section 4.1)
	r.Optional(ber.Context(0))
	r.Want(ber.Integer)
	r.Want(ber.Sequence)
	r.Want(ber.Sequence)
	r.Want(ber.Sequence)
	subject := r.Want(ber.Sequence)
	if !r.OK() {
		return ""
	}
	return distinguishedName(subject)
}

// distinguishedName returns a Name as text, most specific part first (RFC 4514).
func distinguishedName(e ber.Element) string {
	var parts []string
	r := e.Reader()
	for r.More() && len(parts) < maxList {
		set := r.Enter(ber.Set)
		seq := set.Enter(ber.Sequence)
		oid := seq.Want(ber.OID).Body
		value := seq.Next().Body
		if !seq.OK() {
			break
		}
		parts = append(parts, attributeName(oid)+"="+text(value))
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	s := strings.Join(parts, ",")
	return s[:min(len(s), 4*maxName)]
}

func attributeName(oid []byte) string {
	switch string(oid) {
	case "\x55\x04\x03":
		return "CN"
	case "\x55\x04\x06":
		return "C"
	case "\x55\x04\x07":
		return "L"
	case "\x55\x04\x08":
		return "ST"
	case "\x55\x04\x0a":
		return "O"
	case "\x55\x04\x0b":
		return "OU"
	case "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19":
		return "DC"
	case "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01":
		return "UID"
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01":
		return "emailAddress"
	}
	return string(ber.AppendOID(nil, oid[:min(len(oid), 32)]))
}
