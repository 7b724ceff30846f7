package eval

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"tyto/behavior"
	"tyto/corpus"
	"tyto/eval/metric"
	"tyto/sequence"
	"tyto/train"

	"tyto/lab/label"
)

// data has a session of four messages in two states, of a reverse shell, and one
// of two that nothing is known of.
func data() *train.Data {
	run := &corpus.Run{Truth: label.Run{Name: "a", Scenario: "revshell-tls"}}
	other := &corpus.Run{Truth: label.Run{Name: "b", Scenario: "c2-https"}}
	labels, none := make([]float32, len(train.Labels)), make([]float32, len(train.Labels))
	labels[reverseShell] = 1
	for i := range none {
		none[i] = float32(math.NaN())
	}
	messages := func(n int) sequence.Sequence {
		var s sequence.Sequence
		for i := range n {
			s.Messages = append(s.Messages, sequence.Message{Time: int64(i) * 1e9})
		}
		return s
	}
	return &train.Data{Apps: []string{"ssh", "tls"}, Examples: []*train.Example{
		{Run: run, Session: &corpus.Session{App: "ssh"}, Heard: messages(4), Targets: train.Targets{States: []int32{1, 1, 2, 2}, Labels: labels, Control: 2, Layers: 0, App: 0}},
		{Run: other, Session: &corpus.Session{App: "tls"}, Heard: messages(2), Targets: train.Targets{States: []int32{train.Unknown, train.Unknown}, Labels: none, Control: train.Unknown, Layers: train.Unknown, App: 1}},
	}}
}

// answers say the first session right but for one message, and the second's app
// wrong.
func answers() []Answer {
	labels := make([]float64, len(train.Labels))
	labels[reverseShell] = 0.9
	return []Answer{
		{Labels: labels, States: []int32{1, 1, 1, 2}, StateP: []float64{1, 1, 0.5, 1}, Control: 2, Layers: 1, App: 0,
			Segments: []behavior.Segment{{From: 0, To: 2e9, State: train.States[1], Messages: 3}, {From: 3e9, To: 3e9, State: train.States[2], Messages: 1}}},
		{Labels: labels, States: []int32{1, 1}, StateP: []float64{1, 1}, Control: 1, Layers: 1, App: 0},
	}
}

func TestScore(t *testing.T) {
	r := Score("tyto", data(), answers(), nil)
	for _, c := range []struct {
		name string
		want float64
	}{
		{StateF1, (0.8 + 2.0/3) / 2}, // state 1: 2 found, 1 too many; state 2: 1 of 2 found
		{KeysF1, 0.8},
		{LayersRight, 0},
		{LabelF1, 1},
		{ShellAP, 1},
		{AppF1, 1.0 / 3}, // ssh: one found, one too many; tls: none
		{BoundaryF1, 1},  // at 2 s instead of 3 s
	} {
		if got := r.Get(c.name); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: %g, want %g", c.name, got, c.want)
		}
	}
	if !math.IsNaN(r.Get(ControlRight)) || !math.IsNaN(r.Get(KeysHiddenF1)) {
		t.Error("there is a figure of what there are no sessions of")
	}
}

