package metric

import (
	"math"
	"math/rand/v2"
	"testing"
)

// scores makes items: a positive one for each of yes, a negative one for each of
// no.
func scores(yes, no []float64) (items []Scored) {
	for _, s := range no {
		items = append(items, Scored{s, false})
	}
	for _, s := range yes {
		items = append(items, Scored{s, true})
	}
	return items
}

func TestRanking(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name      string
		yes, no   []float64
		auroc, ap float64
	}{
		{"perfect", []float64{3, 4}, []float64{1, 2}, 1, 1},
		{"reversed", []float64{1}, []float64{2, 3}, 0, 1. / 3},
		// Ranked + - + -: 3 of 4 pairs are in order; precision 1 and 2/3.
		{"mixed", []float64{4, 2}, []float64{3, 1}, 0.75, (1 + 2./3) / 2},
		// All at one threshold: 2 of 5 are positive.
		{"equal", []float64{1, 1}, []float64{1, 1, 1}, 0.5, 0.4},
		{"half equal", []float64{2, 1}, []float64{1}, 0.75, 0.5 + 0.5*2/3},
		{"no negatives", []float64{1}, nil, nan, 1},
		{"no positives", nil, []float64{1}, nan, nan},
		{"NaN is lowest", []float64{-9}, []float64{nan}, 1, 1},
	} {
		r := Rank(scores(c.yes, c.no))
		if a, p := r.AUROC(), r.AveragePrecision(); !near(a, c.auroc) || !near(p, c.ap) {
			t.Errorf("%s: AUROC %v, average precision %v; want %v, %v", c.name, a, p, c.auroc, c.ap)
		}
	}
}

// AUROC must be the share of pairs that are in order.
func TestAUROCIsAboutPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		var yes, no []float64
		for range 1 + r.IntN(20) {
			yes = append(yes, float64(r.IntN(12)))
		}
		for range 1 + r.IntN(20) {
			no = append(no, float64(r.IntN(9)))
		}
		pairs := 0.
		for _, y := range yes {
			for _, n := range no {
				if y > n {
					pairs++
				} else if y == n {
					pairs += 0.5
				}
			}
		}
		if got, want := Rank(scores(yes, no)).AUROC(), pairs/float64(len(yes)*len(no)); !near(got, want) {
			t.Fatalf("%v over %v: %v, want %v", yes, no, got, want)
		}
	}
}

func TestOperatingPoints(t *testing.T) {
	// 300 negatives with scores 1 to 300; positives above 2, 3 and all of them.
	var no []float64
	for i := range 300 {
		no = append(no, float64(i+1))
	}
	r := Rank(scores([]float64{298.5, 297.5, 400, 10}, no))
	for _, c := range []struct {
		fpr, threshold float64
		tp, fp         int
		enough         bool
	}{
		{1e-2, 297.5, 3, 3, true}, // 3 of 300 may be wrong
		{1e-3, 400, 1, 0, false},
		{1e-4, 400, 1, 0, false},
		{1, 1, 4, 300, true},
	} {
		o := r.At(c.fpr)
		if o.Threshold != c.threshold || o.TP != c.tp || o.FP != c.fp || o.Enough() != c.enough || o.Negatives != 300 {
			t.Errorf("FPR %v: %+v, enough %v; want %+v", c.fpr, o, o.Enough(), c)
		}
	}
	if got := r.At(1e-2).Recall(); !near(got, 0.75) {
		t.Errorf("recall %v, want 3 of 4", got)
	}
	for i, want := range []float64{1e-2, 1e-3, 1e-4} {
		if got := r.OperatingPoints()[i].FPR; got != want {
			t.Errorf("point %d is FPR %v, want %v", i, got, want)
		}
	}
	if o := Rank(scores([]float64{1}, []float64{2})).At(0.1); o.TP != 0 || !math.IsInf(o.Threshold, 1) {
		t.Errorf("%+v, want a threshold that nothing passes", o)
	}
}

func TestEnough(t *testing.T) {
	for _, c := range []struct {
		negatives int
		fpr       float64
		want      bool
	}{{300, 1e-2, true}, {299, 1e-2, false}, {3000, 1e-3, true}, {2999, 1e-3, false}, {30000, 1e-4, true}, {29999, 1e-4, false}} {
		if got := (Operating{FPR: c.fpr, Negatives: c.negatives}).Enough(); got != c.want {
			t.Errorf("%d negatives at %v: %v", c.negatives, c.fpr, got)
		}
	}
}

func TestPrecisionAtPrevalence(t *testing.T) {
	o := Operating{TP: 95, Positives: 100, FP: 1, Negatives: 1000}
	// At one in 100,000: 0.95e-5 found, 1e-3 wrong.
	if got, want := o.PrecisionAt(1e-5), 0.95e-5/(0.95e-5+0.99999e-3); !near(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestBestF1(t *testing.T) {
	// Ranked + - + - -: F1 2/3, 2/4, 4/5, 4/6, 4/7.
	if at, f1 := Rank(scores([]float64{5, 3}, []float64{4, 2, 1})).BestF1(); at != 3 || !near(f1, 0.8) {
		t.Errorf("F1 %v from %v, want 0.8 from 3", f1, at)
	}
	if at, f1 := Rank(scores(nil, []float64{1})).BestF1(); !math.IsInf(at, 1) || f1 != 0 {
		t.Errorf("without positives: F1 %v from %v", f1, at)
	}
}
