package corpus

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"tyto/lab/label"
)

// Counts are what a datasheet says of a corpus in figures.
type Counts struct {
	Runs, Sessions, Entries, Segments, Keys, Dropped int
	Duration                                         time.Duration
	Lateness                                         []time.Duration // p99 of each run, sorted
	scenarios                                        map[string]map[string]int
	labels, states                                   map[string]map[string]int // runs by profile; seconds by profile
	profiles                                         map[string]bool
}

// Count counts runs.
func Count(runs []*Run) *Counts {
	c := &Counts{scenarios: make(map[string]map[string]int), labels: make(map[string]map[string]int), states: make(map[string]map[string]int), profiles: make(map[string]bool)}
	inc := func(m map[string]map[string]int, row, column string, n int) {
		if m[row] == nil {
			m[row] = make(map[string]int)
		}
		m[row][column] += n
	}
	for _, r := range runs {
		profile := r.Truth.Profile.Name
		c.Runs++
		c.profiles[profile] = true
		c.Duration += time.Duration(r.Truth.T1 - r.Truth.T0)
		c.Lateness = append(c.Lateness, r.Truth.Lateness.P99.Duration())
		inc(c.scenarios, r.Truth.Scenario+" "+r.Truth.Variant, profile, 1)
		labels := make(map[string]bool)
		for i := range r.Sessions {
			s := &r.Sessions[i]
			c.Sessions++
			c.Entries += len(s.Entries)
			c.Segments += len(s.Flow.Segments)
			c.Keys += len(s.Flow.Keys)
			if s.Dropped > 0 {
				c.Dropped++
			}
			for _, l := range s.Flow.Labels {
				labels[l.String()] = true
			}
			for state, d := range spans(s.Flow.Segments) {
				inc(c.states, state.String(), profile, int(d.Seconds()+0.5))
			}
		}
		for l := range labels {
			inc(c.labels, l, profile, 1)
		}
	}
	slices.Sort(c.Lateness)
	return c
}

// spans are how long a flow was in each state.
func spans(segments []label.Segment) map[label.State]time.Duration {
	all := make(map[label.State]time.Duration)
	for _, s := range segments {
		all[s.State] += time.Duration(s.T1 - s.T0)
	}
	return all
}

// WriteTables writes the counts as Markdown.
func (c *Counts) WriteTables(w io.Writer) error {
	var b strings.Builder
	late := func(p int) time.Duration {
		if len(c.Lateness) == 0 {
			return 0
		}
		return c.Lateness[(len(c.Lateness)-1)*p/100].Round(10 * time.Microsecond)
	}
	fmt.Fprintf(&b, "%d runs of %d implementations of recipes, %.1f hours in all; %d sessions with %d entries, %d segments and %d keys; %d sessions are cut at %d entries.\n",
		c.Runs, len(c.scenarios), c.Duration.Hours(), c.Sessions, c.Entries, c.Segments, c.Keys, c.Dropped, MaxEntries)
	fmt.Fprintf(&b, "Lateness (99th percentile of a run): median %s, 95 %% under %s, worst %s.\n", late(50), late(95), late(100))
	profiles := slices.Sorted(maps.Keys(c.profiles))
	table(&b, "Runs with sessions of each label, by profile", "label", c.labels, profiles)
	table(&b, "Seconds in each state, by profile", "state", c.states, profiles)
	table(&b, "Runs of each recipe and implementation, by profile", "recipe, implementation", c.scenarios, profiles)
	_, err := io.WriteString(w, b.String())
	return err
}

func table(b *strings.Builder, title, first string, rows map[string]map[string]int, columns []string) {
	fmt.Fprintf(b, "\n## %s\n\n| %s | all | %s |\n|---|%s\n", title, first, strings.Join(columns, " | "), strings.Repeat("--:|", len(columns)+1))
	for _, name := range slices.SortedFunc(maps.Keys(rows), cmp.Compare[string]) {
		sum := 0
		var cells []string
		for _, column := range columns {
			n := rows[name][column]
			sum += n
			cells = append(cells, fmt.Sprint(n))
		}
		fmt.Fprintf(b, "| %s | %d | %s |\n", name, sum, strings.Join(cells, " | "))
	}
}

// WriteAudit writes leaks as Markdown.
func WriteAudit(w io.Writer, leaks []Leak) error {
	var b strings.Builder
	b.WriteString("| seen | accuracy | chance | points above |\n|---|--:|--:|--:|\n")
	for _, l := range leaks {
		fmt.Fprintf(&b, "| %s | %.1f %% | %.1f %% | %+.1f |\n", l.Feature, 100*l.Accuracy, 100*l.Chance, 100*(l.Accuracy-l.Chance))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
