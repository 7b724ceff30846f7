package record

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"
	"unicode/utf8"
)

// Format is the syntax an Encoder writes.
type Format uint8

// Formats.
const (
	JSON     Format = iota // one object a line, with its kind in "record"
	ZeekJSON               // one object a line, as Zeek's JSON logs: no "record"
	TSV                    // tab-separated, as Zeek's ASCII logs
	Row                    // typed values, for a store in the same process: see Tag

	Formats = iota // how many there are
)

// Encoder appends records to a buffer. Begin starts a record; then exactly one
// call for each field of its schema, in order; then End. In JSON, values that
// are unset (Unset, empty strings and lists) are left out; in TSV they are "-"
// or "(empty)" as in Zeek's logs.
//
// The zero value writes JSON into an empty buffer. An Encoder is not for use
// by several goroutines at once.
type Encoder struct {
	Buf    []byte
	Format Format

	schema *Schema
	next   int  // index of the field the next call writes
	first  bool // no field written yet (JSON separators)

	second     int64 // whose text is secondText
	secondText []byte
}

// Begin starts a record of the given kind.
func (e *Encoder) Begin(s *Schema) {
	e.schema, e.next, e.first = s, 0, true
	switch e.Format {
	case JSON:
		e.Buf = append(e.Buf, s.head...)
		e.first = false
	case ZeekJSON:
		e.Buf = append(e.Buf, '{')
	case Row:
		e.Buf = binary.LittleEndian.AppendUint64(append(e.Buf, 0), s.id)
	}
}

// Begin2 starts a record of the given kind whose first fields are those of
// another schema; Sub goes on with the kind's own.
func (e *Encoder) Begin2(kind, first *Schema) {
	e.Begin(kind)
	e.schema = first
	if e.Format == Row {
		e.Buf[len(e.Buf)-RowHead] = 1
	}
}

// Continue starts in the middle of a record: the fields of s are written with
// separators in front. There is no End.
func (e *Encoder) Continue(s *Schema) { e.schema, e.next, e.first = s, 0, false }

// End finishes the record. It panics if the record did not write all the
// fields of its schema: a mistake in the program, found by any test of it.
func (e *Encoder) End() {
	if e.next != len(e.schema.Fields) {
		panic("record: " + e.schema.Kind + " wrote " + strconv.Itoa(e.next) + " of " + strconv.Itoa(len(e.schema.Fields)) + " fields")
	}
	switch e.Format {
	case Row:
		return
	case JSON, ZeekJSON:
		e.Buf = append(e.Buf, '}')
	}
	e.Buf = append(e.Buf, '\n')
}

// Sub makes the fields of another schema follow those written so far, within
// the same record: the identity of a session in front of a protocol's fields.
func (e *Encoder) Sub(s *Schema) {
	if e.next != len(e.schema.Fields) {
		panic("record: " + e.schema.Kind + " wrote " + strconv.Itoa(e.next) + " of " + strconv.Itoa(len(e.schema.Fields)) + " fields")
	}
	e.schema, e.next = s, 0
}

// key writes what stands before a value: its name in JSON, a tab in TSV.
func (e *Encoder) key() {
	if e.Format == TSV {
		if !e.first {
			e.Buf = append(e.Buf, '\t')
		}
	} else {
		k := e.schema.keys[e.next]
		switch n := len(e.Buf); {
		case e.first:
			e.Buf = append(e.Buf, k[1:]...)
		case len(k) <= keyBytes && cap(e.Buf)-n >= keyBytes:
			// Faster than a copy of len(k); what is too much is overwritten.
			to, from := e.Buf[n:n+keyBytes], k[:keyBytes]
			binary.NativeEndian.PutUint64(to, binary.NativeEndian.Uint64(from))
			binary.NativeEndian.PutUint64(to[8:], binary.NativeEndian.Uint64(from[8:]))
			binary.NativeEndian.PutUint64(to[16:], binary.NativeEndian.Uint64(from[16:]))
			binary.NativeEndian.PutUint64(to[24:], binary.NativeEndian.Uint64(from[24:]))
			e.Buf = e.Buf[:n+len(k)]
		default:
			e.Buf = append(e.Buf, k...)
		}
	}
	e.first = false
	e.next++
}

// Again writes the text of the next n fields, which is what the encoder wrote of
// them in another record.
func (e *Encoder) Again(text []byte, n int) {
	e.Buf = append(e.Buf, text...)
	e.first = false
	e.next += n
}

// Unset writes that the field has no value.
func (e *Encoder) Unset() {
	switch e.Format {
	case TSV:
		e.key()
		e.Buf = append(e.Buf, '-')
	case Row:
		e.tag(RowUnset)
	default:
		e.next++
	}
}

func (e *Encoder) empty() {
	if e.Format == TSV {
		e.key()
		e.Buf = append(e.Buf, "(empty)"...)
		return
	}
	e.Unset()
}

// Str writes a string, or nothing if it is empty.
func (e *Encoder) Str(s string) {
	if s == "" {
		e.Unset()
		return
	}
	if e.Format == Row {
		e.tag(RowText)
		e.Buf = appendRowText(e.Buf, s)
		return
	}
	e.key()
	e.value(s)
}

