// Package indicator finds what lists of indicators name: addresses and networks,
// domains, URLs, fingerprints of TLS and SSH clients and servers, certificates.
//
// Lists are read by [Read], in any of the usual forms, and put together in a
// [Set]. Its matchers look at what protocols say, its detector at who talked to
// whom; a session costs a few look-ups in tables, whatever the size of the lists.
//
// A hit is evidence of log-odds that depend on how sure the list is and on how
// well a kind of indicator tells: see [Entry.LLR].
package indicator

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Rules are the definitions of this package.
var Rules = []*detection.Definition{&rule}

var rule = detection.Definition{
	ID: "indicator", Title: "Somebody or something on a list of indicators", Severity: detection.High,
	Doc: "An address, domain, URL, fingerprint or certificate of a session is on a list that was loaded with --indicators. " +
		"How much that says depends on the list's own confidence and on the kind: certificates and URLs are somebody's own, addresses change hands and fingerprints are shared by many programs. " +
		"Who is only contacted from a listed address, as everybody is who is on the Internet, has little to fear; nor who asked for a name that does not exist.",
	Techniques: []string{"T1071", "T1105", "T1568"},
	Twin:       "Shared hosting, addresses that were given to others since, scanners that knock at every door, a name that merely ends alike: expired entries do not count, ports and whole labels must match, refused contacts count little.",
}

// Kind is what an indicator is about.
type Kind uint8

// Kinds. Fingerprint is JA3, JA3S or HASSH where a list does not say which: all
// are MD5.
const (
	Unknown Kind = iota
	Address
	Network
	Domain
	URL
	Fingerprint
	JA3
	JA3S
	JA4
	HASSH
	Certificate
)

var kindNames = [...]string{"unknown", "address", "network", "domain", "URL", "fingerprint", "JA3", "JA3S", "JA4", "HASSH", "certificate"}

// String returns the kind in words.
func (k Kind) String() string { return kindNames[k] }

// certainty is how well a kind tells, of one: what remains of a list's own
// confidence.
var certainty = [...]float64{Address: 0.7, Network: 0.5, Domain: 0.9, URL: 1, Fingerprint: 0.4, JA3: 0.4, JA3S: 0.3, JA4: 0.4, HASSH: 0.4, Certificate: 1}

// Unsaid is the confidence of an entry whose list does not say.
const Unsaid = 50

// side restricts an address to one end of a session.
type side uint8

const (
	anySide side = iota
	origSide
	respSide
)

// Entry is an indicator on a list.
type Entry struct {
	Kind  Kind
	Value string // in normal form
	Port  uint16 // of the responder, with an address; 0: any
	Exact bool   // of a domain: without those below it
	Line  int    // in the list
	// Description, Labels, and ID (of STIX and MISP) are as the list has them.
	Description string
	Labels      []string
	ID          string
	Confidence  int   // percent; 0: none, Unsaid if the list does not say
	Until       int64 // ns since the epoch; 0: for ever

	list  int32
	side  side
	group int32 // one more than the number of the group it is part of; 0: none
	part  int32 // of the group
}

// LLR returns what a hit says, in nats. At its own confidence c a list says that
// the odds are c : 1-c that a hit is true, from a prior of one in 150
// (detection.Prior); of that, what the kind is worth. Confidence is held between
// 5 and 95: no list is right or wrong always.
func (e *Entry) LLR() float64 {
	c := min(max(float64(e.Confidence)/100, 0.05), 0.95)
	return certainty[e.Kind] * max(math.Log(c/(1-c))-detection.Prior, 0)
}

// leads reports whether an entry says that its party leads machines.
func (e *Entry) leads() bool {
	if e.Kind != Address && e.Kind != Domain && e.Kind != URL && e.Kind != Certificate {
		return false
	}
	for _, l := range append(e.Labels, e.Description) {
		l = strings.ToLower(l)
		for _, w := range [...]string{"c2", "c&c", "botnet_cc", "command and control", "command-and-control", "cobalt", "beacon", "remote access"} {
			if strings.Contains(l, w) {
				return true
			}
		}
	}
	return false
}

// what tells of an entry as its list does.
func (s *Set) what(e *Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "on list %s line %d", s.lists[e.list].Name, e.Line)
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	if len(e.Labels) > 0 {
		b.WriteString(" (" + strings.Join(e.Labels, ", ") + ")")
	}
	if e.Confidence != Unsaid {
		fmt.Fprintf(&b, ", confidence %d", e.Confidence)
	}
	return b.String()
}

