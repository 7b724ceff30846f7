package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// exp replaces x by e^x: x = k*ln2 + r with |r| <= ln2/2, a polynomial of degree
// 7 in r (Taylor's; its error at ln2/2 is 5e-9 of the value) and k added to the
// exponent. x is clamped to [-86, 88], where the result is a normal number.
func (s isa) exp(x reg.VecVirtual) {
	VMAXPS(s.constant("expLow", -86), x, x)
	VMINPS(s.constant("expHigh", 88), x, x)
	k, ki, y := s.vec(), s.vec(), s.vec()
	VMULPS(s.constant("log2e", math.Log2E), x, k)
	VCVTPS2DQ(k, ki)
	VCVTDQ2PS(ki, k)
	const high = 0.693359375 // ln2 in two parts: k*high is exact
	VFNMADD231PS(s.constant("ln2High", high), k, x)
	VFNMADD231PS(s.constant("ln2Low", math.Ln2-high), k, x)
	VMOVUPS(s.constant("exp7", 1.0/5040), y)
	for i, f := 6, 720.0; i >= 0; i-- {
		VFMADD213PS(s.constant(fmt.Sprintf("exp%d", i), float32(1/f)), x, y)
		f /= float64(max(i, 1))
	}
	VPSLLD(Imm(23), ki, ki)
	VPADDD(ki, y, x)
}

// logistic replaces x by 1/(1+e^-x).
func (s isa) logistic(x reg.VecVirtual) {
	VXORPS(s.words("signBit", 1<<31), x, x)
	s.exp(x)
	one := s.load(s.constant("one", 1))
	VADDPS(one, x, x)
	VDIVPS(x, one, x)
}

// geluRate is the slope at zero of the logistic's argument in GELU's tanh form:
// gelu(x) = x * logistic(geluRate * (x + geluCube*x^3)).
var geluRate = 2 * math.Sqrt(2/math.Pi)

const geluCube = 0.044715

// gate returns x^2 and logistic(geluRate * x * (1 + geluCube*x^2)).
func (s isa) gate(x reg.VecVirtual) (square, gate reg.VecVirtual) {
	square, gate = s.vec(), s.vec()
	VMULPS(x, x, square)
	VMOVUPS(s.constant("geluCube", float32(geluRate*geluCube)), gate)
	VFMADD213PS(s.constant("geluRate", float32(geluRate)), square, gate)
	VMULPS(x, gate, gate)
	s.logistic(gate)
	return square, gate
}

// activations writes the kernels built on exp.
func (s isa) activations() {
	s.blocks("exp", "s, m", "x, y", func(p pointers, c []reg.VecVirtual, d int) { // y = e^(s*(x-m))
		v := s.load(p.at(0, d))
		VSUBPS(c[1], v, v)
		VMULPS(c[0], v, v)
		s.exp(v)
		VMOVUPS(v, p.at(1, d))
	})
	s.blocks("sigmoid", "", "x, y", func(p pointers, _ []reg.VecVirtual, d int) {
		v := s.load(p.at(0, d))
		s.logistic(v)
		VMOVUPS(v, p.at(1, d))
	})
	s.blocks("tanh", "", "x, y", func(p pointers, _ []reg.VecVirtual, d int) { // 2*logistic(2x) - 1
		v := s.load(p.at(0, d))
		VADDPS(v, v, v)
		s.logistic(v)
		VADDPS(v, v, v)
		VSUBPS(s.constant("one", 1), v, v)
		VMOVUPS(v, p.at(1, d))
	})
	s.blocks("gelu", "", "x, y", func(p pointers, _ []reg.VecVirtual, d int) {
		x := s.load(p.at(0, d))
		_, g := s.gate(x)
		VMULPS(x, g, g)
		VMOVUPS(g, p.at(1, d))
	})
	// gelu'(x) = g + x*g*(1-g)*geluRate*(1 + 3*geluCube*x^2)
	s.blocks("geluGrad", "", "x, dy, dx", func(p pointers, _ []reg.VecVirtual, d int) {
		x := s.load(p.at(0, d))
		square, g := s.gate(x)
		t := s.load(s.constant("one", 1))
		VSUBPS(g, t, t)
		VMULPS(g, t, t)
		VMULPS(x, t, t)
		u := s.load(s.constant("geluCube3", float32(3*geluCube*geluRate)))
		VFMADD213PS(s.constant("geluRate", float32(geluRate)), square, u)
		VFMADD231PS(u, t, g)
		dx := s.load(p.at(2, d))
		VFMADD231PS(p.at(1, d), g, dx)
		VMOVUPS(dx, p.at(2, d))
	})
}
