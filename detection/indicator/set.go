package indicator

import (
	"net/netip"
	"slices"

	"tyto/detection"
	"tyto/internal/fields"
	"tyto/packet"
	"tyto/session"
)

// Set is lists of indicators, ready to be looked at by many at once.
type Set struct {
	lists   []*List
	entries []Entry
	next    []int32 // entry of the same key, -1: none
	groups  []group

	addrs    map[packet.Addr]int32
	networks []networkTable
	domains  map[string]int32
	urls     map[string]int32 // host, port if it is not 80, path and query
	prints   map[string]int32 // fingerprints and certificates, hexadecimal digits in lower case
}

// networkTable is the networks of one length.
type networkTable struct {
	bits  int // of 128
	first map[packet.Addr]int32
}

// group is an indicator that needs several things: of each part all conditions
// in one session; all parts of one device.
type group struct {
	text  string
	parts [][]condition
	entry int32 // first of its entries
}

// condition is one of: an entry of the group, a port, a protocol.
type condition struct {
	kind  Kind
	value string
	side  side
	port  uint16
	proto uint8
}

// NewSet puts lists together.
func NewSet(lists ...*List) *Set {
	s := &Set{
		lists: lists, addrs: make(map[packet.Addr]int32), domains: make(map[string]int32), urls: make(map[string]int32), prints: make(map[string]int32),
	}
	for i, l := range lists {
		groups := int32(len(s.groups))
		s.groups = append(s.groups, l.groups...)
		for _, e := range l.Entries {
			e.list = int32(i)
			if e.group != 0 {
				e.group += groups
				if g := &s.groups[e.group-1]; g.entry < 0 {
					g.entry = int32(len(s.entries))
				}
			}
			s.add(e)
		}
	}
	slices.SortFunc(s.networks, func(a, b networkTable) int { return b.bits - a.bits })
	return s
}

// Len returns the number of entries.
func (s *Set) Len() int { return len(s.entries) }

// Lists returns the lists.
func (s *Set) Lists() []*List { return s.lists }

// add adds an entry in normal form.
func (s *Set) add(e Entry) {
	i := int32(len(s.entries))
	s.entries, s.next = append(s.entries, e), append(s.next, -1)
	switch e.Kind {
	case Address:
		a, err := netip.ParseAddr(e.Value)
		if err == nil {
			chain(s, s.addrs, packet.AddrOf(a), i)
		}
	case Network:
		p, err := netip.ParsePrefix(e.Value)
		if err == nil {
			s.network(p, i)
		}
	case Domain:
		chain(s, s.domains, e.Value, i)
	case URL:
		chain(s, s.urls, e.Value, i)
	default:
		chain(s, s.prints, e.Value, i)
	}
}

// chain puts an entry in a table, before those with the same key.
func chain[K comparable](s *Set, table map[K]int32, key K, i int32) {
	if old, ok := table[key]; ok {
		s.next[i] = old
	}
	table[key] = i
}

func (s *Set) network(p netip.Prefix, i int32) {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	at := slices.IndexFunc(s.networks, func(t networkTable) bool { return t.bits == bits })
	if at < 0 {
		at = len(s.networks)
		s.networks = append(s.networks, networkTable{bits, make(map[packet.Addr]int32)})
	}
	chain(s, s.networks[at].first, masked(packet.AddrOf(p.Addr()), bits), i)
}

// masked returns the first bits of an address.
func masked(a packet.Addr, bits int) packet.Addr {
	for i := range a {
		switch n := bits - 8*i; {
		case n <= 0:
			a[i] = 0
		case n < 8:
			a[i] &= 0xff << (8 - n)
		}
	}
	return a
}

// address returns the first entry about an address, -1 if there is none.
func (s *Set) address(a packet.Addr) int32 {
	if i, ok := s.addrs[a]; ok {
		return i
	}
	return -1
}

// networksOf appends the networks on lists that an address is in.
func (s *Set) networksOf(a packet.Addr, resp bool, v *detection.Session, hits []hit) []hit {
	for i := range s.networks {
		t := &s.networks[i]
		e, ok := t.first[masked(a, t.bits)]
		for ; ok && e >= 0; e = s.next[e] {
			if !s.suits(e, v, resp) {
				continue
			}
			field := "id.orig_h"
			if resp {
				field = "id.resp_h"
			}
			hits = append(hits, hit{entry: e, at: v.First, field: field, value: a.String()})
		}
	}
	return hits
}

// domain appends the entries about a domain, or one that it is below. The name
// is in lower case.
func (s *Set) domain(name []byte, list []int32) []int32 {
	if len(s.domains) == 0 {
		return list
	}
	for from := 0; from < len(name); {
		if e, ok := s.domains[string(name[from:])]; ok {
			for ; e >= 0; e = s.next[e] {
				if from == 0 || !s.entries[e].Exact {
					list = append(list, e)
				}
			}
		}
		for from < len(name) && name[from] != '.' {
			from++
		}
		from++
	}
	return list
}