// Bytes writes a string that is held as bytes, or nothing if it is empty.
// Bytes that are not UTF-8 are written as \xHH, as Zeek does.
func (e *Encoder) Bytes(b []byte) {
	if len(b) == 0 {
		e.Unset()
		return
	}
	if e.Format == Row {
		e.tag(RowText)
		e.Buf = appendRowText(e.Buf, b)
		return
	}
	e.key()
	if e.Format == TSV {
		e.Buf = appendTSV(e.Buf, b)
		return
	}
	e.Buf = appendJSON(e.Buf, b)
}

func (e *Encoder) value(s string) {
	if e.Format == TSV {
		e.Buf = appendTSV(e.Buf, s)
		return
	}
	e.Buf = appendJSON(e.Buf, s)
}

// Strs writes a list of strings; an empty one is left out of JSON.
func (e *Encoder) Strs(list []string) {
	if len(list) == 0 {
		e.empty()
		return
	}
	if e.Format == Row {
		e.rowTexts(list)
		return
	}
	e.key()
	if e.Format == TSV {
		for i, s := range list {
			if i > 0 {
				e.Buf = append(e.Buf, ',')
			}
			if s == "" {
				e.Buf = append(e.Buf, "(empty)"...)
				continue
			}
			e.Buf = appendTSVElement(e.Buf, s)
		}
		return
	}
	e.Buf = append(e.Buf, '[')
	for i, s := range list {
		if i > 0 {
			e.Buf = append(e.Buf, ',')
		}
		e.Buf = appendJSON(e.Buf, s)
	}
	e.Buf = append(e.Buf, ']')
}

// Uints writes a list of counts.
func (e *Encoder) Uints(list []uint64) {
	if len(list) == 0 {
		e.empty()
		return
	}
	if e.Format == Row {
		e.rowNumbers(RowUints, len(list), func(i int) uint64 { return list[i] })
		return
	}
	e.key()
	e.open()
	for i, v := range list {
		if i > 0 {
			e.Buf = append(e.Buf, ',')
		}
		e.Buf = strconv.AppendUint(e.Buf, v, 10)
	}
	e.close()
}

// Intervals writes a list of durations in nanoseconds.
func (e *Encoder) Intervals(list []int64) {
	if len(list) == 0 {
		e.empty()
		return
	}
	if e.Format == Row {
		e.rowNumbers(RowTimes, len(list), func(i int) uint64 { return uint64(list[i]) })
		return
	}
	e.key()
	e.open()
	for i, v := range list {
		if i > 0 {
			e.Buf = append(e.Buf, ',')
		}
		e.Buf = appendSeconds(e.Buf, v)
	}
	e.close()
}

func (e *Encoder) open() {
	if e.Format != TSV {
		e.Buf = append(e.Buf, '[')
	}
}

func (e *Encoder) close() {
	if e.Format != TSV {
		e.Buf = append(e.Buf, ']')
	}
}

// Uint writes a count or a port.
func (e *Encoder) Uint(v uint64) {
	if e.Format == Row {
		e.tag8(RowUint, v)
		return
	}
	e.key()
	// Most counts are small: strconv writes digits aside and copies them.
	switch {
	case v < 10:
		e.Buf = append(e.Buf, '0'+byte(v))
	case v < 100:
		e.Buf = append(e.Buf, '0'+byte(v/10), '0'+byte(v%10))
	case v < 1000:
		w := uint32(v)
		e.Buf = append(e.Buf, '0'+byte(w/100), '0'+byte(w/10%10), '0'+byte(w%10))
	case v < 100_000:
		w := uint32(v)
		if w >= 10_000 {
			e.Buf = append(e.Buf, '0'+byte(w/10_000))
			w %= 10_000
		}
		e.Buf = append(e.Buf, '0'+byte(w/1000), '0'+byte(w/100%10), '0'+byte(w/10%10), '0'+byte(w%10))
	default:
		e.Buf = strconv.AppendUint(e.Buf, v, 10)
	}
}

// Int writes a signed number.
func (e *Encoder) Int(v int64) {
	if e.Format == Row {
		e.tag8(RowInt, uint64(v))
		return
	}
	e.key()
	e.Buf = strconv.AppendInt(e.Buf, v, 10)
}

// Float writes a number with at most six significant decimals; NaN and
// infinities are unset.
func (e *Encoder) Float(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		e.Unset()
		return
	}
	if e.Format == Row {
		e.rowFloat(v)
		return
	}
	e.key()
	if v == 1 {
		e.Buf = append(e.Buf, '1')
		return
	}
	e.Buf = strconv.AppendFloat(e.Buf, math.Round(v*1e6)/1e6, 'f', -1, 64)
}

// Bool writes true or false (T or F in TSV).
func (e *Encoder) Bool(v bool) {
	if e.Format == Row {
		t := RowFalse
		if v {
			t = RowTrue
		}
		e.tag(t)
		return
	}
	e.key()
	switch {
	case e.Format == TSV && v:
		e.Buf = append(e.Buf, 'T')
	case e.Format == TSV:
		e.Buf = append(e.Buf, 'F')
	default:
		e.Buf = strconv.AppendBool(e.Buf, v)
	}
}

