// Package dnstunnel finds data that is carried in names that are asked for below
// one domain, and in the answers.
package dnstunnel

import (
	"fmt"
	"math"
	"slices"

	"tyto/behavior/dnstunnel"
	"tyto/detection"
	"tyto/session"
)

// Rules are the definitions of this package.
var Rules = []*detection.Definition{&rule}

var rule = detection.Definition{
	ID: "dns-tunnel", Title: "Data is carried in DNS names", Severity: detection.High,
	Doc: "A client asks for many different names below one domain that look random and could carry data. Weighed are the bytes that these names could carry, their length and randomness, " +
		"how often the same name is asked for again, record types that hosts seldom ask for, and how much comes back. Everything adds up per client and registered domain.",
	Techniques: []string{"T1071.004", "T1572", "T1048.003"},
	Twin:       "Content networks, block lists and virus scanners look data up in DNS: short names, asked for again and again, many that do not exist, by many clients, or below domains that are known to offer it.",
}

// minNames is how many different names are looked at.
const minNames = 20

// Detector finds DNS tunnels.
type Detector struct {
	names dnstunnel.Table
	told  []found
}

// found is a finding, and what it was told by last.
type found struct {
	finding *detection.Finding
	count   dnstunnel.Count
}

// New returns a detector.
func New() detection.Detector { return new(Detector) }

// Finish implements detection.Detector: who else asks below the same domain may
// have shown after a finding.
func (d *Detector) Finish(*detection.Ledger) {
	for i := range d.told {
		t := &d.told[i]
		if e, ok := shared(d.names.Clients(t.count.Domain)); ok {
			e.T0, e.T1 = t.count.First, t.count.Last
			t.finding.Set(e)
		}
	}
}

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, l *detection.Ledger) {
	if s.Sheet == nil {
		return
	}
	for i := range s.Sheet.Queries {
		q := &s.Sheet.Queries[i]
		c := d.names.Add(dnstunnel.Query{At: q.At, Client: s.Orig, Name: q.Name, Type: q.Type, Answer: q.Answer, Missing: q.Missing})
		if c != nil && c.Distinct >= minNames && (c.Queries&15 == 0 || i == len(s.Sheet.Queries)-1) {
			d.tell(s, c, l)
		}
	}
}

func (d *Detector) tell(s *detection.Session, c *dnstunnel.Count, l *detection.Ledger) {
	list := weigh(c)
	sum := 0.0
	for _, e := range list {
		sum += e.LLR
	}
	if sum < 1 {
		return
	}
	f := l.Finding(&rule, s.Orig.String()+" "+c.Domain)
	if s.Home[session.Orig] {
		f.Host(s.Orig)
	}
	if f.Title == "" && len(d.told) < maxTold {
		d.told = append(d.told, found{finding: f, count: *c})
	}
	f.Outside = detection.Party{Addr: s.Resp, Domain: c.Domain}
	f.Title = fmt.Sprintf("%v carries data in names below %s", s.Orig, c.Domain)
	for _, e := range list {
		e.UID, e.T0, e.T1 = s.UID, c.First, c.Last
		f.Set(e)
	}
}

// maxTold is how many findings are looked at again.
const maxTold = 20_000

// shared says what it means that several clients ask for many names below a
// domain.
func shared(clients int) (e detection.Evidence, ok bool) {
	if clients < 3 {
		return e, false
	}
	return detection.Evidence{Kind: "shared", LLR: -1.5 * math.Log(float64(clients)), Claim: fmt.Sprintf("%d clients ask for many names there", clients)}, true
}

// lookups are domains whose owners offer lookups by name: block lists, file
// reputation, networks of addresses, names for servers at home.
var lookups = []string{"spamhaus.org", "spamhaus.net", "surbl.org", "uribl.com", "barracudacentral.org", "sorbs.net", "spamcop.net", "dnswl.org", "mailspike.net", "msbl.org",
	"senderbase.org", "sophosxl.net", "mcafee.com", "trellix.com", "e5.sk", "trendmicro.com", "cymru.com", "plex.direct"}

// weigh weighs what a client asked for below a domain.
func weigh(c *dnstunnel.Count) (list []detection.Evidence) {
	add := func(kind string, llr float64, format string, args ...any) {
		list = append(list, detection.Evidence{Kind: kind, LLR: llr, Claim: fmt.Sprintf(format, args...)})
	}
	add("bytes", min(max(1.3*math.Log(c.Bytes/600), -3), 4), "%d different names could carry %.0f bytes", c.Distinct, c.Bytes)
	switch n := c.Length(); {
	case n >= 30:
		add("length", 1.5, "names have %.0f characters below the domain", n)
	case n < 12:
		add("length", -1.5, "names have only %.0f characters below the domain", n)
	}
	if h := c.Entropy(); h >= 3.7 {
		add("random", min(2*(h-3.4), 2), "%.1f bits a character", h)
	} else if h < 3.2 {
		add("random", -1, "%.1f bits a character: like words", h)
	}
	if share := float64(c.Odd) / float64(c.Queries); share > 0.3 {
		add("types", 1.2, "%.0f %% of the queries are of types that hosts seldom ask for", 100*share)
	}
	if share := float64(c.Null) / float64(c.Queries); share > 0.3 {
		add("types never asked", 1.2, "%.0f %% of the queries are of types that no program of everyday use asks for", 100*share)
	}
	again, missing := 1-float64(c.Distinct)/float64(c.Queries), float64(c.Missing)/float64(c.Queries)
	if again < 0.02 && missing < 0.5 && c.Distinct >= 100 {
		add("once", 1, "%d names exist, and each is asked for once", c.Distinct)
	}
	if again > 0.5 {
		add("again", -2*again, "%.0f %% of the queries were asked before", 100*again)
	}
	if missing > 0.5 {
		add("missing", -1.5, "%.0f %% of the names do not exist", 100*missing)
	}
	if back := float64(c.Answers) / float64(c.Queries); back > 150 {
		add("answers", 0.7, "%.0f bytes come back for a query", back)
	}
	if slices.Contains(lookups, c.Domain) {
		add("lookups", -6, "%s offers lookups by name", c.Domain)
	}
	if e, ok := shared(c.Clients); ok {
		list = append(list, e)
	}
	return list
}
