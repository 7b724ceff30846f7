package eval

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"tyto/eval/chart"
	"tyto/eval/metric"
	"tyto/train"
)

// Draw draws what a model said of a fold: the confusion of states and of apps,
// how much probabilities mean, and how well reverse shells are told. Files are
// named after the split: S1-0-states.svg.
func Draw(dir string, f *Fold, d *train.Data, answers []Answer) error {
	s := scorer{d: d, answers: answers}
	var all, labelled []int
	for k := range answers {
		all = append(all, k)
		if s.hasLabels(k) {
			labelled = append(labelled, k)
		}
	}
	head := func(title string) chart.Head { return chart.Head{Title: title, Note: f.Split + ": " + f.Doc} }
	var p []float64
	var right []bool
	apps := metric.NewConfusion(len(d.Apps))
	for _, k := range all {
		apps.Add(int(s.targets(k).App), int(answers[k].App))
		for i, y := range s.targets(k).States {
			if y != train.Unknown {
				p, right = append(p, answers[k].StateP[i]), append(right, answers[k].States[i] == y)
			}
		}
	}
	for name, draw := range map[string]func(b *bytes.Buffer) error{
		"states": func(b *bytes.Buffer) error {
			return chart.Confusion(b, head("States of messages"), s.confusion(all), train.States)
		},
		"apps": func(b *bytes.Buffer) error {
			return chart.Confusion(b, head("Protocols, ports hidden"), apps, d.Apps)
		},
		"states-reliability": func(b *bytes.Buffer) error {
			return chart.Reliability(b, head("What is said of states, and how often it is right"), metric.Reliability(p, right, bins))
		},
		"reverse-shell": func(b *bytes.Buffer) error {
			return chart.ROC(b, head("Reverse shells"), []chart.Curve{{Name: "tyto", Ranking: s.shell(labelled)}})
		},
	} {
		var b bytes.Buffer
		if err := draw(&b); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(f.Split, "/", "-")+"-"+name+".svg"), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
