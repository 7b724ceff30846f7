package nn

import (
	"math"
	"math/rand/v2"

	"tyto/nn/kernel"
)

// Linear is y = x*W + b for each row.
type Linear struct {
	W *Param // in x out
	B *Param // 1 x out
}

// NewLinear makes a linear layer with weights drawn from r as PyTorch draws them:
// evenly between -1/sqrt(in) and 1/sqrt(in).
func NewLinear(ps *Params, name string, in, out int, r *rand.Rand) *Linear {
	c := NewConv(ps, name, Shape{In: in, Out: out, Taps: 1, Dilation: 1}, r)
	return &Linear{c.W, c.B}
}

// Forward applies the layer.
func (l *Linear) Forward(t *Tape, x *Tensor) *Tensor { return l.conv().Forward(t, x) }

func (l *Linear) conv() *Conv { return &Conv{W: l.W, B: l.B, Taps: 1, Dilation: 1} }

// Shape is the shape of a convolution along sequences.
type Shape struct{ In, Out, Taps, Dilation int }

// Conv is a convolution along each sequence, centred, with zeros beyond the ends:
// y(r) = b + sum over taps j of x(r + (j - Taps/2)*Dilation) * W(j).
type Conv struct {
	W              *Param // Taps matrices of in x out, below each other
	B              *Param // 1 x out
	Taps, Dilation int
}

// NewConv makes a convolution with weights drawn from r as PyTorch draws them.
func NewConv(ps *Params, name string, s Shape, r *rand.Rand) *Conv {
	if s.Taps < 1 || s.Dilation < 1 {
		fail("%s: %d taps, dilation %d", name, s.Taps, s.Dilation)
	}
	c := &Conv{W: ps.New(name+".weight", s.Taps*s.In, s.Out), B: ps.New(name+".bias", 1, s.Out), Taps: s.Taps, Dilation: s.Dilation}
	c.B.NoDecay = true
	bound := 1 / math.Sqrt(float64(s.Taps*s.In))
	c.W.Uniform(r, bound)
	c.B.Uniform(r, bound)
	return c
}

// Forward applies the convolution.
func (c *Conv) Forward(t *Tape, x *Tensor) *Tensor {
	if x.Cols*c.Taps != c.W.Rows {
		fail("%s takes %d columns: got %d", c.W.Name, c.W.Rows/c.Taps, x.Cols)
	}
	y := t.tensor(x.Rows, c.W.Cols, x.Starts)
	o := record[convolution](t)
	*o = convolution{Conv: *c, x: x, y: y}
	for s := range x.Sequences() {
		from, to := x.sequence(s)
		for r, n := from, stripRows(y.stride); r < to; r += n {
			o.strip(from, to, r, min(r+n, to))
		}
	}
	return y
}

// stripFloats is how much output goes through all taps before the next: a strip
// of 48 rows of 64 channels and a tap's weights stay in the first-level cache.
const stripFloats = 48 * 64

// stripRows returns how many rows of the given stride are a strip.
func stripRows(stride int) int { return max(6, stripFloats/stride) }

type convolution struct {
	Conv
	x, y *Tensor
}

// tap returns the j-th tap to take, the one that looks at the row itself first,
// since it covers all rows; and how many rows ahead it looks.
func (c *Conv) tap(j int) (tap, ahead int) {
	centre := c.Taps / 2
	switch {
	case j == 0:
		return centre, 0
	case j <= centre:
		tap = j - 1
	default:
		tap = j
	}
	return tap, (tap - centre) * c.Dilation
}

// strip computes rows r to end of the sequence of rows from to to.
func (o *convolution) strip(from, to, r, end int) {
	in := o.x.Cols
	g := kernel.Gemm{N: o.y.stride, K: in, ARow: o.x.stride, ACol: 1, BRow: o.W.stride, CRow: o.y.stride}
	for j := range o.Taps {
		tap, ahead := o.tap(j)
		low, high := max(r, from-ahead), min(end, to-ahead)
		if low >= high {
			continue
		}
		g.M = high - low
		g.A, g.B, g.C = o.x.data[(low+ahead)*o.x.stride:], o.W.padded()[tap*in*o.W.stride:], o.y.data[low*o.y.stride:]
		if g.Bias = nil; j == 0 {
			g.Bias = o.B.padded()
		}
		g.Accumulate = j > 0
		g.Run()
	}
}

func (o *convolution) backward(t *Tape) {
	if o.y.grad == nil {
		return
	}
	kernel.ColSum(o.y.grad, o.B.of(t.grad))
	dx, fresh := t.freshGradient(o.x)
	for s := range o.x.Sequences() {
		from, to := o.x.sequence(s)
		for r := from; r < to; r += foldRows {
			o.weightGradient(t, from, to, r, min(r+foldRows, to))
		}
		for r, n := from, stripRows(o.x.stride); dx != nil && r < to; r += n {
			o.inputGradient(t, dx, fresh, [4]int{from, to, r, min(r+n, to)})
		}
	}
}

// foldRows is how many rows are summed over in one product of the weights'
// gradient.
const foldRows = 128

// weightGradient adds what rows r to end of the output tell of the weights.
func (o *convolution) weightGradient(t *Tape, from, to, r, end int) {
	in := o.x.Cols
	g := kernel.Gemm{M: in, N: o.W.stride, ARow: 1, ACol: o.x.stride, BRow: o.y.stride, CRow: o.W.stride, Accumulate: true}
	for j := range o.Taps {
		tap, ahead := o.tap(j)
		low, high := max(r, from-ahead), min(end, to-ahead)
		if low >= high {
			continue
		}
		g.K = high - low
		g.A, g.B, g.C = o.x.data[(low+ahead)*o.x.stride:], o.y.grad[low*o.y.stride:], o.W.of(t.grad)[tap*in*o.W.stride:]
		g.Run()
	}
}

// inputGradient adds to rows at[2] to at[3] of dx, of the sequence of rows at[0]
// to at[1].
func (o *convolution) inputGradient(t *Tape, dx []float32, fresh bool, at [4]int) {
	from, to, r, end := at[0], at[1], at[2], at[3]
	out := o.W.Cols
	w := t.transpose(o.W, o.x.Cols)
	g := kernel.Gemm{N: o.x.stride, K: out, ARow: o.y.stride, ACol: 1, BRow: o.x.stride, CRow: o.x.stride}
	for j := range o.Taps {
		tap, ahead := o.tap(j)
		low, high := max(r, from+ahead), min(end, to+ahead)
		if low >= high {
			continue
		}
		g.M = high - low
		g.A, g.B, g.C = o.y.grad[(low-ahead)*o.y.stride:], w[tap*out*o.x.stride:], dx[low*o.x.stride:]
		g.Accumulate = j > 0 || !fresh
		g.Run()
	}
}
