package tls

import (
	"tyto/internal/record"
)

// Schema describes the record of one TLS, DTLS or QUIC handshake.
var Schema = record.New("tls", "ssl", "One TLS, DTLS or QUIC handshake: told when both sides have agreed on keys, or at the end of the session.",
	record.Field{Name: "version", Type: record.String, Doc: "Version the server chose."},
	record.Field{Name: "cipher", Type: record.String, Doc: "Cipher suite the server chose."},
	record.Field{Name: "curve", Type: record.String, Doc: "Group of the key exchange the server chose."},
	record.Field{Name: "server_name", Type: record.String, Doc: "Name the client asked for (SNI); with ECH the name of the outer hello."},
	record.Field{Name: "resumed", Type: record.Bool, Doc: "Whether keys of an earlier session were used again."},
	record.Field{Name: "last_alert", Type: record.String, Doc: "Last alert that was seen in the clear."},
	record.Field{Name: "next_protocol", Type: record.String, Doc: "Application protocol the server chose (ALPN), if that was in the clear."},
	record.Field{Name: "established", Type: record.Bool, Doc: "Whether both sides went on to protected records."},
	record.Field{Name: "ssl_history", Type: record.String, Doc: "Messages in the order they were seen, a letter each as in Zeek, upper case from the client."},
	record.Field{Name: "cert_chain_fps", Type: record.Strings, Doc: "SHA-256 fingerprints of the server's certificates, its own first."},
	record.Field{Name: "client_cert_chain_fps", Type: record.Strings, Doc: "SHA-256 fingerprints of the client's certificates, its own first."},
	record.Field{Name: "sni_matches_cert", Type: record.Bool, Doc: "Whether the server's certificate is for the name the client asked for."},
	record.Field{Name: "subject", Type: record.String, Doc: "Subject of the server's certificate."},
	record.Field{Name: "issuer", Type: record.String, Doc: "Issuer of the server's certificate."},
	record.Field{Name: "client_subject", Type: record.String, Doc: "Subject of the client's certificate."},
	record.Field{Name: "client_issuer", Type: record.String, Doc: "Issuer of the client's certificate."},
	record.Field{Name: "ja3", Type: record.String, Doc: "JA3 fingerprint of the client's first hello."},
	record.Field{Name: "ja3s", Type: record.String, Doc: "JA3S fingerprint of the server's hello."},
	record.Field{Name: "ja4", Type: record.String, Doc: "JA4 fingerprint of the client's first hello."},
	record.Field{Name: "client_versions", Type: record.Strings, Doc: "Versions the client offered."},
	record.Field{Name: "client_alpn", Type: record.Strings, Doc: "Application protocols the client offered (ALPN)."},
	record.Field{Name: "ech", Type: record.Bool, Doc: "Whether the hello has an encrypted inner hello, or GREASE that looks like one."},
	record.Field{Name: "psk", Type: record.Bool, Doc: "Whether the client offered a pre-shared key, as for resumption in TLS 1.3."},
	record.Field{Name: "early_data", Type: record.Bool, Doc: "Whether the client sends data before the server has answered."},
	record.Field{Name: "grease", Type: record.Bool, Doc: "Whether the hello has GREASE values (RFC 8701), as those of browsers."},
	record.Field{Name: "hello_retry", Type: record.Bool, Doc: "Whether the server asked for another hello."},
	record.Field{Name: "client_cert_requested", Type: record.Bool, Doc: "Whether the server asked for a certificate of the client."},
)

// match is an answer that may be missing.
type match uint8

const (
	notAsked match = iota
	matches
	differs
)

// summary is the record of a handshake.
type summary struct {
	version, cipher, curve uint16
	cipherV2               uint32 // of SSL 2.0, which has ciphers of its own
	hasCipher, hasCurve    bool
	hasAlert               bool
	alert                  uint8
	resumed, established   bool
	psk, earlyData, ech    bool
	grease, retry          bool
	certRequested          bool
	sniMatches             match
	hasPrints              bool
	hasServerPrint         bool
	serverName             string
	nextProtocol           string
	alpn                   []string
	versions               []string
	versionList            [6]string // first memory of versions
	history                []byte
	letters                [32]byte // first memory of history
	chain, clientChain     []string
	subject, issuer        string
	clientSubject          string
	clientIssuer           string
	ja3, ja3s              [32]byte
	ja4                    [ja4Bytes]byte
}

// Schema returns the schema of TLS records.
func (s *summary) Schema() *record.Schema { return Schema }

// Append writes the record.
func (s *summary) Append(e *record.Encoder) {
	optional(e, s.version != 0, s.version, versionName)
	switch {
	case s.hasCipher && s.cipherV2 != 0:
		e.Str(cipherV2Name(s.cipherV2))
	default:
		optional(e, s.hasCipher, s.cipher, cipherName)
	}
	optional(e, s.hasCurve, s.curve, curveName)
	e.Str(s.serverName)
	e.Bool(s.resumed)
	if s.hasAlert {
		e.Str(alertName(s.alert))
	} else {
		e.Unset()
	}
	e.Str(s.nextProtocol)
	e.Bool(s.established)
	e.Bytes(s.history)
	strs(e, s.chain)
	strs(e, s.clientChain)
	if s.sniMatches == notAsked {
		e.Unset()
	} else {
		e.Bool(s.sniMatches == matches)
	}
	e.Str(s.subject)
	e.Str(s.issuer)
	e.Str(s.clientSubject)
	e.Str(s.clientIssuer)
	raw(e, s.hasPrints, s.ja3[:])
	raw(e, s.hasServerPrint, s.ja3s[:])
	raw(e, s.hasPrints, s.ja4[:])
	strs(e, s.versions)
	strs(e, s.alpn)
	e.Bool(s.ech)
	e.Bool(s.psk)
	e.Bool(s.earlyData)
	e.Bool(s.grease)
	e.Bool(s.retry)
	e.Bool(s.certRequested)
}

func optional(e *record.Encoder, has bool, v uint16, name func(uint16) string) {
	if !has {
		e.Unset()
		return
	}
	e.Str(name(v))
}

func raw(e *record.Encoder, has bool, b []byte) {
	if !has {
		e.Unset()
		return
	}
	e.Raw(b)
}

// strs writes a list that is unset rather than empty when nothing is in it.
func strs(e *record.Encoder, list []string) {
	if len(list) == 0 {
		e.Unset()
		return
	}
	e.Strs(list)
}
