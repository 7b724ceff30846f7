// Package detection says why what was measured matters: rules and detectors,
// each a documented value, contribute evidence to findings.
//
// Evidence is a log-likelihood ratio in nats with a claim in plain words: how
// much likelier what was seen is if the claim's story is true than if it is
// everyday work. It adds up; a finding's score is the sum, and nothing else.
// Evidence of one kind is not independent, so its second item counts half, its
// third a quarter, and so on.
//
// Detectors are told sessions that are over, in the order of packets, with what
// protocols said and what was heard in them ([Session]). They see no packets.
// Each bounds its memory, by the limits of the measurements of package behavior
// that it uses; what did not fit is counted there and in [Ledger.Dropped].
//
// To add a detector: make the folder detection/NAME with a [Definition] named
// Rules (one or more of them) and Detector, name the benign thing that looks
// alike and hold the detector against it in its tests, and add it to
// detection/all.
package detection

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"tyto/packet"
	"tyto/session"
)

// Severity says how bad it is if it is true.
type Severity uint8

// Severities.
const (
	Low Severity = iota + 1
	Medium
	High
	Critical
)

// String returns the severity in lower case.
func (s Severity) String() string { return [...]string{"none", "low", "medium", "high", "critical"}[s] }

// Definition describes a rule or detector.
type Definition struct {
	ID    string // "remote-execution"; the same in every record
	Title string // a few words
	// Doc says in a few sentences what is looked for, by what evidence.
	Doc        string
	Techniques []string // ATT&CK identifiers
	Severity   Severity
	// Twin names the benign thing that looks alike, and what tells it apart.
	Twin string
}

// Detector finds things in sessions. One goroutine uses it.
type Detector interface {
	// Session is called with each session that is over. The session is valid
	// until it returns, its Sheet for ever.
	Session(s *Session, l *Ledger)
	// Finish is called once, when no more sessions come.
	Finish(l *Ledger)
}

// Evidence is one item on a ledger.
type Evidence struct {
	Kind   string  // items of one kind are of one cause: they count less and less
	Claim  string  // in plain words
	LLR    float64 // nats, for (or against, if negative) the finding
	UID    session.UID
	T0, T1 int64 // ns since the epoch
}

// Outcome says what became of it.
type Outcome uint8

// Outcomes. Benign: there is an everyday explanation, which the evidence tells.
const (
	Attack Outcome = iota
	Attempt
	Benign
)

// String returns the outcome in words.
func (o Outcome) String() string { return [...]string{"attack", "attempt", "benign trigger"}[o] }

// Hop is a step of a path.
type Hop struct {
	From, To packet.Addr
	Via      string
	UID      session.UID
	At       int64 // ns
	Domain   string
	Account  string
	Link     float64 // evidence that it follows from the hop before, nats
}

// Party is somebody outside whom a finding is about.
type Party struct {
	Addr   packet.Addr
	Domain string // name it was reached by, if any
}

// String returns the domain, or the address.
func (p Party) String() string {
	if p.Domain != "" {
		return p.Domain
	}
	return p.Addr.String()
}

// IsZero reports whether p is nobody.
func (p Party) IsZero() bool { return p.Addr.IsZero() && p.Domain == "" }

// Prior is the log-odds of a finding before any evidence: one in 150.
const Prior = -5

// Limits of a finding.
const (
	maxEvidence = 32
	maxUIDs     = 64
	maxHosts    = 64
)

// Finding is what a rule found about somebody.
type Finding struct {
	Rule  *Definition
	Key   string // tells findings of one rule apart
	Title string // more telling than the rule's, if not empty
	// Hosts are the devices at home it is about: first the one that acts.
	Hosts []packet.Addr
	// Outside is who is at the other end, if that is not a host at home.
	Outside Party
	// Controls says that Outside leads a device at home, should the finding be true.
	Controls bool
	Evidence []Evidence
	More     int // items beyond those kept
	Outcome  Outcome
	UIDs     []session.UID
	T0, T1   int64
	Path     []Hop
	// Explains are sessions that the finding's everyday explanation covers: what
	// other findings say of them is to be expected then.
	Explains []session.UID
	// Operator is who leads by that explanation, At the machine where he works
	// during Shift: what that machine begins meanwhile is his as well.
	Operator Party
	At       packet.Addr
	Shift    [2]int64

	kinds map[string]int
}

