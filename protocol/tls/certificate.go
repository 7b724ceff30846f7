package tls

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"math/big"
	"net/netip"
	"strconv"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/internal/x509lite"
	"tyto/protocol"
	"tyto/session"
)

// CertificateSchema describes the record of one certificate.
var CertificateSchema = record.New("x509", "x509", "One certificate that a side of a TLS session sent.",
	record.Field{Name: "fingerprint", Type: record.String, Doc: "SHA-256 of the certificate."},
	record.Field{Name: "certificate.version", Type: record.Count, Doc: "Version of the format: 1 to 3."},
	record.Field{Name: "certificate.serial", Type: record.String, Doc: "Serial number, in hexadecimal."},
	record.Field{Name: "certificate.subject", Type: record.String, Doc: "Whom the certificate is for."},
	record.Field{Name: "certificate.issuer", Type: record.String, Doc: "Who signed it."},
	record.Field{Name: "certificate.not_valid_before", Type: record.Time, Doc: "Start of its validity."},
	record.Field{Name: "certificate.not_valid_after", Type: record.Time, Doc: "End of its validity."},
	record.Field{Name: "certificate.key_alg", Type: record.String, Doc: "Algorithm of the public key."},
	record.Field{Name: "certificate.sig_alg", Type: record.String, Doc: "Algorithm of the signature."},
	record.Field{Name: "certificate.key_type", Type: record.String, Doc: "Kind of public key: rsa, ecdsa, dsa, ed25519, …"},
	record.Field{Name: "certificate.key_length", Type: record.Count, Doc: "Length of the public key in bits."},
	record.Field{Name: "certificate.exponent", Type: record.String, Doc: "Exponent of an RSA key."},
	record.Field{Name: "certificate.curve", Type: record.String, Doc: "Curve of an ECDSA key."},
	record.Field{Name: "san.dns", Type: record.Strings, Doc: "Alternative names: hosts."},
	record.Field{Name: "san.uri", Type: record.Strings, Doc: "Alternative names: URIs."},
	record.Field{Name: "san.email", Type: record.Strings, Doc: "Alternative names: mail addresses."},
	record.Field{Name: "san.ip", Type: record.Addrs, Doc: "Alternative names: IP addresses."},
	record.Field{Name: "basic_constraints.ca", Type: record.Bool, Doc: "Whether it may sign other certificates."},
	record.Field{Name: "basic_constraints.path_len", Type: record.Count, Doc: "How many certificates may stand between it and the last one."},
	record.Field{Name: "host_cert", Type: record.Bool, Doc: "Whether it is the sender's own rather than one of the chain above."},
	record.Field{Name: "client_cert", Type: record.Bool, Doc: "Whether the client sent it."},
	record.Field{Name: "fingerprint_sha1", Type: record.String, Doc: "SHA-1 of the certificate."},
	record.Field{Name: "self_signed", Type: record.Bool, Doc: "Whether issuer and subject are the same; the signature is not verified."},
)

// maxAlternative bounds the alternative names of each kind that are told.
const maxAlternative = 256

// certificate is one certificate and what is told of it.
type certificate struct {
	x509lite.Certificate        // points into der
	der                  []byte // a copy
	malformed            bool
	sha256               string // hexadecimal
	sha1                 [2 * sha1.Size]byte
	subject, issuer      string
	dns, uri, mail, addr []string
	texts                [record.Formats][]byte // by record.Format: the fields up to beforeSender
}

// beforeSender is how many fields of the record are the same whoever sends it.
const beforeSender = 19

// certificates are those that came last: servers send the same again and again,
// and reading one takes longer than all else of a handshake.
type certificates struct {
	slots [certificateSlots]*certificate // by the last byte
	rec   certificateRecord
	name  []byte // scratch
}

const (
	certificateSlots = 64
	maxCertificate   = 16 << 10 // longer ones are not kept
)

func newCertificates() any { return new(certificates) }

// read returns a certificate of at least one byte. It is valid until the next call.
func (c *certificates) read(der []byte) *certificate {
	slot := &c.slots[der[len(der)-1]%certificateSlots] // of the signature, as good as random
	if *slot != nil && bytes.Equal((*slot).der, der) {
		return *slot
	}
	one := *slot
	if one == nil || len(der) > maxCertificate {
		one = new(certificate)
	}
	if len(der) <= maxCertificate {
		*slot = one
	}
	c.parse(one, der)
	return one
}

