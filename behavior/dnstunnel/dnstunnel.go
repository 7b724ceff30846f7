// Package dnstunnel measures what the names that a client asks for below one
// domain could carry: how many different ones, how many bytes in them, how random
// they look, which types are asked for, and how much comes back. One name tells
// little (at 0.8 % false positives a day's names raise thousands of alarms,
// SCIENCE.md B.3), many below one domain do.
package dnstunnel

import (
	"bytes"
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"tyto/packet"
)

// Query is one question with its answer.
type Query struct {
	At      int64 // ns
	Client  packet.Addr
	Name    string
	Type    string // A, TXT, NULL, …
	Answer  uint64 // bytes of the answer
	Missing bool   // there is no such name
}

// Count is what a client asked for below a domain.
type Count struct {
	Client      packet.Addr
	Domain      string // or NoDomain
	Queries     int
	Distinct    int     // names
	Bytes       float64 // that distinct names could carry: their labels' lengths times their bits a character
	Longest     int     // characters below the domain
	Odd         int     // queries of types that hosts seldom ask for: TXT, NULL, CNAME, MX, SRV, KEY
	Null        int     // of these, of types that no host asks for: NULL, KEY, PRIVATE
	Missing     int
	Answers     uint64 // bytes
	First, Last int64
	Clients     int // that ask for many names below the domain, this one with them

	chars [256]uint32 // of distinct names
	total uint32
}

// NoDomain is the group of names whose last label is no top-level domain.
const NoDomain = "(no domain)"

// Entropy returns the bits a character of the names' own labels has, 0 to 8.
func (c *Count) Entropy() float64 {
	h := 0.0
	for _, n := range c.chars {
		if n > 0 {
			p := float64(n) / float64(c.total)
			h -= p * math.Log2(p)
		}
	}
	return h
}

// Length returns how many characters distinct names have below the domain.
func (c *Count) Length() float64 { return float64(c.total) / float64(max(c.Distinct, 1)) }

// Limits.
const (
	maxGroups = 50_000
	maxNames  = 8192    // of a group, to tell which are distinct; all others count as such
	maxAll    = 1 << 21 // of all groups; what does not fit is not counted
	// many is how many different names make a client one that asks for many.
	many       = 10
	maxClients = 64
)

type key struct {
	client packet.Addr
	domain string
}

type state struct {
	Count
	names map[uint32]struct{} // hashes
}

// Table counts queries. The zero value is ready for use.
type Table struct {
	Overflow uint64 // groups that were forgotten, and names that were not counted
	groups   map[key]*state
	clients  map[string]map[packet.Addr]struct{} // that ask for many names, by domain
	all      int                                 // names
}

// Add notes a query and returns what is known of its group, nil if there is none:
// for addresses asked backwards and single labels. It is valid until the next
// call.
func (t *Table) Add(q Query) *Count {
	if t.groups == nil {
		t.groups, t.clients = make(map[key]*state), make(map[string]map[packet.Addr]struct{})
	}
	below, domain := Split(q.Name)
	if domain == "" {
		return nil
	}
	k := key{q.Client, domain}
	s := t.groups[k]
	if s == nil {
		if len(t.groups) >= maxGroups {
			t.forget()
		}
		s = &state{Count: Count{Client: q.Client, Domain: domain, First: q.At}, names: make(map[uint32]struct{})}
		t.groups[k] = s
	}
	s.Queries++
	s.Last = q.At
	s.Answers += q.Answer
	if q.Missing {
		s.Missing++
	}
	switch q.Type {
	case "TXT", "CNAME", "MX", "SRV":
		s.Odd++
	case "NULL", "KEY", "PRIVATE":
		s.Odd++
		s.Null++
	}
	t.name(s, below)
	s.Clients = len(t.clients[domain])
	return &s.Count
}

// Clients returns how many clients ask for many names below a domain.
func (t *Table) Clients(domain string) int { return len(t.clients[domain]) }

// forget makes room: a quarter of the groups goes, those whose names could carry
// least first.
func (t *Table) forget() {
	list := slices.SortedFunc(maps.Values(t.groups), func(a, b *state) int {
		return cmp.Or(cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Last, b.Last), bytes.Compare(a.Client[:], b.Client[:]), cmp.Compare(a.Domain, b.Domain))
	})
	for _, s := range list[:len(list)/4] {
		delete(t.groups, key{s.Client, s.Domain})
		t.all -= len(s.names)
		t.Overflow++
	}
	left := make(map[string]bool)
	for k := range t.groups {
		left[k.domain] = true
	}
	maps.DeleteFunc(t.clients, func(domain string, _ map[packet.Addr]struct{}) bool { return !left[domain] })
}

// name counts the characters below the domain, of names that are new.
func (t *Table) name(s *state, below string) {
	if below == "" {
		return
	}
	h := hash(below)
	if _, known := s.names[h]; known {
		return
	}
	if t.all >= maxAll {
		t.Overflow++
		return
	}
	if len(s.names) < maxNames {
		s.names[h] = struct{}{}
		t.all++
	}
	s.Distinct++
	s.Longest = max(s.Longest, len(below))
	for i := range len(below) {
		if c := below[i]; c != '.' {
			s.chars[c]++
			s.total++
		}
	}
	s.Bytes = float64(s.total) * s.Entropy() / 8
	if s.Distinct != many {
		return
	}
	clients := t.clients[s.Domain]
	if clients == nil {
		clients = make(map[packet.Addr]struct{})
		t.clients[s.Domain] = clients
	}
	if len(clients) < maxClients {
		clients[s.Client] = struct{}{}
	}
}

// hash is FNV-1a, of 32 bits.
func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

// Split divides a name into what is below the domain that somebody registered,
// and that domain. Two labels are taken for a registered domain, three below
// country codes with a second level (co.uk). The domain is "" for names of one
// label and those below arpa.
func Split(name string) (below, domain string) {
	name = strings.TrimSuffix(name, ".")
	last := strings.LastIndexByte(name, '.')
	if last <= 0 {
		return "", ""
	}
	top := strings.ToLower(name[last+1:])
	if top == "arpa" || top == "local" {
		return "", ""
	}
	if !topLevel(top) {
		return name, NoDomain
	}
	second := strings.LastIndexByte(name[:last], '.')
	if second > 0 && len(top) == 2 && last-second-1 <= 3 {
		if third := strings.LastIndexByte(name[:second], '.'); third >= 0 {
			second = third
		} else {
			second = -1
		}
	}
	if second < 0 {
		return "", strings.ToLower(name)
	}
	return name[:second], strings.ToLower(name[second+1:])
}

// topLevel reports whether a label may be a top-level domain: letters only, and
// no more than the longest have.
func topLevel(s string) bool {
	if strings.HasPrefix(s, "xn--") {
		return true
	}
	for i := range len(s) {
		if s[i] < 'a' || s[i] > 'z' {
			return false
		}
	}
	return len(s) >= 2 && len(s) <= 18
}
