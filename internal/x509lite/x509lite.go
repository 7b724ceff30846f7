// Package x509lite reads X.509 certificates (RFC 5280) as an observer does: what
// is written in them, not whether it can be trusted.
//
// [Certificate.Parse] allocates nothing and takes what it can: certificates in
// the wild break rules that crypto/x509 insists on, and an observer must report
// those as well. Names and algorithms are written as OpenSSL and Zeek write
// them.
package x509lite

import (
	"math"
	"time"

	"tyto/internal/wire"
)

// Certificate is what a certificate says. Slices point into the bytes given to
// Parse; fields that could not be read are zero.
type Certificate struct {
	Version   int    // 1, 2 or 3
	Serial    []byte // big-endian two's complement, as encoded
	Issuer    []byte // contents of the Name: see AppendName
	Subject   []byte // contents of the Name
	NotBefore int64  // seconds since the epoch; valid iff HasTimes
	NotAfter  int64
	HasTimes  bool
	SigAlg    []byte // object identifier, encoded contents
	KeyAlg    []byte // object identifier, encoded contents
	KeyBits   int    // length of the key; 0 if not known
	Exponent  []byte // RSA public exponent, big-endian; nil for other keys
	Curve     []byte // object identifier of the named curve; nil for other keys

	Extensions          []byte // contents of the sequence of extensions
	SAN                 []byte // contents of GeneralNames; nil without the extension
	HasBasicConstraints bool
	CA                  bool
	PathLen             int // -1 if absent
}

// Tags of ASN.1 DER (X.690) that occur.
const (
	tagBool       = 0x01
	tagInteger    = 0x02
	tagBitString  = 0x03
	tagOctets     = 0x04
	tagOID        = 0x06
	tagUTF8       = 0x0c
	tagUTCTime    = 0x17
	tagGenTime    = 0x18
	tagUniversal  = 0x1c
	tagBMP        = 0x1e
	tagSequence   = 0x30
	tagSet        = 0x31
	tagVersion    = 0xa0
	tagExtensions = 0xa3
)

// maxExtensions bounds how many extensions are looked at.
const maxExtensions = 64

// element reads one element. Indefinite lengths, long tags and lengths beyond
// the input fail the cursor.
func element(c *wire.Cursor) (tag uint8, body []byte) {
	tag = c.U8()
	if tag&0x1f == 0x1f {
		c.Fail()
		return 0, nil
	}
	n := int(c.U8())
	switch n {
	case 0x81:
		n = int(c.U8())
	case 0x82:
		n = int(c.U16())
	case 0x83:
		n = int(c.U24())
	default:
		if n >= 0x80 {
			c.Fail()
		}
	}
	return tag, c.Bytes(n)
}

// want reads one element that must have the given tag.
func want(c *wire.Cursor, tag uint8) []byte {
	t, body := element(c)
	if t != tag {
		c.Fail()
		return nil
	}
	return body
}

// peek returns the tag of the next element, 0 at the end.
func peek(c *wire.Cursor) uint8 {
	if b := c.Rest(); len(b) > 0 {
		return b[0]
	}
	return 0
}

// Parse reads a DER certificate into c, replacing what it held. It reports
// whether the certificate could be read through to its public key; after false
// the fields in front of the fault are set.
func (c *Certificate) Parse(der []byte) bool {
	*c = Certificate{PathLen: -1, Version: 1}
	outer := wire.New(der)
	cert := wire.New(want(&outer, tagSequence))
	tbs := wire.New(want(&cert, tagSequence))
	if peek(&tbs) == tagVersion {
		v := wire.New(want(&tbs, tagVersion))
		if b := want(&v, tagInteger); len(b) == 1 {
			c.Version = int(b[0]) + 1
		}
	}
	c.Serial = want(&tbs, tagInteger)
	alg := wire.New(want(&tbs, tagSequence))
	c.SigAlg = want(&alg, tagOID)
	c.Issuer = want(&tbs, tagSequence)
	validity := wire.New(want(&tbs, tagSequence))
	var ok1, ok2 bool
	c.NotBefore, ok1 = parseTime(element(&validity))
	c.NotAfter, ok2 = parseTime(element(&validity))
	c.HasTimes = ok1 && ok2
	c.Subject = want(&tbs, tagSequence)
	spki := wire.New(want(&tbs, tagSequence))
	if !tbs.OK() {
		return false
	}
	c.key(&spki)
	for tbs.Len() > 0 {
		tag, body := element(&tbs)
		if tag == tagExtensions {
			ext := wire.New(body)
			c.Extensions = want(&ext, tagSequence)
			c.extensions()
		}
	}
	// The outer signature algorithm is the one that was used.
	sig := wire.New(want(&cert, tagSequence))
	if oid := want(&sig, tagOID); sig.OK() && len(oid) > 0 {
		c.SigAlg = oid
	}
	return spki.OK()
}

