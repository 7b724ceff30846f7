package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// pointers are the slices a kernel walks, in the order of its parameters.
type pointers []reg.GPVirtual

// at returns the memory of slice i, d bytes after its current block.
func (p pointers) at(i, d int) Mem { return Mem{Base: p[i], Disp: d} }

// blocks writes func(n int, scalars..., slices...): body runs for each register
// of each of the n blocks, d bytes into the block.
func (s isa) blocks(name, scalars, slices string, body func(p pointers, scalars []reg.VecVirtual, d int)) {
	signature := "n int, "
	if scalars != "" {
		signature += scalars + " float32, "
	}
	param := s.begin(name, signature+slices+" *float32")
	n := param("n")
	var p pointers
	for name := range strings.SplitSeq(slices, ", ") {
		p = append(p, param(name))
	}
	var c []reg.VecVirtual
	if scalars != "" {
		for name := range strings.SplitSeq(scalars, ", ") {
			c = append(c, s.broadcast(name))
		}
	}
	Label("block")
	for i := range s.parts() {
		body(p, c, i*s.bytes())
	}
	for _, r := range p {
		ADDQ(Imm(blockBytes), r)
	}
	DECQ(n)
	JNZ(LabelRef("block"))
	s.end()
}

// load returns a register with the memory in it.
func (s isa) load(m Mem) reg.VecVirtual {
	v := s.vec()
	VMOVUPS(m, v)
	return v
}

// elementwise writes the kernels of one operation an element.
func (s isa) elementwise() {
	s.blocks("add", "", "x, y", func(p pointers, _ []reg.VecVirtual, d int) {
		v := s.load(p.at(0, d))
		VADDPS(p.at(1, d), v, v)
		VMOVUPS(v, p.at(1, d))
	})
	s.blocks("addTo", "", "x, y, z", func(p pointers, _ []reg.VecVirtual, d int) {
		v := s.load(p.at(0, d))
		VADDPS(p.at(1, d), v, v)
		VMOVUPS(v, p.at(2, d))
	})
	s.blocks("axpy", "s", "x, y", func(p pointers, c []reg.VecVirtual, d int) {
		v := s.load(p.at(1, d))
		VFMADD231PS(p.at(0, d), c[0], v)
		VMOVUPS(v, p.at(1, d))
	})
	s.blocks("scale", "s", "x", func(p pointers, c []reg.VecVirtual, d int) {
		v := s.vec()
		VMULPS(p.at(0, d), c[0], v)
		VMOVUPS(v, p.at(0, d))
	})
	s.blocks("mul", "", "x, y, z", func(p pointers, _ []reg.VecVirtual, d int) {
		v := s.load(p.at(0, d))
		VMULPS(p.at(1, d), v, v)
		VMOVUPS(v, p.at(2, d))
	})
	s.blocks("mulAdd", "", "x, y, z", func(p pointers, _ []reg.VecVirtual, d int) {
		v, z := s.load(p.at(0, d)), s.load(p.at(2, d))
		VFMADD231PS(p.at(1, d), v, z)
		VMOVUPS(z, p.at(2, d))
	})
	s.blocks("relu", "", "x, y", func(p pointers, _ []reg.VecVirtual, d int) {
		v := s.zero()
		VMAXPS(p.at(0, d), v, v)
		VMOVUPS(v, p.at(1, d))
	})
	s.blocks("reluMask", "", "y, dy", func(p pointers, _ []reg.VecVirtual, d int) {
		VMOVUPS(s.positive(p.at(0, d), p.at(1, d)), p.at(1, d))
	})
	s.blocks("reluGrad", "", "y, dy, dx", func(p pointers, _ []reg.VecVirtual, d int) {
		v := s.positive(p.at(0, d), p.at(1, d))
		VADDPS(p.at(2, d), v, v)
		VMOVUPS(v, p.at(2, d))
	})
}

// positive returns x where y > 0 and zero elsewhere.
func (s isa) positive(y, x Mem) reg.VecVirtual {
	v, zero := s.vec(), s.zero()
	const less = 1
	if s.suffix == "AVX2" {
		VCMPPS(Imm(less), y, zero, v)
		VANDPS(x, v, v)
		return v
	}
	k := K()
	VCMPPS(Imm(less), y, zero, k)
	VMOVUPS_Z(x, k, v)
	return v
}

// adam writes one step of Adam with decoupled weight decay. c holds: beta1,
// 1-beta1, beta2, 1-beta2, step size, epsilon, 1 - rate*decay; step size and
// epsilon have the bias corrections in them.
func (s isa) adam() {
	param := s.begin("adam", "n int, c, grad, m, v, w *float32")
	n, c := param("n"), param("c")
	p := pointers{param("grad"), param("m"), param("v"), param("w")}
	var k [7]reg.VecVirtual
	for i := range k {
		k[i] = s.vec()
		VBROADCASTSS(Mem{Base: c, Disp: 4 * i}, k[i])
	}
	Label("block")
	for i := range s.parts() {
		d := i * s.bytes()
		grad, m, v, w := s.load(p.at(0, d)), s.vec(), s.vec(), s.vec()
		VMULPS(k[1], grad, m)
		VFMADD231PS(p.at(1, d), k[0], m)
		VMOVUPS(m, p.at(1, d))
		VMULPS(grad, grad, v)
		VMULPS(k[3], v, v)
		VFMADD231PS(p.at(2, d), k[2], v)
		VMOVUPS(v, p.at(2, d))
		VSQRTPS(v, v)
		VADDPS(k[5], v, v)
		VDIVPS(v, m, m)
		VMULPS(p.at(3, d), k[6], w)
		VFNMADD231PS(k[4], m, w)
		VMOVUPS(w, p.at(3, d))
	}
	for _, r := range p {
		ADDQ(Imm(blockBytes), r)
	}
	DECQ(n)
	JNZ(LabelRef("block"))
	s.end()
}
