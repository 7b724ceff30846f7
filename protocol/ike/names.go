package ike

import (
	"strconv"
	"strings"

	"tyto/internal/wire"
)

// vendor is a known vendor identifier. Those that are digests of a name are
// checked in the tests.
type vendor struct {
	id       string // the whole identifier, or its start if prefix is true
	prefix   bool
	name     string
	software bool // names what runs there rather than a feature
}

var vendors = [...]vendor{
	{"\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f", false, "RFC 3947 NAT-T", false},
	{"\x44\x85\x15\x2d\x18\xb6\xbb\xcd\x0b\xe8\xa8\x46\x95\x79\xdd\xcc", false, "draft-ietf-ipsec-nat-t-ike-00", false},
	{"\x16\xf6\xca\x16\xe4\xa4\x06\x6d\x83\x82\x1a\x0f\x0a\xea\xa8\x62", false, "draft-ietf-ipsec-nat-t-ike-01", false},
	{"\x90\xcb\x80\x91\x3e\xbb\x69\x6e\x08\x63\x81\xb5\xec\x42\x7b\x1f", false, "draft-ietf-ipsec-nat-t-ike-02", false},
	{"\xcd\x60\x46\x43\x35\xdf\x21\xf8\x7c\xfd\xb2\xfc\x68\xb6\xa4\x48", false, "draft-ietf-ipsec-nat-t-ike-02", false},
	{"\x7d\x94\x19\xa6\x53\x10\xca\x6f\x2c\x17\x9d\x92\x15\x52\x9d\x56", false, "draft-ietf-ipsec-nat-t-ike-03", false},
	{"\xaf\xca\xd7\x13\x68\xa1\xf1\xc9\x6b\x86\x96\xfc\x77\x57", true, "Dead Peer Detection", false},
	{"\x09\x00\x26\x89\xdf\xd6\xb7\x12", false, "XAUTH", false},
	{"\x12\xf5\xf2\x8c\x45\x71\x68\xa9\x70\x2d\x9f\xe2\x74\xcc", true, "Cisco Unity", true},
	{"\x40\x48\xb7\xd5\x6e\xbc\xe8\x85\x25\xe7\xde\x7f\x00\xd6\xc2\xd3", true, "IKE fragmentation", false},
	{"\x1e\x2b\x51\x69\x05\x99\x1c\x7d\x7c\x96\xfc\xbf\xb5\x87\xe4\x61", true, "Microsoft Windows", true},
	{"\xe3\xa5\x96\x6a\x76\x37\x9f\xe7\x07\x22\x82\x31\xe5\xce\x86\x52", false, "IKE CGA version 1", false},
	{"\xfb\x1d\xe3\xcd\xf3\x41\xb7\xea\x16\xb7\xe5\xbe\x08\x55\xf1\x20", false, "MS-Negotiation Discovery Capable", false},
	{"\x26\x24\x4d\x38\xed\xdb\x61\xb3\x17\x2a\x36\xe3\xd0\xcf\xb8\x19", false, "Vid-Initial-Contact", false},
	{"\x62\x1b\x04\xbb\x09\x88\x2a\xc1\xe1\x59\x35\xfe\xfa\x24\xae\xee", false, "GSSAPI", false},
	{"\x88\x2f\xe5\x6d\x6f\xd2\x0d\xbc\x22\x51\x61\x3b\x2e\xbe\x5b\xeb", false, "strongSwan", true},
	{"\x82\x99\x03\x17\x57\xa3\x60\x82\xc6\xa6\x21\xde", true, "Fortinet FortiGate", true},
	{"\xf4\xed\x19\xe0\xc1\x14\xeb\x51\x6f\xaa\xac\x0e\xe3\x7d\xaf\x28\x07\xb4\x38\x1f", true, "Check Point", true},
	{"\x16\x6f\x93\x2d\x55\xeb\x64\xd8\xe4\xdf\x4f\xd3\x7e\x23\x13\xf0\xd0\xfd\x84\x51", true, "Juniper NetScreen", true},
}

