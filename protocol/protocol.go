// Package protocol says what is spoken in a session, and reads what is said in
// the clear.
//
// Each protocol has a folder of its own with one [Definition]: how it is
// recognised by content, and an [Analyzer] that reads it. The [Engine] runs
// them over the bytes of sessions: it probes until the protocol is known, keeps
// what an analyzer has not consumed yet, and hands the session over when one
// protocol turns into another (STARTTLS, CONNECT, SOCKS). Ports are a hint
// about which probe to try first, never a proof.
//
// To add a protocol, see CONTRIBUTING.md, "To add a protocol".
package protocol

import (
	"tyto/internal/record"
	"tyto/packet"
	"tyto/session"
)

// Transport says which transports a protocol is looked for on.
type Transport uint8

// Transports.
const (
	TCP  Transport = 1 << iota // a byte stream
	UDP                        // datagrams
	SCTP                       // messages
	IP                         // straight on IP: Data is the payload of the packet
)

// Verdict is a probe's answer.
type Verdict uint8

// Verdicts, from weakest to strongest.
const (
	No     Verdict = iota // it is not this protocol: the probe is not asked again
	More                  // it may be: ask again with more bytes or another datagram
	Likely                // it looks like it; another protocol's Sure overrules this
	Sure                  // it is this protocol
)

// Evidence is what a probe sees. On TCP, Data holds the start of each
// direction's stream as far as it has arrived (at most MaxProbe bytes). On
// datagram transports Data[Dir] is the datagram at hand and the other entry is
// empty; Seen holds the first bytes (at most SeenBytes) of the first datagram
// of each direction before it, for protocols that only a second look proves.
type Evidence struct {
	Transport Transport
	Dir       session.Direction // who sent the latest bytes
	Data      [2][]byte         // by direction
	Seen      [2][]byte         // by direction; datagrams only
	SeenLen   [2]int            // full lengths of the datagrams in Seen
	Count     int               // segments or datagrams with payload so far, this one included
	OrigPort  uint16
	RespPort  uint16
	Proto     uint8 // IP protocol number

	// Reversed may be set by the probe together with Likely or Sure: the bytes
	// show that who is taken for the responder is the originator (a DNS response
	// in the first datagram of a session, a TLS ServerHello first). The session's
	// roles are exchanged before the analyzer starts.
	Reversed bool
}

// Limits of recognition.
const (
	MaxProbe  = 2048 // bytes of each direction's stream that probes may see
	SeenBytes = 64   // bytes kept of the first datagram of each direction
)

// Port reports whether either side's port is p.
func (e *Evidence) Port(p uint16) bool { return e.OrigPort == p || e.RespPort == p }

// Definition describes a protocol: a documented value in its own folder.
type Definition struct {
	// Name is the value of a session's "app": lower case, the most common name.
	Name string
	// Service is the name in Zeek's service field ("ssl" for tls); empty: Name.
	Service string
	// Apps are more specific names that the analyzer may give a session with
	// SetApp ("doh").
	Apps []string
	// Doc is one sentence for the generated reference: what the protocol is,
	// how it is recognised, and the specification (RFC).
	Doc string
	// Transports the probe is asked on.
	Transports Transport
	// Ports its servers usually have: a probe whose port matches is asked first.
	Ports []uint16
	// OddPort is true where another port than Ports is worth telling an analyst.
	OddPort bool
	// Encrypted is true if what the sessions carry cannot be read.
	Encrypted bool
	// Cleartext is true if credentials cross in the clear.
	Cleartext bool
	// Probe looks at the first bytes. It must be cheap, must not keep or change
	// the evidence's slices, and must answer Sure only when chance or another
	// protocol is out of the question (about one in 2^24).
	// Nil: never recognised, only handed over to.
	Probe func(e *Evidence) Verdict
	// New returns an analyzer for one session. Nil: recognised, not read.
	New func() Analyzer
	// Schemas of the records the analyzer emits.
	Schemas []*record.Schema
	// MaxBuffer is how many bytes of one direction may wait for the rest of a
	// message; 0 means DefaultBuffer.
	MaxBuffer int

	index int // in its set
}

