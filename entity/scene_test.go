package entity_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tyto/entity"
	"tyto/packet"
)

// scene tells facts to a graph, minute by minute.
type scene struct {
	g   *entity.Graph
	now int64
}

func newScene() *scene { return &scene{g: entity.New(entity.Options{}), now: monday} }

func (s *scene) wait(d int64) *scene { s.now += d; return s }

func (s *scene) add(f entity.Fact) {
	f.First = s.now
	s.g.Add(&f)
	s.now += second
}

func (s *scene) held(via string, a packet.Addr, m packet.MAC) {
	s.add(entity.Fact{Relation: entity.Held, Via: via, From: entity.AddressRef(a), To: entity.InterfaceRef(m)})
}

func (s *scene) named(via string, from entity.Ref, name string) {
	s.add(entity.Fact{Relation: entity.Named, Via: via, From: from, To: entity.NameRef(entity.Domain, name)})
}

func (s *scene) print(a packet.Addr, print string) {
	s.add(entity.Fact{Relation: entity.HasFingerprint, Via: "ssh", From: entity.AddressRef(a), To: entity.NameRef(entity.Fingerprint, print)})
}

// talk is a session that was answered, with the link-layer addresses of both
// sides' frames.
func (s *scene) talk(app string, from, to packet.Addr, macs ...packet.MAC) {
	f := entity.Fact{Relation: entity.TalkedTo, Via: app, Last: s.now + second, From: entity.AddressRef(from), To: entity.AddressRef(to),
		OrigBytes: 100, RespBytes: 1000, Port: 443, Proto: packet.ProtoTCP}
	if len(macs) == 2 {
		f.From.MAC, f.To.MAC = macs[0], macs[1]
	}
	s.add(f)
}

// describe returns the devices: a line each with name, addresses and
// link-layer addresses.
func (s *scene) describe() string {
	var b strings.Builder
	for _, d := range s.g.Devices() {
		var addrs, macs []string
		for _, t := range d.Addresses {
			addrs = append(addrs, t.Addr.String())
		}
		for _, m := range d.MACs {
			macs = append(macs, m.String()[12:])
		}
		fmt.Fprintf(&b, "%s %s %s\n", d.Name, strings.Join(addrs, ","), strings.Join(macs, ","))
	}
	return b.String()
}

func (s *scene) want(t *testing.T, lines ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(s.describe(), "\n"), "\n")
	slices.Sort(got)
	slices.Sort(lines)
	if !slices.Equal(got, lines) {
		t.Errorf("got devices\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
		for _, d := range s.g.Devices() {
			t.Log(d.ID, d.Why)
		}
	}
}

var (
	a1, a2, a3 = ip(10, 0, 0, 1), ip(10, 0, 0, 2), ip(10, 0, 0, 3)
	far1, far2 = ip(10, 7, 0, 1), ip(10, 7, 0, 2)
	server     = ip(203, 0, 113, 9)
)

// An address that goes to another device takes nothing with it.
func TestLeaseChange(t *testing.T) {
	s := newScene()
	s.held("dhcp", a1, mac(1))
	s.named("dhcp", entity.InterfaceRef(mac(1)), "alpha")
	s.talk("tls", a1, server, mac(1), mac(9))
	before := s.now
	s.wait(day)
	s.held("dhcp", a1, mac(2))
	s.named("dhcp", entity.InterfaceRef(mac(2)), "beta")
	s.talk("ssh", a1, server, mac(2), mac(9))
	s.wait(hour)
	s.held("dhcp", a2, mac(1)) // the first one is back, elsewhere
	s.want(t, "alpha 10.0.0.1,10.0.0.2 00:01", "beta 10.0.0.1 00:02", mac(9).String()+"  00:09")
	if d := s.g.DeviceAt(a1, before); d == nil || d.Name != "alpha" {
		t.Errorf("before the change: got %v, want alpha", d)
	}
	if d := s.g.DeviceAt(a1, s.now); d == nil || d.Name != "beta" {
		t.Errorf("after the change: got %v, want beta", d)
	}
	v := s.g.Now()
	ssh := 0
	for _, id := range s.g.DeviceAt(a1, before).Parts() {
		for l := range v.Links(id) {
			if l.Via == "ssh" {
				ssh++
			}
		}
	}
	if ssh != 0 {
		t.Error("alpha has a session of beta's")
	}
}

