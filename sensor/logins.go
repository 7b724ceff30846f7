package sensor

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// loginKey is what logins are counted by.
type loginKey struct {
	orig, resp packet.Addr
	port       uint16
	app        string // that refused or accepted
	account    string // or the method, where the account is not seen; "" for any
}

// logins are the attempts of one account from one address at one server.
type logins struct {
	refused, accepted int
	attempts          []login // as far as there was room
}

// login is one attempt.
type login struct {
	time     int64 // ns
	uid      session.UID
	accepted bool
}

const (
	maxLogins   = 4000  // accounts, per lane
	maxAttempts = 10000 // of all accounts, per lane
	// guessedLogins is how many refusals in a row before a login make it worth
	// telling: more than the three a person is allowed at a prompt.
	guessedLogins = 4
)

func (m *Summary) login(s *session.Session, o protocol.Observation, accepted bool, now int64) {
	k := loginKey{s.Orig, s.Resp, s.RespPort, o.Source, o.Value}
	l := m.logins[k]
	if l == nil {
		if len(m.logins) >= maxLogins {
			m.Overflow++
			return
		}
		l = new(logins)
		k.account = strings.Clone(k.account)
		m.logins[k] = l
	}
	if accepted {
		l.accepted++
	} else {
		l.refused++
	}
	if m.attempts < maxAttempts {
		m.attempts++
		l.attempts = append(l.attempts, login{now, s.UID, accepted})
	}
}

func (l *logins) add(o *logins) {
	l.refused += o.refused
	l.accepted += o.accepted
	l.attempts = append(l.attempts, o.attempts...)
}

// run returns the most refusals in a row before a login, and that login.
func (l *logins) run() (refused int, in login) {
	n := 0
	for _, a := range l.attempts {
		if !a.accepted {
			n++
			continue
		}
		if n > refused {
			refused, in = n, a
		}
		n = 0
	}
	return refused, in
}

// concludeLogins makes findings of the logins: for each pair of client and
// server, and for each account that was tried from several addresses.
func (m *Summary) concludeLogins() {
	pairs, accounts := make(map[loginKey]*logins), make(map[loginKey]*logins)
	names := make(map[session.UID]string) // accounts of logins
	sources := make(map[loginKey]int)
	group := func(in map[loginKey]*logins, k loginKey, l *logins) {
		if in[k] == nil {
			in[k] = new(logins)
		}
		in[k].add(l)
		sources[k]++
	}
	for _, k := range slices.SortedFunc(maps.Keys(m.logins), compareLogins) {
		l := m.logins[k]
		for _, a := range l.attempts {
			if names[a.uid] == "" || a.accepted {
				names[a.uid] = k.account
			}
		}
		pair := k
		pair.account = ""
		group(pairs, pair, l)
		if k.account != "" && k.account != k.app {
			one := k
			one.orig = packet.Addr{}
			group(accounts, one, l)
		}
	}
	for k, l := range pairs {
		f := l.finding(k, names)
		if f != nil {
			m.Findings[f.FindingKey] = f
		}
	}
	for k, l := range accounts {
		if sources[k] < 2 {
			continue
		}
		if f := l.finding(k, names); f != nil && f.Kind == FindLogins {
			f.Detail, f.Sources = k.account, sources[k]
			m.Findings[f.FindingKey] = f
		}
	}
}

func compareLogins(a, b loginKey) int {
	return cmp.Or(slices.Compare(a.resp[:], b.resp[:]), cmp.Compare(a.port, b.port), cmp.Compare(a.app, b.app),
		slices.Compare(a.orig[:], b.orig[:]), cmp.Compare(a.account, b.account))
}

// finding tells the logins of a group, or nil if none was refused. names has the
// account tried in each session.
func (l *logins) finding(k loginKey, names map[session.UID]string) *Finding {
	if l.refused == 0 {
		return nil
	}
	slices.SortFunc(l.attempts, func(a, b login) int { return cmp.Or(cmp.Compare(a.time, b.time), compareUID(a.uid, b.uid)) })
	f := &Finding{FindingKey: FindingKey{Kind: FindRefused, Orig: k.orig, Resp: k.resp, Port: k.port, Detail: k.app}, App: k.app,
		Refused: l.refused, Accepted: l.accepted, Sessions: l.refused}
	if n, in := l.run(); n >= guessedLogins {
		f.Kind, f.Refused, f.First, f.UIDs, f.Extra = FindLogins, n, in.time, []session.UID{in.uid}, names[in.uid]
		return f
	}
	for _, a := range l.attempts {
		if !a.accepted && f.UIDs == nil {
			f.First, f.UIDs, f.Extra = a.time, []session.UID{a.uid}, names[a.uid]
		}
	}
	if n := len(l.attempts); n > 0 && l.accepted > 0 {
		f.Among = !l.attempts[n-1].accepted
	}
	return f
}
