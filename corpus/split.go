package corpus

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
)

// Split holds runs back from training. The unit is always a run.
type Split struct {
	Name string // "S1/2" is the third fold of S1
	Doc  string // what the runs that are held back have that no other has
	held func(*Run) bool
}

// Test reports whether a run is held back.
func (s *Split) Test(r *Run) bool { return s.held(r) }

// networks are the profiles that S1 holds back together: those that are alike.
var networks = [][]string{{"lan", "jumbo", "campus"}, {"wifi", "mobile", "lossy"}, {"fibre", "dsl", "cable"}, {"continent", "ocean", "satellite", "vpn"}}

// folds of the splits that go by a hash or an index.
const (
	runFolds      = 5
	programFolds  = 3
	behaviorFolds = 5
)

// Splits returns the folds of evaluations: S0 holds back runs, S1 networks, S2
// implementations, S3 scenarios of which the labels are known from others.
func Splits(runs []*Run) (all []Split) {
	for k := range uint32(runFolds) {
		all = append(all, Split{fmt.Sprintf("S0/%d", k), "runs", func(r *Run) bool { return hash(r.Truth.Name)%runFolds == k }})
	}
	for k, group := range networks {
		all = append(all, Split{fmt.Sprintf("S1/%d", k), "profiles " + strings.Join(group, ", "), func(r *Run) bool { return slices.Contains(group, r.Truth.Profile.Name) }})
	}
	programs := programsOf(runs)
	for k := range programFolds {
		all = append(all, Split{fmt.Sprintf("S2/%d", k), "one in three implementations of each scenario", func(r *Run) bool {
			list := programs[r.Truth.Scenario]
			return len(list) > 1 && slices.Index(list, program(r, list))%programFolds == k
		}})
	}
	for k := range uint32(behaviorFolds) {
		known := make(map[string]bool) // labels that are in a scenario that is not held back
		for _, r := range runs {
			if hash(r.Truth.Scenario)%behaviorFolds != k {
				known[r.labels()] = true
			}
		}
		all = append(all, Split{fmt.Sprintf("S3/%d", k), "one in five scenarios, where another has the same labels", func(r *Run) bool {
			return hash(r.Truth.Scenario)%behaviorFolds == k && known[r.labels()]
		}})
	}
	return all
}

func hash(text string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(text))
	return h.Sum32()
}

// programsOf are the implementations of each scenario, sorted: the first part
// of the variants' names (the client's), or the rest where that is always the
// same.
func programsOf(runs []*Run) map[string][]string {
	first, rest := make(map[string]map[string]bool), make(map[string]map[string]bool)
	for _, r := range runs {
		s := r.Truth.Scenario
		if first[s] == nil {
			first[s], rest[s] = make(map[string]bool), make(map[string]bool)
		}
		a, b, _ := strings.Cut(r.Truth.Variant, "-")
		first[s][a], rest[s][b] = true, true
	}
	all := make(map[string][]string)
	for s := range first {
		all[s] = slices.Sorted(maps.Keys(first[s]))
		if len(all[s]) == 1 {
			all[s] = slices.Sorted(maps.Keys(rest[s]))
		}
	}
	return all
}

// program is the part of a run's variant that is in the list.
func program(r *Run, list []string) string {
	a, b, _ := strings.Cut(r.Truth.Variant, "-")
	if slices.Contains(list, a) {
		return a
	}
	return b
}
