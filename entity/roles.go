package entity

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Names of roles.
const (
	RoleRouter           = "router"
	RoleNAT              = "nat" // several devices speak from its address
	RoleDomainController = "domain-controller"
	RoleDNS              = "dns"
	RoleDHCP             = "dhcp"
	RoleMail             = "mail"
	RoleFileServer       = "file-server"
	RolePrinter          = "printer"
	RoleServer           = "server"
	RoleWorkstation      = "workstation"
	RoleIoT              = "iot"
	RoleScanner          = "scanner"
	RoleJumpHost         = "jump-host"
)

// usage is what roles are inferred from: whom a device talked to, by
// application.
type usage struct {
	clients  map[string]map[ID]bool // who asked it, and was answered
	servers  map[string]map[ID]bool // whom it asked
	asked    map[ID]bool            // any client
	failed   map[ID]bool            // whom it asked in vain
	tried    map[ID]bool            // whom it asked at all
	services map[string]bool        // "631/tcp", "gateway"
	logins   map[ID][2]int64        // who came in by SSH or RDP, from when to when
	away     []int64                // when it went on by these
	domains  int                    // names it resolved or reached
	shared   bool
	forwards bool
}

// remote are the applications by which people work on another machine.
var remote = map[string]bool{"ssh": true, "rdp": true, "telnet": true, "rfb": true, "winrm": true}

func (g *Graph) usage(c *conclusion, d *Device) *usage {
	u := &usage{clients: map[string]map[ID]bool{}, servers: map[string]map[ID]bool{}, asked: map[ID]bool{}, failed: map[ID]bool{}, tried: map[ID]bool{}, services: map[string]bool{}, logins: map[ID][2]int64{}}
	for _, id := range d.parts {
		n := g.nodes.at(uint32(id))
		if h := g.held[n.addr]; n.kind == Address && h != nil && h.shared {
			u.shared = true
		}
		if n.kind == Interface && g.routes(n.mac) {
			u.forwards = true
		}
		for e := range g.edgesOf(id, out) {
			g.use(u, e)
		}
		for e := range g.edgesOf(id, in) {
			if e.kind != TalkedTo || e.count == e.failed || nobody(n.addr) {
				continue
			}
			app := g.vias.list[e.via]
			note(u.clients, app, e.from)
			u.asked[e.from] = true
			if remote[app] {
				u.logins[e.from] = [2]int64{e.first, e.last}
			}
		}
	}
	return u
}

// use notes one relation that starts at a device.
func (g *Graph) use(u *usage, e *edge) {
	switch e.kind {
	case TalkedTo:
		app := g.vias.list[e.via]
		u.tried[e.to] = true
		if e.count == e.failed {
			u.failed[e.to] = true
			return
		}
		if to := g.nodes.at(uint32(e.to)); !nobody(to.addr) {
			note(u.servers, app, e.to)
		}
		if remote[app] {
			u.away = append(u.away, e.first)
		}
	case Offers:
		key := g.nodes.at(uint32(e.to)).key
		if i := strings.LastIndexByte(key, ':'); i >= 0 && strings.HasSuffix(key, "p") && strings.Contains(key[i:], "/") {
			u.services[key[i+1:]] = true
			return
		}
		u.services[key[strings.LastIndexByte(key, '/')+1:]] = true
	case Resolved, Reached:
		u.domains++
	}
}

func note(m map[string]map[ID]bool, app string, id ID) {
	if m[app] == nil {
		m[app] = make(map[ID]bool)
	}
	m[app][id] = true
}

// asked returns how many clients asked for any of some applications.
func (u *usage) clientsOf(apps ...string) int {
	seen := make(map[ID]bool)
	for _, app := range apps {
		for id := range u.clients[app] {
			seen[id] = true
		}
	}
	return len(seen)
}

// any reports whether one of some services is offered.
func (u *usage) any(services ...string) bool {
	return slices.ContainsFunc(services, func(s string) bool { return u.services[s] })
}

// grows returns a confidence that grows with a count: half of what is left with
// each, up to a ceiling.
func grows(n int, ceiling float64) float64 { return ceiling * (1 - math.Pow(0.5, float64(n))) }

// leastP is the confidence from which a role is told.
const leastP = 0.4

// roles infers what a device is for.
func (g *Graph) roles(c *conclusion, d *Device) []Role {
	u := g.usage(c, d)
	p := map[string]float64{
		RoleRouter:           u.router(),
		RoleDomainController: u.domainController(),
		RoleDNS:              grows(u.clientsOf("dns", "dot", "doh"), 0.95),
		RoleDHCP:             grows(u.clientsOf("dhcp"), 0.9),
		RoleMail:             grows(u.clientsOf("smtp", "imap", "pop3"), 0.95),
		RoleFileServer:       u.fileServer(),
		RolePrinter:          u.printer(d),
		RoleScanner:          u.scanner(),
		RoleJumpHost:         u.jumpHost(),
		RoleIoT:              u.iot(d),
	}
	if u.shared {
		p[RoleNAT] = 0.9
	}
	if u.any("resolver") {
		p[RoleDNS] = max(p[RoleDNS], 0.9)
	}
	if u.any("dhcp") {
		p[RoleDHCP] = 0.95
	}
	p[RoleServer] = u.server(p)
	p[RoleWorkstation] = u.workstation(d, p)
	var list []Role
	for name, v := range p {
		if v >= leastP {
			list = append(list, Role{name, math.Round(v*100) / 100})
		}
	}
	slices.SortFunc(list, func(a, b Role) int { return cmp.Or(cmp.Compare(b.P, a.P), cmp.Compare(a.Name, b.Name)) })
	return list
}

