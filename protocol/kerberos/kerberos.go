// Package kerberos reads Kerberos 5 (RFC 4120) as clients speak it with a KDC:
// who asks for a ticket to what, with which encryption types, and what came of
// it. The password-change protocol (RFC 3244) is read as far as its AP-REQ.
//
// [ParseAPREQ] and [Tell] read the Kerberos tokens that other protocols carry.
package kerberos

import (
	"strings"

	"tyto/internal/ber"
	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition describes Kerberos.
var Definition = protocol.Definition{
	Name:       "kerberos",
	Service:    "krb",
	Apps:       []string{"kpasswd"},
	Doc:        "Kerberos 5 (RFC 4120), recognised by the ASN.1 framing, protocol version and message type of its first message.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{88, 464, 750},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return new(analyzer) },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the record of one request and its answer.
var Schema = record.New("kerberos", "kerberos", "One Kerberos request with its answer.",
	record.Field{Name: "request_type", Type: record.String, Doc: "AS (ticket-granting ticket), TGS (service ticket), AP (ticket presented) or KPASSWD (password change)."},
	record.Field{Name: "client", Type: record.String, Doc: "Client principal and realm, NAME/REALM; unset where the messages hide it."},
	record.Field{Name: "service", Type: record.String, Doc: "Service principal that the ticket is for."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the request was granted; unset without an answer."},
	record.Field{Name: "error_msg", Type: record.String, Doc: "Name of the error the server answered with (RFC 4120 section 7.5.9)."},
	record.Field{Name: "from", Type: record.Time, Doc: "Start of validity that the client asked for."},
	record.Field{Name: "till", Type: record.Time, Doc: "End of validity that the client asked for."},
	record.Field{Name: "cipher", Type: record.String, Doc: "Encryption type of the ticket that was issued or presented."},
	record.Field{Name: "forwardable", Type: record.Bool, Doc: "The client asked for a ticket that may be forwarded."},
	record.Field{Name: "renewable", Type: record.Bool, Doc: "The client asked for a renewable ticket."},
	record.Field{Name: "client_cert_subject", Type: record.String, Doc: "Subject of the certificate the client authenticated with (PKINIT, RFC 4556)."},
	record.Field{Name: "server_cert_subject", Type: record.String, Doc: "Subject of the KDC's certificate (PKINIT)."},
	record.Field{Name: "auth_ticket", Type: record.String, Doc: "MD5 of the encrypted part of the ticket that authorised the request."},
	record.Field{Name: "new_ticket", Type: record.String, Doc: "MD5 of the encrypted part of the ticket that was issued."},
	record.Field{Name: "error_code", Type: record.Count, Doc: "The error as a number."},
	record.Field{Name: "error_text", Type: record.String, Doc: "Text the server added to the error."},
	record.Field{Name: "etypes", Type: record.Strings, Doc: "Encryption types the client offered, in its order of preference."},
	record.Field{Name: "preauth", Type: record.Enum, Doc: "How an AS request proved the client's identity: none, timestamp, challenge, pkinit or fast."},
	record.Field{Name: "padata", Type: record.Strings, Doc: "Types of pre-authentication data in the request."},
	record.Field{Name: "reply_cipher", Type: record.String, Doc: "Encryption type of the answer's own encrypted part: the client's key in an AS exchange."},
	record.Field{Name: "auth_cipher", Type: record.String, Doc: "Encryption type of the ticket that authorised the request."},
	record.Field{Name: "delegation", Type: record.Set, Doc: "Delegation asked for: s4u2self, s4u2proxy, user2user, forwarded."},
	record.Field{Name: "on_behalf_of", Type: record.String, Doc: "User for whom a service asks a ticket (PA-FOR-USER), NAME/REALM."},
	record.Field{Name: "rtime", Type: record.Time, Doc: "End of renewability that the client asked for."},
	record.Field{Name: "client_host", Type: record.String, Doc: "NetBIOS name of the client in the request's addresses."},
	record.Field{Name: "latency", Type: record.Interval, Doc: "Time from the request to its answer."},
)

// Limits of what is kept.
const (
	maxPending = 16       // requests without an answer, in one session
	maxMessage = 68 << 10 // longest message on a stream, in bytes
	maxName    = 256      // longest name that is kept, in bytes
	maxList    = 32       // entries of one list
	maxTries   = 64       // segments in which a message is looked for after a hole
)

// Record is one request and its answer.
type Record struct {
	kind                      uint8 // message type of the request
	time                      int64
	nonce                     uint32
	client, service           string
	answered, success         bool
	errorCode                 int32 // -1 if the answer was no error
	errorText                 string
	from, till, rtime         int64 // ns, 0 is unset
	cipher, reply, auth       int32 // encryption types; 0 is unset
	options                   uint32
	clientCert, serverCert    string
	authTicket, newTicket     digest
	etypes, padata, delegates []string
	preauth                   string
	fast                      bool // the request is sealed (RFC 6113 section 5.4)
	onBehalf                  string
	host                      string
	latency                   int64
	kpasswd                   bool
}

// Schema implements protocol.Record.
func (r *Record) Schema() *record.Schema { return Schema }

// Append implements protocol.Record.
func (r *Record) Append(e *record.Encoder) {
	e.Str(r.requestType())
	e.Str(r.client)
	e.Str(r.service)
	flag(e, r.answered, r.success)
	if r.answered && r.errorCode >= 0 {
		e.Str(errorName(r.errorCode))
	} else {
		e.Unset()
	}
	at(e, r.from)
	at(e, r.till)
	e.Str(etypeName(r.cipher))
	kdc := r.kind == asREQ || r.kind == tgsREQ
	flag(e, kdc, r.options&optForwardable != 0)
	flag(e, kdc, r.options&optRenewable != 0)
	e.Str(r.clientCert)
	e.Str(r.serverCert)
	r.authTicket.write(e)
	r.newTicket.write(e)
	if r.answered && r.errorCode >= 0 {
		e.Uint(uint64(r.errorCode))
	} else {
		e.Unset()
	}
	e.Str(r.errorText)
	e.Strs(r.etypes)
	e.Str(r.preauth)
	e.Strs(r.padata)
	e.Str(etypeName(r.reply))
	e.Str(etypeName(r.auth))
	e.Strs(r.delegates)
	e.Str(r.onBehalf)
	at(e, r.rtime)
	e.Str(r.host)
	if r.answered && r.time != 0 {
		e.Interval(r.latency)
	} else {
		e.Unset()
	}
}

func (r *Record) requestType() string {
	switch {
	case r.kpasswd:
		return "KPASSWD"
	case r.kind == asREQ:
		return "AS"
	case r.kind == tgsREQ:
		return "TGS"
	case r.kind == apREQ:
		return "AP"
	}
	return ""
}

func flag(e *record.Encoder, set, v bool) {
	if !set {
		e.Unset()
		return
	}
	e.Bool(v)
}

func at(e *record.Encoder, ns int64) {
	if ns == 0 {
		e.Unset()
		return
	}
	e.Time(ns)
}

// Message types (RFC 4120 section 5.10), which are also the numbers of their
// application tags.
const (
	asREQ    = 10
	asREP    = 11
	tgsREQ   = 12
	tgsREP   = 13
	apREQ    = 14
	apREP    = 15
	krbSAFE  = 20
	krbPRIV  = 21
	krbCRED  = 22
	krbERROR = 30
)

func probe(e *protocol.Evidence) protocol.Verdict {
	v := probeStart(e)
	if v == protocol.No && e.Transport == protocol.TCP && e.Port(88) && len(e.Data[e.Dir.Other()]) == 0 {
		return protocol.More // one direction may start inside a message
	}
	return v
}

func probeStart(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.TCP {
		if len(b) < 4 {
			if len(b) > 0 && b[0] != 0 {
				return protocol.No
			}
			return protocol.More
		}
		n := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		if n < 16 || n > maxMessage {
			return protocol.No
		}
		b = b[4:]
		if len(b) > n {
			b = b[:n]
		}
		if len(b) < min(n, 24) && plausible(b, n) {
			return protocol.More
		}
		return verdict(e, b, n)
	}
	return verdict(e, b, len(b))
}

// plausible reports whether b may be the start of a message of n bytes: an
// application tag, or the length that the password-change protocol repeats.
func plausible(b []byte, n int) bool {
	return len(b) == 0 || b[0]&0xe0 == 0x60 || int(b[0]) == n>>8 && (len(b) == 1 || int(b[1]) == n&0xff)
}

// verdict judges a message of n bytes of which b is the start.
func verdict(e *protocol.Evidence, b []byte, n int) protocol.Verdict {
	kind := messageType(b, n)
	if kind == 0 {
		kind = passwordType(b, n)
	}
	switch kind {
	case 0:
		return protocol.No
	case asREP, tgsREP, apREP:
		e.Reversed = e.Dir == session.Orig
	case asREQ, tgsREQ, apREQ:
		e.Reversed = e.Dir == session.Resp
	case krbERROR:
		e.Reversed = e.Dir == session.Orig && e.OrigPort < e.RespPort
	}
	return protocol.Sure
}

// messageType returns the type of the message of n bytes that b is the start
// of, or 0 if it is none: an application tag whose length and whose SEQUENCE's
// length agree with n, protocol version 5, and the same number again as the
// message type.
func messageType(b []byte, n int) uint8 {
	if len(b) < 12 || b[0]&0xe0 != 0x60 {
		return 0
	}
	kind := b[0] & 0x1f
	if kind < asREQ || kind > krbERROR {
		return 0
	}
	if ber.Size(b) != n {
		return 0
	}
	_, b, n, ok := ber.Head(b)
	if !ok || len(b) < 2 || ber.Size(b) != n || b[0] != byte(ber.Sequence) {
		return 0
	}
	_, b, _, _ = ber.Head(b)
	if len(b) < 10 || b[0]&0xfe != 0xa0 || b[1] != 3 || b[2] != 2 || b[3] != 1 || b[4] != 5 {
		return 0
	}
	if b[5] != b[0]+1 || b[6] != 3 || b[7] != 2 || b[8] != 1 || b[9] != kind {
		return 0
	}
	return kind
}

// passwordType is messageType for the password-change protocol: the type of the
// AP message or error inside (RFC 3244 section 2).
func passwordType(b []byte, n int) uint8 {
	c := wire.New(b)
	if int(c.U16()) != n {
		return 0
	}
	v, ap := c.U16(), int(c.U16())
	if v != 1 && v != 0xff80 {
		return 0
	}
	if ap == 0 {
		ap = n - 6
	}
	if !c.OK() || ap > n-6 {
		return 0
	}
	return messageType(c.Rest(), ap)
}

type analyzer struct {
	pending []Record // requests, oldest first
	out     Record
	begun   bool
	lost    [2]bool // in the middle of something, until a message is found
	tries   [2]int  // segments in which one was looked for
}

// Idle implements protocol.Idler.
func (a *analyzer) Idle() bool { return len(a.pending) == 0 }

// Parse implements protocol.Analyzer.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if f.Datagram() {
		a.message(f, dir, data)
		return len(data)
	}
	if len(data) < 4 {
		return 0
	}
	c := wire.New(data)
	n := int(c.U32())
	if !a.begun {
		a.begun = true
		mid := f.Session.Flags&session.MidSession != 0
		a.lost = [2]bool{mid, mid}
	}
	bad := n < 2 || n > maxMessage
	if bad && !a.lost[dir] {
		f.Anomaly("kerberos_bad_length", "")
		return protocol.SkipAll
	}
	if a.lost[dir] {
		b := c.Rest()
		if !bad && len(b) < min(n, 24) {
			return 0
		}
		if b = b[:min(max(n, 0), len(b))]; bad || messageType(b, n) == 0 && passwordType(b, n) == 0 {
			if a.tries[dir]++; a.tries[dir] > maxTries {
				return protocol.SkipAll
			}
			return len(data)
		}
		a.lost[dir] = false
	}
	b := c.Bytes(n)
	if !c.OK() {
		return 0
	}
	a.message(f, dir, b)
	return 4 + n
}

// Gap implements protocol.GapHandler: after a hole a segment is believed in only
// if it starts with a message.
func (a *analyzer) Gap(_ *protocol.Flow, dir session.Direction, _ int) bool {
	a.begun = true
	a.lost[dir], a.tries[dir] = true, 0
	return true
}

// Close implements protocol.Analyzer.
func (a *analyzer) Close(f *protocol.Flow) {
	for i := range a.pending {
		f.Emit(&a.pending[i])
	}
	a.pending = nil
}

// message reads one message, with the header of the password-change protocol or
// without.
func (a *analyzer) message(f *protocol.Flow, dir session.Direction, b []byte) {
	kpasswd := false
	if passwordType(b, len(b)) != 0 {
		kpasswd = true
		f.SetApp("kpasswd")
		ap := int(b[4])<<8 | int(b[5])
		b = b[6:]
		if ap > 0 {
			b = b[:ap]
		}
	}
	ok := false
	switch kind := messageType(b, len(b)); kind {
	case asREQ, tgsREQ:
		ok = a.request(f, b, kind)
	case apREQ:
		ok = a.present(f, b, kpasswd)
	case asREP, tgsREP:
		ok = a.reply(f, b, kind)
	case apREP:
		ok = true
		r := a.take(f, apREQ)
		r.success = true
		f.Emit(r)
	case krbERROR:
		ok = a.refuse(f, b)
	case krbSAFE, krbPRIV, krbCRED:
		ok = true
	}
	if !ok {
		f.Anomaly("kerberos_malformed_message", "")
	}
}

func (a *analyzer) add(f *protocol.Flow, r *Record) {
	r.time = f.Now
	if len(a.pending) >= maxPending {
		f.Emit(&a.pending[0])
		copy(a.pending, a.pending[1:])
		a.pending = a.pending[:len(a.pending)-1]
	}
	a.pending = append(a.pending, *r)
}

// take removes the oldest pending request of a kind, of any kind if it is 0,
// and returns it as answered. Without one the answer stands alone.
func (a *analyzer) take(f *protocol.Flow, kind uint8) *Record {
	a.out = Record{kind: kind}
	for i := range a.pending {
		if kind == 0 || a.pending[i].kind == kind {
			a.out = a.pending[i]
			n := copy(a.pending[i:], a.pending[i+1:])
			clear(a.pending[i+n:])
			a.pending = a.pending[:i+n]
			a.out.latency = f.Now - a.out.time
			break
		}
	}
	a.out.answered, a.out.errorCode = true, -1
	return &a.out
}

func (a *analyzer) request(f *protocol.Flow, b []byte, kind uint8) bool {
	r := &a.out
	*r = Record{kind: kind}
	ok := parseRequest(b, r)
	if !ok && r.client == "" && r.service == "" {
		return false
	}
	for i := range a.pending {
		if p := &a.pending[i]; p.kind == kind && p.nonce == r.nonce && p.preauth == r.preauth && r.nonce != 0 && f.Datagram() {
			return ok // sent again
		}
	}
	if kind == asREQ {
		a.observeClient(f, r)
	}
	a.add(f, r)
	return ok
}

// observeClient tells who asks for a ticket-granting ticket, and where from.
func (a *analyzer) observeClient(f *protocol.Flow, r *Record) {
	who := f.Addr(session.Orig)
	if r.host != "" {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: who, Value: r.host})
	}
	name, realm := split(r.client)
	switch {
	case name == "" || anonymous(name, realm):
	case strings.HasSuffix(name, "$"):
		if strings.EqualFold(name[:len(name)-1], r.host) {
			break
		}
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: who, Value: strings.TrimSuffix(name, "$")})
	case strings.HasPrefix(name, "host/"):
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: who, Value: name[5:]})
	default:
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: who, Value: account(name, realm)})
	}
}

