package nn

import (
	"math"
	"math/rand/v2"

	"tyto/nn/kernel"
)

// GRU is a gated recurrent unit (Cho et al. 2014) in PyTorch's form: with gates
// reset, update and new side by side in the columns of the parameters,
//
//	r, z = sigmoid(x*Wx + Bx + h*Wh + Bh)     the first two thirds
//	n = tanh(x*Wx + Bx + r*(h*Wh + Bh))       the last third
//	h' = (1-z)*n + z*h
type GRU struct {
	Wx, Wh *Param // in x 3*size, size x 3*size
	Bx, Bh *Param // 1 x 3*size
}

// NewGRU makes a GRU with weights drawn from r as PyTorch draws them.
func NewGRU(ps *Params, name string, in, size int, r *rand.Rand) *GRU {
	g := &GRU{ps.New(name+".wx", in, 3*size), ps.New(name+".wh", size, 3*size), ps.New(name+".bx", 1, 3*size), ps.New(name+".bh", 1, 3*size)}
	g.Bx.NoDecay, g.Bh.NoDecay = true, true
	for _, p := range []*Param{g.Wx, g.Wh, g.Bx, g.Bh} {
		p.Uniform(r, 1/math.Sqrt(float64(size)))
	}
	return g
}

// Forward runs along each sequence from a state of zeros and returns the state
// after each row. All sequences advance together.
func (g *GRU) Forward(t *Tape, x *Tensor) *Tensor {
	size := g.Wh.Rows
	if x.Cols != g.Wx.Rows {
		fail("%s takes %d columns: got %d", g.Wx.Name, g.Wx.Rows, x.Cols)
	}
	o := record[gru](t)
	*o = gru{GRU: *g, x: x, y: t.tensor(x.Rows, size, x.Starts), input: t.tensor(x.Rows, 3*size, nil), gates: t.tensor(x.Rows, 3*size, nil),
		recurrent: t.memory.take(x.Rows * size), state: t.tensor(x.Sequences(), size, nil), product: t.tensor(x.Sequences(), 3*size, nil)}
	clear(o.y.data)
	clear(o.gates.data)
	(&kernel.Gemm{M: x.Rows, N: o.input.stride, K: x.Cols, A: x.data, ARow: x.stride, ACol: 1,
		B: g.Wx.padded(), BRow: g.Wx.stride, C: o.input.data, CRow: o.input.stride, Bias: g.Bx.padded()}).Run()
	for step := range o.steps() {
		n := o.gather(step)
		(&kernel.Gemm{M: n, N: o.product.stride, K: size, A: o.state.data, ARow: o.state.stride, ACol: 1,
			B: g.Wh.padded(), BRow: g.Wh.stride, C: o.product.data, CRow: o.product.stride, Bias: g.Bh.padded()}).Run()
		o.each(step, func(i, row int) {
			h := o.state.Row(i)
			hidden := o.product.Row(i)
			copy(o.recurrent[row*size:][:size], hidden[2*size:])
			gate(o.input.Row(row), hidden, h, o.gates.Row(row), o.y.Row(row))
		})
	}
	return o.y
}

// gate computes the gates from the products with the input and the state, and
// the next state.
func gate(input, hidden, state, gates, next []float32) {
	n := len(next)
	kernel.AddTo(input[:2*n], hidden[:2*n], gates[:2*n])
	kernel.Sigmoid(gates[:2*n], gates[:2*n])
	update, fresh := gates[n:2*n], gates[2*n:]
	kernel.Mul(gates[:n], hidden[2*n:], fresh)
	kernel.Add(input[2*n:], fresh)
	kernel.Tanh(fresh, fresh)
	for i, z := range update {
		next[i] = fresh[i] + z*(state[i]-fresh[i])
	}
}

type gru struct {
	GRU
	x, y      *Tensor
	input     *Tensor   // x*Wx + Bx; going back, its gradient
	gates     *Tensor   // r, z, n
	recurrent []float32 // last third of h*Wh + Bh
	state     *Tensor   // h before a step, for the sequences that reach it
	product   *Tensor   // h*Wh + Bh; going back, its gradient
}

