package entity_test

import (
	"fmt"
	"strings"
	"testing"

	"tyto/entity"
	"tyto/internal/record"
	"tyto/packet"
	"tyto/protocol"
	"tyto/protocol/all"
	"tyto/session"
)

// values is a record with the given values; all others are unset.
type values struct {
	schema *record.Schema
	text   map[string]string
}

func (v *values) Schema() *record.Schema { return v.schema }

func (v *values) Append(e *record.Encoder) {
	for _, f := range v.schema.Fields {
		switch s, ok := v.text[f.Name]; {
		case !ok:
			e.Unset()
		case f.Type == record.Bool:
			e.Bool(s == "T")
		case f.Type == record.Addr:
			e.Addr(packetAddr(s).Netip())
		case f.Type == record.Interval:
			e.Interval(3600 * second)
		case f.Type == record.Strings || f.Type == record.Set || f.Type == record.Addrs:
			e.Strs(strings.Split(s, ","))
		default:
			e.Str(s)
		}
	}
}

func packetAddr(s string) (a packet.Addr) {
	var b [4]byte
	fmt.Sscanf(s, "%d.%d.%d.%d", &b[0], &b[1], &b[2], &b[3])
	return packet.Addr4(b[:])
}

func schemaOf(t *testing.T, kind string) *record.Schema {
	for _, d := range all.Set().Definitions() {
		for _, s := range d.Schemas {
			if s.Kind == kind {
				return s
			}
		}
	}
	t.Fatalf("no protocol has records of kind %s", kind)
	return nil
}

