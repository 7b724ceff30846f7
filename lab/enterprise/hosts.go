package enterprise

import (
	"fmt"
	"math"

	"tyto/packet"
)

// Role is what a machine is for.
type Role uint8

// Roles.
const (
	Workstation Role = iota
	AdminStation
	Controller // of the domain
	FileServer
	MailServer
	WebServer
	Database
	GitServer
	CI
	Backup
	Patch
	PrintServer
	Jump
	Monitor
	Scanner
	AppServer
	Printer
	Phone
	Plant // controllers and panels of machines
	roles
)

// host is a machine.
type host struct {
	id     int
	name   string
	role   Role
	dept   int
	linux  bool
	addr   packet.Addr
	pool   int // that the address is from, -1 if it never changes
	start  float64
	length float64 // of the working day, hours
	busy   float64 // how active its user is
	on     bool    // also at night
	user   string
	shares []*host // file servers and machines it has habits with
	apps   []*host
	peers  []*host
	dev    *host // that a developer works on
	sites  []int
	agents []agent
	works  bool // works today
}

// agent is a program that reports outside in a rhythm.
type agent struct {
	site   int
	period int64
	jitter float64
	next   int64
	kind   string // scenario
}

// admin is somebody who administers machines.
type admin struct {
	station *host
	jump    *host
	account string
	usual   []*host
	linux   bool
}

// site is a destination outside.
type site struct {
	addr   packet.Addr
	domain string
	born   int // day on which it is first used
	port   uint16
}

// counts are how many machines of a role an organisation of n has.
func counts(n int) [roles]int {
	c := [roles]int{
		AdminStation: max(3, n/150), Controller: 2 + n/2500, FileServer: 2 + n/250, MailServer: 1 + n/5000, WebServer: 2 + n/70, Database: 1 + n/100,
		GitServer: 1 + n/3000, CI: 1 + n/2000, Backup: 1 + n/2000, Patch: 1 + n/4000, PrintServer: 1 + n/1000, Jump: 1 + n/1000, Monitor: 1 + n/3000,
		Scanner: 1 + n/5000, AppServer: 1 + n/60, Printer: n / 60, Phone: n / 30, Plant: n / 60,
	}
	total := 0
	for _, v := range c {
		total += v
	}
	c[Workstation] = n - total
	return c
}

// populate makes machines, people and the world outside.
func (s *simulation) populate() {
	depts := max(3, s.Hosts/80)
	s.pools = make([][]packet.Addr, depts)
	for d := range s.pools {
		for i := range 2*s.Hosts/depts + 20 {
			s.pools[d] = append(s.pools[d], packet.Addr4([]byte{10, byte(64 + d/2), byte(d%2*128 + i/250), byte(i%250 + 2)}))
		}
		s.rand.Shuffle(len(s.pools[d]), func(i, k int) { s.pools[d][i], s.pools[d][k] = s.pools[d][k], s.pools[d][i] })
	}
	for role, n := range counts(s.Hosts) {
		for range n {
			s.machine(Role(role), depts)
		}
	}
	s.outside()
	for _, h := range s.hosts {
		s.habits(h)
	}
	s.administrators()
}

func (s *simulation) machine(role Role, depts int) {
	h := &host{id: len(s.hosts), role: role, dept: s.rand.IntN(depts), pool: -1, on: true}
	h.name = fmt.Sprintf("%s%02d", []string{"pc", "adm", "dc", "fs", "mail", "web", "db", "git", "ci", "bak", "wsus", "prt", "jump", "mon", "scan", "app", "print", "voip", "plc"}[role], len(s.byRole[role])+1)
	switch role {
	case Workstation, Printer, Phone:
		h.pool = h.dept
		h.addr = s.lease(h.pool)
	default:
		h.addr = packet.Addr4([]byte{10, byte(1 + role), byte(len(s.byRole[role]) / 250), byte(len(s.byRole[role])%250 + 2)})
	}
	switch role {
	case WebServer, Database, AppServer:
		h.linux = s.chance(0.5)
	case GitServer, CI, Monitor:
		h.linux = true
	case Workstation:
		h.linux = s.chance(0.1)
		h.on = s.chance(0.3)
	}
	h.start, h.length, h.busy = 7+3*s.rand.Float64(), 7+3*s.rand.Float64(), math.Exp(0.5*s.rand.NormFloat64())
	h.user = fmt.Sprintf("u%04d", h.id)
	s.hosts = append(s.hosts, h)
	s.byRole[role] = append(s.byRole[role], h)
}

