package metric

import (
	"math"
	"testing"
)

// near reports whether two figures are the same, or both are NaN.
func near(a, b float64) bool {
	return math.Abs(a-b) < 1e-9 || a == b || math.IsNaN(a) && math.IsNaN(b)
}

func TestCounts(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		counts                Counts
		precision, recall, f1 float64
	}{
		{Counts{TP: 3, FP: 1, FN: 2}, 0.75, 0.6, 2. / 3},
		{Counts{FN: 2}, nan, 0, 0},
		{Counts{FP: 2}, 0, nan, 0},
		{Counts{}, nan, nan, nan},
	} {
		if p, r, f := c.counts.Precision(), c.counts.Recall(), c.counts.F1(); !near(p, c.precision) || !near(r, c.recall) || !near(f, c.f1) {
			t.Errorf("%+v: precision %v recall %v F1 %v, want %v %v %v", c.counts, p, r, f, c.precision, c.recall, c.f1)
		}
	}
}

func TestConfusion(t *testing.T) {
	c := NewConfusion(4)
	for _, it := range [][2]int{{0, 0}, {0, 0}, {0, 0}, {0, 1}, {1, 1}, {1, 0}, {1, -1}, {2, 3}, {-1, 2}} {
		c.Add(it[0], it[1])
	}
	want := []Counts{{TP: 3, FP: 1, FN: 1}, {TP: 1, FP: 1, FN: 2}, {FN: 1}, {FP: 1}}
	for k, got := range c.Classes() {
		if got != want[k] {
			t.Errorf("class %d: %+v, want %+v", k, got, want[k])
		}
	}
	if got := c.Accuracy(); !near(got, 4./8) {
		t.Errorf("accuracy %v, want 4 of 8", got)
	}
	// F1: 6/8, 2/5, 0; class 3 does not occur.
	if got, want := c.MacroF1(), (0.75+0.4+0)/3; !near(got, want) {
		t.Errorf("macro-F1 %v, want %v", got, want)
	}
	if got, want := MicroF1(c.Classes()), 2*4./(2*4+3+4); !near(got, want) {
		t.Errorf("micro-F1 %v, want %v", got, want)
	}
	if got := NewConfusion(2).MacroF1(); !math.IsNaN(got) {
		t.Errorf("macro-F1 of nothing %v", got)
	}
}

func TestMulti(t *testing.T) {
	m := NewMulti(3)
	m.Add([]bool{true, true, false}, []bool{true, false, false})
	m.Add([]bool{true, false, false}, []bool{true, false, true})
	m.Add([]bool{false, false, false}, []bool{false, false, false})
	want := []Counts{{TP: 2}, {FN: 1}, {FP: 1}}
	for k, got := range m.Classes {
		if got != want[k] {
			t.Errorf("class %d: %+v, want %+v", k, got, want[k])
		}
	}
	if m.Items != 3 || m.Exact != 1 || !near(m.MacroF1(), 0.5) {
		t.Errorf("%d items, %d exact, macro-F1 %v; want 3, 1, 0.5", m.Items, m.Exact, m.MacroF1())
	}
}

func TestBest(t *testing.T) {
	for _, c := range []struct {
		p     []float64
		least float64
		want  int
	}{
		{[]float64{0.2, 0.5, 0.3}, 0, 1},
		{[]float64{0.4, 0.2, 0.4}, 0, 0},
		{[]float64{0.4, 0.2, 0.4}, 0.5, -1},
		{[]float64{0.5, 0.5}, 0.5, 0},
		{nil, 0, -1},
	} {
		if got := Best(c.p, c.least); got != c.want {
			t.Errorf("%v from %v: class %d, want %d", c.p, c.least, got, c.want)
		}
	}
}
