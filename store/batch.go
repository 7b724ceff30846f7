package store

import "tyto/internal/record"

// Batch is rows of one table, or of a query's result, held by columns. Fill it
// row by row: a value or Null for each column, then EndRow, which makes what
// was left out Null. A Batch is for one goroutine.
type Batch struct {
	Kind    string         // table the rows are for; empty in results
	Fields  []record.Field // what the columns are
	Columns []Column
	Rows    int
}

// NewBatch returns an empty batch for a table.
func NewBatch(k *Kind) *Batch {
	b := &Batch{Kind: k.Name, Fields: k.Fields}
	b.Shape()
	return b
}

// Shape makes one column for each of the fields, with no rows.
func (b *Batch) Shape() {
	b.Columns = make([]Column, len(b.Fields))
	for i := range b.Columns {
		b.Columns[i].Base = Base(b.Fields[i].Type)
	}
	b.Rows = 0
}

// Reset removes the rows and keeps the memory.
func (b *Batch) Reset() {
	for i := range b.Columns {
		b.Columns[i].reset()
	}
	b.Rows = 0
}

// EndRow finishes a row.
func (b *Batch) EndRow() {
	b.Rows++
	for i := range b.Columns {
		if c := &b.Columns[i]; len(c.Null) < b.Rows {
			c.AppendNull()
		}
	}
}

// Undo takes back what was appended of a row that EndRow did not finish.
func (b *Batch) Undo() {
	for i := range b.Columns {
		b.Columns[i].truncate(b.Rows)
	}
}

// Bytes returns about how much memory the rows take.
func (b *Batch) Bytes() int {
	n := 0
	for i := range b.Columns {
		c := &b.Columns[i]
		n += len(c.Null) + 8*len(c.Ints) + 8*len(c.Floats) + len(c.Text) + 4*len(c.Ends) + 4*len(c.Elements)
	}
	return n
}

// Value returns a value as Go has it: int64 (times and intervals in
// nanoseconds), uint64, bool, float64, string, []string, []uint64, []int64, or
// nil for Null.
func (b *Batch) Value(row, column int) any {
	c := &b.Columns[column]
	if c.Null[row] {
		return nil
	}
	switch c.Base {
	case IntBase:
		return c.Ints[row]
	case UintBase, PortBase:
		return uint64(c.Ints[row])
	case BoolBase:
		return c.Ints[row] != 0
	case FloatBase:
		return c.Floats[row]
	case TextBase:
		return string(c.TextAt(row))
	}
	from, to := c.Span(row)
	switch c.Base {
	case IntsBase:
		return append([]int64{}, c.Ints[from:to]...)
	case UintsBase:
		list := make([]uint64, 0, to-from)
		for _, v := range c.Ints[from:to] {
			list = append(list, uint64(v))
		}
		return list
	}
	list := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, string(c.ElementAt(i)))
	}
	return list
}

// Column is the values of one field. Which slices are used depends on Base:
//
//	IntBase, UintBase, PortBase, BoolBase: Ints, one a row
//	FloatBase: Floats
//	TextBase: row i is Text[Ends[i-1]:Ends[i]]
//	IntsBase, UintsBase: row i is Ints[Ends[i-1]:Ends[i]]
//	TextsBase: row i is the elements Ends[i-1] to Ends[i], where element j is
//	Text[Elements[j-1]:Elements[j]]
//
// A row that is Null has the zero value in them.
type Column struct {
	Base     BaseType
	Null     []bool
	Ints     []int64
	Floats   []float64
	Text     []byte
	Ends     []uint32
	Elements []uint32
}

// AppendNull appends a row without a value.
func (c *Column) AppendNull() {
	c.Null = append(c.Null, true)
	switch c.Base {
	case FloatBase:
		c.Floats = append(c.Floats, 0)
	case TextBase:
		c.Ends = append(c.Ends, uint32(len(c.Text)))
	case TextsBase:
		c.Ends = append(c.Ends, uint32(len(c.Elements)))
	case IntsBase, UintsBase:
		c.Ends = append(c.Ends, uint32(len(c.Ints)))
	default:
		c.Ints = append(c.Ints, 0)
	}
}

