package entity

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Weights of evidence that two groups of holders and interfaces are one device:
// log-likelihood ratios, about, in natural units. What several devices share at
// the same time weighs little; names that a machine proves weigh more than
// names that it says, and those more than what any program may say.
const (
	weightDHCPID      = 9.0 // client identifier or DUID
	weightHostKey     = 6.0
	weightCertificate = 6.0 // self-signed: made by the device itself
	weightMachine     = 8.0 // both prove the name
	weightProved      = 6.0 // one proves it, the other says it
	weightSaid        = 4.0
	weightTold        = 2.0 // at least one may be any program's word
	weightDistinct    = 1.0 // the name is long enough, or has a domain: chance is out of the question
	weightProfile     = 1.5 // same DHCP fingerprint
	weightUser        = 1.5 // same and only user
	weightTogether    = 0.5 // seen in the same span of time, as several interfaces of a device are

	againstMachine   = -12.0 // prove different names
	againstNames     = -4.0  // say different names and share none
	againstHostKey   = -6.0
	againstDHCPID    = -3.0
	againstProfile   = -2.0
	againstInterface = -2.0 // have different interfaces
	againstReplaced  = -1.0 // and one ended before the other began

	enough = 5.0 // weight at which two groups are one device
)

// manyGroups is how many groups may share a name or key before it identifies
// nobody: images with the same key, or names out of the box.
const manyGroups = 4

// claimClass says how much a name is worth.
type claimClass uint8

const (
	told   claimClass = iota + 1 // any program may say it
	said                         // the system says it of itself
	proved                       // the machine's own account
)

// classOf returns the class of a name by the protocol that shows it.
func classOf(via string) claimClass {
	switch {
	case via == machineAccount, strings.HasSuffix(via, "-machine"):
		return proved
	case via == viaWorkstation:
		return told
	case via == viaRequest:
		return said
	}
	switch via {
	case "dhcp", "dhcpv6", "mdns", "llmnr", "nbns", "nbdgm", "netbios", "ntlm", "ldap", "smb", "snmp":
		return said
	}
	return told
}

// manyPairs bounds the pairs that are made of those who share a name they prove.
const manyPairs = 16

// profile is what identifies a group.
type profile struct {
	names       map[string]claimClass // short names
	full        map[string]bool       // names with a domain
	keys        map[ID]bool           // host keys
	certs       map[ID]bool           // self-signed certificates
	ids         map[ID]bool           // DHCP identifiers
	prints      map[ID]bool           // DHCP fingerprints
	users       map[ID]bool
	interfaces  map[ID]bool
	first, last int64
}

func newProfile() *profile {
	return &profile{names: map[string]claimClass{}, full: map[string]bool{}, keys: map[ID]bool{}, certs: map[ID]bool{}, ids: map[ID]bool{},
		prints: map[ID]bool{}, users: map[ID]bool{}, interfaces: map[ID]bool{}, first: math.MaxInt64, last: math.MinInt64}
}

func (p *profile) merge(o *profile) {
	for k, v := range o.names {
		p.names[k] = max(p.names[k], v)
	}
	for _, s := range [...]struct{ to, from map[ID]bool }{{p.keys, o.keys}, {p.certs, o.certs}, {p.ids, o.ids}, {p.prints, o.prints}, {p.users, o.users}, {p.interfaces, o.interfaces}} {
		for k := range s.from {
			s.to[k] = true
		}
	}
	for k := range o.full {
		p.full[k] = true
	}
	p.first, p.last = min(p.first, o.first), max(p.last, o.last)
}

// weighGroups joins groups whose evidence says that they are one device: the
// pairs with most evidence first, each weighed again as a whole before it is
// joined.
func (g *Graph) weighGroups(c *conclusion) {
	profiles := g.profiles(c)
	pairs := g.candidates(profiles)
	for _, p := range pairs {
		a, b := c.find(p.a), c.find(p.b)
		if a == b {
			continue
		}
		weight, why := g.weigh(profiles[a], profiles[b])
		if weight < enough {
			continue
		}
		g.unite(c, p.a, p.b, weight, why)
		profiles[min(a, b)].merge(profiles[max(a, b)])
	}
}