// A session that began before the change and ended after it is the first
// holder's.
func TestLeaseChangeDuringSession(t *testing.T) {
	s := newScene()
	s.held("dhcp", a1, mac(1))
	began := s.now
	s.wait(hour)
	s.held("dhcp", a1, mac(2))
	f := entity.Fact{Relation: entity.TalkedTo, Via: "ssh", First: began, Last: s.now, From: entity.AddressRef(a1), To: entity.AddressRef(server), RespBytes: 1}
	s.g.Add(&f)
	for l := range s.g.Now().Links(s.g.Find("address:10.0.0.1#2")) {
		if l.Relation == entity.TalkedTo {
			t.Error("the second holder has the session")
		}
	}
	found := false
	for l := range s.g.Now().Links(s.g.Find("address:10.0.0.1")) {
		found = found || l.Relation == entity.TalkedTo
	}
	if !found {
		t.Error("the first holder does not have the session")
	}
}

// What comes through a router has the router's link-layer address.
func TestRouterIsNotItsNeighbours(t *testing.T) {
	router, own := mac(1), mac(2)
	s := newScene()
	s.held("arp", ip(10, 0, 0, 254), router)
	s.held("arp", a1, own)
	for range 4 {
		s.talk("tls", a1, server, own, router)
		s.talk("ssh", far1, a1, router, own)
		s.talk("ssh", far2, a1, router, own)
	}
	s.want(t, "10.0.0.1 10.0.0.1 00:02", "10.0.0.254 10.0.0.254 00:01", "10.7.0.1 10.7.0.1 ", "10.7.0.2 10.7.0.2 ")
	d := s.g.DeviceAt(ip(10, 0, 0, 254), s.now)
	if len(d.Roles) == 0 || d.Roles[0].Name != entity.RoleRouter {
		t.Errorf("got roles %v, want router", d.Roles)
	}
}

// Without ARP nothing says whose the one link-layer address is.
func TestFramesOfOneNeighbour(t *testing.T) {
	s := newScene()
	s.talk("ssh", far1, a1, mac(1), mac(2))
	s.wait(hour)
	s.talk("ssh", far2, a1, mac(1), mac(2))
	s.want(t, "10.0.0.1 10.0.0.1 ", "10.7.0.1 10.7.0.1 ", "10.7.0.2 10.7.0.2 ")
}

// The link-layer address of a group of routers is nobody's.
func TestVirtualRouter(t *testing.T) {
	vrrp := packet.MAC{0, 0, 0x5e, 0, 1, 7}
	s := newScene()
	s.held("arp", a1, vrrp)
	s.held("arp", a2, vrrp)
	s.want(t, "10.0.0.1 10.0.0.1 ", "10.0.0.2 10.0.0.2 ")
}

// An interface that sends from several addresses may have them all, if it says
// so on the link.
func TestAliases(t *testing.T) {
	s := newScene()
	for _, a := range []packet.Addr{a1, a2, a3} {
		s.held("arp", a, mac(1))
		s.named("kerberos", entity.AddressRef(a), "srv-1")
	}
	s.want(t, "srv-1 10.0.0.1,10.0.0.2,10.0.0.3 00:01")
}

// A router that answers ARP for others is not what they are.
func TestProxyARP(t *testing.T) {
	s := newScene()
	for i, a := range []packet.Addr{a1, a2} {
		s.held("arp", a, mac(1))
		s.talk("tls", a, server, mac(1), mac(2))
		s.talk("tls", ip(198, 51, 100, byte(i)), a, mac(1), mac(2)) // it forwards
	}
	s.named("ntlm", entity.AddressRef(a1), "srv-1")
	s.named("ntlm", entity.AddressRef(a2), "srv-2")
	devices := s.g.Devices()
	if s.g.DeviceAt(a1, s.now) == s.g.DeviceAt(a2, s.now) {
		t.Errorf("two servers behind a proxy are one: %v\n%s", devices[0].Why, s.describe())
	}
}

