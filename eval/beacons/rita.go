package beacons

import (
	"math"
	"slices"

	"tyto/eval/metric"
)

// rita is RITA's published beacon score (activecm/rita a3c51501,
// analysis/beacons.go), written again from its description in SCIENCE.md C.1: the
// baseline that ours is held against. It is 0 to 1.
func rita(times []int64, sizes []float64, from, to int64) float64 {
	times = slices.Compact(slices.Sorted(slices.Values(times)))
	if len(times) < 4 {
		return 0
	}
	var gaps []float64
	for i := 1; i < len(times); i++ {
		gaps = append(gaps, float64(times[i]-times[i-1]))
	}
	ts := (bowley(gaps) + madm(gaps, 1)) / 2
	ds := (bowley(sizes) + madm(sizes, 0)) / 2
	bins := make([]float64, 24)
	for _, t := range times {
		bins[min(int((t-from)*24/(to-from)), 23)]++
	}
	return (ts + ds + ritaHistogram(bins) + ritaDuration(bins, times, from, to)) / 4
}

func bowley(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	q1, q2, q3 := metric.Quantile(s, 0.25), metric.Quantile(s, 0.5), metric.Quantile(s, 0.75)
	if q3-q1 < 10 || q2 == q1 || q2 == q3 {
		return 1
	}
	return 1 - math.Abs((q1+q3-2*q2)/(q3-q1))
}

func madm(list []float64, otherwise float64) float64 {
	median := metric.Quantile(slices.Sorted(slices.Values(list)), 0.5)
	if median < 1 {
		return otherwise
	}
	off := make([]float64, len(list))
	for i, v := range list {
		off[i] = math.Abs(v - median)
	}
	return max(0, 1-metric.Quantile(slices.Sorted(slices.Values(off)), 0.5)/median)
}

func ritaHistogram(bins []float64) float64 {
	var sum, squares, highest float64
	bars := 0
	for _, b := range bins {
		sum, squares, highest = sum+b, squares+b*b, max(highest, b)
		if b > 0 {
			bars++
		}
	}
	mean := sum / 24
	cv := max(0, 1-math.Sqrt(squares/24-mean*mean)/mean)
	if bars < 11 {
		return cv
	}
	width := math.Ceil(0.05 * highest)
	counts := make(map[int]int)
	for _, b := range bins {
		if b > 0 {
			counts[int(b/width)]++
		}
	}
	heights := slices.Sorted(func(yield func(int) bool) {
		for _, n := range counts {
			if !yield(-n) {
				return
			}
		}
	})
	top := -heights[0]
	if len(heights) > 1 {
		top -= heights[1]
	}
	return max(cv, min(1, float64(top)/float64(bars-1)))
}

func ritaDuration(bins []float64, times []int64, from, to int64) float64 {
	bars, longest, run := 0, 0, 0
	for i := range 48 {
		if bins[i%24] > 0 {
			run++
		} else {
			run = 0
		}
		longest = max(longest, min(run, 24))
		if i < 24 && bins[i] > 0 {
			bars++
		}
	}
	if bars < 6 {
		return 0
	}
	return min(1, max(float64(times[len(times)-1]-times[0])/float64(to-from), float64(longest)/12))
}

// prevalence is RITA's modifier for how many devices of a site use a destination.
func prevalence(users, devices int) float64 {
	switch share := float64(users) / float64(devices); {
	case share <= 0.02:
		return 0.15
	case share >= 0.5:
		return -0.15
	}
	return 0
}
