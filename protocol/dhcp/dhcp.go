// Package dhcp reads DHCP (RFC 2131, RFC 2132) and BOOTP (RFC 951): which
// device asked for an address, what it says of itself, and what it was given.
//
// A client that has no address yet broadcasts, and the server may answer to
// another address than the request came from: the two halves of an exchange
// are then different sessions. A record tells what its session shows.
package dhcp

import (
	"strconv"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition describes DHCP. The first sender stays the originator, server or
// not, since broadcast answers are sessions of their own.
var Definition = protocol.Definition{
	Name:       "dhcp",
	Doc:        "Dynamic Host Configuration Protocol (RFC 2131), recognised by the magic cookie after the BOOTP header.",
	Transports: protocol.UDP,
	Ports:      []uint16{67, 68, 4011},
	Probe:      probe,
	New:        func() protocol.Analyzer { return new(analyzer) },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the record of one exchange.
var Schema = record.New("dhcp", "dhcp", "One DHCP exchange (messages of one transaction identifier), as far as the session shows it.",
	record.Field{Name: "client_addr", Type: record.Addr, Doc: "Address the client uses already."},
	record.Field{Name: "server_addr", Type: record.Addr, Doc: "Address of the server."},
	record.Field{Name: "mac", Type: record.String, Doc: "Hardware address of the client."},
	record.Field{Name: "host_name", Type: record.String, Doc: "Host name that the client gives (option 12)."},
	record.Field{Name: "client_fqdn", Type: record.String, Doc: "Full name that the client gives (option 81)."},
	record.Field{Name: "domain", Type: record.String, Doc: "Domain that the server assigns (option 15)."},
	record.Field{Name: "requested_addr", Type: record.Addr, Doc: "Address that the client asks for (option 50)."},
	record.Field{Name: "assigned_addr", Type: record.Addr, Doc: "Address that the server assigns."},
	record.Field{Name: "lease_time", Type: record.Interval, Doc: "Time for which it is assigned."},
	record.Field{Name: "client_message", Type: record.String, Doc: "Text of the client, with DECLINE for example (option 56)."},
	record.Field{Name: "server_message", Type: record.String, Doc: "Text of the server, with NAK for example (option 56)."},
	record.Field{Name: "msg_types", Type: record.Strings, Doc: "Types of the messages, in order."},
	record.Field{Name: "duration", Type: record.Interval, Doc: "Time from the first message to the last."},
	record.Field{Name: "fingerprint", Type: record.String, Doc: "Option codes the client asks for, in its order (option 55): characteristic of its system."},
	record.Field{Name: "options", Type: record.String, Doc: "Option codes in the client's first message, in order: characteristic as well."},
	record.Field{Name: "vendor_class", Type: record.String, Doc: "Vendor class of the client (option 60)."},
	record.Field{Name: "user_class", Type: record.String, Doc: "User class of the client (option 77)."},
	record.Field{Name: "client_id", Type: record.String, Doc: "Client identifier in hexadecimal (option 61)."},
	record.Field{Name: "routers", Type: record.Addrs, Doc: "Routers that the server tells (option 3)."},
	record.Field{Name: "dns_servers", Type: record.Addrs, Doc: "DNS servers that the server tells (option 6)."},
	record.Field{Name: "domain_search", Type: record.Strings, Doc: "Domains to search that the server tells (option 119)."},
	record.Field{Name: "wpad", Type: record.String, Doc: "Address of the proxy configuration that the server tells (option 252)."},
	record.Field{Name: "boot_server", Type: record.String, Doc: "Server to boot from (option 66 or the header)."},
	record.Field{Name: "boot_file", Type: record.String, Doc: "File to boot from (option 67 or the header)."},
	record.Field{Name: "relay_addr", Type: record.Addr, Doc: "Address of the relay agent."},
	record.Field{Name: "circuit_id", Type: record.String, Doc: "Circuit the relay agent got the request on (option 82), hexadecimal unless it is text."},
	record.Field{Name: "remote_id", Type: record.String, Doc: "Remote end of that circuit (option 82), hexadecimal unless it is text."},
	record.Field{Name: "subscriber_id", Type: record.String, Doc: "Subscriber the relay agent knows (option 82)."},
)

// Limits of what is kept.
const (
	maxPending  = 32  // exchanges that are not finished, in one session
	maxMessages = 16  // message types of one exchange
	maxAddrs    = 8   // addresses of one list
	maxText     = 255 // longest text that is kept, in bytes
	maxOptions  = 256 // options of one message
	quiet       = 30_000_000_000
)

// Record is one exchange.
type Record struct {
	xid                                        uint32
	first, last                                int64
	client, server, requested, assigned, relay packet.Addr
	mac                                        packet.MAC
	host, fqdn, domain                         string
	lease                                      int64 // ns; -1 is unset
	clientMessage, serverMessage               string
	types                                      []string
	fingerprint, order, vendor, user, clientID string
	routers, dns, search                       []string
	wpad, bootServer, bootFile                 string
	circuit, remote, subscriber                string
	selecting                                  bool // the client accepts an offer
}

// Schema implements protocol.Record.
func (r *Record) Schema() *record.Schema { return Schema }

// Append implements protocol.Record.
func (r *Record) Append(e *record.Encoder) {
	addr(e, r.client)
	addr(e, r.server)
	if r.mac.IsZero() {
		e.Unset()
	} else {
		var b [17]byte
		e.Raw(r.mac.AppendTo(b[:0]))
	}
	e.Str(r.host)
	e.Str(r.fqdn)
	e.Str(r.domain)
	addr(e, r.requested)
	addr(e, r.assigned)
	if r.lease >= 0 {
		e.Interval(r.lease)
	} else {
		e.Unset()
	}
	e.Str(r.clientMessage)
	e.Str(r.serverMessage)
	e.Strs(r.types)
	e.Interval(r.last - r.first)
	e.Str(r.fingerprint)
	e.Str(r.order)
	e.Str(r.vendor)
	e.Str(r.user)
	e.Str(r.clientID)
	e.Strs(r.routers)
	e.Strs(r.dns)
	e.Strs(r.search)
	e.Str(r.wpad)
	e.Str(r.bootServer)
	e.Str(r.bootFile)
	addr(e, r.relay)
	e.Str(r.circuit)
	e.Str(r.remote)
	e.Str(r.subscriber)
}

func addr(e *record.Encoder, a packet.Addr) {
	if a.IsZero() {
		e.Unset()
		return
	}
	e.Addr(a.Netip())
}

// Offsets in the BOOTP header (RFC 951 section 3).
const (
	offServer  = 44
	offFile    = 108
	offCookie  = 236
	offOptions = 240
)

const cookie = "\x63\x82\x53\x63" // RFC 2132 section 2

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < offCookie || b[0] != 1 && b[0] != 2 || b[2] > 16 || b[3] > 16 {
		return protocol.No
	}
	if len(b) >= offOptions && string(b[offCookie:offOptions]) == cookie {
		return protocol.Sure
	}
	if (e.Port(67) || e.Port(68)) && b[1] == 1 && b[2] == 6 {
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

// exchange returns the record of a transaction of a client, and its index.
func (a *analyzer) exchange(f *protocol.Flow, xid uint32, mac packet.MAC) (*Record, int) {
	for i := 0; i < len(a.pending); {
		r := &a.pending[i]
		if r.xid == xid && r.mac == mac {
			return r, i
		}
		if f.Now-r.last > quiet {
			a.emit(f, i)
			continue
		}
		i++
	}
	if len(a.pending) >= maxPending {
		a.emit(f, 0)
	}
	a.pending = append(a.pending, Record{xid: xid, mac: mac, first: f.Now, lease: -1})
	return &a.pending[len(a.pending)-1], len(a.pending) - 1
}

// Parse implements protocol.Analyzer.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	op, htype, hlen := c.U8(), c.U8(), c.U8()
	c.Skip(1)
	xid := c.U32()
	c.Skip(4) // seconds, flags
	ciaddr, yiaddr, siaddr, giaddr := c.Bytes(4), c.Bytes(4), c.Bytes(4), c.Bytes(4)
	chaddr := c.Bytes(16)
	sname, file := c.Bytes(offFile-offServer), c.Bytes(offCookie-offFile)
	if !c.OK() || op != 1 && op != 2 {
		f.Anomaly("dhcp_malformed_message", "")
		return len(data)
	}
	var mac packet.MAC
	if htype <= 1 && hlen == 6 || htype == 6 && hlen == 6 {
		mac = packet.MAC(chaddr[:6])
	}
	r, i := a.exchange(f, xid, mac)
	r.last = f.Now
	request := op == 1
	set4(&r.client, ciaddr)
	set4(&r.relay, giaddr)
	sender := f.Addr(dir)
	if sender == unspecified {
		sender = packet.Addr{}
	}
	if request && r.client.IsZero() && giaddr[0] == 0 {
		r.client = sender
	}
	if !request {
		set4(&r.assigned, yiaddr)
		if r.server.IsZero() && r.relay.IsZero() {
			r.server = sender
		}
		if r.bootServer == "" && siaddr[0] != 0 && file[0] != 0 {
			r.bootServer = packet.Addr4(siaddr).String()
		}
	}
	m := message{r: r, f: f, request: request}
	if string(c.Bytes(4)) == cookie {
		m.options(c.Rest(), request && r.order == "")
		if m.overload&1 != 0 {
			m.options(file, false)
		}
		if m.overload&2 != 0 {
			m.options(sname, false)
		}
	} else {
		m.kind = "BOOTP_REQUEST"
		if !request {
			m.kind = "BOOTP_REPLY"
		}
	}
	if m.overload&1 == 0 && r.bootFile == "" {
		r.bootFile = cString(file)
	}
	if m.overload&2 == 0 && r.bootServer == "" {
		r.bootServer = cString(sname)
	}
	if m.bad {
		f.Anomaly("dhcp_malformed_option", "")
	}
	if !request && !m.serverID.IsZero() && r.server.IsZero() {
		r.server = m.serverID
	}
	if len(r.types) < maxMessages {
		r.types = append(r.types, m.kind)
	}
	switch m.code {
	case msgRequest:
		r.selecting = !m.serverID.IsZero()
		if len(r.types) == 1 || r.selecting || r.client.IsZero() {
			a.observe(f, r, false)
		}
	case msgInform:
		a.observe(f, r, false)
	case msgACK:
		a.observe(f, r, true)
		a.emit(f, i)
	case msgNAK, msgRelease, msgDecline:
		a.emit(f, i)
	default:
		if m.kind == "BOOTP_REPLY" {
			a.observe(f, r, true)
			a.emit(f, i)
		}
	}
	return len(data)
}

// observe tells what is known of the device: at the address that was assigned
// to it, or that it uses or accepts.
func (a *analyzer) observe(f *protocol.Flow, r *Record, granted bool) {
	at := r.client
	switch {
	case granted && !r.assigned.IsZero():
		at = r.assigned
	case at.IsZero() && r.selecting:
		at = r.requested
	}
	if at.IsZero() {
		return
	}
	name := r.fqdn
	if name == "" {
		name = r.host
	}
	if name != "" {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: at, Value: name})
	}
	if !r.mac.IsZero() {
		f.Observe(protocol.Observation{Kind: protocol.HardwareMAC, Addr: at, Value: r.mac.String()})
	}
	if r.vendor != "" {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: at, Value: r.vendor})
	}
}

