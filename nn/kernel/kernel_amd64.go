//go:build amd64 && !purego

package kernel

import "golang.org/x/sys/cpu"

// choose returns the widest instruction set that this processor and operating
// system offer, or nil.
func choose() *table {
	x := &cpu.X86
	switch {
	case x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512BW:
		return &avx512
	case x.HasAVX2 && x.HasFMA:
		return &avx2
	}
	return nil
}

// available returns the instruction sets of this machine, for tests.
func available() []*table {
	switch choose() {
	case &avx512:
		return []*table{nil, &avx2, &avx512}
	case &avx2:
		return []*table{nil, &avx2}
	}
	return []*table{nil}
}

var avx2 = table{
	name: "avx2",
	tiles: []tile{
		{6, 16, gemm6x16AVX2}, {4, 16, gemm4x16AVX2}, {2, 32, gemm2x32AVX2}, {2, 16, gemm2x16AVX2},
		{1, 64, gemm1x64AVX2}, {1, 32, gemm1x32AVX2}, {1, 16, gemm1x16AVX2},
	},
	add: addAVX2, addTo: addToAVX2, axpy: axpyAVX2, scale: scaleAVX2, mul: mulAVX2, mulAdd: mulAddAVX2,
	relu: reluAVX2, reluMask: reluMaskAVX2, reluGrad: reluGradAVX2,
	exp: expAVX2, sigmoid: sigmoidAVX2, tanh: tanhAVX2, gelu: geluAVX2, geluGrad: geluGradAVX2,
	sum: sumAVX2, dot: dotAVX2, maximum: maximumAVX2,
	colSum: colSumAVX2, colSquares: colSquaresAVX2, colProducts: colProductsAVX2,
	affine: affineAVX2, affineRelu: affineReluAVX2, affine2: affine2AVX2, affine2Add: affine2AddAVX2,
	adam: adamAVX2,
}

var avx512 = table{
	name: "avx512",
	tiles: []tile{
		{6, 64, gemm6x64AVX512}, {2, 64, gemm2x64AVX512}, {1, 64, gemm1x64AVX512},
		{8, 32, gemm8x32AVX512}, {2, 32, gemm2x32AVX512}, {1, 32, gemm1x32AVX512},
		{8, 16, gemm8x16AVX512}, {2, 16, gemm2x16AVX512}, {1, 16, gemm1x16AVX512},
	},
	add: addAVX512, addTo: addToAVX512, axpy: axpyAVX512, scale: scaleAVX512, mul: mulAVX512, mulAdd: mulAddAVX512,
	relu: reluAVX512, reluMask: reluMaskAVX512, reluGrad: reluGradAVX512,
	exp: expAVX512, sigmoid: sigmoidAVX512, tanh: tanhAVX512, gelu: geluAVX512, geluGrad: geluGradAVX512,
	sum: sumAVX512, dot: dotAVX512, maximum: maximumAVX512,
	colSum: colSumAVX512, colSquares: colSquaresAVX512, colProducts: colProductsAVX512,
	affine: affineAVX512, affineRelu: affineReluAVX512, affine2: affine2AVX512, affine2Add: affine2AddAVX512,
	adam: adamAVX512,
}
