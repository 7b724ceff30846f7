package hunt

import (
	"context"
	"errors"

	"tyto/internal/record"
	"tyto/store"
)

// compiler makes a store.Query of a query.
type compiler struct {
	ctx    context.Context
	kinds  *store.Kinds
	store  store.Store // what operators that need to know a row ask; nil to only check
	now    int64
	out    *store.Query
	fields []record.Field // columns so far
	kind   string         // table it started from, while rows are those of one table
	entity string         // kind of entities the rows are, or ""
	steps  int
}

// Compile returns the query for a store with tables of kinds. Now is the time
// that last 7d and -7d count from: that of the latest row, for captures. An
// error is an [*Error].
//
// Queries with like or path look for rows first and need Run.
func (q *Query) Compile(kinds *store.Kinds, now int64) (*store.Query, error) {
	c := &compiler{ctx: context.Background(), kinds: kinds, now: now}
	err := c.query(q)
	return c.out, err
}

func (c *compiler) query(q *Query) error {
	if err := q.Source.compile(c); err != nil {
		return err
	}
	for _, s := range q.Steps {
		if err := s.compile(c); err != nil {
			return err
		}
	}
	return nil
}

// add adds a step, or says at a column what is wrong with it.
func (c *compiler) add(s store.Step, column int) error {
	fields, err := store.Apply(s, c.fields, c.kinds, &c.steps)
	if err != nil {
		return &Error{column, err.Error()}
	}
	c.fields = fields
	c.out.Steps = append(c.out.Steps, s)
	switch s.(type) {
	case store.Group, store.Select, store.Join:
		c.kind, c.entity = "", ""
	}
	return nil
}

// inner compiles a query inside the query: what is joined.
func (c *compiler) inner(q *Query) (*compiler, error) {
	in := &compiler{ctx: c.ctx, kinds: c.kinds, store: c.store, now: c.now}
	return in, in.query(q)
}

// has reports whether there is a column of a name.
func (c *compiler) has(name string) bool {
	for _, f := range c.fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

// errNoStore is what like and path give without a store to look into.
var errNoStore = errors.New("like and path look into the store: use Run")
