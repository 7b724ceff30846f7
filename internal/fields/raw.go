package fields

import (
	"bytes"
	"iter"
)

// Kind returns the kind of the record that is loaded.
func (r *Reader) Kind() string { return r.schema.Kind }

// Has reports whether records of the loaded kind have a field.
func (r *Reader) Has(name string) bool {
	_, ok := r.columns[r.schema][name]
	return ok
}

// Raw returns a value as Zeek's logs write it, escapes and all: nil if it is
// unset, empty, or the kind has no such field. It is valid until the next Load
// and costs no memory.
func (r *Reader) Raw(name string) []byte {
	if !r.Has(name) {
		return nil
	}
	return r.raw(name)
}

// Text is Raw without escapes; only of escaped values memory is made.
func (r *Reader) Text(name string) []byte {
	v := r.Raw(name)
	if bytes.IndexByte(v, '\\') < 0 {
		return v
	}
	return []byte(unescape(string(v)))
}

// Line returns all values as Zeek's logs write them, separated by tabs. It is
// valid until the next Load.
func (r *Reader) Line() []byte { return r.enc.Buf }

// Elements goes through the elements of a set or vector, without escapes.
func (r *Reader) Elements(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		rest, more := r.Raw(name), true
		for rest != nil && more {
			var e []byte
			e, rest, more = bytes.Cut(rest, []byte{','})
			if bytes.IndexByte(e, '\\') >= 0 {
				e = []byte(unescape(string(e)))
			}
			if !yield(e) {
				return
			}
		}
	}
}
