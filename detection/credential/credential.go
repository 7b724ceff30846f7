// Package credential finds attempts to get at credentials: passwords that are
// guessed, tickets that are asked for to guess passwords by, secrets that a
// directory or a machine is made to hand over, and flaws by which one logs in
// without any.
package credential

import (
	"fmt"
	"math"
	"strings"

	"tyto/behavior/bruteforce"
	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Rules are the definitions of this package.
var Rules = []*detection.Definition{&guessing, &roasting, &dumping, &zerologon, &overpass, &discovery}

var guessing = detection.Definition{
	ID: "password-guessing", Title: "Passwords are guessed", Severity: detection.Medium,
	Doc: "Logins are refused again and again: many for one account, or a few for each of many accounts (spraying), in one session or over many, whatever the protocol. " +
		"It weighs more the more there are, and much more if one was accepted in the end.",
	Techniques: []string{"T1110.001", "T1110.003"},
	Twin:       "People mistype, and programs go on with an old password: few accounts, few tries, or the same account at an even pace and never accepted.",
}

var roasting = detection.Definition{
	ID: "kerberos-roasting", Title: "Tickets are asked for to guess passwords by", Severity: detection.High,
	Doc:        "A client asks Kerberos for tickets that passwords can be guessed from: for services, with RC4 (Kerberoasting), for many services in a short time, or for accounts that need no pre-authentication (AS-REP roasting); or it tries names until some exist.",
	Techniques: []string{"T1558.003", "T1558.004", "T1087.002"},
	Twin:       "Old services need RC4, and a logon asks for several tickets: the same few, by every client, day by day.",
}

var dumping = detection.Definition{
	ID: "credential-dumping", Title: "Secrets are taken from a machine or the directory", Severity: detection.Critical,
	Doc:        "A machine that is no domain controller replicates the directory's secrets (DCSync), saves registry hives that hold them, asks for the domain's backup key or for secrets of the local security authority, or makes another machine log in to it (coercion).",
	Techniques: []string{"T1003.006", "T1003.002", "T1003.004", "T1555", "T1187"},
	Twin:       "Domain controllers replicate with each other: both answer Kerberos or LDAP.",
}

var zerologon = detection.Definition{
	ID: "zerologon", Title: "Netlogon is tried with empty keys", Severity: detection.Critical,
	Doc:        "A client asks the Netlogon service for one challenge after the other and authenticates each time, as it takes 256 tries on average to hit a key of zeros (CVE-2020-1472).",
	Techniques: []string{"T1210", "T1068"},
	Twin:       "A member of the domain authenticates once and keeps its secure channel.",
}

var overpass = detection.Definition{
	ID: "overpass-the-hash", Title: "A ticket is asked for with a password's hash", Severity: detection.High,
	Doc:        "A client asks for a ticket-granting ticket and offers RC4 alone, for which the hash of the password is the key: who stole the hash needs no password. Programs that know the password offer AES too.",
	Techniques: []string{"T1550.002", "T1558"},
	Twin:       "Very old clients know nothing but RC4: they always ask so.",
}

var discovery = detection.Definition{
	ID: "account-discovery", Title: "Accounts, sessions and shares are listed", Severity: detection.Low,
	Doc:        "A client lists users, groups, sessions, shares or services of other machines by remote procedure calls: many kinds of questions, or the same at many machines.",
	Techniques: []string{"T1087.002", "T1069.002", "T1135", "T1033", "T1018", "T1007"},
	Twin:       "Administration tools and members of a domain ask some of this as well: a few questions, of domain controllers.",
}

// Limits.
const (
	minRefused  = 6
	minAccounts = 6
	maxClients  = 20_000
	// keyExchange is what an SSH client sends at least that agrees on keys: less is
	// sent by monitors, which read the banner and leave.
	keyExchange = 600
)

// Detector finds them.
type Detector struct {
	logins      bruteforce.Table
	controllers map[packet.Addr]bool // addresses that answered as domain controllers do
	clients     map[packet.Addr]*client
	challenges  map[string]int // of Netlogon, by client and server
	pending     []replication
	dropped     uint64
}

// client is what one asked of Kerberos and of others.
type client struct {
	rc4      map[string]bool // services whose tickets were issued with RC4
	services map[string]bool
	first    int64           // of services
	open     map[string]bool // accounts that got a ticket without proving themselves
	unknown  map[string]bool // accounts that do not exist, or need a proof
	asked    map[string]bool // kinds of questions
	targets  map[packet.Addr]bool
}

// replication is a request to replicate, judged when all controllers are known.
type replication struct {
	s  detection.Session
	at int64
}

const maxPending = 1000

// New returns a detector.
func New() detection.Detector {
	return &Detector{controllers: make(map[packet.Addr]bool), clients: make(map[packet.Addr]*client), challenges: make(map[string]int)}
}

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, l *detection.Ledger) {
	if s.App == "kerberos" && s.Bytes[session.Resp] > 0 {
		d.controllers[s.Resp] = true
	}
	if s.Sheet == nil {
		return
	}
	d.guesses(s, l)
	if len(s.Sheet.Tickets) > 0 {
		d.tickets(s, l)
	}
	if len(s.Sheet.Calls)+len(s.Sheet.Searches) > 0 {
		d.calls(s, l)
	}
}

