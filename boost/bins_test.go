package boost

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestEdges(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		name         string
		values, want []float32
	}{
		{"few values", []float32{4, 1, 1, 2, 4}, []float32{1.5, 3}},
		{"one value", []float32{2, 2}, nil},
		{"missing", []float32{1, nan, 2}, []float32{-inf, 1.5}},
		{"all missing", []float32{nan, nan}, nil},
		{"infinite", []float32{inf, 1, -inf}, []float32{-inf, 1}},
		{"huge", []float32{-math.MaxFloat32, math.MaxFloat32}, []float32{-math.MaxFloat32}},
		{"neighbours", []float32{1, math.Nextafter32(1, 2)}, []float32{1}},
		{"none", nil, nil},
	} {
		if got := edgesOf(slices.Clone(c.values)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestBinsAreEven(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	x := Matrix{Columns: 1}
	for range 25500 {
		x.Values = append(x.Values, float32(math.Exp(3*r.NormFloat64())))
	}
	col := Bin(x).columns[0]
	var count [maxBins]int
	for _, k := range col.bins {
		count[k]++
	}
	if len(col.edges) != maxBins-1 || slices.Min(count[:]) < 99 || slices.Max(count[:]) > 101 {
		t.Errorf("%d edges, between %d and %d rows in a bin", len(col.edges), slices.Min(count[:]), slices.Max(count[:]))
	}
}

// A tree must send a row where it sent its bins.
func TestBinnedAndRawAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	special := []float32{0, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), math.SmallestNonzeroFloat32, math.MaxFloat32}
	x, y := Matrix{Columns: 4}, make([]int, 3000)
	for i := range y {
		y[i] = r.IntN(3)
		for c := range x.Columns {
			v := float32(r.NormFloat64()) + float32(y[i]*c)/3
			if r.IntN(10) == 0 {
				v = special[r.IntN(len(special))]
			}
			x.Values = append(x.Values, v)
		}
	}
	b := Bin(x)
	m := b.Train(y, Options{Classes: 3, Rounds: 10, MinLeaf: 1})
	for i := range y {
		for k, tr := range m.trees {
			if got, want := tr.value(x.Row(i)), tr.binned(b, i); got != want {
				t.Fatalf("tree %d, row %d %v: %v, binned %v", k, i, x.Row(i), got, want)
			}
		}
	}
}
