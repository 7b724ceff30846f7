package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
)

// each runs a test with every instruction set of this machine.
func each(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for _, s := range available() {
		withSIMD(s, func() { t.Run(SIMD(), f) })
	}
}

func withSIMD(s *table, f func()) {
	defer func(was *table) { simd = was }(simd)
	simd = s
	f()
}

// normals returns n normally distributed numbers at an odd address, with room
// around them that unguarded must find untouched.
func normals(r *rand.Rand, n int) []float32 {
	x := make([]float32, n+2*guard)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for i := range guard {
		x[i], x[len(x)-1-i] = canary, canary
	}
	return x[guard : guard+n]
}

const (
	guard  = 17
	canary = 1234.5
)

// untouched reports whether the room before and after x still holds canaries.
func untouched(x []float32) bool {
	after := x[len(x) : len(x)+guard]
	for _, v := range after {
		if v != canary {
			return false
		}
	}
	return true
}

// function is an elementwise kernel and what it does to one element in float64;
// each argument is a slice, and want returns what the last one must hold.
type function struct {
	name  string
	slack float64 // allowed error, relative to the size of what is computed
	run   func(a [4][]float32)
	want  func(a [4]float64) float64
	last  int // index of the slice that is written
}

var functions = []function{
	{"Add", 1e-7, func(a [4][]float32) { Add(a[0], a[1]) }, func(a [4]float64) float64 { return a[0] + a[1] }, 1},
	{"AddTo", 1e-7, func(a [4][]float32) { AddTo(a[0], a[1], a[2]) }, func(a [4]float64) float64 { return a[0] + a[1] }, 2},
	{"Axpy", 2e-7, func(a [4][]float32) { Axpy(0.75, a[0], a[1]) }, func(a [4]float64) float64 { return 0.75*a[0] + a[1] }, 1},
	{"Scale", 1e-7, func(a [4][]float32) { Scale(0.7, a[0]) }, func(a [4]float64) float64 { return float64(float32(0.7)) * a[0] }, 0},
	{"Mul", 1e-7, func(a [4][]float32) { Mul(a[0], a[1], a[2]) }, func(a [4]float64) float64 { return a[0] * a[1] }, 2},
	{"MulAdd", 2e-7, func(a [4][]float32) { MulAdd(a[0], a[1], a[2]) }, func(a [4]float64) float64 { return a[0]*a[1] + a[2] }, 2},
	{"ReLU", 0, func(a [4][]float32) { ReLU(a[0], a[1]) }, func(a [4]float64) float64 { return max(0, a[0]) }, 1},
	{"ReLUMask", 0, func(a [4][]float32) { ReLUMask(a[0], a[1]) }, func(a [4]float64) float64 { return where(a[0] > 0, a[1]) }, 1},
	{"ReLUGrad", 1e-7, func(a [4][]float32) { ReLUGrad(a[0], a[1], a[2]) }, func(a [4]float64) float64 { return a[2] + where(a[0] > 0, a[1]) }, 2},
	{"Exp", 3e-7, func(a [4][]float32) { Exp(1.5, 0.25, a[0], a[1]) }, func(a [4]float64) float64 { return math.Exp(float64(1.5 * (float32(a[0]) - 0.25))) }, 1},
	{"Sigmoid", 2e-7, func(a [4][]float32) { Sigmoid(a[0], a[1]) }, func(a [4]float64) float64 { return 1 / (1 + math.Exp(-a[0])) }, 1},
	{"Tanh", 3e-7, func(a [4][]float32) { Tanh(a[0], a[1]) }, func(a [4]float64) float64 { return math.Tanh(a[0]) }, 1},
	{"GELU", 3e-7, func(a [4][]float32) { GELU(a[0], a[1]) }, func(a [4]float64) float64 { return gelu(a[0]) }, 1},
	{"GELUGrad", 2e-6, func(a [4][]float32) { GELUGrad(a[0], a[1], a[2]) }, func(a [4]float64) float64 {
		const h = 1e-5
		return a[2] + a[1]*(gelu(a[0]+h)-gelu(a[0]-h))/(2*h)
	}, 2},
	{"Adam m", 2e-7, adamTest, func(a [4]float64) float64 { return 0.9*a[1] + 0.1*a[0] }, 1},
	{"Adam v", 2e-7, adamTest, func(a [4]float64) float64 { return 0.99*a[2] + 0.01*a[0]*a[0] }, 2},
	{"Adam w", 3e-6, adamTest, func(a [4]float64) float64 {
		m, v := 0.9*a[1]+0.1*a[0], 0.99*a[2]+0.01*a[0]*a[0]
		return 0.95*a[3] - 0.05*m/(math.Sqrt(v)+0.125)
	}, 3},
}

