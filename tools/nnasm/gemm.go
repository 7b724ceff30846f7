package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The bits of gemm's flags; nn/kernel has the same.
const (
	flagAccumulate = 1 << iota // start from C instead of zero
	flagBias                   // add the bias row
	flagReLU                   // store max(0, result)
)

// gemms writes the register tiles: rows x columns.
func (s isa) gemms() {
	tiles := [][2]int{{6, 64}, {2, 64}, {1, 64}, {8, 32}, {2, 32}, {1, 32}, {8, 16}, {2, 16}, {1, 16}}
	if s.suffix == "AVX2" {
		tiles = [][2]int{{1, 64}, {2, 32}, {1, 32}, {6, 16}, {4, 16}, {2, 16}, {1, 16}}
	}
	for _, t := range tiles {
		s.gemm(t[0], t[1])
	}
}

// tile is the state of one gemm function while it is written.
type tile struct {
	isa
	rows, vecs               int
	acc                      [][]reg.VecVirtual
	a, rsa, csa, ldb, c, ldc reg.GPVirtual
	pa                       []reg.GPVirtual // rows 0, 3, 6
}

// gemm writes a function that computes whole tiles of rows x columns, one below
// the other: C = epilogue(start + A*B). A(i,k) is at a + i*rsa + k*csa, row k of B
// at b + k*ldb, row i of C at c + i*ldc, all in bytes. Each element is a chain of
// fused multiply-adds in the order of k, whatever the tile.
func (s isa) gemm(rows, columns int) {
	param := s.begin(fmt.Sprintf("gemm%dx%d", rows, columns),
		"tiles, k int, a *float32, rsa, csa int, b *float32, ldb int, c *float32, ldc, flags int, bias *float32")
	t := tile{isa: s, rows: rows, vecs: columns / s.lanes}
	tiles := param("tiles")
	t.a, t.rsa, t.csa, t.ldb, t.c, t.ldc = param("a"), param("rsa"), param("csa"), param("ldb"), param("c"), param("ldc")
	for range rows {
		var row []reg.VecVirtual
		for range t.vecs {
			row = append(row, s.vec())
		}
		t.acc = append(t.acc, row)
	}
	for range (rows + 2) / 3 {
		t.pa = append(t.pa, GP64())
	}
	Label("tile")
	t.start()
	t.multiply()
	t.store()
	for range rows {
		ADDQ(t.rsa, t.a)
	}
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	s.end()
}

// start sets the accumulators.
func (t *tile) start() {
	flags := GP64()
	Load(Param("flags"), flags)
	TESTQ(U32(flagAccumulate), flags)
	JNZ(LabelRef("accumulate"))
	t.each(func(v reg.VecVirtual, _, _ int) { VXORPS(v, v, v) })
	JMP(LabelRef("bias"))
	Label("accumulate")
	p := GP64()
	MOVQ(t.c, p)
	for i := range t.rows {
		for j, v := range t.acc[i] {
			VMOVUPS(Mem{Base: p, Disp: t.bytes() * j}, v)
		}
		ADDQ(t.ldc, p)
	}
	Label("bias")
	TESTQ(U32(flagBias), flags)
	JZ(LabelRef("multiply"))
	Load(Param("bias"), p)
	t.each(func(v reg.VecVirtual, _, j int) { VADDPS(Mem{Base: p, Disp: t.bytes() * j}, v, v) })
	Label("multiply")
}

// multiply adds A*B over all k.
func (t *tile) multiply() {
	b, k := GP64(), GP64()
	MOVQ(t.a, t.pa[0])
	for i := 1; i < len(t.pa); i++ {
		LEAQ(Mem{Base: t.pa[i-1], Index: t.rsa, Scale: 2}, t.pa[i])
		ADDQ(t.rsa, t.pa[i])
	}
	Load(Param("b"), b)
	Load(Param("k"), k)
	Label("k")
	bv := make([]Op, t.vecs)
	for j := range bv {
		m := Mem{Base: b, Disp: t.bytes() * j}
		if bv[j] = m; t.rows > 1 {
			bv[j] = t.load(m)
		}
	}
	for i := range t.rows {
		m := Mem{Base: t.pa[i/3]}
		if i%3 > 0 {
			m.Index, m.Scale = t.rsa, uint8(i%3)
		}
		av := t.vec()
		VBROADCASTSS(m, av)
		for j, v := range t.acc[i] {
			VFMADD231PS(bv[j], av, v)
		}
	}
	for _, p := range t.pa {
		ADDQ(t.csa, p)
	}
	ADDQ(t.ldb, b)
	DECQ(k)
	JNZ(LabelRef("k"))
}

// store writes the accumulators and moves c to the next tile.
func (t *tile) store() {
	flags := GP64()
	Load(Param("flags"), flags)
	TESTQ(U32(flagReLU), flags)
	JZ(LabelRef("store"))
	zero := t.zero()
	t.each(func(v reg.VecVirtual, _, _ int) { VMAXPS(v, zero, v) })
	Label("store")
	for i := range t.rows {
		for j, v := range t.acc[i] {
			VMOVUPS(v, Mem{Base: t.c, Disp: t.bytes() * j})
		}
		ADDQ(t.ldc, t.c)
	}
}

func (t *tile) each(f func(v reg.VecVirtual, i, j int)) {
	for i, row := range t.acc {
		for j, v := range row {
			f(v, i, j)
		}
	}
}
