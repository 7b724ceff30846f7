package kernel

import "math"

// Add adds x to y: y += x.
func Add(x, y []float32) {
	same(len(x), len(y))
	n := blocks(len(x))
	if n > 0 {
		simd.add(n, &x[0], &y[0])
	}
	addGo(x[n*Block:], y[n*Block:])
}

func addGo(x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += v
	}
}

// AddTo stores the sum of x and y: z = x + y.
func AddTo(x, y, z []float32) {
	same(len(x), len(y), len(z))
	n := blocks(len(x))
	if n > 0 {
		simd.addTo(n, &x[0], &y[0], &z[0])
	}
	for i := n * Block; i < len(x); i++ {
		z[i] = x[i] + y[i]
	}
}

// Axpy adds a multiple of x to y: y += s*x.
func Axpy(s float32, x, y []float32) {
	same(len(x), len(y))
	n := blocks(len(x))
	if n > 0 {
		simd.axpy(n, s, &x[0], &y[0])
	}
	axpyGo(s, x[n*Block:], y[n*Block:])
}

func axpyGo(s float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += s * v
	}
}

// Scale multiplies x by s.
func Scale(s float32, x []float32) {
	n := blocks(len(x))
	if n > 0 {
		simd.scale(n, s, &x[0])
	}
	for i := n * Block; i < len(x); i++ {
		x[i] *= s
	}
}

// Mul stores the product of x and y, element by element: z = x*y.
func Mul(x, y, z []float32) {
	same(len(x), len(y), len(z))
	n := blocks(len(x))
	if n > 0 {
		simd.mul(n, &x[0], &y[0], &z[0])
	}
	for i := n * Block; i < len(x); i++ {
		z[i] = x[i] * y[i]
	}
}

// MulAdd adds the product of x and y, element by element: z += x*y.
func MulAdd(x, y, z []float32) {
	same(len(x), len(y), len(z))
	n := blocks(len(x))
	if n > 0 {
		simd.mulAdd(n, &x[0], &y[0], &z[0])
	}
	for i := n * Block; i < len(x); i++ {
		z[i] += x[i] * y[i]
	}
}

// ReLU stores the positive part: y = max(0, x). x and y may be the same.
func ReLU(x, y []float32) {
	same(len(x), len(y))
	n := blocks(len(x))
	if n > 0 {
		simd.relu(n, &x[0], &y[0])
	}
	reluGo(x[n*Block:], y[n*Block:])
}

func reluGo(x, y []float32) {
	for i, v := range x {
		y[i] = max(0, v)
	}
}

// ReLUMask clears dy where y is not positive.
func ReLUMask(y, dy []float32) {
	same(len(y), len(dy))
	n := blocks(len(y))
	if n > 0 {
		simd.reluMask(n, &y[0], &dy[0])
	}
	for i := n * Block; i < len(y); i++ {
		if !(y[i] > 0) {
			dy[i] = 0
		}
	}
}

// ReLUGrad adds dy to dx where y is positive.
func ReLUGrad(y, dy, dx []float32) {
	same(len(y), len(dy), len(dx))
	n := blocks(len(y))
	if n > 0 {
		simd.reluGrad(n, &y[0], &dy[0], &dx[0])
	}
	for i := n * Block; i < len(y); i++ {
		if y[i] > 0 {
			dx[i] += dy[i]
		}
	}
}

// AdamStep is one step of Adam with decoupled weight decay (Kingma and Ba 2015;
// Loshchilov and Hutter 2019). Size and Epsilon have the bias corrections in
// them; Keep is 1 - rate*decay.
type AdamStep struct {
	Beta1, Rest1, Beta2, Rest2, Size, Epsilon, Keep float32
}

// Run moves the weights w along grad: m and v, the moments, are updated, then
// w = Keep*w - Size * m / (sqrt(v) + Epsilon).
func (s *AdamStep) Run(grad, m, v, w []float32) {
	same(len(grad), len(m), len(v), len(w))
	n := blocks(len(grad))
	if n > 0 {
		simd.adam(n, &s.Beta1, &grad[0], &m[0], &v[0], &w[0])
	}
	for i := n * Block; i < len(grad); i++ {
		m[i] = s.Beta1*m[i] + s.Rest1*grad[i]
		v[i] = s.Beta2*v[i] + s.Rest2*(grad[i]*grad[i])
		w[i] = s.Keep*w[i] - s.Size*(m[i]/(float32(math.Sqrt(float64(v[i])))+s.Epsilon))
	}
}
