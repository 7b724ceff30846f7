package train

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"tyto/corpus"
	"tyto/eval/metric"
	"tyto/lab/label"
	"tyto/model"
	"tyto/sequence/feature"
	"tyto/session"
)

// someRuns reads the first runs of the corpus that comes with the project.
func someRuns(t testing.TB, n int) []*corpus.Run {
	var runs []*corpus.Run
	for r, err := range corpus.Runs("../corpus/data") {
		if err != nil {
			t.Fatal(err)
		}
		if runs = append(runs, r); len(runs) == n {
			break
		}
	}
	return runs
}

func small() Options {
	return Options{Seed: 3, Steps: 6, Sessions: 16, Messages: 64, Rate: 2e-3, Channels: 16, Blocks: 2, SaveEvery: 3}
}

func weights(t *testing.T, n *model.Network) []byte {
	b, err := model.New(n, nil, model.Card{}, model.Uncalibrated(&n.Shape)).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The same data and options give the same bits on one core and on several, and
// when training stopped on its way and went on.
func TestReproducible(t *testing.T) {
	d := NewData(someRuns(t, 60))
	n, err := Train(context.Background(), d, small())
	if err != nil {
		t.Fatal(err)
	}
	want := weights(t, n)

	before := runtime.GOMAXPROCS(1)
	n, err = Train(context.Background(), d, small())
	runtime.GOMAXPROCS(before)
	if err != nil || !bytes.Equal(weights(t, n), want) {
		t.Errorf("on one core another network comes out (%v)", err)
	}

	ctx, stop := context.WithCancel(context.Background())
	o := small()
	var saved []byte
	o.Save = func(b []byte) error { saved = b; stop(); return nil }
	if _, err := Train(ctx, d, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("a training that was stopped ends with %v", err)
	}
	o = small()
	o.Resume = saved
	n, err = Train(context.Background(), d, o)
	if err != nil || !bytes.Equal(weights(t, n), want) {
		t.Errorf("going on gives another network (%v)", err)
	}
}

// A network that trains on little learns it by heart.
func TestLearns(t *testing.T) {
	d := NewData(someRuns(t, 25))
	o := Options{Seed: 1, Steps: 60, Sessions: 16, Messages: 64, Rate: 5e-3, Channels: 16, Blocks: 3}
	var losses []float64
	o.Progress = func(p Progress) { losses = append(losses, p.Loss) }
	if _, err := Train(context.Background(), d, o); err != nil {
		t.Fatal(err)
	}
	if len(losses) != 2 || !(losses[1] < 0.8*losses[0]) {
		t.Errorf("losses %v: want them to fall", losses)
	}
}

func TestFewSessions(t *testing.T) {
	if _, err := Train(context.Background(), &Data{}, small()); err == nil {
		t.Error("trains on nothing")
	}
}

func TestControlAndLayers(t *testing.T) {
	for _, c := range []struct {
		labels          []label.Label
		control, layers int32
	}{
		{[]label.Label{label.Shell}, controlOrig, 0},
		{[]label.Label{label.ReverseShell}, controlResp, 0},
		{[]label.Label{label.ReverseTunnel, label.Tunnel}, controlResp, 1},
		{[]label.Label{label.Chat}, controlBoth, 0},
		{[]label.Label{label.Keepalive}, controlNone, 0},
		{[]label.Label{label.VPN}, Unknown, 1},
		{[]label.Label{label.Beacon, label.TaskedBeacon}, Unknown, 0},
		{[]label.Label{label.Download, label.PortForward}, controlOrig, 1},
	} {
		if got := control(c.labels); got != c.control {
			t.Errorf("%v: control %d, want %d", c.labels, got, c.control)
		}
		if got := layers(c.labels); got != c.layers {
			t.Errorf("%v: layers %d, want %d", c.labels, got, c.layers)
		}
	}
}

func TestStateAt(t *testing.T) {
	segments := []label.Segment{
		{T0: 1e9, T1: 10e9, State: label.StateTunnel}, {T0: 3e9, T1: 4e9, State: label.StateKeystrokes}, {T0: 20e9, T1: 21e9, State: label.StateDownload},
	}
	state := func(s label.State) int32 { return int32(s) - 1 }
	for _, c := range []struct {
		at   int64
		want int32
	}{
		{2e9, state(label.StateTunnel)}, {35e8, state(label.StateKeystrokes)}, {20e9 - slack/2, state(label.StateDownload)}, {15e9, Unknown},
	} {
		if got := stateAt(segments, c.at); got != c.want {
			t.Errorf("at %d ms: %d, want %d", c.at/1e6, got, c.want)
		}
	}
}

// What a session looks like elsewhere has the states of what it came from.
func TestVary(t *testing.T) {
	d := NewData(someRuns(t, 40))
	var v varier
	var s slot
	r := rand.New(rand.NewPCG(1, 2))
	varied := 0
	for _, e := range d.Examples {
		before, after := make([]int, len(States)), make([]int, len(States))
		for _, y := range e.Targets.entries {
			if y != Unknown {
				before[y]++
			}
		}
		x, ok := v.vary(e, r, 1<<20, &s)
		if !ok {
			continue
		}
		if len(x.tokens) != len(x.states) || len(x.tokens) != len(x.begins) {
			t.Fatalf("%s: %d tokens, %d states, %d beginnings", e.Run.Truth.Name, len(x.tokens), len(x.states), len(x.begins))
		}
		for _, y := range x.states {
			if y != Unknown {
				after[y]++
			}
		}
		for y := range after {
			if after[y] > 0 && before[y] == 0 {
				t.Errorf("%s: %d messages of %s, of which there was none", e.Run.Truth.Name, after[y], States[y])
			}
		}
		if !slices.Equal(x.tokens, e.Tokens) {
			varied++
		}
	}
	if 2*varied < len(d.Examples) {
		t.Errorf("only %d of %d sessions look different", varied, len(d.Examples))
	}
}

// Sessions of every scenario are drawn alike, however many there are.
func TestDrawBalanced(t *testing.T) {
	d := NewData(someRuns(t, 120))
	w := newDrawer(d)
	r := rand.New(rand.NewPCG(1, 1))
	count := make(map[string]int)
	const pairs = 20000
	for range pairs {
		a, b := w.pair(r)
		if a.Recipe != b.Recipe {
			t.Fatal("a pair of two recipes")
		}
		count[a.Run.Truth.Scenario]++
	}
	for name, n := range count {
		if want := float64(pairs) / float64(len(count)); math.Abs(float64(n)-want) > 6*math.Sqrt(want) {
			t.Errorf("%s is drawn %d times of %d, want about %.0f", name, n, pairs, want)
		}
	}
}

func TestPlatt(t *testing.T) {
	var a answered
	r := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		x, z := 6*r.NormFloat64(), 4*r.NormFloat64()
		a.add(x, z, r.Float64() < 1/(1+math.Exp(-(0.5*x+0.3*z-1))), 1)
	}
	p := a.fit()
	if math.Abs(p.Scale-0.5) > 0.05 || math.Abs(p.Trees-0.3) > 0.05 || math.Abs(p.Offset+1) > 0.1 {
		t.Errorf("fitted %+v, want scales 0.5 and 0.3 and offset -1", p)
	}
	// Of calibrated probabilities half of the best F1 is the threshold that reaches it.
	var list []metric.Scored
	for i, x := range a.x {
		list = append(list, metric.Scored{Score: p.P(float32(x[0]), float32(x[1])), Positive: a.y[i]})
	}
	best, _ := metric.Rank(list).BestF1()
	if math.Abs(best-p.Threshold) > 0.05 {
		t.Errorf("the threshold is %.3f, that of the best F1 %.3f", p.Threshold, best)
	}
}

