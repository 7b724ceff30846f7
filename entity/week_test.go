package entity_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tyto/entity"
	"tyto/packet"
)

// A simulated week of an office whose truth is known: what a sensor at its
// switch would be told, host by host and hour by hour.

const (
	second = int64(1e9)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
	monday = 1_700_000_000 * second
)

// host is a device of the simulation.
type host struct {
	name    string
	macs    []packet.MAC // interfaces it uses by turns
	addr    packet.Addr
	static  bool
	domain  bool     // joined: has a machine account
	remote  bool     // behind the router: its frames have the router's MAC, its DHCP is not seen
	mdns    bool     // tells its name on the link
	users   []string // who works there
	renamed string   // its name from Thursday on
	random  bool     // another MAC each day, as phones do
	until   int64    // when it is taken away; 0 for never
	since   int64
	print   string // DHCP fingerprint
}

// sim makes facts, and remembers who was where.
type sim struct {
	rnd    *rand.Rand
	hosts  []*host
	router packet.MAC
	facts  []told
	truth  []sighting
	taken  map[packet.Addr]*host
	dc     *host
	core   bool // the sensor is behind the router: no ARP, no names of the link, no link-layer addresses of hosts
}

type told struct {
	at int64
	f  entity.Fact
}

// sighting is that a host was at an address: what the graph is asked.
type sighting struct {
	host string
	addr packet.Addr
	at   int64
}

func ip(a, b, c, d byte) packet.Addr { return packet.Addr4([]byte{a, b, c, d}) }

func mac(n int) packet.MAC { return packet.MAC{0x3c, 0x52, 0x82, 0, byte(n >> 8), byte(n)} }

func newSim(seed uint64) *sim {
	s := &sim{rnd: rand.New(rand.NewPCG(seed, 1)), router: mac(1), taken: map[packet.Addr]*host{}}
	add := func(h *host) *host { s.hosts = append(s.hosts, h); return h }
	add(&host{name: "gw", macs: []packet.MAC{s.router}, addr: ip(10, 1, 0, 1), static: true})
	s.dc = add(&host{name: "dc-01", macs: []packet.MAC{mac(2)}, addr: ip(10, 1, 0, 2), static: true, domain: true})
	add(&host{name: "srv-file-1", macs: []packet.MAC{mac(3)}, addr: ip(10, 1, 0, 3), static: true, domain: true})
	add(&host{name: "web-01", macs: []packet.MAC{mac(4)}, addr: ip(10, 1, 0, 4), static: true})
	add(&host{name: "prn-2f", macs: []packet.MAC{mac(5)}, addr: ip(10, 1, 0, 5), static: true, mdns: true})
	add(&host{name: "wifi-ap", macs: []packet.MAC{mac(6)}, addr: ip(10, 1, 0, 6), static: true}) // NAT for guests
	for i := range 5 {
		h := add(&host{name: fmt.Sprintf("fin-lt-%02d", i), macs: []packet.MAC{mac(20 + i)}, domain: true, print: "1,3,6,15,31,33,43,44", users: []string{fmt.Sprintf(`CORP\user%d`, i)}})
		switch i {
		case 0, 1: // docking stations
			h.macs = append(h.macs, mac(40+i))
		case 2:
			h.renamed = "fin-lt-90"
		}
	}
	add(&host{name: "reception", macs: []packet.MAC{mac(50)}, domain: true, print: "1,3,6,15,31,33,43,44", users: []string{`CORP\anna`, `CORP\bert`, `CORP\cleo`, `CORP\dora`}})
	add(&host{name: "annas-laptop", macs: []packet.MAC{mac(60), mac(61)}, mdns: true, print: "1,121,3,6,15", users: []string{"anna.private"}})
	add(&host{name: "old-workhorse", macs: []packet.MAC{mac(62)}, print: "1,3,6,12", mdns: true, until: monday + 3*day})
	add(&host{name: "old-workhorse", macs: []packet.MAC{mac(63)}, print: "1,121,3,6,42", mdns: true, since: monday + 4*day})
	add(&host{name: "android", macs: []packet.MAC{mac(70)}, print: "1,3,6,15,26,28,51"})
	add(&host{name: "android", macs: []packet.MAC{mac(71)}, print: "1,3,6,15,26,28,51"})
	add(&host{name: "iphone", macs: []packet.MAC{{0x3a, 1, 1, 1, 1, 1}}, random: true, print: "1,121,3,6,15,108"})
	add(&host{name: "cam-yard", macs: []packet.MAC{mac(72)}, print: "1,3,6"})
	for i := range 4 {
		add(&host{name: fmt.Sprintf("branch-%d", i), remote: true, domain: true, users: []string{fmt.Sprintf(`CORP\branch%d`, i)}})
	}
	return s
}

