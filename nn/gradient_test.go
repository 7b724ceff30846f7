package nn

import (
	"math"
	"math/rand/v2"
	"testing"
)

// network is an operation to differentiate: it makes its parameters and returns
// the function from the input to an output or, if that is nil, to a loss.
type network struct {
	name       string
	rows, cols int
	starts     []int
	build      func(ps *Params, r *rand.Rand) func(t *Tape, x *Tensor) (*Tensor, float64)
}

// layer makes a network of a function from tensor to tensor.
func layer(f func(t *Tape, x *Tensor) *Tensor) func(*Params, *rand.Rand) func(*Tape, *Tensor) (*Tensor, float64) {
	return func(*Params, *rand.Rand) func(*Tape, *Tensor) (*Tensor, float64) {
		return func(t *Tape, x *Tensor) (*Tensor, float64) { return f(t, x), 0 }
	}
}

// loss makes a network of a loss.
func loss(f func(t *Tape, x *Tensor) float64) func(*Params, *rand.Rand) func(*Tape, *Tensor) (*Tensor, float64) {
	return func(*Params, *rand.Rand) func(*Tape, *Tensor) (*Tensor, float64) {
		return func(t *Tape, x *Tensor) (*Tensor, float64) { return nil, f(t, x) }
	}
}

type forward interface {
	Forward(t *Tape, x *Tensor) *Tensor
}

// with makes a network of a layer with parameters, which are all made random.
func with(make func(ps *Params, r *rand.Rand) forward) func(*Params, *rand.Rand) func(*Tape, *Tensor) (*Tensor, float64) {
	return func(ps *Params, r *rand.Rand) func(*Tape, *Tensor) (*Tensor, float64) {
		l := make(ps, r)
		for _, p := range ps.All() {
			if !p.Stat {
				p.Normal(r, 0.5)
			}
		}
		return func(t *Tape, x *Tensor) (*Tensor, float64) { return l.Forward(t, x), 0 }
	}
}

var nan = float32(math.NaN())