func (d *Detector) client(a packet.Addr) *client {
	c := d.clients[a]
	if c == nil {
		if len(d.clients) >= maxClients {
			d.dropped++
			return nil
		}
		c = &client{rc4: make(map[string]bool), services: make(map[string]bool), open: make(map[string]bool), unknown: make(map[string]bool),
			asked: make(map[string]bool), targets: make(map[packet.Addr]bool)}
		d.clients[a] = c
	}
	return c
}

// involve names both ends of a session in a finding.
func involve(f *detection.Finding, s *detection.Session) {
	for side, a := range [2]packet.Addr{s.Orig, s.Resp} {
		if s.Home[side] {
			f.Host(a)
		} else if f.Outside.IsZero() {
			f.Outside = detection.Party{Addr: a}
		}
	}
	f.Session(s.UID)
	f.Span(s.First, s.Last)
}

// guesses counts logins.
func (d *Detector) guesses(s *detection.Session, l *detection.Ledger) {
	refused := 0
	tell := func(v bruteforce.Login) {
		v.From, v.To = s.Orig, s.Resp
		server, all := d.logins.Add(v)
		if server != nil {
			d.guessed(s, server, l)
		}
		if all != nil && all.Accounts >= minAccounts && all.Most() <= 4 {
			d.sprayed(s, all, l)
		}
	}
	for _, v := range s.Sheet.Logins {
		if v.How == "kerberos" && !v.OK && v.Account == "" {
			continue
		}
		if !v.OK {
			refused++
			tell(bruteforce.Login{At: v.At, How: v.How, Account: v.Account, Refused: 1})
		} else {
			tell(bruteforce.Login{At: v.At, How: v.How, Account: v.Account, Accepted: 1})
		}
	}
	if n := s.Sheet.Attempts - refused; s.App == "ssh" && !s.Sheet.Authentic && refused == 0 && (n > 0 || s.Bytes[session.Orig] > keyExchange) && s.Duration() < 60e9 {
		tell(bruteforce.Login{At: s.Last, How: "ssh", Refused: max(n, 1)}) // or left before it logged in
	}
}

func (d *Detector) guessed(s *detection.Session, c *bruteforce.Count, l *detection.Ledger) {
	n := max(c.Refused, c.Then)
	if n < minRefused {
		return
	}
	f := l.Finding(&guessing, s.Between())
	involve(f, s)
	f.Title = fmt.Sprintf("Passwords are guessed at %v by %s", s.Resp, c.How)
	span := float64(c.Last-c.First)/1e9 + 1
	llr := 1.5 + 1.5*math.Log(float64(n)/minRefused)
	rate := float64(n) / span
	if rate > 0.1 {
		llr += min(1.5*math.Log(rate/0.1), 3)
	} else if c.Accounts <= 1 && c.Then == 0 {
		llr = min(llr, 2.5) // as slow as a program with an old password
	}
	f.Set(detection.Evidence{Kind: "refused", LLR: min(llr, 6.5), UID: s.UID, T0: c.First, T1: c.Last,
		Claim: fmt.Sprintf("%d logins refused in %.0f s, for %s", n, span, accounts(c.Accounts))})
	if c.Then > 0 && (rate > 0.05 || n >= 2*minRefused) {
		f.Outcome = detection.Attack
		f.Set(detection.Evidence{Kind: "accepted", LLR: 2, UID: s.UID, T0: s.First, Claim: fmt.Sprintf("then a login was accepted%s", as(c.Account))})
	} else if !f.Has("accepted") {
		f.Outcome = detection.Attempt
	}
}

func accounts(n int) string {
	switch n {
	case 0:
		return "accounts that are not told"
	case 1:
		return "one account"
	}
	return fmt.Sprintf("%d accounts", n)
}

func as(account string) string {
	if account == "" || account == "ssh" || account == "password" || account == "kerberos" {
		return "" // the way of logging in, not an account
	}
	return " as " + account
}

func (d *Detector) sprayed(s *detection.Session, c *bruteforce.Count, l *detection.Ledger) {
	f := l.Finding(&guessing, "spray "+s.Orig.String())
	involve(f, s)
	f.Title = fmt.Sprintf("Passwords are sprayed over accounts by %v", s.Orig)
	f.Set(detection.Evidence{Kind: "spray", LLR: min(3.5+1.5*math.Log(float64(c.Accounts)/minAccounts), 7), UID: s.UID, T0: c.First, T1: c.Last,
		Claim: fmt.Sprintf("%d different accounts were refused, %.1f times each", c.Accounts, c.Most())})
	if c.Then > 0 {
		f.Set(detection.Evidence{Kind: "accepted", LLR: 2, UID: s.UID, T0: s.First, Claim: "then a login was accepted" + as(c.Account)})
	} else if !f.Has("accepted") {
		f.Outcome = detection.Attempt
	}
}

// Finish implements detection.Detector.
func (d *Detector) Finish(l *detection.Ledger) {
	for i := range d.pending {
		r := &d.pending[i]
		if d.controllers[r.s.Orig] {
			continue
		}
		f := l.Finding(&dumping, r.s.Between())
		involve(f, &r.s)
		f.Title = fmt.Sprintf("%v replicates the directory's secrets from %v", r.s.Orig, r.s.Resp)
		f.Add(detection.Evidence{Kind: "dcsync", LLR: 7, UID: r.s.UID, T0: r.at, Claim: fmt.Sprintf("%v asked for changes of the directory (DRSGetNCChanges), and is no domain controller: it never answered as one", r.s.Orig)})
	}
}

// short returns a principal's name without its realm.
func short(s string) string {
	name, _, _ := strings.Cut(s, "@")
	return name
}
