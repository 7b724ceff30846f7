package metric

import (
	"cmp"
	"math"
	"slices"
)

// Scored is an item of a yes-no question: how much speaks for yes, and what it
// is.
type Scored struct {
	Score    float64
	Positive bool
}

// Ranking is scored items by falling score; items of equal scores are one step,
// for no threshold is between them.
type Ranking struct {
	steps     []Step
	positives int
	negatives int
}

// Step is what is found when everything of at least a score is taken for
// positive.
type Step struct {
	Threshold float64
	TP, FP    int
}

// Rank sorts a copy of items. A NaN is below every other score.
func Rank(items []Scored) *Ranking {
	items = slices.Clone(items)
	slices.SortFunc(items, func(a, b Scored) int { return cmp.Compare(b.Score, a.Score) })
	r := new(Ranking)
	for i, it := range items {
		if it.Positive {
			r.positives++
		} else {
			r.negatives++
		}
		if i+1 == len(items) || cmp.Compare(items[i+1].Score, it.Score) != 0 {
			r.steps = append(r.steps, Step{it.Score, r.positives, r.negatives})
		}
	}
	return r
}

// Positives is how many items are positive.
func (r *Ranking) Positives() int { return r.positives }

// Negatives is how many items are negative.
func (r *Ranking) Negatives() int { return r.negatives }

// Steps are the points of the ROC curve but (0, 0), from the highest threshold
// to the lowest. The slice is the ranking's.
func (r *Ranking) Steps() []Step { return r.steps }

// AUROC is the probability that a positive item has a higher score than a
// negative one; equal scores count half. NaN without items of both kinds.
func (r *Ranking) AUROC() float64 {
	var area float64
	var last Step
	for _, s := range r.steps {
		area += float64(s.FP-last.FP) * float64(s.TP+last.TP) / 2
		last = s
	}
	return area / (float64(r.positives) * float64(r.negatives))
}

// AveragePrecision is the mean precision at the steps of the ranking, each
// weighted with the recall it adds. NaN without positive items.
func (r *Ranking) AveragePrecision() float64 {
	if r.positives == 0 {
		return math.NaN()
	}
	sum, last := 0., 0
	for _, s := range r.steps {
		sum += float64(s.TP-last) / float64(r.positives) * float64(s.TP) / float64(s.TP+s.FP)
		last = s.TP
	}
	return sum
}

// Operating is a point at which a detector may be run.
type Operating struct {
	FPR       float64 // that it must keep
	Threshold float64 // scores from here on are positive; +Inf if none may be
	TP, FP    int
	Positives int
	Negatives int
}

// Recall is which part of the positive items is found, NaN if there are none.
func (o Operating) Recall() float64 { return float64(o.TP) / float64(o.Positives) }

// Enough reports whether there are enough negative items to tell the rate at
// all: of n items none of which was taken for positive, the rate is below 3/n
// with 95 % confidence (the rule of three).
func (o Operating) Enough() bool { return float64(o.Negatives)*o.FPR >= 3-rounding }

// rounding is by how much products of rates and numbers of items may be off.
const rounding = 1e-6

// At is the lowest threshold whose false positive rate is at most fpr, on these
// items.
func (r *Ranking) At(fpr float64) Operating {
	o := Operating{FPR: fpr, Threshold: math.Inf(1), Positives: r.positives, Negatives: r.negatives}
	for _, s := range r.steps {
		if float64(s.FP) > fpr*float64(r.negatives)+rounding {
			break
		}
		o.Threshold, o.TP, o.FP = s.Threshold, s.TP, s.FP
	}
	return o
}

// BestF1 is the threshold of the highest F1, the highest of equal ones; +Inf
// without positive items. Choose it on other items than those it is judged by.
func (r *Ranking) BestF1() (threshold, f1 float64) {
	threshold = math.Inf(1)
	for _, s := range r.steps {
		c := Counts{TP: s.TP, FP: s.FP, FN: r.positives - s.TP}
		if v := c.F1(); v > f1 {
			threshold, f1 = s.Threshold, v
		}
	}
	return threshold, f1
}

// OperatingPoints are the points that every table shows: FPR 1e-2, 1e-3, 1e-4.
func (r *Ranking) OperatingPoints() []Operating {
	return []Operating{r.At(1e-2), r.At(1e-3), r.At(1e-4)}
}

// PrecisionAt is the precision that a point would have where positive items are
// a share prevalence of all.
func (o Operating) PrecisionAt(prevalence float64) float64 {
	found := prevalence * o.Recall()
	wrong := (1 - prevalence) * float64(o.FP) / float64(o.Negatives)
	return found / (found + wrong)
}
