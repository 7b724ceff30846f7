package kernel

import "fmt"

// Gemm describes a matrix product C = epilogue(start + A*B) of A with M rows and
// K columns, B with K rows and N columns. N is a multiple of Block: pad the
// matrices. A may be a transposed or strided view, C must not overlap A or B.
//
// Every element of C is one chain of additions in the order of k, so results do
// not depend on how the work is cut along M or N, and a product cut along K and
// accumulated has the same bits as the whole.
type Gemm struct {
	M, N, K int

	A          []float32 // A(i,k) is A[i*ARow + k*ACol]
	ARow, ACol int
	B          []float32 // B(k,j) is B[k*BRow + j]
	BRow       int
	C          []float32 // C(i,j) is C[i*CRow + j]
	CRow       int
	Bias       []float32 // N long, added to the start; nil for none
	Accumulate bool      // start from what C holds instead of zero
	ReLU       bool      // store max(0, result)
}

// The bits of the flags of the assembly; tools/nnasm has the same.
const (
	flagAccumulate = 1 << iota
	flagBias
	flagReLU
)

// callFlops bounds one call into assembly, which cannot be preempted, to some
// tens of microseconds.
const callFlops = 1 << 20

// Run computes the product. It panics if the matrices are too short for their
// shapes.
func (g *Gemm) Run() {
	if g.M == 0 || g.N == 0 {
		return
	}
	g.check()
	if simd == nil {
		g.plain()
		return
	}
	flags := 0
	if g.Accumulate {
		flags |= flagAccumulate
	}
	if g.Bias != nil {
		flags |= flagBias
	}
	if g.ReLU {
		flags |= flagReLU
	}
	for n := 0; n < g.N; {
		n += g.strip(n, flags)
	}
}

// strip computes the widest strip of columns from n on that tiles cover, and
// returns its width. All tiles that follow the first one that fits work on the
// same columns or half of them; rows that are left go to lower ones.
func (g *Gemm) strip(n, flags int) int {
	width := 0
	for m := 0; m < g.M; {
		t := fit(g.M-m, g.N-n, width)
		if width == 0 {
			width = t.columns
		}
		rows := (g.M - m) / t.rows * t.rows
		for j := 0; j < width; j += t.columns {
			g.tiles(t, m, n+j, rows/t.rows, flags)
		}
		m += rows
	}
	return width
}

// fit returns the first tile of at most the rows and columns, and of a width
// that divides width if that is not zero.
func fit(rows, columns, width int) *tile {
	for i := range simd.tiles {
		t := &simd.tiles[i]
		if t.rows <= rows && t.columns <= columns && (width == 0 || t.columns <= width && width%t.columns == 0) {
			return t
		}
	}
	panic("kernel: no tile of 1 x 16")
}

// tiles runs count tiles from row m and column n on.
func (g *Gemm) tiles(t *tile, m, n, count, flags int) {
	var bias *float32
	if g.Bias != nil {
		bias = &g.Bias[n]
	}
	most := max(1, callFlops/(t.rows*t.columns*g.K))
	for count > 0 {
		now := min(count, most)
		t.run(now, g.K, &g.A[m*g.ARow], 4*g.ARow, 4*g.ACol, &g.B[n], 4*g.BRow, &g.C[m*g.CRow+n], 4*g.CRow, flags, bias)
		m += now * t.rows
		count -= now
	}
}

// check panics unless the slices hold what the shapes say.
func (g *Gemm) check() {
	switch {
	case g.M < 0 || g.N < 0 || g.K < 1 || g.N%Block != 0:
		panic(fmt.Sprintf("kernel: product of %dx%d by %dx%d: K must be positive and N a multiple of %d", g.M, g.K, g.K, g.N, Block))
	case g.ARow < 0 || g.ACol < 0 || len(g.A) <= (g.M-1)*g.ARow+(g.K-1)*g.ACol:
		panic(fmt.Sprintf("kernel: A has %d elements: too few for %dx%d with steps %d and %d", len(g.A), g.M, g.K, g.ARow, g.ACol))
	case g.BRow < g.N && g.K > 1 || len(g.B) < (g.K-1)*g.BRow+g.N:
		panic(fmt.Sprintf("kernel: B has %d elements: too few for %dx%d with step %d", len(g.B), g.K, g.N, g.BRow))
	case g.CRow < g.N && g.M > 1 || len(g.C) < (g.M-1)*g.CRow+g.N:
		panic(fmt.Sprintf("kernel: C has %d elements: too few for %dx%d with step %d", len(g.C), g.M, g.N, g.CRow))
	case g.Bias != nil && len(g.Bias) < g.N:
		panic(fmt.Sprintf("kernel: bias has %d elements: want %d", len(g.Bias), g.N))
	}
}

// plain is Run in Go: rows of B are added to a row of C, in the order of k.
func (g *Gemm) plain() {
	for i := range g.M {
		c := g.C[i*g.CRow:][:g.N]
		if !g.Accumulate {
			clear(c)
		}
		if g.Bias != nil {
			addGo(g.Bias[:g.N], c)
		}
		for k := range g.K {
			axpyGo(g.A[i*g.ARow+k*g.ACol], g.B[k*g.BRow:][:g.N], c)
		}
		if g.ReLU {
			reluGo(c, c)
		}
	}
}