// Several machine accounts that take turns at one address are behind a NAT.
func TestNAT(t *testing.T) {
	nat := entity.AddressRef(far1)
	s := newScene()
	for range 4 {
		s.named("kerberos", nat, "inner-1")
		s.wait(minute)
		s.talk("tls", far1, a1)
		s.named("kerberos", nat, "inner-2")
		s.wait(minute)
	}
	s.named("kerberos", entity.AddressRef(a3), "inner-1") // at home it comes without NAT
	d := s.g.DeviceAt(far1, s.now)
	if d == nil || len(d.Roles) == 0 || d.Roles[0].Name != entity.RoleNAT {
		t.Fatalf("the address is not known to be a NAT's: %s", s.describe())
	}
	if len(d.Names) != 0 {
		t.Errorf("the NAT has names of what is behind it: %v", d.Names)
	}
	one, two := false, false
	for _, d := range s.g.Devices() {
		one = one || d.Name == "inner-1" && len(d.Addresses) == 2
		two = two || d.Name == "inner-2"
	}
	if !one || !two {
		t.Errorf("inner-1 at both addresses and inner-2 are not told apart: %s", s.describe())
	}
}

// Who claims another's address on the link does not become it.
func TestSpoofedARP(t *testing.T) {
	victim, attacker := mac(1), mac(2)
	s := newScene()
	s.held("arp", a1, victim)
	s.named("mdns", entity.AddressRef(a1), "victim-pc.local")
	s.held("arp", a2, attacker)
	s.named("mdns", entity.AddressRef(a2), "attacker-pc.local")
	for range 5 {
		s.held("arp", a1, attacker)
		s.wait(10 * second)
		s.held("arp", a1, victim)
		s.wait(10 * second)
	}
	if d := s.g.DeviceAt(a2, s.now); d.Name != "attacker-pc.local" || len(d.Addresses) != 1 {
		t.Errorf("the attacker holds %v: %s", d.Addresses, s.describe())
	}
	if d := s.g.DeviceAt(a1, s.now); d.Name != "victim-pc.local" {
		t.Errorf("the victim is %s", d.Name)
	}
}

// Keys that images bring along do not make one device of many.
func TestClonedHostKey(t *testing.T) {
	s := newScene()
	for i, name := range []string{"clone-one.example.org", "clone-two.example.org"} {
		s.print(ip(10, 0, 1, byte(i)), "hostkey:SHA256:abc")
		s.named("snmp", entity.AddressRef(ip(10, 0, 1, byte(i))), name)
		s.talk("ssh", a1, ip(10, 0, 1, byte(i)))
	}
	s.want(t, "10.0.0.1 10.0.0.1 ", "clone-one.example.org 10.0.1.0 ", "clone-two.example.org 10.0.1.1 ")
}

// The same key at an address that follows another is the same server.
func TestMovedServer(t *testing.T) {
	s := newScene()
	s.print(a1, "hostkey:SHA256:abc")
	s.talk("ssh", a3, a1)
	s.wait(day)
	s.print(a2, "hostkey:SHA256:abc")
	s.talk("ssh", a3, a2)
	s.want(t, "10.0.0.2 10.0.0.1,10.0.0.2 ", "10.0.0.3 10.0.0.3 ")
}

