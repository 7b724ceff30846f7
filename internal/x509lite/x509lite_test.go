package x509lite

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"testing"
	"time"
)

// certificate makes a certificate of the kinds that occur most.
func certificate(tb testing.TB, key any, pub any) []byte {
	tb.Helper()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(0xbeef01),
		Subject: pkix.Name{Country: []string{"DE"}, Organization: []string{"Owl, Ltd"}, CommonName: "www.example.org",
			ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: "x"}}},
		NotBefore:             time.Date(2023, 1, 2, 3, 4, 5, 0, time.UTC),
		NotAfter:              time.Date(2051, 1, 2, 3, 4, 5, 0, time.UTC),
		DNSNames:              []string{"example.org", "*.example.org"},
		EmailAddresses:        []string{"a@example.org"},
		IPAddresses:           []net.IP{{192, 0, 2, 1}, net.ParseIP("2001:db8::1")},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            3,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, pub, key)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

func TestParse(t *testing.T) {
	rk, _ := rsa.GenerateKey(rand.Reader, 2048)
	ek, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	dp, dk, _ := ed25519.GenerateKey(rand.Reader)
	for _, tc := range []struct {
		der                 []byte
		keyType, keyAlg     string
		sigAlg, curve       string
		keyBits             int
		exponent, wantBytes string
	}{
		{certificate(t, rk, &rk.PublicKey), "rsa", "rsaEncryption", "sha256WithRSAEncryption", "", 2048, "\x01\x00\x01", ""},
		{certificate(t, ek, &ek.PublicKey), "ecdsa", "id-ecPublicKey", "ecdsa-with-SHA384", "secp384r1", 384, "", ""},
		{certificate(t, dk, dp), "ed25519", "ED25519", "ED25519", "", 256, "", ""},
	} {
		var c Certificate
		if !c.Parse(tc.der) {
			t.Fatalf("%s: not parsed", tc.keyType)
		}
		std, err := x509.ParseCertificate(tc.der)
		if err != nil {
			t.Fatal(err)
		}
		if c.KeyType() != tc.keyType || AlgorithmName(c.KeyAlg) != tc.keyAlg || AlgorithmName(c.SigAlg) != tc.sigAlg || c.CurveName() != tc.curve || c.KeyBits != tc.keyBits || string(c.Exponent) != tc.exponent {
			t.Errorf("key: got %s %s %s %s %d %x", c.KeyType(), AlgorithmName(c.KeyAlg), AlgorithmName(c.SigAlg), c.CurveName(), c.KeyBits, c.Exponent)
		}
		if c.NotBefore != std.NotBefore.Unix() || c.NotAfter != std.NotAfter.Unix() || !c.HasTimes {
			t.Errorf("times: got %d %d", c.NotBefore, c.NotAfter)
		}
		if got := string(AppendSerial(nil, c.Serial)); got != "BEEF01" {
			t.Errorf("serial: got %s", got)
		}
		want := `1.2.3.4=#130178,CN=www.example.org,O=Owl\, Ltd,C=DE`
		if got := string(AppendName(nil, c.Subject)); got != want {
			t.Errorf("subject: got %s, want %s", got, want)
		}
		if !c.SelfIssued() || !c.CA || c.PathLen != 3 || !c.HasBasicConstraints || c.Version != 3 {
			t.Errorf("got self-issued %v, CA %v, path length %d, version %d", c.SelfIssued(), c.CA, c.PathLen, c.Version)
		}
		var names []string
		for n := range c.Names {
			v := c.SAN[n.Start:n.End]
			if n.Kind == IP {
				v = []byte(net.IP(v).String())
			}
			names = append(names, string(v))
		}
		if len(names) != 5 || names[0] != "example.org" || names[4] != "2001:db8::1" {
			t.Errorf("names: got %q", names)
		}
		for host, want := range map[string]bool{"example.org": true, "WWW.EXAMPLE.ORG.": true, "a.b.example.org": false, "example.com": false, ".example.org": false} {
			if c.Matches([]byte(host)) != want {
				t.Errorf("Matches(%s) is not %v", host, want)
			}
		}
		if string(c.CommonName()) != "www.example.org" {
			t.Errorf("common name: got %s", c.CommonName())
		}
		// Every shorter input is refused, and none does harm.
		for i := range tc.der {
			c.Parse(tc.der[:i])
			AppendName(nil, c.Subject)
		}
	}
}

func TestNegativeSerial(t *testing.T) {
	for in, want := range map[string]string{"\x80": "-80", "\xff": "-01", "\xff\x00": "-0100", "\x00\x80": "80", "\x00": "00"} {
		if got := string(AppendSerial(nil, []byte(in))); got != want {
			t.Errorf("%x: got %s, want %s", in, got, want)
		}
	}
}

func TestTime(t *testing.T) {
	for _, tc := range []struct {
		tag  uint8
		in   string
		want int64
		ok   bool
	}{
		{tagUTCTime, "700101000000Z", 0, true},
		{tagUTCTime, "491231235959Z", 2524607999, true},
		{tagUTCTime, "7001010000Z", 0, true},
		{tagUTCTime, "700101010000+0100", 0, true},
		{tagGenTime, "99991231235959Z", 253402300799, true},
		{tagGenTime, "19700101000000.5Z", 0, true},
		{tagUTCTime, "70010100000", 0, true},
		{tagUTCTime, "xx0101000000Z", 0, false},
		{tagUTCTime, "701301000000Z", 0, false},
		{tagUTCTime, "7001", 0, false},
		{tagGenTime, "", 0, false},
		{tagOctets, "700101000000Z", 0, false},
	} {
		got, ok := parseTime(tc.tag, []byte(tc.in))
		if got != tc.want && tc.ok || ok != tc.ok {
			t.Errorf("%s: got %d %v", tc.in, got, ok)
		}
	}
}

func TestAppendName(t *testing.T) {
	// One set of two attributes; a BMPString, a T61String, a value with escapes.
	name := []byte("\x31\x1a" + "\x30\x0b\x06\x03\x55\x04\x03\x0c\x04#a b" + "\x30\x0b\x06\x03\x55\x04\x0a\x1e\x04\x00A\x20\xac" +
		"\x31\x0d\x30\x0b\x06\x03\x55\x04\x07\x14\x04M\xfc+ " +
		"\x31\x0a\x30\x08\x06\x03\x55\x04\x06\x0c\x01\x0a")
	want := `C=\0A,L=Mü\+\ ,O=A€+CN=\#a b`
	if got := string(AppendName(nil, name)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	ek, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	f.Add(certificate(f, ek, &ek.PublicKey))
	f.Fuzz(func(t *testing.T, in []byte) {
		var c Certificate
		c.Parse(in)
		n := len(AppendName(nil, c.Subject)) + len(AppendName(nil, c.Issuer)) + len(AppendSerial(nil, c.Serial)) + len(AppendOID(nil, c.SigAlg))
		if n > 64*len(in)+64 {
			t.Errorf("%d bytes written from %d", n, len(in))
		}
		c.Matches([]byte("www.example.org"))
		std, err := x509.ParseCertificate(in)
		if err == nil && (string(std.RawSubject[len(std.RawSubject)-len(c.Subject):]) != string(c.Subject) || c.NotAfter != std.NotAfter.Unix()) {
			t.Errorf("crypto/x509 reads it otherwise")
		}
	})
}

func BenchmarkParse(b *testing.B) {
	rk, _ := rsa.GenerateKey(rand.Reader, 2048)
	der := certificate(b, rk, &rk.PublicKey)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var c Certificate
		c.Parse(der)
		buf = AppendName(buf[:0], c.Subject)
	}
}
