package http

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"unicode/utf16"

	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Facts are what was observed of a connection last, not to tell it again with
// each request.
type Facts struct {
	name   string
	agents [2]string
	user   string
	login  bool
	failed int
}

// maxFact is the longest name or software that is observed.
const maxFact = 512

// Host observes a host the responder was asked for.
func (t *Facts) Host(f *protocol.Flow, value []byte) {
	name := hostName(value)
	if len(name) == 0 || len(name) > maxFact || fold(name, t.name) {
		return
	}
	t.name = string(bytes.ToLower(name))
	if _, err := netip.ParseAddr(t.name); err == nil {
		return
	}
	f.SetDomain(t.name, "http")
	f.Observe(protocol.Observation{Kind: protocol.ServerName, Addr: f.Addr(session.Resp), Value: t.name})
}

// hostName returns a host without its port and brackets.
func hostName(b []byte) []byte {
	if len(b) > 0 && b[0] == '[' {
		if i := bytes.IndexByte(b, ']'); i > 0 {
			return b[1:i]
		}
		return nil
	}
	if i := bytes.LastIndexByte(b, ':'); i >= 0 {
		b = b[:i]
	}
	return bytes.TrimSuffix(b, []byte{'.'})
}

// Software observes a program of one side.
func (t *Facts) Software(f *protocol.Flow, dir session.Direction, value []byte) {
	value = value[:min(len(value), maxFact)]
	if len(value) == 0 || string(value) == t.agents[dir] {
		return
	}
	t.agents[dir] = string(value)
	f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: t.agents[dir]})
}

// account observes the account of a request's credentials. Clear says that the
// secret could be read.
func (t *Facts) account(f *protocol.Flow, user string, clear bool) {
	if user == "" || user == t.user {
		return
	}
	t.user, t.login = user, false
	f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(session.Orig), Value: user})
	if clear {
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Addr(session.Orig), Value: user})
	}
}

// maxFailures is how many refused logins of one connection are observed.
const maxFailures = 64

// Outcome observes what a response says about a request's credentials.
func (t *Facts) Outcome(f *protocol.Flow, tx *Record) {
	if !tx.credentials || tx.Status < 200 {
		return
	}
	who := string(tx.Username)
	if who == "" {
		who = tx.AuthScheme
	}
	addr := f.Addr(session.Orig)
	switch {
	case (tx.Status == 401 || tx.Status == 407) && t.failed < maxFailures:
		t.failed++
		f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: addr, Value: who})
	case tx.Status < 400 && !t.login:
		t.login = true
		f.Observe(protocol.Observation{Kind: protocol.LoginOK, Addr: addr, Value: who})
	}
}

// maxToken is how much of an authorization token is decoded.
const maxToken = 4096

// Authorization reads the account of a request's credentials. The secret is
// not kept.
func (t *Facts) Authorization(f *protocol.Flow, tx *Record, value []byte) {
	scheme, rest, _ := bytes.Cut(value, []byte{' '})
	rest = bytes.Trim(rest, " \t")
	rest = rest[:min(len(rest), maxToken)]
	clear := false
	switch {
	case fold(scheme, "basic"):
		tx.AuthScheme, tx.credentials, clear = "basic", true, true
		user, _, ok := bytes.Cut(decode(rest), []byte{':'})
		if !ok {
			f.Anomaly("http_bad_basic_credentials", "")
			return
		}
		tx.Username = tx.keep(user)
	case fold(scheme, "digest"):
		tx.AuthScheme, tx.credentials = "digest", true
		tx.Username = tx.keep(parameter(rest, "username"))
	case fold(scheme, "bearer"):
		tx.AuthScheme, tx.credentials = "bearer", true
	case fold(scheme, "ntlm") || fold(scheme, "negotiate"):
		tx.AuthScheme = "ntlm"
		if fold(scheme, "negotiate") {
			tx.AuthScheme = "negotiate"
		}
		token := decode(rest)
		if i := bytes.Index(token, []byte("NTLMSSP\x00")); i >= 0 {
			f.AddService("ntlm")
			if user, ok := ntlmUser(token[i:]); ok {
				tx.credentials = true
				tx.Username = tx.keep([]byte(user))
			}
			break
		}
		f.AddService("gssapi")
		tx.credentials = true
	default:
		return
	}
	t.account(f, string(tx.Username), clear)
}

// decode returns the bytes of base64 text as far as it is well-formed.
func decode(b []byte) []byte {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(b))+3)
	n, err := base64.StdEncoding.Decode(out, b)
	if err != nil && n == 0 {
		n, _ = base64.RawStdEncoding.Decode(out, b)
	}
	return out[:n]
}

// parameter returns the value of a parameter of a list (RFC 9110 section 5.6.6).
func parameter(list []byte, name string) []byte {
	for len(list) > 0 {
		list = bytes.TrimLeft(list, " \t,")
		eq := bytes.IndexByte(list, '=')
		if eq < 0 {
			return nil
		}
		key := bytes.TrimRight(list[:eq], " ")
		list = list[eq+1:]
		var v []byte
		if len(list) > 0 && list[0] == '"' {
			end := bytes.IndexByte(list[1:], '"')
			if end < 0 {
				return nil
			}
			v, list = list[1:1+end], list[end+2:]
		} else {
			v, list, _ = bytes.Cut(list, []byte{','})
		}
		if fold(key, name) {
			return v
		}
	}
	return nil
}

// ntlmUser returns the account of an NTLM AUTHENTICATE message ([MS-NLMP]
// section 2.2.1.3) as DOMAIN\user.
func ntlmUser(b []byte) (string, bool) {
	c := wire.New(b)
	c.Skip(8)
	if c.LE32() != 3 {
		return "", false
	}
	c.Skip(16) // LM and NT responses
	domain := ntlmField(b, &c)
	user := ntlmField(b, &c)
	c.Skip(16)
	flags := c.LE32()
	if !c.OK() {
		return "", false
	}
	d, u := ntlmText(domain, flags), ntlmText(user, flags)
	if d != "" {
		u = d + `\` + u
	}
	return u, true
}

func ntlmField(b []byte, c *wire.Cursor) []byte {
	n := int(c.LE16())
	c.LE16()
	off := c.LE32()
	if int64(off)+int64(n) > int64(len(b)) {
		return nil
	}
	return b[off : int(off)+n]
}

func ntlmText(b []byte, flags uint32) string {
	b = b[:min(len(b), maxFact)]
	if flags&1 == 0 { // not Unicode
		return string(b)
	}
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
	}
	return string(utf16.Decode(u))
}
