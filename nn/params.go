package nn

import (
	"math/rand/v2"

	"tyto/nn/kernel"
)

// Params is a set of named parameters, all in one vector. The zero value is
// empty. Make all parameters before the first tape.
type Params struct {
	data  []float32
	all   []*Param
	names map[string]*Param
}

// Param is a matrix of parameters. Vectors have one row.
type Param struct {
	Name       string
	Rows, Cols int

	// NoDecay exempts the parameter from weight decay: biases and scales.
	NoDecay bool
	// Stat marks running statistics: a tape adds what it measured to their
	// gradient, and the trainer mixes the mean over shards in.
	Stat bool

	set    *Params
	index  int
	offset int
	stride int // Cols padded to whole blocks; the rest of a row is zero
}

// New adds a matrix of zeros. The name must be new.
func (ps *Params) New(name string, rows, cols int) *Param {
	if rows < 1 || cols < 1 {
		fail("parameter %s: %dx%d", name, rows, cols)
	}
	if ps.names[name] != nil {
		fail("parameter %s exists: give each a name of its own", name)
	}
	p := &Param{Name: name, Rows: rows, Cols: cols, set: ps, index: len(ps.all), offset: len(ps.data), stride: kernel.Pad(cols)}
	ps.data = append(ps.data, make([]float32, rows*p.stride)...)
	ps.all = append(ps.all, p)
	if ps.names == nil {
		ps.names = make(map[string]*Param)
	}
	ps.names[name] = p
	return p
}

// All returns the parameters in the order they were made.
func (ps *Params) All() []*Param { return ps.all }

// Lookup returns the parameter of that name, or nil.
func (ps *Params) Lookup(name string) *Param { return ps.names[name] }

// Count returns the number of trained numbers.
func (ps *Params) Count() int {
	n := 0
	for _, p := range ps.all {
		if !p.Stat {
			n += p.Rows * p.Cols
		}
	}
	return n
}

// of returns the part of a vector laid out like the parameters' that is p's.
func (p *Param) of(v []float32) []float32 { return v[p.offset : p.offset+p.Rows*p.stride] }

// padded returns the values, rows padded to whole blocks.
func (p *Param) padded() []float32 { return p.of(p.set.data) }

// Row returns row i, Cols long; changing it changes the parameter.
func (p *Param) Row(i int) []float32 { return p.padded()[i*p.stride:][:p.Cols] }

// Values returns a copy, row after row.
func (p *Param) Values() []float32 {
	v := make([]float32, 0, p.Rows*p.Cols)
	for i := range p.Rows {
		v = append(v, p.Row(i)...)
	}
	return v
}

// Set stores Rows*Cols values, row after row.
func (p *Param) Set(values []float32) {
	if len(values) != p.Rows*p.Cols {
		fail("parameter %s is %dx%d: got %d values", p.Name, p.Rows, p.Cols, len(values))
	}
	for i := range p.Rows {
		copy(p.Row(i), values[i*p.Cols:])
	}
}

// Fill stores v everywhere.
func (p *Param) Fill(v float32) {
	for i := range p.Rows {
		row := p.Row(i)
		for j := range row {
			row[j] = v
		}
	}
}

// Uniform stores random values between -bound and bound.
func (p *Param) Uniform(r *rand.Rand, bound float64) {
	for i := range p.Rows {
		row := p.Row(i)
		for j := range row {
			row[j] = float32((2*r.Float64() - 1) * bound)
		}
	}
}

// Normal stores normally distributed random values.
func (p *Param) Normal(r *rand.Rand, deviation float64) {
	for i := range p.Rows {
		row := p.Row(i)
		for j := range row {
			row[j] = float32(r.NormFloat64() * deviation)
		}
	}
}
