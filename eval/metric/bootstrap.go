package metric

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Interval is a figure, and where it would be with other runs.
type Interval struct {
	Value, Low, High float64
	Groups           int // that were drawn from
}

// String is such as "0.871 [0.843, 0.902]".
func (v Interval) String() string { return fmt.Sprintf("%.3f [%.3f, %.3f]", v.Value, v.Low, v.High) }

// Bootstrap is the percentile interval of 95 % of a statistic (Efron, 1979)
// when whole groups are drawn with replacement: items of one run are not
// independent. groups has the group of each item; stat gets indices of items, of
// which some are there several times, and must not keep them. Draws whose
// statistic is NaN are left out; with fewer than two groups the ends are NaN.
func Bootstrap(groups []string, draws int, seed uint64, stat func(items []int) float64) Interval {
	var members [][]int
	index := make(map[string]int)
	all := make([]int, len(groups))
	for i, g := range groups {
		k, ok := index[g]
		if !ok {
			k = len(members)
			index[g] = k
			members = append(members, nil)
		}
		members[k] = append(members[k], i)
		all[i] = i
	}
	v := Interval{Value: stat(all), Low: math.NaN(), High: math.NaN(), Groups: len(members)}
	if len(members) < 2 {
		return v
	}
	r := rand.New(rand.NewPCG(seed, 0))
	var values []float64
	var items []int
	for range draws {
		items = items[:0]
		for range members {
			items = append(items, members[r.IntN(len(members))]...)
		}
		if s := stat(items); !math.IsNaN(s) {
			values = append(values, s)
		}
	}
	slices.Sort(values)
	v.Low, v.High = Quantile(values, 0.025), Quantile(values, 0.975)
	return v
}

// Quantile is the q-quantile of sorted values, between two of them linearly; NaN
// of none.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
