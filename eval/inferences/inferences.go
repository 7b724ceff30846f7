// Package inferences measures the inference codes of ssh records against what the
// lab knows of its sessions.
package inferences

import (
	"fmt"
	"io"

	"tyto/protocol/ssh"
)

var allCodes = func() (list []string) {
	for _, i := range ssh.Inferences {
		list = append(list, i.Code)
	}
	return list
}()

// Count is how often a code was right, wrong and missed.
type Count struct{ Yes, Hit, False, No int }

// Scores count by code.
type Scores map[string]*Count

// Add counts what was inferred of a session.
func (s Scores) Add(t Truth, codes []string) {
	have := make(map[string]bool)
	for _, c := range codes {
		have[c] = true
	}
	for _, c := range allCodes {
		if s[c] == nil {
			s[c] = new(Count)
		}
		n := s[c]
		switch {
		case t.Yes[c]:
			n.Yes++
			if have[c] {
				n.Hit++
			}
		case t.No[c]:
			n.No++
			if have[c] {
				n.False++
			}
		}
	}
}

// Precision is the share of right ones among what was inferred; 0 if nothing was.
func (c *Count) Precision() float64 { return ratio(c.Hit, c.Hit+c.False) }

// Recall is the share of those that have the code of whom it was inferred; 0 if none has.
func (c *Count) Recall() float64 { return ratio(c.Hit, c.Yes) }

// F1 is the harmonic mean of both.
func (c *Count) F1() float64 { return ratio(2*c.Hit, c.Hit+c.False+c.Yes) }

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// MacroF1 is the mean F1 of the codes that hold of a session at least, and how
// many those are.
func (s Scores) MacroF1() (f1 float64, codes int) {
	for _, c := range s {
		if c.Yes > 0 {
			f1 += c.F1()
			codes++
		}
	}
	return f1 / float64(max(codes, 1)), codes
}

// Write writes the scores as a table in Markdown: of each code how many sessions
// have it, how many of those it was inferred of and how many others, of how many.
func (s Scores) Write(w io.Writer) error {
	if _, err := fmt.Fprint(w, "| code | have it | inferred | of those without | wrongly | precision | recall | F1 |\n|---|---|---|---|---|---|---|---|\n"); err != nil {
		return err
	}
	for _, code := range allCodes {
		c := s[code]
		if c == nil {
			continue
		}
		last := "- | - | -"
		if c.Yes > 0 {
			last = fmt.Sprintf("%.3f | %.3f | %.3f", c.Precision(), c.Recall(), c.F1())
		}
		if _, err := fmt.Fprintf(w, "| %s | %d | %d | %d | %d | %s |\n", code, c.Yes, c.Hit, c.No, c.False, last); err != nil {
			return err
		}
	}
	f1, n := s.MacroF1()
	_, err := fmt.Fprintf(w, "\nMacro-F1 of the %d codes that some session has: %.3f.\n", n, f1)
	return err
}
