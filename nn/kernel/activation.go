package kernel

import "math"

// Exp stores exponentials: y = e^(s*(x-m)). The exponent is clamped to [-86, 88].
// x and y may be the same.
func Exp(s, m float32, x, y []float32) {
	same(len(x), len(y))
	n := blocks(len(x))
	if n > 0 {
		simd.exp(n, s, m, &x[0], &y[0])
	}
	for i := n * Block; i < len(x); i++ {
		y[i] = float32(math.Exp(min(max(float64(s*(x[i]-m)), -86), 88)))
	}
}

// Sigmoid stores the logistic function: y = 1/(1+e^-x). x and y may be the same.
func Sigmoid(x, y []float32) {
	same(len(x), len(y))
	n := blocks(len(x))
	if n > 0 {
		simd.sigmoid(n, &x[0], &y[0])
	}
	for i := n * Block; i < len(x); i++ {
		y[i] = float32(logistic(float64(x[i])))
	}
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// Tanh stores the hyperbolic tangent, to an absolute error of 2e-7. x and y may
// be the same.
func Tanh(x, y []float32) {
	same(len(x), len(y))
	n := blocks(len(x))
	if n > 0 {
		simd.tanh(n, &x[0], &y[0])
	}
	for i := n * Block; i < len(x); i++ {
		y[i] = float32(math.Tanh(float64(x[i])))
	}
}

// geluRate and geluCube are GELU's constants in its tanh form (Hendrycks and
// Gimpel 2016): gelu(x) = x * logistic(geluRate * (x + geluCube*x^3)).
const (
	geluRate = 1.5957691216057308
	geluCube = 0.044715
)

// GELU stores the Gaussian error linear unit in its tanh form.
func GELU(x, y []float32) {
	same(len(x), len(y))
	n := blocks(len(x))
	if n > 0 {
		simd.gelu(n, &x[0], &y[0])
	}
	for i := n * Block; i < len(x); i++ {
		v := float64(x[i])
		y[i] = float32(v * logistic(geluRate*v*(1+geluCube*v*v)))
	}
}

// GELUGrad adds the gradient of GELU: dx += dy * gelu'(x).
func GELUGrad(x, dy, dx []float32) {
	same(len(x), len(dy), len(dx))
	n := blocks(len(x))
	if n > 0 {
		simd.geluGrad(n, &x[0], &dy[0], &dx[0])
	}
	for i := n * Block; i < len(x); i++ {
		v := float64(x[i])
		g := logistic(geluRate * v * (1 + geluCube*v*v))
		dx[i] += dy[i] * float32(g+v*g*(1-g)*geluRate*(1+3*geluCube*v*v))
	}
}

// Softmax replaces x by e^(x-max) over their sum. x has at least one element.
func Softmax(x []float32) {
	Exp(1, Max(x), x, x)
	Scale(1/Sum(x), x)
}
