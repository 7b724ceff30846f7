package corpus

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Leak is how well something that must not tell the label tells it.
type Leak struct {
	Feature  string
	Accuracy float64 // of a naive Bayes classifier that sees nothing else, on runs it did not see
	Chance   float64 // of the one that always says the most frequent label
	Runs     int
}

// auditFolds is how many parts the runs are cut into, by a hash of the name.
const auditFolds = 5

// Audit asks of everything in a run that is the lab's and not the behavior's
// whether the labels can be told from it: profile, sensor, place of the first
// session in the capture, its length, addresses, ports.
func Audit(runs []*Run) []Leak {
	features := []struct {
		name  string
		value func(*Run) []string
	}{
		{"profile", func(r *Run) []string { return []string{r.Truth.Profile.Name} }},
		{"sensor", func(r *Run) []string { return []string{r.Truth.Sensor} }},
		{"mtu", func(r *Run) []string { return []string{fmt.Sprint(r.Truth.Profile.MTU)} }},
		{"start offset", func(r *Run) []string { return []string{magnitude(float64(r.offset()))} }},
		{"capture length", func(r *Run) []string { return []string{magnitude(float64(r.Truth.T1 - r.Truth.T0))} }},
		{"originator's address", func(r *Run) []string { f := r.main(); return octets("o", f.Flow.Src.String()) }},
		{"responder's address", func(r *Run) []string { f := r.main(); return octets("r", f.Flow.Dst.String()) }},
		{"originator's port", func(r *Run) []string { return []string{fmt.Sprint(r.main().Flow.SrcPort >> 10)} }},
		{"responder's port", func(r *Run) []string { return []string{fmt.Sprint(r.main().Flow.DstPort)} }},
	}
	runs = slices.DeleteFunc(slices.Clone(runs), func(r *Run) bool { return len(r.Sessions) == 0 })
	var leaks []Leak
	for _, f := range features {
		leaks = append(leaks, leak(f.name, runs, f.value))
	}
	return leaks
}

// leak cross-validates a naive Bayes classifier of a run's labels.
func leak(name string, runs []*Run, value func(*Run) []string) Leak {
	right, usual := 0, 0
	for fold := range uint32(auditFolds) {
		prior, all := make(map[string]float64), 0.
		seen := make(map[string]map[string]float64)
		for _, r := range runs {
			if r.fold() == fold {
				continue
			}
			l := r.labels()
			prior[l]++
			all++
			for _, v := range value(r) {
				if seen[v] == nil {
					seen[v] = make(map[string]float64)
				}
				seen[v][l]++
			}
		}
		for _, r := range runs {
			if r.fold() != fold {
				continue
			}
			if best(prior, all, nil) == r.labels() {
				usual++
			}
			var counts []map[string]float64
			for _, v := range value(r) {
				if seen[v] != nil {
					counts = append(counts, seen[v])
				}
			}
			if best(prior, all, counts) == r.labels() {
				right++
			}
		}
	}
	n := float64(max(len(runs), 1))
	return Leak{name, float64(right) / n, float64(usual) / n, len(runs)}
}

// best is the label of the highest posterior; equal ones go by name. A value's
// frequency with a label leans towards its frequency with all.
func best(prior map[string]float64, all float64, counts []map[string]float64) (label string) {
	const lean = 50
	shares := make([]float64, len(counts))
	for i, c := range counts {
		for _, n := range c {
			shares[i] += n / all
		}
	}
	top := math.Inf(-1)
	for l, n := range prior {
		score := math.Log(n)
		for i, c := range counts {
			score += math.Log((c[l] + lean*shares[i]) / (n + lean))
		}
		if score > top || score == top && l < label {
			top, label = score, l
		}
	}
	return label
}

// labels are a run's labels as one word.
func (r *Run) labels() string {
	var names []string
	for _, l := range r.Truth.Labels {
		names = append(names, l.String())
	}
	slices.Sort(names)
	return strings.Join(names, "+")
}

func (r *Run) fold() uint32 { return hash(r.Truth.Name) % auditFolds }

// main is the session with the most of the run's labels, and of these the one
// with the most entries.
func (r *Run) main() *Session {
	count := func(s *Session) (n int) {
		for _, l := range s.Flow.Labels {
			if slices.Contains(r.Truth.Labels, l) {
				n++
			}
		}
		return n
	}
	i := 0
	for k := range r.Sessions {
		a, b := &r.Sessions[k], &r.Sessions[i]
		if c := cmp.Or(cmp.Compare(count(a), count(b)), cmp.Compare(len(a.Entries), len(b.Entries))); c > 0 {
			i = k
		}
	}
	return &r.Sessions[i]
}

// offset is the time from the first packet of the capture to the main
// session's.
func (r *Run) offset() int64 { return int64(r.main().Flow.T0 - r.Truth.T0) }

// magnitude puts a duration in ns into one of four bins an octave.
func magnitude(ns float64) string {
	if ns < 1e6 {
		return "none"
	}
	return fmt.Sprint(int(4 * math.Log2(ns)))
}

// octets are the parts of an address, each with its place.
func octets(side, addr string) (parts []string) {
	for i, o := range strings.Split(addr, ".") {
		parts = append(parts, fmt.Sprintf("%s%d=%s", side, i, o))
	}
	return parts
}
