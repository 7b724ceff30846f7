package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"tyto/internal/record"
)

// Rows takes records in the form record.Row, as sensor.Config.Rows gives them,
// and gathers them in a Loader. It fills the columns of batches as they come,
// without text in between. Make it with [Loader.Rows].
type Rows struct {
	loader  *Loader
	layouts map[uint64][2]*layout // by the schema's ID: alone, and after record.Identity
	latest  int64                 // time of a record, ns
}

// layout is where the fields of a record go.
type layout struct {
	kind    *Kind
	batch   *Batch
	columns []int // by field; -1: the table has no such column
	names   []string
	rest    []int // columns of the table that the record has no field for
}

// Rows returns a way in for records of the given schemas. It is for the
// goroutine that uses the Loader, until Close.
func (l *Loader) Rows(schemas []*record.Schema) *Rows {
	r := &Rows{loader: l, layouts: make(map[uint64][2]*layout)}
	for _, s := range schemas {
		kind := l.kinds.Find(s.Kind)
		if kind == nil {
			continue
		}
		with := append(append([]record.Field{}, record.Identity.Fields...), s.Fields...)
		r.layouts[s.ID()] = [2]*layout{newLayout(kind, s.Fields), newLayout(kind, with)}
	}
	return r
}

func newLayout(k *Kind, fields []record.Field) *layout {
	y := &layout{kind: k}
	have := make([]bool, len(k.Fields))
	for _, f := range fields {
		i := k.Field(f.Name)
		if i >= 0 && have[i] {
			i = -1 // a second field of the name
		}
		if i >= 0 {
			have[i] = true
		}
		y.columns, y.names = append(y.columns, i), append(y.names, f.Name)
	}
	for i := range have {
		if i > 0 && !have[i] {
			y.rest = append(y.rest, i)
		}
	}
	return y
}

var errCut = errors.New("it is cut short")

// Add takes a record. After an error nothing more is taken.
func (r *Rows) Add(row []byte) error {
	l := r.loader
	if l.err != nil {
		return l.err
	}
	l.lines++
	if len(row) < record.RowHead || row[0] > 1 {
		l.err = fmt.Errorf("record %d is not in the form of a row", l.lines)
		return l.err
	}
	id := binary.LittleEndian.Uint64(row[1:])
	y := r.layouts[id][row[0]]
	if y == nil {
		l.unknown(fmt.Sprintf("schema %x", id))
		return nil
	}
	if y.batch == nil {
		if y.batch = l.batches[y.kind.Name]; y.batch == nil {
			y.batch = l.add(y.kind)
		}
	}
	if err := r.fill(y, row[record.RowHead:]); err != nil {
		y.batch.Undo()
		l.err = fmt.Errorf("record %d, a %s: %w", l.lines, y.kind.Name, err)
		return l.err
	}
	l.added(y.batch)
	return l.err
}

// fill appends a row to the layout's batch.
func (r *Rows) fill(y *layout, b []byte) error {
	columns := y.batch.Columns
	n := y.batch.Rows
	for f, at := range y.columns {
		if len(b) == 0 {
			return errCut
		}
		if record.Tag(b[0]) == record.RowUnset {
			if b = b[1:]; at > 0 {
				columns[at].AppendNull()
			}
			continue
		}
		if at < 0 {
			rest, err := skip(b)
			if err != nil {
				return fmt.Errorf("field %s: %w", y.names[f], err)
			}
			r.loader.unknown(y.kind.Name + "." + y.names[f])
			b = rest
			continue
		}
		rest, err := columns[at].take(b, y.kind.Fields[at].Type)
		if err != nil {
			return fmt.Errorf("field %s, a %s: %w", y.names[f], y.kind.Fields[at].Type, err)
		}
		b = rest
	}
	if len(b) > 0 {
		return errors.New("it goes on after its last field")
	}
	for _, at := range y.rest {
		columns[at].AppendNull()
	}
	t := &columns[0]
	switch {
	case len(t.Null) > n:
		r.latest = max(r.latest, t.Ints[n])
	case y.kind.borrows:
		t.AppendInt(r.latest)
	default:
		return fmt.Errorf("it has no %s", y.kind.Fields[0].Name)
	}
	y.batch.Rows++
	return nil
}

