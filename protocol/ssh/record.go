package ssh

import "tyto/internal/record"

// Schema describes the record of an SSH connection.
var Schema = record.New("ssh", "ssh", "An SSH connection, told when it ends or can no longer be followed; its time is that of the login, if one succeeded.",
	record.Field{Name: "version", Type: record.Count, Doc: "Protocol version both sides speak; 0 if there is none."},
	record.Field{Name: "auth_success", Type: record.Bool, Doc: "Whether the login succeeded, told from packet lengths; unset if unknown."},
	record.Field{Name: "auth_attempts", Type: record.Count, Doc: "Attempts to log in, the successful one included."},
	record.Field{Name: "direction", Type: record.Enum, Doc: "INBOUND or OUTBOUND, where one side has a private address."},
	record.Field{Name: "client", Type: record.String, Doc: "Identification string of the client."},
	record.Field{Name: "server", Type: record.String, Doc: "Identification string of the server."},
	record.Field{Name: "cipher_alg", Type: record.String, Doc: "Cipher both sides choose."},
	record.Field{Name: "mac_alg", Type: record.String, Doc: "MAC algorithm both sides choose; not used by AEAD ciphers."},
	record.Field{Name: "compression_alg", Type: record.String, Doc: "Compression both sides choose."},
	record.Field{Name: "kex_alg", Type: record.String, Doc: "Key exchange method both sides choose."},
	record.Field{Name: "host_key_alg", Type: record.String, Doc: "Algorithm of the server's signature."},
	record.Field{Name: "host_key", Type: record.String, Doc: "MD5 fingerprint of the server's public key."},
	record.Field{Name: "host_key_sha256", Type: record.String, Doc: "SHA-256 fingerprint of the server's public key, as ssh-keygen writes it."},
	record.Field{Name: "host_key_type", Type: record.String, Doc: "Type of the server's public key."},
	record.Field{Name: "hassh", Type: record.String, Doc: "HASSH fingerprint of the client: MD5 of hasshAlgorithms."},
	record.Field{Name: "hasshAlgorithms", Type: record.String, Doc: "What the client offers for key exchange, cipher, MAC and compression."},
	record.Field{Name: "cshka", Type: record.String, Doc: "Host key algorithms the client offers."},
	record.Field{Name: "hasshServer", Type: record.String, Doc: "HASSH fingerprint of the server: MD5 of hasshServerAlgorithms."},
	record.Field{Name: "hasshServerAlgorithms", Type: record.String, Doc: "What the server offers for key exchange, cipher, MAC and compression."},
	record.Field{Name: "sshka", Type: record.String, Doc: "Host key algorithms the server offers."},
	record.Field{Name: "strict_kex", Type: record.Bool, Doc: "Both sides offer the strict key exchange (against CVE-2023-48795); unset if an offer is missing."},
	record.Field{Name: "ext_info", Type: record.Bool, Doc: "The client asks for extension negotiation (RFC 8308); unset if its offer is missing."},
	record.Field{Name: "disconnect_reason", Type: record.Count, Doc: "Reason code of a disconnection in the clear (RFC 4253 section 11.1)."},
	record.Field{Name: "inferences", Type: record.Set, Doc: "What lengths, times and sound of the connection say of the login and the use of it: codes of docs/labels.md, each told only if it is inferred; an empty list if nothing is."},
)

var schemas = []*record.Schema{Schema}

// offer is what one side's KEXINIT says.
type offer struct {
	hash, text, hostKeys string
	strict, extInfo      bool
}

// Record is what is known of an SSH connection.
type Record struct {
	Client, Server string // identification strings
	AuthKnown      bool   // the outcome of the login is known
	AuthSuccess    bool   // valid iff AuthKnown
	AuthAttempts   uint64

	version     uint64
	direction   string
	negotiated  bool
	cipher      [2]string // to the server, to the client
	mac         [2]string
	compression [2]string
	kex         string
	hostKeyAlg  string
	hostKeyMD5  string
	hostKeySHA  string
	hostKeyType string
	client      offer
	server      offer
	disconnect  uint32
	inferences  []string
}

// Inferences returns the codes that are inferred, in the order of [Inferences].
func (r *Record) Inferences() []string { return r.inferences }

// Schema returns the schema of SSH records.
func (r *Record) Schema() *record.Schema { return Schema }

// HASSH returns the fingerprints of client and server, empty if unknown.
func (r *Record) HASSH() (client, server string) { return r.client.hash, r.server.hash }

// Append writes the record's fields.
func (r *Record) Append(e *record.Encoder) {
	e.Uint(r.version)
	if r.AuthKnown {
		e.Bool(r.AuthSuccess)
	} else {
		e.Unset()
	}
	e.Uint(r.AuthAttempts)
	e.Str(r.direction)
	e.Str(r.Client)
	e.Str(r.Server)
	r.algorithm(e, r.cipher)
	r.algorithm(e, r.mac)
	r.algorithm(e, r.compression)
	r.algorithm(e, [2]string{r.kex, r.kex})
	r.algorithm(e, [2]string{r.hostKeyAlg, r.hostKeyAlg})
	e.Str(r.hostKeyMD5)
	e.Str(r.hostKeySHA)
	e.Str(r.hostKeyType)
	e.Str(r.client.hash)
	e.Str(r.client.text)
	e.Str(r.client.hostKeys)
	e.Str(r.server.hash)
	e.Str(r.server.text)
	e.Str(r.server.hostKeys)
	if r.client.hash != "" && r.server.hash != "" {
		e.Bool(r.client.strict && r.server.strict)
	} else {
		e.Unset()
	}
	if r.client.hash != "" {
		e.Bool(r.client.extInfo)
	} else {
		e.Unset()
	}
	if r.disconnect > 0 {
		e.Uint(uint64(r.disconnect))
	} else {
		e.Unset()
	}
	e.Strs(r.inferences)
}

// algorithm writes a chosen algorithm, or both where the directions differ.
func (r *Record) algorithm(e *record.Encoder, pair [2]string) {
	const none = "Algorithm negotiation failed"
	if !r.negotiated {
		e.Unset()
		return
	}
	for i := range pair {
		if pair[i] == "" {
			pair[i] = none
		}
	}
	if pair[0] == pair[1] {
		e.Str(pair[0])
		return
	}
	e.Str("To server: " + pair[0] + ", to client: " + pair[1])
}
