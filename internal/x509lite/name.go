package x509lite

import (
	"strconv"
	"unicode/utf8"

	"tyto/internal/wire"
)

// maxAttributes bounds how many attributes of a name are written.
const maxAttributes = 64

// AppendName appends a distinguished name in the form of RFC 2253 that OpenSSL
// and Zeek write: last attribute first, values with escapes. It takes the
// contents of a Name.
func AppendName(dst, name []byte) []byte {
	var sets [maxAttributes][]byte
	n := 0
	for list := wire.New(name); list.Len() > 0 && n < len(sets); n++ {
		sets[n] = want(&list, tagSet)
		if !list.OK() {
			break
		}
	}
	left := maxAttributes
	for i := n - 1; i >= 0; i-- {
		if i < n-1 {
			dst = append(dst, ',')
		}
		var attrs [8][]byte
		k := 0
		for set := wire.New(sets[i]); set.Len() > 0 && k < len(attrs) && left > 0; k++ {
			attrs[k] = want(&set, tagSequence)
			left--
		}
		for j := k - 1; j >= 0; j-- {
			if j < k-1 {
				dst = append(dst, '+')
			}
			dst = appendAttribute(dst, attrs[j])
		}
	}
	return dst
}

func appendAttribute(dst, attr []byte) []byte {
	a := wire.New(attr)
	oid := want(&a, tagOID)
	start := a.Rest()
	tag, value := element(&a)
	if !a.OK() {
		return dst
	}
	name, known := attributes[string(oid)]
	if known {
		dst = append(dst, name...)
	} else {
		dst = AppendOID(dst, oid)
	}
	dst = append(dst, '=')
	if known {
		switch tag {
		case tagUTF8:
			return appendEscaped(dst, value)
		case tagBMP:
			return appendWide(dst, value, 2)
		case tagUniversal:
			return appendWide(dst, value, 4)
		case 0x12, 0x13, 0x14, 0x16, 0x1a, tagUTCTime, tagGenTime: // Numeric, Printable, T61, IA5, Visible
			return appendLatin(dst, value)
		}
	}
	// What is no text, or of an attribute without a name, is written as the
	// bytes of its encoding (RFC 2253 section 2.4).
	dst = append(dst, '#')
	for _, b := range start[:len(start)-a.Len()] {
		dst = append(dst, upperHex[b>>4], upperHex[b&15])
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

// appendEscaped writes a value with the escapes of RFC 2253 section 2.4 and
// control characters as \XX; bytes above 127 are left as they are.
func appendEscaped(dst, v []byte) []byte {
	for i, c := range v {
		dst = appendRune(dst, rune(c), c, i == 0, i == len(v)-1, true)
	}
	return dst
}

func appendLatin(dst, v []byte) []byte {
	for i, c := range v {
		dst = appendRune(dst, rune(c), c, i == 0, i == len(v)-1, c < utf8.RuneSelf)
	}
	return dst
}

func appendWide(dst, v []byte, width int) []byte {
	for i := 0; i+width <= len(v); i += width {
		var r rune
		for _, c := range v[i : i+width] {
			r = r<<8 | rune(c)
		}
		if r < 0 || r > utf8.MaxRune {
			r = utf8.RuneError
		}
		dst = appendRune(dst, r, byte(r), i == 0, i+2*width > len(v), r < utf8.RuneSelf)
	}
	return dst
}

// appendRune writes one character; raw says that c is the byte to write.
func appendRune(dst []byte, r rune, c byte, first, last, raw bool) []byte {
	if !raw {
		return utf8.AppendRune(dst, r)
	}
	switch {
	case c == ',' || c == '+' || c == '"' || c == '\\' || c == '<' || c == '>' || c == ';',
		first && (c == '#' || c == ' '), last && c == ' ':
		return append(dst, '\\', c)
	case c < 0x20 || c == 0x7f:
		return append(dst, '\\', upperHex[c>>4], upperHex[c&15])
	}
	return append(dst, c)
}

// AppendOID appends an object identifier in dotted form.
func AppendOID(dst, oid []byte) []byte {
	var v uint64
	first := true
	for _, b := range oid {
		if v >= 1<<56 {
			return append(dst, ".?"...)
		}
		v = v<<7 | uint64(b&0x7f)
		if b&0x80 != 0 {
			continue
		}
		if first {
			top := min(v/40, 2)
			dst = strconv.AppendUint(dst, top, 10)
			v -= top * 40
			first = false
		}
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, v, 10)
		v = 0
	}
	return dst
}

// AppendSerial appends a serial number as upper-case hexadecimal pairs, with a
// minus sign if it is negative.
func AppendSerial(dst, serial []byte) []byte {
	if len(serial) == 0 {
		return dst
	}
	if serial[0]&0x80 != 0 {
		return appendNegative(append(dst, '-'), serial)
	}
	for len(serial) > 1 && serial[0] == 0 {
		serial = serial[1:]
	}
	for _, b := range serial {
		dst = append(dst, upperHex[b>>4], upperHex[b&15])
	}
	return dst
}

// maxSerial is how many bytes of a negative serial number are written; RFC 5280
// allows 20.
const maxSerial = 64

func appendNegative(dst, serial []byte) []byte {
	var v [maxSerial]byte
	n := copy(v[:], serial)
	carry := true
	for i := n - 1; i >= 0; i-- {
		v[i] = ^v[i]
		if carry {
			v[i]++
			carry = v[i] == 0
		}
	}
	s := v[:n]
	for len(s) > 1 && s[0] == 0 {
		s = s[1:]
	}
	for _, b := range s {
		dst = append(dst, upperHex[b>>4], upperHex[b&15])
	}
	return dst
}

// AlgorithmName returns OpenSSL's long name of a signature or key algorithm, or
// "" for one that is not in the list: use AppendOID then.
func AlgorithmName(oid []byte) string { return algorithms[string(oid)] }

// KeyType returns Zeek's name of the kind of key: "rsa", "ecdsa", "dsa", …, or
// "unknown".
func (c *Certificate) KeyType() string {
	switch string(c.KeyAlg) {
	case oidRSA, oidRSAPSS:
		return "rsa"
	case oidEC:
		return "ecdsa"
	case oidDSA:
		return "dsa"
	case oidDH:
		return "dh"
	case oidEd25519:
		return "ed25519"
	case oidEd448:
		return "ed448"
	}
	return "unknown"
}

// CurveName returns OpenSSL's name of the key's curve, or "".
func (c *Certificate) CurveName() string { return curves[string(c.Curve)].name }

// Object identifiers of keys, encoded.
const (
	oidRSA     = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
	oidRSAPSS  = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
	oidEC      = "\x2a\x86\x48\xce\x3d\x02\x01"
	oidDSA     = "\x2a\x86\x48\xce\x38\x04\x01"
	oidDH      = "\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01"
	oidX25519  = "\x2b\x65\x6e"
	oidX448    = "\x2b\x65\x6f"
	oidEd25519 = "\x2b\x65\x70"
	oidEd448   = "\x2b\x65\x71"
)

type curve struct {
	name string
	bits int
}

var curves = map[string]curve{
	"\x2a\x86\x48\xce\x3d\x03\x01\x01":     {"prime192v1", 192},
	"\x2a\x86\x48\xce\x3d\x03\x01\x07":     {"prime256v1", 256},
	"\x2b\x81\x04\x00\x21":                 {"secp224r1", 224},
	"\x2b\x81\x04\x00\x22":                 {"secp384r1", 384},
	"\x2b\x81\x04\x00\x23":                 {"secp521r1", 521},
	"\x2b\x81\x04\x00\x0a":                 {"secp256k1", 256},
	"\x2b\x81\x04\x00\x1a":                 {"sect233k1", 233},
	"\x2b\x81\x04\x00\x1b":                 {"sect233r1", 233},
	"\x2b\x81\x04\x00\x10":                 {"sect283k1", 283},
	"\x2b\x81\x04\x00\x11":                 {"sect283r1", 283},
	"\x2b\x24\x03\x03\x02\x08\x01\x01\x07": {"brainpoolP256r1", 256},
	"\x2b\x24\x03\x03\x02\x08\x01\x01\x0b": {"brainpoolP384r1", 384},
	"\x2b\x24\x03\x03\x02\x08\x01\x01\x0d": {"brainpoolP512r1", 512},
	"\x2a\x81\x1c\xcf\x55\x01\x82\x2d":     {"SM2", 256},
}

var algorithms = map[string]string{
	oidRSA:                                 "rsaEncryption",
	oidRSAPSS:                              "rsassaPss",
	oidEC:                                  "id-ecPublicKey",
	oidDSA:                                 "dsaEncryption",
	oidDH:                                  "dhKeyAgreement",
	oidX25519:                              "X25519",
	oidX448:                                "X448",
	oidEd25519:                             "ED25519",
	oidEd448:                               "ED448",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02": "md2WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x03": "md4WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04": "md5WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05": "sha1WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b": "sha256WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c": "sha384WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d": "sha512WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e": "sha224WithRSAEncryption",
	"\x2b\x0e\x03\x02\x1d":                 "sha1WithRSA",
	"\x2a\x86\x48\xce\x38\x04\x03":         "dsaWithSHA1",
	"\x60\x86\x48\x01\x65\x03\x04\x03\x02": "dsa_with_SHA256",
	"\x2a\x86\x48\xce\x3d\x04\x01":         "ecdsa-with-SHA1",
	"\x2a\x86\x48\xce\x3d\x04\x03\x01":     "ecdsa-with-SHA224",
	"\x2a\x86\x48\xce\x3d\x04\x03\x02":     "ecdsa-with-SHA256",
	"\x2a\x86\x48\xce\x3d\x04\x03\x03":     "ecdsa-with-SHA384",
	"\x2a\x86\x48\xce\x3d\x04\x03\x04":     "ecdsa-with-SHA512",
	"\x2a\x81\x1c\xcf\x55\x01\x83\x75":     "SM2-with-SM3",
	"\x60\x86\x48\x01\x65\x03\x04\x03\x11": "ML-DSA-44",
	"\x60\x86\x48\x01\x65\x03\x04\x03\x12": "ML-DSA-65",
	"\x60\x86\x48\x01\x65\x03\x04\x03\x13": "ML-DSA-87",
	"\x2a\x85\x03\x02\x02\x13":             "GOST R 34.10-2001",
	"\x2a\x85\x03\x07\x01\x01\x01\x01":     "GOST R 34.10-2012 with 256 bit modulus",
	"\x2a\x85\x03\x07\x01\x01\x01\x02":     "GOST R 34.10-2012 with 512 bit modulus",
	"\x2a\x85\x03\x02\x02\x03":             "GOST R 34.11-94 with GOST R 34.10-2001",
	"\x2a\x85\x03\x07\x01\x01\x03\x02":     "GOST R 34.10-2012 with GOST R 34.11-2012 (256 bit)",
	"\x2a\x85\x03\x07\x01\x01\x03\x03":     "GOST R 34.10-2012 with GOST R 34.11-2012 (512 bit)",
}

// attributes has OpenSSL's short names of the attributes of names.
var attributes = map[string]string{
	"\x55\x04\x03":                         "CN",
	"\x55\x04\x04":                         "SN",
	"\x55\x04\x05":                         "serialNumber",
	"\x55\x04\x06":                         "C",
	"\x55\x04\x07":                         "L",
	"\x55\x04\x08":                         "ST",
	"\x55\x04\x09":                         "street",
	"\x55\x04\x0a":                         "O",
	"\x55\x04\x0b":                         "OU",
	"\x55\x04\x0c":                         "title",
	"\x55\x04\x0d":                         "description",
	"\x55\x04\x0f":                         "businessCategory",
	"\x55\x04\x10":                         "postalAddress",
	"\x55\x04\x11":                         "postalCode",
	"\x55\x04\x12":                         "postOfficeBox",
	"\x55\x04\x14":                         "telephoneNumber",
	"\x55\x04\x29":                         "name",
	"\x55\x04\x2a":                         "GN",
	"\x55\x04\x2b":                         "initials",
	"\x55\x04\x2c":                         "generationQualifier",
	"\x55\x04\x2d":                         "x500UniqueIdentifier",
	"\x55\x04\x2e":                         "dnQualifier",
	"\x55\x04\x41":                         "pseudonym",
	"\x55\x04\x61":                         "organizationIdentifier",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01": "emailAddress",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02": "unstructuredName",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x08": "unstructuredAddress",
	"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01":     "UID",
	"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19":     "DC",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01": "jurisdictionL",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02": "jurisdictionST",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03": "jurisdictionC",
}
