package triage

import (
	"fmt"
	"strings"
	"time"

	"tyto/detection"
)

// title says what a case is in a line.
func title(c *Case) string {
	top := c.Items[0]
	if c.Outcome == detection.Benign {
		for _, it := range c.Items {
			if it.Outcome == detection.Benign {
				return it.Name()
			}
		}
	}
	for _, it := range c.Items {
		if it.Rule.ID == "lateral-movement" && it.Controls && it.Score > 0 {
			return it.Name()
		}
	}
	return top.Name()
}

// maxSentences bounds a summary.
const maxSentences = 8

// summary tells a case in a paragraph: when, who leads, on which way, and by what
// evidence.
func summary(c *Case) string {
	at := func(t int64) string { return time.Unix(0, t).UTC().Format("15:04:05") }
	var say []string
	add := func(format string, args ...any) {
		if len(say) < maxSentences {
			say = append(say, fmt.Sprintf(format, args...))
		}
	}
	if !c.Controller.IsZero() {
		add("It is controlled by %v (p = %.3f).", c.Controller.Party, c.Controller.P)
	}
	if len(c.Path) > 1 {
		add("The path has %d hops: %s.", len(c.Path), route(c.Path))
	}
	for _, it := range c.Items {
		if len(it.Evidence) == 0 || it.Score == 0 {
			continue
		}
		add("%s, %s to %s: %s.", it.Name(), at(it.T0), at(it.T1), strongest(&it))
	}
	return strings.Join(say, " ")
}

// route writes a path: a → b (ssh) → c (service).
func route(path []detection.Hop) string {
	var b strings.Builder
	for i, h := range path {
		from := h.From.String()
		if h.Domain != "" {
			from = h.Domain
		}
		switch {
		case i == 0:
			b.WriteString(from)
		case path[i-1].To != h.From:
			b.WriteString("; " + from)
		}
		fmt.Fprintf(&b, " → %v (%s)", h.To, h.Via)
	}
	return b.String()
}

// strongest returns the two weightiest claims of a finding.
func strongest(it *Item) string {
	first, second := -1, -1
	weight := func(i int) float64 {
		if i < 0 {
			return 0
		}
		if v := it.Evidence[i].LLR; v > 0 {
			return v
		} else {
			return -v
		}
	}
	for i := range it.Evidence {
		switch {
		case weight(i) > weight(first):
			first, second = i, first
		case weight(i) > weight(second):
			second = i
		}
	}
	if second < 0 {
		return it.Evidence[max(first, 0)].Claim
	}
	return it.Evidence[first].Claim + "; " + it.Evidence[second].Claim
}