// key reads a SubjectPublicKeyInfo.
func (c *Certificate) key(spki *wire.Cursor) {
	alg := wire.New(want(spki, tagSequence))
	c.KeyAlg = want(&alg, tagOID)
	bits := want(spki, tagBitString)
	if len(bits) > 0 {
		bits = bits[1:] // the count of unused bits
	}
	switch string(c.KeyAlg) {
	case oidRSA, oidRSAPSS:
		k := wire.New(bits)
		k = wire.New(want(&k, tagSequence))
		c.KeyBits = bitLen(want(&k, tagInteger))
		if e := want(&k, tagInteger); k.OK() {
			c.Exponent = trimZeros(e)
		}
	case oidEC:
		if peek(&alg) == tagOID {
			c.Curve = want(&alg, tagOID)
		}
		if cv, ok := curves[string(c.Curve)]; ok {
			c.KeyBits = cv.bits
		} else if len(bits) > 1 && bits[0] == 4 { // uncompressed point: two coordinates
			c.KeyBits = (len(bits) - 1) / 2 * 8
		}
	case oidDSA:
		p := wire.New(want(&alg, tagSequence))
		c.KeyBits = bitLen(want(&p, tagInteger))
	case oidEd25519, oidX25519:
		c.KeyBits = 256
	case oidEd448, oidX448:
		c.KeyBits = 456
	}
}

func (c *Certificate) extensions() {
	list := wire.New(c.Extensions)
	for n := 0; list.Len() > 0 && n < maxExtensions; n++ {
		e := wire.New(want(&list, tagSequence))
		oid := want(&e, tagOID)
		if peek(&e) == tagBool {
			want(&e, tagBool)
		}
		value := want(&e, tagOctets)
		if !e.OK() {
			return
		}
		switch string(oid) {
		case "\x55\x1d\x11": // subjectAltName
			v := wire.New(value)
			c.SAN = want(&v, tagSequence)
		case "\x55\x1d\x13": // basicConstraints
			v := wire.New(value)
			b := wire.New(want(&v, tagSequence))
			c.HasBasicConstraints = v.OK()
			if peek(&b) == tagBool {
				ca := want(&b, tagBool)
				c.CA = len(ca) == 1 && ca[0] != 0
			}
			if peek(&b) == tagInteger {
				if p := want(&b, tagInteger); len(p) >= 1 && len(p) <= 4 && p[0] < 0x80 {
					c.PathLen = 0
					for _, v := range p {
						c.PathLen = c.PathLen<<8 | int(v)
					}
				}
			}
		}
	}
}

// SelfIssued reports whether issuer and subject are the same name, which is
// what a self-signed certificate looks like. The signature is not verified.
func (c *Certificate) SelfIssued() bool {
	return len(c.Subject) > 0 && string(c.Subject) == string(c.Issuer)
}

// NameKind is the kind of an alternative name (RFC 5280 section 4.2.1.6).
type NameKind uint8

// Kinds of alternative names that are told apart.
const (
	Email NameKind = 1
	DNS   NameKind = 2
	URI   NameKind = 6
	IP    NameKind = 7
)

// Name is an alternative name: its kind and where it stands in SAN.
type Name struct {
	Kind       NameKind
	Start, End int
}

// Names calls yield with each alternative name of the certificate. An IP is
// four or sixteen bytes.
func (c *Certificate) Names(yield func(Name) bool) {
	list := wire.New(c.SAN)
	for list.Len() > 0 {
		tag, body := element(&list)
		if !list.OK() {
			return
		}
		end := list.Offset()
		if tag&0xc0 == 0x80 && !yield(Name{NameKind(tag & 0x1f), end - len(body), end}) {
			return
		}
	}
}

