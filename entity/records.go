package entity

import (
	"strings"

	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// reading is one record on its way to facts.
type reading struct {
	*Reader
	to  []Fact
	s   *session.Session
	now int64
}

// readers make facts of the kinds of records that say more than what analyzers
// observe.
var readers = map[string]func(*reading){
	"dhcp": (*reading).dhcp, "dhcpv6": (*reading).dhcpv6, "dns": (*reading).dns, "tls": (*reading).tls, "x509": (*reading).x509,
	"ssh": (*reading).ssh, "ntlm": (*reading).ntlm, "kerberos": (*reading).kerberos, "smb_mapping": (*reading).smbMapping,
	"smb_files": (*reading).smbFiles, "dce_rpc": (*reading).dceRPC,
}

// Record returns what a protocol record shows. It reads the record before it
// returns.
func (r *Reader) Record(to []Fact, s *session.Session, now int64, rec protocol.Record) []Fact {
	read := readers[rec.Schema().Kind]
	if read == nil {
		return to
	}
	r.fields.Load(rec)
	in := reading{r, to, s, now}
	read(&in)
	return in.to
}

// add appends a fact that the record's protocol shows.
func (r *reading) add(k RelationKind, from, to Ref, via string) {
	r.to = keep(r.to, &Fact{Relation: k, Via: via, First: r.now, UID: r.s.UID, From: from, To: to})
}

// typed refers to a fingerprint of a type.
func (r *reading) typed(kind, value string) Ref {
	if value == "" {
		return Ref{}
	}
	return NameRef(Fingerprint, r.names.Clone(kind+":"+value))
}

// side refers to one side's address.
func (r *reading) side(d session.Direction) Ref {
	if d == session.Orig {
		return AddressRef(r.s.Orig)
	}
	return AddressRef(r.s.Resp)
}

// dhcp reads a lease. Names and fingerprints are said of the interface: it
// stays the same when the address does not.
func (r *reading) dhcp() {
	f := &r.fields
	device := InterfaceRef(f.mac("mac"))
	at := f.addr("client_addr")
	if a := f.addr("assigned_addr"); !a.IsZero() {
		at = a
	}
	if types := strings.Join(f.Strs("msg_types"), ","); !at.IsZero() && (strings.HasSuffix(types, "ACK") || strings.HasSuffix(types, "BOOTP_REPLY")) {
		held := Fact{Relation: Held, Via: "dhcp", First: r.now, UID: r.s.UID, From: AddressRef(at), To: device}
		if lease := f.interval("lease_time"); lease > 0 {
			held.Until = r.now + lease
		}
		r.to = keep(r.to, &held)
	}
	for _, name := range [2]string{f.Str("client_fqdn"), f.Str("host_name")} {
		r.add(Named, device, r.domain(name), "dhcp")
	}
	r.add(HasFingerprint, device, r.typed("dhcp", f.Str("fingerprint")), "dhcp")
	if id := f.Str("client_id"); !strings.HasSuffix(id, strings.ReplaceAll(device.MAC.String(), ":", "")) {
		r.add(HasFingerprint, device, r.typed("dhcp-id", id), "dhcp")
	}
	r.add(UsesSoftware, device, r.name(Software, f.Str("vendor_class")), "dhcp")
	for _, a := range f.Strs("routers") {
		r.role(a, "gateway", "dhcp")
	}
	for _, a := range f.Strs("dns_servers") {
		r.role(a, "resolver", "dhcp")
	}
	if f.Str("assigned_addr") != "" {
		r.role(f.Str("server_addr"), "dhcp", "dhcp")
	}
}

// role adds that configuration names an address as the server of something.
func (r *reading) role(addr, role, via string) {
	if a := addrOf(addr); !a.IsZero() {
		r.add(Offers, AddressRef(a), r.name(Service, a.String()+"/"+role), via)
	}
}

func (r *reading) dhcpv6() {
	f := &r.fields
	mac, duid := f.mac("mac"), r.typed("duid", f.Str("client_duid"))
	device := InterfaceRef(mac)
	for _, s := range f.Strs("addresses") {
		a := AddressRef(addrOf(s))
		if mac.IsZero() {
			r.add(HasFingerprint, a, duid, "dhcpv6")
			r.add(Named, a, r.domain(f.Str("client_fqdn")), "dhcpv6")
			continue
		}
		held := Fact{Relation: Held, Via: "dhcpv6", First: r.now, UID: r.s.UID, From: a, To: device}
		if lease := f.interval("lease_time"); lease > 0 {
			held.Until = r.now + lease
		}
		r.to = keep(r.to, &held)
	}
	r.add(HasFingerprint, device, duid, "dhcpv6")
	r.add(Named, device, r.domain(f.Str("client_fqdn")), "dhcpv6")
	r.add(UsesSoftware, device, r.name(Software, f.Str("vendor_class")), "dhcpv6")
}

// dns reads who asked for what; the answers are observed. Names that a link's
// own protocols ask for are no domains.
func (r *reading) dns() {
	switch r.s.RespPort {
	case 5353, 5355, 137:
		return
	}
	f := &r.fields
	r.to = keep(r.to, &Fact{Relation: Resolved, Via: "dns", First: r.now, UID: r.s.UID, From: r.side(session.Orig), To: r.domain(f.Str("query")), Failed: f.Is("rcode_name", "NXDOMAIN")})
}

func (r *reading) tls() {
	f := &r.fields
	r.add(HasFingerprint, r.side(session.Orig), r.typed("ja4", f.Str("ja4")), "tls")
	for d, field := range [2]string{"client_cert_chain_fps", "cert_chain_fps"} {
		if chain := f.Strs(field); len(chain) > 0 {
			r.add(Presents, r.side(session.Direction(d)), r.name(Certificate, chain[0]), "tls")
		}
	}
}

// x509 reads whom a host's certificate is for, and who says so.
func (r *reading) x509() {
	f := &r.fields
	if !f.True("host_cert") {
		return
	}
	cert := r.name(Certificate, f.Str("fingerprint"))
	for _, name := range f.Strs("san.dns") {
		r.add(Certifies, cert, r.domain(name), "x509")
	}
	if name := commonName(f.Str("certificate.subject")); strings.Contains(name, ".") || f.Str("san.dns") == "" {
		r.add(Certifies, cert, r.domain(name), "x509")
	}
	if f.True("self_signed") {
		r.add(IssuedBy, cert, cert, "x509")
		return
	}
	r.add(IssuedBy, cert, r.name(Organisation, f.Str("certificate.issuer")), "x509")
}

// commonName returns the CN of a distinguished name (RFC 4514).
func commonName(dn string) string {
	for part := range strings.SplitSeq(dn, ",") {
		if name, ok := strings.CutPrefix(strings.TrimSpace(part), "CN="); ok {
			return name
		}
	}
	return ""
}

func (r *reading) ssh() {
	f := &r.fields
	r.add(HasFingerprint, r.side(session.Orig), r.typed("hassh", f.Str("hassh")), "ssh")
	r.add(HasFingerprint, r.side(session.Resp), r.typed("hassh-server", f.Str("hasshServer")), "ssh")
	r.add(HasFingerprint, r.side(session.Resp), r.typed("hostkey", f.Str("host_key_sha256")), "ssh")
}

// ntlm reads that the two names of a domain are one's.
func (r *reading) ntlm() {
	f := &r.fields
	short, long := f.Str("server_nb_domain_name"), f.Str("server_dns_domain_name")
	if long != "" && !strings.EqualFold(short, f.Str("server_nb_computer_name")) {
		r.add(SameAs, r.domain(short), r.domain(long), "ntlm")
	}
}

// kerberos reads who asked for a ticket, where, and for what. A ticket that was
// granted proves the account, of a machine as well.
func (r *reading) kerberos() {
	f := &r.fields
	client, kind := f.Str("client"), f.Str("request_type")
	i := strings.LastIndexByte(client, '/')
	if i < 0 || f.False("success") {
		return
	}
	name, at := strings.ToLower(client[:i]), r.side(session.Orig)
	user := r.user(name + "@" + client[i+1:])
	if host, ok := strings.CutPrefix(name, "host/"); ok {
		r.add(Named, at, r.domain(host), machineAccount)
		return
	}
	if host, ok := strings.CutSuffix(name, "$"); ok {
		r.add(Named, at, r.domain(host), machineAccount)
	}
	r.add(ActiveAt, user, at, "kerberos")
	if kind == "AS" && f.True("success") {
		r.add(LoggedIn, user, r.side(session.Resp), "kerberos")
	}
	if service := f.Str("service"); service != "" && kind == "TGS" && f.True("success") {
		r.add(Accessed, user, r.name(Service, strings.ToLower(service)), "kerberos")
	}
}

func (r *reading) smbMapping() { r.file(r.fields.Str("path"), "") }

func (r *reading) smbFiles() {
	f := &r.fields
	if name := f.Str("name"); name != "" && !f.Is("action", "DIR_LIST") {
		r.file(f.Str("path"), name)
	}
}

// file adds that the client and its user accessed a file or share.
func (r *reading) file(share, name string) {
	if share == "" {
		return
	}
	path := share
	if name != "" {
		path += `\` + name
	}
	file := r.name(File, strings.ToLower(path))
	r.add(Accessed, r.side(session.Orig), file, "smb")
	if user := r.fields.Str("user"); user != "" {
		r.add(Accessed, r.user(user), file, "smb")
	}
}

// administrative are the remote procedure interfaces that change a machine.
var administrative = map[string]bool{
	"svcctl": true, "atsvc": true, "ITaskSchedulerService": true, "sasec": true, "winreg": true, "IWbemServices": true,
	"IWbemLevel1Login": true, "eventlog": true, "IEventService": true, "InitShutdown": true, "WindowsShutdown": true,
}

func (r *reading) dceRPC() {
	f := &r.fields
	if name := f.Str("endpoint"); administrative[name] && f.Str("fault") == "" {
		r.add(Administered, r.side(session.Orig), r.side(session.Resp), strings.ToLower(name))
	}
}

// transportName returns the name of a transport that has ports, or "".
func transportName(proto uint8) string {
	switch proto {
	case packet.ProtoTCP:
		return "tcp"
	case packet.ProtoUDP:
		return "udp"
	case packet.ProtoSCTP:
		return "sctp"
	}
	return ""
}