// Detector makes findings of hits.
type Detector struct {
	set     *Set
	scratch []hit
	text    []byte
	found   []int32
	seen    map[seen]bool
	parts   map[deviceGroup]uint32 // parts of a group that a device met
	// Hits are sessions with a hit, Expired those in which only an entry that is
	// no longer valid was, Entries different entries that were hit.
	Hits, Expired, Entries int
	entries                map[int32]int
	resolvers              map[packet.Addr]bool // devices that were asked for names
	asked                  []asked              // who asked for names on lists: told at the end
	askedBy                map[deviceEntry]int  // place in asked
	dropped                int
}

type seen struct {
	finding *detection.Finding
	entry   int32
}

type deviceEntry struct {
	device packet.Addr
	entry  int32
}

// asked is a query, kept until it is known who asks for others.
type asked struct {
	s   detection.Session // without what protocols said
	hit hit
}

type deviceGroup struct {
	device packet.Addr
	group  int32
}

// Limits of what is remembered.
const (
	maxSeen  = 200_000
	maxParts = 100_000
)

// hit is an entry that a session is about.
type hit struct {
	entry int32
	at    int64
	field string
	value string
}

// NewDetector returns a detector of what is on the lists of a set.
func (s *Set) NewDetector() *Detector {
	return &Detector{set: s, seen: make(map[seen]bool), parts: make(map[deviceGroup]uint32), entries: make(map[int32]int), resolvers: make(map[packet.Addr]bool), askedBy: make(map[deviceEntry]int)}
}

// Finish implements detection.Detector.
func (d *Detector) Finish(l *detection.Ledger) {
	for i := range d.asked {
		a := &d.asked[i]
		d.add(&a.s, &a.hit, &d.set.entries[a.hit.entry], l)
	}
}

// ask keeps a query for a name on a list, the first of each device.
func (d *Detector) ask(s *detection.Session, h *hit) {
	k := deviceEntry{s.Orig, h.entry}
	if _, ok := d.askedBy[k]; ok {
		return
	}
	if len(d.asked) >= maxParts {
		d.dropped++
		return
	}
	kept := *s
	kept.Sheet, kept.Lead = nil, nil
	d.askedBy[k] = len(d.asked)
	d.asked = append(d.asked, asked{kept, *h})
}

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, l *detection.Ledger) {
	if s.App == "dns" && s.Home[session.Resp] && !s.Resp.IsMulticast() && len(d.resolvers) < maxParts {
		d.resolvers[s.Resp] = true
	}
	hits := d.scratch[:0]
	for i, a := range [...]packet.Addr{s.Resp, s.Orig} {
		for e := d.set.address(a); e >= 0; e = d.set.next[e] {
			if d.set.suits(e, s, i == 0) {
				hits = append(hits, hit{entry: e, at: s.First, field: [...]string{"id.resp_h", "id.orig_h"}[i]})
			}
		}
		hits = d.set.networksOf(a, i == 0, s, hits)
	}
	if s.Domain != "" {
		d.text = lower(d.text[:0], s.Domain)
		d.found = d.set.domain(d.text, d.found[:0])
		for _, e := range d.found {
			hits = append(hits, hit{entry: e, at: s.First, field: "domain", value: s.Domain})
		}
	}
	if s.Sheet != nil {
		for i := range s.Sheet.Marks {
			if m := &s.Sheet.Marks[i]; m.By == &rule {
				hits = append(hits, hit{m.Entry, m.At, m.Field, m.Value})
			}
		}
	}
	d.scratch = hits
	if len(hits) > 0 {
		d.judge(s, hits, l)
	}
}

// suits reports whether an entry is about this end of a session.
func (s *Set) suits(entry int32, v *detection.Session, resp bool) bool {
	e := &s.entries[entry]
	if e.side == origSide && resp || e.side == respSide && !resp {
		return false
	}
	return e.Port == 0 || resp && e.Port == v.RespPort
}

func (d *Detector) judge(s *detection.Session, hits []hit, l *detection.Ledger) {
	slices.SortStableFunc(hits, func(a, b hit) int { // what says most counts in full
		return cmp.Compare(d.set.entries[b.entry].LLR(), d.set.entries[a.entry].LLR())
	})
	met, expired := false, false
	for i := range hits {
		h := &hits[i]
		e := &d.set.entries[h.entry]
		switch {
		case e.Until != 0 && h.at > e.Until:
			expired = true
			continue
		case e.group != 0:
			continue
		}
		met = true
		if h.field == "query" || h.field == lookedInVain {
			d.ask(s, h)
			continue
		}
		d.add(s, h, e, l)
	}
	if d.groups(s, hits, l) {
		met = true
	}
	if met {
		d.Hits++
	} else if expired {
		d.Expired++
	}
}

