package entity

import (
	"net/netip"
	"strconv"
	"strings"

	"tyto/internal/intern"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Reader turns what the data path tells into facts. It is not for use by
// several goroutines at once: each lane has its own. The zero value is ready
// for use. Its methods append to the slice they are given.
type Reader struct {
	names  intern.Strings
	fields recordFields
}

// Session returns what a session shows when it is over: app is what it is,
// domain the name the responder was reached by and source where that is from
// (sni, http, cert, dns).
func (r *Reader) Session(to []Fact, s *session.Session, app, domain, source string) []Fact {
	f := Fact{
		Relation: TalkedTo, Via: app, First: s.First, Last: s.Last, UID: s.UID,
		From: Ref{Kind: Address, Addr: s.Orig, MAC: s.MACs[session.Orig]}, To: Ref{Kind: Address, Addr: s.Resp, MAC: s.MACs[session.Resp]},
		OrigBytes: s.Sides[session.Orig].Bytes, RespBytes: s.Sides[session.Resp].Bytes,
		Proto: s.Proto, VLAN: s.VLAN, Failed: s.Sides[session.Resp].Packets == 0 || refused(s.State),
	}
	if s.Proto == packet.ProtoTCP || s.Proto == packet.ProtoUDP || s.Proto == packet.ProtoSCTP {
		f.Port = s.RespPort
	}
	if s.Tunnel != packet.LayerNone {
		f.From.MAC, f.To.MAC = packet.MAC{}, packet.MAC{} // of the tunnel's ends
	}
	to = append(to, f)
	if source == "cert" || source == "dns" {
		to = r.reached(to, s, domain, source, s.First)
	}
	return to
}

func refused(s session.State) bool {
	switch s.String() {
	case "S0", "REJ", "SH", "RSTOS0":
		return true
	}
	return false
}

// Behavior returns that something goes on in a session: the name of a label or
// segment state, at most 64 different ones in a Graph.
func (r *Reader) Behavior(to []Fact, s *session.Session, app, name string) []Fact {
	return append(to, Fact{Relation: TalkedTo, Via: app, First: s.First, Last: s.Last, From: AddressRef(s.Orig), To: AddressRef(s.Resp), Behavior: name})
}

// ARP returns what an ARP message shows: the sender's addresses, and of a reply
// nothing else, because its target may be anybody.
func (r *Reader) ARP(to []Fact, now int64, a *packet.ARP) []Fact {
	if a.SenderIP.IsZero() || a.SenderMAC.IsZero() {
		return to
	}
	return append(to, Fact{Relation: Held, Via: "arp", First: now, From: AddressRef(a.SenderIP), To: InterfaceRef(a.SenderMAC)})
}

// reached returns that the originator reached the responder by a name.
func (r *Reader) reached(to []Fact, s *session.Session, name, via string, now int64) []Fact {
	domain := r.domain(name)
	if domain.Name == "" {
		return to
	}
	return append(to,
		Fact{Relation: Reached, Via: via, First: now, UID: s.UID, From: AddressRef(s.Orig), To: domain},
		Fact{Relation: ServedBy, Via: via, First: now, UID: s.UID, From: domain, To: AddressRef(s.Resp)})
}

// domain refers to a domain or host name, unless it is an address or none.
func (r *Reader) domain(name string) Ref {
	name = strings.TrimSuffix(strings.TrimSpace(name), ".")
	if name == "" || strings.ContainsAny(name, "/ \x00") {
		return Ref{}
	}
	if host, port, ok := strings.Cut(name, ":"); ok {
		if _, err := strconv.Atoi(port); err != nil {
			return Ref{}
		}
		name = host
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil || name == "" {
		return Ref{}
	}
	return NameRef(Domain, r.names.Clone(strings.ToLower(name)))
}

func (r *Reader) name(k Kind, s string) Ref { return NameRef(k, r.names.Clone(strings.TrimSpace(s))) }

// Observe returns what an observation shows.
func (r *Reader) Observe(to []Fact, s *session.Session, now int64, o *protocol.Observation) []Fact {
	f := Fact{Via: o.Source, First: now, UID: s.UID, From: AddressRef(o.Addr)}
	switch o.Kind {
	case protocol.HostName:
		if isDHCP(o.Source) {
			return to // the record says it of the interface, which stays the same
		}
		f.Relation, f.To = Named, r.domain(o.Value)
		switch {
		case o.Source == "ntlm" && o.Addr == s.Orig:
			f.Via = viaWorkstation
		case o.Source == machineAccount:
			f.Via = viaRequest
		}
	case protocol.DomainName:
		f.Relation, f.From, f.To = ResolvesTo, r.domain(o.Value), AddressRef(o.Addr)
	case protocol.ServerName:
		return r.reached(to, s, o.Value, o.Source, now)
	case protocol.UserName:
		if o.Source == machineAccount {
			return to // the record says whether it was granted
		}
		f.Relation, f.From, f.To = ActiveAt, r.user(o.Value), AddressRef(o.Addr)
		to = r.machineName(to, &f)
	case protocol.LoginOK, protocol.LoginFailed:
		if method(o) {
			return to
		}
		f.Relation, f.From, f.To, f.Failed = LoggedIn, r.user(o.Value), AddressRef(s.Resp), o.Kind == protocol.LoginFailed
	case protocol.Software:
		if isDHCP(o.Source) {
			return to
		}
		f.Relation, f.To = UsesSoftware, r.name(Software, o.Value)
	case protocol.HardwareMAC:
		mac, ok := parseMAC(o.Value)
		if !ok {
			return to
		}
		f.Relation, f.To = Held, InterfaceRef(mac)
	case protocol.Tunnel:
		return append(to, Fact{Relation: TalkedTo, Via: o.Source, First: now, UID: s.UID, From: AddressRef(s.Orig), To: AddressRef(s.Resp), Behavior: "tunnel"})
	}
	return keep(to, &f)
}

// Vias of names that clients give themselves and nobody has checked.
const (
	viaWorkstation = "ntlm-workstation" // of an NTLM client: any program may say any name
	viaRequest     = "kerberos-request" // in a request for a ticket
)

func isDHCP(source string) bool { return source == "dhcp" || source == "dhcpv6" }

// keep appends a fact if it says something.
func keep(to []Fact, f *Fact) []Fact {
	for _, ref := range [2]*Ref{&f.From, &f.To} {
		switch ref.Kind {
		case Address:
			if ref.Addr.IsZero() {
				return to
			}
		case Interface:
			if ref.MAC.IsZero() {
				return to
			}
		default:
			if ref.Name == "" {
				return to
			}
		}
	}
	return append(to, *f)
}

// method reports whether a login's value is the way of logging in, not an
// account.
func method(o *protocol.Observation) bool {
	switch o.Value {
	case "", o.Source, "kerberos", "token", "vnc", "none", "password", "publickey":
		return true
	}
	return o.Source == "rfb" || o.Source == "x11"
}

// machineName returns the name that the account of a machine tells, together
// with the fact about the account.
func (r *Reader) machineName(to []Fact, f *Fact) []Fact {
	account, _, _ := strings.Cut(f.From.Name, "@")
	if name, ok := strings.CutSuffix(account, "$"); ok && f.Via != machineAccount {
		named := *f
		named.Relation, named.From, named.To, named.Via = Named, f.To, r.domain(name), f.Via+"-machine"
		to = keep(to, &named)
	}
	return to
}

// user refers to an account: DOMAIN\name, name@domain, a principal name/REALM,
// or a distinguished name.
func (r *Reader) user(text string) Ref {
	name, domain := splitAccount(strings.ToLower(strings.TrimSpace(text)))
	if name == "" || strings.ContainsAny(name, "\x00\n\r") {
		return Ref{}
	}
	return NameRef(User, r.names.Clone(name+"@"+domain))
}

func splitAccount(s string) (name, domain string) {
	if d, n, ok := strings.Cut(s, `\`); ok {
		if d == "." {
			d = ""
		}
		return n, d
	}
	if strings.Contains(s, "=") && (strings.HasPrefix(s, "cn=") || strings.HasPrefix(s, "uid=")) {
		return splitDN(s)
	}
	if i := strings.LastIndexByte(s, '@'); i > 0 {
		return s[:i], s[i+1:]
	}
	if i := strings.LastIndexByte(s, '/'); i > 0 && !strings.Contains(s[:i], "/") {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// splitDN reads a distinguished name: its first value, and the domain of its dc
// parts (RFC 2247).
func splitDN(s string) (name, domain string) {
	var labels []string
	for i, part := range strings.Split(s, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case i == 0:
			name = value
		case key == "dc":
			labels = append(labels, value)
		}
	}
	return name, strings.Join(labels, ".")
}

// parseMAC reads six pairs of hexadecimal digits with colons or hyphens.
func parseMAC(s string) (m packet.MAC, ok bool) {
	if len(s) != 17 {
		return m, false
	}
	for i := range m {
		v, err := strconv.ParseUint(s[3*i:3*i+2], 16, 8)
		if err != nil || i < 5 && s[3*i+2] != ':' && s[3*i+2] != '-' {
			return m, false
		}
		m[i] = byte(v)
	}
	return m, true
}

// Observe adds what an observation shows.
func (g *Graph) Observe(s *session.Session, now int64, o *protocol.Observation) {
	g.addAll(g.reader.Observe(g.facts[:0], s, now, o))
}

// Record adds what a protocol record shows.
func (g *Graph) Record(s *session.Session, now int64, rec protocol.Record) {
	g.addAll(g.reader.Record(g.facts[:0], s, now, rec))
}

// ARP adds what an ARP message shows.
func (g *Graph) ARP(now int64, a *packet.ARP) { g.addAll(g.reader.ARP(g.facts[:0], now, a)) }