// steps is the length of the longest sequence.
func (o *gru) steps() int {
	n := 0
	for s := range o.x.Sequences() {
		from, to := o.x.sequence(s)
		n = max(n, to-from)
	}
	return n
}

// each calls f for each sequence that reaches the step: the how manieth it is
// of those, and the row.
func (o *gru) each(step int, f func(i, row int)) {
	i := 0
	for s := range o.x.Sequences() {
		if from, to := o.x.sequence(s); from+step < to {
			f(i, from+step)
			i++
		}
	}
}

// gather collects the states before the step and returns how many there are.
func (o *gru) gather(step int) int {
	n := 0
	o.each(step, func(i, row int) {
		h := o.state.data[i*o.state.stride:][:o.state.stride]
		if clear(h); step > 0 {
			copy(h, o.y.Row(row-1))
		}
		n++
	})
	return n
}

func (o *gru) backward(t *Tape) {
	if o.y.grad == nil {
		return
	}
	clear(o.input.data)
	clear(o.product.data)
	before := t.like(o.state)
	for step := o.steps() - 1; step >= 0; step-- {
		o.back(t, step, before)
	}
	in, d := o.x.Cols, o.input
	kernel.ColSum(d.data, o.Bx.of(t.grad))
	(&kernel.Gemm{M: in, N: d.stride, K: o.x.Rows, A: o.x.data, ARow: 1, ACol: o.x.stride,
		B: d.data, BRow: d.stride, C: o.Wx.of(t.grad), CRow: o.Wx.stride, Accumulate: true}).Run()
	if dx := t.gradient(o.x); dx != nil {
		(&kernel.Gemm{M: o.x.Rows, N: o.x.stride, K: d.Cols, A: d.data, ARow: d.stride, ACol: 1,
			B: t.transpose(o.Wx, in), BRow: o.x.stride, C: dx, CRow: o.x.stride, Accumulate: true}).Run()
	}
}

// back goes back one step: from the gradient of the states after it to those of
// the products, of Wh and of the states before it, which are rows of y too.
func (o *gru) back(t *Tape, step int, before *Tensor) {
	n := o.gather(step)
	o.each(step, func(i, row int) { o.gateGradient(i, row) })
	d := o.product
	used := d.data[:n*d.stride]
	kernel.ColSum(used, o.Bh.of(t.grad))
	if step == 0 {
		return
	}
	(&kernel.Gemm{M: o.y.Cols, N: d.stride, K: n, A: o.state.data, ARow: 1, ACol: o.state.stride,
		B: used, BRow: d.stride, C: o.Wh.of(t.grad), CRow: o.Wh.stride, Accumulate: true}).Run()
	(&kernel.Gemm{M: n, N: o.y.stride, K: d.Cols, A: used, ARow: d.stride, ACol: 1,
		B: t.transpose(o.Wh, o.y.Cols), BRow: o.y.stride, C: before.data, CRow: before.stride}).Run()
	o.each(step, func(i, row int) {
		dh, size := o.y.GradRow(row), o.y.Cols
		last := o.y.GradRow(row - 1)
		kernel.Add(before.Row(i), last)
		kernel.MulAdd(dh, o.gates.Row(row)[size:2*size], last)
	})
}

// gateGradient writes the gradients of the products of row, the i-th sequence's.
func (o *gru) gateGradient(i, row int) {
	size := o.y.Cols
	dh, h := o.y.GradRow(row), o.state.Row(i)
	gates, hidden := o.gates.Row(row), o.recurrent[row*size:]
	dInput, dHidden := o.input.Row(row), o.product.Row(i)
	for c := range size {
		r, z, n := gates[c], gates[size+c], gates[2*size+c]
		dn := dh[c] * (1 - z) * (1 - n*n)
		dz := dh[c] * (h[c] - n) * z * (1 - z)
		dr := dn * hidden[c] * r * (1 - r)
		dInput[c], dInput[size+c], dInput[2*size+c] = dr, dz, dn
		dHidden[c], dHidden[size+c], dHidden[2*size+c] = dr, dz, dn*r
	}
}
