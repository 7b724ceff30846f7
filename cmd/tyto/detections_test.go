package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tyto/detection"
	"tyto/detection/all"
)

// detectionsReference is docs/detections.md.
func detectionsReference() string {
	defs := slices.Clone(all.Definitions())
	slices.SortFunc(defs, func(a, b *detection.Definition) int { return strings.Compare(a.ID, b.ID) })
	var b strings.Builder
	fmt.Fprintf(&b, "# Detections\n\nMade from the code by `make generate`. %d rules and detectors contribute evidence: log-likelihood ratios in nats, each\n"+
		"with a claim in plain words. A finding's score is their sum; the probability starts from log-odds of %d. Findings of one\n"+
		"story are a case, and a case of at least one half that has no everyday explanation is an alert.\n", len(defs), int(detection.Prior))
	for _, d := range defs {
		fmt.Fprintf(&b, "\n## %s\n\n**%s.** Severity: %s. ATT&CK: %s.\n\n%s\n\n**What looks alike:** %s\n", d.ID, d.Title, d.Severity, strings.Join(d.Techniques, ", "), d.Doc, d.Twin)
	}
	return b.String()
}

// TestDefinitions wants every rule documented, mapped to ATT&CK, and its benign
// twin named.
func TestDefinitions(t *testing.T) {
	id, technique := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`), regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)
	seen := make(map[string]bool)
	for _, d := range all.Definitions() {
		if !id.MatchString(d.ID) || seen[d.ID] {
			t.Errorf("rule %q: no identifier of its own in lower case", d.ID)
		}
		seen[d.ID] = true
		if d.Title == "" || len(d.Doc) < 40 || len(d.Twin) < 20 || d.Severity == 0 || len(d.Techniques) == 0 {
			t.Errorf("rule %s: title, documentation, twin, severity or techniques are missing", d.ID)
		}
		for _, s := range d.Techniques {
			if !technique.MatchString(s) {
				t.Errorf("rule %s: %q is no ATT&CK technique", d.ID, s)
			}
		}
	}
}
