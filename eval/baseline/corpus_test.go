package baseline

import (
	"os"
	"slices"
	"testing"

	"tyto/corpus"
	"tyto/eval/metric"
	"tyto/lab/label"
	"tyto/sequence"
)

// part is sessions, and the run that each is of.
type part struct {
	examples []Example
	runs     []string
}

func (p *part) add(e Example, run string) {
	p.examples, p.runs = append(p.examples, e), append(p.runs, run)
}

// slice is the labelled sessions of the first runs of the corpus that have at
// least four messages: those to train on, and those of the runs that the first
// fold of S0 holds back.
func slice(t *testing.T, most int) (train, test part) {
	t.Helper()
	const path = "../../corpus/data"
	if _, err := os.Stat(path); err != nil {
		t.Skip("no corpus: ", err)
	}
	var runs []*corpus.Run
	for r, err := range corpus.Runs(path) {
		if err != nil {
			t.Fatal(err)
		}
		if runs = append(runs, r); len(runs) == most {
			break
		}
	}
	fold := corpus.Splits(runs)[0]
	for _, r := range runs {
		for i := range r.Sessions {
			s := &r.Sessions[i]
			e := exampleOf(s)
			switch {
			case len(e.Classes) == 0 || len(e.Sequence.Messages) < 4 || s.Reversed:
			case fold.Test(r):
				test.add(e, r.Truth.Name)
			default:
				train.add(e, r.Truth.Name)
			}
		}
	}
	return train, test
}

// exampleOf is a session with its labels and states; where segments overlap, a
// message is of the one that began last.
func exampleOf(s *corpus.Session) Example {
	proto := map[string]uint8{"tcp": 6, "udp": 17, "icmp": 1}[s.Flow.Proto]
	q := sequence.Recover(proto, slices.Values(s.Entries))
	e := Example{Sequence: &q, App: s.App}
	for _, l := range s.Flow.Labels {
		e.Classes = append(e.Classes, int(l)-1)
	}
	for _, m := range q.Messages {
		at, state := label.Time(s.Entries[0].Time+m.Time), -1
		for _, g := range s.Flow.Segments {
			if g.T0 <= at && at <= g.T1 {
				state = int(g.State) - 1
			}
		}
		e.States = append(e.States, state)
	}
	return e
}

// TestCorpus is also an example: it compares baselines on a slice of the corpus.
// Thresholds come from the runs that are trained on. Trees are few, to be quick:
// with 40 rounds and three folds boosting has 0.52 where it has 0.45 here.
func TestCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("trains on the corpus")
	}
	task := Task{Multi: true, Seed: 1}
	for _, l := range label.Labels() {
		task.Names = append(task.Names, l.String())
	}
	train, test := slice(t, 200)
	t.Logf("%d sessions to train on, %d of runs that were held back", len(train.examples), len(test.examples))
	usual := macroF1(task, test, mostFrequent(task, train, test))
	t.Logf("%-10s macro-F1 %.3f", "most frequent", usual(every(test)))
	for _, b := range Classifiers {
		fresh := func(t Task) Classifier {
			c := b.New(t)
			if boosted, ok := c.(*Boost); ok {
				boosted.Options.Rounds = 20
			}
			return c
		}
		thresholds := Thresholds(fresh, task, train.examples, train.runs, 2)
		c := fresh(task)
		c.Fit(train.examples)
		var said [][]bool
		for i := range test.examples {
			said = append(said, Said(c.Predict(&test.examples[i]), thresholds))
		}
		f1 := metric.Bootstrap(test.runs, 200, 1, macroF1(task, test, said))
		t.Logf("%-10s macro-F1 %v over %d runs", b.Name, f1, f1.Groups)
		learns := slices.Contains([]string{"boosting", "n-grams", "kNN"}, b.Name)
		if learns && !(f1.Value > usual(every(test))) {
			t.Errorf("%s: macro-F1 %.3f is not better than that of the most frequent label", b.Name, f1.Value)
		}
	}
}

// macroF1 is the statistic of chosen sessions.
func macroF1(task Task, test part, said [][]bool) func([]int) float64 {
	return func(items []int) float64 {
		m := metric.NewMulti(len(task.Names))
		for _, i := range items {
			m.Add(task.has(&test.examples[i]), said[i])
		}
		return m.MacroF1()
	}
}

// mostFrequent says of each session that it has the most frequent label.
func mostFrequent(task Task, train, test part) [][]bool {
	p := task.frequencies(train.examples)
	said := make([]bool, len(p))
	said[slices.Index(p, slices.Max(p))] = true
	return slices.Repeat([][]bool{said}, len(test.examples))
}

func every(p part) (items []int) {
	for i := range p.examples {
		items = append(items, i)
	}
	return items
}

// TestCorpusStates compares baselines of messages on the same slice.
func TestCorpusStates(t *testing.T) {
	if testing.Short() {
		t.Skip("trains on the corpus")
	}
	task := Task{Seed: 1}
	for _, s := range label.States() {
		task.Names = append(task.Names, s.String())
	}
	train, test := slice(t, 200)
	counts := make([]float64, len(task.Names))
	for _, e := range train.examples {
		for _, k := range e.States {
			if k >= 0 {
				counts[k]++
			}
		}
	}
	always := metric.NewConfusion(len(counts))
	for _, e := range test.examples {
		for _, k := range e.States {
			always.Add(k, slices.Index(counts, slices.Max(counts)))
		}
	}
	t.Logf("%-10s macro-F1 %.3f accuracy %.3f", "most frequent", always.MacroF1(), always.Accuracy())
	for _, b := range Segmenters {
		c := b.New(task)
		if boosted, ok := c.(*SegmentBoost); ok {
			boosted.Options.Rounds, boosted.MaxRows = 10, 8_000
		}
		c.Fit(train.examples)
		m := metric.NewConfusion(len(counts))
		for i := range test.examples {
			e := &test.examples[i]
			for j, p := range c.Predict(e) {
				m.Add(e.States[j], metric.Best(p, 0))
			}
		}
		t.Logf("%-10s macro-F1 %.3f accuracy %.3f", b.Name, m.MacroF1(), m.Accuracy())
		if !(m.MacroF1() > always.MacroF1()) {
			t.Errorf("%s is not better than the most frequent state", b.Name)
		}
	}
}
