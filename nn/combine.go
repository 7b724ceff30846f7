package nn

import "tyto/nn/kernel"

// Add returns the sum of two tensors of one shape.
func (t *Tape) Add(a, b *Tensor) *Tensor {
	if a.Rows != b.Rows || a.Cols != b.Cols {
		fail("sum of %dx%d and %dx%d", a.Rows, a.Cols, b.Rows, b.Cols)
	}
	y := t.like(a)
	o := record[addition](t)
	*o = addition{a: a, b: b, y: y}
	kernel.AddTo(a.data, b.data, y.data)
	return y
}

type addition struct{ a, b, y *Tensor }

func (o *addition) backward(t *Tape) {
	if o.y.grad == nil {
		return
	}
	if t.addGradient(o.a, o.y.grad); o.b.grad == nil && !o.b.fixed {
		o.b.grad = o.y.grad // nothing else reads it any more
		return
	}
	t.addGradient(o.b, o.y.grad)
}

// Concat returns the columns of a followed by those of b.
func (t *Tape) Concat(a, b *Tensor) *Tensor {
	if a.Rows != b.Rows {
		fail("%d and %d rows side by side", a.Rows, b.Rows)
	}
	y := t.tensor(a.Rows, a.Cols+b.Cols, a.Starts)
	o := record[concatenation](t)
	*o = concatenation{a: a, b: b, y: y}
	for r := range y.Rows {
		copy(y.Row(r), a.Row(r))
		copy(y.Row(r)[a.Cols:], b.Row(r))
	}
	y.clearPadding()
	return y
}

type concatenation struct{ a, b, y *Tensor }

func (o *concatenation) backward(t *Tape) {
	if o.y.grad == nil {
		return
	}
	da, db := t.gradient(o.a), t.gradient(o.b)
	for r := range o.y.Rows {
		dy := o.y.GradRow(r)
		if da != nil {
			kernel.Add(dy[:o.a.Cols], o.a.GradRow(r))
		}
		if db != nil {
			kernel.Add(dy[o.a.Cols:], o.b.GradRow(r))
		}
	}
}

// Spread gives every row of the sequences of like the row of x that belongs to
// its sequence: x has one row for each.
func (t *Tape) Spread(x, like *Tensor) *Tensor {
	if x.Rows != like.Sequences() {
		fail("%d rows for %d sequences", x.Rows, like.Sequences())
	}
	y := t.tensor(like.Rows, x.Cols, like.Starts)
	o := record[spreading](t)
	*o = spreading{x: x, y: y}
	for s := range y.Sequences() {
		from, to := y.sequence(s)
		for r := from; r < to; r++ {
			copy(y.data[r*y.stride:][:y.stride], x.data[s*x.stride:])
		}
	}
	return y
}

type spreading struct{ x, y *Tensor }

func (o *spreading) backward(t *Tape) {
	if o.y.grad == nil {
		return
	}
	dx := t.gradient(o.x)
	for s := 0; dx != nil && s < o.y.Sequences(); s++ {
		from, to := o.y.sequence(s)
		kernel.ColSum(o.y.grad[from*o.y.stride:to*o.y.stride], dx[s*o.x.stride:][:o.x.stride])
	}
}

// Embed returns the rows of the table that the indices name; rows of the table
// are learned. starts may be nil, see Tensor.
func (t *Tape) Embed(table *Param, indices []int32, starts []int) *Tensor {
	y := t.tensor(len(indices), table.Cols, starts)
	o := record[embedding](t)
	*o = embedding{table: table, indices: indices, y: y}
	for r, i := range indices {
		if i < 0 || int(i) >= table.Rows {
			fail("%s has %d rows: there is no row %d", table.Name, table.Rows, i)
		}
		copy(y.data[r*y.stride:][:y.stride], table.padded()[int(i)*table.stride:])
	}
	return y
}

type embedding struct {
	table   *Param
	indices []int32
	y       *Tensor
}

func (o *embedding) backward(t *Tape) {
	if o.y.grad == nil {
		return
	}
	g := o.table.of(t.grad)
	for r, i := range o.indices {
		kernel.Add(o.y.GradRow(r), g[int(i)*o.table.stride:][:o.y.Cols])
	}
}