// windows names the last four bytes of the identifier of Windows.
var windows = map[string]string{
	"\x00\x00\x00\x02": "Microsoft Windows 2000", "\x00\x00\x00\x03": "Microsoft Windows XP", "\x00\x00\x00\x04": "Microsoft Windows Server 2003 or XP SP2",
	"\x00\x00\x00\x05": "Microsoft Windows Vista", "\x00\x00\x00\x06": "Microsoft Windows Vista SP1 or Server 2008",
	"\x00\x00\x00\x08": "Microsoft Windows 7 or Server 2008 R2", "\x00\x00\x00\x09": "Microsoft Windows 8 or later",
}

// vendorName returns the name of a vendor identifier: of a known one, its text
// if it is text, else hexadecimal.
func vendorName(b []byte) (name string, software bool) {
	for i := range vendors {
		v := &vendors[i]
		if len(b) < len(v.id) || string(b[:len(v.id)]) != v.id || !v.prefix && len(b) != len(v.id) {
			continue
		}
		if w := windows[string(b[len(v.id):])]; w != "" && v.name == "Microsoft Windows" {
			return w, true
		}
		return v.name, v.software
	}
	b = b[:min(len(b), maxVendorText)]
	for _, c := range b {
		if c < ' ' || c > '~' {
			return string(appendHex(nil, b)), false
		}
	}
	return string(b), false
}

func numbered(prefix string, n uint16) string { return prefix + strconv.Itoa(int(n)) }

// named returns the entry of a sparse table, or the number behind a prefix.
func named(table []string, n uint16, prefix string) string {
	if int(n) < len(table) && table[n] != "" {
		return table[n]
	}
	return numbered(prefix, n)
}

// Names of transforms (IANA, IKEv2 parameters).
var (
	encryption = []string{1: "ENCR_DES_IV64", 2: "ENCR_DES", 3: "ENCR_3DES", 5: "ENCR_IDEA", 6: "ENCR_CAST", 7: "ENCR_BLOWFISH", 11: "ENCR_NULL",
		12: "ENCR_AES_CBC", 13: "ENCR_AES_CTR", 14: "ENCR_AES_CCM_8", 15: "ENCR_AES_CCM_12", 16: "ENCR_AES_CCM_16", 18: "ENCR_AES_GCM_8",
		19: "ENCR_AES_GCM_12", 20: "ENCR_AES_GCM_16", 21: "ENCR_NULL_AUTH_AES_GMAC", 23: "ENCR_CAMELLIA_CBC", 28: "ENCR_CHACHA20_POLY1305"}
	randomFunction = []string{1: "PRF_HMAC_MD5", 2: "PRF_HMAC_SHA1", 3: "PRF_HMAC_TIGER", 4: "PRF_AES128_XCBC", 5: "PRF_HMAC_SHA2_256",
		6: "PRF_HMAC_SHA2_384", 7: "PRF_HMAC_SHA2_512", 8: "PRF_AES128_CMAC"}
	integrity = []string{0: "NONE", 1: "AUTH_HMAC_MD5_96", 2: "AUTH_HMAC_SHA1_96", 3: "AUTH_DES_MAC", 5: "AUTH_AES_XCBC_96", 8: "AUTH_AES_CMAC_96",
		9: "AUTH_AES_128_GMAC", 11: "AUTH_AES_256_GMAC", 12: "AUTH_HMAC_SHA2_256_128", 13: "AUTH_HMAC_SHA2_384_192", 14: "AUTH_HMAC_SHA2_512_256"}
	group = []string{0: "NONE", 1: "MODP_768", 2: "MODP_1024", 5: "MODP_1536", 14: "MODP_2048", 15: "MODP_3072", 16: "MODP_4096", 17: "MODP_6144",
		18: "MODP_8192", 19: "ECP_256", 20: "ECP_384", 21: "ECP_521", 22: "MODP_1024_160", 23: "MODP_2048_224", 24: "MODP_2048_256", 25: "ECP_192",
		26: "ECP_224", 27: "BRAINPOOL_224", 28: "BRAINPOOL_256", 29: "BRAINPOOL_384", 30: "BRAINPOOL_512", 31: "CURVE25519", 32: "CURVE448",
		35: "ML_KEM_512", 36: "ML_KEM_768", 37: "ML_KEM_1024"}
	sequence = []string{0: "NO_ESN", 1: "ESN"}
)

