package entity_test

import (
	"fmt"
	"slices"
	"testing"

	"tyto/entity"
	"tyto/packet"
)

// roles returns the names of a device's roles, the most certain first.
func (s *scene) roles(a packet.Addr) []string {
	var list []string
	if d := s.g.DeviceAt(a, s.now); d != nil {
		for _, r := range d.Roles {
			list = append(list, r.Name)
		}
	}
	return list
}

func (s *scene) has(t *testing.T, what string, a packet.Addr, role string) {
	t.Helper()
	if got := s.roles(a); !slices.Contains(got, role) {
		t.Errorf("%s: got roles %v, want %s", what, got, role)
	}
}

func (s *scene) not(t *testing.T, what string, a packet.Addr, role string) {
	t.Helper()
	if got := s.roles(a); slices.Contains(got, role) {
		t.Errorf("%s: got roles %v, and %s is not right", what, got, role)
	}
}

// clients lets so many clients talk to a server.
func (s *scene) clients(n int, app string, to packet.Addr) {
	for i := range n {
		s.talk(app, ip(10, 0, 5, byte(i+1)), to)
	}
}

func TestServerRoles(t *testing.T) {
	dc, member, file, mail, web := ip(10, 0, 0, 10), ip(10, 0, 0, 11), ip(10, 0, 0, 12), ip(10, 0, 0, 13), ip(10, 0, 0, 14)
	s := newScene()
	for _, app := range []string{"kerberos", "ldap", "dns"} {
		s.clients(5, app, dc)
	}
	s.clients(1, "smb", member) // an administrator's visit
	s.clients(5, "smb", file)
	s.clients(5, "imap", mail)
	s.clients(9, "tls", web)
	s.has(t, "tickets and directory", dc, entity.RoleDomainController)
	s.has(t, "tickets and directory", dc, entity.RoleServer)
	s.not(t, "directory alone", file, entity.RoleDomainController)
	s.has(t, "files for many", file, entity.RoleFileServer)
	s.not(t, "one visit", member, entity.RoleFileServer)
	s.has(t, "mail", mail, entity.RoleMail)
	s.has(t, "web", web, entity.RoleServer)
	s.not(t, "web", web, entity.RoleMail)
	s.not(t, "a client", ip(10, 0, 5, 1), entity.RoleServer)
}

func TestWorkstation(t *testing.T) {
	s := newScene()
	for i := range 30 {
		s.talk("tls", a1, ip(203, 0, 113, byte(i)))
		s.add(entity.Fact{Relation: entity.Reached, Via: "sni", From: entity.AddressRef(a1), To: entity.NameRef(entity.Domain, fmt.Sprintf("site-%d.example", i))})
	}
	s.add(entity.Fact{Relation: entity.ActiveAt, Via: "kerberos", From: entity.NameRef(entity.User, "m.ortiz@corp.example"), To: entity.AddressRef(a1)})
	s.clients(8, "tls", a2) // people log in on a server too
	s.add(entity.Fact{Relation: entity.ActiveAt, Via: "kerberos", From: entity.NameRef(entity.User, "admin@corp.example"), To: entity.AddressRef(a2)})
	s.add(entity.Fact{Relation: entity.ActiveAt, Via: "kerberos", From: entity.NameRef(entity.User, "ws3$@corp.example"), To: entity.AddressRef(a3)})
	s.has(t, "a person's", a1, entity.RoleWorkstation)
	s.not(t, "a server with a person", a2, entity.RoleWorkstation)
	s.not(t, "a machine account is no person", a3, entity.RoleWorkstation)
}

func TestScanner(t *testing.T) {
	s := newScene()
	for i := range byte(60) {
		f := entity.Fact{Relation: entity.TalkedTo, Via: "unknown", From: entity.AddressRef(a1), To: entity.AddressRef(ip(10, 0, 9, i)), Failed: true}
		s.add(f)
		s.talk("tls", a2, ip(203, 0, 113, i)) // as many, but answered
	}
	s.has(t, "asks in vain", a1, entity.RoleScanner)
	s.not(t, "is answered", a2, entity.RoleScanner)
	if n := len(s.g.Devices()); n != 2 {
		t.Errorf("%d devices: what a scanner tried is none", n)
	}
}

