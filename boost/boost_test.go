package boost

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// column makes a matrix of one column.
func oneColumn(values ...float32) Matrix { return Matrix{Columns: 1, Values: values} }

func TestStumpByHand(t *testing.T) {
	m := Train(oneColumn(0, 0, 1, 1), []int{0, 0, 1, 1}, Options{Rounds: 1, Rate: 1, Leaves: 2, MinLeaf: 1, Lambda: 1})
	// Both classes are as frequent: the start is 0, every gradient ±1/2, every
	// second derivative 1/4. A leaf of two rows has the value ±1/(1/2+1).
	for _, c := range []struct {
		x    float32
		want float64
	}{{-3, -2. / 3}, {0, -2. / 3}, {0.5, -2. / 3}, {0.6, 2. / 3}, {9, 2. / 3}} {
		if got := m.Scores([]float32{c.x}); got[0] != 0 || math.Abs(got[1]-c.want) > 1e-12 {
			t.Errorf("scores of %v = %v, want [0 %v]", c.x, got, c.want)
		}
	}
	// Splitting gains (1/1.5 + 1/1.5 - 0).
	if got := m.Gain()[0]; math.Abs(got-4./3) > 1e-12 {
		t.Errorf("gain %v, want 4/3", got)
	}
}

// rings are points in the plane whose class is how far from the middle they are.
func rings(n, classes int, seed uint64) (Matrix, []int) {
	r := rand.New(rand.NewPCG(seed, 1))
	m, y := Matrix{Columns: 3}, make([]int, n)
	for i := range n {
		y[i] = r.IntN(classes)
		angle, d := r.Float64()*2*math.Pi, float64(y[i])+0.2+0.6*r.Float64()
		m.Values = append(m.Values, float32(d*math.Cos(angle)), float32(r.NormFloat64()), float32(d*math.Sin(angle)))
	}
	return m, y
}

func accuracy(m *Model, x Matrix, y []int) float64 {
	right := 0.
	for i, k := range y {
		if p := m.Predict(x.Row(i)); slices.Index(p, slices.Max(p)) == k {
			right++
		}
	}
	return right / float64(len(y))
}

func TestLearnsRings(t *testing.T) {
	for _, c := range []struct {
		name    string
		classes int
		o       Options
	}{
		{"logistic", 2, Options{Rounds: 40}},
		{"softmax", 4, Options{Classes: 4, Rounds: 40}},
		{"shallow", 4, Options{Classes: 4, Depth: 4, Rounds: 60}},
		{"sampled", 4, Options{Classes: 4, Rounds: 60, RowShare: 0.5, ColumnShare: 0.67, Seed: 3}},
	} {
		x, y := rings(1200, c.classes, 1)
		m := Train(x, y, c.o)
		testX, testY := rings(1000, c.classes, 2)
		if got := accuracy(m, testX, testY); got < 0.93 {
			t.Errorf("%s: accuracy %.3f on rows it did not see", c.name, got)
		}
		if gain := m.Gain(); gain[1] > gain[0]/5 || gain[1] > gain[2]/5 {
			t.Errorf("%s: noise gains too much: %v", c.name, gain)
		}
	}
}

func TestSameSeedSameModel(t *testing.T) {
	x, y := rings(500, 3, 1)
	o := Options{Classes: 3, Rounds: 20, RowShare: 0.6, ColumnShare: 0.7, Seed: 1}
	a, b := Train(x, y, o), Train(x, y, o)
	o.Seed = 2
	other, differ := Train(x, y, o), false
	for i := range y {
		if got, want := a.Scores(x.Row(i)), b.Scores(x.Row(i)); !slices.Equal(got, want) {
			t.Fatalf("row %d: %v and %v", i, got, want)
		}
		differ = differ || !slices.Equal(a.Scores(x.Row(i)), other.Scores(x.Row(i)))
	}
	if !differ {
		t.Error("another seed gave the same model")
	}
}

func TestDepth(t *testing.T) {
	x, y := rings(1000, 4, 1)
	m := Train(x, y, Options{Classes: 4, Rounds: 3, Depth: 3})
	for i, tr := range m.trees {
		if d := depth(tr, 0); d > 3 || len(tr) > 15 {
			t.Errorf("tree %d: depth %d, %d nodes", i, d, len(tr))
		}
	}
}

func depth(t tree, at int32) int {
	if t[at].column < 0 {
		return 0
	}
	return 1 + max(depth(t, t[at].left), depth(t, t[at].right))
}

func TestMinLeaf(t *testing.T) {
	x, y := oneColumn(0, 1, 2, 3, 4, 5), []int{1, 0, 0, 0, 0, 0}
	m := Train(x, y, Options{Rounds: 1, MinLeaf: 3})
	if got := m.trees[0][0].threshold; got != 2.5 {
		t.Errorf("split at %v, want 2.5: the only cut with three rows on each side", got)
	}
	if m := Train(x, y, Options{Rounds: 1, MinLeaf: 4}); len(m.trees[0]) != 1 {
		t.Errorf("%d nodes, want 1: no cut has four rows on each side", len(m.trees[0]))
	}
}