// take appends the value at the start of b, which is not unset, and returns what
// follows it.
func (c *Column) take(b []byte, t record.Type) ([]byte, error) {
	tag := record.Tag(b[0])
	b = b[1:]
	switch tag {
	case record.RowFalse, record.RowTrue:
		if c.Base != BoolBase {
			return nil, errType
		}
		c.AppendInt(int64(tag - record.RowFalse))
		return b, nil
	case record.RowUint, record.RowInt, record.RowTime, record.RowFloat:
		if len(b) < 8 {
			return nil, errCut
		}
		return b[8:], c.number(tag, t, binary.LittleEndian.Uint64(b))
	}
	if len(b) < 4 {
		return nil, errCut
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	b = b[4:]
	switch tag {
	case record.RowText:
		if uint64(len(b)) < n {
			return nil, errCut
		}
		if c.Base != TextBase {
			return nil, errType
		}
		if !valid(b[:n]) {
			return nil, errors.New("it is no UTF-8")
		}
		c.Text = append(c.Text, b[:n]...)
		c.EndText()
		return b[n:], nil
	case record.RowTexts:
		if c.Base != TextsBase {
			return nil, errType
		}
		return c.texts(b, n)
	case record.RowUints, record.RowTimes:
		if c.Base != UintsBase && c.Base != IntsBase || (tag == record.RowTimes) != (c.Base == IntsBase) {
			return nil, errType
		}
		if uint64(len(b)) < 8*n {
			return nil, errCut
		}
		for ; n > 0; n-- {
			c.Ints = append(c.Ints, int64(binary.LittleEndian.Uint64(b)))
			b = b[8:]
		}
		c.EndList()
		return b, nil
	}
	return nil, fmt.Errorf("there is no tag %d", tag)
}

var errType = errors.New("its value is of another type")

// number appends a number, in the unit of the field's type.
func (c *Column) number(tag record.Tag, t record.Type, bits uint64) error {
	nanos := t == record.Time || t == record.Interval
	switch v := int64(bits); {
	case c.Base == FloatBase:
		f := math.Float64frombits(bits)
		switch tag {
		case record.RowUint:
			f = float64(bits)
		case record.RowInt:
			f = float64(v)
		case record.RowTime:
			f = float64(v) / 1e9
		}
		if math.IsInf(f, 0) || math.IsNaN(f) {
			c.AppendNull()
			return nil
		}
		c.AppendFloat(f)
	case nanos != (tag == record.RowTime) || tag == record.RowFloat || c.Base == BoolBase || c.Base == TextBase || c.Base.List():
		return errType
	case tag == record.RowInt && v < 0 && c.Base != IntBase || tag == record.RowUint && v < 0 && c.Base == IntBase:
		return errors.New("it has no such values")
	case c.Base == PortBase && bits > math.MaxUint16:
		return errors.New("it is no port")
	default:
		c.AppendInt(v)
	}
	return nil
}

func (c *Column) texts(b []byte, n uint64) ([]byte, error) {
	for ; n > 0; n-- {
		if len(b) < 4 {
			return nil, errCut
		}
		size := uint64(binary.LittleEndian.Uint32(b))
		if b = b[4:]; uint64(len(b)) < size {
			return nil, errCut
		}
		if !valid(b[:size]) {
			return nil, errors.New("it is no UTF-8")
		}
		c.Text = append(c.Text, b[:size]...)
		c.EndElement()
		b = b[size:]
	}
	c.EndList()
	return b, nil
}

// valid is utf8.Valid for texts that are short and ASCII, mostly.
func valid(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return utf8.Valid(b)
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return utf8.Valid(b)
		}
	}
	return true
}

// skip passes over a value.
func skip(b []byte) ([]byte, error) {
	c := Column{}
	base := map[record.Tag]BaseType{record.RowFalse: BoolBase, record.RowTrue: BoolBase, record.RowText: TextBase, record.RowTexts: TextsBase,
		record.RowUints: UintsBase, record.RowTimes: IntsBase}
	c.Base = base[record.Tag(b[0])]
	if c.Base == NoBase {
		c.Base = FloatBase
	}
	return c.take(b, record.Double)
}