// Time writes a point in time given in nanoseconds since the epoch: seconds
// with six decimals, or nine if the microseconds do not say all.
func (e *Encoder) Time(ns int64) {
	if e.Format == Row {
		e.tag8(RowTime, uint64(ns))
		return
	}
	e.key()
	if ns < 1e9 {
		e.Buf = appendSeconds(e.Buf, ns)
		return
	}
	// Most records are of the second that the one before was of.
	if sec := ns / 1e9; sec != e.second {
		e.second, e.secondText = sec, strconv.AppendInt(e.secondText[:0], sec, 10)
	}
	e.Buf = appendFraction(append(e.Buf, e.secondText...), uint32(ns-e.second*1e9))
}

// Interval writes a duration in nanoseconds as seconds.
func (e *Encoder) Interval(ns int64) {
	if e.Format == Row {
		e.tag8(RowTime, uint64(ns))
		return
	}
	e.key()
	e.Buf = appendSeconds(e.Buf, ns)
}

// Addr writes an IP address; the zero Addr is unset.
func (e *Encoder) Addr(a netip.Addr) {
	if !a.IsValid() {
		e.Unset()
		return
	}
	if e.Format == Row {
		e.tag(RowText)
		n := len(e.Buf)
		e.Buf = a.AppendTo(append(e.Buf, 0, 0, 0, 0))
		binary.LittleEndian.PutUint32(e.Buf[n:], uint32(len(e.Buf)-n-4))
		return
	}
	e.key()
	if e.Format == TSV {
		e.Buf = a.AppendTo(e.Buf)
		return
	}
	e.Buf = append(e.Buf, '"')
	e.Buf = a.AppendTo(e.Buf)
	e.Buf = append(e.Buf, '"')
}

// Raw writes bytes that are already in the encoder's format and need no
// escaping; in JSON they are put in quotes.
func (e *Encoder) Raw(b []byte) {
	if e.Format == Row {
		e.tag(RowText)
		e.Buf = append(binary.LittleEndian.AppendUint32(e.Buf, uint32(len(b))), b...)
		return
	}
	e.key()
	if e.Format == TSV {
		e.Buf = append(e.Buf, b...)
		return
	}
	e.Buf = append(e.Buf, '"')
	e.Buf = append(e.Buf, b...)
	e.Buf = append(e.Buf, '"')
}

// JSON writes a value that is JSON already: a list of objects, for which there is
// no type of its own; in a log it is text. Its field is a String.
func (e *Encoder) JSON(b []byte) {
	if len(b) == 0 {
		e.empty()
		return
	}
	if e.Format == TSV || e.Format == Row {
		e.Bytes(b)
		return
	}
	e.key()
	e.Buf = append(e.Buf, b...)
}

func appendSeconds(b []byte, ns int64) []byte {
	if ns < 0 {
		b = append(b, '-')
		ns = -ns
		if ns < 0 { // the most negative number has no opposite
			ns = math.MaxInt64
		}
	}
	return appendFraction(strconv.AppendInt(b, ns/1e9, 10), uint32(ns%1e9))
}

// appendFraction writes a point and the microseconds, or the nanoseconds if
// those do not say all.
func appendFraction(b []byte, ns uint32) []byte {
	micros := ns / 1000
	hi, lo := micros/1000, micros%1000
	b = append(b, '.', '0'+byte(hi/100), '0'+byte(hi/10%10), '0'+byte(hi%10), '0'+byte(lo/100), '0'+byte(lo/10%10), '0'+byte(lo%10))
	if ns -= micros * 1000; ns != 0 {
		b = append(b, '0'+byte(ns/100), '0'+byte(ns/10%10), '0'+byte(ns%10))
	}
	return b
}

const hexDigits = "0123456789abcdef"

// plain has true for the ASCII bytes that stand for themselves in a JSON
// string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return
}()

// appendJSON writes a JSON string. Control characters become \u00XX; bytes
// that are no UTF-8 become the text \xHH, so that the line is valid JSON and
// no byte is lost.
func appendJSON[T []byte | string](b []byte, s T) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))])); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < utf8.RuneSelf:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, '\\', '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendTSV writes a string field of a Zeek log. A value that would read as
// unset or empty is escaped in its first byte, as Zeek does.
func appendTSV[T []byte | string](b []byte, s T) []byte {
	if len(s) == 1 && s[0] == '-' {
		return append(b, `\x2d`...)
	}
	if string(s) == "(empty)" {
		return append(b, `\x28empty)`...)
	}
	return appendEscaped(b, s, 0)
}

// appendTSVElement writes one element of a set or vector.
func appendTSVElement(b []byte, s string) []byte { return appendEscaped(b, s, ',') }

func appendEscaped[T []byte | string](b []byte, s T, sep byte) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			if r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))])); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		} else if c >= 0x20 && c != 0x7f && c != '\\' && (sep == 0 || c != sep) {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		if c == '\\' {
			b = append(b, '\\', '\\')
		} else {
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(b, s[start:]...)
}
