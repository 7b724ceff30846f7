package nn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"unicode/utf8"
)

// Array is a named matrix in a file.
type Array struct {
	Name       string
	Rows, Cols int
	Values     []float32 // row after row
}

// A file is magic, the number of arrays, the arrays, and the CRC-32C of all
// before it. An array is the length of its name (2 bytes), the name, rows and
// columns (4 bytes each) and the values. All numbers are little endian.
const (
	magic     = "tytonn1\n"
	maxName   = 256
	maxArrays = 1 << 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode returns a file with the arrays.
func Encode(arrays []Array) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(magic), uint32(len(arrays)))
	for _, a := range arrays {
		if len(a.Name) > maxName || len(a.Values) != a.Rows*a.Cols {
			fail("array %s of %dx%d with %d values", a.Name, a.Rows, a.Cols, len(a.Values))
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(len(a.Name)))
		b = append(b, a.Name...)
		b = binary.LittleEndian.AppendUint32(b, uint32(a.Rows))
		b = binary.LittleEndian.AppendUint32(b, uint32(a.Cols))
		for _, v := range a.Values {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// Decode reads a file. It needs no more memory than a few times len(b), whatever
// b holds; names are unique and values finite in what it returns.
func Decode(b []byte) ([]Array, error) {
	const trailer = 4
	if len(b) < len(magic)+4+trailer || string(b[:len(magic)]) != magic {
		return nil, errors.New("not a file of parameters: it does not begin with tytonn1")
	}
	body := b[:len(b)-trailer]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[len(body):]) {
		return nil, errors.New("the file is damaged: its checksum does not match; copy it again")
	}
	r := reader{rest: body[len(magic):]}
	n := r.number(4)
	if n > maxArrays {
		return nil, fmt.Errorf("%d arrays: at most %d are allowed", n, maxArrays)
	}
	var arrays []Array
	names := make(map[string]bool)
	for range n {
		a, err := r.array()
		if err != nil {
			return nil, fmt.Errorf("array %d: %w", len(arrays), err)
		}
		if names[a.Name] {
			return nil, fmt.Errorf("there are two arrays %q", a.Name)
		}
		names[a.Name] = true
		arrays = append(arrays, a)
	}
	if r.short || len(r.rest) > 0 {
		return nil, fmt.Errorf("%d bytes after the last array", len(r.rest))
	}
	return arrays, nil
}

// reader takes numbers from the front of bytes; short tells that they ran out.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.short = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// number reads a number of 2 or 4 bytes.
func (r *reader) number(size int) uint64 {
	switch b := r.bytes(uint64(size)); len(b) {
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return 0
}

func (r *reader) array() (Array, error) {
	length := r.number(2)
	if length > maxName {
		return Array{}, fmt.Errorf("a name of %d bytes: at most %d are allowed", length, maxName)
	}
	name := string(r.bytes(length))
	rows, cols := r.number(4), r.number(4)
	values := r.bytes(4 * min(rows*cols, math.MaxUint32)) // no product of two 32-bit numbers wraps around
	switch {
	case r.short:
		return Array{}, fmt.Errorf("%q: the file ends before its %dx%d values", name, rows, cols)
	case !utf8.ValidString(name) || name == "" || rows == 0 || cols == 0:
		return Array{}, fmt.Errorf("%q: %dx%d values: want a name in UTF-8 and at least one value", name, rows, cols)
	}
	a := Array{Name: name, Rows: int(rows), Cols: int(cols), Values: make([]float32, rows*cols)}
	for i := range a.Values {
		v := math.Float32frombits(binary.LittleEndian.Uint32(values[4*i:]))
		if v-v != 0 { // infinite or not a number
			return Array{}, fmt.Errorf("%q: value %d is %g", name, i, v)
		}
		a.Values[i] = v
	}
	return a, nil
}

// Save returns a file with the parameters.
func (ps *Params) Save() []byte { return Encode(ps.Arrays()) }

// Load sets the parameters from a file that Save made.
func (ps *Params) Load(file []byte) error {
	arrays, err := Decode(file)
	if err != nil {
		return err
	}
	return ps.SetArrays(arrays)
}

// Arrays returns the parameters, sorted as they were made.
func (ps *Params) Arrays() []Array {
	var arrays []Array
	for _, p := range ps.all {
		arrays = append(arrays, p.array(p.Name, ps.data))
	}
	return arrays
}

// SetArrays stores the values of all parameters; other arrays are ignored. If a
// parameter is missing or of another shape, nothing is changed.
func (ps *Params) SetArrays(arrays []Array) error {
	byName := index(arrays)
	for _, p := range ps.all {
		if _, err := find(byName, p.Name, p.Rows, p.Cols); err != nil {
			return err
		}
	}
	for _, p := range ps.all {
		p.Set(byName[p.Name].Values)
	}
	return nil
}

// array returns what belongs to p in a vector laid out like the parameters'.
func (p *Param) array(name string, v []float32) Array {
	a := Array{Name: name, Rows: p.Rows, Cols: p.Cols}
	for i := range p.Rows {
		a.Values = append(a.Values, p.of(v)[i*p.stride:][:p.Cols]...)
	}
	return a
}

// scatter is the opposite of array.
func (p *Param) scatter(values, v []float32) {
	for i := range p.Rows {
		copy(p.of(v)[i*p.stride:][:p.Cols], values[i*p.Cols:])
	}
}

func index(arrays []Array) map[string]*Array {
	byName := make(map[string]*Array, len(arrays))
	for i := range arrays {
		byName[arrays[i].Name] = &arrays[i]
	}
	return byName
}

// find returns the values of the named array, which must have the shape.
func find(arrays map[string]*Array, name string, rows, cols int) ([]float32, error) {
	a := arrays[name]
	switch {
	case a == nil:
		return nil, fmt.Errorf("the file has no %s: it belongs to another model", name)
	case a.Rows != rows || a.Cols != cols || len(a.Values) != rows*cols:
		return nil, fmt.Errorf("%s is %dx%d in the file, %dx%d here: it belongs to another model", name, a.Rows, a.Cols, rows, cols)
	}
	return slices.Clip(a.Values), nil
}
