package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// product is a matrix product to test: shapes, and how the matrices lie.
type product struct {
	m, n, k                            int
	transposed, accumulate, bias, relu bool
	extra                              int // elements between rows
}

// gemm makes matrices for the product.
func (p product) gemm(r *rand.Rand) *Gemm {
	g := &Gemm{M: p.m, N: p.n, K: p.k, ARow: p.k + p.extra, ACol: 1, BRow: p.n + p.extra, CRow: p.n + p.extra,
		Accumulate: p.accumulate, ReLU: p.relu}
	if p.transposed {
		g.ARow, g.ACol = 1, p.m+p.extra
	}
	g.A = normals(r, (p.m-1)*g.ARow+(p.k-1)*g.ACol+1)
	g.B = normals(r, (p.k-1)*g.BRow+p.n)
	g.C = normals(r, (p.m-1)*g.CRow+p.n)
	if p.bias {
		g.Bias = normals(r, p.n)
	}
	return g
}

// check compares the product with the same in float64, and what lies between and
// behind the rows of C with what was there.
func (p product) check(t *testing.T, seed uint64) {
	t.Helper()
	g := p.gemm(rand.New(rand.NewPCG(seed, 0)))
	was := slices.Clone(g.C)
	g.Run()
	for i, got := range g.C {
		row, j := i/g.CRow, i%g.CRow
		want, slack := float64(was[i]), 0.0
		if j < p.n {
			want, slack = p.want(g, row, j, was[i])
		}
		if !(math.Abs(float64(got)-want) <= slack) {
			t.Fatalf("%+v: C(%d,%d) is %g, want %g within %g", p, row, j, got, want, slack)
		}
	}
	if !untouched(g.C) {
		t.Fatalf("%+v: wrote behind C", p)
	}
}

// want returns element (i,j) in float64, and an error bound.
func (p product) want(g *Gemm, i, j int, c float32) (want, slack float64) {
	if p.accumulate {
		want = float64(c)
	}
	if p.bias {
		want += float64(g.Bias[j])
	}
	for k := range p.k {
		v := float64(g.A[i*g.ARow+k*g.ACol]) * float64(g.B[k*g.BRow+j])
		want += v
		slack += math.Abs(v)
	}
	if p.relu {
		want = max(0, want)
	}
	return want, 1e-6 * (1 + slack)
}

func TestGemm(t *testing.T) {
	each(t, func(t *testing.T) {
		for _, m := range []int{1, 2, 3, 5, 6, 7, 8, 13, 31} {
			for _, n := range []int{16, 32, 48, 64, 80, 128} {
				for _, k := range []int{1, 5, 64} {
					product{m: m, n: n, k: k}.check(t, 1)
					product{m: m, n: n, k: k, accumulate: true, extra: 3}.check(t, 2)
					product{m: m, n: n, k: k, transposed: true, bias: true}.check(t, 3)
					product{m: m, n: n, k: k, accumulate: true, bias: true, relu: true}.check(t, 4)
				}
			}
		}
	})
}

// TestSameBits holds that the instruction sets agree to the last bit.
func TestSameBits(t *testing.T) {
	sets := available()[1:]
	if len(sets) < 2 {
		t.Skip("needs a processor with AVX-512")
	}
	var want []float32
	for i, s := range sets {
		withSIMD(s, func() {
			got := everything()
			if i == 0 {
				want = got
			}
			for j := range got {
				if math.Float32bits(got[j]) != math.Float32bits(want[j]) {
					t.Fatalf("%s: number %d is %g, with %s %g", s.name, j, got[j], sets[0].name, want[j])
				}
			}
		})
	}
}

// everything returns the results of all kernels on fixed input.
func everything() []float32 {
	r := rand.New(rand.NewPCG(6, 0))
	var all []float32
	for _, p := range []product{{m: 13, n: 112, k: 9}, {m: 7, n: 64, k: 30, accumulate: true, bias: true, relu: true}} {
		g := p.gemm(r)
		g.Run()
		all = append(all, g.C...)
	}
	for _, f := range functions {
		a := [4][]float32{normals(r, 250), normals(r, 250), normals(r, 250), normals(r, 250)}
		f.run(a)
		all = append(all, a[f.last]...)
	}
	x, y, mean := normals(r, 480), normals(r, 480), normals(r, 96)
	acc, sums := make([]float32, 96), make([]float64, 96)
	all = append(all, Sum(x), Dot(x, y), Max(x))
	ColSums(x, acc, sums)
	ColSquares(x, mean, acc, sums)
	ColProducts(x, y, mean, acc, sums)
	for _, v := range sums {
		all = append(all, float32(v))
	}
	Affine2(x, y, y, mean, acc, mean, true)
	Affine(x, x, mean, acc, true)
	return append(append(all, x...), y...)
}

func FuzzGemm(f *testing.F) {
	f.Add(uint64(1), uint8(13), uint8(3), uint8(7), uint8(0))
	f.Add(uint64(2), uint8(40), uint8(9), uint8(70), uint8(0x1f))
	f.Fuzz(func(t *testing.T, seed uint64, m, blocks, k, flags uint8) {
		p := product{m: 1 + int(m)%50, n: 16 * (1 + int(blocks)%10), k: 1 + int(k),
			transposed: flags&1 > 0, accumulate: flags&2 > 0, bias: flags&4 > 0, relu: flags&8 > 0, extra: int(flags >> 4)}
		for _, s := range available() {
			withSIMD(s, func() { p.check(t, seed) })
		}
	})
}

// BenchmarkGemm has the shapes of a convolution's forward pass, of its gradient
// by the weights, of one message and of a narrow head.
func BenchmarkGemm(b *testing.B) {
	for _, p := range []product{
		{m: 96, n: 64, k: 64}, {m: 512, n: 64, k: 64}, {m: 64, n: 64, k: 512, transposed: true, accumulate: true},
		{m: 1, n: 64, k: 64}, {m: 512, n: 16, k: 64},
	} {
		g := p.gemm(rand.New(rand.NewPCG(7, 0)))
		b.Run(fmt.Sprintf("%dx%dx%d", p.m, p.n, p.k), func(b *testing.B) {
			for b.Loop() {
				g.Run()
			}
			b.ReportMetric(2*float64(p.m*p.n*p.k*b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