func transformName2(kind uint8, id, bits uint16) string {
	var name string
	switch kind {
	case 1:
		name = named(encryption, id, "ENCR_")
	case 2:
		name = named(randomFunction, id, "PRF_")
	case 3:
		name = named(integrity, id, "AUTH_")
	case 4, 6, 7, 8, 9, 10, 11, 12:
		name = named(group, id, "DH_")
	case 5:
		name = named(sequence, id, "ESN_")
	default:
		return numbered(numbered("", uint16(kind))+"_", id)
	}
	if bits != 0 {
		name += numbered(":", bits)
	}
	return name
}

// Names of the attributes of version 1 (IANA, IPsec registry; RFC 2407 section
// 4.4.4 for ESP).
var (
	cipher1 = []string{1: "DES_CBC", 2: "IDEA_CBC", 3: "BLOWFISH_CBC", 5: "3DES_CBC", 6: "CAST_CBC", 7: "AES_CBC", 8: "CAMELLIA_CBC"}
	hash1   = []string{1: "MD5", 2: "SHA", 3: "TIGER", 4: "SHA2_256", 5: "SHA2_384", 6: "SHA2_512"}
	auth1   = []string{1: "PSK", 2: "DSS", 3: "RSA", 4: "RSA_ENC", 5: "RSA_REV_ENC", 9: "ECDSA_256", 10: "ECDSA_384", 11: "ECDSA_521"}
	esp1    = []string{1: "ESP_DES_IV64", 2: "ESP_DES", 3: "ESP_3DES", 7: "ESP_BLOWFISH", 11: "ESP_NULL", 12: "ESP_AES", 18: "ESP_AES_GCM_8",
		19: "ESP_AES_GCM_12", 20: "ESP_AES_GCM_16"}
)

func authName1(n uint16) string {
	switch {
	case n == 64221:
		return "HYBRID_RSA"
	case n >= 65001 && n <= 65010:
		return "XAUTH_" + [...]string{"PSK", "PSK", "DSS", "DSS", "RSA", "RSA", "RSA_ENC", "RSA_ENC", "RSA_REV_ENC", "RSA_REV_ENC"}[n-65001]
	}
	return named(auth1, n, "AUTH_")
}

const maxAttributes1 = 16

// transformName1 names a version 1 transform: what its attributes say, joined
// by slashes.
func transformName1(proto, id uint8, c wire.Cursor) string {
	var cipher, hash, auth, dh string
	bits := uint16(0)
	for i := 0; c.Len() >= 4 && i < maxAttributes1; i++ {
		t, v := c.U16(), c.U16()
		if t&0x8000 == 0 { // the value is a length
			c.Skip(int(v))
			continue
		}
		switch t & 0x7fff {
		case 1:
			cipher = named(cipher1, v, "ENCR_")
		case 2:
			hash = named(hash1, v, "HASH_")
		case 3:
			auth = authName1(v)
		case 4:
			dh = named(group, v, "GROUP_")
		case 14:
			bits = v
		}
	}
	if proto != 1 {
		name := named(esp1, uint16(id), "ESP_")
		if proto == 2 {
			name = numbered("AH_", uint16(id))
		}
		return name
	}
	if bits != 0 {
		cipher += numbered(":", bits)
	}
	return strings.Join([]string{cipher, hash, auth, dh}, "/")
}

