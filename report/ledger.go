package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"tyto/detection"
	"tyto/internal/amount"
	"tyto/session"
	"tyto/triage"
)

// ledger is the evidence of a case. Its amounts are written so that they add up
// to what is written of the sum, to the last digit.
type ledger struct {
	Case     string
	Title    string
	Open     bool
	Entries  []*entry
	More     string // what was left out
	Score    string
	Prior    string
	LogOdds  string
	P        string
	Findings int
}

// entry is a finding on a ledger.
type entry struct {
	Title      string
	Rule       string
	Outcome    string
	Techniques []Technique
	Sessions   int
	Rows       []ledgerRow
	Sum        string
}

// ledgerRow is one item of evidence, or what changes its weight in the case.
type ledgerRow struct {
	Claim     string
	Nats      string
	Against   bool
	Bar       string // width in percent of the weightiest item
	UID       string
	At, Stamp string
	Changed   bool // no evidence, but how much it counts
}

// ledgers are the ledgers of some cases, of at most b.rows rows together.
func (b *builder) ledgers(cases []*triage.Case) []*ledger {
	left := b.rows
	var list []*ledger
	for _, c := range cases {
		list = append(list, b.ledger(c, &left))
	}
	return list
}

// rounded writes numbers so that those written add up to the sum as written.
type rounded struct{ exact, written float64 }

// next returns a number as it is written: what the sum as written grows by.
func (r *rounded) next(v float64) float64 {
	r.exact += v
	w := math.Round(r.exact*100)/100 - r.written
	w = math.Round(w*100) / 100
	r.written = math.Round((r.written+w)*100) / 100
	return w
}

func nats(v float64) string {
	if v == 0 {
		v = 0 // not -0
	}
	return fmt.Sprintf("%+.2f", v)
}

func (b *builder) ledger(c *triage.Case, left *int) *ledger {
	l := &ledger{Case: c.ID, Title: b.named(c.Title), Open: c.Alert(), Findings: len(c.Items), P: probability(c.P)}
	top := 0.01
	for _, it := range c.Items {
		for i := range it.Evidence {
			top = max(top, math.Abs(it.Evidence[i].LLR))
		}
	}
	var sum rounded
	var restScore float64
	rest := 0
	rules := make(map[string]int)
	for i := range c.Items {
		it := &c.Items[i]
		again := rules[it.Rule.ID]
		if it.Score > 0 {
			rules[it.Rule.ID]++
		}
		if *left < len(it.Evidence)+2 { // no room, with the row of what changes
			rest++
			restScore += it.Score
			continue
		}
		before := sum.written
		e := &entry{Title: b.named(it.Name()), Rule: it.Rule.ID, Outcome: it.Outcome.String(), Sessions: len(it.UIDs)}
		for _, id := range seen(it.Finding) {
			e.Techniques = append(e.Techniques, technique(id))
		}
		change := it.Score - it.Finding.Score()
		told := math.Abs(change) >= 0.005
		for k := range it.Evidence {
			v := &it.Evidence[k]
			amount := v.LLR
			if k == len(it.Evidence)-1 && !told { // it is less than a digit
				amount += change
			}
			row := ledgerRow{Claim: b.named(v.Claim), Nats: nats(sum.next(amount)), Against: v.LLR < 0, Bar: f1(100 * math.Abs(v.LLR) / top), UID: uid(v.UID)}
			if v.T0 != 0 {
				row.At, row.Stamp = b.clock(v.T0), stamp(v.T0)
			}
			e.Rows = append(e.Rows, row)
		}
		if told {
			e.Rows = append(e.Rows, ledgerRow{Claim: changed(it, again, change), Nats: nats(sum.next(change)), Against: change < 0, Bar: f1(min(100*math.Abs(change)/top, 100)), Changed: true})
		}
		*left -= len(e.Rows) + 1
		e.Sum = nats(math.Round((sum.written-before)*100) / 100)
		l.Entries = append(l.Entries, e)
	}
	if rest > 0 {
		l.More = fmt.Sprintf("%s more, left out here: %s nats", amount.Number(rest, "finding", "findings"), nats(sum.next(restScore)))
	}
	l.Score, l.Prior, l.LogOdds = nats(sum.written), nats(detection.Prior), nats(sum.written+detection.Prior)
	return l
}

// changed says why a finding counts otherwise in a case than by itself.
func changed(it *triage.Item, again int, change float64) string {
	var why []string
	switch {
	case it.Outcome == detection.Benign:
		why = append(why, "it is an everyday explanation, and speaks for no attack")
	case it.Explained:
		why = append(why, "somebody's everyday work explains part of it")
	}
	if again > 0 && it.Score > 0 {
		why = append(why, fmt.Sprintf("it is finding %d of one rule: each counts half of the one before", again+1))
	}
	if len(why) == 0 {
		why = append(why, "evidence fades with time")
	}
	return "Counts otherwise here: " + strings.Join(why, "; ")
}

func uid(u session.UID) string {
	if u.IsZero() {
		return ""
	}
	return u.String()
}

// sessionsOf returns the sessions of a case: those of its path first, then those
// of the weightiest evidence.
func sessionsOf(c *triage.Case) []string {
	var list []string
	add := func(u session.UID) {
		if s := uid(u); s != "" && !slices.Contains(list, s) && len(list) < 200 {
			list = append(list, s)
		}
	}
	for _, h := range c.Path {
		add(h.UID)
	}
	for _, it := range c.Items {
		for i := range it.Evidence {
			add(it.Evidence[i].UID)
		}
	}
	for _, it := range c.Items {
		for _, u := range it.UIDs {
			add(u)
		}
	}
	return list
}