func TestFolds(t *testing.T) {
	dir := t.TempDir()
	f := Fold{Split: "S1/0", Doc: "networks", Command: "tyto eval", Commit: "abc", TrainedRuns: 10, Runs: 2, Sessions: 7, Results: []Result{
		{Who: "tyto", Figures: []Figure{{Name: StateF1, Interval: metric.Interval{Value: 0.9, Low: 0.8, High: 0.95, Groups: 2}, Items: 7}}},
		{Who: "kNN", Figures: []Figure{{Name: StateF1, Interval: metric.Interval{Value: 0.5, Low: math.NaN(), High: math.NaN(), Groups: 1}, Items: 7}}},
	}}
	g := f
	g.Split = "S1/1"
	g.Results = []Result{{Who: "tyto", Figures: []Figure{{Name: StateF1, Interval: metric.Interval{Value: 0.7, Low: 0.6, High: 0.8, Groups: 2}, Items: 7}}}}
	for _, x := range []Fold{f, g} {
		if err := x.Write(dir); err != nil {
			t.Fatal(err)
		}
	}
	folds, err := ReadFolds(dir)
	if err != nil || len(folds) != 2 || folds[0].Results[1].Who != "kNN" || folds[0].TrainedRuns != 10 {
		t.Fatalf("read %+v, %v", folds, err)
	}
	worst, mean := Worst(folds, "S1", "tyto", StateF1)
	if worst == nil || worst.Value != 0.7 || math.Abs(mean-0.8) > 1e-9 {
		t.Errorf("worst %+v, mean %g", worst, mean)
	}
	card := Figures(folds)
	if len(card) != 1 || card[0].Value != 0.7 || card[0].Which != "kNN" || card[0].Baseline != 0.5 || card[0].Split != "S1" {
		t.Errorf("the card has %+v", card)
	}
	report := Report(folds)
	for _, want := range []string{"| tyto | 0.700 (0.600 to 0.800) | 0.800 |", "| kNN | 0.500 | 0.500 |", "at least 0.85"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report has no %q:\n%s", want, report)
		}
	}
}

const flowTable = "path\tl4\tsrc\tsport\tdst\tdport\tstart\tlabel\tevidence\n" +
	"a.pcap\ttcp\t10.0.0.1\t5\t10.0.0.2\t22\t100.5\tssh:interactive-shell\tdocumented\n" +
	"a.pcap\ttcp\t10.0.0.2\t22\t10.0.0.1\t6\t100.5\tssh:reverse(x)\tdocumented\n" +
	"a.pcap\ttcp\t10.0.0.9\t5\t10.0.0.2\t22\t100.5\tproxy:x\tinferred\n"

func TestOutside(t *testing.T) {
	flows, err := ReadFlows(strings.NewReader(flowTable))
	if err != nil || len(flows) != 3 {
		t.Fatalf("%d flows, %v", len(flows), err)
	}
	for i := range flows {
		flows[i].Path = "eval_test.go" // a file that is there
	}
	session := `{"record":"session","ts":100,"id.orig_h":"10.0.0.1","id.orig_p":%d,"id.resp_h":"10.0.0.2","id.resp_p":22,"orig_pkts":50,"resp_pkts":40,"duration":9,"app":"ssh","labels":[{"name":"shell","p":0.9}]}` + "\n"
	deaf := strings.Replace(session, `{"name":"shell","p":0.9}`, "", 1)
	analyze := func(line string) Analyze {
		return func(_ context.Context, _ string, w io.Writer) error {
			_, err := fmt.Fprintf(w, line+line+"{}\n", 5, 6)
			return err
		}
	}
	all, err := Outside(context.Background(), ".", flows, analyze(session), analyze(deaf))
	if err != nil {
		t.Fatal(err)
	}
	if !all[0].Right || all[0].Heard || all[1].Right || !all[1].Found || all[2].Found {
		t.Errorf("said %+v", all)
	}
	report := OutsideReport(all)
	if !strings.Contains(report, "| **all** | **1** | **0** | **2** | 1 |") {
		t.Errorf("report:\n%s", report)
	}
}

func TestReadFlowsErrors(t *testing.T) {
	for _, text := range []string{"", "path\tl4\n", strings.Replace(flowTable, "100.5", "soon", 1)} {
		if _, err := ReadFlows(strings.NewReader(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

// Every label that is expected is one.
func TestExpectedLabels(t *testing.T) {
	for _, e := range expected {
		for _, l := range e.labels {
			if !slices.Contains(train.Labels, l) {
				t.Errorf("%s: no label is called %s", e.prefix, l)
			}
		}
	}
}
