// Package dga finds clients that look for a controller under names they compute:
// many domains that do not exist, which look generated, and then one that does.
package dga

import (
	"fmt"
	"math"
	"strings"

	"tyto/behavior/dga"
	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Rules are the definitions of this package.
var Rules = []*detection.Definition{&rule}

var rule = detection.Definition{
	ID: "generated-names", Title: "Names are computed to find a controller", Severity: detection.High,
	Doc: "A client asks within an hour for many domains that do not exist and look generated, by a network that reads their characters. Weighed are how many there are, " +
		"their share of all domains that do not exist, whether one that looks generated does exist afterwards (it may be the controller's), and whether other clients ask for the same names. " +
		"Names composed of words are not told by their characters: of these only how many do not exist counts.",
	Techniques: []string{"T1568.002", "T1008"},
	Twin: "People mistype a few names. Filters make advertisers' generated domains not exist, for many clients. Mail servers look up what senders claim: names of all kinds, few of which look generated. " +
		"Browsers' probes are single labels.",
}

// Detector finds clients that ask for generated names.
type Detector struct {
	names *dga.Table
	told  map[packet.Addr]*detection.Finding
	order []packet.Addr
}

// New returns a detector.
func New() detection.Detector {
	return &Detector{names: dga.NewTable(), told: make(map[packet.Addr]*detection.Finding)}
}

// Limits and thresholds.
const (
	maxTold = 20_000
	// several is how many domains that do not exist are worth telling: generated
	// ones, and any.
	several    = 6
	manyDomain = 60
)

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, l *detection.Ledger) {
	if s.Sheet == nil || !s.Home[session.Orig] {
		return
	}
	for i := range s.Sheet.Queries {
		q := &s.Sheet.Queries[i]
		c := d.names.Add(dga.Query{At: q.At, Client: s.Orig, Name: q.Name, Missing: q.Missing})
		if c != nil && (c.Generated >= several || c.Missing >= manyDomain) {
			d.tell(s, c, l)
		}
	}
}

// Finish implements detection.Detector: other clients may have asked for the same
// names after a finding.
func (d *Detector) Finish(*detection.Ledger) {
	for _, a := range d.order {
		if c := d.names.Again(a); c != nil && c.Generated > 0 {
			d.common(d.told[a], c)
		}
	}
}

func (d *Detector) tell(s *detection.Session, c *dga.Count, l *detection.Ledger) {
	f := l.Finding(&rule, s.Orig.String())
	if d.told[s.Orig] == nil && len(d.told) < maxTold {
		d.told[s.Orig] = f
		d.order = append(d.order, s.Orig)
	}
	f.Host(s.Orig)
	f.Title = fmt.Sprintf("%v asks for names that are computed", s.Orig)
	set := func(kind string, llr float64, format string, args ...any) {
		f.Set(detection.Evidence{Kind: kind, LLR: llr, UID: s.UID, T0: c.First, T1: c.Last, Claim: fmt.Sprintf(format, args...)})
	}
	n := float64(c.Generated)
	if c.Generated >= several {
		set("names", min(1.5*math.Log(n), 4.5), "%d domains that do not exist look generated, such as %s", c.Generated, strings.Join(c.Examples, ", "))
	}
	switch share := n / float64(c.Missing); {
	case share >= 0.4:
		set("share", 1, "these are %.0f %% of the %d domains that do not exist, within %.0f s", 100*share, c.Missing, float64(c.Last-c.First)/1e9)
	case share < 0.2:
		set("share", -3, "only %.0f %% of the domains that do not exist look generated", 100*share)
	default:
		set("share", 0, "%.0f %% of the domains that do not exist look generated", 100*share)
	}
	if c.Missing >= manyDomain {
		set("many", min(1.5*math.Log(float64(c.Missing)/20), 3), "%d different domains do not exist, within %.0f s", c.Missing, float64(c.Last-c.First)/1e9)
	}
	if c.Found != "" {
		f.Outside, f.Controls = detection.Party{Domain: c.Found}, true
		f.Title = fmt.Sprintf("%v finds %s by computing names", s.Orig, c.Found)
		set("found", 2.5, "%s looks generated as well, and exists", c.Found)
	}
	d.common(f, c)
}

// common weighs whether other clients ask for the same names.
func (d *Detector) common(f *detection.Finding, c *dga.Count) {
	if c.Common*2 < c.Generated || c.Generated == 0 {
		return
	}
	f.Set(detection.Evidence{Kind: "common", LLR: -4, T0: c.First, T1: c.Last, Claim: fmt.Sprintf("many clients ask for %d of the %d names, as pages with advertisements make them", c.Common, c.Generated)})
}