func (u *usage) router() float64 {
	switch {
	case u.any("gateway"):
		return 0.97
	case u.forwards:
		return 0.9
	}
	for _, app := range []string{"ospf", "hsrp", "vrrp", "eigrp", "rip", "bgp", "pim", "ldp"} {
		if len(u.servers[app])+len(u.clients[app]) > 0 {
			return 0.8
		}
	}
	return 0
}

// domainController wants tickets and the directory from one device; either
// alone may be another server of the realm.
func (u *usage) domainController() float64 {
	kerberos, ldap := u.clientsOf("kerberos"), u.clientsOf("ldap", "cldap")
	switch {
	case kerberos > 0 && ldap > 0:
		return 0.97
	case kerberos > 0:
		return 0.6
	}
	return 0
}

func (u *usage) fileServer() float64 {
	if n := u.clientsOf("smb", "nfs", "afp", "ftp"); n > 1 {
		return grows(n, 0.95)
	}
	return 0
}

func (u *usage) printer(d *Device) float64 {
	v := 0.0
	if u.any("9100/tcp", "631/tcp", "515/tcp") {
		v = 0.7
	}
	if vendorIs(d, "brother", "canon", "seiko epson", "kyocera", "lexmark", "xerox", "ricoh", "konica", "zebra tech", "oki ") {
		v = 1 - (1-v)*0.3
	}
	return v
}

func vendorIs(d *Device, names ...string) bool {
	vendor := strings.ToLower(d.Vendor)
	return vendor != "" && slices.ContainsFunc(names, func(n string) bool { return strings.Contains(vendor, n) })
}

// Thresholds of a scanner: so many addresses asked in vain, and more in vain
// than not.
const scannedAddresses = 20

func (u *usage) scanner() float64 {
	if n := len(u.failed); n >= scannedAddresses && 2*n > len(u.tried) {
		return 1 - 0.3*scannedAddresses/float64(n)
	}
	return 0
}

// jumpHost wants people who come in and go on while they are there.
func (u *usage) jumpHost() float64 {
	n := 0
	for _, at := range u.away {
		for _, span := range u.logins {
			if span[0] <= at && at <= span[1]+60*second {
				n++
				break
			}
		}
	}
	return grows(n, 0.9)
}

func (u *usage) iot(d *Device) float64 {
	v := 0.0
	if vendorIs(d, "espressif", "tuya", "sonos", "philips lighting", "signify", "hikvision", "dahua", "ring llc", "nest labs", "roku",
		"amazon technologies", "ecobee", "wyze", "shelly", "ezviz", "axis communications", "ubiquiti", "texas instruments", "murata", "withings", "belkin", "tp-link") {
		v = 0.5
	}
	for _, app := range []string{"mqtt", "coap", "tuyalp", "tplink", "rtsp"} {
		if len(u.servers[app])+len(u.clients[app]) > 0 {
			v = 1 - (1-v)*0.5
		}
	}
	if len(d.Users) > 0 || u.domains > 50 {
		v *= 0.3
	}
	return v
}

// server wants clients. Whom others hardly ask, and who asks others, is none.
func (u *usage) server(p map[string]float64) float64 {
	v := max(p[RoleDomainController], p[RoleFileServer], p[RoleMail], p[RoleDNS])
	n := 0
	for app := range u.clients {
		switch app {
		case "mdns", "llmnr", "nbns", "nbdgm", "ssdp", "icmp", "icmpv6", "dhcp", "unknown", "igmp", "":
		default:
			n = max(n, len(u.clients[app]))
		}
	}
	if n >= 2 || n == 1 && len(u.tried) <= 2 {
		v = max(v, grows(n, 0.95))
	}
	return v
}

// workstation wants people, or what their programs do, and no role of a server.
func (u *usage) workstation(d *Device, p map[string]float64) float64 {
	v := 0.0
	if len(d.Users) > 0 {
		v = 0.7
	}
	if u.domains >= 20 {
		v = 1 - (1-v)*0.5
	}
	for _, s := range d.Software {
		if strings.HasPrefix(s.Value, "Mozilla/") || strings.HasPrefix(s.Value, "MSFT") {
			v = 1 - (1-v)*0.5
			break
		}
	}
	for _, role := range []string{RoleServer, RoleRouter, RoleNAT, RolePrinter} {
		v *= 1 - 0.8*p[role]
	}
	return v
}
