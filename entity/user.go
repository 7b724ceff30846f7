package entity

import (
	"cmp"
	"slices"
	"strings"
)

// Account is a user, or the account of a machine: the spellings that the
// evidence says are one.
type Account struct {
	ID          string // of its first spelling
	Name        string
	Domain      string // the longest form seen; empty if none was
	Machine     bool   // the account of a machine: its name ends in $
	Spellings   []string
	Logins      uint64 // accepted
	Refused     uint64
	First, Last int64 // ns

	parts []ID
}

// String returns name@domain, or the name alone.
func (a *Account) String() string {
	if a.Domain == "" {
		return a.Name
	}
	return a.Name + "@" + a.Domain
}

// Accounts returns the users and machine accounts, in the order in which they
// appeared.
func (g *Graph) Accounts() []*Account { return g.conclude().users }

func machineUser(key string) bool {
	name, _, _ := strings.Cut(key, "@")
	return strings.HasSuffix(name, "$")
}

// concludeUsers groups the spellings of accounts: the same name, in domains
// that are one.
func (g *Graph) concludeUsers(c *conclusion) {
	c.account = make(map[ID]*Account)
	byName := make(map[string][]*Account)
	var bare []ID
	for _, id := range g.sorted(User) {
		n := g.nodes.at(uint32(id))
		name, domain, _ := strings.Cut(n.key, "@")
		if domain == "" {
			bare = append(bare, id)
			continue
		}
		var a *Account
		for _, have := range byName[name] {
			if g.sameDomain(have.Domain, domain) {
				a = have
				break
			}
		}
		if a == nil {
			a = g.newAccount(c, id, name)
			byName[name] = append(byName[name], a)
		}
		g.addSpelling(c, a, id, domain)
	}
	for _, id := range bare {
		name, _, _ := strings.Cut(g.nodes.at(uint32(id)).key, "@")
		// Without a domain it is that of the only one who was at the same place.
		var same []*Account
		for _, a := range byName[name] {
			if g.meet(a, id) {
				same = append(same, a)
			}
		}
		if len(same) == 1 {
			g.addSpelling(c, same[0], id, "")
			continue
		}
		g.addSpelling(c, g.newAccount(c, id, name), id, "")
	}
	slices.SortFunc(c.users, func(a, b *Account) int { return cmp.Compare(a.parts[0], b.parts[0]) })
}

func (g *Graph) newAccount(c *conclusion, id ID, name string) *Account {
	n := g.nodes.at(uint32(id))
	a := &Account{ID: n.id(), Name: name, Machine: strings.HasSuffix(name, "$"), First: n.first, Last: n.last}
	c.users = append(c.users, a)
	return a
}

func (g *Graph) addSpelling(c *conclusion, a *Account, id ID, domain string) {
	n := g.nodes.at(uint32(id))
	a.parts = append(a.parts, id)
	a.Spellings = append(a.Spellings, n.key)
	a.First, a.Last = min(a.First, n.first), max(a.Last, n.last)
	if len(domain) > len(a.Domain) {
		a.Domain = domain
	}
	for e := range g.edgesOf(id, out) {
		if e.kind == LoggedIn {
			a.Logins += uint64(e.count - e.failed)
			a.Refused += uint64(e.failed)
		}
	}
	c.account[id] = a
}

// sameDomain reports whether two domain names are one's: equal, told to be so
// by a server, or the first label of the other.
func (g *Graph) sameDomain(a, b string) bool {
	if a == b {
		return true
	}
	x, y := g.names[Domain][a], g.names[Domain][b]
	if x != 0 && y != 0 && (g.related(x, y, SameAs) || g.related(y, x, SameAs)) {
		return true
	}
	short, long := a, b
	if strings.Contains(short, ".") {
		short, long = long, short
	}
	first, _, dotted := strings.Cut(long, ".")
	return dotted && short == first
}

// related reports whether there is a relation of a kind, whoever shows it.
func (g *Graph) related(from, to ID, kind RelationKind) bool {
	for e := range g.edgesOf(from, out) {
		if e.kind == kind && e.to == to {
			return true
		}
	}
	return false
}

// meet reports whether an account and a spelling were seen at the same address.
func (g *Graph) meet(a *Account, id ID) bool {
	at := make(map[ID]bool)
	for _, part := range a.parts {
		for e := range g.edgesOf(part, out) {
			at[e.to] = at[e.to] || e.kind == ActiveAt || e.kind == LoggedIn
		}
	}
	for e := range g.edgesOf(id, out) {
		if (e.kind == ActiveAt || e.kind == LoggedIn) && at[e.to] {
			return true
		}
	}
	return false
}
