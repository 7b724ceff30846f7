// Package fields reads the values of protocol records by the names of their
// fields. Records can write themselves and nothing else: a Reader lets them write
// Zeek's tab-separated form, which says where each value ends, and looks into
// that. So who reads a record needs no import of its protocol.
package fields

import (
	"strconv"
	"strings"

	"tyto/internal/record"
)

// Record is what can be read: protocol.Record.
type Record interface {
	Schema() *record.Schema
	Append(*record.Encoder)
}

// Reader reads one record after the other. The zero value is ready for use, by
// one goroutine. What its methods return does not refer to the record.
type Reader struct {
	enc     record.Encoder
	schema  *record.Schema
	columns map[*record.Schema]map[string]int
	ends    []int // of the values in enc.Buf
}

// Load makes the values of a record readable, until the next Load.
func (r *Reader) Load(rec Record) {
	s := rec.Schema()
	if r.columns == nil {
		r.columns = make(map[*record.Schema]map[string]int)
		r.enc.Format = record.TSV
	}
	if r.columns[s] == nil {
		r.columns[s] = make(map[string]int, len(s.Fields))
		for i, f := range s.Fields {
			r.columns[s][f.Name] = i
		}
	}
	r.schema = s
	r.enc.Buf = r.enc.Buf[:0]
	r.enc.Begin(s)
	rec.Append(&r.enc)
	r.enc.End()
	r.ends = r.ends[:0]
	for i, c := range r.enc.Buf {
		if c == '\t' || c == '\n' {
			r.ends = append(r.ends, i)
		}
	}
}

// raw returns a value as it was written, nil if it is unset or empty. It panics
// if records of the kind have no such field: a mistake of the caller.
func (r *Reader) raw(name string) []byte {
	i, ok := r.columns[r.schema][name]
	if !ok {
		panic("fields: " + r.schema.Kind + " records have no field " + name)
	}
	start := 0
	if i > 0 {
		start = r.ends[i-1] + 1
	}
	if v := r.enc.Buf[start:r.ends[i]]; string(v) != "-" && string(v) != "(empty)" {
		return v
	}
	return nil
}

// Str returns a string, "" if it is unset.
func (r *Reader) Str(name string) string { return unescape(string(r.raw(name))) }

// Is reports whether a field has a value, without memory for it.
func (r *Reader) Is(name, value string) bool { return string(r.raw(name)) == value }

// Strs returns the elements of a set or vector.
func (r *Reader) Strs(name string) []string {
	v := string(r.raw(name))
	if v == "" {
		return nil
	}
	list := strings.Split(v, ",")
	for i, s := range list {
		if s == "(empty)" {
			s = ""
		}
		list[i] = unescape(s)
	}
	return list
}

// Uint returns a count, 0 if it is unset.
func (r *Reader) Uint(name string) uint64 {
	v, err := strconv.ParseUint(string(r.raw(name)), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// True reports whether a boolean is set and true, False whether it is set and
// false.
func (r *Reader) True(name string) bool { return r.Is(name, "T") }

// False reports whether a boolean is set and false.
func (r *Reader) False(name string) bool { return r.Is(name, "F") }

// unescape undoes the escapes of a Zeek log.
func unescape(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := []byte(s[:i])
	for ; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b = append(b, s[i])
		case s[i+1] == 'x' && i+3 < len(s):
			v, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
			if err != nil {
				b = append(b, s[i])
				continue
			}
			b = append(b, byte(v))
			i += 3
		default:
			b = append(b, s[i+1])
			i++
		}
	}
	return string(b)
}
