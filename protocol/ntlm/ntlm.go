// Package ntlm reads NTLM authentication (MS-NLMP): who signs in, from which
// workstation, on which server, and whether it was accepted.
//
// NTLM has no transport of its own. Its three messages travel inside SMB,
// DCE/RPC, LDAP, HTTP and others; their analyzers hold an [Exchange], or a
// [Negotiation] where SPNEGO is around it, and pass on the tokens they meet.
package ntlm

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition names the protocol. It is never recognised by itself.
var Definition = protocol.Definition{
	Name:    "ntlm",
	Doc:     "NTLM authentication inside another protocol, recognised by the signature NTLMSSP (MS-NLMP).",
	Schemas: []*record.Schema{Schema},
}

// GSSAPI names the generic security service that carries NTLM or Kerberos
// tokens. It is never recognised by itself.
var GSSAPI = protocol.Definition{
	Name: "gssapi",
	Doc:  "GSS-API or SPNEGO security tokens inside another protocol (RFC 2743, RFC 4178).",
}

// Schema describes the record of one NTLM authentication.
var Schema = record.New("ntlm", "ntlm", "One NTLM authentication, written when its result is known or the session ends.",
	record.Field{Name: "username", Type: record.String, Doc: "Account that the client authenticates as."},
	record.Field{Name: "hostname", Type: record.String, Doc: "Workstation name that the client gives."},
	record.Field{Name: "domainname", Type: record.String, Doc: "Domain of the account that the client gives."},
	record.Field{Name: "server_nb_computer_name", Type: record.String, Doc: "NetBIOS name of the server."},
	record.Field{Name: "server_dns_computer_name", Type: record.String, Doc: "DNS name of the server."},
	record.Field{Name: "server_tree_name", Type: record.String, Doc: "DNS name of the server's forest."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the server accepted the authentication; unset if the capture does not tell."},
	record.Field{Name: "server_nb_domain_name", Type: record.String, Doc: "NetBIOS name of the server's domain."},
	record.Field{Name: "server_dns_domain_name", Type: record.String, Doc: "DNS name of the server's domain."},
	record.Field{Name: "target_name", Type: record.String, Doc: "Service principal name the client wants to reach, from its response."},
	record.Field{Name: "ntlm_version", Type: record.Enum, Doc: "Kind of response: NTLMv2, NTLMv1, NTLMv1-ESS (with extended session security), LM or anonymous."},
	record.Field{Name: "mic", Type: record.Bool, Doc: "Whether the client's message carries an integrity code over the exchange."},
	record.Field{Name: "client_version", Type: record.String, Doc: "Version and build of the client's operating system."},
	record.Field{Name: "server_version", Type: record.String, Doc: "Version and build of the server's operating system."},
	record.Field{Name: "server_time", Type: record.Time, Doc: "The server's clock, from its challenge."},
	record.Field{Name: "flags", Type: record.Count, Doc: "Negotiated flags, from the latest message that has them (MS-NLMP section 2.2.2.5)."},
)

// MaxName is how many bytes of a name are kept.
const MaxName = 512

// Negotiate flags (MS-NLMP section 2.2.2.5).
const (
	flagUnicode   = 0x00000001
	flagESS       = 0x00080000
	flagAnonymous = 0x00000800
	flagVersion   = 0x02000000
)

// Message types.
const (
	typeNegotiate    = 1
	typeChallenge    = 2
	typeAuthenticate = 3
)

var signature = []byte("NTLMSSP\x00")

// Exchange follows one NTLM authentication after the other. The zero value is
// ready. Names that are kept are bounded by MaxName.
type Exchange struct {
	Domain, User, Workstation string // of the latest AUTHENTICATE message
	Anonymous                 bool   // that message names nobody

	serverNB, serverDNS, domainNB, domainDNS, tree string
	target                                         string
	version                                        string
	clientVersion, serverVersion                   string
	serverTime                                     int64
	flags                                          uint32
	mic                                            bool

	challenged, authenticated bool
	known, success            bool
}

// Account returns the account of the latest AUTHENTICATE message as
// DOMAIN\user, or user if there is no domain or it is ".", the server's own.
func (x *Exchange) Account() string {
	if x.Domain == "" || x.Domain == "." || x.User == "" {
		return x.User
	}
	return x.Domain + `\` + x.User
}

// Pending reports whether the client has authenticated and the result is not
// known yet.
func (x *Exchange) Pending() bool { return x.authenticated }

// Is reports whether a token is an NTLM message.
func Is(token []byte) bool { return bytes.HasPrefix(token, signature) }

// Client takes a token of the client: NEGOTIATE or AUTHENTICATE.
func (x *Exchange) Client(f *protocol.Flow, token []byte) {
	switch messageType(token) {
	case typeNegotiate:
		x.Close(f)
		x.negotiate(f, token)
	case typeAuthenticate:
		if x.authenticated {
			x.Close(f)
		}
		x.authenticate(f, token)
	default:
		f.Anomaly("ntlm_bad_message", "from the client")
	}
}

// Server takes a token of the server: CHALLENGE.
func (x *Exchange) Server(f *protocol.Flow, token []byte) {
	if messageType(token) != typeChallenge {
		f.Anomaly("ntlm_bad_message", "from the server")
		return
	}
	if x.authenticated || x.challenged {
		x.Close(f)
	}
	x.challenge(f, token)
}

// Result tells whether the server accepted the authentication. It does nothing
// unless the client has authenticated since the last result.
func (x *Exchange) Result(f *protocol.Flow, ok bool) {
	if !x.authenticated {
		return
	}
	x.known, x.success = true, ok
	kind := protocol.LoginFailed
	if ok {
		kind = protocol.LoginOK
	}
	if account := x.Account(); account != "" {
		f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: account, Source: "ntlm"})
	}
	x.Close(f)
}

// Close writes the record of an authentication that is under way, if there is
// something to tell, and makes the exchange ready for another.
func (x *Exchange) Close(f *protocol.Flow) {
	if x.challenged || x.authenticated {
		f.Emit(x)
	}
	*x = Exchange{}
}

func messageType(token []byte) uint32 {
	c := wire.New(token)
	if !bytes.Equal(c.Bytes(len(signature)), signature) {
		return 0
	}
	return c.LE32()
}

// negotiate reads a NEGOTIATE message (MS-NLMP section 2.2.1.1).
func (x *Exchange) negotiate(f *protocol.Flow, token []byte) {
	f.AddService("ntlm")
	c := wire.New(token)
	c.Skip(12)
	x.flags = c.LE32()
	c.Skip(16)
	if x.flags&flagVersion != 0 && c.OK() {
		x.clientVersion = version(&c)
	}
}

// challenge reads a CHALLENGE message (MS-NLMP section 2.2.1.2).
func (x *Exchange) challenge(f *protocol.Flow, token []byte) {
	f.AddService("ntlm")
	x.challenged = true
	c := wire.New(token)
	c.Skip(12)
	targetName := payload(&c, token)
	flags := c.LE32()
	c.Skip(16)
	if !c.OK() {
		f.Anomaly("ntlm_bad_message", "challenge breaks off")
		return
	}
	x.flags = flags
	if c.Len() >= 8 {
		x.pairs(f, payload(&c, token))
	}
	if flags&flagVersion != 0 {
		x.serverVersion = version(&c)
	}
	if x.domainNB == "" && x.serverNB == "" {
		x.domainNB = text(targetName, flags&flagUnicode != 0)
	}
	for _, name := range [2]string{x.serverNB, x.serverDNS} {
		if name != "" {
			f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(session.Resp), Value: name, Source: "ntlm"})
		}
	}
}

// Identifiers of attribute pairs (MS-NLMP section 2.2.2.1).
const (
	avEOL = iota
	avComputer
	avDomain
	avDNSComputer
	avDNSDomain
	avDNSTree
	avFlags
	avTimestamp
	avSingleHost
	avTargetName
)

// avHasMIC is the bit of the flags pair that says the message has a MIC.
const avHasMIC = 2

// maxPairs is how many attribute pairs are read; ten are defined.
const maxPairs = 32

// pairs reads the attributes of the server, which clients repeat in an NTLMv2
// response together with some of their own.
func (x *Exchange) pairs(f *protocol.Flow, b []byte) {
	if len(b) == 0 {
		return
	}
	c := wire.New(b)
	for range maxPairs {
		id := c.LE16()
		value := c.Bytes(int(c.LE16()))
		if !c.OK() || id == avEOL {
			break
		}
		switch id {
		case avComputer:
			keep(&x.serverNB, value)
		case avDomain:
			keep(&x.domainNB, value)
		case avDNSComputer:
			keep(&x.serverDNS, value)
		case avDNSDomain:
			keep(&x.domainDNS, value)
		case avDNSTree:
			keep(&x.tree, value)
		case avFlags:
			v := wire.New(value)
			x.mic = v.LE32()&avHasMIC != 0
		case avTimestamp:
			v := wire.New(value)
			if x.serverTime == 0 {
				x.serverTime = Filetime(v.LE64())
			}
		case avTargetName:
			keep(&x.target, value)
		}
	}
	if !c.OK() {
		f.Anomaly("ntlm_unterminated_av_sequence", "")
	}
}

func keep(s *string, value []byte) {
	if *s == "" {
		*s = text(value, true)
	}
}

// authenticate reads an AUTHENTICATE message (MS-NLMP section 2.2.1.3).
func (x *Exchange) authenticate(f *protocol.Flow, token []byte) {
	f.AddService("ntlm")
	x.authenticated = true
	c := wire.New(token)
	c.Skip(12)
	lm := payload(&c, token)
	nt := payload(&c, token)
	domain := payload(&c, token)
	user := payload(&c, token)
	workstation := payload(&c, token)
	if !c.OK() {
		f.Anomaly("ntlm_bad_message", "authenticate breaks off")
		return
	}
	c.Skip(8)
	if flags := c.LE32(); c.OK() {
		x.flags = flags
		if flags&flagVersion != 0 && c.Len() >= 8 {
			x.clientVersion = version(&c)
		}
	}
	unicode := x.flags&flagUnicode != 0
	x.Domain, x.User, x.Workstation = text(domain, unicode), text(user, unicode), text(workstation, unicode)
	x.responses(f, lm, nt)
	if x.Workstation != "" {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(session.Orig), Value: x.Workstation, Source: "ntlm"})
	}
	if account := x.Account(); account != "" && !x.Anonymous {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(session.Orig), Value: account, Source: "ntlm"})
	}
}

// Lengths of responses (MS-NLMP sections 2.2.2.3 to 2.2.2.8).
const (
	responseV1   = 24
	proofBytes   = 16
	v2HeadBytes  = 28 // of NTLMv2_CLIENT_CHALLENGE, before the pairs
	essNonceSize = 8
)

// responses tells the kind of the client's answer to the challenge.
func (x *Exchange) responses(f *protocol.Flow, lm, nt []byte) {
	switch {
	case len(nt) > responseV1:
		x.version = "NTLMv2"
		c := wire.New(nt)
		c.Skip(proofBytes + v2HeadBytes)
		if c.OK() {
			x.pairs(f, c.Rest())
		}
	case len(nt) == responseV1:
		x.version = "NTLMv1"
		if x.flags&flagESS != 0 && len(lm) == responseV1 && allZero(lm[essNonceSize:]) {
			x.version = "NTLMv1-ESS"
		}
	case len(lm) == responseV1:
		x.version = "LM"
	case x.User == "":
		x.version, x.Anonymous = "anonymous", true
	}
	if x.flags&flagAnonymous != 0 && x.User == "" {
		x.version, x.Anonymous = "anonymous", true
	}
}

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// payload reads a length, a maximum length and an offset, and returns the bytes
// of the message they point to; nil if they point outside.
func payload(c *wire.Cursor, token []byte) []byte {
	n := int(c.LE16())
	c.Skip(2)
	off := c.LE32()
	if !c.OK() || uint64(off)+uint64(n) > uint64(len(token)) {
		return nil
	}
	return token[off : int(off)+n]
}

// version reads a VERSION structure (MS-NLMP section 2.2.2.10) as
// major.minor.build.
func version(c *wire.Cursor) string {
	major, minor := c.U8(), c.U8()
	build := c.LE16()
	c.Skip(4)
	if !c.OK() || major == 0 {
		return ""
	}
	var b [16]byte
	out := strconv.AppendUint(b[:0], uint64(major), 10)
	out = strconv.AppendUint(append(out, '.'), uint64(minor), 10)
	out = strconv.AppendUint(append(out, '.'), uint64(build), 10)
	return string(out)
}

// text returns a name: UTF-16LE, or bytes of the client's code page.
func text(b []byte, unicode bool) string {
	if len(b) == 0 {
		return ""
	}
	if !unicode {
		return string(b[:min(len(b), MaxName)])
	}
	var buf [MaxName]byte
	return string(AppendUTF16(buf[:0], b, MaxName))
}

// Schema implements protocol.Record.
func (x *Exchange) Schema() *record.Schema { return Schema }

// Append implements protocol.Record.
func (x *Exchange) Append(e *record.Encoder) {
	e.Str(x.User)
	e.Str(x.Workstation)
	e.Str(x.Domain)
	e.Str(x.serverNB)
	e.Str(x.serverDNS)
	e.Str(x.tree)
	if x.known {
		e.Bool(x.success)
	} else {
		e.Unset()
	}
	e.Str(x.domainNB)
	e.Str(x.domainDNS)
	e.Str(x.target)
	e.Str(x.version)
	if x.authenticated {
		e.Bool(x.mic)
	} else {
		e.Unset()
	}
	e.Str(x.clientVersion)
	e.Str(x.serverVersion)
	if x.serverTime != 0 {
		e.Time(x.serverTime)
	} else {
		e.Unset()
	}
	e.Uint(uint64(x.flags))
}

// Filetime converts a Windows time, 100 ns since 1601, to nanoseconds since the
// epoch. It is 0 for times that cannot be told so, among them 0 and the largest,
// which stand for no time.
func Filetime(t uint64) int64 {
	const epoch = 116444736000000000
	const latest = epoch + 1<<63/100
	if t < epoch || t >= latest {
		return 0
	}
	return int64(t-epoch) * 100
}

// AppendUTF16 appends UTF-16LE text as UTF-8, until limit bytes are there.
// Halves of surrogate pairs that stand alone become U+FFFD.
func AppendUTF16(dst, src []byte, limit int) []byte {
	for i := 0; i+1 < len(src) && len(dst)+4 <= limit; i += 2 {
		r := rune(src[i]) | rune(src[i+1])<<8
		if r < 0x80 {
			dst = append(dst, byte(r))
			continue
		}
		if r >= 0xd800 && r < 0xe000 {
			low := rune(0)
			if i+3 < len(src) {
				low = rune(src[i+2]) | rune(src[i+3])<<8
			}
			if r < 0xdc00 && low >= 0xdc00 && low < 0xe000 {
				r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
				i += 2
			} else {
				r = 0xfffd
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
