package tls

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
)

// TestCipherNames compares with the suites that the standard library knows, and
// with some that stand at the ends of their groups in the specifications.
func TestCipherNames(t *testing.T) {
	for _, c := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if got := cipherName(c.ID); got != c.Name {
			t.Errorf("%04x is %s, want %s", c.ID, got, c.Name)
		}
	}
	for v, want := range map[uint16]string{
		0x001b:                "TLS_DH_anon_WITH_3DES_EDE_CBC_SHA",          // RFC 2246
		0x002b:                "TLS_KRB5_EXPORT_WITH_RC4_40_MD5",            // RFC 2712
		0x0040:                "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256",        // RFC 5246
		0x006d:                "TLS_DH_anon_WITH_AES_256_CBC_SHA256",        // RFC 5246
		0x0095:                "TLS_RSA_PSK_WITH_AES_256_CBC_SHA",           // RFC 4279
		0x00a7:                "TLS_DH_anon_WITH_AES_256_GCM_SHA384",        // RFC 5288
		0x00b9:                "TLS_RSA_PSK_WITH_NULL_SHA384",               // RFC 5487
		0x00c5:                "TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA256",   // RFC 5932
		0x00ff:                "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",          // RFC 5746
		0x1305:                "TLS_AES_128_CCM_8_SHA256",                   // RFC 8446
		tls.TLS_FALLBACK_SCSV: "TLS_FALLBACK_SCSV",                          // RFC 7507
		0xc019:                "TLS_ECDH_anon_WITH_AES_256_CBC_SHA",         // RFC 8422
		0xc032:                "TLS_ECDH_RSA_WITH_AES_256_GCM_SHA384",       // RFC 5289
		0xc03b:                "TLS_ECDHE_PSK_WITH_NULL_SHA384",             // RFC 5489
		0xc071:                "TLS_ECDHE_PSK_WITH_ARIA_256_CBC_SHA384",     // RFC 6209
		0xc09b:                "TLS_ECDHE_PSK_WITH_CAMELLIA_256_CBC_SHA384", // RFC 6367
		0xc0ab:                "TLS_PSK_DHE_WITH_AES_256_CCM_8",             // RFC 6655
		0xc0af:                "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",         // RFC 7251
		0xc0b3:                "TLS_ECCPWD_WITH_AES_256_CCM_SHA384",         // RFC 8492
		0xc0b5:                "TLS_SHA384_SHA384",                          // RFC 9150
		0xc102:                "TLS_GOSTR341112_256_WITH_28147_CNT_IMIT",    // RFC 9189
		0xc106:                "TLS_GOSTR341112_256_WITH_MAGMA_MGM_S",       // RFC 9367
		0xccae:                "TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256",  // RFC 7905
		0xd005:                "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256",      // RFC 8442
		0x0047:                "unknown-71",                                 // reserved
	} {
		if got := cipherName(v); got != want {
			t.Errorf("%04x is %s, want %s", v, got, want)
		}
	}
}

// TestCipherList expects the list in order and each number once.
func TestCipherList(t *testing.T) {
	last, n := "", 0
	for line := range strings.Lines(cipherList) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if number := line[:4]; number <= last || number != strings.ToLower(number) || line[4] != ' ' || strings.Contains(line[5:], " ") {
			t.Errorf("line %q after %s", line, last)
		}
		last, n = line[:4], n+1
	}
	if n != len(cipherNames) {
		t.Errorf("%d lines, %d names", n, len(cipherNames))
	}
}
