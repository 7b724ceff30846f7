package nn

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// parityNet is the network of testdata/parity/parity.py.
type parityNet struct {
	small
	kind    *Param
	profile *Linear
}

func newParityNet(ps *Params) *parityNet {
	r := rand.New(rand.NewPCG(1, 1))
	n := &parityNet{small: *newSmall(ps, r), kind: ps.New("kind.weight", 7, smallWide), profile: NewLinear(ps, "profile", smallWide, 3, r)}
	return n
}

var (
	parityStarts  = []int{0, 9, 10, 27, 40}
	parityWindows = []int{0, 2, 4} // two sequences of two windows
)

type parityOut struct{ states, label, profile, pooled *Tensor }

func (n *parityNet) forward(t *Tape, x []float32, kinds []int32) parityOut {
	h := n.stem.Forward(t, t.Input(x, smallIn, parityStarts))
	h = t.Add(h, t.Embed(n.kind, kinds, parityStarts))
	h = t.Add(h, n.point.Forward(t, n.norm.ForwardReLU(t, n.dilated.Forward(t, h))))
	pooled := t.AttentionPool(h, n.scores.Forward(t, h))
	pooled.Starts = parityWindows
	return parityOut{
		states:  n.states.Forward(t, t.GELU(n.layer.Forward(t, h))),
		label:   n.label.Forward(t, t.Concat(pooled, n.gru.Forward(t, pooled))),
		profile: n.profile.Forward(t, t.ReverseGradient(pooled, 0.3)),
		pooled:  pooled,
	}
}

// golden is what PyTorch said.
type golden map[string]*Array

func readGolden(t *testing.T) golden {
	t.Helper()
	b, err := os.ReadFile(cmp.Or(os.Getenv("PARITY"), "testdata/parity/small.nn"))
	if err != nil {
		t.Fatal(err)
	}
	arrays, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return index(arrays)
}

func (g golden) integers(name string) []int32 {
	var v []int32
	for _, x := range g[name].Values {
		v = append(v, int32(x))
	}
	return v
}

// compare reports where the numbers differ by more than 1e-5, relative to 1 + the
// number.
func (g golden) compare(t *testing.T, name string, got []float32) {
	t.Helper()
	want := g[name].Values
	if len(got) != len(want) {
		t.Fatalf("%s: got %d numbers, want %d", name, len(got), len(want))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i]-w)) <= 1e-5*(1+math.Abs(float64(w)))) {
			t.Errorf("%s, element %d: got %g, want %g", name, i, got[i], w)
			return
		}
	}
}

func (g golden) outputs(t *testing.T, prefix string, out parityOut) {
	t.Helper()
	for name, x := range map[string]*Tensor{"states": out.states, "label": out.label, "profile": out.profile, "pooled": out.pooled} {
		var v []float32
		for r := range x.Rows {
			v = append(v, x.Row(r)...)
		}
		g.compare(t, prefix+name, v)
	}
}

// TestParity holds forward pass, losses and parameters of 20 training steps
// against PyTorch's. PARITY names another file than the one checked in.
func TestParity(t *testing.T) {
	g := readGolden(t)
	ps := new(Params)
	net := newParityNet(ps)
	for _, p := range ps.All() {
		p.Set(g["before."+p.Name].Values)
	}
	labels := g["labels"].Values
	for i, v := range labels {
		if v < 0 {
			labels[i] = nan
		}
	}
	x, kinds, states := g["x"].Values, g.integers("kinds"), g.integers("states")
	tr := NewTrainer(ps, 1)
	tr.Clip, tr.Adam.Decay = 0.7, 0.05
	// Nothing depends on a bias before a normalisation or a softmax over rows: its
	// gradient is rounding, of which Adam would make steps with a smaller epsilon.
	tr.Adam.Epsilon = 1e-4
	for step, want := range g["losses"].Values {
		got := tr.Step(2e-3, func(_ int, tape *Tape) {
			out := net.forward(tape, x, kinds)
			if step == 0 {
				g.outputs(t, "out.", out)
			}
			tape.CrossEntropy(out.states, states, Loss{Focus: 2})
			tape.BinaryCrossEntropy(out.label, labels, Loss{})
			tape.CrossEntropy(out.profile, g.integers("profiles"), Loss{Columns: []float32{1, 2, 0.5}})
			tape.Contrast(tape.Normalize(out.pooled), Pairs{Labels: g.integers("pairs"), Temperature: 0.5}, Loss{Scale: 0.2 / 4})
		})
		near(t, fmt.Sprintf("loss of step %d", step), got.Loss, float64(want))
	}
	for _, p := range ps.All() {
		g.compare(t, "after."+p.Name, p.Values())
	}
	tape := NewTape(ps)
	tape.Train = false
	g.outputs(t, "end.", net.forward(tape, x, kinds))
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
		t.Errorf("%s: got %g, want %g", what, got, want)
	}
}
