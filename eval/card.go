package eval

import (
	"math"
	"slices"

	"tyto/model"
)

// Figures are what a model's card says of folds: of S1 and S2 each the worst fold,
// and the best baseline by its own worst.
func Figures(folds []Fold) (list []model.Figure) {
	var baselines []string
	for _, f := range folds {
		for _, r := range f.Results {
			if !ours(r.Who) && !slices.Contains(baselines, r.Who) {
				baselines = append(baselines, r.Who)
			}
		}
	}
	for _, split := range []string{"S1", "S2"} {
		for _, name := range figureNames {
			worst, _ := Worst(folds, split, Us, name)
			if worst == nil {
				continue
			}
			f := model.Figure{Name: name, Split: split, Value: round(worst.Value)}
			for _, who := range baselines {
				b, _ := Worst(folds, split, who, name)
				if b != nil && (f.Which == "" || (b.Value > f.Baseline) != lowerIsBetter(name)) {
					f.Baseline, f.Which = round(b.Value), who
				}
			}
			list = append(list, f)
		}
	}
	return list
}

// Us is who a model is in results.
const Us = "tyto"

func round(v float64) float64 { return math.Round(v*1e4) / 1e4 }
