package nn

import "tyto/nn/kernel"

// ReLU returns the positive part of x.
func (t *Tape) ReLU(x *Tensor) *Tensor { return t.activate(x, relu) }

// GELU returns x times the Gaussian distribution function of x, in its tanh form.
func (t *Tape) GELU(x *Tensor) *Tensor { return t.activate(x, gelu) }

// Sigmoid returns 1/(1+e^-x).
func (t *Tape) Sigmoid(x *Tensor) *Tensor { return t.activate(x, sigmoid) }

// Tanh returns the hyperbolic tangent of x.
func (t *Tape) Tanh(x *Tensor) *Tensor { return t.activate(x, tanh) }

// function is an elementwise function.
type function uint8

const (
	relu function = iota
	gelu
	sigmoid
	tanh
)

func (t *Tape) activate(x *Tensor, f function) *Tensor {
	y := t.like(x)
	o := record[activation](t)
	*o = activation{f: f, x: x, y: y}
	switch f {
	case relu:
		kernel.ReLU(x.data, y.data)
	case gelu:
		kernel.GELU(x.data, y.data)
	case sigmoid:
		kernel.Sigmoid(x.data, y.data)
		y.clearPadding()
	case tanh:
		kernel.Tanh(x.data, y.data)
	}
	return y
}

// clearPadding clears what pads the rows.
func (x *Tensor) clearPadding() {
	if x.Cols == x.stride {
		return
	}
	for r := range x.Rows {
		clear(x.data[r*x.stride+x.Cols : (r+1)*x.stride])
	}
}

type activation struct {
	f    function
	x, y *Tensor
}

func (o *activation) backward(t *Tape) {
	dy := o.y.grad
	if dy == nil {
		return
	}
	dx := t.gradient(o.x)
	if dx == nil {
		return
	}
	switch o.f {
	case relu:
		kernel.ReLUGrad(o.y.data, dy, dx)
	case gelu:
		kernel.GELUGrad(o.x.data, dy, dx)
	case sigmoid:
		for i, y := range o.y.data {
			dx[i] += dy[i] * y * (1 - y)
		}
	case tanh:
		for i, y := range o.y.data {
			dx[i] += dy[i] * (1 - y*y)
		}
	}
}

// Dropout clears each element with the given probability, to 1/65536, and
// multiplies the others by 1/(1-probability). Outside training it returns x.
func (t *Tape) Dropout(x *Tensor, probability float64) *Tensor {
	if probability < 0 || probability >= 1 {
		fail("dropout of %g: want at least 0 and less than 1", probability)
	}
	if !t.Train || probability == 0 {
		return x
	}
	y := t.like(x)
	o := record[dropout](t)
	*o = dropout{x: x, y: y, mask: t.memory.take(len(x.data))}
	random := stream{state: t.Seed ^ uint64(t.recorded)<<48}
	threshold, keep := uint16(probability*(1<<16)), float32(1/(1-probability))
	for i := 0; i < len(o.mask); i += 4 {
		bits := random.next()
		for j := range o.mask[i : i+4] {
			o.mask[i+j] = 0
			if uint16(bits>>(16*j)) >= threshold {
				o.mask[i+j] = keep
			}
		}
	}
	kernel.Mul(x.data, o.mask, y.data)
	return y
}

type dropout struct {
	x, y *Tensor
	mask []float32
}

func (o *dropout) backward(t *Tape) {
	if o.y.grad == nil {
		return
	}
	if dx := t.gradient(o.x); dx != nil {
		kernel.MulAdd(o.mask, o.y.grad, dx)
	}
}

// stream is a splitmix64 generator (Steele, Lea and Flood 2014).
type stream struct{ state uint64 }

func (s *stream) next() uint64 {
	s.state += 0x9e3779b97f4a7c15
	z := s.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// ReverseGradient returns x and multiplies its gradient by -strength, so that
// what is before it learns to defeat what is behind (Ganin and Lempitsky 2015).
func (t *Tape) ReverseGradient(x *Tensor, strength float32) *Tensor {
	y := t.like(x)
	o := record[reversal](t)
	*o = reversal{x: x, y: y, strength: strength}
	copy(y.data, x.data)
	return y
}

type reversal struct {
	x, y     *Tensor
	strength float32
}

func (o *reversal) backward(t *Tape) {
	if o.y.grad == nil {
		return
	}
	if dx := t.gradient(o.x); dx != nil {
		kernel.Axpy(-o.strength, o.y.grad, dx)
	}
}
