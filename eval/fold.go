package eval

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Fold is what a model and the baselines came to on what one split held back.
type Fold struct {
	Split           string // name, such as S1/0
	Doc             string // what is held back
	Command, Commit string
	TrainedRuns     int
	Runs, Sessions  int // held back
	Results         []Result
}

// Compared reports whether baselines were measured too.
func (f *Fold) Compared() bool {
	return slices.ContainsFunc(f.Results, func(r Result) bool { return !ours(r.Who) })
}

// fileName of a fold: S1-0.tsv.
func (f *Fold) fileName() string { return strings.ReplaceAll(f.Split, "/", "-") + ".tsv" }

// Write writes the fold into a directory, as a table that can be read and
// compared: one figure a line.
func (f *Fold) Write(dir string) error {
	var b strings.Builder
	for _, h := range [][2]string{{"split", f.Split}, {"held", f.Doc}, {"command", f.Command}, {"commit", f.Commit}, {"trained", strconv.Itoa(f.TrainedRuns)}, {"runs", strconv.Itoa(f.Runs)}, {"sessions", strconv.Itoa(f.Sessions)}} {
		fmt.Fprintf(&b, "#%s\t%s\n", h[0], h[1])
	}
	fmt.Fprintln(&b, "who\tfigure\tvalue\tlow\thigh\titems\truns")
	for _, r := range f.Results {
		for _, v := range r.Figures {
			fmt.Fprintf(&b, "%s\t%s\t%.4f\t%.4f\t%.4f\t%d\t%d\n", r.Who, v.Name, v.Value, v.Low, v.High, v.Items, v.Groups)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, f.fileName()), []byte(b.String()), 0o644)
}

// ReadFolds reads all folds of a directory, by name.
func ReadFolds(dir string) ([]Fold, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "S*-*.tsv"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var folds []Fold
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		fold, err := readFold(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		folds = append(folds, *fold)
	}
	return folds, nil
}

const columns = 7

func readFold(r io.Reader) (*Fold, error) {
	f := new(Fold)
	scanner := bufio.NewScanner(r)
	for n := 1; scanner.Scan(); n++ {
		line := scanner.Text()
		if name, ok := strings.CutPrefix(line, "#"); ok {
			f.header(name)
			continue
		}
		if strings.HasPrefix(line, "who\t") {
			continue
		}
		parts := strings.Split(line, "\t")
		if len(parts) != columns {
			return nil, fmt.Errorf("line %d has %d columns, not %d", n, len(parts), columns)
		}
		var v Figure
		v.Name = parts[1]
		for i, to := range []*float64{&v.Value, &v.Low, &v.High} {
			x, err := strconv.ParseFloat(parts[2+i], 64)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			*to = x
		}
		for i, to := range []*int{&v.Items, &v.Groups} {
			x, err := strconv.Atoi(parts[5+i])
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			*to = x
		}
		if k := len(f.Results); k == 0 || f.Results[k-1].Who != parts[0] {
			f.Results = append(f.Results, Result{Who: parts[0]})
		}
		last := &f.Results[len(f.Results)-1]
		last.Figures = append(last.Figures, v)
	}
	return f, scanner.Err()
}

func (f *Fold) header(line string) {
	name, value, _ := strings.Cut(line, "\t")
	number, _ := strconv.Atoi(value)
	switch name {
	case "split":
		f.Split = value
	case "held":
		f.Doc = value
	case "command":
		f.Command = value
	case "commit":
		f.Commit = value
	case "trained":
		f.TrainedRuns = number
	case "runs":
		f.Runs = number
	case "sessions":
		f.Sessions = number
	}
}

// figureNames in the order of reports.
var figureNames = []string{StateF1, SpanF1, BoundaryF1, KeysF1, KeysHiddenF1, ControlRight, LayersRight, LabelF1, ShellRecall, ShellAP, RunRecall, RunAP, AppF1, StateECE, LabelECE, NetworkProbe, NetworkPrior, ScenarioProbe, ScenarioPrior}

// lowerIsBetter of a figure.
func lowerIsBetter(name string) bool {
	return name == StateECE || name == LabelECE || name == NetworkProbe
}

// Targets that were set before anything was measured; of S1 and S2, worst fold.
var Targets = map[string]float64{
	StateF1: 0.85, KeysF1: 0.90, KeysHiddenF1: 0.90, ControlRight: 0.97, LabelF1: 0.85, ShellRecall: 0.90, AppF1: 0.95, StateECE: 0.03, LabelECE: 0.03,
}