// kinds of prints that a field may be.
func (k Kind) is(field string) bool {
	switch field {
	case "ja3":
		return k == JA3 || k == Fingerprint
	case "ja3s":
		return k == JA3S || k == Fingerprint
	case "hassh", "hasshServer":
		return k == HASSH || k == Fingerprint
	case "ja4":
		return k == JA4
	}
	return k == Certificate
}

// print appends the entries about a fingerprint, in lower case, of a field.
func (s *Set) print(field string, value []byte, list []int32) []int32 {
	e, ok := s.prints[string(value)]
	for ; ok && e >= 0; e = s.next[e] {
		if s.entries[e].Kind.is(field) {
			list = append(list, e)
		}
	}
	return list
}

// matcher looks at the records of a lane.
type matcher struct {
	set   *Set
	text  []byte
	found []int32
}

// NewMatcher returns a matcher of what is on the lists.
func (s *Set) NewMatcher() detection.Matcher { return &matcher{set: s} }

// Wants implements detection.Matcher.
func (m *matcher) Wants(kind string) bool {
	switch kind {
	case "dns", "http":
		return len(m.set.domains)+len(m.set.urls) > 0
	case "tls", "quic":
		return len(m.set.domains)+len(m.set.prints) > 0
	case "x509", "ssh":
		return len(m.set.prints) > 0
	}
	return false
}

// Ended implements detection.Matcher.
func (m *matcher) Ended(_ *session.Session, found []detection.Mark) []detection.Mark { return found }

// lookedInVain is the field of names that do not exist.
const lookedInVain = "query without answer"

// Record implements detection.Matcher.
func (m *matcher) Record(_ *session.Session, at int64, r *fields.Reader, found []detection.Mark) []detection.Mark {
	m.found = m.found[:0]
	switch r.Kind() {
	case "dns":
		m.name(r.Text("query"))
		field := "query"
		if len(m.found) > 0 && r.Raw("answers") == nil && r.Raw("rcode_name") != nil {
			field = lookedInVain
		}
		return m.marks(field, at, found)
	case "http":
		host := r.Text("host")
		m.name(withoutPort(host))
		found = m.marks("host", at, found)
		m.url(host, r.Text("uri"))
		return m.marks("uri", at, found)
	case "quic":
		m.name(r.Text("server_name"))
		return m.marks("server_name", at, found)
	case "ssh":
		found = m.prints(r, at, found, "hassh", "hasshServer")
	case "tls":
		m.name(r.Text("server_name"))
		found = m.marks("server_name", at, found)
		found = m.prints(r, at, found, "ja3", "ja3s", "ja4")
	case "x509":
		found = m.prints(r, at, found, "fingerprint", "fingerprint_sha1")
	}
	return found
}

// prints looks at fields with fingerprints.
func (m *matcher) prints(r *fields.Reader, at int64, found []detection.Mark, names ...string) []detection.Mark {
	for _, n := range names {
		if v := r.Raw(n); v != nil {
			m.text = lower(m.text[:0], v)
			m.found = m.set.print(n, m.text, m.found)
			found = m.marks(n, at, found)
		}
	}
	return found
}

// name looks at a domain.
func (m *matcher) name(v []byte) {
	if len(v) == 0 || len(v) > 255 {
		return
	}
	m.text = lower(m.text[:0], v)
	if m.text[len(m.text)-1] == '.' {
		m.text = m.text[:len(m.text)-1]
	}
	m.found = m.set.domain(m.text, m.found)
}

// url looks at a request.
func (m *matcher) url(host, uri []byte) {
	if len(uri) == 0 || len(m.set.urls) == 0 {
		return
	}
	m.text = m.text[:0]
	if uri[0] == '/' {
		m.text = lower(m.text, host)
	}
	m.text = normalURL(append(m.text, uri...))
	e, ok := m.set.urls[string(m.text)]
	for ; ok && e >= 0; e = m.set.next[e] {
		m.found = append(m.found, e)
	}
}

// marks appends marks of what was found last, which is in text.
func (m *matcher) marks(field string, at int64, found []detection.Mark) []detection.Mark {
	for _, e := range m.found {
		found = append(found, detection.Mark{At: at, By: &rule, Entry: e, Field: field, Value: string(m.text)})
	}
	m.found = m.found[:0]
	return found
}

// lower appends text in ASCII lower case.
func lower[T []byte | string](b []byte, text T) []byte {
	for i := range len(text) {
		c := text[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// withoutPort returns a host without the port that may follow it.
func withoutPort(host []byte) []byte {
	for i := len(host) - 1; i >= 0 && host[i] != ']'; i-- {
		if host[i] == ':' {
			return host[:i]
		}
	}
	return host
}
