package record

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"unicode/utf8"
)

// A record in format [Row] is for who reads it in the same process: it costs a
// fraction of what text costs to write and to read. It has, all little-endian,
//
//	1 byte    1: the fields of [Identity] come before those of the kind, else 0
//	8 bytes   the kind's Schema.ID
//
// and then for each field in order a Tag and its value:
//
//	RowUnset, RowFalse, RowTrue          nothing
//	RowUint, RowInt, RowTime, RowFloat   8 bytes
//	RowText                              4 bytes, how long it is, and UTF-8
//	RowTexts                             4 bytes, how many, and each as a text is
//	RowUints, RowTimes                   4 bytes, how many, and 8 bytes each
//
// Texts and numbers are what a reader of the JSON form gets.

// Tag says what value of a row follows.
type Tag uint8

// Tags.
const (
	RowUnset Tag = iota
	RowFalse
	RowTrue
	RowUint
	RowInt
	RowTime // nanoseconds: of Time and Interval
	RowFloat
	RowText
	RowTexts
	RowUints
	RowTimes // nanoseconds
)

// RowHead is how many bytes come before the first field.
const RowHead = 9

// ID identifies the schema's kind and the names and types of its fields.
func (s *Schema) ID() uint64 { return s.id }

func (s *Schema) identify() uint64 {
	h := fnv.New64a()
	h.Write([]byte(s.Kind))
	for _, f := range s.Fields {
		h.Write([]byte{0, byte(f.Type)})
		h.Write([]byte(f.Name))
	}
	return h.Sum64()
}

// tag starts a field of a row.
func (e *Encoder) tag(t Tag) {
	e.Buf = append(e.Buf, byte(t))
	e.next++
}

// tag8 writes a field of a row that has 8 bytes.
func (e *Encoder) tag8(t Tag, v uint64) {
	e.Buf = binary.LittleEndian.AppendUint64(append(e.Buf, byte(t)), v)
	e.next++
}

// rowFloat writes a number as Float rounds it.
func (e *Encoder) rowFloat(v float64) { e.tag8(RowFloat, math.Float64bits(math.Round(v*1e6)/1e6)) }

func (e *Encoder) rowTexts(list []string) {
	e.tag(RowTexts)
	e.Buf = binary.LittleEndian.AppendUint32(e.Buf, uint32(len(list)))
	for _, s := range list {
		e.Buf = appendRowText(e.Buf, s)
	}
}

func (e *Encoder) rowNumbers(t Tag, n int, at func(i int) uint64) {
	e.tag(t)
	e.Buf = binary.LittleEndian.AppendUint32(e.Buf, uint32(n))
	for i := range n {
		e.Buf = binary.LittleEndian.AppendUint64(e.Buf, at(i))
	}
}

// appendRowText writes a text after its length. Bytes that are no UTF-8 become
// the text \xHH, as in JSON.
func appendRowText[T []byte | string](b []byte, s T) []byte {
	from := len(b)
	b = append(b, 0, 0, 0, 0)
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		b = append(b, s...)
	} else {
		b = appendValid(b, s)
	}
	binary.LittleEndian.PutUint32(b[from:], uint32(len(b)-from-4))
	return b
}

func appendValid[T []byte | string](b []byte, s T) []byte {
	start := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		if r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))])); r != utf8.RuneError || n > 1 {
			i += n
			continue
		}
		b = append(append(b, s[start:i]...), '\\', 'x', hexDigits[s[i]>>4], hexDigits[s[i]&15])
		i++
		start = i
	}
	return append(b, s[start:]...)
}