func (c *certificates) parse(one *certificate, der []byte) {
	one.der = append(one.der[:0], der...)
	one.malformed = !one.Parse(one.der)
	var digits [2 * sha256.Size]byte
	sum := sha256.Sum256(der)
	putHex(digits[:], sum[:])
	one.sha256 = string(digits[:])
	s := sha1.Sum(der)
	putHex(one.sha1[:], s[:])
	c.name = x509lite.AppendName(c.name[:0], one.Subject)
	one.subject = string(c.name)
	c.name = x509lite.AppendName(c.name[:0], one.Issuer)
	one.issuer = string(c.name)
	one.names()
	for i := range one.texts {
		one.texts[i] = one.texts[i][:0]
	}
}

// certificateRecord is the record of a certificate.
type certificateRecord struct {
	*certificate
	host, client bool
	text         []byte // scratch
}

// Schema returns the schema of certificate records.
func (r *certificateRecord) Schema() *record.Schema { return CertificateSchema }

// Append writes the record.
func (r *certificateRecord) Append(e *record.Encoder) {
	c := &r.Certificate
	if known := &r.texts[e.Format]; len(*known) > 0 {
		e.Again(*known, beforeSender)
	} else {
		n := len(e.Buf)
		r.content(e)
		*known = append(*known, e.Buf[n:]...)
	}
	e.Bool(r.host)
	e.Bool(r.client)
	e.Raw(r.sha1[:])
	e.Bool(c.SelfIssued())
}

// content writes the fields that are the same whoever sends it.
func (r *certificateRecord) content(e *record.Encoder) {
	c := &r.Certificate
	e.Str(r.sha256)
	e.Uint(uint64(c.Version))
	r.text = x509lite.AppendSerial(r.text[:0], c.Serial)
	e.Bytes(r.text)
	e.Str(r.subject)
	e.Str(r.issuer)
	r.time(e, c.NotBefore)
	r.time(e, c.NotAfter)
	r.algorithm(e, c.KeyAlg)
	r.algorithm(e, c.SigAlg)
	if len(c.KeyAlg) > 0 {
		e.Str(c.KeyType())
	} else {
		e.Unset()
	}
	if c.KeyBits > 0 {
		e.Uint(uint64(c.KeyBits))
	} else {
		e.Unset()
	}
	r.exponent(e)
	e.Str(c.CurveName())
	strs(e, r.dns)
	strs(e, r.uri)
	strs(e, r.mail)
	strs(e, r.addr)
	if c.HasBasicConstraints {
		e.Bool(c.CA)
	} else {
		e.Unset()
	}
	if c.PathLen >= 0 {
		e.Uint(uint64(c.PathLen))
	} else {
		e.Unset()
	}
}

// time writes a time in seconds. Certificates without an end are valid to the
// year 9999, which is beyond what nanoseconds reach.
func (r *certificateRecord) time(e *record.Encoder, unix int64) {
	const limit = 9_000_000_000
	switch {
	case !r.HasTimes:
		e.Unset()
	case unix > limit || unix < -limit:
		e.Float(float64(unix))
	default:
		e.Time(unix * 1_000_000_000)
	}
}

func (r *certificateRecord) algorithm(e *record.Encoder, oid []byte) {
	if name := x509lite.AlgorithmName(oid); name != "" {
		e.Str(name)
		return
	}
	r.text = x509lite.AppendOID(r.text[:0], oid)
	e.Bytes(r.text)
}

// maxExponent bounds the length of an exponent that is written, in bytes.
const maxExponent = 64

func (r *certificateRecord) exponent(e *record.Encoder) {
	b := r.Exponent
	switch {
	case len(b) == 0 || len(b) > maxExponent:
		e.Unset()
	case len(b) <= 8:
		var v uint64
		for _, x := range b {
			v = v<<8 | uint64(x)
		}
		r.text = strconv.AppendUint(r.text[:0], v, 10)
		e.Bytes(r.text)
	default:
		e.Str(new(big.Int).SetBytes(b).String())
	}
}