func TestJumpHost(t *testing.T) {
	s := newScene()
	long := func(app string, from, to packet.Addr) {
		s.add(entity.Fact{Relation: entity.TalkedTo, Via: app, Last: s.now + hour, From: entity.AddressRef(from), To: entity.AddressRef(to), RespBytes: 1})
	}
	long("ssh", a1, a2) // in, and on to three servers while there
	for i := range byte(3) {
		s.wait(minute)
		long("ssh", a2, ip(10, 0, 7, i))
	}
	for i := range byte(3) { // an administrator's workstation, on which nobody is
		long("ssh", a1, ip(10, 0, 8, i))
	}
	s.has(t, "in and on", a2, entity.RoleJumpHost)
	s.not(t, "on only", a1, entity.RoleJumpHost)
}

func TestPrinterAndIoT(t *testing.T) {
	printer, camera := packet.MAC{0x00, 0x80, 0x77, 1, 2, 3}, packet.MAC{0x24, 0x0a, 0xc4, 1, 2, 3} // Brother, Espressif
	s := newScene()
	s.held("arp", a1, printer)
	f := entity.Fact{Relation: entity.TalkedTo, Via: "ipp", From: entity.AddressRef(a3), To: entity.AddressRef(a1), Port: 631, Proto: packet.ProtoTCP, RespBytes: 9}
	s.add(f)
	s.held("arp", a2, camera)
	s.talk("mqtt", a2, server)
	s.has(t, "prints", a1, entity.RolePrinter)
	s.has(t, "measures", a2, entity.RoleIoT)
	s.not(t, "its client", a3, entity.RolePrinter)
}

// What DHCP says of servers is their role.
func TestConfiguredRoles(t *testing.T) {
	s := newScene()
	for _, c := range []struct {
		a    packet.Addr
		role string
	}{{a1, "gateway"}, {a2, "resolver"}, {a3, "dhcp"}} {
		s.add(entity.Fact{Relation: entity.Offers, Via: "dhcp", From: entity.AddressRef(c.a), To: entity.NameRef(entity.Service, c.a.String()+"/"+c.role)})
	}
	s.has(t, "gateway", a1, entity.RoleRouter)
	s.has(t, "resolver", a2, entity.RoleDNS)
	s.has(t, "dhcp", a3, entity.RoleDHCP)
}

// TestWeekTells holds what else is known of a simulated week.
func TestWeekTells(t *testing.T) {
	s := newSim(3)
	s.run()
	g := entity.New(entity.Options{})
	for i := range s.facts {
		g.Add(&s.facts[i].f)
	}
	end := monday + 7*day
	byMAC := map[packet.MAC]*entity.Device{}
	for _, d := range g.Devices() {
		for _, m := range d.MACs {
			if byMAC[m] != nil {
				t.Errorf("%v is of %s and %s", m, byMAC[m].ID, d.ID)
			}
			byMAC[m] = d
		}
	}
	gw := g.DeviceAt(ip(10, 1, 0, 1), end)
	if gw == nil || len(gw.MACs) != 1 || gw.Roles[0].Name != entity.RoleRouter {
		t.Errorf("the router is %+v", gw)
	}
	if d := byMAC[mac(50)]; d == nil || len(d.Users) != 4 {
		t.Errorf("the shared PC's users: %v, want 4", d)
	}
	if d := byMAC[mac(22)]; d == nil || d.Name != "fin-lt-90" || !slices.ContainsFunc(d.Names, func(c entity.Claim) bool { return c.Value == "fin-lt-02" }) {
		t.Errorf("the renamed laptop is called %v", d.Names)
	}
	if d := byMAC[mac(20)]; d == nil || d != byMAC[mac(40)] || len(d.Users) != 1 {
		t.Errorf("the laptop with a docking station is two")
	}
	if d := byMAC[mac(60)]; d == nil || d != byMAC[mac(61)] {
		t.Errorf("the private laptop's interfaces are two devices")
	}
	if byMAC[mac(62)] == byMAC[mac(63)] {
		t.Error("a laptop is the one it replaced")
	}
	if byMAC[mac(70)] == byMAC[mac(71)] {
		t.Error("two phones of one make are one")
	}
	web := g.DeviceAt(ip(10, 1, 0, 4), end)
	names := map[string]bool{}
	for _, c := range web.Names {
		names[c.Value] = true
	}
	if len(names) != 5 {
		t.Errorf("the web server has names %v, want five", names)
	}
	if d := g.DeviceAt(ip(10, 1, 0, 6), end); d == nil || len(d.MACs) != 1 {
		t.Errorf("the access point is %+v", d)
	}
	for _, p := range g.Home() {
		if p.String() != "10.1.0.0/24" && p.String() != "10.1.9.0/24" {
			t.Errorf("home network %v", p)
		}
	}
}
