package store

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"tyto/internal/record"
)

// scanner reads the JSON of a record: objects of strings, numbers, booleans,
// null and lists of them. Every method reports whether what it is for was
// there; after false the scanner is of no use.
type scanner struct {
	b  []byte
	at int
}

func (s *scanner) error(what string) error { return fmt.Errorf("column %d: %s", s.at+1, what) }

func (s *scanner) space() {
	for s.at < len(s.b) && (s.b[s.at] == ' ' || s.b[s.at] == '\t') {
		s.at++
	}
}

// byte passes over c.
func (s *scanner) byte(c byte) bool {
	s.space()
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

// literal passes over a word.
func (s *scanner) literal(word string) bool {
	s.space()
	if len(s.b)-s.at >= len(word) && string(s.b[s.at:s.at+len(word)]) == word {
		s.at += len(word)
		return true
	}
	return false
}

func (s *scanner) end() bool {
	s.space()
	return s.at == len(s.b)
}

// text reads a string and appends it to to; with nil, a string without escapes
// is returned in place. The result is valid UTF-8.
func (s *scanner) text(to []byte) ([]byte, bool) {
	if !s.byte('"') {
		return nil, false
	}
	start, ascii := s.at, true
	for s.at < len(s.b) {
		switch c := s.b[s.at]; {
		case c == '"':
			t := s.b[start:s.at]
			s.at++
			if !ascii && !utf8.Valid(t) {
				return nil, false
			}
			if to == nil {
				return t, true
			}
			return append(to, t...), true
		case c == '\\':
			return s.escaped(append(to, s.b[start:s.at]...))
		case c < ' ':
			return nil, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
		s.at++
	}
	return nil, false
}

// escaped reads the rest of a string that has escapes.
func (s *scanner) escaped(to []byte) ([]byte, bool) {
	from := len(to)
	for s.at < len(s.b) {
		c := s.b[s.at]
		s.at++
		switch {
		case c == '"':
			return to, utf8.Valid(to[min(from, len(to)):])
		case c < ' ':
			return nil, false
		case c != '\\':
			to = append(to, c)
			continue
		}
		r, ok := s.escape()
		if !ok {
			return nil, false
		}
		to = utf8.AppendRune(to, r)
	}
	return nil, false
}

// escape reads what follows a backslash.
func (s *scanner) escape() (rune, bool) {
	if s.at == len(s.b) {
		return 0, false
	}
	c := s.b[s.at]
	s.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		r, ok := s.hex4()
		if !ok || !utf16.IsSurrogate(r) {
			return r, ok
		}
		if len(s.b)-s.at < 2 || s.b[s.at] != '\\' || s.b[s.at+1] != 'u' {
			return utf8.RuneError, true
		}
		s.at += 2
		low, ok := s.hex4()
		return utf16.DecodeRune(r, low), ok
	}
	return 0, false
}

func (s *scanner) hex4() (rune, bool) {
	if len(s.b)-s.at < 4 {
		return 0, false
	}
	v, err := strconv.ParseUint(string(s.b[s.at:s.at+4]), 16, 16)
	s.at += 4
	return rune(v), err == nil
}

// number returns the text of a number.
func (s *scanner) number() ([]byte, bool) {
	s.space()
	from := s.at
	for s.at < len(s.b) {
		c := s.b[s.at]
		if c-'0' > 9 && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			break
		}
		s.at++
	}
	return s.b[from:s.at], s.at > from
}

// value reads a value of a type into a column, as a row.
func (s *scanner) value(c *Column, t record.Type) bool {
	if s.literal("null") {
		c.AppendNull()
		return true
	}
	switch c.Base {
	case TextBase:
		var ok bool
		if c.Text, ok = s.into(c.Text); ok {
			c.EndText()
		}
		return ok
	case TextsBase, UintsBase, IntsBase:
		return s.list(c)
	case BoolBase:
		v := s.literal("true")
		if !v && !s.literal("false") {
			return false
		}
		c.AppendInt(map[bool]int64{true: 1}[v])
		return true
	}
	text, ok := s.number()
	if !ok {
		return false
	}
	if c.Base == FloatBase {
		v, err := strconv.ParseFloat(string(text), 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			return false
		}
		c.AppendFloat(v)
		return true
	}
	v, ok := integer(text, c.Base, t)
	if ok {
		c.AppendInt(v)
	}
	return ok
}

