package metric

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct{ q, want float64 }{{0, 1}, {0.5, 2.5}, {1, 4}, {0.25, 1.75}} {
		if got := Quantile([]float64{1, 2, 3, 4}, c.q); !near(got, c.want) {
			t.Errorf("%v: %v, want %v", c.q, got, c.want)
		}
	}
	if !math.IsNaN(Quantile(nil, 0.5)) {
		t.Error("there is no median of nothing")
	}
}

func mean(values []float64) func([]int) float64 {
	return func(items []int) float64 {
		sum := 0.
		for _, i := range items {
			sum += values[i]
		}
		return sum / float64(len(items))
	}
}

func TestBootstrapByHand(t *testing.T) {
	// Two groups, of which all items are 0 and 1: a quarter of the draws has mean
	// 0, a quarter 1.
	v := Bootstrap([]string{"a", "a", "b", "b"}, 1000, 1, mean([]float64{0, 0, 1, 1}))
	if v.Value != 0.5 || v.Low != 0 || v.High != 1 || v.Groups != 2 {
		t.Errorf("%+v", v)
	}
	if got, want := v.String(), "0.500 [0.000, 1.000]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	one := Bootstrap([]string{"a", "a"}, 10, 1, mean([]float64{0, 1}))
	if one.Value != 0.5 || !math.IsNaN(one.Low) || !math.IsNaN(one.High) {
		t.Errorf("one group: %+v", one)
	}
	if again := Bootstrap([]string{"a", "a", "b", "b"}, 1000, 1, mean([]float64{0, 0, 1, 1})); again != v {
		t.Error("the same seed gave another interval")
	}
}

// The interval must be wider where items hang together, and about ±1.96
// standard errors of independent ones.
func TestBootstrapWidth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var values []float64
	var alone, together []string
	for i := range 400 {
		values = append(values, r.NormFloat64())
		alone = append(alone, string(rune('a'+i)))
		together = append(together, string(rune('a'+i/40)))
	}
	v := Bootstrap(alone, 2000, 1, mean(values))
	if width := v.High - v.Low; math.Abs(width-2*1.96/20) > 0.02 {
		t.Errorf("width %v, want about %v", width, 2*1.96/20)
	}
	for i := range values {
		values[i] = values[i/40*40]
	}
	a, b := Bootstrap(alone, 500, 1, mean(values)), Bootstrap(together, 500, 1, mean(values))
	if b.High-b.Low < 3*(a.High-a.Low) {
		t.Errorf("by group %v, by item %v", b, a)
	}
}

func TestBootstrapLeavesOutNaN(t *testing.T) {
	v := Bootstrap([]string{"a", "b"}, 200, 1, func(items []int) float64 {
		if items[0] == items[1] {
			return math.NaN()
		}
		return 7
	})
	if v.Low != 7 || v.High != 7 {
		t.Errorf("%+v, want 7 everywhere", v)
	}
}
