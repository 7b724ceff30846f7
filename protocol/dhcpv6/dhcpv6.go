// Package dhcpv6 reads DHCPv6 (RFC 8415): which device asks for addresses or
// prefixes, what it says of itself, and what it is given, relayed or not.
//
// Clients ask a multicast group, and servers answer from an address of their
// own: the two halves of an exchange are often different sessions. A record
// tells what its session shows.
package dhcpv6

import (
	"strconv"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition describes DHCPv6. The first sender stays the originator, server or
// not, since answers to multicast are sessions of their own.
var Definition = protocol.Definition{
	Name:       "dhcpv6",
	Doc:        "DHCP for IPv6 (RFC 8415), recognised by a message type and options that fill the datagram exactly, with a client or server identifier.",
	Transports: protocol.UDP,
	Ports:      []uint16{546, 547},
	Probe:      probe,
	New:        func() protocol.Analyzer { return new(analyzer) },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the record of one exchange.
var Schema = record.New("dhcpv6", "", "One DHCPv6 exchange (messages of one transaction identifier), as far as the session shows it.",
	record.Field{Name: "client_addr", Type: record.Addr, Doc: "Address of the client; behind a relay, as the relay tells it."},
	record.Field{Name: "server_addr", Type: record.Addr, Doc: "Address the answer came from."},
	record.Field{Name: "msg_types", Type: record.Strings, Doc: "Types of the messages, in order, without those of relays."},
	record.Field{Name: "client_duid", Type: record.String, Doc: "Unique identifier of the client, hexadecimal."},
	record.Field{Name: "server_duid", Type: record.String, Doc: "Unique identifier of the server, hexadecimal."},
	record.Field{Name: "mac", Type: record.String, Doc: "Ethernet address in the client's identifier."},
	record.Field{Name: "addresses", Type: record.Addrs, Doc: "Addresses in the last message that had some: assigned ones if the server sent it."},
	record.Field{Name: "prefixes", Type: record.Strings, Doc: "Delegated prefixes, ADDRESS/LENGTH."},
	record.Field{Name: "lease_time", Type: record.Interval, Doc: "Valid lifetime of the first address or prefix the server gave."},
	record.Field{Name: "client_fqdn", Type: record.String, Doc: "Full name that the client gives (option 39)."},
	record.Field{Name: "fingerprint", Type: record.String, Doc: "Option codes the client asks for, in its order (option 6): characteristic of its system."},
	record.Field{Name: "vendor_class", Type: record.String, Doc: "Vendor class of the client, ENTERPRISE:TEXT (option 16)."},
	record.Field{Name: "user_class", Type: record.String, Doc: "User class of the client (option 15)."},
	record.Field{Name: "dns_servers", Type: record.Addrs, Doc: "DNS servers that the server tells (option 23)."},
	record.Field{Name: "domain_search", Type: record.Strings, Doc: "Domains to search that the server tells (option 24)."},
	record.Field{Name: "boot_file", Type: record.String, Doc: "URL to boot from (option 59)."},
	record.Field{Name: "status", Type: record.String, Doc: "Status code that is not success, by name (option 13)."},
	record.Field{Name: "status_message", Type: record.String, Doc: "Text of that status."},
	record.Field{Name: "relay_addr", Type: record.Addr, Doc: "Link address of the relay next to the client."},
	record.Field{Name: "interface_id", Type: record.String, Doc: "Interface the relay got the request on (option 18), hexadecimal unless it is text."},
	record.Field{Name: "remote_id", Type: record.String, Doc: "Remote end that the relay knows, ENTERPRISE:IDENTIFIER (option 37)."},
	record.Field{Name: "duration", Type: record.Interval, Doc: "Time from the first message to the last."},
)

// Limits of what is kept and followed.
const (
	maxPending  = 32  // exchanges that are not finished, in one session
	maxMessages = 16  // message types of one exchange
	maxList     = 8   // entries of one list
	maxText     = 255 // longest text that is kept, in bytes
	maxRequest  = 128 // option codes of a fingerprint
	maxHops     = 8   // relays around one message (RFC 8415 section 7.6)
	quiet       = 30_000_000_000
)

// Record is one exchange.
type Record struct {
	xid                   uint32
	first, last           int64
	client, server, relay packet.Addr
	types                 []string
	clientID, serverID    string
	mac                   packet.MAC
	addresses             []packet.Addr
	prefixes              []string
	lease                 int64 // ns; -1 is unset
	fqdn, fingerprint     string
	vendor, user          string
	dns, search           []string
	bootFile              string
	status, statusText    string
	interfaceID, remoteID string
}

// Schema implements protocol.Record.
func (r *Record) Schema() *record.Schema { return Schema }

// Append implements protocol.Record.
func (r *Record) Append(e *record.Encoder) {
	addr(e, r.client)
	addr(e, r.server)
	e.Strs(r.types)
	e.Str(r.clientID)
	e.Str(r.serverID)
	if r.mac.IsZero() {
		e.Unset()
	} else {
		var b [17]byte
		e.Raw(r.mac.AppendTo(b[:0]))
	}
	e.Strs(texts(r.addresses))
	e.Strs(r.prefixes)
	if r.lease >= 0 {
		e.Interval(r.lease)
	} else {
		e.Unset()
	}
	e.Str(r.fqdn)
	e.Str(r.fingerprint)
	e.Str(r.vendor)
	e.Str(r.user)
	e.Strs(r.dns)
	e.Strs(r.search)
	e.Str(r.bootFile)
	e.Str(r.status)
	e.Str(r.statusText)
	addr(e, r.relay)
	e.Str(r.interfaceID)
	e.Str(r.remoteID)
	e.Interval(r.last - r.first)
}

func addr(e *record.Encoder, a packet.Addr) {
	if a.IsZero() {
		e.Unset()
		return
	}
	e.Addr(a.Netip())
}

func texts(list []packet.Addr) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.String()
	}
	return out
}