// into is text for a column: on failure the column's bytes stay as they were.
// What has parts of its own, as a detection's evidence, is kept as its JSON.
func (s *scanner) into(to []byte) ([]byte, bool) {
	if to == nil {
		to = make([]byte, 0, 1024)
	}
	if s.space(); s.at < len(s.b) && (s.b[s.at] == '{' || s.b[s.at] == '[') {
		from := s.at
		if !s.skip() || !utf8.Valid(s.b[from:s.at]) {
			return to, false
		}
		return append(to, s.b[from:s.at]...), true
	}
	t, ok := s.text(to)
	if !ok {
		return to, false
	}
	return t, true
}

func integer(text []byte, base BaseType, t record.Type) (int64, bool) {
	switch {
	case t == record.Time || t == record.Interval || base == IntsBase:
		return nanoseconds(text)
	case base == UintBase || base == UintsBase:
		v, ok := digits(text)
		return int64(v), ok
	case base == PortBase:
		v, ok := digits(text)
		return int64(v), ok && v <= math.MaxUint16
	}
	v, err := strconv.ParseInt(string(text), 10, 64)
	return v, err == nil
}

// digits reads an unsigned number.
func digits(text []byte) (uint64, bool) {
	if len(text) == 0 || len(text) > 19 {
		v, err := strconv.ParseUint(string(text), 10, 64)
		return v, err == nil
	}
	var v uint64
	for _, c := range text {
		if c-'0' > 9 {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}

// nanoseconds reads seconds with up to nine decimals, without loss.
func nanoseconds(text []byte) (int64, bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	whole, fraction := text, []byte(nil)
	for i, c := range text {
		if c == '.' {
			whole, fraction = text[:i], text[i+1:]
			if len(fraction) == 0 {
				return 0, false
			}
			break
		}
	}
	sec, ok := digits(whole)
	if !ok || len(fraction) > 9 || sec > math.MaxInt64/1_000_000_000 {
		return 0, false
	}
	ns := sec * 1_000_000_000
	if len(fraction) > 0 {
		f, ok := digits(fraction)
		if !ok {
			return 0, false
		}
		for range 9 - len(fraction) {
			f *= 10
		}
		ns += f
	}
	if ns > math.MaxInt64 {
		return 0, false
	}
	if negative {
		return -int64(ns), true
	}
	return int64(ns), true
}

// list reads a list into a column, as a row.
func (s *scanner) list(c *Column) bool {
	if !s.byte('[') {
		return false
	}
	if s.byte(']') {
		c.EndList()
		return true
	}
	for {
		if !s.element(c) {
			return false
		}
		if s.byte(']') {
			c.EndList()
			return true
		}
		if !s.byte(',') {
			return false
		}
	}
}

func (s *scanner) element(c *Column) bool {
	if c.Base == TextsBase {
		var ok bool
		if c.Text, ok = s.into(c.Text); ok {
			c.EndElement()
		}
		return ok
	}
	text, ok := s.number()
	if !ok {
		return false
	}
	v, ok := integer(text, c.Base, record.Invalid)
	if ok {
		c.Ints = append(c.Ints, v)
	}
	return ok
}

// maxDepth is how deep values may nest that are passed over.
const maxDepth = 32

// skip passes over a value of any form.
func (s *scanner) skip() bool { return s.pass(0) }

func (s *scanner) pass(depth int) bool {
	s.space()
	if s.at == len(s.b) || depth > maxDepth {
		return false
	}
	switch s.b[s.at] {
	case '"':
		_, ok := s.text(nil)
		return ok
	case '[':
		return s.passAll('[', ']', depth, false)
	case '{':
		return s.passAll('{', '}', depth, true)
	case 't', 'f', 'n':
		return s.literal("true") || s.literal("false") || s.literal("null")
	}
	_, ok := s.number()
	return ok
}

func (s *scanner) passAll(open, end byte, depth int, named bool) bool {
	if !s.byte(open) {
		return false
	}
	if s.byte(end) {
		return true
	}
	for {
		if named {
			if _, ok := s.text(nil); !ok || !s.byte(':') {
				return false
			}
		}
		if !s.pass(depth + 1) {
			return false
		}
		if s.byte(end) {
			return true
		}
		if !s.byte(',') {
			return false
		}
	}
}