var networks = []network{
	{"linear", 5, 7, nil, with(func(ps *Params, r *rand.Rand) forward { return NewLinear(ps, "l", 7, 20, r) })},
	{"conv", 9, 6, []int{0, 5, 9}, with(func(ps *Params, r *rand.Rand) forward {
		return NewConv(ps, "c", Shape{In: 6, Out: 17, Taps: 3, Dilation: 2}, r)
	})},
	{"conv of 5", 7, 4, nil, with(func(ps *Params, r *rand.Rand) forward {
		return NewConv(ps, "c", Shape{In: 4, Out: 3, Taps: 5, Dilation: 1}, r)
	})},
	{"conv of 2", 5, 4, nil, with(func(ps *Params, r *rand.Rand) forward {
		return NewConv(ps, "c", Shape{In: 4, Out: 3, Taps: 2, Dilation: 1}, r)
	})},
	{"batch norm", 8, 5, nil, with(func(ps *Params, r *rand.Rand) forward { return NewBatchNorm(ps, "n", 5) })},
	{"layer norm", 4, 21, nil, with(func(ps *Params, r *rand.Rand) forward { return NewLayerNorm(ps, "n", 21) })},
	{"gru", 9, 4, []int{0, 4, 5, 9}, with(func(ps *Params, r *rand.Rand) forward { return NewGRU(ps, "g", 4, 6, r) })},
	{"gelu", 3, 20, nil, layer((*Tape).GELU)},
	{"sigmoid", 3, 20, nil, layer((*Tape).Sigmoid)},
	{"tanh", 3, 20, nil, layer((*Tape).Tanh)},
	{"dropout", 3, 20, nil, layer(func(t *Tape, x *Tensor) *Tensor { return t.Dropout(x, 0.3) })},
	{"mean pool", 7, 5, []int{0, 3, 7}, layer((*Tape).MeanPool)},
	{"normalize", 3, 9, nil, layer((*Tape).Normalize)},
	{"add", 3, 5, nil, layer(func(t *Tape, x *Tensor) *Tensor { return t.Add(x, t.Tanh(x)) })},
	{"concat", 3, 5, nil, layer(func(t *Tape, x *Tensor) *Tensor { return t.Concat(x, t.Tanh(x)) })},
	{"spread", 7, 5, []int{0, 3, 7}, layer(func(t *Tape, x *Tensor) *Tensor { return t.Spread(t.MeanPool(x), x) })},
	{"attention pool", 7, 6, []int{0, 3, 7}, func(ps *Params, r *rand.Rand) func(*Tape, *Tensor) (*Tensor, float64) {
		scores := NewLinear(ps, "scores", 6, 2, r)
		return func(t *Tape, x *Tensor) (*Tensor, float64) { return t.AttentionPool(x, scores.Forward(t, x)), 0 }
	}},
	{"embed", 4, 3, nil, func(ps *Params, r *rand.Rand) func(*Tape, *Tensor) (*Tensor, float64) {
		table := ps.New("table", 5, 3)
		table.Normal(r, 1)
		return func(t *Tape, x *Tensor) (*Tensor, float64) {
			return t.Add(x, t.Embed(table, []int32{4, 0, 4, 2}, nil)), 0
		}
	}},
	{"cross entropy", 4, 5, nil, loss(func(t *Tape, x *Tensor) float64 {
		return t.CrossEntropy(x, []int32{0, 4, -1, 2}, Loss{Rows: []float32{1, 2, 3, 0.5}, Columns: []float32{1, 2, 3, 4, 5}})
	})},
	{"focal", 4, 17, nil, loss(func(t *Tape, x *Tensor) float64 {
		return t.CrossEntropy(x, []int32{0, 16, -1, 2}, Loss{Focus: 2, Scale: 0.7})
	})},
	{"binary cross entropy", 3, 4, nil, loss(func(t *Tape, x *Tensor) float64 {
		return t.BinaryCrossEntropy(x, []float32{0, 1, nan, 0.5, 1, 1, 0, nan, 0, 0, 1, 1}, Loss{Rows: []float32{1, 0, 2}, Columns: []float32{1, 3, 1, 1}})
	})},
	{"contrast", 6, 5, nil, loss(func(t *Tape, x *Tensor) float64 {
		return t.Contrast(t.Normalize(x), Pairs{Labels: []int32{1, 1, 2, 2, 1, -1}, Groups: []int32{0, 1, 0, 1, 0, 0}, Temperature: 0.5}, Loss{})
	})},
}

// objective runs the network on the input and returns its loss; of an output,
// the sum with fixed coefficients.
func objective(t *Tape, x *Tensor, f func(*Tape, *Tensor) (*Tensor, float64)) float64 {
	y, sum := f(t, x)
	if y == nil {
		return sum
	}
	r := rand.New(rand.NewPCG(9, 9))
	t.gradient(y)
	for i := range y.Rows {
		for j, v := range y.Row(i) {
			c := float32(r.NormFloat64())
			sum += float64(c) * float64(v)
			y.GradRow(i)[j] += c
		}
	}
	return sum
}

// slope returns the derivative of f at the number v points to, by the five-point
// formula.
func slope(v *float32, f func() float64) float64 {
	const h = 1.0 / 64
	at := func(d float32) float64 {
		was := *v
		defer func() { *v = was }()
		*v += d
		return f()
	}
	return (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
}

// TestGradients compares each gradient with the slope of the loss.
func TestGradients(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			ps := new(Params)
			f := n.build(ps, r)
			values := make([]float32, n.rows*n.cols)
			for i := range values {
				values[i] = float32(r.NormFloat64())
			}
			tape := NewTape(ps)
			evaluate := func() float64 {
				tape.Reset()
				return objective(tape, tape.Variable(values, n.cols, n.starts), f)
			}
			tape.Reset()
			x := tape.Variable(values, n.cols, n.starts)
			objective(tape, x, f)
			tape.Backward()
			var got []float32
			for i := range x.Rows {
				got = append(got, x.GradRow(i)...)
			}
			compare(t, "input", got, values, evaluate)
			for _, p := range ps.All() {
				if p.Stat {
					continue
				}
				for i := range p.Rows {
					got := p.of(tape.grad)[i*p.stride:][:p.Cols:p.Cols]
					compare(t, p.Name, append([]float32(nil), got...), p.Row(i), evaluate)
				}
			}
		})
	}
}