func adamTest(a [4][]float32) {
	for i, v := range a[2] {
		a[2][i] = float32(math.Abs(float64(v)))
	}
	s := AdamStep{Beta1: 0.9, Rest1: 0.1, Beta2: 0.99, Rest2: 0.01, Size: 0.05, Epsilon: 0.125, Keep: 0.95}
	s.Run(a[0], a[1], a[2], a[3])
}

func gelu(x float64) float64 {
	return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

func where(ok bool, x float64) float64 {
	if ok {
		return x
	}
	return 0
}

// check runs the function on n elements and compares each with want.
func (f *function) check(t *testing.T, r *rand.Rand, n int, spread float32) {
	t.Helper()
	var a [4][]float32
	var was [4][]float64
	for i := range a {
		a[i] = normals(r, n)
		for j, v := range a[i] {
			a[i][j] = spread * v
			if i == 2 && strings.HasPrefix(f.name, "Adam") {
				a[i][j] = float32(math.Abs(float64(a[i][j])))
			}
			was[i] = append(was[i], float64(a[i][j]))
		}
	}
	f.run(a)
	for j, got := range a[f.last] {
		args := [4]float64{was[0][j], was[1][j], was[2][j], was[3][j]}
		want := f.want(args)
		// What is added to the last slice may cancel what it held.
		size := 1 + math.Abs(want) + math.Abs(args[f.last]) + math.Abs(args[0]*args[1])
		if !(math.Abs(float64(got)-want) <= f.slack*size) {
			t.Fatalf("%s of %d, element %d: got %g, want %g", f.name, n, j, got, want)
		}
	}
	for i := range a {
		if !untouched(a[i]) {
			t.Fatalf("%s of %d wrote behind slice %d", f.name, n, i)
		}
	}
}

func TestFunctions(t *testing.T) {
	each(t, func(t *testing.T) {
		for i := range functions {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 33, 100, 256} {
				functions[i].check(t, r, n, 1)
			}
			functions[i].check(t, r, 64, 3)
		}
	})
}

// TestExpRange holds the ends of the exponent's range, where bits are made by
// hand.
func TestExpRange(t *testing.T) {
	each(t, func(t *testing.T) {
		x := []float32{-1e30, -100, -86, -50, -1e-10, 0, 1e-10, 0.34657, 0.34658, 1, 50, 80, 87.9, 88, 89, 1e30}
		y := make([]float32, len(x))
		Exp(1, 0, x, y)
		for i, v := range x {
			want := math.Exp(min(max(float64(v), -86), 88))
			if math.Abs(float64(y[i])/want-1) > 3e-7 {
				t.Errorf("e^%g: got %g, want %g", v, y[i], want)
			}
		}
		Sigmoid(x, y)
		if y[0] > 1e-37 || y[15] != 1 || y[5] != 0.5 {
			t.Errorf("sigmoid of -1e30, 0, 1e30: got %g, %g, %g", y[0], y[5], y[15])
		}
	})
}

func TestReductions(t *testing.T) {
	each(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 0))
		for _, n := range []int{1, 7, 16, 17, 48, 63, 1000} {
			x, y := normals(r, n), normals(r, n)
			sum, dot, largest := 0.0, 0.0, math.Inf(-1)
			for i, v := range x {
				sum += float64(v)
				dot += float64(v) * float64(y[i])
				largest = max(largest, float64(v))
			}
			near(t, fmt.Sprintf("Sum of %d", n), Sum(x), sum, 1e-5*float64(n))
			near(t, fmt.Sprintf("Dot of %d", n), Dot(x, y), dot, 1e-5*float64(n))
			near(t, fmt.Sprintf("Max of %d", n), Max(x), largest, 0)
			Softmax(x)
			near(t, fmt.Sprintf("sum of softmax of %d", n), Sum(x), 1, 1e-6)
		}
	})
}

func near(t *testing.T, what string, got float32, want, slack float64) {
	t.Helper()
	if !(math.Abs(float64(got)-want) <= slack) {
		t.Errorf("%s: got %g, want %g", what, got, want)
	}
}

