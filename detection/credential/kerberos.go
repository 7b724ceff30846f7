package credential

import (
	"fmt"
	"math"
	"strings"

	"tyto/detection"
)

const (
	maxNames = 256 // of each set of a client
	burst    = int64(120e9)
)

// tickets notes what a client asks of Kerberos.
func (d *Detector) tickets(s *detection.Session, l *detection.Ledger) {
	c := d.client(s.Orig)
	if c == nil {
		return
	}
	for i := range s.Sheet.Tickets {
		t := &s.Sheet.Tickets[i]
		switch {
		case t.Kind == "TGS" && t.OK:
			c.service(t)
		case t.Kind == "AS" && t.OK && t.Preauth == "timestamp" && onlyRC4(t.Etypes):
			f := l.Finding(&overpass, s.Orig.String()+" "+t.Client)
			involve(f, s)
			f.Title = fmt.Sprintf("%v gets a ticket for %s with a password's hash", s.Orig, t.Client)
			f.Set(detection.Evidence{Kind: "rc4 only", LLR: 4, UID: s.UID, T0: t.At, Claim: fmt.Sprintf("the ticket for %s was asked for and issued with RC4 offered alone", t.Client)})
		case t.Kind == "AS" && t.OK && t.Preauth == "none" && t.Client != "":
			put(c.open, t.Client)
		case t.Kind == "AS" && !t.OK && t.Client != "" && t.Preauth != "timestamp":
			put(c.unknown, t.Client)
		}
	}
	d.roasts(c, s, l)
}

func onlyRC4(etypes []string) bool {
	for _, e := range etypes {
		if !weak(e) {
			return false
		}
	}
	return len(etypes) > 0
}

func put(set map[string]bool, name string) {
	if len(set) < maxNames {
		set[strings.ToLower(name)] = true
	}
}

// service notes a service ticket. Machines' own services (their accounts have
// long random passwords) and the domain's cannot be guessed.
func (c *client) service(t *detection.Ticket) {
	name := strings.ToLower(short(t.Service))
	class, _, _ := strings.Cut(name, "/")
	if strings.HasPrefix(name, "krbtgt") || strings.Contains(name, "$") {
		return
	}
	if t.At-c.first > burst {
		c.first = t.At
		clear(c.services)
	}
	put(c.services, name)
	switch class {
	case "host", "cifs", "ldap", "rpcss", "dns", "gc", "termsrv", "wsman":
		return
	}
	if weak(t.Cipher) {
		put(c.rc4, name)
	}
}

func weak(cipher string) bool {
	cipher = strings.ToLower(cipher)
	return strings.Contains(cipher, "rc4") || strings.Contains(cipher, "arcfour") || strings.HasPrefix(cipher, "des")
}

// roasts weighs what a client asked so far.
func (d *Detector) roasts(c *client, s *detection.Session, l *detection.Ledger) {
	tell := func(kind string, llr float64, format string, args ...any) {
		f := l.Finding(&roasting, s.Orig.String())
		involve(f, s)
		f.Title = fmt.Sprintf("%v asks for tickets to guess passwords by", s.Orig)
		f.Set(detection.Evidence{Kind: kind, LLR: llr, UID: s.UID, T0: s.First, T1: s.Last, Claim: fmt.Sprintf(format, args...)})
	}
	if n := len(c.rc4); n > 0 {
		tell("rc4", min(2+2*math.Log(float64(n)), 7), "%d tickets for services were issued with RC4", n)
	}
	if n := len(c.services); n >= 6 {
		tell("many", min(1.5+1.5*math.Log(float64(n)/6), 4), "tickets for %d services within two minutes", n)
	}
	if n := len(c.open); n > 0 {
		tell("asrep", min(2+1.2*math.Log(float64(n)), 5), "%d accounts got tickets without pre-authentication", n)
	}
	if n := len(c.unknown); n >= minAccounts {
		tell("names", min(2.5+1.5*math.Log(float64(n)/minAccounts), 6), "tickets were asked for %d accounts that do not exist or need a proof", n)
	}
}
