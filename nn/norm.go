package nn

import (
	"math"

	"tyto/nn/kernel"
)

// normEpsilon is added to variances, as PyTorch does.
const normEpsilon = 1e-5

// BatchNorm makes each column have mean Shift and deviation Scale over all rows
// of a batch (Ioffe and Szegedy 2015). Outside training it uses the running
// statistics, which a Trainer keeps.
type BatchNorm struct {
	Scale, Shift   *Param // 1 x columns
	Mean, Variance *Param // running statistics; the variance is the unbiased one
}

// NewBatchNorm makes a batch normalisation that changes nothing yet.
func NewBatchNorm(ps *Params, name string, columns int) *BatchNorm {
	n := &BatchNorm{ps.New(name+".scale", 1, columns), ps.New(name+".shift", 1, columns),
		ps.New(name+".mean", 1, columns), ps.New(name+".variance", 1, columns)}
	n.Scale.Fill(1)
	n.Variance.Fill(1)
	n.Scale.NoDecay, n.Shift.NoDecay = true, true
	n.Mean.Stat, n.Variance.Stat = true, true
	return n
}

// Forward normalises x, which must have more than one row in training.
func (n *BatchNorm) Forward(t *Tape, x *Tensor) *Tensor { return n.forward(t, x, false) }

// ForwardReLU normalises x and takes the positive part, in one go.
func (n *BatchNorm) ForwardReLU(t *Tape, x *Tensor) *Tensor { return n.forward(t, x, true) }

func (n *BatchNorm) forward(t *Tape, x *Tensor, relu bool) *Tensor {
	if x.Cols != n.Scale.Cols {
		fail("%s takes %d columns: got %d", n.Scale.Name, n.Scale.Cols, x.Cols)
	}
	y := t.like(x)
	rate, offset := t.memory.take(x.stride), t.memory.take(x.stride)
	if !t.Train {
		n.fold(rate, offset)
		kernel.Affine(x.data, y.data, rate, offset, relu)
		return y
	}
	if x.Rows < 2 {
		fail("%s: one row has no variance: make batches larger", n.Scale.Name)
	}
	o := record[batchNorm](t)
	*o = batchNorm{BatchNorm: *n, x: x, y: y, relu: relu, rate: rate, mean: t.memory.take(x.stride), inverse: t.memory.take(x.stride)}
	o.measure(t)
	for c, m := range o.mean {
		offset[c] = n.Shift.padded()[c] - m*rate[c]
	}
	kernel.Affine(x.data, y.data, rate, offset, relu)
	return y
}

// fold writes the normalisation by running statistics as y = x*rate + offset.
func (n *BatchNorm) fold(rate, offset []float32) {
	scale, shift, mean, variance := n.Scale.padded(), n.Shift.padded(), n.Mean.padded(), n.Variance.padded()
	for c := range rate {
		rate[c] = float32(float64(scale[c]) / math.Sqrt(max(0, float64(variance[c]))+normEpsilon))
		offset[c] = shift[c] - mean[c]*rate[c]
	}
}

type batchNorm struct {
	BatchNorm
	x, y                *Tensor
	relu                bool
	mean, inverse, rate []float32 // rate = scale*inverse; inverse = 1/deviation
}

// measure computes the statistics of x and adds them to the gradients of the
// running ones.
func (o *batchNorm) measure(t *Tape) {
	width, rows := o.x.stride, float64(o.x.Rows)
	scratch, sum := t.memory.take(width), t.wide.take(width)
	clear(sum)
	kernel.ColSums(o.x.data, scratch, sum)
	for c, s := range sum {
		o.mean[c] = float32(s / rows)
	}
	clear(sum)
	kernel.ColSquares(o.x.data, o.mean, scratch, sum)
	mean, variance := o.Mean.of(t.grad), o.Variance.of(t.grad)
	for c, s := range sum {
		o.inverse[c] = float32(1 / math.Sqrt(s/rows+normEpsilon))
		o.rate[c] = o.Scale.padded()[c] * o.inverse[c]
		mean[c] += o.mean[c]
		variance[c] += float32(s / (rows - 1))
	}
}