// split takes the realm off a NAME/REALM.
func split(client string) (name, realm string) {
	i := strings.LastIndexByte(client, '/')
	if i < 0 {
		return client, ""
	}
	return client[:i], client[i+1:]
}

func account(name, realm string) string {
	if realm == "" || strings.IndexByte(name, '@') >= 0 {
		return name
	}
	return name + "@" + realm
}

func (a *analyzer) present(f *protocol.Flow, b []byte, kpasswd bool) bool {
	ap, ok := ParseAPREQ(b)
	if !ok {
		return false
	}
	r := &a.out
	*r = Record{kind: apREQ, kpasswd: kpasswd, service: ap.Service, cipher: ap.TicketEtype, authTicket: ap.Ticket}
	a.add(f, r)
	return true
}

func (a *analyzer) reply(f *protocol.Flow, b []byte, kind uint8) bool {
	r := a.take(f, kind-1)
	ok := parseReply(b, r)
	r.success = true
	if name, realm := split(r.client); kind == asREP && name != "" && !anonymous(name, realm) {
		f.Observe(protocol.Observation{Kind: protocol.LoginOK, Addr: f.Addr(session.Orig), Value: account(name, realm)})
	}
	f.Emit(r)
	return ok
}

func (a *analyzer) refuse(f *protocol.Flow, b []byte) bool {
	r := a.take(f, 0)
	ok := parseError(b, r)
	switch r.errorCode {
	case 6, 12, 18, 23, 24, 71, 72:
		if r.kind == asREQ || r.kind == 0 {
			name, realm := split(r.client)
			if name != "" {
				f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: f.Addr(session.Orig), Value: account(name, realm)})
			}
		}
	}
	f.Emit(r)
	return ok
}

var _ interface {
	protocol.Analyzer
	protocol.GapHandler
	protocol.Idler
} = (*analyzer)(nil)
