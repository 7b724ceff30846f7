package suricata

import (
	"bytes"

	"tyto/detection"
)

// buffer is a sticky buffer: a field of a kind of records, for each direction.
type buffer struct {
	name   string
	kind   string
	fields [2]string // to the server, to the client; "" if it is not in that direction
	form   func(b, value []byte) []byte
}

// buffers are those that records have, by the keyword's name.
var buffers = byName(
	buffer{name: "tls.sni", kind: "tls", fields: [2]string{"server_name", ""}},
	buffer{name: "tls.cert_subject", kind: "tls", fields: [2]string{"", "subject"}},
	buffer{name: "tls.cert_issuer", kind: "tls", fields: [2]string{"", "issuer"}},
	buffer{name: "tls.cert_fingerprint", kind: "x509", fields: [2]string{"", "fingerprint_sha1"}, form: colons},
	buffer{name: "tls.cert_serial", kind: "x509", fields: [2]string{"", "certificate.serial"}, form: colons},
	buffer{name: "ja3.hash", kind: "tls", fields: [2]string{"ja3", ""}},
	buffer{name: "ja3s.hash", kind: "tls", fields: [2]string{"", "ja3s"}},
	buffer{name: "ja4.hash", kind: "tls", fields: [2]string{"ja4", ""}},
	buffer{name: "quic.sni", kind: "quic", fields: [2]string{"server_name", ""}},
	buffer{name: "quic.ua", kind: "quic", fields: [2]string{"user_agent", ""}},
	buffer{name: "dns.query", kind: "dns", fields: [2]string{"query", ""}},
	buffer{name: "http.uri", kind: "http", fields: [2]string{"uri", ""}},
	buffer{name: "http.method", kind: "http", fields: [2]string{"method", ""}},
	buffer{name: "http.host", kind: "http", fields: [2]string{"host", ""}, form: hostOnly},
	buffer{name: "http.host.raw", kind: "http", fields: [2]string{"host", ""}},
	buffer{name: "http.user_agent", kind: "http", fields: [2]string{"user_agent", ""}},
	buffer{name: "http.referer", kind: "http", fields: [2]string{"referrer", ""}},
	buffer{name: "http.stat_code", kind: "http", fields: [2]string{"", "status_code"}},
	buffer{name: "http.stat_msg", kind: "http", fields: [2]string{"", "status_msg"}},
	buffer{name: "http.server", kind: "http", fields: [2]string{"", "server"}},
	buffer{name: "http.location", kind: "http", fields: [2]string{"", "location"}},
	buffer{name: "ssh.software", kind: "ssh", fields: [2]string{"client", "server"}, form: software},
	buffer{name: "ssh.proto", kind: "ssh", fields: [2]string{"client", "server"}, form: version},
	buffer{name: "ssh.hassh", kind: "ssh", fields: [2]string{"hassh", ""}},
	buffer{name: "ssh.hassh.string", kind: "ssh", fields: [2]string{"hasshAlgorithms", ""}},
	buffer{name: "ssh.hassh.server", kind: "ssh", fields: [2]string{"", "hasshServer"}},
	buffer{name: "ssh.hassh.server.string", kind: "ssh", fields: [2]string{"", "hasshServerAlgorithms"}},
	buffer{name: "smb.named_pipe", kind: "dce_rpc", fields: [2]string{"named_pipe", ""}},
	buffer{name: "smb.share", kind: "smb_mapping", fields: [2]string{"path", ""}},
	buffer{name: "krb5_cname", kind: "kerberos", fields: [2]string{"", "client"}},
	buffer{name: "krb5_sname", kind: "kerberos", fields: [2]string{"", "service"}},
)

func byName(list ...buffer) map[string]*buffer {
	m := make(map[string]*buffer)
	for i := range list {
		m[list[i].name] = &list[i]
	}
	return m
}

// synonyms are older names of sticky buffers.
var synonyms = map[string]string{
	"tls_sni": "tls.sni", "tls_cert_subject": "tls.cert_subject", "tls_cert_issuer": "tls.cert_issuer", "tls_cert_fingerprint": "tls.cert_fingerprint", "tls_cert_serial": "tls.cert_serial",
	"ja3_hash": "ja3.hash", "dns_query": "dns.query", "dns.queries.rrname": "dns.query", "ssh_software": "ssh.software", "ssh_proto": "ssh.proto", "http.uri.raw": "http.uri", "ssh.hassh.hash": "ssh.hassh",
}

// behind are keywords that say in which buffer the content before them is.
var behind = map[string]string{
	"http_uri": "http.uri", "http_raw_uri": "http.uri", "http_method": "http.method", "http_host": "http.host", "http_raw_host": "http.host.raw", "http_user_agent": "http.user_agent",
	"http_stat_code": "http.stat_code", "http_stat_msg": "http.stat_msg",
}

// valued are keywords that look for their value in a buffer.
var valued = map[string]string{"tls.subject": "tls.cert_subject", "tls.issuerdn": "tls.cert_issuer", "tls.fingerprint": "tls.cert_fingerprint"}

// patternBuffers are buffers that flags of a pcre name.
var patternBuffers = map[byte]string{'U': "http.uri", 'I': "http.uri", 'M': "http.method", 'W': "http.host", 'Z': "http.host.raw", 'V': "http.user_agent", 'S': "http.stat_code", 'Y': "http.stat_msg"}

// colons writes hexadecimal digits in pairs.
func colons(b, value []byte) []byte {
	for i, c := range value {
		if i > 0 && i%2 == 0 {
			b = append(b, ':')
		}
		b = append(b, c)
	}
	return b
}

// hostOnly writes a host in lower case, without a port.
func hostOnly(b, value []byte) []byte {
	if i := bytes.LastIndexByte(value, ':'); i >= 0 && bytes.IndexByte(value[i:], ']') < 0 && (bytes.Count(value, []byte{':'}) == 1 || value[0] == '[') {
		value = value[:i]
	}
	return detection.AppendLower(b, value)
}

// software and version write parts of an SSH banner: SSH-2.0-OpenSSH_9.6.
func software(b, value []byte) []byte {
	if parts := bytes.SplitN(value, []byte{'-'}, 3); len(parts) == 3 {
		return append(b, parts[2]...)
	}
	return append(b, value...)
}

func version(b, value []byte) []byte {
	if parts := bytes.SplitN(value, []byte{'-'}, 3); len(parts) == 3 {
		return append(b, parts[1]...)
	}
	return b
}
