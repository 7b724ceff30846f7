// Package sql renders queries as SQL.
//
// A query's names are checked against the tables and quoted, and every value
// in it becomes a parameter: no text that a user or the traffic chose is ever
// part of the statement. What differs between databases is a [Dialect].
//
// To add a dialect: 1. write a Dialect value with a template for every operation
// and function; 2. hold it against store/storetest.
package sql

import (
	"fmt"
	"strings"

	"tyto/internal/record"
	"tyto/store"
)

// Dialect is how a database writes what queries are made of. Templates take
// their arguments as %[1]s, %[2]s, …
type Dialect struct {
	// Quote makes any text a name.
	Quote func(name string) string
	// Param is the n-th parameter, from 1.
	Param func(n int) string
	// Ops are the operations on values; And, Or and In are written as in
	// standard SQL everywhere.
	Ops map[store.Op]string
	// Funcs are the functions of groups, of an argument.
	Funcs map[store.Func]string
	// Double, Integer and Saturated turn a number into a floating-point number,
	// into 64 bits or null, and into 64 bits or the nearest of those.
	Double, Integer, Saturated string
	// Prefix is whether a text starts with another, as bytes.
	Prefix string
	// Hextet is a group of an IPv6 address in hexadecimal as a number, and Octet
	// a part of an IPv4 address: of the address and the group's number from 1.
	Hextet, Octet string
	// Semi and Anti join rows that have, or lack, a partner.
	Semi, Anti string
}

// Tables returns the rows of a table within a span of time as a FROM item: a
// table name or a query in parentheses, whose columns are the table's fields in
// order. It may return more than the span.
type Tables func(k *store.Kind, after, before int64) (string, error)

// Statement is a query as SQL.
type Statement struct {
	Text   string
	Args   []any          // of Literal's types
	Fields []record.Field // result columns
}

// Render returns the statement of a query. Its error is that of the query's
// Check, or of tables.
func Render(q *store.Query, ks *store.Kinds, d *Dialect, tables Tables) (*Statement, error) {
	fields, err := q.Check(ks)
	if err != nil {
		return nil, err
	}
	r := renderer{d: d, kinds: ks, tables: tables}
	rel, err := r.query(q)
	if err != nil {
		return nil, err
	}
	text := rel.text
	if !rel.ordered {
		text = "SELECT * FROM (" + text + ") AS q" + r.order(nil, fields)
	}
	return &Statement{Text: text, Args: r.args, Fields: fields}, nil
}

type renderer struct {
	d      *Dialect
	kinds  *store.Kinds
	tables Tables
	args   []any
}

// relation is a query so far.
type relation struct {
	text    string
	fields  []record.Field
	ordered bool // the rows have an order that is always the same
}

func (r *renderer) query(q *store.Query) (relation, error) {
	k := r.kinds.Find(q.Kind)
	from, err := r.tables(k, q.After, q.Before)
	if err != nil {
		return relation{}, err
	}
	rel := relation{"SELECT * FROM " + from + " AS q", k.Fields, true}
	var limits []string
	for _, l := range []struct {
		op string
		ns int64
	}{{">=", q.After}, {"<", q.Before}} {
		if l.ns != 0 {
			limits = append(limits, r.d.Quote(k.Fields[0].Name)+" "+l.op+" "+r.param(l.ns))
		}
	}
	if len(limits) > 0 {
		rel.text += " WHERE " + strings.Join(limits, " AND ")
	}
	for _, s := range q.Steps {
		steps := 0
		fields, err := store.Apply(s, rel.fields, r.kinds, &steps)
		if err != nil {
			return relation{}, err
		}
		if err := r.step(&rel, s); err != nil {
			return relation{}, err
		}
		rel.fields = fields
	}
	return rel, nil
}

// step puts a step around rel.
func (r *renderer) step(rel *relation, s store.Step) error {
	from := " FROM (" + rel.text + ") AS q"
	switch s := s.(type) {
	case store.Filter:
		rel.text = "SELECT *" + from + " WHERE " + r.expr(s.Where, rel.fields)
	case store.Select:
		rel.text = "SELECT " + r.columns(s.Columns, rel.fields) + from
	case store.Extend:
		rel.text = "SELECT " + r.extended(s.Columns, rel.fields) + from
	case store.Group:
		rel.text, rel.ordered = r.group(s, rel.fields, from), len(s.By) == 0
	case store.Sort:
		rel.text, rel.ordered = "SELECT *"+from+r.order(s.Keys, rel.fields), true
	case store.Limit:
		order := ""
		if !rel.ordered {
			order = r.order(nil, rel.fields)
		}
		rel.text, rel.ordered = fmt.Sprintf("SELECT *%s%s LIMIT %d", from, order, s.Rows), true
	case store.Latest:
		rel.text, rel.ordered = r.latest(s, rel.fields, from), false
	case store.Match:
		join := r.d.Semi
		if s.Not {
			join = r.d.Anti
		}
		right, err := r.query(s.Query)
		if err != nil {
			return err
		}
		rel.text = "SELECT l.* FROM (" + rel.text + ") AS l " + join + " (" + right.text + ") AS r ON " + r.on(s.On, s.Span)
		rel.ordered = false
	case store.Join:
		return r.join(rel, s)
	}
	return nil
}

func (r *renderer) columns(list []store.Named, in []record.Field) string {
	var b []string
	for _, n := range list {
		b = append(b, r.expr(n.Expr, in)+" AS "+r.d.Quote(n.Name))
	}
	return strings.Join(b, ", ")
}