func TestColumns(t *testing.T) {
	each(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 0))
		for _, shape := range [][2]int{{1, 16}, {3, 32}, {5, 64}, {7, 80}, {300, 48}, {130, 144}} {
			rows, width := shape[0], shape[1]
			x, y, mean := normals(r, rows*width), normals(r, rows*width), normals(r, width)
			scratch, zero := make([]float32, width), make([]float32, width)
			var sums, squares, products [3][]float64
			for _, s := range []*[3][]float64{&sums, &squares, &products} {
				s[0], s[1] = make([]float64, width), make([]float64, width)
			}
			ColSums(x, scratch, sums[0])
			ColSquares(x, mean, scratch, squares[0])
			ColProducts(x, y, mean, scratch, products[0])
			ColSum(x, zero)
			for i, v := range x {
				c := i % width
				d := float64(v) - float64(mean[c])
				sums[1][c] += float64(v)
				squares[1][c] += d * d
				products[1][c] += d * float64(y[i])
			}
			for c := range width {
				near(t, fmt.Sprintf("%v sum of column %d", shape, c), float32(sums[0][c]), sums[1][c], 1e-4)
				near(t, fmt.Sprintf("%v float32 sum of column %d", shape, c), zero[c], sums[1][c], 1e-4)
				near(t, fmt.Sprintf("%v squares of column %d", shape, c), float32(squares[0][c]), squares[1][c], 1e-4*(1+squares[1][c]))
				near(t, fmt.Sprintf("%v products of column %d", shape, c), float32(products[0][c]), products[1][c], 1e-3)
			}
		}
	})
}

func TestRows(t *testing.T) {
	each(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(4, 0))
		for _, shape := range [][2]int{{1, 16}, {3, 32}, {5, 80}} {
			n, width := shape[0]*shape[1], shape[1]
			x, z, y := normals(r, n), normals(r, n), normals(r, n)
			a, b, k := normals(r, width), normals(r, width), normals(r, width)
			for _, add := range []bool{false, true} {
				was := append([]float32(nil), y...)
				Affine2(x, z, y, a, b, k, add)
				for i := range y {
					c := i % width
					want := float64(x[i])*float64(a[c]) + float64(z[i])*float64(b[c]) + float64(k[c])
					if add {
						want += float64(was[i])
					}
					near(t, "Affine2", y[i], want, 2e-6)
				}
			}
			for _, relu := range []bool{false, true} {
				Affine(x, y, a, b, relu)
				for i := range y {
					want := float64(x[i])*float64(a[i%width]) + float64(b[i%width])
					if relu {
						want = max(0, want)
					}
					near(t, "Affine", y[i], want, 1e-6)
				}
			}
			if !untouched(y) {
				t.Error("wrote behind y")
			}
		}
	})
}

func TestPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"lengths": func() { Add(make([]float32, 16), make([]float32, 17)) },
		"width":   func() { ColSum(make([]float32, 20), make([]float32, 20)) },
		"product": func() { (&Gemm{M: 2, N: 16, K: 2, A: make([]float32, 3), ARow: 2, ACol: 1}).Run() },
		"N": func() {
			(&Gemm{M: 1, N: 15, K: 1, A: make([]float32, 1), B: make([]float32, 15), C: make([]float32, 15)}).Run()
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func TestNoAllocation(t *testing.T) {
	x, y := make([]float32, 1000), make([]float32, 1000)
	g := product{m: 13, n: 48, k: 5}.gemm(rand.New(rand.NewPCG(5, 0)))
	s := AdamStep{}
	n := testing.AllocsPerRun(10, func() {
		Add(x, y)
		Exp(1, 0, x, y)
		Sum(x)
		s.Run(x, y, x, y)
		g.Run()
	})
	if n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

// FuzzFunctions checks every elementwise kernel with random lengths and values.
func FuzzFunctions(f *testing.F) {
	f.Add(uint64(1), uint16(100), float32(1))
	f.Add(uint64(2), uint16(17), float32(5))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, spread float32) {
		if !(math.Abs(float64(spread)) <= 5) {
			t.Skip("the references are made for numbers of common size")
		}
		for _, s := range available() {
			withSIMD(s, func() {
				for i := range functions {
					functions[i].check(t, rand.New(rand.NewPCG(seed, 1)), int(n%300), spread)
				}
			})
		}
	})
}

func BenchmarkFunctions(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var a [4][]float32
	for i := range a {
		a[i] = normals(r, 4096)
	}
	for _, f := range functions[:len(functions)-2] {
		b.Run(f.name, func(b *testing.B) {
			b.SetBytes(4 * 4096)
			for b.Loop() {
				f.run(a)
			}
		})
	}
}

// TestAVX2Registers holds that the generator kept to what AVX2 has: it may give
// out registers that only AVX-512 has, and the assembler takes them.
func TestAVX2Registers(t *testing.T) {
	source, err := os.ReadFile("avx2_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	if bad := regexp.MustCompile(`\b(Z\d+|K\d|[XY](1[6-9]|2\d|3[01]))\b`).Find(source); bad != nil {
		t.Errorf("avx2_amd64.s uses %s: use fewer registers in tools/nnasm", bad)
	}
}