// unspecified is the address 0.0.0.0, which is not the zero Addr.
var unspecified = packet.Addr{10: 0xff, 11: 0xff}

// set4 sets a to an address in the header, unless that is 0.0.0.0.
func set4(a *packet.Addr, b []byte) {
	if b[0]|b[1]|b[2]|b[3] != 0 {
		*a = packet.Addr4(b)
	}
}

// Message types (RFC 2132 section 9.6) that end or change something.
const (
	msgRequest = 3
	msgDecline = 4
	msgACK     = 5
	msgNAK     = 6
	msgRelease = 7
	msgInform  = 8
)

// kindNames has the names of message types (RFC 2132, 3203, 4388, 6926, 7724).
var kindNames = [...]string{"", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM", "FORCERENEW",
	"LEASEQUERY", "LEASEUNASSIGNED", "LEASEUNKNOWN", "LEASEACTIVE", "BULKLEASEQUERY", "LEASEQUERYDONE", "ACTIVELEASEQUERY",
	"LEASEQUERYSTATUS", "TLS"}

func kindName(n uint8) string {
	if int(n) < len(kindNames) && n > 0 {
		return kindNames[n]
	}
	return "type-" + strconv.Itoa(int(n))
}

var _ protocol.Idler = (*analyzer)(nil)
