//go:build cgo && (linux || darwin || (windows && amd64))

package duck

import (
	"fmt"
	"unsafe"

	bind "github.com/duckdb/duckdb-go-bindings"

	"tyto/store"
)

// readChunk copies a chunk of a result into b, whose columns say by their Base
// what is wanted, in place of what it held.
func readChunk(chunk bind.DataChunk, b *store.Batch) error {
	b.Reset()
	n := int(bind.DataChunkGetSize(chunk))
	if got := int(bind.DataChunkGetColumnCount(chunk)); got != len(b.Columns) {
		return fmt.Errorf("the result has %d columns where %d were asked for", got, len(b.Columns))
	}
	for i := range b.Columns {
		if err := readVector(bind.DataChunkGetVector(chunk, bind.IdxT(i)), &b.Columns[i], n); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	b.Rows = n
	return nil
}

func readVector(v bind.Vector, c *store.Column, n int) error {
	t := bind.VectorGetColumnType(v)
	id := bind.GetTypeId(t)
	bind.DestroyLogicalType(&t)
	data := bind.VectorGetData(v)
	valid := validity(v, n)
	if c.Base.List() != (id == bind.TypeList) || (c.Base == store.TextBase) != (id == bind.TypeVarchar) {
		return fmt.Errorf("the result is of DuckDB's type %d, which does not fit", id)
	}
	switch id {
	case bind.TypeList:
		return readList(v, c, n, valid)
	case bind.TypeVarchar:
		list := unsafe.Slice((*text)(data), n)
		for i := range list {
			if !valid(i) {
				c.AppendNull()
				continue
			}
			c.Text = append(c.Text, list[i].view()...)
			c.EndText()
		}
		return nil
	}
	at, err := numbers(id, data, n)
	if err != nil {
		return err
	}
	for i := range n {
		switch {
		case !valid(i):
			c.AppendNull()
		case c.Base == store.FloatBase && id != bind.TypeDouble:
			c.AppendFloat(float64(at(i)))
		case c.Base == store.FloatBase:
			c.AppendFloat(unsafe.Slice((*float64)(data), n)[i])
		default:
			c.AppendInt(at(i))
		}
	}
	return nil
}

// view is the bytes of a string value, valid as long as its chunk.
func (t *text) view() []byte {
	if t.bytes <= inlineBytes {
		return unsafe.Slice((*byte)(unsafe.Pointer(&t.prefix)), t.bytes)
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&t.rest)), t.bytes)
}

func validity(v bind.Vector, n int) func(int) bool {
	p := bind.VectorGetValidity(v)
	if p == nil {
		return func(int) bool { return true }
	}
	mask := unsafe.Slice((*uint64)(p), (n+63)/64)
	return func(i int) bool { return mask[i>>6]>>(i&63)&1 != 0 }
}

// numbers returns access to a vector of numbers, by the width of their type.
func numbers(id bind.Type, data unsafe.Pointer, n int) (func(int) int64, error) {
	switch id {
	case bind.TypeBigInt, bind.TypeUBigInt, bind.TypeTimestampNS, bind.TypeDouble:
		list := unsafe.Slice((*int64)(data), n)
		return func(i int) int64 { return list[i] }, nil
	case bind.TypeInteger:
		list := unsafe.Slice((*int32)(data), n)
		return func(i int) int64 { return int64(list[i]) }, nil
	case bind.TypeUSmallInt:
		list := unsafe.Slice((*uint16)(data), n)
		return func(i int) int64 { return int64(list[i]) }, nil
	case bind.TypeBoolean:
		list := unsafe.Slice((*uint8)(data), n)
		return func(i int) int64 { return int64(list[i]) }, nil
	}
	return nil, fmt.Errorf("the result is of DuckDB's type %d, which is not read", id)
}

func readList(v bind.Vector, c *store.Column, n int, valid func(int) bool) error {
	entries := unsafe.Slice((*[2]uint64)(bind.VectorGetData(v)), n)
	child := bind.ListVectorGetChild(v)
	total := int(bind.ListVectorGetSize(v))
	elements := store.Column{Base: store.UintBase}
	if c.Base == store.TextsBase {
		elements.Base = store.TextBase
	}
	if err := readVector(child, &elements, total); err != nil {
		return err
	}
	for i, e := range entries {
		if !valid(i) {
			c.AppendNull()
			continue
		}
		for j := e[0]; j < e[0]+e[1]; j++ {
			if c.Base != store.TextsBase {
				c.Ints = append(c.Ints, elements.Ints[j])
				continue
			}
			c.Text = append(c.Text, elements.TextAt(int(j))...)
			c.EndElement()
		}
		c.EndList()
	}
	return nil
}
