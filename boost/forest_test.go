package boost

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// draws rows of which a class follows from three columns, with gaps.
func forestData(n int) (Matrix, []int) {
	r := rand.New(rand.NewPCG(5, 6))
	x, y := Matrix{Columns: 6}, make([]int, n)
	for i := range y {
		row := make([]float32, x.Columns)
		for c := range row {
			row[c] = float32(r.NormFloat64())
		}
		if r.IntN(10) == 0 {
			row[1] = float32(math.NaN())
		}
		if row[0] > 0.3 && row[1] < 0.5 || row[4] > 1 {
			y[i] = 1
		}
		x.Values = append(x.Values, row...)
	}
	return x, y
}

// A forest says what its model says, and so does what is read of its numbers.
func TestForest(t *testing.T) {
	x, y := forestData(600)
	m := Train(x, y, Options{Rounds: 40, Leaves: 7, MinLeaf: 3})
	f := m.Forest()
	again, err := NewForest(f.Values(), x.Columns)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Values(), f.Values()) || again.Start() != f.Start() {
		t.Error("the forest that was read differs")
	}
	for i := range x.Rows() {
		want := m.Scores(x.Row(i))[1]
		if got := f.Score(x.Row(i)); math.Abs(float64(got)-want) > 1e-4 || got != again.Score(x.Row(i)) {
			t.Fatalf("row %d: %g and %g, the model %g", i, got, again.Score(x.Row(i)), want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { f.Score(x.Row(0)) }); n != 0 {
		t.Errorf("a score allocates %g times", n)
	}
}

func TestNewForestErrors(t *testing.T) {
	nan := float32(math.NaN())
	for name, v := range map[string][]float32{
		"nothing": nil, "half a node": {0, -1, 0}, "a start that is no number": {nan},
		"a column that is not there": {0, 9, 2, 0, -1, 0, 1, -1, 0, 1}, "a loop": {0, 1, -1, 0}, "itself": {0, 1, 0, 0},
		"a leaf that is no number": {0, -1, 0, nan}, "no right child": {0, 1, 2, 0, -1, 0, 1}, "a right child inside the left": {0, 1, 2, 0, 1, 2, 0, -1, 0, 1, -1, 0, 1, -1, 0, 1},
	} {
		if _, err := NewForest(v, 6); err == nil {
			t.Errorf("%s: it is read", name)
		}
	}
}

func FuzzNewForest(f *testing.F) {
	x, y := forestData(80)
	seed := Train(x, y, Options{Rounds: 3, Leaves: 4, MinLeaf: 3}).Forest().Values()
	b := make([]byte, 0, 4*len(seed))
	for _, v := range seed {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		v := make([]float32, len(b)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		if forest, err := NewForest(v, 6); err == nil {
			forest.Score([]float32{1, -1, 0, 2, 3, 4})
		}
	})
}

func BenchmarkForest(b *testing.B) {
	x, y := forestData(2000)
	f := Train(x, y, Options{Rounds: 200, Leaves: 7, MinLeaf: 3}).Forest()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		f.Score(x.Row(i % x.Rows()))
		i++
	}
}
