// Package kernel is the arithmetic of neural networks on float32 slices: matrix
// products, elementwise functions, reductions.
//
// On amd64 the kernels are assembly written by tools/nnasm, for AVX-512 and for
// AVX2 with FMA, chosen when the program starts; elsewhere, and with the build
// tag purego, plain Go. Both assembly versions give the same bits: elements are
// accumulated in the same order in the same 16 lanes. Plain Go agrees with them
// to rounding.
//
// Slices may have any length and alignment unless a function says otherwise.
// Nothing here allocates, and nothing writes to what it does not document as
// written. Lengths that do not fit are a programmer's error and panic.
//
// To add a kernel: write it in tools/nnasm, run go generate, add it to table
// and to the tables of kernel_amd64.go, write the function with its plain-Go
// version, and a row in kernel_test.go.
package kernel

import "fmt"

//go:generate sh -c "cd ../../tools && go run ./nnasm -isa avx2 -out ../nn/kernel/avx2_amd64.s -stubs ../nn/kernel/avx2_amd64.go -pkg kernel"
//go:generate sh -c "cd ../../tools && go run ./nnasm -isa avx512 -out ../nn/kernel/avx512_amd64.s -stubs ../nn/kernel/avx512_amd64.go -pkg kernel"

// Block is the number of float32 that the assembly handles at once. Matrices
// with rows of a multiple of Block have no tails.
const Block = 16

// Pad returns n rounded up to a multiple of Block.
func Pad(n int) int { return (n + Block - 1) / Block * Block }

// simd is the instruction set in use; nil is plain Go. Only tests change it.
var simd = choose()

// SIMD returns the name of the instruction set in use: "avx512", "avx2" or "go".
func SIMD() string {
	if simd == nil {
		return "go"
	}
	return simd.name
}

// table is what one instruction set provides. n and blocks count blocks of 16,
// at least one; rows is at least one.
type table struct {
	name string

	// tiles are tried in order: the first that fits what is left is used.
	tiles []tile

	add, relu, sigmoid, tanh, gelu, reluMask func(n int, x, y *float32)
	addTo, mul, mulAdd, reluGrad, geluGrad   func(n int, x, y, z *float32)
	axpy                                     func(n int, s float32, x, y *float32)
	scale                                    func(n int, s float32, x *float32)
	exp                                      func(n int, s, m float32, x, y *float32)
	sum, maximum                             func(n int, x *float32) float32
	dot                                      func(n int, x, y *float32) float32
	adam                                     func(n int, c, grad, m, v, w *float32)
	colSum, colSquares                       func(rows, blocks int, x, mean, acc *float32)
	colProducts                              func(rows, blocks int, x, y, mean, acc *float32)
	affine, affineRelu                       func(rows, blocks int, x, y, a, b *float32)
	affine2, affine2Add                      func(rows, blocks int, x, z, y, a, b, c *float32)
}

// tile is a matrix product's register tile.
type tile struct {
	rows, columns int
	run           func(tiles, k int, a *float32, rsa, csa int, b *float32, ldb int, c *float32, ldc, flags int, bias *float32)
}

// blocks returns how many whole blocks of n elements the assembly does.
func blocks(n int) int {
	if simd == nil {
		return 0
	}
	return n / Block
}

// same panics unless the lengths are all n.
func same(n int, lengths ...int) {
	for _, l := range lengths {
		if l != n {
			panic(fmt.Sprintf("kernel: slices of %d and %d elements: make them equal", n, l))
		}
	}
}