// Names of notifications (IANA, IKEv2 parameters).
var notify2 = map[uint16]string{
	1: "UNSUPPORTED_CRITICAL_PAYLOAD", 4: "INVALID_IKE_SPI", 5: "INVALID_MAJOR_VERSION", 7: "INVALID_SYNTAX", 9: "INVALID_MESSAGE_ID", 11: "INVALID_SPI",
	14: "NO_PROPOSAL_CHOSEN", 17: "INVALID_KE_PAYLOAD", 24: "AUTHENTICATION_FAILED", 34: "SINGLE_PAIR_REQUIRED", 35: "NO_ADDITIONAL_SAS",
	36: "INTERNAL_ADDRESS_FAILURE", 37: "FAILED_CP_REQUIRED", 38: "TS_UNACCEPTABLE", 39: "INVALID_SELECTORS", 43: "TEMPORARY_FAILURE",
	16384: "INITIAL_CONTACT", 16385: "SET_WINDOW_SIZE", 16386: "ADDITIONAL_TS_POSSIBLE", 16387: "IPCOMP_SUPPORTED", 16388: "NAT_DETECTION_SOURCE_IP",
	16389: "NAT_DETECTION_DESTINATION_IP", 16390: "COOKIE", 16391: "USE_TRANSPORT_MODE", 16392: "HTTP_CERT_LOOKUP_SUPPORTED", 16393: "REKEY_SA",
	16394: "ESP_TFC_PADDING_NOT_SUPPORTED", 16395: "NON_FIRST_FRAGMENTS_ALSO", 16396: "MOBIKE_SUPPORTED", 16404: "MULTIPLE_AUTH_SUPPORTED",
	16406: "REDIRECT_SUPPORTED", 16407: "REDIRECT", 16417: "EAP_ONLY_AUTHENTICATION", 16418: "CHILDLESS_IKEV2_SUPPORTED", 16430: "IKEV2_FRAGMENTATION_SUPPORTED",
	16431: "SIGNATURE_HASH_ALGORITHMS", 16435: "USE_PPK", 16438: "INTERMEDIATE_EXCHANGE_SUPPORTED",
}

func notifyName2(n uint16) string {
	if s := notify2[n]; s != "" {
		return s
	}
	return numbered("", n)
}

// Names of notifications of version 1 (RFC 2408 section 3.14.1).
var notify1 = []string{1: "INVALID-PAYLOAD-TYPE", 2: "DOI-NOT-SUPPORTED", 3: "SITUATION-NOT-SUPPORTED", 4: "INVALID-COOKIE", 5: "INVALID-MAJOR-VERSION",
	6: "INVALID-MINOR-VERSION", 7: "INVALID-EXCHANGE-TYPE", 8: "INVALID-FLAGS", 9: "INVALID-MESSAGE-ID", 10: "INVALID-PROTOCOL-ID", 11: "INVALID-SPI",
	12: "INVALID-TRANSFORM-ID", 13: "ATTRIBUTES-NOT-SUPPORTED", 14: "NO-PROPOSAL-CHOSEN", 15: "BAD-PROPOSAL-SYNTAX", 16: "PAYLOAD-MALFORMED",
	17: "INVALID-KEY-INFORMATION", 18: "INVALID-ID-INFORMATION", 19: "INVALID-CERT-ENCODING", 20: "INVALID-CERTIFICATE", 23: "INVALID-HASH-INFORMATION",
	24: "AUTHENTICATION-FAILED", 25: "INVALID-SIGNATURE", 28: "CERTIFICATE-UNAVAILABLE"}

func notifyName1(n uint16) string {
	switch n {
	case 16384:
		return "CONNECTED"
	case 24576:
		return "RESPONDER-LIFETIME"
	case 24577:
		return "REPLAY-STATUS"
	case 24578:
		return "INITIAL-CONTACT"
	case 36136:
		return "R-U-THERE"
	case 36137:
		return "R-U-THERE-ACK"
	}
	return named(notify1, n, "")
}
