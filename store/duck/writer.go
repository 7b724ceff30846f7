//go:build cgo && (linux || darwin || (windows && amd64))

package duck

/*
#include <stdlib.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	bind "github.com/duckdb/duckdb-go-bindings"

	"tyto/store"
)

// vectorRows is how many rows a DuckDB vector holds.
const vectorRows = 2048

// inlineBytes is the longest text that lies in DuckDB's string value itself.
const inlineBytes = 12

// arena is C memory for the texts of a chunk, which DuckDB copies when the
// chunk is appended.
type arena struct {
	base unsafe.Pointer
	room int
	used int
	full []unsafe.Pointer
}

// copy puts text into the arena and returns where it is.
func (a *arena) copy(text []byte) unsafe.Pointer {
	if a.used+len(text) > a.room {
		if a.base != nil {
			a.full = append(a.full, a.base)
		}
		a.room = max(1<<18, 2*a.room, len(text))
		a.base, a.used = C.malloc(C.size_t(a.room)), 0
	}
	at := unsafe.Add(a.base, a.used)
	copy(unsafe.Slice((*byte)(at), len(text)), text)
	a.used += len(text)
	return at
}

func (a *arena) reset() {
	for _, p := range a.full {
		C.free(p)
	}
	a.full, a.used = a.full[:0], 0
}

func (a *arena) free() {
	a.reset()
	C.free(a.base)
	*a = arena{}
}

// text is DuckDB's string value: up to 12 bytes inline, else a prefix and a
// pointer.
type text struct {
	bytes  uint32
	prefix [4]byte
	rest   [8]byte // more of it, or the address of all
}

func (t *text) set(s []byte, at unsafe.Pointer) {
	t.bytes = uint32(len(s))
	if len(s) <= inlineBytes {
		b := (*[inlineBytes]byte)(unsafe.Pointer(&t.prefix))
		*b = [inlineBytes]byte{}
		copy(b[:], s)
		return
	}
	copy(t.prefix[:], s)
	*(*uintptr)(unsafe.Pointer(&t.rest)) = uintptr(at)
}

// writer appends batches to one table.
type writer struct {
	appender bind.Appender
	chunk    bind.DataChunk
	columns  []int // place in the batch, by column of the table; -1: it has none
	texts    arena
}

func newWriter(k *conn, day string, t *table, b *store.Batch) (*writer, error) {
	w := new(writer)
	if bind.AppenderCreateExt(k.c, day, "main", b.Kind, &w.appender) == bind.StateError {
		err := errors.New(tidy(bind.AppenderError(w.appender)))
		bind.AppenderDestroy(&w.appender)
		return nil, err
	}
	types := make([]bind.LogicalType, len(t.columns))
	for i, c := range t.columns {
		at := -1
		for j, f := range b.Fields {
			if f.Name == c.name {
				at = j
			}
		}
		w.columns = append(w.columns, at)
		types[i] = bind.AppenderColumnType(w.appender, bind.IdxT(i))
	}
	w.chunk = bind.CreateDataChunk(types)
	for i := range types {
		bind.DestroyLogicalType(&types[i])
	}
	return w, nil
}

// append appends the rows of a batch. They are in the transaction after flush.
func (w *writer) append(b *store.Batch) error {
	for from := 0; from < b.Rows; from += vectorRows {
		n := min(vectorRows, b.Rows-from)
		for i, at := range w.columns {
			v := bind.DataChunkGetVector(w.chunk, bind.IdxT(i))
			if at < 0 {
				setNull(v, n, func(int) bool { return true })
				continue
			}
			if err := w.fill(v, &b.Columns[at], from, n); err != nil {
				return fmt.Errorf("column %s: %w", b.Fields[at].Name, err)
			}
		}
		bind.DataChunkSetSize(w.chunk, bind.IdxT(n))
		if bind.AppendDataChunk(w.appender, w.chunk) == bind.StateError {
			return errors.New(tidy(bind.AppenderError(w.appender)))
		}
		bind.DataChunkReset(w.chunk)
		w.texts.reset()
	}
	return nil
}

func (w *writer) flush() error {
	if bind.AppenderFlush(w.appender) == bind.StateError {
		return errors.New(tidy(bind.AppenderError(w.appender)))
	}
	return nil
}

func (w *writer) close() {
	bind.AppenderDestroy(&w.appender)
	bind.DestroyDataChunk(&w.chunk)
	w.texts.free()
}

// setNull marks rows of a vector as having no value.
func setNull(v bind.Vector, rows int, null func(row int) bool) {
	var mask []uint64
	for i := range rows {
		if !null(i) {
			continue
		}
		if mask == nil {
			bind.VectorEnsureValidityWritable(v)
			mask = unsafe.Slice((*uint64)(bind.VectorGetValidity(v)), vectorRows/64)
		}
		mask[i>>6] &^= 1 << (i & 63)
	}
}

// fill puts rows of a column into a vector.
func (w *writer) fill(v bind.Vector, c *store.Column, from, n int) error {
	null := c.Null[from : from+n]
	setNull(v, n, func(i int) bool { return null[i] })
	data := bind.VectorGetData(v)
	switch c.Base {
	case store.IntBase, store.UintBase:
		copy(unsafe.Slice((*int64)(data), n), c.Ints[from:from+n])
	case store.PortBase:
		narrow(unsafe.Slice((*uint16)(data), n), c.Ints[from:from+n])
	case store.BoolBase:
		narrow(unsafe.Slice((*uint8)(data), n), c.Ints[from:from+n])
	case store.FloatBase:
		copy(unsafe.Slice((*float64)(data), n), c.Floats[from:from+n])
	case store.TextBase:
		start := 0
		if from > 0 {
			start = int(c.Ends[from-1])
		}
		w.put(unsafe.Slice((*text)(data), n), c.Text, start, c.Ends[from:from+n])
	default:
		return w.fillList(v, c, from, n)
	}
	return nil
}

func narrow[T uint8 | uint16](to []T, from []int64) {
	for i, v := range from {
		to[i] = T(v)
	}
}

// put makes string values of texts that lie one after the other.
func (w *writer) put(to []text, all []byte, start int, ends []uint32) {
	if len(ends) == 0 {
		return
	}
	span := all[start:ends[len(ends)-1]]
	base := w.texts.copy(span)
	at := 0
	for i, e := range ends {
		end := int(e) - start
		to[i].set(span[at:end], unsafe.Add(base, at))
		at = end
	}
}

// fillList puts rows of lists into a vector: where each starts, and all their
// elements in the vector's child.
func (w *writer) fillList(v bind.Vector, c *store.Column, from, n int) error {
	first := 0
	if from > 0 {
		first = int(c.Ends[from-1])
	}
	total := int(c.Ends[from+n-1]) - first
	if bind.ListVectorReserve(v, bind.IdxT(total)) == bind.StateError || bind.ListVectorSetSize(v, bind.IdxT(total)) == bind.StateError {
		return fmt.Errorf("no memory for %d list elements", total)
	}
	entries := unsafe.Slice((*[2]uint64)(bind.VectorGetData(v)), n)
	at := uint64(0)
	for i, e := range c.Ends[from : from+n] {
		end := uint64(int(e) - first)
		entries[i] = [2]uint64{at, end - at}
		at = end
	}
	if total == 0 {
		return nil
	}
	data := bind.VectorGetData(bind.ListVectorGetChild(v))
	if c.Base != store.TextsBase {
		copy(unsafe.Slice((*int64)(data), total), c.Ints[first:first+total])
		return nil
	}
	start := 0
	if first > 0 {
		start = int(c.Elements[first-1])
	}
	w.put(unsafe.Slice((*text)(data), total), c.Text, start, c.Elements[first:first+total])
	return nil
}