// Matches reports whether the certificate is for a host name: its alternative
// DNS names say so or, if it has none, its common name (RFC 9525, RFC 6125). A
// wildcard stands for the whole left-most label.
func (c *Certificate) Matches(host []byte) bool {
	host = trimDot(host)
	found, any := false, false
	for n := range c.Names {
		if n.Kind == DNS {
			any = true
			if matchHost(c.SAN[n.Start:n.End], host) {
				found = true
				break
			}
		}
	}
	if any {
		return found
	}
	return matchHost(c.CommonName(), host)
}

// CommonName returns the last common name of the subject, as encoded.
func (c *Certificate) CommonName() []byte { return commonName(c.Subject) }

// IssuerCommonName returns the last common name of the issuer, as encoded.
func (c *Certificate) IssuerCommonName() []byte { return commonName(c.Issuer) }

func commonName(name []byte) (cn []byte) {
	list := wire.New(name)
	for list.Len() > 0 {
		set := wire.New(want(&list, tagSet))
		for set.Len() > 0 {
			a := wire.New(want(&set, tagSequence))
			oid := want(&a, tagOID)
			_, v := element(&a)
			if a.OK() && string(oid) == "\x55\x04\x03" {
				cn = v
			}
		}
	}
	return cn
}

func trimDot(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '.' {
		return b[:n-1]
	}
	return b
}

func matchHost(pattern, host []byte) bool {
	pattern = trimDot(pattern)
	if len(pattern) == 0 || len(host) == 0 {
		return false
	}
	if len(pattern) > 2 && pattern[0] == '*' && pattern[1] == '.' {
		i := 0
		for i < len(host) && host[i] != '.' {
			i++
		}
		return i > 0 && equalFold(pattern[1:], host[i:])
	}
	return equalFold(pattern, host)
}

func equalFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// bitLen returns the number of significant bits of a positive INTEGER.
func bitLen(b []byte) int {
	b = trimZeros(b)
	if len(b) == 0 {
		return 0
	}
	n := (len(b) - 1) * 8
	for v := b[0]; v > 0; v >>= 1 {
		n++
	}
	return n
}

func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

// parseTime reads a UTCTime or GeneralizedTime (RFC 5280 section 4.1.2.5),
// with or without seconds, in UTC or with an offset.
func parseTime(tag uint8, b []byte) (unix int64, ok bool) {
	year := 0
	switch {
	case tag == tagUTCTime && len(b) >= 10:
		year = digits(b, 0, 2)
		if year >= 50 {
			year += 1900
		} else if year >= 0 {
			year += 2000
		}
		b = b[2:]
	case tag == tagGenTime && len(b) >= 12:
		year = digits(b, 0, 4)
		b = b[4:]
	default:
		return 0, false
	}
	month, day, hour, minute, second := digits(b, 0, 2), digits(b, 2, 2), digits(b, 4, 2), digits(b, 6, 2), 0
	b = b[8:]
	if len(b) >= 2 && b[0] >= '0' && b[0] <= '9' {
		second = digits(b, 0, 2)
		b = b[2:]
	}
	if year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return 0, false
	}
	if len(b) > 0 && b[0] == '.' {
		b = b[1:]
		for len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
			b = b[1:]
		}
	}
	unix = time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC).Unix()
	if len(b) >= 5 && (b[0] == '+' || b[0] == '-') {
		h, m := digits(b, 1, 2), digits(b, 3, 2)
		if h < 0 || m < 0 {
			return 0, false
		}
		offset := int64(h)*3600 + int64(m)*60
		if b[0] == '+' {
			offset = -offset
		}
		unix += offset
	}
	return unix, true
}

// digits returns the decimal number of n digits at b[off:], or a negative one
// if they are not all digits.
func digits(b []byte, off, n int) int {
	if off+n > len(b) {
		return math.MinInt16
	}
	v := 0
	for _, c := range b[off : off+n] {
		if c < '0' || c > '9' {
			return math.MinInt16
		}
		v = v*10 + int(c-'0')
	}
	return v
}