// Rows of weight 2 and rows that are there twice are the same, where there are
// as many bins as rows.
func TestWeights(t *testing.T) {
	x, y := rings(200, 3, 1)
	once := make([]float64, len(y))
	twice, twiceY := Matrix{Columns: 3, Values: slices.Clone(x.Values)}, slices.Clone(y)
	for i, k := range y {
		once[i] = 1
		if k == 2 {
			once[i] = 2
			twice.Values = append(twice.Values, x.Row(i)...)
			twiceY = append(twiceY, k)
		}
	}
	o := Options{Classes: 3, Rounds: 5, Weights: once}
	byClass := Options{Classes: 3, Rounds: 5, ClassWeights: []float64{1, 1, 2}}
	want := Train(twice, twiceY, Options{Classes: 3, Rounds: 5})
	for name, m := range map[string]*Model{"row": Train(x, y, o), "class": Train(x, y, byClass)} {
		for i := range y {
			got, want := m.Scores(x.Row(i)), want.Scores(x.Row(i))
			for k := range got {
				if math.Abs(got[k]-want[k]) > 1e-9 {
					t.Fatalf("%s weights, row %d: %v, want %v", name, i, got, want)
				}
			}
		}
	}
}

func TestWeightZeroIsUnseen(t *testing.T) {
	x, y := oneColumn(0, 0, 1, 1, 2, 2), []int{0, 0, 1, 1, 0, 0}
	m := Train(x, y, Options{MinLeaf: 1, Weights: []float64{1, 1, 1, 1, 0, 0}})
	if p := m.Predict([]float32{2}); p[1] < 0.9 {
		t.Errorf("class 1 of 2: %v, as if the rows of no weight counted", p)
	}
}

func TestMissing(t *testing.T) {
	nan := float32(math.NaN())
	x, y := oneColumn(nan, nan, nan, -5, -5, 7, 7, 7), []int{1, 1, 1, 0, 0, 1, 1, 1}
	m := Train(x, y, Options{MinLeaf: 1})
	for _, c := range []struct {
		x     float32
		class int
	}{{nan, 1}, {-5, 0}, {-100, 0}, {7, 1}} {
		if p := m.Predict([]float32{c.x}); p[c.class] < 0.9 {
			t.Errorf("class %d of %v: %v", c.class, c.x, p)
		}
	}
}

func TestDegenerate(t *testing.T) {
	for _, c := range []struct {
		name string
		x    Matrix
		y    []int
		want float64 // probability of class 1
	}{
		{"constant", oneColumn(3, 3, 3, 3), []int{0, 1, 1, 1}, 0.7},
		{"one class", oneColumn(1, 2, 3, 4), []int{1, 1, 1, 1}, 0.9},
		{"no rows", oneColumn(), nil, 0.5},
	} {
		m := Train(c.x, c.y, Options{Rounds: 1, MinLeaf: 3, Rate: 1e-9})
		if got := m.Predict([]float32{3})[1]; math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestPanics(t *testing.T) {
	x := oneColumn(1, 2)
	for name, f := range map[string]func(){
		"rows":          func() { Train(x, []int{0}, Options{}) },
		"class":         func() { Train(x, []int{0, 2}, Options{}) },
		"negative":      func() { Train(x, []int{0, -1}, Options{}) },
		"weights":       func() { Train(x, []int{0, 1}, Options{Weights: []float64{1}}) },
		"class weights": func() { Train(x, []int{0, 1}, Options{ClassWeights: []float64{1}}) },
		"matrix":        func() { Bin(Matrix{Columns: 2, Values: make([]float32, 3)}) },
		"columns":       func() { Train(x, []int{0, 1}, Options{}).Predict([]float32{1, 2}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestBalanced(t *testing.T) {
	got := Balanced([]int{0, 0, 0, 0, 0, 0, 1, 1, 3, 3, 3, 3}, 4, 1.9)
	if want := []float64{12. / 18, 1.9, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func BenchmarkTrain(b *testing.B) {
	x, y := wide(5000, 60, 15)
	for b.Loop() {
		Train(x, y, Options{Classes: 15, Rounds: 10})
	}
}

func BenchmarkPredict(b *testing.B) {
	x, y := wide(1000, 60, 15)
	m := Train(x, y, Options{Classes: 15})
	for b.Loop() {
		m.Predict(x.Row(7))
	}
}

// wide is a matrix whose columns tell a little of the class each.
func wide(rows, columns, classes int) (Matrix, []int) {
	r := rand.New(rand.NewPCG(1, 1))
	x, y := Matrix{Columns: columns}, make([]int, rows)
	for i := range y {
		y[i] = r.IntN(classes)
		for c := range columns {
			x.Values = append(x.Values, float32(r.NormFloat64()+float64((y[i]*(c+3))%7)/3))
		}
	}
	return x, y
}