// extended is all columns of in with those of list in place of, or after them.
func (r *renderer) extended(list []store.Named, in []record.Field) string {
	var b []string
	taken := make(map[string]bool)
	for _, f := range in {
		text := r.d.Quote(f.Name)
		for _, n := range list {
			if n.Name == f.Name {
				text, taken[n.Name] = r.expr(n.Expr, in)+" AS "+text, true
			}
		}
		b = append(b, text)
	}
	for _, n := range list {
		if !taken[n.Name] {
			b = append(b, r.expr(n.Expr, in)+" AS "+r.d.Quote(n.Name))
		}
	}
	return strings.Join(b, ", ")
}

func (r *renderer) group(g store.Group, in []record.Field, from string) string {
	var b, by []string
	for i, n := range g.By {
		b = append(b, r.expr(n.Expr, in)+" AS "+r.d.Quote(n.Name))
		by = append(by, fmt.Sprint(i+1))
	}
	for _, a := range g.Aggregates {
		b = append(b, r.aggregate(a, in)+" AS "+r.d.Quote(a.Name))
	}
	text := "SELECT " + strings.Join(b, ", ") + from
	if len(by) > 0 {
		text += " GROUP BY " + strings.Join(by, ", ")
	}
	return text
}

func (r *renderer) aggregate(a store.Aggregate, in []record.Field) string {
	if a.Expr == nil {
		return "count(*)"
	}
	arg := r.expr(a.Expr, in)
	t, _ := store.TypeOf(a.Expr, in)
	text := fmt.Sprintf(r.d.Funcs[a.Func], arg)
	switch a.Func {
	case store.Sum:
		if store.Base(t) != store.FloatBase {
			text = fmt.Sprintf(r.d.Saturated, text)
		}
	case store.Mean, store.Median, store.P95, store.Spread:
		text = fmt.Sprintf(r.d.Double, text)
		if t == record.Interval {
			text = fmt.Sprintf(r.d.Integer, text)
		}
	}
	return text
}

// latest numbers the rows of each combination and keeps the first.
func (r *renderer) latest(s store.Latest, in []record.Field, from string) string {
	var by []string
	for _, n := range s.By {
		by = append(by, r.d.Quote(n))
	}
	partition := ""
	if len(by) > 0 {
		partition = "PARTITION BY " + strings.Join(by, ", ")
	}
	names := make([]string, len(in))
	for i, f := range in {
		names[i] = r.d.Quote(f.Name)
	}
	all := strings.Join(names, ", ")
	place := r.d.Quote("place among rows") // no field has spaces in its name
	return "SELECT " + all + " FROM (SELECT *, row_number() OVER (" + partition + r.order([]store.Key{{Field: s.Field, Desc: !s.First}}, in) +
		") AS " + place + from + ") AS p WHERE " + place + " = 1"
}

func (r *renderer) join(rel *relation, s store.Join) error {
	right, err := r.query(s.Query)
	if err != nil {
		return err
	}
	b := []string{"l.*"}
	for _, f := range right.fields {
		b = append(b, "r."+r.d.Quote(f.Name)+" AS "+r.d.Quote(s.Prefix+f.Name))
	}
	join := " JOIN "
	if s.Outer {
		join = " LEFT JOIN "
	}
	rel.text = "SELECT " + strings.Join(b, ", ") + " FROM (" + rel.text + ") AS l" + join + "(" + right.text + ") AS r ON " + r.on(s.On, s.Span)
	rel.ordered = false
	return nil
}

// farthest keeps sums of times from overflowing: about 127 years around 1970.
const farthest = 4_000_000_000_000_000_000

func (r *renderer) on(on []store.Pair, span *store.Span) string {
	var b []string
	for _, p := range on {
		b = append(b, "l."+r.d.Quote(p.Left)+" = r."+r.d.Quote(p.Right))
	}
	if span != nil {
		left := fmt.Sprintf("greatest(least(l.%s, %d), %d)", r.d.Quote(span.Left), farthest, -farthest)
		right := "r." + r.d.Quote(span.Right)
		from, to := max(min(span.From, farthest), -farthest), max(min(span.To, farthest), -farthest)
		b = append(b, right+" >= "+left+" + "+r.param(from), right+" <= "+left+" + "+r.param(to))
	}
	return strings.Join(b, " AND ")
}

// order is ORDER BY keys, then what makes the order the same always: the time
// and the session where there are both, else all columns.
func (r *renderer) order(keys []store.Key, in []record.Field) string {
	var b []string
	used := make(map[string]bool)
	add := func(k store.Key) {
		if used[k.Field] {
			return
		}
		used[k.Field] = true
		dir := " ASC"
		if k.Desc {
			dir = " DESC"
		}
		b = append(b, r.d.Quote(k.Field)+dir+" NULLS LAST")
	}
	for _, k := range keys {
		add(k)
	}
	identified := len(in) > 1 && in[0].Name == "ts" && in[1].Name == "uid"
	for i, f := range in {
		if identified && len(keys) > 0 && i > 1 {
			break
		}
		if !store.Base(f.Type).List() {
			add(store.Key{Field: f.Name})
		}
	}
	if len(b) == 0 {
		return ""
	}
	return " ORDER BY " + strings.Join(b, ", ")
}

func (r *renderer) param(v any) string {
	r.args = append(r.args, v)
	return r.d.Param(len(r.args))
}
