package nn

import "tyto/nn/kernel"

// Fused is a convolution (or linear layer) with the batch normalisation and the
// ReLU behind it in one, for inference: no tape, no allocation. It is a copy:
// training on does not change it. It may be used by many goroutines at once.
//
// Matrices are slices of rows of Stride floats; what pads a row is zero.
type Fused struct {
	w, bias        []float32
	in, out        int
	inStride       int
	stride         int
	taps, dilation int
	relu           bool
}

// FuseConv copies a convolution, with the normalisation n folded into its weights
// if n is not nil, and a ReLU at the end if relu is true.
func FuseConv(c *Conv, n *BatchNorm, relu bool) *Fused {
	f := &Fused{w: append([]float32(nil), c.W.padded()...), bias: append([]float32(nil), c.B.padded()...),
		in: c.W.Rows / c.Taps, out: c.W.Cols, stride: c.W.stride, taps: c.Taps, dilation: c.Dilation, relu: relu}
	f.inStride = kernel.Pad(f.in)
	if n == nil {
		return f
	}
	rate, offset := make([]float32, f.stride), make([]float32, f.stride)
	n.fold(rate, offset)
	for r := 0; r < len(f.w); r += f.stride {
		kernel.Mul(f.w[r:r+f.stride], rate, f.w[r:r+f.stride])
	}
	kernel.Mul(f.bias, rate, f.bias)
	kernel.Add(offset, f.bias)
	return f
}

// FuseLinear copies a linear layer.
func FuseLinear(l *Linear, relu bool) *Fused { return FuseConv(l.conv(), nil, relu) }

// Stride returns the length of a row of the given number of columns.
func Stride(columns int) int { return kernel.Pad(columns) }

// Run applies the layer to one sequence of rows in x and stores the result in y.
func (f *Fused) Run(x, y []float32, rows int) { f.run(x, y, rows, false) }

// RunAdd is Run that adds the result to y; a ReLU is applied to the sum.
func (f *Fused) RunAdd(x, y []float32, rows int) { f.run(x, y, rows, true) }

func (f *Fused) run(x, y []float32, rows int, add bool) {
	if len(x) < rows*f.inStride || len(y) < rows*f.stride {
		fail("%d rows: x and y are too short: rows have %d and %d floats", rows, f.inStride, f.stride)
	}
	c := Conv{Taps: f.taps, Dilation: f.dilation}
	g := kernel.Gemm{N: f.stride, K: f.in, ARow: f.inStride, ACol: 1, BRow: f.stride, CRow: f.stride}
	for r, n := 0, stripRows(f.stride); r < rows; r += n {
		end := min(r+n, rows)
		for j := range f.taps {
			tap, ahead := c.tap(j)
			low, high := max(r, -ahead), min(end, rows-ahead)
			if low >= high {
				continue
			}
			g.M = high - low
			g.A, g.B, g.C = x[(low+ahead)*f.inStride:], f.w[tap*f.in*f.stride:], y[low*f.stride:]
			if g.Bias = nil; j == 0 {
				g.Bias = f.bias
			}
			g.Accumulate = j > 0 || add
			g.ReLU = f.relu && f.taps == 1
			g.Run()
		}
		if f.relu && f.taps > 1 {
			kernel.ReLU(y[r*f.stride:end*f.stride], y[r*f.stride:end*f.stride])
		}
	}
}

// FusedPool is AttentionPool for inference.
type FusedPool struct {
	// Columns and Heads are those of x and scores.
	Columns, Heads int
}

// Run stores the weighted mean of the rows of x in y, one row. scores has a row
// of Stride(Heads) floats for each row of x; scratch has room for rows floats.
func (f FusedPool) Run(x, scores, scratch, y []float32, rows int) {
	stride, scoreStride, share := kernel.Pad(f.Columns), kernel.Pad(f.Heads), f.Columns/f.Heads
	clear(y[:stride])
	w := scratch[:rows]
	for h := range f.Heads {
		for r := range w {
			w[r] = scores[r*scoreStride+h]
		}
		kernel.Softmax(w)
		for r, a := range w {
			kernel.Axpy(a, x[r*stride+h*share:][:share], y[h*share:][:share])
		}
	}
}

// FusedGRU is a GRU that advances one row at a time. It may be used by many
// goroutines at once.
type FusedGRU struct {
	x, h *Fused
	size int
}

// FuseGRU copies a GRU.
func FuseGRU(g *GRU) *FusedGRU {
	return &FusedGRU{
		x:    FuseConv(&Conv{W: g.Wx, B: g.Bx, Taps: 1, Dilation: 1}, nil, false),
		h:    FuseConv(&Conv{W: g.Wh, B: g.Bh, Taps: 1, Dilation: 1}, nil, false),
		size: g.Wh.Rows,
	}
}

// Scratch returns how many floats of scratch Step needs.
func (g *FusedGRU) Scratch() int { return 3 * g.x.stride }

// Step advances the state, Stride(size) floats, by one row x.
func (g *FusedGRU) Step(x, state, scratch []float32) {
	n := g.x.stride
	input, hidden, gates := scratch[:n], scratch[n:2*n], scratch[2*n:3*n]
	g.x.Run(x, input, 1)
	g.h.Run(state, hidden, 1)
	used := 3 * g.size
	gate(input[:used], hidden[:used], state[:g.size], gates[:used], state[:g.size])
}