// add adds what one hit says.
func (d *Detector) add(s *detection.Session, h *hit, e *Entry, l *detection.Ledger) {
	asks := h.field == "query" || h.field == lookedInVain
	inward := h.field == "id.orig_h" && !s.Home[session.Orig]
	device, far := s.Orig, s.Far()
	if inward {
		device, far = s.Resp, detection.Party{Addr: s.Orig}
	} else if asks {
		far = detection.Party{Domain: h.value}
	}
	llr, kind, verb, what := e.LLR(), "indicator", "contacts", e.Kind.String()
	switch e.Kind {
	case Fingerprint, JA3, JA3S, JA4, HASSH:
		kind, verb, what = "fingerprint", "is in a session with", h.field
	case Certificate:
		kind, verb = "certificate", "is shown"
	}
	switch {
	case inward && s.Refused():
		llr, verb = llr*0.1, "is knocked at, in vain, by"
	case inward:
		llr, verb = llr*0.3, "is contacted by"
	case asks && d.resolvers[device]:
		llr, verb = llr*0.1, "asks, as it does for others, for"
	case h.field == lookedInVain:
		llr, verb = llr*0.5, "asks for, and does not find,"
	case h.field == "query":
		verb = "asks for"
	case s.Refused():
		llr, verb = llr*0.7, "tries in vain to reach"
	}
	f := l.Finding(&rule, device.String()+">"+far.String())
	d.Entries = len(d.entries)
	if n := d.entries[h.entry]; n > 0 || len(d.entries) < maxSeen {
		d.entries[h.entry] = n + 1
		d.Entries = len(d.entries)
	}
	k := seen{f, h.entry}
	if d.seen[k] {
		f.Session(s.UID)
		f.Span(h.at, s.Last)
		return
	}
	if len(d.seen) >= maxSeen {
		d.dropped++
		return
	}
	d.seen[k] = true
	describe(f, s, e, device, far, d.set.lists[e.list].Name)
	f.Controls = f.Controls || !asks && !inward && e.leads()
	value := e.Value
	if e.Kind == Network || e.Kind == Domain && h.value != "" && h.value != value {
		value = fmt.Sprintf("%s (in %s)", first(h.value, far.String()), value)
	}
	f.Add(detection.Evidence{
		Kind: kind, LLR: llr, UID: s.UID, T0: h.at, T1: s.Last,
		Claim: fmt.Sprintf("%v %s %s %s, %s", device, verb, what, value, d.set.what(e)),
	})
}

// describe says whom a finding is about, by the first hit.
func describe(f *detection.Finding, s *detection.Session, e *Entry, device packet.Addr, far detection.Party, list string) {
	f.Host(device)
	if s.Inside() {
		f.Host(s.Orig)
		f.Host(s.Resp)
	}
	f.Outside = far
	if f.Title != "" {
		return
	}
	f.Title = fmt.Sprintf("%v and %v: %v on list %s", device, far, e.Kind, list)
	if e.Description != "" {
		f.Title += " (" + e.Description + ")"
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// groups adds hits of indicators that need several things at once. It reports
// whether there was one.
func (d *Detector) groups(s *detection.Session, hits []hit, l *detection.Ledger) bool {
	found := false
	for i := range hits {
		e := &d.set.entries[hits[i].entry]
		if e.group == 0 || e.Until != 0 && hits[i].at > e.Until || !d.set.holds(e.group, e.part, s, hits) {
			continue
		}
		g := &d.set.groups[e.group-1]
		k := deviceGroup{s.Orig, e.group}
		if _, ok := d.parts[k]; !ok && len(d.parts) >= maxParts {
			d.dropped++
			continue
		}
		d.parts[k] |= 1 << e.part
		if d.parts[k] == 1<<len(g.parts)-1 {
			found = true
			whole := *e
			whole.Value = g.text
			d.add(s, &hit{entry: g.entry, at: hits[i].at, field: hits[i].field, value: g.text}, &whole, l)
		}
	}
	return found
}

// holds reports whether all conditions of a part of a group hold in a session.
func (s *Set) holds(group, part int32, v *detection.Session, hits []hit) bool {
	for _, c := range s.groups[group-1].parts[part] {
		switch {
		case c.proto != 0:
			if v.Proto != c.proto {
				return false
			}
		case c.port != 0:
			if c.side == origSide && v.OrigPort != c.port || c.side != origSide && v.RespPort != c.port {
				return false
			}
		default:
			met := false
			for i := range hits {
				e := &s.entries[hits[i].entry]
				met = met || e.group == group && e.part == part && e.Kind == c.kind && e.Value == c.value && e.side == c.side
			}
			if !met {
				return false
			}
		}
	}
	return true
}
