//go:build cgo && (linux || darwin || (windows && amd64))

package duck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	bind "github.com/duckdb/duckdb-go-bindings"

	"tyto/internal/record"
	"tyto/store"
	"tyto/store/sql"
)

// Query implements store.Store.
func (s *Store) Query(ctx context.Context, q *store.Query, yield func(*store.Batch) error) error {
	if _, err := q.Check(s.kinds); err != nil {
		return err
	}
	done, err := s.ready(spans(q, nil))
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer done()
	st, err := sql.Render(q, s.kinds, sql.DuckDB, s.from)
	if err != nil {
		return err
	}
	k, err := s.db.get()
	if err != nil {
		return err
	}
	defer s.db.release(k)
	return s.run(ctx, k, st, yield)
}

// Explain returns the statement a query becomes, for those who want to know.
func (s *Store) Explain(q *store.Query) (*sql.Statement, error) {
	if _, err := q.Check(s.kinds); err != nil {
		return nil, err
	}
	done, err := s.ready(spans(q, nil))
	if err != nil {
		return nil, err
	}
	defer done()
	return sql.Render(q, s.kinds, sql.DuckDB, s.from)
}

func (s *Store) run(ctx context.Context, k *conn, st *sql.Statement, yield func(*store.Batch) error) error {
	b := &store.Batch{Fields: st.Fields}
	b.Shape()
	var stopped error
	err := k.rows(ctx, st.Text, st.Args, func(chunk bind.DataChunk) error {
		if err := readChunk(chunk, b); err != nil {
			return err
		}
		stopped = yield(b)
		return stopped
	})
	switch {
	case err == nil, stopped != nil, ctx.Err() != nil:
		return err
	case strings.HasPrefix(err.Error(), "Out of Memory"):
		return fmt.Errorf("the query needs more memory than DuckDB may use; ask for less at once, or give it more: %w", err)
	}
	return fmt.Errorf("query: %w", err)
}

// span is a range of time.
type span struct{ after, before int64 }

func (p *partition) in(x span) bool {
	return (x.after == 0 || p.last >= x.after) && (x.before == 0 || p.first < x.before)
}

// spans adds the spans that a query and what it joins ask for.
func spans(q *store.Query, list []span) []span {
	list = append(list, span{q.After, q.Before})
	for _, st := range q.Steps {
		switch st := st.(type) {
		case store.Match:
			list = spans(st.Query, list)
		case store.Join:
			list = spans(st.Query, list)
		}
	}
	return list
}

// ready attaches the files of spans and keeps them attached until done is
// called.
func (s *Store) ready(list []span) (done func(), err error) {
	for {
		s.mu.RLock()
		if s.db == nil {
			s.mu.RUnlock()
			return nil, errors.New("the store is closed")
		}
		missing := s.missing(list)
		if len(missing) == 0 {
			return s.mu.RUnlock, nil
		}
		s.mu.RUnlock()
		if err := s.attachAll(missing); err != nil {
			return nil, err
		}
	}
}

func (s *Store) missing(list []span) []*partition {
	var missing []*partition
	for _, p := range s.sorted() {
		if p.state == detached && slices.ContainsFunc(list, p.in) {
			missing = append(missing, p)
		}
	}
	return missing
}

func (s *Store) attachAll(list []*partition) error {
	k, err := s.db.get()
	if err != nil {
		return err
	}
	defer s.db.release(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range list {
		if s.parts[p.name] != p {
			continue // removed meanwhile
		}
		if err := s.attach(k, p, readable); err != nil {
			return err
		}
	}
	return nil
}

// from is the rows of a table in a span: those of all days, each with all the
// columns of the schema, whether its file has them or not. s.mu is held.
func (s *Store) from(k *store.Kind, after, before int64) (string, error) {
	var days []string
	for _, p := range s.sorted() {
		t := p.tables[k.Name]
		if t == nil || !p.in(span{after, before}) {
			continue
		}
		list := make([]string, len(k.Fields))
		for i, f := range k.Fields {
			list[i] = selected(t.find(f.Name), f)
		}
		days = append(days, "SELECT "+strings.Join(list, ", ")+" FROM "+quote(p.name)+"."+quote(k.Name))
	}
	if len(days) == 0 {
		list := make([]string, len(k.Fields))
		for i, f := range k.Fields {
			list[i] = selected(nil, f)
		}
		return "(SELECT " + strings.Join(list, ", ") + " WHERE false)", nil
	}
	return "(" + strings.Join(days, " UNION ALL ") + ")", nil
}

// selected is a column of a file as its schema wants it.
func selected(c *column, f record.Field) string {
	want, name := sqlType(f.Type), quote(f.Name)
	switch {
	case c == nil:
		return "CAST(NULL AS " + want + ") AS " + name
	case c.typ != want:
		return "TRY_CAST(" + name + " AS " + want + ") AS " + name
	}
	return name
}