// AppendInt appends a row of a number, a time, an interval, a port or a
// boolean; an unsigned number by its bits.
func (c *Column) AppendInt(v int64) {
	c.Null = append(c.Null, false)
	c.Ints = append(c.Ints, v)
}

// AppendFloat appends a row of FloatBase.
func (c *Column) AppendFloat(v float64) {
	c.Null = append(c.Null, false)
	c.Floats = append(c.Floats, v)
}

// AppendText appends a row of TextBase.
func (c *Column) AppendText(s string) {
	c.Text = append(c.Text, s...)
	c.EndText()
}

// EndText appends a row of TextBase whose text was appended to c.Text.
func (c *Column) EndText() {
	c.Null = append(c.Null, false)
	c.Ends = append(c.Ends, uint32(len(c.Text)))
}

// EndElement ends an element of TextsBase whose text was appended to c.Text.
func (c *Column) EndElement() { c.Elements = append(c.Elements, uint32(len(c.Text))) }

// EndList appends a row of a list, whose elements are those appended since the
// row before it: to c.Ints, or ended by EndElement.
func (c *Column) EndList() {
	n := len(c.Ints)
	if c.Base == TextsBase {
		n = len(c.Elements)
	}
	c.Null = append(c.Null, false)
	c.Ends = append(c.Ends, uint32(n))
}

// Span returns where the row starts and ends: in Text, or among the elements of
// lists.
func (c *Column) Span(row int) (from, to int) {
	if row > 0 {
		from = int(c.Ends[row-1])
	}
	return from, int(c.Ends[row])
}

// TextAt returns the text of a row of TextBase, valid until the column changes.
func (c *Column) TextAt(row int) []byte {
	from, to := c.Span(row)
	return c.Text[from:to]
}

// ElementAt returns an element of TextsBase, valid until the column changes.
func (c *Column) ElementAt(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = c.Elements[i-1]
	}
	return c.Text[from:c.Elements[i]]
}

func (c *Column) reset() {
	c.Null, c.Ints, c.Floats, c.Text, c.Ends, c.Elements = c.Null[:0], c.Ints[:0], c.Floats[:0], c.Text[:0], c.Ends[:0], c.Elements[:0]
}

// truncate keeps the first rows, and takes back elements of a list that was not
// ended.
func (c *Column) truncate(rows int) {
	c.Null = c.Null[:rows]
	end := 0
	if c.Base == TextBase || c.Base.List() {
		c.Ends = c.Ends[:rows]
		if rows > 0 {
			end = int(c.Ends[rows-1])
		}
	}
	switch c.Base {
	case FloatBase:
		c.Floats = c.Floats[:rows]
	case TextBase:
		c.Text = c.Text[:end]
	case IntsBase, UintsBase:
		c.Ints = c.Ints[:end]
	case TextsBase:
		c.Elements = c.Elements[:end]
		text := 0
		if end > 0 {
			text = int(c.Elements[end-1])
		}
		c.Text = c.Text[:text]
	default:
		c.Ints = c.Ints[:rows]
	}
}

// AppendRow appends a row of another batch with the same fields.
func (b *Batch) AppendRow(from *Batch, row int) {
	for i := range b.Columns {
		b.Columns[i].appendFrom(&from.Columns[i], row)
	}
	b.Rows++
}

func (c *Column) appendFrom(from *Column, row int) {
	switch {
	case from.Null[row]:
		c.AppendNull()
	case c.Base == FloatBase:
		c.AppendFloat(from.Floats[row])
	case c.Base == TextBase:
		c.Text = append(c.Text, from.TextAt(row)...)
		c.EndText()
	case c.Base == TextsBase:
		first, end := from.Span(row)
		for i := first; i < end; i++ {
			c.Text = append(c.Text, from.ElementAt(i)...)
			c.EndElement()
		}
		c.EndList()
	case c.Base.List():
		first, end := from.Span(row)
		c.Ints = append(c.Ints, from.Ints[first:end]...)
		c.EndList()
	default:
		c.AppendInt(from.Ints[row])
	}
}
