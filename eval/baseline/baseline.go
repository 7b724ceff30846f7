// Package baseline has the simple classifiers of sessions that a network must
// beat: boosted trees on hand-made features, nearest neighbours on the raw
// sequence, n-grams of lengths, what the protocol's recogniser says, rules that
// people would write, and the most frequent answer.
//
// A baseline that goes by ports is not among them: the corpus has no ports, so
// that nothing can learn from them. What it would tell, and more, [App] tells:
// what a session was recognised as by its content (DPI).
//
// To add a baseline: implement [Classifier], of sessions, or [Segmenter], of
// messages, in a file of its own, and list it in [Classifiers] or [Segmenters].
package baseline

import (
	"math"

	"tyto/sequence"
)

// Example is a session and, where it is known, what is true of it.
type Example struct {
	Sequence *sequence.Sequence
	App      string  // what it was recognised as by content
	Classes  []int   // that it is of: one, or with Task.Multi any number
	States   []int   // of each message; -1 if it is not known. Empty for whole sessions
	Weight   float64 // in training, such as to balance runs; 0 is 1
}

// Task says what is asked.
type Task struct {
	Names []string // of the classes
	Multi bool     // a session may be of several classes, or none
	Seed  uint64
}

// Classifier tells what sessions are. Fit comes first, once; then Predict may
// be called by several goroutines. Fit keeps no Example.
type Classifier interface {
	// Fit learns from sessions whose Classes are known.
	Fit(examples []Example)
	// Predict is a probability for each class: of several that exclude each
	// other, or with Task.Multi of each by itself.
	Predict(e *Example) []float64
}

// Segmenter tells what the messages of a session belong to.
type Segmenter interface {
	// Fit learns from sessions whose States are known.
	Fit(examples []Example)
	// Predict is for each message a probability for each class.
	Predict(e *Example) [][]float64
}

// Named is a baseline with what tables call it.
type Named[T any] struct {
	Name string
	New  func(Task) T
}

// Classifiers are the baselines of sessions, the strongest first.
var Classifiers = []Named[Classifier]{
	{"boosting", func(t Task) Classifier { return NewBoost(t) }},
	{"n-grams", func(t Task) Classifier { return NewGrams(t) }},
	{"kNN", func(t Task) Classifier { return NewNeighbors(t) }},
	{"DPI", func(t Task) Classifier { return NewApp(t) }},
	{"rules", func(t Task) Classifier { return NewRules(t) }},
	{"majority", func(t Task) Classifier { return NewMajority(t) }},
}

// Segmenters are the baselines of messages, the strongest first.
var Segmenters = []Named[Segmenter]{
	{"boosting", func(t Task) Segmenter { return NewSegmentBoost(t) }},
	{"rules", func(t Task) Segmenter { return NewSegmentRules(t) }},
}

func (e *Example) weight() float64 {
	if e.Weight == 0 {
		return 1
	}
	return e.Weight
}

// weights are those of all examples.
func weights(examples []Example) (w []float64) {
	for i := range examples {
		w = append(w, examples[i].weight())
	}
	return w
}

// has tells for each class whether an example is of it.
func (t Task) has(e *Example) []bool {
	of := make([]bool, len(t.Names))
	for _, k := range e.Classes {
		of[k] = true
	}
	return of
}

// targets are the classes of all examples if there is one of each, or of class
// k whether they are of it.
func (t Task) targets(examples []Example, k int) []int {
	y := make([]int, len(examples))
	for i := range examples {
		e := &examples[i]
		switch {
		case !t.Multi:
			y[i] = e.Classes[0]
		case t.has(e)[k]:
			y[i] = 1
		}
	}
	return y
}

// frequencies are the shares of examples that are of each class, with half an
// example for and half against each.
func (t Task) frequencies(examples []Example) []float64 {
	p := make([]float64, len(t.Names))
	for i := range examples {
		for _, k := range examples[i].Classes {
			p[k]++
		}
	}
	all := float64(len(examples)) + 1
	if !t.Multi {
		all = float64(len(examples)) + 0.5*float64(len(p))
	}
	for k := range p {
		p[k] = (p[k] + 0.5) / all
	}
	return p
}

func sigmoid(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