// tell adds a fact that is told at a time.
func (s *sim) tell(at int64, f entity.Fact) {
	if f.First == 0 {
		f.First = at
	}
	s.facts = append(s.facts, told{at, f})
}

// run simulates a week, hour by hour.
func (s *sim) run() {
	for now := monday; now < monday+7*day; now += hour {
		for _, h := range s.hosts {
			s.hour(h, now)
		}
	}
	slices.SortStableFunc(s.facts, func(a, b told) int { return int(min(max(a.at-b.at, -1), 1)) })
}

func (s *sim) hour(h *host, now int64) {
	if h.until != 0 && now >= h.until || now < h.since {
		return
	}
	if !h.static {
		on := s.rnd.Float64() < 0.6
		if !on {
			delete(s.taken, h.addr)
			h.addr = packet.Addr{}
			return
		}
		if h.addr.IsZero() || s.rnd.Float64() < 0.15 {
			s.lease(h, now)
		}
	}
	s.announce(h, now+2*minute)
	for range 1 + s.rnd.IntN(4) {
		s.session(h, now+5*minute+s.rnd.Int64N(50*minute))
	}
	if h.name == "wifi-ap" { // two guests behind it
		for i := range 2 {
			s.tell(now+20*minute, entity.Fact{Relation: entity.UsesSoftware, Via: "http", From: entity.AddressRef(h.addr), To: entity.NameRef(entity.Software, fmt.Sprintf("Mozilla/5.0 (guest %d)", i))})
			s.tell(now+21*minute, entity.Fact{Relation: entity.Named, Via: "ntlm-workstation", From: entity.AddressRef(h.addr), To: entity.NameRef(entity.Domain, fmt.Sprintf("guest-%d", i))})
		}
	}
}

// lease gives a host an address of a pool that is nearly used up.
func (s *sim) lease(h *host, now int64) {
	delete(s.taken, h.addr)
	net, first, size := byte(0), 100, 18
	if h.remote {
		net, first, size = 9, 10, 5
	}
	for {
		h.addr = ip(10, 1, net, byte(first+s.rnd.IntN(size)))
		if s.taken[h.addr] == nil {
			break
		}
	}
	s.taken[h.addr] = h
	if h.random {
		h.macs[0][5] = byte(now / day)
	}
	if len(h.macs) > 1 && s.rnd.Float64() < 0.5 {
		h.macs[0], h.macs[1] = h.macs[1], h.macs[0]
	}
	if h.renamed != "" && now > monday+3*day {
		h.name = h.renamed
	}
	if h.remote {
		return
	}
	i := entity.InterfaceRef(h.macs[0])
	s.tell(now, entity.Fact{Relation: entity.Held, Via: "dhcp", From: entity.AddressRef(h.addr), To: i, Until: now + 8*hour})
	s.tell(now, entity.Fact{Relation: entity.Named, Via: "dhcp", From: i, To: entity.NameRef(entity.Domain, h.name)})
	s.tell(now, entity.Fact{Relation: entity.HasFingerprint, Via: "dhcp", From: i, To: entity.NameRef(entity.Fingerprint, "dhcp:"+h.print)})
}

