// Package boost trains gradient-boosted decision trees on histograms of binned
// features (Friedman, "Greedy function approximation", 2001; Ke et al.,
// "LightGBM", 2017).
//
// It is the yardstick of networks: on a table of features that somebody thought
// of, it is hard to beat, so what does not beat it is not worth its cost. The
// same data, options and seed give the same trees. Everything happens in the
// caller's goroutine.
package boost

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Matrix is a table of numbers, row after row. A NaN is less than every number.
type Matrix struct {
	Columns int
	Values  []float32 // Rows() × Columns
}

// Rows is how many rows there are.
func (m Matrix) Rows() int {
	if m.Columns == 0 {
		return 0
	}
	return len(m.Values) / m.Columns
}

// Row is row i; it shares the matrix's memory.
func (m Matrix) Row(i int) []float32 { return m.Values[i*m.Columns : (i+1)*m.Columns] }

// Options say how trees grow. The zero value of a field stands for its default.
type Options struct {
	Classes      int       // 2 (default): logistic loss, one tree a round; more: softmax loss, one tree a class and round
	Rounds       int       // default 100
	Rate         float64   // what is kept of each tree, default 0.1
	Leaves       int       // of a tree, at most; default 31. The leaf that gains most is split first
	Depth        int       // of a tree, at most; default no limit
	MinLeaf      float64   // weight of the rows in a leaf, at least; default 20
	Lambda       float64   // L2 penalty of the leaves' values, default 1
	RowShare     float64   // part of the rows that each round's trees see, default 1
	ColumnShare  float64   // part of the columns that each tree sees, default 1
	Weights      []float64 // of each row, default 1
	ClassWeights []float64 // of each class, default 1: multiplied with those of the rows
	Seed         uint64    // of the choice of rows and columns
}

// ForFew are options for a few thousand rows: small trees, each of a part of the
// rows and columns.
var ForFew = Options{Rounds: 200, Leaves: 7, MinLeaf: 3, RowShare: 0.8, ColumnShare: 0.3}

func (o Options) withDefaults() Options {
	set(&o.Classes, 2)
	set(&o.Rounds, 100)
	set(&o.Rate, 0.1)
	set(&o.Leaves, 31)
	set(&o.Depth, math.MaxInt)
	set(&o.MinLeaf, 20)
	set(&o.Lambda, 1)
	set(&o.RowShare, 1)
	set(&o.ColumnShare, 1)
	return o
}

func set[T int | float64](to *T, value T) {
	if *to == 0 {
		*to = value
	}
}

// Model is trained trees. It may be used by several goroutines.
type Model struct {
	classes int
	columns int
	start   []float64 // scores before the first tree
	trees   []tree    // by round, then by class
	gain    []float64 // by column
}

// Train fits trees that tell the class of a row. y has the class of each row of
// x, from 0 to Classes-1. It panics if lengths do not agree or a class is out of
// range. To train several models on one matrix, use [Bin].
func Train(x Matrix, y []int, o Options) *Model { return Bin(x).Train(y, o) }

// Train fits trees on rows that are binned already; see the function [Train].
func (b *Bins) Train(y []int, o Options) *Model {
	o = o.withDefaults()
	b.check(y, o)
	weights := rowWeights(y, o)
	l := newLoss(y, weights, o.Classes)
	m := &Model{classes: o.Classes, columns: len(b.columns), start: l.start(), gain: make([]float64, len(b.columns))}
	l.reset(m.start)
	g := newGrower(b, o, weights)
	for round := range o.Rounds {
		l.update()
		g.sample(rand.New(rand.NewPCG(o.Seed, uint64(round))))
		for k := range l.outputs {
			l.gradients(k, g.cells)
			t := g.grow(m.gain)
			for i := range y {
				l.scores[i*l.outputs+k] += t.binned(b, i)
			}
			m.trees = append(m.trees, t)
		}
	}
	return m
}

func (b *Bins) check(y []int, o Options) {
	switch {
	case len(y) != b.rows:
		panic(fmt.Sprintf("boost: %d classes for %d rows", len(y), b.rows))
	case o.Weights != nil && len(o.Weights) != b.rows:
		panic(fmt.Sprintf("boost: %d weights for %d rows", len(o.Weights), b.rows))
	case o.ClassWeights != nil && len(o.ClassWeights) != o.Classes:
		panic(fmt.Sprintf("boost: %d weights for %d classes", len(o.ClassWeights), o.Classes))
	case o.Classes < 2:
		panic("boost: fewer than two classes")
	}
	for i, k := range y {
		if k < 0 || k >= o.Classes {
			panic(fmt.Sprintf("boost: class %d of row %d is not one of %d", k, i, o.Classes))
		}
	}
}

func rowWeights(y []int, o Options) []float64 {
	weights := make([]float64, len(y))
	for i, k := range y {
		weights[i] = 1
		if o.Weights != nil {
			weights[i] = o.Weights[i]
		}
		if o.ClassWeights != nil {
			weights[i] *= o.ClassWeights[k]
		}
	}
	return weights
}

// Balanced are class weights with which every class that occurs has the same
// weight in sum, and all rows that of as many rows. A weight is at most limit.
func Balanced(y []int, classes int, limit float64) []float64 {
	counts, present := make([]float64, classes), 0.
	for _, k := range y {
		counts[k]++
	}
	for _, n := range counts {
		if n > 0 {
			present++
		}
	}
	weights := make([]float64, classes)
	for k, n := range counts {
		weights[k] = 1
		if n > 0 {
			weights[k] = min(float64(len(y))/(present*n), limit)
		}
	}
	return weights
}

// Classes is how many classes there are.
func (m *Model) Classes() int { return m.classes }

// Scores are a row's logits: their softmax is Predict. Of two classes the first
// has 0.
func (m *Model) Scores(row []float32) []float64 {
	if len(row) != m.columns {
		panic(fmt.Sprintf("boost: a row of %d columns for a model of %d", len(row), m.columns))
	}
	scores := make([]float64, m.classes)
	outputs := scores[m.classes-len(m.start):]
	copy(outputs, m.start)
	for i := range m.trees {
		outputs[i%len(outputs)] += m.trees[i].value(row)
	}
	return scores
}

// Predict is the probability of each class.
func (m *Model) Predict(row []float32) []float64 {
	p := m.Scores(row)
	Softmax(p)
	return p
}

// Gain is by how much splits at each column lowered the training loss.
func (m *Model) Gain() []float64 { return append([]float64(nil), m.gain...) }
