package train

import (
	"math"
	"math/rand/v2"
)

// drawer draws sessions for a batch: scenarios alike, then their variants alike,
// then runs, so that nothing counts more because it was recorded more often
// (balanced groups; Sagawa et al. 2020).
type drawer struct {
	scenarios [][]recipeRuns
}

// recipeRuns are the runs of one variant of a scenario.
type recipeRuns struct {
	runs []runExamples
}

// runExamples are the sessions of a run, and how likely each is drawn.
type runExamples struct {
	profile  int32
	examples []*Example
	weights  []float64 // running sum
}

func newDrawer(d *Data) *drawer {
	w := new(drawer)
	scenarios, recipes := make(map[string]int), make(map[int32]int)
	last := ""
	for _, e := range d.Examples { // run by run
		at, ok := scenarios[e.Run.Truth.Scenario]
		if !ok {
			at = len(w.scenarios)
			scenarios[e.Run.Truth.Scenario] = at
			w.scenarios = append(w.scenarios, nil)
		}
		k, ok := recipes[e.Recipe]
		if !ok {
			k = len(w.scenarios[at])
			recipes[e.Recipe] = k
			w.scenarios[at] = append(w.scenarios[at], recipeRuns{})
		}
		list := &w.scenarios[at][k]
		if e.Run.Truth.Name != last {
			last = e.Run.Truth.Name
			list.runs = append(list.runs, runExamples{profile: e.Profile})
		}
		list.runs[len(list.runs)-1].add(e)
	}
	return w
}

// add adds a session, which counts with the square root of its messages.
func (r *runExamples) add(e *Example) {
	sum := 0.0
	if n := len(r.weights); n > 0 {
		sum = r.weights[n-1]
	}
	r.examples = append(r.examples, e)
	r.weights = append(r.weights, sum+math.Sqrt(float64(len(e.Tokens))))
}

func (r *runExamples) draw(rnd *rand.Rand) *Example {
	x := rnd.Float64() * r.weights[len(r.weights)-1]
	for i, w := range r.weights {
		if x < w {
			return r.examples[i]
		}
	}
	return r.examples[len(r.examples)-1]
}

// pair draws two sessions of one variant, of different networks if it was
// recorded through several.
func (w *drawer) pair(rnd *rand.Rand) (a, b *Example) {
	variants := w.scenarios[rnd.IntN(len(w.scenarios))]
	runs := variants[rnd.IntN(len(variants))].runs
	i := rnd.IntN(len(runs))
	j := i
	for range 4 {
		if j = rnd.IntN(len(runs)); runs[j].profile != runs[i].profile {
			break
		}
	}
	return runs[i].draw(rnd), runs[j].draw(rnd)
}