// Message types (RFC 8415 section 7.3) that are told apart.
const (
	msgAdvertise   = 2
	msgReply       = 7
	msgRelease     = 8
	msgDecline     = 9
	msgReconfigure = 10
	msgRelayForw   = 12
	msgRelayRepl   = 13
)

// kindNames has the names of message types (RFC 8415, 5007, 5460, 7341, 7653).
var kindNames = [...]string{"", "SOLICIT", "ADVERTISE", "REQUEST", "CONFIRM", "RENEW", "REBIND", "REPLY", "RELEASE", "DECLINE",
	"RECONFIGURE", "INFORMATION-REQUEST", "RELAY-FORW", "RELAY-REPL", "LEASEQUERY", "LEASEQUERY-REPLY", "LEASEQUERY-DONE",
	"LEASEQUERY-DATA", "RECONFIGURE-REQUEST", "RECONFIGURE-REPLY", "DHCPV4-QUERY", "DHCPV4-RESPONSE"}

func kindName(n uint8) string {
	if int(n) < len(kindNames) && n > 0 {
		return kindNames[n]
	}
	return "type-" + strconv.Itoa(int(n))
}

// fromServer reports whether servers send messages of a type.
func fromServer(kind uint8) bool {
	switch kind {
	case msgAdvertise, msgReply, msgReconfigure, msgRelayRepl, 15, 16, 17, 19, 21:
		return true
	}
	return false
}

// Option codes (RFC 8415 section 21).
const (
	optClientID    = 1
	optServerID    = 2
	optIANA        = 3
	optIATA        = 4
	optIAAddr      = 5
	optORO         = 6
	optRelayMsg    = 9
	optStatus      = 13
	optUserClass   = 15
	optVendorClass = 16
	optInterfaceID = 18
	optDNS         = 23
	optDomains     = 24
	optIAPD        = 25
	optIAPrefix    = 26
	optRemoteID    = 37
	optFQDN        = 39
	optBootFile    = 59
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 8 || b[0] == 0 || int(b[0]) >= len(kindNames) {
		return protocol.No
	}
	start := 4
	relay := b[0] == msgRelayForw || b[0] == msgRelayRepl
	if relay {
		start = 34
	}
	if len(b) <= start || b[start] != 0 {
		return protocol.No
	}
	c := wire.New(b[start:])
	known := false
	for c.Len() > 0 {
		code := c.U16()
		v := c.Vec16()
		if !c.OK() || code == 0 || code > 200 {
			return protocol.No
		}
		switch {
		case code == optClientID || code == optServerID:
			k := v.U16()
			if !v.OK() || k == 0 || k > 4 {
				return protocol.No
			}
			known = true
		case code == optRelayMsg && relay:
			k := v.U8()
			known = k > 0 && int(k) < len(kindNames)
		}
	}
	usual := e.Port(546) || e.Port(547)
	switch {
	case known && (usual || len(b) >= 32):
		return protocol.Sure
	case known || usual:
		return protocol.Likely
	}
	return protocol.No
}