// names collects the alternative names.
func (c *certificate) names() {
	c.dns, c.uri, c.mail, c.addr = c.dns[:0], c.uri[:0], c.mail[:0], c.addr[:0]
	if len(c.SAN) == 0 {
		return
	}
	// The names share the memory of one string.
	all := string(c.SAN)
	for n := range c.Names {
		text := all[n.Start:n.End]
		switch n.Kind {
		case x509lite.DNS:
			c.dns = add(c.dns, text)
		case x509lite.URI:
			c.uri = add(c.uri, text)
		case x509lite.Email:
			c.mail = add(c.mail, text)
		case x509lite.IP:
			if a, ok := netip.AddrFromSlice(c.SAN[n.Start:n.End]); ok {
				c.addr = add(c.addr, a.String())
			}
		}
	}
}

func add(list []string, s string) []string {
	if len(list) >= maxAlternative {
		return list
	}
	return append(list, s)
}

// readCertificates reads a Certificate message up to version 1.2 (RFC 5246
// section 7.4.2); in TLS 1.3 it is never in the clear.
func (h *Handshake) readCertificates(f *protocol.Flow, dir session.Direction, body []byte) {
	c := wire.New(body)
	list := c.Vec24()
	for i := 0; list.Len() > 0; i++ {
		if i == maxChain {
			f.Anomaly("ssl_too_many_certificates", "")
			return
		}
		one := list.Vec24()
		if !list.OK() {
			break
		}
		if one.Len() > 0 {
			h.certificate(f, dir, i, one.Rest())
		}
	}
	if !c.OK() || !list.OK() {
		f.Anomaly("ssl_malformed_certificate_message", "")
	}
}

// certificate reads and tells the certificate at a position of a chain.
func (h *Handshake) certificate(f *protocol.Flow, dir session.Direction, i int, der []byte) {
	known := f.Shared("x509", newCertificates).(*certificates)
	c := known.read(der)
	if c.malformed {
		f.Anomaly("x509_malformed_certificate", "")
	}
	r := &known.rec
	r.certificate, r.host, r.client = c, i == 0, dir == h.client
	f.Emit(r)

	s := &h.sum
	chain := &s.chain
	if r.client {
		chain = &s.clientChain
	}
	if len(*chain) < maxChain {
		*chain = append(*chain, c.sha256)
	}
	switch {
	case i > 0:
	case r.client:
		s.clientSubject, s.clientIssuer = c.subject, c.issuer
	default:
		s.subject, s.issuer = c.subject, c.issuer
		h.serverCertificate(f, dir, c)
	}
}

// serverCertificate tells what the server's own certificate shows.
func (h *Handshake) serverCertificate(f *protocol.Flow, dir session.Direction, c *certificate) {
	if name := h.sum.serverName; name != "" {
		h.sum.sniMatches = differs
		if c.Matches([]byte(name)) {
			h.sum.sniMatches = matches
		}
	} else if name := certificateHost(&c.Certificate, c.dns); name != "" {
		f.SetDomain(name, "cert")
	}
	if torCertificate(&c.Certificate, h.sum.serverName) {
		f.SetApp("tor")
		return // whose certificates are made to say nothing
	}
	problem := func(what string) {
		f.Observe(protocol.Observation{Kind: protocol.Certificate, Addr: f.Addr(dir), Value: what, Source: "x509"})
	}
	if c.HasTimes {
		switch now := f.Now / 1_000_000_000; {
		case now > c.NotAfter:
			problem("expired")
		case now < c.NotBefore:
			problem("not yet valid")
		}
	}
	if c.SelfIssued() {
		problem("self-signed")
	}
	if h.sum.sniMatches == differs {
		problem("name mismatch")
	}
}

// certificateHost returns the host name a certificate is for: its common name if
// it looks like one, else its first alternative name. A wildcard stands for the
// domain below it.
func certificateHost(c *x509lite.Certificate, dns []string) string {
	name := c.CommonName()
	if !hostName(name) {
		if len(dns) == 0 {
			return ""
		}
		name = []byte(dns[0])
		if !hostName(name) {
			return ""
		}
	}
	if len(name) > 2 && name[0] == '*' && name[1] == '.' {
		name = name[2:]
	}
	return string(name)
}

// hostName reports whether b has the form of a domain name with a dot.
func hostName(b []byte) bool {
	dot := false
	for i, c := range b {
		switch {
		case c == '.':
			dot = dot || i > 0 && i < len(b)-1
		case c == '*' && i == 0:
		case !alphanumeric(c) && c != '-' && c != '_':
			return false
		}
	}
	return dot && len(b) <= maxName
}
