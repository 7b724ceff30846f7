package sensor

import (
	"cmp"
	"slices"
	"strings"

	"tyto/packet"
)

// Name returns the best name of an address: a device's own, or the domain it
// was resolved from, or "". A full name is better than NetBIOS', which has 15
// characters at most; a domain that says the same as the NetBIOS name is the
// full name.
func (m *Summary) Name(a packet.Addr) string {
	var names []Fact
	if d := m.Devices[a]; d != nil {
		names = d.Names
	}
	if len(names) == 0 {
		return alias(m.Names[a])
	}
	best := slices.MinFunc(names, func(x, y Fact) int {
		return cmp.Or(cmp.Compare(nameRank(x), nameRank(y)), cmp.Compare(x.Value, y.Value))
	})
	if nameRank(best) < rankNetBIOS {
		return best.Value
	}
	var full []string
	for _, n := range m.Names[a] {
		first, _, _ := strings.Cut(n, ".")
		if strings.EqualFold(first[:min(len(first), maxNetBIOS)], best.Value) {
			full = append(full, n)
		}
	}
	if full == nil {
		return best.Value
	}
	return alias(full)
}

const maxNetBIOS = 15 // characters of a NetBIOS name

// Ranks of names by their source: what knows a device's full name, what knows
// its NetBIOS name, and others.
var fullSources = [...]string{"dhcp", "dhcpv6", "kerberos", "mdns", "dns", "llmnr"}

const (
	rankDotted  = len(fullSources)
	rankNetBIOS = rankDotted + 1
	rankOther   = rankNetBIOS + 1
)

func nameRank(f Fact) int {
	if i := slices.Index(fullSources[:], f.Source); i >= 0 {
		return i
	}
	switch f.Source {
	case "ntlm", "smb", "nbns", "nbdgm", "netbios", "ldap", "rdp":
		if strings.Contains(f.Value, ".") {
			return rankDotted
		}
		return rankNetBIOS
	}
	return rankOther
}

// alias chooses among the domains of one address: not a service's name (RFC
// 8552), not the domain that another is in, else the first in the alphabet.
func alias(names []string) string {
	best, rank := "", 0
	for _, n := range names {
		r := 1
		if strings.Contains(n, "_") {
			r += 2
		}
		for _, other := range names {
			if len(other) > len(n) && other[len(other)-len(n)-1] == '.' && strings.EqualFold(other[len(other)-len(n):], n) && !strings.Contains(other, "_") {
				r++
				break
			}
		}
		if best == "" || r < rank || r == rank && n < best {
			best, rank = n, r
		}
	}
	return best
}

// account is a user name taken apart.
type account struct{ user, domain, text string }

func accountOf(s string) account {
	if domain, user, ok := strings.Cut(s, `\`); ok {
		return account{user, domain, s}
	}
	if i := strings.LastIndexByte(s, '@'); i > 0 {
		return account{s[:i], s[i+1:], s}
	}
	return account{s, "", s}
}

// same reports whether two spellings may be of one user: the same name, and
// domains that do not contradict each other (CORP and corp.example agree).
func (a account) same(b account) bool {
	if !strings.EqualFold(a.user, b.user) {
		return false
	}
	if a.domain == "" || b.domain == "" || strings.EqualFold(a.domain, b.domain) {
		return true
	}
	short, long := a.domain, b.domain
	if strings.Contains(short, ".") {
		short, long = long, short
	}
	first, _, dotted := strings.Cut(long, ".")
	return dotted && !strings.Contains(short, ".") && strings.EqualFold(short, first)
}

// Accounts returns the users of a device, each once, in the spelling that says
// most: the one with the longest domain.
func (d *Device) Accounts() []string {
	var list []account
next:
	for _, f := range d.Users {
		a := accountOf(f.Value)
		for i, b := range list {
			if !a.same(b) {
				continue
			}
			if len(a.domain) > len(b.domain) || len(a.domain) == len(b.domain) && a.text < b.text {
				list[i] = a
			}
			continue next
		}
		list = append(list, a)
	}
	out := make([]string, 0, len(list))
	for _, a := range list {
		out = append(out, a.text)
	}
	return out
}