// lease takes an address from a pool; given back ones go to the end.
func (s *simulation) lease(pool int) packet.Addr {
	a := s.pools[pool][0]
	s.pools[pool] = s.pools[pool][1:]
	return a
}

// Numbers of sites: the first are used by many for updates and telemetry.
const (
	common  = 12
	stores  = 6 // cloud stores, after the common ones
	support = 2 // of vendors who help from far away, after the stores
)

// outside makes the sites.
func (s *simulation) outside() {
	for i := range 150 + s.Hosts/2 {
		v := site{domain: fmt.Sprintf("site%d.example", i), port: 443, addr: packet.Addr4([]byte{198, byte(18 + i/60_000), byte(i / 250 % 240), byte(i%250 + 2)})}
		if i > 60 && s.chance(0.15) {
			v.born = s.rand.IntN(s.days)
		}
		if i > 60 && s.chance(0.02) {
			v.domain = "" // reached by address
		}
		s.sites = append(s.sites, v)
	}
}

// site returns a destination by popularity, one that is in use on a day.
func (s *simulation) site(d int) int {
	for range 20 {
		i := common + stores + support + int(math.Pow(float64(len(s.sites)-common-stores-support), math.Pow(s.rand.Float64(), 0.7)))
		if i < len(s.sites) && s.sites[i].born <= d {
			return i
		}
	}
	return common + stores + support
}

// habits gives a machine what it does every day.
func (s *simulation) habits(h *host) {
	some := func(role Role, n int) (list []*host) {
		for range n {
			list = append(list, pick(s, s.byRole[role]))
		}
		return list
	}
	files := s.byRole[FileServer]
	switch h.role {
	case Workstation, AdminStation:
		h.shares = append(some(FileServer, s.rand.IntN(2)), files[h.dept%len(files)])
		h.apps = append(some(WebServer, 1+s.rand.IntN(3)), some(AppServer, 1+s.rand.IntN(2))...)
		if s.chance(0.15) {
			h.peers = some(Workstation, 1+s.rand.IntN(2))
		}
		if h.linux || s.chance(0.08) {
			h.dev = pick(s, s.byRole[[]Role{AppServer, WebServer}[s.rand.IntN(2)]])
		}
		for range 5 + s.rand.IntN(10) {
			h.sites = append(h.sites, s.site(0))
		}
	case WebServer, AppServer:
		h.apps = some(Database, 1+s.rand.IntN(2))
	}
	if h.role >= Printer {
		return
	}
	n := 1
	if h.role == Workstation || h.role == AdminStation {
		n = 2
	}
	for range n {
		a := agent{site: s.rand.IntN(common), period: s.between(20*minute, 6*hour), jitter: 0.2 * s.rand.Float64(), kind: pick(s, []string{"telemetry-push", "update-checks", "ocsp-checks"})}
		h.agents = append(h.agents, a)
	}
	if s.chance(0.03) { // what hardly anybody else has
		h.agents = append(h.agents, agent{site: s.site(0), period: s.between(5*minute, 2*hour), jitter: 0.3 * s.rand.Float64(), kind: pick(s, []string{"telemetry-push", "https-api-poll", "metrics-push"})})
	}
	for i := range h.agents {
		h.agents[i].next = Start + s.rand.Int64N(h.agents[i].period)
	}
}

// administrators are few, each with the machines that are his.
func (s *simulation) administrators() {
	var servers []*host
	for _, role := range []Role{Controller, FileServer, MailServer, WebServer, Database, GitServer, CI, Backup, Patch, PrintServer, AppServer} {
		servers = append(servers, s.byRole[role]...)
	}
	for i, station := range s.byRole[AdminStation] {
		a := &admin{station: station, jump: s.byRole[Jump][i%len(s.byRole[Jump])], account: fmt.Sprintf("adm%02d", i+1), linux: i%3 == 0}
		for range 4 + s.rand.IntN(8) {
			a.usual = append(a.usual, pick(s, servers))
		}
		s.admins = append(s.admins, a)
	}
}

// today begins a day: addresses change, people come to work or do not, what was
// scheduled is planned.
func (s *simulation) today(d int) {
	weekend := d%7 >= 5
	for _, h := range s.hosts {
		h.works = !weekend && !s.chance(0.06) || weekend && s.chance(0.03)
		if h.pool >= 0 && d > 0 && s.chance(0.05) {
			s.pools[h.pool] = append(s.pools[h.pool], h.addr)
			h.addr = s.lease(h.pool)
		}
	}
	for _, plan := range s.starts[d] {
		plan()
	}
}
