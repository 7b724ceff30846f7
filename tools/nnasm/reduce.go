package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// reductions writes the kernels that make one number of a slice.
func (s isa) reductions() {
	s.reduce("sum", "x", false, func(p pointers, acc reg.VecVirtual, d int) { VADDPS(p.at(0, d), acc, acc) })
	s.reduce("dot", "x, y", false, func(p pointers, acc reg.VecVirtual, d int) {
		v := s.load(p.at(0, d))
		VFMADD231PS(p.at(1, d), v, acc)
	})
	s.reduce("maximum", "x", true, func(p pointers, acc reg.VecVirtual, d int) { VMAXPS(p.at(0, d), acc, acc) })
}

// reduce writes func(n int, slices...) float32. The 16 lanes of the blocks are
// kept apart, then folded in halves: 8 to 8, 4 to 4, 2 to 2, 1 to 1. A maximum
// starts with the first block, a sum with zero.
func (s isa) reduce(name, slices string, maximum bool, body func(p pointers, acc reg.VecVirtual, d int)) {
	TEXT(name+s.suffix, NOSPLIT, "func(n int, "+slices+" *float32) float32")
	Pragma("noescape")
	n := GP64()
	Load(Param("n"), n)
	var p pointers
	for name := range strings.SplitSeq(slices, ", ") {
		r := GP64()
		Load(Param(name), r)
		p = append(p, r)
	}
	acc := make([]reg.VecVirtual, s.parts())
	for i := range acc {
		if acc[i] = s.vec(); maximum {
			VMOVUPS(p.at(0, i*s.bytes()), acc[i])
		} else {
			VXORPS(acc[i], acc[i], acc[i])
		}
	}
	Label("block")
	for i, a := range acc {
		body(p, a, i*s.bytes())
	}
	for _, r := range p {
		ADDQ(Imm(blockBytes), r)
	}
	DECQ(n)
	JNZ(LabelRef("block"))
	x := s.fold(acc, maximum)
	VZEROUPPER()
	Store(x, ReturnIndex(0))
	RET()
}

// fold combines the 16 lanes of a block to one.
func (s isa) fold(acc []reg.VecVirtual, maximum bool) reg.VecVirtual {
	combine := VADDPS
	if maximum {
		combine = VMAXPS
	}
	low, t := YMM(), YMM()
	if len(acc) == 2 {
		combine(acc[0], acc[1], low)
	} else {
		VEXTRACTF64X4(Imm(1), acc[0], t)
		VEXTRACTF64X4(Imm(0), acc[0], low)
		combine(low, t, low)
	}
	x, u := XMM(), XMM()
	VEXTRACTF128(Imm(1), low, u)
	VEXTRACTF128(Imm(0), low, x)
	combine(u, x, x)
	VPERMILPS(Imm(0x4e), x, u)
	combine(u, x, x)
	VPERMILPS(Imm(0xb1), x, u)
	combine(u, x, x)
	return x
}

// columns writes the kernels that add up the columns of a matrix of rows x
// 16*blocks whose rows follow each other: acc(c) += sum over rows.
func (s isa) columns() {
	s.column("colSum", "x", func(p pointers, _ Mem, acc reg.VecVirtual, d int) { VADDPS(p.at(0, d), acc, acc) })
	s.column("colSquares", "x", func(p pointers, mean Mem, acc reg.VecVirtual, d int) { // (x-mean)^2
		v := s.load(p.at(0, d))
		VSUBPS(mean, v, v)
		VFMADD231PS(v, v, acc)
	})
	s.column("colProducts", "x, y", func(p pointers, mean Mem, acc reg.VecVirtual, d int) { // (x-mean)*y
		v := s.load(p.at(0, d))
		VSUBPS(mean, v, v)
		VFMADD231PS(p.at(1, d), v, acc)
	})
}

// column writes func(rows, blocks int, slices, mean, acc). Four blocks of columns
// go together, so that additions to one do not wait for the last.
func (s isa) column(name, slices string, body func(p pointers, mean Mem, acc reg.VecVirtual, d int)) {
	param := s.begin(name, "rows, blocks int, "+slices+", mean, acc *float32")
	rows, blocks, mean, acc := param("rows"), param("blocks"), param("mean"), param("acc")
	var start pointers
	for name := range strings.SplitSeq(slices, ", ") {
		start = append(start, param(name))
	}
	stride, r := GP64(), GP64()
	MOVQ(blocks, stride)
	SHLQ(Imm(6), stride)
	for _, group := range []struct {
		name string
		size int
	}{{"four", 4}, {"one", 1}} {
		Label(group.name)
		CMPQ(blocks, Imm(uint64(group.size)))
		JLT(LabelRef("after_" + group.name))
		sums := make([]reg.VecVirtual, group.size*s.parts())
		for i := range sums {
			sums[i] = s.load(Mem{Base: acc, Disp: i * s.bytes()})
		}
		var p pointers
		for _, b := range start {
			q := GP64()
			MOVQ(b, q)
			p = append(p, q)
		}
		MOVQ(rows, r)
		Label(group.name + "_row")
		for i, sum := range sums {
			body(p, Mem{Base: mean, Disp: i * s.bytes()}, sum, i*s.bytes())
		}
		for _, q := range p {
			ADDQ(stride, q)
		}
		DECQ(r)
		JNZ(LabelRef(group.name + "_row"))
		for i, sum := range sums {
			VMOVUPS(sum, Mem{Base: acc, Disp: i * s.bytes()})
		}
		for _, b := range append(start, mean, acc) {
			ADDQ(U32(uint32(group.size*blockBytes)), b)
		}
		SUBQ(Imm(uint64(group.size)), blocks)
		JMP(LabelRef(group.name))
		Label("after_" + group.name)
	}
	s.end()
}