// profiles returns the profile of each group that may be a device, by
// representative.
func (g *Graph) profiles(c *conclusion) map[ID]*profile {
	profiles := make(map[ID]*profile)
	for _, id := range append(g.holders(c), g.sorted(Interface)...) {
		n := g.nodes.at(uint32(id))
		if h := g.held[n.addr]; n.kind == Address && h != nil && h.shared && h.machine[n.holder-1] == "" {
			continue
		}
		rep := c.find(id)
		if profiles[rep] == nil {
			profiles[rep] = newProfile()
		}
		g.describe(profiles[rep], id, n)
	}
	return profiles
}

// describe adds what identifies an entity to a profile.
func (g *Graph) describe(p *profile, id ID, n *node) {
	p.first, p.last = min(p.first, n.first), max(p.last, n.last)
	if n.kind == Interface && !g.routes(n.mac) {
		p.interfaces[id] = true
	}
	for e := range g.edgesOf(id, out) {
		to := g.nodes.at(uint32(e.to))
		switch e.kind {
		case Named:
			if name := shortName(to.key); !common(name) {
				p.names[name] = max(p.names[name], classOf(g.vias.list[e.via]))
				if strings.Contains(strings.TrimSuffix(to.key, ".local"), ".") {
					p.full[to.key] = true
				}
			}
		case HasFingerprint:
			p.fingerprint(e.to, to.key)
		case Presents:
			if g.index.find(&g.edges, e.to, e.to, IssuedBy, g.vias.of("x509")) != 0 {
				p.certs[e.to] = true
			}
		}
	}
	for e := range g.edgesOf(id, in) {
		if e.kind == ActiveAt && !machineUser(g.nodes.at(uint32(e.from)).key) {
			p.users[e.from] = true
		}
	}
}

func (p *profile) fingerprint(id ID, key string) {
	switch kind, _, _ := strings.Cut(key, ":"); kind {
	case "hostkey":
		p.keys[id] = true
	case "dhcp-id", "duid":
		p.ids[id] = true
	case "dhcp":
		p.prints[id] = true
	}
}

// commonNames are names that devices have out of the box.
var commonNames = []string{"localhost", "android", "iphone", "ipad", "raspberrypi", "ubuntu", "debian", "kali", "windows", "desktop",
	"laptop", "pc", "workstation", "host", "unknown", "user-pc", "router", "gateway", "printer", "esp", "openwrt", "linux", "macbook",
	"macbook-air", "macbook-pro", "imac", "server", "win10", "win11", "windows10", "windows11", "rfb", "null", "none", "test", "admin-pc"}

// common reports whether a name identifies nobody.
func common(name string) bool { return len(name) < 2 || slices.Contains(commonNames, name) }

// pair is two groups that share something.
type pair struct {
	a, b   ID
	weight float64
}

