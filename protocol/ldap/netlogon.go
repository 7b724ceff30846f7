package ldap

import (
	"strings"

	"tyto/internal/ber"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// netlogonRequest tells the name of a client that asks for a domain controller:
// the Host part of the filter of an LDAP ping (MS-ADTS section 6.3.3).
func netlogonRequest(f *protocol.Flow, e ber.Element) {
	if e.Tag != ber.Context(0) {
		return
	}
	r := e.Reader()
	for range 16 {
		if !r.More() {
			return
		}
		in := r.Next()
		if in.Tag != ber.Context(3) {
			continue
		}
		a := in.Reader()
		name, value := a.Bytes(), a.Bytes()
		if a.OK() && len(name) == 4 && strings.EqualFold(string(name), "host") && len(value) > 0 {
			f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(session.Orig), Value: text(value)})
		}
	}
}

// netlogonResponse tells the name of the domain controller that answers: the
// DnsHostName of a NETLOGON_SAM_LOGON_RESPONSE_EX (MS-ADTS section 6.3.1.9).
func netlogonResponse(f *protocol.Flow, e ber.Element) {
	r := e.Reader()
	r.Bytes() // object name
	list := r.Enter(ber.Sequence)
	a := list.Enter(ber.Sequence)
	name := a.Bytes()
	values := a.Enter(ber.Set)
	b := values.Bytes()
	if !values.OK() || len(name) != 8 || !strings.EqualFold(string(name), "netlogon") {
		return
	}
	c := wire.New(b)
	if op := c.LE16(); op != 23 && op != 25 {
		return
	}
	c.Skip(2 + 4 + 16)
	if !c.OK() {
		return
	}
	off := c.Offset()
	var domain, host string
	_, off = compressedName(b, off) // forest
	domain, off = compressedName(b, off)
	host, _ = compressedName(b, off)
	if host != "" {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(session.Resp), Value: host})
	}
	f.SetDomain(domain, "dns")
}

// maxLabels bounds the labels of a compressed name, and so the pointers that
// are followed.
const maxLabels = 32

// compressedName reads a name in the form of RFC 1035 section 4.1.4 whose
// pointers count from the start of b. It returns where the name ends; -1 makes
// every further read fail.
func compressedName(b []byte, off int) (name string, end int) {
	var buf []byte
	end = -1
	for range maxLabels {
		if off < 0 || off >= len(b) {
			return "", -1
		}
		n := int(b[off])
		switch {
		case n == 0:
			if end < 0 {
				end = off + 1
			}
			return string(buf), end
		case n >= 0xc0:
			if off+1 >= len(b) {
				return "", -1
			}
			if end < 0 {
				end = off + 2
			}
			off = (n&0x3f)<<8 | int(b[off+1])
		case n > 63 || off+1+n > len(b):
			return "", -1
		default:
			if len(buf) > 0 {
				buf = append(buf, '.')
			}
			buf = append(buf, b[off+1:off+1+n]...)
			off += 1 + n
		}
	}
	return "", -1
}
