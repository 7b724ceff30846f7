// Package bruteforce measures logins that are tried: many for one account, many
// accounts with few tries each, in one session or over many, and whether one was
// accepted after others were refused.
package bruteforce

import "tyto/packet"

// Login is an answer to an attempt to log in, or several of one session.
type Login struct {
	At       int64 // ns
	From, To packet.Addr
	How      string // protocol
	Account  string // empty if it is not told
	Refused  int
	Accepted int
}

// Count is what a source tried at a server.
type Count struct {
	From, To packet.Addr // To is zero if it is over all servers
	How      string
	Refused  int // since the latest that was accepted, or all if none was
	Accounts int // different ones refused
	// Then is how many were refused before one was accepted; 0 if none was, or
	// if there had been none.
	Then        int
	Account     string // that was accepted then
	First, Last int64  // of those refused
}

// Most returns how many tries an account had on average.
func (c *Count) Most() float64 { return float64(c.Refused) / float64(max(c.Accounts, 1)) }

// Limits.
const (
	maxGroups   = 20_000
	maxAccounts = 2000
	// Forget is how long a source may pause before its count starts again, in ns.
	Forget = int64(6 * 3600e9)
)

type group struct {
	from, to packet.Addr
	how      string
}

type state struct {
	Count
	accounts map[string]bool
}

// Table counts logins. The zero value is ready for use.
type Table struct {
	Overflow uint64
	groups   map[group]*state
}

// Add notes a login, and returns the count at this server and that over all
// servers; nil if there is no room. They are valid until the next call.
func (t *Table) Add(l Login) (server, all *Count) {
	if t.groups == nil {
		t.groups = make(map[group]*state)
	}
	return t.add(group{l.From, l.To, l.How}, l), t.add(group{from: l.From}, l)
}

func (t *Table) add(g group, l Login) *Count {
	s := t.groups[g]
	if s == nil {
		if len(t.groups) >= maxGroups {
			t.Overflow++
			return nil
		}
		s = &state{Count: Count{From: g.from, To: g.to, How: g.how}, accounts: make(map[string]bool)}
		t.groups[g] = s
	}
	if l.At-s.Last > Forget && s.Last != 0 {
		*s = state{Count: Count{From: g.from, To: g.to, How: g.how}, accounts: make(map[string]bool)}
	}
	if l.Refused > 0 {
		if s.Refused == 0 {
			s.First = l.At
		}
		s.Last = l.At
		s.Refused += l.Refused
		if l.Account != "" && len(s.accounts) < maxAccounts {
			s.accounts[l.Account] = true
		}
		s.Accounts = len(s.accounts)
	}
	s.Then = 0
	if l.Accepted > 0 {
		if s.Refused > 0 && (s.accounts[l.Account] || l.Account == "" || s.Accounts == 0) {
			s.Then, s.Account = s.Refused, l.Account
		}
	}
	return &s.Count
}
