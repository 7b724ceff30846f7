package metric

import (
	"cmp"
	"slices"
)

// Span is a stretch of time in which one thing is done. Times are ns.
type Span struct {
	From, To int64
	Class    int
}

// IoU is the time in both spans over the time in either: from 0 to 1.
func IoU(a, b Span) float64 {
	both := min(a.To, b.To) - max(a.From, b.From)
	either := max(a.To, b.To) - min(a.From, b.From)
	switch {
	case both < 0:
		return 0
	case either == 0:
		return 1 // one moment, the same
	}
	return float64(both) / float64(either)
}

// MatchSpans counts by class which spans of one session were found: each true
// one by one span of its class that has at least the intersection over union
// with it, the best pairs first. counts has an element for each class.
func MatchSpans(counts []Counts, truth, found []Span, iou float64) {
	type pair struct {
		t, f int
		iou  float64
	}
	var pairs []pair
	for t, a := range truth {
		counts[a.Class].FN++
		for f, b := range found {
			if v := IoU(a, b); a.Class == b.Class && v >= iou {
				pairs = append(pairs, pair{t, f, v})
			}
		}
	}
	for _, b := range found {
		counts[b.Class].FP++
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(b.iou, a.iou) })
	usedT, usedF := make([]bool, len(truth)), make([]bool, len(found))
	for _, p := range pairs {
		if usedT[p.t] || usedF[p.f] {
			continue
		}
		usedT[p.t], usedF[p.f] = true, true
		c := &counts[truth[p.t].Class]
		c.TP++
		c.FN--
		c.FP--
	}
}

// MatchBoundaries counts which moments of one session were found within a
// tolerance, both in ns and rising: as many pairs as can be made.
func MatchBoundaries(truth, found []int64, tolerance int64) (c Counts) {
	t, f := 0, 0
	for t < len(truth) && f < len(found) {
		switch d := found[f] - truth[t]; {
		case d > tolerance:
			c.FN++
			t++
		case d < -tolerance:
			c.FP++
			f++
		default:
			c.TP++
			t++
			f++
		}
	}
	c.FN += len(truth) - t
	c.FP += len(found) - f
	return c
}

// Boundaries are the moments at which the first of a session's spans begins and
// where what is done changes: the starts of spans, rising, each once.
func Boundaries(spans []Span) (moments []int64) {
	for _, s := range spans {
		moments = append(moments, s.From)
	}
	slices.Sort(moments)
	return slices.Compact(moments)
}