// Without trees, and with nothing to learn from, logits stay as they are.
func TestPlattOfNothing(t *testing.T) {
	var a answered
	if p := a.fit(); p.Scale != 1 || p.Trees != 0 || p.Offset != 0 {
		t.Errorf("fitted %+v", p)
	}
	a.add(1, 2, true, 1e-9)
	if p := a.fit(); math.Abs(p.Scale-0.5) > 1e-3 || math.Abs(p.Trees-0.5) > 1e-3 {
		t.Errorf("with trees fitted %+v, want both halves", p)
	}
}

// The same data give the same trees, on one core and on several, and they tell
// sessions that they were grown on.
func TestTrees(t *testing.T) {
	d := NewData(someRuns(t, 60))
	trees := Trees(d, 1)
	before := runtime.GOMAXPROCS(1)
	again := Trees(d, 1)
	runtime.GOMAXPROCS(before)
	grown, right, all := 0, 0, 0
	for k, f := range trees {
		if (f == nil) != (again[k] == nil) || f != nil && !slices.Equal(f.Values(), again[k].Values()) {
			t.Fatalf("label %s: other trees on one core", Labels[k])
		}
		if f == nil {
			continue
		}
		grown++
		for _, e := range d.Examples {
			if y := e.Targets.Labels[k]; y == 1 {
				all++
				if f.Score(feature.Session(&e.Heard)) > 0 {
					right++
				}
			}
		}
	}
	if grown < 5 || right*10 < all*6 {
		t.Errorf("%d labels have trees, which tell %d of %d", grown, right, all)
	}
}

func TestQuantiles(t *testing.T) {
	var list []float64
	for i := range 1000 {
		list = append(list, float64(999-i))
	}
	if got := quantiles(list); len(got) != model.MaxScores || got[0] != 0 || got[len(got)-1] != 999 || !slices.IsSorted(got) {
		t.Errorf("got %v", got)
	}
}

func TestSwap(t *testing.T) {
	if swapControl(controlOrig) != controlResp || swapControl(controlResp) != controlOrig || swapControl(controlBoth) != controlBoth {
		t.Error("control is not swapped")
	}
	if session.Orig.Other() != session.Resp {
		t.Error("directions are not swapped")
	}
}

func BenchmarkVary(b *testing.B) {
	d := NewData(someRuns(b, 40))
	var v varier
	var s slot
	r := rand.New(rand.NewPCG(1, 2))
	messages := 0
	b.ReportAllocs()
	for b.Loop() {
		e := d.Examples[r.IntN(len(d.Examples))]
		x, _ := v.vary(e, r, 512, &s)
		messages += len(x.tokens)
	}
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "messages/s")
}
