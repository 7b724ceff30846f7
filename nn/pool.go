package nn

import (
	"math"

	"tyto/nn/kernel"
)

// MeanPool returns the mean row of each sequence.
func (t *Tape) MeanPool(x *Tensor) *Tensor {
	y := t.tensor(x.Sequences(), x.Cols, nil)
	o := record[meanPool](t)
	*o = meanPool{x: x, y: y}
	clear(y.data)
	for s := range y.Rows {
		from, to := x.sequence(s)
		if to <= from {
			fail("sequence %d is empty: leave it out", s)
		}
		out := y.data[s*y.stride:][:y.stride]
		kernel.ColSum(x.data[from*x.stride:to*x.stride], out)
		kernel.Scale(1/float32(to-from), out)
	}
	return y
}

type meanPool struct{ x, y *Tensor }

func (o *meanPool) backward(t *Tape) {
	if o.y.grad == nil {
		return
	}
	dx := t.gradient(o.x)
	for s := 0; dx != nil && s < o.y.Rows; s++ {
		from, to := o.x.sequence(s)
		for r := from; r < to; r++ {
			kernel.Axpy(1/float32(to-from), o.y.GradRow(s), o.x.GradRow(r))
		}
	}
}

// AttentionPool returns for each sequence a weighted mean of its rows. scores
// has a column for each head; the softmax of a head's scores over the sequence
// weighs the head's share of the columns of x: head h has columns h*Cols/heads
// to (h+1)*Cols/heads.
func (t *Tape) AttentionPool(x, scores *Tensor) *Tensor {
	if x.Rows != scores.Rows || x.Cols%scores.Cols != 0 {
		fail("attention over %dx%d with scores of %dx%d", x.Rows, x.Cols, scores.Rows, scores.Cols)
	}
	y := t.tensor(x.Sequences(), x.Cols, nil)
	o := record[attentionPool](t)
	*o = attentionPool{x: x, scores: scores, y: y, weights: t.memory.take(x.Rows * scores.Cols)}
	clear(y.data)
	for s := range y.Rows {
		from, to := x.sequence(s)
		if to <= from {
			fail("sequence %d is empty: leave it out", s)
		}
		for h := range scores.Cols {
			w := o.head(h)[from:to]
			for r := range w {
				w[r] = scores.data[(from+r)*scores.stride+h]
			}
			kernel.Softmax(w)
			for r, a := range w {
				kernel.Axpy(a, o.share(x.Row(from+r), h), o.share(y.Row(s), h))
			}
		}
	}
	return y
}

type attentionPool struct {
	x, scores, y *Tensor
	weights      []float32 // a row for each head
}

func (o *attentionPool) head(h int) []float32 { return o.weights[h*o.x.Rows:][:o.x.Rows] }

// share returns the columns of a row that are head h's.
func (o *attentionPool) share(row []float32, h int) []float32 {
	n := o.x.Cols / o.scores.Cols
	return row[h*n:][:n]
}

func (o *attentionPool) backward(t *Tape) {
	if o.y.grad == nil {
		return
	}
	dx, ds := t.gradient(o.x), t.gradient(o.scores)
	scratch := t.memory.take(o.x.Rows)
	for s := range o.y.Rows {
		from, to := o.x.sequence(s)
		for h := range o.scores.Cols {
			w, dw, dy := o.head(h)[from:to], scratch[:to-from], o.share(o.y.GradRow(s), h)
			for r, a := range w {
				dw[r] = kernel.Dot(dy, o.share(o.x.Row(from+r), h))
				if dx != nil {
					kernel.Axpy(a, dy, o.share(o.x.GradRow(from+r), h))
				}
			}
			mean := kernel.Dot(w, dw)
			for r, a := range w {
				if ds != nil {
					ds[(from+r)*o.scores.stride+h] += a * (dw[r] - mean)
				}
			}
		}
	}
}

// Normalize returns the rows of x divided by their Euclidean lengths.
func (t *Tape) Normalize(x *Tensor) *Tensor {
	y := t.like(x)
	o := record[normalization](t)
	*o = normalization{x: x, y: y, inverse: t.memory.take(x.Rows)}
	copy(y.data, x.data)
	for r := range x.Rows {
		row := y.Row(r)
		o.inverse[r] = float32(1 / max(1e-12, math.Sqrt(float64(kernel.Dot(row, row)))))
		kernel.Scale(o.inverse[r], row)
	}
	return y
}

type normalization struct {
	x, y    *Tensor
	inverse []float32
}

func (o *normalization) backward(t *Tape) {
	if o.y.grad == nil || t.gradient(o.x) == nil {
		return
	}
	for r := range o.x.Rows {
		y, dy, dx := o.y.Row(r), o.y.GradRow(r), o.x.GradRow(r)
		kernel.Axpy(o.inverse[r], dy, dx)
		kernel.Axpy(-o.inverse[r]*kernel.Dot(y, dy), y, dx)
	}
}
