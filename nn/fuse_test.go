package nn

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestFused compares inference with the tape outside training, on sequences
// shorter and longer than a strip.
func TestFused(t *testing.T) {
	for _, rows := range []int{1, 3, 50, 131} {
		r := rand.New(rand.NewPCG(3, uint64(rows)))
		ps := new(Params)
		net := newSmall(ps, r)
		net.norm.Mean.Normal(r, 1)
		net.norm.Variance.Uniform(r, 0.5)
		for i, v := range net.norm.Variance.Row(0) {
			net.norm.Variance.Row(0)[i] = 1 + v
		}
		x := randoms(r, rows*smallIn)
		tape := NewTape(ps)
		tape.Train = false
		_, label := net.forward(tape, tape.Input(x, smallIn, nil))
		f := net.fuse(rows)
		f.run(x)
		equal(t, "label", f.label[:smallOut], label.Row(0))
	}
}

func equal(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-5*(1+math.Abs(float64(want[i]))) {
			t.Fatalf("%s, element %d: got %g, want %g", what, i, got[i], want[i])
		}
	}
}

func randoms(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// TestFusedAllocation holds that inference allocates nothing.
func TestFusedAllocation(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 0))
	f := newSmall(new(Params), r).fuse(70)
	x := randoms(r, 70*smallIn)
	if n := testing.AllocsPerRun(5, func() { f.run(x) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

// small is a network with one of each layer, for tests and for parity with
// PyTorch (testdata/parity).
type small struct {
	stem, dilated, point *Conv
	norm                 *BatchNorm
	layer                *LayerNorm
	scores, states       *Linear
	gru                  *GRU
	label                *Linear
}

// Shapes of small.
const (
	smallIn   = 6
	smallWide = 16
	smallOut  = 5
	smallSize = 8
)

func newSmall(ps *Params, r *rand.Rand) *small {
	return &small{
		stem:    NewConv(ps, "stem", Shape{In: smallIn, Out: smallWide, Taps: 5, Dilation: 1}, r),
		dilated: NewConv(ps, "dilated", Shape{In: smallWide, Out: smallWide, Taps: 3, Dilation: 4}, r),
		norm:    NewBatchNorm(ps, "norm", smallWide),
		point:   NewConv(ps, "point", Shape{In: smallWide, Out: smallWide, Taps: 1, Dilation: 1}, r),
		layer:   NewLayerNorm(ps, "layer", smallWide),
		states:  NewLinear(ps, "states", smallWide, smallOut, r),
		scores:  NewLinear(ps, "scores", smallWide, 4, r),
		gru:     NewGRU(ps, "gru", smallWide, smallSize, r),
		label:   NewLinear(ps, "label", smallWide+smallSize, smallOut, r),
	}
}

// forward returns the state logits of each row and the label logits of each
// sequence, of one row's GRU step on the pooled rows.
func (n *small) forward(t *Tape, x *Tensor) (states, label *Tensor) {
	h := n.stem.Forward(t, x)                                                        // rows x 16
	h = t.Add(h, n.point.Forward(t, n.norm.ForwardReLU(t, n.dilated.Forward(t, h)))) // rows x 16
	states = n.states.Forward(t, t.GELU(n.layer.Forward(t, h)))                      // rows x 5
	pooled := t.AttentionPool(h, n.scores.Forward(t, h))                             // sequences x 16
	last := n.gru.Forward(t, n.windows(pooled))                                      // sequences x 8
	return states, n.label.Forward(t, t.Concat(pooled, last))                        // sequences x 5
}

// windows makes a sequence of its own of each pooled row, so that the GRU takes
// one step.
func (n *small) windows(x *Tensor) *Tensor {
	x.Starts = make([]int, x.Rows+1)
	for i := range x.Starts {
		x.Starts[i] = i
	}
	return x
}

// fusedSmall is small for inference, with its memory.
type fusedSmall struct {
	stem, dilated, point, scoreLayer, labelLayer        *Fused
	pool                                                FusedPool
	gru                                                 *FusedGRU
	rows                                                int
	x, h, z, scores, scratch, both, label, state, gates []float32
}

func (n *small) fuse(rows int) *fusedSmall {
	f := &fusedSmall{
		stem: FuseConv(n.stem, nil, false), dilated: FuseConv(n.dilated, n.norm, true), point: FuseConv(n.point, nil, false),
		scoreLayer: FuseLinear(n.scores, false), labelLayer: FuseLinear(n.label, false),
		pool: FusedPool{Columns: smallWide, Heads: 4}, gru: FuseGRU(n.gru), rows: rows,
	}
	for _, p := range []struct {
		to *[]float32
		n  int
	}{{&f.x, rows * 16}, {&f.h, rows * 16}, {&f.z, rows * 16}, {&f.scores, rows * 16}, {&f.scratch, rows}, {&f.both, 32},
		{&f.label, 16}, {&f.state, 16}, {&f.gates, f.gru.Scratch()}} {
		*p.to = make([]float32, p.n)
	}
	return f
}

func (f *fusedSmall) run(x []float32) {
	for i := range f.rows {
		copy(f.x[i*16:], x[i*smallIn:][:smallIn])
	}
	f.stem.Run(f.x, f.h, f.rows)
	f.dilated.Run(f.h, f.z, f.rows)
	f.point.RunAdd(f.z, f.h, f.rows)
	f.scoreLayer.Run(f.h, f.scores, f.rows)
	f.pool.Run(f.h, f.scores, f.scratch, f.both, f.rows)
	clear(f.state)
	f.gru.Step(f.both, f.state, f.gates)
	copy(f.both[smallWide:], f.state[:smallSize])
	f.labelLayer.Run(f.both, f.label, 1)
}
