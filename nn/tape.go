package nn

import (
	"tyto/nn/kernel"
)

// Tensor is a matrix on a tape: a row for each element of each sequence, or one
// for each sequence. It is valid until the tape's next Reset.
type Tensor struct {
	Rows, Cols int

	// Starts bounds the sequences: sequence s is rows Starts[s] to Starts[s+1].
	// nil means that all rows are one sequence. Set it to regroup rows, such as
	// pooled windows into sessions.
	Starts []int

	data   []float32 // Rows * stride; what pads a row is zero
	grad   []float32 // the same, nil until something has added to it
	stride int
	fixed  bool // no gradient is wanted
}

// Row returns row i, Cols long.
func (x *Tensor) Row(i int) []float32 { return x.data[i*x.stride:][:x.Cols] }

// GradRow returns the gradient of row i, or nil if nothing depends on x.
func (x *Tensor) GradRow(i int) []float32 {
	if x.grad == nil {
		return nil
	}
	return x.grad[i*x.stride:][:x.Cols]
}

// Sequences returns the number of sequences.
func (x *Tensor) Sequences() int {
	if x.Starts == nil {
		return 1
	}
	return len(x.Starts) - 1
}

// sequence returns the rows of sequence s: from and below to.
func (x *Tensor) sequence(s int) (from, to int) {
	if x.Starts == nil {
		return 0, x.Rows
	}
	return x.Starts[s], x.Starts[s+1]
}

// Tape records operations on tensors, then runs them backwards to add to the
// gradients of the parameters. It keeps its memory: from the second pass of the
// same shape on it allocates nothing. A tape is for one goroutine; many tapes
// may share Params.
type Tape struct {
	// Train is true while gradients are wanted; false makes dropout pass
	// everything and batch normalisation use its running statistics.
	Train bool
	// Seed decides what dropout drops.
	Seed uint64
	// Loss is the sum of the losses since the last Reset.
	Loss float64

	params     *Params
	grad       []float32
	ops        []operation
	recorded   int
	tensors    []*Tensor
	used       int
	memory     arena
	wide       wideArena
	transposed [][]float32 // of each parameter, or nil
}

// operation is what a tape remembers of a step forward.
type operation interface {
	// backward adds to the gradients of the inputs and parameters.
	backward(t *Tape)
}

// NewTape returns a tape that trains the parameters.
func NewTape(ps *Params) *Tape {
	return &Tape{Train: true, params: ps, grad: make([]float32, len(ps.data)), transposed: make([][]float32, len(ps.all))}
}

// Reset forgets all tensors and operations and the loss. The gradients of the
// parameters stay.
func (t *Tape) Reset() {
	t.recorded, t.used, t.Loss = 0, 0, 0
	t.memory.reset()
	t.wide.reset()
	clear(t.transposed)
}

// ZeroGrad clears the gradients of the parameters.
func (t *Tape) ZeroGrad() { clear(t.grad) }

// Grad returns the gradient of a parameter, row after row, as a copy.
func (t *Tape) Grad(p *Param) []float32 {
	var v []float32
	g := p.of(t.grad)
	for i := range p.Rows {
		v = append(v, g[i*p.stride:][:p.Cols]...)
	}
	return v
}

// Backward runs what was recorded backwards, from the losses to the parameters,
// and forgets it. Gradients of inputs can be read until Reset.
func (t *Tape) Backward() {
	for i := t.recorded - 1; i >= 0; i-- {
		t.ops[i].backward(t)
	}
	t.recorded = 0
}

// record returns memory for the next operation; what the operation at this place
// of the last pass had, if it was of the same kind.
func record[T any, P interface {
	*T
	operation
}](t *Tape) P {
	if t.recorded < len(t.ops) {
		if o, ok := t.ops[t.recorded].(P); ok {
			t.recorded++
			return o
		}
	}
	o := P(new(T))
	t.ops = append(t.ops[:t.recorded], o)
	t.recorded++
	return o
}

// tensor returns a tensor with arbitrary contents.
func (t *Tape) tensor(rows, cols int, starts []int) *Tensor {
	if t.used == len(t.tensors) {
		t.tensors = append(t.tensors, new(Tensor))
	}
	x := t.tensors[t.used]
	t.used++
	stride := kernel.Pad(cols)
	*x = Tensor{Rows: rows, Cols: cols, Starts: starts, data: t.memory.take(rows * stride), stride: stride}
	return x
}

// like returns a tensor of the shape of x with arbitrary contents.
func (t *Tape) like(x *Tensor) *Tensor { return t.tensor(x.Rows, x.Cols, x.Starts) }

// Input returns a tensor with a copy of the values, row after row; no gradient
// is computed for it. starts may be nil, see Tensor.
func (t *Tape) Input(values []float32, cols int, starts []int) *Tensor {
	if cols < 1 || len(values)%cols != 0 {
		fail("input of %d values in rows of %d", len(values), cols)
	}
	rows := len(values) / cols
	if starts != nil && (len(starts) == 0 || starts[0] != 0 || starts[len(starts)-1] != rows) {
		fail("input of %d rows: sequences %v must cover them", rows, starts)
	}
	x := t.tensor(rows, cols, starts)
	x.fixed = true
	clear(x.data)
	for i := range rows {
		copy(x.Row(i), values[i*cols:])
	}
	return x
}

// Variable is Input for values whose gradient is wanted.
func (t *Tape) Variable(values []float32, cols int, starts []int) *Tensor {
	x := t.Input(values, cols, starts)
	x.fixed = false
	return x
}

// gradient returns the gradient of x to be added to, zero at first; nil if none
// is wanted.
func (t *Tape) gradient(x *Tensor) []float32 {
	g, fresh := t.freshGradient(x)
	if fresh {
		clear(g)
	}
	return g
}

// freshGradient is gradient for those who can overwrite: fresh tells that the
// contents are arbitrary.
func (t *Tape) freshGradient(x *Tensor) (g []float32, fresh bool) {
	if x.fixed {
		return nil, false
	}
	if x.grad != nil {
		return x.grad, false
	}
	x.grad = t.memory.take(len(x.data))
	return x.grad, true
}

// addGradient adds g to the gradient of x.
func (t *Tape) addGradient(x *Tensor, g []float32) {
	switch dx, fresh := t.freshGradient(x); {
	case fresh:
		copy(dx, g)
	case dx != nil:
		kernel.Add(g, dx)
	}
}

// transpose returns the transposed matrices that lie below each other in p, each
// of rows rows; Cols rows of padded rows each. It is made once a pass.
func (t *Tape) transpose(p *Param, rows int) []float32 {
	if w := t.transposed[p.index]; w != nil {
		return w
	}
	stride := kernel.Pad(rows)
	w := t.memory.take(p.Rows / rows * p.Cols * stride)
	clear(w)
	data := p.padded()
	for first := 0; first < p.Rows; first += rows {
		out := w[first/rows*p.Cols*stride:]
		for i := range rows {
			for j, v := range data[(first+i)*p.stride:][:p.Cols] {
				out[j*stride+i] = v
			}
		}
	}
	t.transposed[p.index] = w
	return w
}