// DefaultBuffer is how many unconsumed bytes of one direction are kept for an
// analyzer whose definition does not say.
const DefaultBuffer = 72 << 10

// SkipAll as the result of Parse says that nothing more of this direction is
// wanted.
const SkipAll = 1 << 62

// Analyzer reads one session. Its methods are called in the order of packets
// and never concurrently. It keeps no slice it is given: what it needs later it
// copies, in bounded memory.
type Analyzer interface {
	// Parse is given the bytes of one direction that it has not consumed yet: on
	// a stream all of them since then, else one datagram. It returns how many it
	// consumed; what remains is given again together with the bytes that follow.
	// A result beyond len(data) skips bytes that have not arrived. On datagrams
	// the result matters only with Handover: if it is less than len(data) the next
	// protocol is given the datagram too.
	Parse(f *Flow, dir session.Direction, data []byte) int
	// Close is called once, when the session ends or can no longer be followed:
	// emit what is pending.
	Close(f *Flow)
}

// GapHandler is implemented by analyzers that can go on after a hole of n bytes
// in a direction's stream (which is not inside bytes they skip). Those that
// cannot, or return false, are closed.
type GapHandler interface {
	Gap(f *Flow, dir session.Direction, n int) bool
}

// Idler is implemented by analyzers of datagrams that often hold nothing
// between two of them (DNS after the answer). While Idle reports true the
// analyzer is as good as new: the engine takes it back and may give it to
// another session.
type Idler interface {
	Idle() bool
}

// Record is one thing an analyzer read: a log line.
type Record interface {
	// Schema describes the record's fields. It is always the same value.
	Schema() *record.Schema
	// Append writes the values of the schema's fields, in order. It is called
	// before Emit returns, so the record may point into packet data.
	Append(e *record.Encoder)
}

// Anomaly is something in the traffic that should not be: Zeek's weird. It is
// data about traffic, not an error.
type Anomaly struct {
	Name   string // snake_case, Zeek's weird name where there is one
	Detail string // what exactly, in a few words; may be empty
	Source string // protocol that noticed
}

// ObservationKind says what an Observation tells.
type ObservationKind uint8

// Kinds of observations.
const (
	HostName    ObservationKind = iota + 1 // Value is the name of the device at Addr (DHCP, mDNS, NBNS, NTLM, Kerberos)
	DomainName                             // Value is a domain that resolves to Addr (DNS answer), valid for TTL seconds
	ServerName                             // Value is the name the originator asked the responder by (SNI, Host, certificate)
	UserName                               // Value is an account used from Addr
	Software                               // Value is a program and version that runs at Addr (user agent, banner)
	Credential                             // Value names a credential that crossed in the clear at this session (never the secret itself)
	LoginFailed                            // Value is the account or method that was refused
	LoginOK                                // Value is the account or method that was accepted
	Certificate                            // Value says what is wrong with the server's certificate: "expired", "self-signed", …
	HardwareMAC                            // Value is the link-layer address of the device at Addr (DHCP, ARP, NDP)
	Tunnel                                 // Value names what the session carries inside: "openvpn", "dns", "socks" …
	Expected                               // a session with Addr and Port at one of its ends is announced; Value is its app, should its content not tell
)

// Observation is a fact about a device, a name or an account that a session
// shows. Entities and the story are made of these.
type Observation struct {
	Kind   ObservationKind
	Addr   packet.Addr // whom it is about; the zero value: see Kind
	Value  string      // valid until Observe returns: who keeps it clones it
	Source string      // protocol that shows it: "dhcp", "sni", "ntlm"
	TTL    uint32      // seconds, for DomainName
	Port   uint16      // for Expected
	Proto  uint8       // IP protocol number, for Expected
}

var observationNames = [...]string{"none", "host_name", "domain_name", "server_name", "user_name", "software", "credential",
	"login_failed", "login_ok", "certificate", "hardware_mac", "tunnel", "expected"}

// String returns the kind's name in snake_case.
func (k ObservationKind) String() string {
	if int(k) < len(observationNames) {
		return observationNames[k]
	}
	return "invalid"
}
