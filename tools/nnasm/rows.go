package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rows writes the kernels that apply a row of coefficients to every row.
func (s isa) rows() {
	// y = x*a + b
	s.row("affine", "x, y", "a, b", func(m, c pointers, d int) {
		v, a := s.load(m.at(0, d)), s.load(c.at(0, d))
		VFMADD213PS(c.at(1, d), a, v)
		VMOVUPS(v, m.at(1, d))
	})
	// y = max(0, x*a + b)
	s.row("affineRelu", "x, y", "a, b", func(m, c pointers, d int) {
		v, a, zero := s.load(m.at(0, d)), s.load(c.at(0, d)), s.zero()
		VFMADD213PS(c.at(1, d), a, v)
		VMAXPS(v, zero, v)
		VMOVUPS(v, m.at(1, d))
	})
	// y = x*a + z*b + c
	s.row("affine2", "x, z, y", "a, b, c", func(m, c pointers, d int) {
		VMOVUPS(s.affine2(m, c, d), m.at(2, d))
	})
	// y += x*a + z*b + c
	s.row("affine2Add", "x, z, y", "a, b, c", func(m, c pointers, d int) {
		v := s.affine2(m, c, d)
		VADDPS(m.at(2, d), v, v)
		VMOVUPS(v, m.at(2, d))
	})
}

// affine2 returns x*a + z*b + c.
func (s isa) affine2(m, c pointers, d int) reg.VecVirtual {
	v, a, b := s.load(m.at(1, d)), s.load(c.at(0, d)), s.load(c.at(1, d))
	VFMADD213PS(c.at(2, d), b, v)
	VFMADD231PS(m.at(0, d), a, v)
	return v
}

// row writes func(rows, blocks int, matrices..., coefficients...): body runs for
// each register of each row; the rows of the matrices follow each other.
func (s isa) row(name, matrices, coefficients string, body func(m, c pointers, d int)) {
	param := s.begin(name, "rows, blocks int, "+matrices+", "+coefficients+" *float32")
	rows, blocks := param("rows"), param("blocks")
	var m, first, c pointers
	for name := range strings.SplitSeq(matrices, ", ") {
		m = append(m, param(name))
	}
	for name := range strings.SplitSeq(coefficients, ", ") {
		first, c = append(first, param(name)), append(c, GP64())
	}
	n := GP64()
	Label("row")
	for i, r := range first {
		MOVQ(r, c[i])
	}
	MOVQ(blocks, n)
	Label("block")
	for i := range s.parts() {
		body(m, c, i*s.bytes())
	}
	for _, r := range append(m, c...) {
		ADDQ(Imm(blockBytes), r)
	}
	DECQ(n)
	JNZ(LabelRef("block"))
	DECQ(rows)
	JNZ(LabelRef("row"))
	s.end()
}