func compare(t *testing.T, what string, got, values []float32, evaluate func() float64) {
	t.Helper()
	for i := range values {
		want := slope(&values[i], evaluate)
		if math.Abs(float64(got[i])-want) > 1e-4*(1+math.Abs(want)) {
			t.Errorf("gradient of %s, element %d: got %g, want %g", what, i, got[i], want)
		}
	}
}

// TestReLU checks the gradient away from the kink, and that batch normalisation
// followed by it is the same as both in one.
func TestReLU(t *testing.T) {
	ps := new(Params)
	n := NewBatchNorm(ps, "n", 3)
	values := []float32{1, -2, 3, -1, 0.5, 2, 4, -3, -1, 2, 2, 2}
	tape := NewTape(ps)
	run := func(f func(x *Tensor) *Tensor) (data, grad []float32) {
		tape.Reset()
		x := tape.Variable(values, 3, nil)
		y := f(x)
		tape.gradient(y)
		for r := range y.Rows {
			data = append(data, y.Row(r)...)
			for c := range y.GradRow(r) {
				y.GradRow(r)[c] = float32(r + c)
			}
		}
		tape.Backward()
		for r := range x.Rows {
			grad = append(grad, x.GradRow(r)...)
		}
		return data, grad
	}
	data, grad := run(tape.ReLU)
	for i, v := range values {
		want, slope := max(0, v), float32(0)
		if v > 0 {
			slope = float32(i/3 + i%3)
		}
		if data[i] != want || grad[i] != slope {
			t.Errorf("ReLU of %g: got %g, gradient %g; want %g, %g", v, data[i], grad[i], want, slope)
		}
	}
	data, grad = run(func(x *Tensor) *Tensor { return n.ForwardReLU(tape, x) })
	data2, grad2 := run(func(x *Tensor) *Tensor { return tape.ReLU(n.Forward(tape, x)) })
	for i := range data {
		if data[i] != data2[i] || grad[i] != grad2[i] {
			t.Errorf("element %d: in one %g, %g; in two %g, %g", i, data[i], grad[i], data2[i], grad2[i])
		}
	}
}

func TestReverseGradient(t *testing.T) {
	tape := NewTape(new(Params))
	x := tape.Variable([]float32{1, 2}, 2, nil)
	y := tape.ReverseGradient(x, 0.5)
	copy(tape.gradient(y), []float32{3, -4})
	tape.Backward()
	if g := x.GradRow(0); g[0] != -1.5 || g[1] != 2 || y.Row(0)[1] != 2 {
		t.Errorf("got gradient %v of %v, want [-1.5 2] of [1 2]", g, y.Row(0))
	}
}

// TestDropout holds the share that is dropped, that the seed decides, and that
// evaluation drops nothing.
func TestDropout(t *testing.T) {
	tape := NewTape(new(Params))
	ones := make([]float32, 10000)
	for i := range ones {
		ones[i] = 1
	}
	draw := func(seed uint64) (dropped int, sum uint64) {
		tape.Reset()
		tape.Seed = seed
		y := tape.Dropout(tape.Input(ones, 100, nil), 0.25)
		for r := range y.Rows {
			for c, v := range y.Row(r) {
				if v == 0 {
					dropped++
					sum = sum*31 + uint64(r*100+c)
				} else if v != float32(1/0.75) {
					t.Fatalf("kept element is %g, want %g", v, 1/0.75)
				}
			}
		}
		return dropped, sum
	}
	n, first := draw(1)
	if n < 2300 || n > 2700 {
		t.Errorf("dropped %d of 10000, want about 2500", n)
	}
	if _, again := draw(1); again != first {
		t.Error("the same seed drops other elements")
	}
	if _, other := draw(2); other == first {
		t.Error("another seed drops the same elements")
	}
	tape.Train = false
	if n, _ := dropped(tape, ones); n != 0 {
		t.Errorf("evaluation dropped %d", n)
	}
}

func dropped(tape *Tape, ones []float32) (n int, y *Tensor) {
	y = tape.Dropout(tape.Input(ones, 100, nil), 0.25)
	for r := range y.Rows {
		for _, v := range y.Row(r) {
			if v == 0 {
				n++
			}
		}
	}
	return n, y
}