// Two interfaces whose client identifiers are the same are one device's; two
// that have only a name in common that many have are not.
func TestInterfaces(t *testing.T) {
	s := newScene()
	for i := range 2 {
		m := entity.InterfaceRef(mac(i + 1))
		s.held("dhcp", ip(10, 0, 0, byte(i+1)), m.MAC)
		s.add(entity.Fact{Relation: entity.HasFingerprint, Via: "dhcp", From: m, To: entity.NameRef(entity.Fingerprint, "duid:0001")})
		m = entity.InterfaceRef(mac(i + 11))
		s.held("dhcp", ip(10, 0, 0, byte(i+11)), m.MAC)
		s.named("dhcp", m, "raspberrypi")
	}
	s.want(t, "10.0.0.2 10.0.0.1,10.0.0.2 00:01,00:02", "raspberrypi 10.0.0.11 00:0b", "raspberrypi 10.0.0.12 00:0c")
}

// A renamed device is the same, and called by its new name; the old one stays.
func TestRename(t *testing.T) {
	s := newScene()
	s.held("dhcp", a1, mac(1))
	s.named("dhcp", entity.InterfaceRef(mac(1)), "old-name")
	s.wait(day)
	s.held("dhcp", a1, mac(1))
	s.named("dhcp", entity.InterfaceRef(mac(1)), "new-name")
	s.want(t, "new-name 10.0.0.1 00:01")
	if names := s.g.Devices()[0].Names; len(names) != 2 || names[1].Value != "old-name" || names[1].Source != "dhcp" {
		t.Errorf("got names %v, want the old one too", names)
	}
}

// A host's IPv6 addresses are its own: by NDP, or by what they are made from.
func TestIPv6(t *testing.T) {
	s := newScene()
	s.held("arp", a1, mac(1))
	s.held("icmpv6", packet.Addr{0x20, 1, 0xd, 0xb8, 15: 7}, mac(1))
	slaac := packet.Addr{0xfd, 1, 8: 0x3e, 9: 0x52, 10: 0x82, 11: 0xff, 12: 0xfe, 13: 0, 14: 0, 15: 1} // of mac(1)
	s.talk("dns", slaac, ip(10, 0, 0, 53))
	s.want(t, "fd01::3e52:82ff:fe00:1 10.0.0.1,2001:db8::7,fd01::3e52:82ff:fe00:1 00:01", "10.0.0.53 10.0.0.53 ")
}

func TestAccounts(t *testing.T) {
	s := newScene()
	s.add(entity.Fact{Relation: entity.SameAs, Via: "ntlm", From: entity.NameRef(entity.Domain, "zentrale"), To: entity.NameRef(entity.Domain, "corp.example")})
	for _, name := range []string{"alice@corp.example", "alice@zentrale", "alice@corp", "alice@other.example", "alice@", "bob@"} {
		s.add(entity.Fact{Relation: entity.ActiveAt, Via: "ntlm", From: entity.NameRef(entity.User, name), To: entity.AddressRef(a1)})
		if name == "alice@corp" {
			s.add(entity.Fact{Relation: entity.LoggedIn, Via: "smb", From: entity.NameRef(entity.User, name), To: entity.AddressRef(a2)})
			s.add(entity.Fact{Relation: entity.LoggedIn, Via: "smb", From: entity.NameRef(entity.User, name), To: entity.AddressRef(a2), Failed: true})
		}
	}
	var got []string
	for _, a := range s.g.Accounts() {
		got = append(got, fmt.Sprint(a, " ", len(a.Spellings), " ", a.Logins, " ", a.Refused))
	}
	// Two Alices were at the address: the one without a domain may be either.
	want := []string{"alice@corp.example 3 1 1", "alice@other.example 1 0 0", "alice 1 0 0", "bob 1 0 0"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHome(t *testing.T) {
	s := newScene()
	s.held("arp", ip(192, 0, 2, 5), mac(1)) // public, on the link
	s.talk("tls", a1, server)
	s.talk("tls", ip(192, 0, 2, 5), server)
	for i := range byte(6) { // the only address of an interface, with peers through a router
		s.talk("dns", ip(198, 51, 100, 1), ip(8, 8, 8, i), mac(2), mac(3))
	}
	if got := fmt.Sprint(s.g.Home()); got != "[10.0.0.0/24 192.0.2.0/24 198.51.100.0/24]" {
		t.Errorf("got %s", got)
	}
}
