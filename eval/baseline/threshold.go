package baseline

import (
	"hash/fnv"
	"math"

	"tyto/eval/metric"
)

// Thresholds are the probabilities from which on a class of a task with Multi is
// best taken as true, by F1: at one half, rare classes are seldom said at all.
// Each session is judged by a classifier that saw none of its group, in as many
// folds as are asked for; a class with no session has 0.5.
func Thresholds(fresh func(Task) Classifier, t Task, examples []Example, groups []string, folds uint32) []float64 {
	scores := make([][]metric.Scored, len(t.Names))
	for fold := range folds {
		var fit, judge []Example
		for i, e := range examples {
			if groupFold(groups[i], folds) == fold {
				judge = append(judge, e)
			} else {
				fit = append(fit, e)
			}
		}
		c := fresh(t)
		c.Fit(fit)
		for i := range judge {
			of := t.has(&judge[i])
			for k, p := range c.Predict(&judge[i]) {
				scores[k] = append(scores[k], metric.Scored{Score: p, Positive: of[k]})
			}
		}
	}
	thresholds := make([]float64, len(t.Names))
	for k := range thresholds {
		if thresholds[k], _ = metric.Rank(scores[k]).BestF1(); math.IsInf(thresholds[k], 1) {
			thresholds[k] = 0.5
		}
	}
	return thresholds
}

func groupFold(group string, folds uint32) uint32 {
	h := fnv.New32a()
	h.Write([]byte(group))
	return h.Sum32() >> 8 % folds
}

// Said is which classes are taken as true.
func Said(p, thresholds []float64) []bool {
	said := make([]bool, len(p))
	for k, v := range p {
		said[k] = v >= thresholds[k]
	}
	return said
}
