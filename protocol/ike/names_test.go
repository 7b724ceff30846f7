package ike

import (
	"crypto/md5"
	"testing"
)

// Many vendor identifiers are the MD5 digest of a text.
func TestVendorName(t *testing.T) {
	for text, want := range map[string]string{
		"RFC 3947":                         "RFC 3947 NAT-T",
		"draft-ietf-ipsec-nat-t-ike-00":    "draft-ietf-ipsec-nat-t-ike-00",
		"draft-ietf-ipsec-nat-t-ike-02":    "draft-ietf-ipsec-nat-t-ike-02",
		"draft-ietf-ipsec-nat-t-ike-02\n":  "draft-ietf-ipsec-nat-t-ike-02",
		"draft-ietf-ipsec-nat-t-ike-03":    "draft-ietf-ipsec-nat-t-ike-03",
		"IKE CGA version 1":                "IKE CGA version 1",
		"MS-Negotiation Discovery Capable": "MS-Negotiation Discovery Capable",
		"Vid-Initial-Contact":              "Vid-Initial-Contact",
		"GSSAPI":                           "GSSAPI",
		"strongSwan":                       "strongSwan",
	} {
		sum := md5.Sum([]byte(text))
		if got, _ := vendorName(sum[:]); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	if got, want := first(vendorName([]byte("\x1e\x2b\x51\x69\x05\x99\x1c\x7d\x7c\x96\xfc\xbf\xb5\x87\xe4\x61\x00\x00\x00\x09"))), "Microsoft Windows 8 or later"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := first(vendorName([]byte{1, 2, 0xff})), "0102ff"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func first(s string, _ bool) string { return s }
