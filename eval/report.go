package eval

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Report writes folds as Markdown: for each figure the worst fold of each split,
// beside the baselines.
func Report(folds []Fold) string {
	var b strings.Builder
	var splits []string
	for _, f := range folds {
		if s, _, _ := strings.Cut(f.Split, "/"); !slices.Contains(splits, s) {
			splits = append(splits, s)
		}
	}
	fmt.Fprintf(&b, "| split | fold | held back | runs trained on | runs held back | sessions |\n|---|---|---|---|---|---|\n")
	for _, f := range folds {
		s, n, _ := strings.Cut(f.Split, "/")
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d |\n", s, n, f.Doc, f.TrainedRuns, f.Runs, f.Sessions)
	}
	for _, name := range figureNames {
		writeFigure(&b, name, folds, splits)
	}
	return b.String()
}

func writeFigure(b *strings.Builder, name string, folds []Fold, splits []string) {
	var who []string
	for _, f := range folds {
		for i := range f.Results {
			r := &f.Results[i]
			if !math.IsNaN(r.Get(name)) && !slices.Contains(who, r.Who) {
				who = append(who, r.Who)
			}
		}
	}
	if len(who) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### %s\n\n", strings.ToUpper(name[:1])+name[1:])
	if t, ok := Targets[name]; ok {
		relation := "at least"
		if lowerIsBetter(name) {
			relation = "at most"
		}
		fmt.Fprintf(b, "Goal on the worst fold of S1 and S2: %s %g.\n\n", relation, t)
	}
	fmt.Fprintf(b, "| |")
	for _, s := range splits {
		fmt.Fprintf(b, " %s worst | %s mean |", s, s)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|---|", len(splits)))
	for _, w := range who {
		fmt.Fprintf(b, "| %s |", w)
		for _, s := range splits {
			worst, mean := Worst(folds, s, w, name)
			if worst == nil {
				fmt.Fprint(b, " | |")
				continue
			}
			fmt.Fprintf(b, " %s | %.3f |", intervalText(worst), mean)
		}
		fmt.Fprintln(b)
	}
}

func intervalText(v *Figure) string {
	if math.IsNaN(v.Low) {
		return fmt.Sprintf("%.3f", v.Value)
	}
	return fmt.Sprintf("%.3f (%.3f to %.3f)", v.Value, v.Low, v.High)
}

// Worst returns the worst figure of the folds of a split, nil if there is none,
// and the mean.
func Worst(folds []Fold, split, who, name string) (worst *Figure, mean float64) {
	n := 0
	for _, f := range folds {
		if s, _, _ := strings.Cut(f.Split, "/"); s != split {
			continue
		}
		for i := range f.Results {
			if f.Results[i].Who != who {
				continue
			}
			for j := range f.Results[i].Figures {
				v := &f.Results[i].Figures[j]
				if v.Name != name || math.IsNaN(v.Value) {
					continue
				}
				mean += v.Value
				n++
				if worst == nil || (v.Value < worst.Value) != lowerIsBetter(name) {
					worst = v
				}
			}
		}
	}
	return worst, mean / float64(max(n, 1))
}