// announce tells what a host says of itself: ARP, names, logins.
func (s *sim) announce(h *host, now int64) {
	at := entity.AddressRef(h.addr)
	if !h.remote && !s.core {
		s.tell(now, entity.Fact{Relation: entity.Held, Via: "arp", From: at, To: entity.InterfaceRef(h.macs[0])})
	}
	if h.domain && h != s.dc {
		s.session(h, now) // it asks for the domain controller first
		s.tell(now+second+s.rnd.Int64N(50*second), entity.Fact{Relation: entity.Named, Via: "kerberos", From: at, To: entity.NameRef(entity.Domain, h.name)})
	}
	if h.mdns && !s.core {
		s.tell(now, entity.Fact{Relation: entity.Named, Via: "mdns", From: at, To: entity.NameRef(entity.Domain, h.name+".local")})
	}
	if len(h.users) > 0 {
		user := h.users[s.rnd.IntN(len(h.users))]
		domain, name, ok := strings.Cut(strings.ToLower(user), `\`)
		if !ok {
			name, domain = domain, ""
		}
		s.tell(now+minute, entity.Fact{Relation: entity.ActiveAt, Via: "kerberos", From: entity.NameRef(entity.User, name+"@"+domain), To: at})
	}
}

// session lets a host talk to a server, near or far, and notes the sighting.
func (s *sim) session(h *host, first int64) {
	s.truth = append(s.truth, sighting{s.id(h), h.addr, first})
	f := entity.Fact{Relation: entity.TalkedTo, First: first, Last: first + s.rnd.Int64N(4*minute), OrigBytes: 900, RespBytes: 7000, Proto: packet.ProtoTCP}
	f.From = entity.Ref{Kind: entity.Address, Addr: h.addr, MAC: s.router}
	if !h.remote {
		f.From.MAC = h.macs[0]
	}
	names := []string{"www.corp.example", "wiki.corp.example", "shop.corp.example", "crm.corp.example", "git.corp.example"}
	switch s.rnd.IntN(4) {
	case 0:
		f.To, f.Port, f.Via = entity.Ref{Kind: entity.Address, Addr: s.dc.addr, MAC: s.dc.macs[0]}, 88, "kerberos"
	case 1:
		f.To, f.Port, f.Via = entity.Ref{Kind: entity.Address, Addr: ip(10, 1, 0, 3), MAC: mac(3)}, 445, "smb"
	case 2:
		f.To, f.Port, f.Via = entity.Ref{Kind: entity.Address, Addr: ip(10, 1, 0, 4), MAC: mac(4)}, 443, "tls"
		s.tell(first, entity.Fact{Relation: entity.ServedBy, Via: "sni", From: entity.NameRef(entity.Domain, names[s.rnd.IntN(5)]), To: entity.AddressRef(f.To.Addr)})
	default:
		f.To, f.Port, f.Via = entity.Ref{Kind: entity.Address, Addr: ip(203, 0, 113, byte(s.rnd.IntN(200))), MAC: s.router}, 443, "tls"
	}
	if s.core {
		f.From.MAC, f.To.MAC = s.router, mac(99)
	}
	if f.To.Addr == h.addr {
		return
	}
	if h.remote && f.To.MAC == s.router { // does not come by here
		s.truth = s.truth[:len(s.truth)-1]
		return
	}
	s.tell(f.Last+minute, f)
}

// id tells hosts apart that have one name.
func (s *sim) id(h *host) string { return fmt.Sprint(slices.Index(s.hosts, h)) }

// TestWeek holds the devices against the truth of simulated weeks: of pairs of
// sightings that are said to be of one device, and that are.
func TestWeek(t *testing.T) {
	for seed := range uint64(6) {
		s := newSim(seed)
		s.core = seed%2 == 1
		s.run()
		g := entity.New(entity.Options{})
		for i := range s.facts {
			g.Add(&s.facts[i].f)
		}
		said, truth := sightings(g, s)
		precision, recall := pairwise(said, truth)
		t.Logf("seed %d, behind the router %v: %d hosts, %d facts, %d devices, %d sightings: precision %.4f, recall %.4f", seed, s.core, len(s.hosts), len(s.facts), len(g.Devices()), len(said), precision, recall)
		if precision < 0.99 || recall < 0.90 {
			t.Errorf("seed %d: precision %.4f and recall %.4f, want at least 0.99 and 0.90", seed, precision, recall)
		}
		if t.Failed() {
			explain(t, said, truth)
		}
	}
}

// sightings returns what the graph says of each sighting, and the truth; the
// same said of a host at an address within an hour counts once.
func sightings(g *entity.Graph, s *sim) (said, truth []string) {
	type key struct {
		host, device string
		addr         packet.Addr
		hour         int64
	}
	seen := make(map[key]bool)
	for _, x := range s.truth {
		device := "none"
		if d := g.DeviceAt(x.addr, x.at); d != nil {
			device = d.ID
		}
		k := key{x.host, device, x.addr, x.at / hour}
		if !seen[k] {
			seen[k] = true
			said, truth = append(said, device), append(truth, x.host)
		}
	}
	return said, truth
}

// pairwise returns precision and recall over all pairs.
func pairwise(said, truth []string) (precision, recall float64) {
	both, saidOne, trueOne := map[[2]string]int{}, map[string]int{}, map[string]int{}
	for i := range said {
		both[[2]string{said[i], truth[i]}]++
		saidOne[said[i]]++
		trueOne[truth[i]]++
	}
	return pairs(both) / pairs(saidOne), pairs(both) / pairs(trueOne)
}

func pairs[K comparable](m map[K]int) (n float64) {
	for _, v := range m {
		n += float64(v) * float64(v-1) / 2
	}
	return n
}

func explain(t *testing.T, said, truth []string) {
	by := make(map[string]map[string]int)
	for i := range said {
		if by[said[i]] == nil {
			by[said[i]] = make(map[string]int)
		}
		by[said[i]][truth[i]]++
	}
	for device, hosts := range by {
		t.Logf("%s is said of hosts %v", device, hosts)
	}
}