type analyzer struct {
	pending []Record
}

// Idle implements protocol.Idler.
func (a *analyzer) Idle() bool { return len(a.pending) == 0 }

// Close implements protocol.Analyzer.
func (a *analyzer) Close(f *protocol.Flow) {
	for len(a.pending) > 0 {
		a.emit(f, 0)
	}
}

func (a *analyzer) emit(f *protocol.Flow, i int) {
	f.Emit(&a.pending[i])
	n := copy(a.pending[i:], a.pending[i+1:])
	clear(a.pending[i+n:])
	a.pending = a.pending[:i+n]
}

// exchange returns the record of a transaction, and its index.
func (a *analyzer) exchange(f *protocol.Flow, xid uint32) (*Record, int) {
	for i := 0; i < len(a.pending); {
		if a.pending[i].xid == xid {
			return &a.pending[i], i
		}
		if f.Now-a.pending[i].last > quiet {
			a.emit(f, i)
			continue
		}
		i++
	}
	if len(a.pending) >= maxPending {
		a.emit(f, 0)
	}
	a.pending = append(a.pending, Record{xid: xid, first: f.Now, lease: -1})
	return &a.pending[len(a.pending)-1], len(a.pending) - 1
}

// Parse implements protocol.Analyzer.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	m := message{f: f, peer: f.Addr(dir), receiver: f.Addr(dir.Other())}
	b := data
	for hops := 0; ; hops++ {
		c := wire.New(b)
		kind := c.U8()
		if kind != msgRelayForw && kind != msgRelayRepl {
			break
		}
		c.Skip(1) // hop count
		link, peer := c.Bytes(16), c.Bytes(16)
		if !c.OK() || hops >= maxHops {
			f.Anomaly("dhcpv6_malformed_message", "relay")
			return len(data)
		}
		m.relayed, m.link, m.peer = true, packet.Addr16(link), packet.Addr16(peer)
		if b = m.relay(c.Rest()); b == nil {
			return len(data)
		}
	}
	c := wire.New(b)
	m.kind = c.U8()
	xid := c.U24()
	if !c.OK() {
		f.Anomaly("dhcpv6_malformed_message", "")
		return len(data)
	}
	r, i := a.exchange(f, xid)
	r.last = f.Now
	m.r, m.server = r, fromServer(m.kind)
	if len(r.types) < maxMessages {
		r.types = append(r.types, kindName(m.kind))
	}
	switch {
	case m.server && m.relayed:
		r.client, r.server = m.peer, f.Addr(dir)
	case m.server:
		r.server = m.peer
		if !m.receiver.IsMulticast() {
			r.client = m.receiver
		}
	default:
		r.client = m.peer
	}
	if m.relayed {
		r.relay, r.interfaceID = m.link, m.interfaceID
		if m.remoteID != "" {
			r.remoteID = m.remoteID
		}
	}
	m.options(c.Rest(), 0)
	if m.bad {
		f.Anomaly("dhcpv6_malformed_option", "")
	}
	a.observe(f, r, m.kind)
	switch m.kind {
	case msgReply, msgReconfigure:
		a.emit(f, i)
	}
	return len(data)
}

// observe tells what is known of the device: at the addresses that were given to
// it, or at the one it speaks from.
func (a *analyzer) observe(f *protocol.Flow, r *Record, kind uint8) {
	switch kind {
	case msgReply:
		for _, at := range r.addresses {
			tell(f, r, at)
		}
	case msgAdvertise, msgRelease, msgDecline, msgReconfigure:
	default:
		if len(r.types) == 1 && !r.client.IsZero() {
			tell(f, r, r.client)
		}
	}
}

func tell(f *protocol.Flow, r *Record, at packet.Addr) {
	if r.fqdn != "" {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: at, Value: r.fqdn})
	}
	if !r.mac.IsZero() {
		f.Observe(protocol.Observation{Kind: protocol.HardwareMAC, Addr: at, Value: r.mac.String()})
	}
}

var _ protocol.Idler = (*analyzer)(nil)