// show writes facts in words.
func show(facts []entity.Fact) string {
	var b strings.Builder
	name := func(r entity.Ref) string {
		switch r.Kind {
		case entity.Address:
			return r.Addr.String()
		case entity.Interface:
			return r.MAC.String()
		}
		return r.Kind.String() + ":" + r.Name
	}
	for _, f := range facts {
		fmt.Fprintf(&b, "%s %s %s (%s)", name(f.From), f.Relation, name(f.To), f.Via)
		if f.Failed {
			b.WriteString(" failed")
		}
		if f.Until != 0 {
			fmt.Fprintf(&b, " until +%ds", (f.Until-f.First)/second)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestRecords holds what is read from records against what should be; the
// schemas are those of the protocols.
func TestRecords(t *testing.T) {
	s := &session.Session{Tuple: session.Tuple{Orig: a1, Resp: a2, OrigPort: 50000, RespPort: 53}}
	for _, c := range []struct {
		kind, values, want string
	}{
		{"dhcp", `mac=02:00:00:00:00:07|host_name=Fin-LT-03|client_fqdn=fin-lt-03.corp.example|assigned_addr=10.0.0.9|lease_time=1|msg_types=DISCOVER,OFFER,REQUEST,ACK|fingerprint=1,3,6|client_id=01020000000007|vendor_class=MSFT 5.0|routers=10.0.0.1|dns_servers=10.0.0.2|server_addr=10.0.0.2`,
			`10.0.0.9 held 02:00:00:00:00:07 (dhcp) until +3600s
02:00:00:00:00:07 named domain:fin-lt-03.corp.example (dhcp)
02:00:00:00:00:07 named domain:fin-lt-03 (dhcp)
02:00:00:00:00:07 has-fingerprint fingerprint:dhcp:1,3,6 (dhcp)
02:00:00:00:00:07 uses-software software:MSFT 5.0 (dhcp)
10.0.0.1 offers service:10.0.0.1/gateway (dhcp)
10.0.0.2 offers service:10.0.0.2/resolver (dhcp)
10.0.0.2 offers service:10.0.0.2/dhcp (dhcp)
`},
		{"dhcp", `mac=02:00:00:00:00:07|requested_addr=10.0.0.9|msg_types=REQUEST,NAK|client_id=ff00112233`,
			"02:00:00:00:00:07 has-fingerprint fingerprint:dhcp-id:ff00112233 (dhcp)\n"},
		{"dhcpv6", `mac=02:00:00:00:00:07|client_duid=0001|addresses=fd00::7|client_fqdn=fin-lt-03`,
			`fd00::7 held 02:00:00:00:00:07 (dhcpv6)
02:00:00:00:00:07 has-fingerprint fingerprint:duid:0001 (dhcpv6)
02:00:00:00:00:07 named domain:fin-lt-03 (dhcpv6)
`},
		{"dns", `query=nx.example|rcode_name=NXDOMAIN`, "10.0.0.1 resolved domain:nx.example (dns) failed\n"},
		{"tls", `ja4=t13d|cert_chain_fps=aa,bb`, "10.0.0.1 has-fingerprint fingerprint:ja4:t13d (tls)\n10.0.0.2 presents-certificate certificate:aa (tls)\n"},
		{"x509", `fingerprint=aa|host_cert=T|certificate.subject=CN=rdp-1,O=x|self_signed=T`, "certificate:aa certifies domain:rdp-1 (x509)\ncertificate:aa issued-by certificate:aa (x509)\n"},
		{"x509", `fingerprint=bb|host_cert=T|certificate.subject=CN=Name|san.dns=a.example,*.b.example|certificate.issuer=CN=CA`,
			"certificate:bb certifies domain:a.example (x509)\ncertificate:bb certifies domain:*.b.example (x509)\ncertificate:bb issued-by organisation:CN=CA (x509)\n"},
		{"x509", `fingerprint=cc|host_cert=F`, ""},
		{"ssh", `hassh=h|hasshServer=s|host_key_sha256=SHA256:k`, "10.0.0.1 has-fingerprint fingerprint:hassh:h (ssh)\n10.0.0.2 has-fingerprint fingerprint:hassh-server:s (ssh)\n10.0.0.2 has-fingerprint fingerprint:hostkey:SHA256:k (ssh)\n"},
		{"ntlm", `server_nb_domain_name=CORP|server_dns_domain_name=corp.example|server_nb_computer_name=SRV`, "domain:corp same-as domain:corp.example (ntlm)\n"},
		{"ntlm", `server_nb_domain_name=SRV|server_dns_domain_name=srv|server_nb_computer_name=SRV`, ""}, // in no domain
		{"kerberos", `client=m.ortiz/CORP.EXAMPLE|request_type=TGS|service=cifs/srv.corp.example|success=T`,
			"user:m.ortiz@corp.example active-at 10.0.0.1 (kerberos)\nuser:m.ortiz@corp.example accessed service:cifs/srv.corp.example (kerberos)\n"},
		{"kerberos", `client=WS01$/CORP.EXAMPLE|request_type=AS|success=T`,
			"10.0.0.1 named domain:ws01 (kerberos)\nuser:ws01$@corp.example active-at 10.0.0.1 (kerberos)\nuser:ws01$@corp.example logged-in 10.0.0.2 (kerberos)\n"},
		{"kerberos", `client=m.ortiz/CORP.EXAMPLE|request_type=AS|success=F`, ""},
		{"kerberos", `client=host/web.corp.example/CORP.EXAMPLE|request_type=AS|success=T`, "10.0.0.1 named domain:web.corp.example (kerberos)\n"},
		{"smb_files", `path=\\SRV\data|name=x\y.doc|action=SMB::FILE_OPEN|user=CORP\bob`, "10.0.0.1 accessed file:\\\\srv\\data\\x\\y.doc (smb)\nuser:bob@corp accessed file:\\\\srv\\data\\x\\y.doc (smb)\n"},
		{"smb_mapping", `path=\\SRV\ADMIN$`, "10.0.0.1 accessed file:\\\\srv\\admin$ (smb)\n"},
		{"dce_rpc", `endpoint=svcctl|operation=CreateServiceW`, "10.0.0.1 administered 10.0.0.2 (svcctl)\n"},
		{"dce_rpc", `endpoint=srvsvc`, ""},
	} {
		v := values{schemaOf(t, c.kind), map[string]string{}}
		for pair := range strings.SplitSeq(c.values, "|") {
			name, text, _ := strings.Cut(pair, "=")
			v.text[name] = text
		}
		if got := show(new(entity.Reader).Record(nil, s, monday, &v)); got != c.want {
			t.Errorf("%s with %s: got\n%swant\n%s", c.kind, c.values, got, c.want)
		}
	}
}

func TestObservations(t *testing.T) {
	s := &session.Session{Tuple: session.Tuple{Orig: a1, Resp: a2}}
	for _, c := range []struct {
		o    protocol.Observation
		want string
	}{
		{protocol.Observation{Kind: protocol.HostName, Addr: a1, Value: "FIN-LT-03", Source: "ntlm"}, "10.0.0.1 named domain:fin-lt-03 (ntlm-workstation)\n"},
		{protocol.Observation{Kind: protocol.HostName, Addr: a2, Value: "SRV.corp.example.", Source: "ntlm"}, "10.0.0.2 named domain:srv.corp.example (ntlm)\n"},
		{protocol.Observation{Kind: protocol.HostName, Addr: a1, Value: "fin-lt-03", Source: "dhcp"}, ""}, // the record tells it
		{protocol.Observation{Kind: protocol.HostName, Addr: a1, Value: "10.0.0.1", Source: "mdns"}, ""},
		{protocol.Observation{Kind: protocol.DomainName, Addr: server, Value: "cdn.example", Source: "dns"}, "domain:cdn.example resolves-to 203.0.113.9 (dns)\n"},
		{protocol.Observation{Kind: protocol.ServerName, Addr: a2, Value: "WWW.example:8080", Source: "http"}, "10.0.0.1 reached domain:www.example (http)\ndomain:www.example served-by 10.0.0.2 (http)\n"},
		{protocol.Observation{Kind: protocol.ServerName, Addr: a2, Value: "10.0.0.2:8080", Source: "http"}, ""},
		{protocol.Observation{Kind: protocol.UserName, Addr: a1, Value: `CORP\M.Ortiz`, Source: "ntlm"}, "user:m.ortiz@corp active-at 10.0.0.1 (ntlm)\n"},
		{protocol.Observation{Kind: protocol.UserName, Addr: a1, Value: `CORP\WS01$`, Source: "ntlm"}, "10.0.0.1 named domain:ws01 (ntlm-machine)\nuser:ws01$@corp active-at 10.0.0.1 (ntlm)\n"},
		{protocol.Observation{Kind: protocol.UserName, Addr: a1, Value: `uid=bob,ou=people,dc=corp,dc=example`, Source: "ldap"}, "user:bob@corp.example active-at 10.0.0.1 (ldap)\n"},
		{protocol.Observation{Kind: protocol.UserName, Addr: a1, Value: `.\Administrator`, Source: "ntlm"}, "user:administrator@ active-at 10.0.0.1 (ntlm)\n"},
		{protocol.Observation{Kind: protocol.LoginFailed, Addr: a1, Value: "root", Source: "ftp"}, "user:root@ logged-in 10.0.0.2 (ftp) failed\n"},
		{protocol.Observation{Kind: protocol.LoginOK, Addr: a1, Value: "ssh", Source: "ssh"}, ""}, // the method, not who
		{protocol.Observation{Kind: protocol.Software, Addr: a2, Value: "OpenSSH_9.6", Source: "ssh"}, "10.0.0.2 uses-software software:OpenSSH_9.6 (ssh)\n"},
		{protocol.Observation{Kind: protocol.HardwareMAC, Addr: a2, Value: "02:00:00:00:00:07", Source: "nbns"}, "10.0.0.2 held 02:00:00:00:00:07 (nbns)\n"},
		{protocol.Observation{Kind: protocol.HardwareMAC, Addr: a2, Value: "02:00:00:00:00:0", Source: "nbns"}, ""},
		{protocol.Observation{Kind: protocol.Tunnel, Value: "openvpn", Source: "openvpn"}, "10.0.0.1 talked-to 10.0.0.2 (openvpn)\n"},
	} {
		if got := show(new(entity.Reader).Observe(nil, s, monday, &c.o)); got != c.want {
			t.Errorf("%v of %q: got\n%swant\n%s", c.o.Kind, c.o.Value, got, c.want)
		}
	}
}

// FuzzRead gives the Reader and a Graph whatever names traffic may hold.
func FuzzRead(f *testing.F) {
	f.Add("CORP\\bob", uint8(5), uint8(1))
	f.Add("cn=bob,dc=corp,dc=example", uint8(5), uint8(2))
	f.Add("[::1]:80", uint8(3), uint8(3))
	f.Add("a\tb\\x2c,-\n", uint8(1), uint8(4))
	kinds := []string{"dhcp", "dhcpv6", "dns", "tls", "x509", "ssh", "ntlm", "kerberos", "smb_mapping", "smb_files", "dce_rpc"}
	schemas := make(map[string]*record.Schema)
	for _, d := range all.Set().Definitions() {
		for _, s := range d.Schemas {
			schemas[s.Kind] = s
		}
	}
	f.Fuzz(func(t *testing.T, text string, kind, which uint8) {
		s := &session.Session{Tuple: session.Tuple{Orig: a1, Resp: a2}}
		g := entity.New(entity.Options{})
		g.Observe(s, monday, &protocol.Observation{Kind: protocol.ObservationKind(kind % 13), Addr: a1, Value: text, Source: "http"})
		schema := schemas[kinds[int(which)%len(kinds)]]
		v := values{schema, map[string]string{}}
		for _, field := range schema.Fields {
			v.text[field.Name] = text
		}
		g.Record(s, monday, &v)
		g.Session(s, "http", text, "cert")
		for x := range g.Entities() {
			if concluded := x.Kind == entity.DeviceKind || x.Kind == entity.Network; x.ID == "" || !concluded && g.Find(x.ID) == 0 {
				t.Errorf("entity %q is not found by its identifier", x.ID)
			}
		}
	})
}

// An unescaped value is what was written, whatever it was.
func FuzzFields(f *testing.F) {
	f.Add("a,b\\c\t-\x00(empty)")
	schema := record.New("ssh", "", "", record.Field{Name: "hassh", Type: record.String}, record.Field{Name: "hasshServer", Type: record.String}, record.Field{Name: "host_key_sha256", Type: record.String})
	f.Fuzz(func(t *testing.T, text string) {
		s := &session.Session{Tuple: session.Tuple{Orig: a1, Resp: a2}}
		facts := new(entity.Reader).Record(nil, s, 1, &values{schema, map[string]string{"hassh": text}})
		if text == "" {
			return
		}
		if len(facts) != 1 || facts[0].To.Name != "hassh:"+text {
			t.Errorf("got %v, want %q", facts, text)
		}
	})
}