// backward: with x^ = (x-mean)/deviation and means over rows,
// dx = rate * (dy - mean(dy) - x^ * mean(dy*x^)), which is linear in dy and x.
func (o *batchNorm) backward(t *Tape) {
	dy := o.y.grad
	if dy == nil {
		return
	}
	if o.relu {
		kernel.ReLUMask(o.y.data, dy)
	}
	width, rows := o.x.stride, float64(o.x.Rows)
	scratch, sum, product := t.memory.take(width), t.wide.take(width), t.wide.take(width)
	clear(sum)
	clear(product)
	kernel.ColSums(dy, scratch, sum)
	kernel.ColProducts(o.x.data, dy, o.mean, scratch, product)
	byX, by1 := t.memory.take(width), t.memory.take(width)
	scale, shift := o.Scale.of(t.grad), o.Shift.of(t.grad)
	for c := range width {
		inverse, rate := float64(o.inverse[c]), float64(o.rate[c])
		scale[c] += float32(product[c] * inverse)
		shift[c] += float32(sum[c])
		x := -rate * inverse * inverse * product[c] / rows
		byX[c] = float32(x)
		by1[c] = float32(-rate*sum[c]/rows - x*float64(o.mean[c]))
	}
	if dx, fresh := t.freshGradient(o.x); dx != nil {
		kernel.Affine2(dy, o.x.data, dx, o.rate, byX, by1, !fresh)
	}
}

// LayerNorm makes each row have mean zero and deviation one over its columns,
// then scales and shifts each column (Ba, Kiros and Hinton 2016).
type LayerNorm struct {
	Scale, Shift *Param // 1 x columns
}

// NewLayerNorm makes a layer normalisation that scales by one and shifts by zero.
func NewLayerNorm(ps *Params, name string, columns int) *LayerNorm {
	n := &LayerNorm{ps.New(name+".scale", 1, columns), ps.New(name+".shift", 1, columns)}
	n.Scale.Fill(1)
	n.Scale.NoDecay, n.Shift.NoDecay = true, true
	return n
}

// Forward normalises the rows of x.
func (n *LayerNorm) Forward(t *Tape, x *Tensor) *Tensor {
	if x.Cols != n.Scale.Cols {
		fail("%s takes %d columns: got %d", n.Scale.Name, n.Scale.Cols, x.Cols)
	}
	y := t.like(x)
	o := record[layerNorm](t)
	*o = layerNorm{LayerNorm: *n, x: x, y: y, normal: t.memory.take(len(x.data)), inverse: t.memory.take(x.Rows)}
	clear(y.data)
	scale, shift := n.Scale.Row(0), n.Shift.Row(0)
	for r := range x.Rows {
		normal := o.normal[r*x.stride:][:x.Cols]
		o.inverse[r] = standardize(x.Row(r), normal)
		kernel.Mul(normal, scale, y.Row(r))
		kernel.Add(shift, y.Row(r))
	}
	return y
}

// standardize stores x minus its mean over its deviation and returns one over
// that.
func standardize(x, normal []float32) (inverse float32) {
	mean := kernel.Sum(x) / float32(len(x))
	for i, v := range x {
		normal[i] = v - mean
	}
	variance := kernel.Dot(normal, normal) / float32(len(x))
	inverse = float32(1 / math.Sqrt(float64(variance)+normEpsilon))
	kernel.Scale(inverse, normal)
	return inverse
}

type layerNorm struct {
	LayerNorm
	x, y            *Tensor
	normal, inverse []float32
}

// backward is batchNorm's along rows instead of columns.
func (o *layerNorm) backward(t *Tape) {
	if o.y.grad == nil {
		return
	}
	dx, scratch := t.gradient(o.x), t.memory.take(o.x.Cols)
	scale, dScale, dShift := o.Scale.Row(0), o.Scale.of(t.grad)[:o.x.Cols], o.Shift.of(t.grad)[:o.x.Cols]
	for r := range o.x.Rows {
		dy, normal := o.y.GradRow(r), o.normal[r*o.x.stride:][:o.x.Cols]
		kernel.Add(dy, dShift)
		kernel.MulAdd(dy, normal, dScale)
		if dx == nil {
			continue
		}
		kernel.Mul(dy, scale, scratch)
		n := float32(o.x.Cols)
		mean, product := kernel.Sum(scratch)/n, kernel.Dot(scratch, normal)/n
		row := dx[r*o.x.stride:]
		for c, g := range scratch {
			row[c] += o.inverse[r] * (g - mean - normal[c]*product)
		}
	}
}
