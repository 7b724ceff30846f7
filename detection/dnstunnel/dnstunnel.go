// Package dnstunnel finds data that is carried in names that are asked for below
// one domain, and in the answers.
package dnstunnel

import (
	"fmt"
	"math"

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
	Twin:       "Content networks, block lists and virus scanners look data up in DNS: short names, asked for again and again, many that do not exist, and by many clients.",
}

// minNames is how many different names are looked at.
const minNames = 20

// Detector finds DNS tunnels.
type Detector struct{ names dnstunnel.Table }

// New returns a detector.
func New() detection.Detector { return new(Detector) }

// Finish implements detection.Detector.
func (d *Detector) Finish(*detection.Ledger) {}

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, l *detection.Ledger) {
	if s.Sheet == nil {
		return
	}
	for i := range s.Sheet.Queries {
		q := &s.Sheet.Queries[i]
		c := d.names.Add(dnstunnel.Query{At: q.At, Client: s.Orig, Name: q.Name, Type: q.Type, Answer: q.Answer, Missing: q.Missing})
		if c != nil && c.Distinct >= minNames && (c.Queries&15 == 0 || i == len(s.Sheet.Queries)-1) {
			tell(s, c, l)
		}
	}
}

func tell(s *detection.Session, c *dnstunnel.Count, l *detection.Ledger) {
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
	f.Outside = detection.Party{Addr: s.Resp, Domain: c.Domain}
	f.Title = fmt.Sprintf("%v carries data in names below %s", s.Orig, c.Domain)
	for _, e := range list {
		e.UID, e.T0, e.T1 = s.UID, c.First, c.Last
		f.Set(e)
	}
}

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
	if again := 1 - float64(c.Distinct)/float64(c.Queries); again > 0.5 {
		add("again", -2*again, "%.0f %% of the queries were asked before", 100*again)
	}
	if share := float64(c.Missing) / float64(c.Queries); share > 0.5 {
		add("missing", -1.5, "%.0f %% of the names do not exist", 100*share)
	}
	if back := float64(c.Answers) / float64(c.Queries); back > 150 {
		add("answers", 0.7, "%.0f bytes come back for a query", back)
	}
	return list
}