// Add adds evidence. Only its first items are kept; those of a kind that was
// there before count less.
func (f *Finding) Add(e Evidence) {
	if f.kinds == nil {
		f.kinds = make(map[string]int)
	}
	n := f.kinds[e.Kind]
	f.kinds[e.Kind] = n + 1
	f.Span(e.T0, max(e.T0, e.T1))
	if !e.UID.IsZero() {
		f.Session(e.UID)
	}
	e.LLR = math.Ldexp(e.LLR, -n)
	if len(f.Evidence) >= maxEvidence || n >= 6 {
		f.More++
		return
	}
	f.Evidence = append(f.Evidence, e)
}

// Has reports whether there is evidence of a kind.
func (f *Finding) Has(kind string) bool { return f.kinds[kind] > 0 }

// Set replaces the evidence of a kind: for what is measured anew as it grows.
func (f *Finding) Set(e Evidence) {
	f.Evidence = slices.DeleteFunc(f.Evidence, func(o Evidence) bool { return o.Kind == e.Kind })
	delete(f.kinds, e.Kind)
	f.Add(e)
}

// Weightiest returns the n items that weigh most, for or against.
func Weightiest(list []Evidence, n int) []Evidence {
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b Evidence) int { return cmp.Compare(math.Abs(b.LLR), math.Abs(a.LLR)) })
	return sorted[:min(n, len(sorted))]
}

// Span notes a time in which it happened.
func (f *Finding) Span(t0, t1 int64) {
	if f.T0 == 0 || t0 < f.T0 {
		f.T0 = t0
	}
	f.T1 = max(f.T1, t1)
}

// Session notes a session that it is about.
func (f *Finding) Session(uid session.UID) {
	if len(f.UIDs) < maxUIDs && !slices.Contains(f.UIDs, uid) {
		f.UIDs = append(f.UIDs, uid)
	}
}

// Host notes a device at home that it is about.
func (f *Finding) Host(a packet.Addr) {
	if len(f.Hosts) < maxHosts && !slices.Contains(f.Hosts, a) {
		f.Hosts = append(f.Hosts, a)
	}
}

// Score returns the sum of the evidence, in nats.
func (f *Finding) Score() float64 {
	sum := 0.0
	for i := range f.Evidence {
		sum += f.Evidence[i].LLR
	}
	return sum
}

// P returns the probability that belongs to a score.
func P(score float64) float64 { return 1 / (1 + math.Exp(-(score + Prior))) }

// Name returns what to call the finding.
func (f *Finding) Name() string {
	if f.Title != "" {
		return f.Title
	}
	return f.Rule.Title
}

// ID returns the identifier of the i-th finding of an analysis.
func ID(i int) string { return "D-" + strconv.Itoa(i+1) }

// Ledger holds the findings of all detectors. The zero value is ready for use.
type Ledger struct {
	Dropped uint64 // findings for which there was no room
	byKey   map[[2]string]*Finding
	list    []*Finding
}

const maxFindings = 20_000

// Finding returns a rule's finding by its key, which is made if it is new.
func (l *Ledger) Finding(rule *Definition, key string) *Finding {
	if l.byKey == nil {
		l.byKey = make(map[[2]string]*Finding)
	}
	k := [2]string{rule.ID, key}
	if f := l.byKey[k]; f != nil {
		return f
	}
	f := &Finding{Rule: rule, Key: key}
	if len(l.list) >= maxFindings {
		l.Dropped++
		return f
	}
	l.byKey[k] = f
	l.list = append(l.list, f)
	return f
}

// All returns the findings in the order in which they were made.
func (l *Ledger) All() []*Finding { return l.list }
