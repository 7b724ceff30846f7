package tls

import (
	_ "embed"
	"strconv"
	"strings"
)

// cipherList has the names of cipher suites (IANA TLS Cipher Suites, and those
// in use without registration): a line each, the number in hexadecimal and the
// name; empty lines and lines that start with # are not read.
//
//go:embed ciphers.txt
var cipherList string

var cipherNames = func() map[uint16]string {
	m := make(map[uint16]string, 512)
	for line := range strings.Lines(cipherList) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		number, name, _ := strings.Cut(line, " ")
		v, err := strconv.ParseUint(number, 16, 16)
		if err != nil {
			panic("tls: ciphers.txt: " + err.Error())
		}
		m[uint16(v)] = name
	}
	return m
}()

func cipherName(v uint16) string {
	if name, ok := cipherNames[v]; ok {
		return name
	}
	return unknownName(int(v))
}

// ellipticExchange reports whether a cipher suite has the server send a point on
// a curve.
func ellipticExchange(cipher uint16) bool {
	name := cipherNames[cipher]
	return strings.HasPrefix(name, "TLS_ECDHE_") || strings.HasPrefix(name, "TLS_ECDH_anon_")
}

// cipherV2Name names a cipher of SSL 2.0.
func cipherV2Name(v uint32) string {
	switch v {
	case 0x010080:
		return "SSLv20_CK_RC4_128_WITH_MD5"
	case 0x020080:
		return "SSLv20_CK_RC4_128_EXPORT40_WITH_MD5"
	case 0x030080:
		return "SSLv20_CK_RC2_128_CBC_WITH_MD5"
	case 0x040080:
		return "SSLv20_CK_RC2_128_CBC_EXPORT40_WITH_MD5"
	case 0x050080:
		return "SSLv20_CK_IDEA_128_CBC_WITH_MD5"
	case 0x060040:
		return "SSLv20_CK_DES_64_CBC_WITH_MD5"
	case 0x0700c0:
		return "SSLv20_CK_DES_192_EDE3_CBC_WITH_MD5"
	}
	return unknownName(int(v))
}

func unknownName(v int) string { return "unknown-" + strconv.Itoa(v) }

func versionName(v uint16) string {
	switch v {
	case ssl2:
		return "SSLv2"
	case ssl3:
		return "SSLv3"
	case tls10:
		return "TLSv10"
	case tls11:
		return "TLSv11"
	case tls12:
		return "TLSv12"
	case tls13:
		return "TLSv13"
	case dtls10:
		return "DTLSv10"
	case dtls12:
		return "DTLSv12"
	case dtls13:
		return "DTLSv13"
	}
	if v>>8 == 0x7f {
		return "TLSv13-draft" + strconv.Itoa(int(v&0xff))
	}
	return unknownName(int(v))
}

// curveName names a group of the key exchange (IANA TLS Supported Groups).
func curveName(v uint16) string {
	if int(v) < len(curves) && curves[v] != "" {
		return curves[v]
	}
	switch v {
	case 256:
		return "ffdhe2048"
	case 257:
		return "ffdhe3072"
	case 258:
		return "ffdhe4096"
	case 259:
		return "ffdhe6144"
	case 260:
		return "ffdhe8192"
	case 512:
		return "MLKEM512"
	case 513:
		return "MLKEM768"
	case 514:
		return "MLKEM1024"
	case 4587:
		return "SecP256r1MLKEM768"
	case 4588:
		return "X25519MLKEM768"
	case 4589:
		return "SecP384r1MLKEM1024"
	case 4590:
		return "curveSM2MLKEM768"
	case 16696:
		return "CECPQ2"
	case 25497:
		return "X25519Kyber768Draft00"
	case 25498:
		return "SecP256r1Kyber768Draft00"
	case 0xff01:
		return "arbitrary_explicit_prime_curves"
	case 0xff02:
		return "arbitrary_explicit_char2_curves"
	}
	return unknownName(int(v))
}

var curves = [...]string{1: "sect163k1", "sect163r1", "sect163r2", "sect193r1", "sect193r2", "sect233k1", "sect233r1", "sect239k1",
	"sect283k1", "sect283r1", "sect409k1", "sect409r1", "sect571k1", "sect571r1", "secp160k1", "secp160r1", "secp160r2", "secp192k1",
	"secp192r1", "secp224k1", "secp224r1", "secp256k1", "secp256r1", "secp384r1", "secp521r1", "brainpoolP256r1", "brainpoolP384r1",
	"brainpoolP512r1", "x25519", "x448", "brainpoolP256r1tls13", "brainpoolP384r1tls13", "brainpoolP512r1tls13", "GC256A", "GC256B",
	"GC256C", "GC256D", "GC512A", "GC512B", "GC512C", "curveSM2"}

// alertName names an alert (IANA TLS Alerts).
func alertName(v uint8) string {
	if int(v) < len(alerts) && alerts[v] != "" {
		return alerts[v]
	}
	return unknownName(int(v))
}

var alerts = [...]string{0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
	30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate", 43: "unsupported_certificate",
	44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca",
	49: "access_denied", 50: "decode_error", 51: "decrypt_error", 60: "export_restriction", 70: "protocol_version",
	71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation",
	109: "missing_extension", 110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
	113: "bad_certificate_status_response", 114: "bad_certificate_hash_value", 115: "unknown_psk_identity", 116: "certificate_required",
	117: "general_error", 120: "no_application_protocol", 121: "ech_required"}

// protocolName returns an application protocol's name as a string, the common
// ones without allocating.
func protocolName(b []byte) string {
	switch string(b) {
	case "h2":
		return "h2"
	case "http/1.1":
		return "http/1.1"
	case "h3":
		return "h3"
	case "http/1.0":
		return "http/1.0"
	case "spdy/3.1":
		return "spdy/3.1"
	case "dot":
		return "dot"
	case "doq":
		return "doq"
	case "h3-29":
		return "h3-29"
	case "imap":
		return "imap"
	case "acme-tls/1":
		return "acme-tls/1"
	}
	return string(b)
}
