// Nnasm writes the assembly of package nn/kernel: the same kernels twice, for
// AVX2 with FMA and for AVX-512 (F, DQ, VL, BW).
//
//	cd tools && go run ./nnasm -isa avx2 -out ../nn/kernel/avx2_amd64.s -stubs ../nn/kernel/avx2_amd64.go -pkg kernel
//
// Every kernel works on blocks of 16 float32: one ZMM or two YMM registers.
// What is summed is summed lane by lane in the same order in both, so both give
// the same bits.
package main

import (
	"fmt"
	"math"
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// blockBytes is the size of one block of 16 float32.
const blockBytes = 64

// isa is an instruction set: how a block is spread over registers.
type isa struct {
	suffix string
	lanes  int // float32 in a register
	vec    func() reg.VecVirtual
}

func main() {
	isas := map[string]isa{
		"avx2":   {"AVX2", 8, YMM},
		"avx512": {"AVX512", 16, ZMM},
	}
	name := take("-isa")
	s, ok := isas[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "nnasm: -isa %q: want avx2 or avx512\n", name)
		os.Exit(2)
	}
	ConstraintExpr("amd64,!purego")
	s.gemms()
	s.elementwise()
	s.activations()
	s.reductions()
	s.columns()
	s.rows()
	s.adam()
	Generate()
}

// take removes a flag of ours from the command line, which is avo's otherwise,
// and returns its value.
func take(flag string) string {
	for i := 1; i+1 < len(os.Args); i++ {
		if os.Args[i] == flag {
			v := os.Args[i+1]
			os.Args = append(os.Args[:i], os.Args[i+2:]...)
			return v
		}
	}
	return ""
}

// parts is the number of registers in a block.
func (s isa) parts() int { return 16 / s.lanes }

// bytes is the size of a register.
func (s isa) bytes() int { return 4 * s.lanes }

// begin starts a function and returns a loader of its integer and pointer
// parameters.
func (s isa) begin(name, signature string) func(param string) reg.GPVirtual {
	TEXT(name+s.suffix, NOSPLIT, "func("+signature+")")
	Pragma("noescape")
	return func(param string) reg.GPVirtual {
		r := GP64()
		Load(Param(param), r)
		return r
	}
}

// end returns from a function, with the upper halves of the registers clean so
// that SSE code after it is not slowed down.
func (s isa) end() {
	VZEROUPPER()
	RET()
}

// zero returns a register full of zeros.
func (s isa) zero() reg.VecVirtual {
	v := s.vec()
	VXORPS(v, v, v)
	return v
}

// broadcast returns a register with the float32 parameter in every lane.
func (s isa) broadcast(param string) reg.VecVirtual {
	b, err := Param(param).Resolve()
	if err != nil {
		panic(err)
	}
	v := s.vec()
	VBROADCASTSS(b.Addr, v)
	return v
}

// constant returns 64 bytes of read-only memory with v in every lane.
func (s isa) constant(name string, v float32) Mem {
	return s.words(name, math.Float32bits(v))
}

// words is constant for bits.
func (s isa) words(name string, bits uint32) Mem {
	if m, ok := globals[name]; ok {
		return m
	}
	m := GLOBL(name+s.suffix, RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32(bits))
	}
	globals[name] = m
	return m
}

var globals = map[string]Mem{}