// candidates returns the pairs of groups that share something which identifies,
// the heaviest first.
func (g *Graph) candidates(profiles map[ID]*profile) []pair {
	type value struct {
		kind byte
		id   ID
		name string
	}
	sharing := make(map[value][]ID)
	for rep, p := range profiles {
		for name := range p.names {
			sharing[value{kind: 'n', name: name}] = append(sharing[value{kind: 'n', name: name}], rep)
		}
		for kind, set := range map[byte]map[ID]bool{'k': p.keys, 'c': p.certs, 'i': p.ids} {
			for id := range set {
				sharing[value{kind: kind, id: id}] = append(sharing[value{kind: kind, id: id}], rep)
			}
		}
	}
	seen := make(map[[2]ID]bool)
	var pairs []pair
	for v, reps := range sharing {
		slices.Sort(reps)
		if len(reps) > manyGroups {
			if v.kind != 'n' {
				continue
			}
			// Only machines that prove the name: one may have had many addresses.
			reps = slices.DeleteFunc(reps, func(id ID) bool { return profiles[id].names[v.name] != proved })
		}
		for i, a := range reps {
			if i == manyPairs { // all are paired with the first ones
				break
			}
			for _, b := range reps[i+1:] {
				if seen[[2]ID{a, b}] {
					continue
				}
				seen[[2]ID{a, b}] = true
				if w, _ := g.weigh(profiles[a], profiles[b]); w > 0 {
					pairs = append(pairs, pair{a, b, w})
				}
			}
		}
	}
	slices.SortFunc(pairs, func(x, y pair) int {
		return cmp.Or(cmp.Compare(y.weight, x.weight), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	})
	return pairs
}

// weigh returns the weight of all evidence that two groups are one device, and
// the reasons in words.
func (g *Graph) weigh(a, b *profile) (weight float64, why string) {
	var reasons []string
	add := func(w float64, reason string) {
		if w != 0 {
			weight += w
			reasons = append(reasons, reason)
		}
	}
	w, reason := weighNames(a, b)
	add(w, reason)
	add(weighSets(a.ids, b.ids, weightDHCPID, againstDHCPID), "DHCP identifier")
	add(weighSets(a.keys, b.keys, weightHostKey, againstHostKey), "SSH host key")
	add(weighSets(a.certs, b.certs, weightCertificate, 0), "self-signed certificate")
	if weight <= 0 {
		return weight, ""
	}
	add(weighSets(a.prints, b.prints, weightProfile, againstProfile), "DHCP fingerprint")
	if len(a.users) == 1 && len(b.users) == 1 {
		add(weighSets(a.users, b.users, weightUser, 0), "user")
	}
	together := a.first <= b.last && b.first <= a.last
	if together {
		weight += weightTogether
	}
	if len(a.interfaces) > 0 && len(b.interfaces) > 0 {
		weight += againstInterface
		if !together {
			weight += againstReplaced
		}
	}
	return weight, strings.Join(reasons, ", ")
}

// weighNames compares the names of two groups: the best they share counts, once.
func weighNames(a, b *profile) (weight float64, reason string) {
	best, provedA, provedB, saidBoth := "", false, false, false
	for name, class := range a.names {
		provedA = provedA || class == proved
		other := b.names[name]
		if other == 0 {
			continue
		}
		w := weightTold
		switch low, high := min(class, other), max(class, other); {
		case low == proved:
			w = weightMachine
		case low == said && high == proved:
			w = weightProved
		case low == said:
			w = weightSaid
		}
		if w > weight || w == weight && name < best {
			weight, best = w, name
		}
	}
	for name, class := range b.names {
		provedB = provedB || class == proved
		saidBoth = saidBoth || class >= said && a.says() && a.names[name] == 0
	}
	switch {
	case best != "":
		if len(best) >= 8 || shareFull(a, b, best) {
			weight += weightDistinct
		}
		return weight, "name " + best
	case provedA && provedB:
		return againstMachine, "machine accounts"
	case saidBoth:
		return againstNames, "names"
	}
	return 0, ""
}

// says reports whether a group says its own name.
func (p *profile) says() bool {
	for _, class := range p.names {
		if class >= said {
			return true
		}
	}
	return false
}

// shareFull reports whether two groups have the same full name.
func shareFull(a, b *profile, short string) bool {
	for name := range a.full {
		if b.full[name] && shortName(name) == short {
			return true
		}
	}
	return false
}

// weighSets returns the weight for values in common, or that against where both
// have values and none in common.
func weighSets(a, b map[ID]bool, common, against float64) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	for id := range a {
		if b[id] {
			return common
		}
	}
	return against
}
