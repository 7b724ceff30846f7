package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tyto/behavior"
	"tyto/detection/all"
	"tyto/entity"
	"tyto/internal/record"
	"tyto/sensor"
	"tyto/store"
	"tyto/store/duck"
)

// row is a record as explain reads it.
type row struct {
	kind   string
	fields []record.Field
	values []any // as store.Batch.Value gives them
}

func rowOf(kind string, b *store.Batch, i int) row {
	r := row{kind: kind, fields: b.Fields}
	for c := range b.Columns {
		r.values = append(r.values, b.Value(i, c))
	}
	return r
}

// get returns the value of a field, nil if there is none.
func (r *row) get(name string) any {
	i := slices.IndexFunc(r.fields, func(f record.Field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return r.values[i]
}

func (r *row) text(name string) string {
	s, _ := r.get(name).(string)
	return printable(s)
}

func (r *row) int(name string) int64 {
	switch v := r.get(name).(type) {
	case int64:
		return v
	case uint64:
		return int64(v)
	}
	return 0
}

func (r *row) float(name string) float64 {
	v, _ := r.get(name).(float64)
	return v
}

func (r *row) list(name string) []string {
	l, _ := r.get(name).([]string)
	return l
}

// facts is where explain gets records from.
type facts interface {
	// about returns the records of a session, and those that name it among others
	// (detections), in the order of kinds and time.
	about(ctx context.Context, uid string) ([]row, error)
	// entities returns addresses and the devices that hold them.
	entities(ctx context.Context, addrs []string) ([]row, error)
	// around returns sessions of addresses that began within a span, in ns.
	around(ctx context.Context, addrs []string, from, to int64) ([]row, error)
}

// Bounds of what is told of one session.
const (
	maxAbout  = 500 // records of a kind
	maxAround = 5000
)

// stored are the facts of a store.
type stored struct {
	store *duck.Store
	kinds *store.Kinds
}

func equal(field string, value any) store.Expr {
	return store.Call{Op: store.Equal, Args: []store.Expr{store.Field(field), store.Literal{Value: value}}}
}

func has(field, value string) store.Expr {
	return store.Call{Op: store.Has, Args: []store.Expr{store.Field(field), store.Literal{Value: value}}}
}

func anyOf(list []store.Expr) store.Expr { return store.Call{Op: store.Or, Args: list} }

func (d stored) query(ctx context.Context, q *store.Query) (list []row, err error) {
	if _, err := q.Check(d.kinds); err != nil {
		return nil, err
	}
	err = d.store.Query(ctx, q, func(b *store.Batch) error {
		for i := range b.Rows {
			list = append(list, rowOf(q.Kind, b, i))
		}
		return nil
	})
	return list, err
}

func (d stored) about(ctx context.Context, uid string) ([]row, error) {
	list, err := d.query(ctx, &store.Query{Kind: "session", Steps: []store.Step{store.Filter{Where: equal("uid", uid)}, store.Limit{Rows: 1}}})
	if err != nil || len(list) == 0 {
		return list, err
	}
	first := list[0].int("ts")
	after, before := first-spare, first+list[0].int("duration")+spare
	for _, k := range d.kinds.All() {
		q := &store.Query{Kind: k.Name, Steps: []store.Step{nil, store.Limit{Rows: maxAbout}}}
		switch {
		case k.Name == "session" || k.Name == "relation":
			continue
		case k.Field("uid") >= 0:
			q.Steps[0], q.After, q.Before = store.Filter{Where: equal("uid", uid)}, max(after, 1), max(before, 2)
		case k.Field("uids") >= 0:
			q.Steps[0] = store.Filter{Where: has("uids", uid)}
		default:
			continue
		}
		more, err := d.query(ctx, q)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// spare is how far from a session's first and last packet its records may be, ns.
const spare = 3600e9

func (d stored) entities(ctx context.Context, addrs []string) ([]row, error) {
	var either []store.Expr
	for _, a := range addrs {
		either = append(either, equal("addr", a), has("addrs", a))
	}
	return d.query(ctx, &store.Query{Kind: "entity", Steps: []store.Step{store.Filter{Where: anyOf(either)}, store.Limit{Rows: maxAbout}}})
}

func (d stored) around(ctx context.Context, addrs []string, from, to int64) ([]row, error) {
	var either []store.Expr
	for _, a := range addrs {
		either = append(either, equal("id.orig_h", a), equal("id.resp_h", a))
	}
	return d.query(ctx, &store.Query{Kind: "session", After: max(from, 1), Before: max(to, 2), Steps: []store.Step{store.Filter{Where: anyOf(either)}, store.Limit{Rows: maxAround}}})
}

// captured are the facts of captures, which are read anew for what is asked.
type captured struct {
	cli     *cli
	files   []string
	options options
	kinds   *store.Kinds
	who     []row // addresses and devices
}

// collector is a store that keeps the rows that want chooses, of a bounded number
// of each kind.
type collector struct {
	store.Store
	want func(b *store.Batch, i int) bool
	rows []row
	n    map[string]int
	max  int
}

func (c *collector) Append(_ context.Context, batches ...*store.Batch) error {
	for _, b := range batches {
		for i := range b.Rows {
			if c.n[b.Kind] < c.max && c.want(b, i) {
				c.n[b.Kind]++
				c.rows = append(c.rows, rowOf(b.Kind, b, i))
			}
		}
	}
	return nil
}

// column returns the value of a field of a batch; nil if it has none.
func column(b *store.Batch, i int, name string) any {
	for c := range b.Fields {
		if b.Fields[c].Name == name {
			return b.Value(i, c)
		}
	}
	return nil
}

// pass reads the captures and returns the rows that want chooses. Only the whole
// pass follows entities, listens and detects.
func (d *captured) pass(ctx context.Context, whole bool, limit int, want func(b *store.Batch, i int) bool) ([]row, error) {
	src, err := openCaptures(d.cli, d.files)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	c := &collector{want: want, n: make(map[string]int), max: limit}
	l := store.NewLoader(ctx, c, d.kinds)
	conf := sensor.Config{Set: everyProtocol(), Home: d.options.home, Memory: d.options.memory << 20, JSON: l}
	if whole {
		conf.Graph = entity.New(entity.Options{Home: d.options.home})
		conf.Series = l.Beside()
		conf.Detectors = all.Detectors()
	}
	if whole && !d.options.noModel {
		m, err := modelOf(d.options)
		if err != nil {
			return nil, err
		}
		conf.Listener = func() behavior.Listener { return m.NewListener() }
	}
	_, err = sensor.Run(ctx, src, conf, nil)
	if err = errors.Join(err, l.Close()); err != nil {
		return nil, fmt.Errorf("analyse: %w", err)
	}
	return c.rows, nil
}

// maxWho is how many entities of captures are kept.
const maxWho = 200_000

func (d *captured) about(ctx context.Context, uid string) (list []row, err error) {
	found, err := d.pass(ctx, true, maxWho, func(b *store.Batch, i int) bool {
		if b.Kind == "entity" {
			kind, _ := column(b, i, "kind").(string)
			return kind == "device" || kind == "address"
		}
		uids, _ := column(b, i, "uids").([]string)
		return b.Kind != "relation" && (column(b, i, "uid") == uid || slices.Contains(uids, uid))
	})
	for _, r := range found {
		if r.kind == "entity" {
			d.who = append(d.who, r)
		} else {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b row) int {
		if x, y := a.kind == "session", b.kind == "session"; x != y {
			if x {
				return -1
			}
			return 1
		}
		return strings.Compare(a.kind, b.kind)
	})
	return list, err
}

func (d *captured) entities(_ context.Context, addrs []string) ([]row, error) {
	return slices.DeleteFunc(slices.Clone(d.who), func(r row) bool {
		addr, _ := r.get("addr").(string)
		return !slices.Contains(addrs, addr) && !slices.ContainsFunc(r.list("addrs"), func(a string) bool { return slices.Contains(addrs, a) })
	}), nil
}

func (d *captured) around(ctx context.Context, addrs []string, from, to int64) ([]row, error) {
	return d.pass(ctx, false, maxAround, func(b *store.Batch, i int) bool {
		if b.Kind != "session" {
			return false
		}
		ts, _ := column(b, i, "ts").(int64)
		orig, _ := column(b, i, "id.orig_h").(string)
		resp, _ := column(b, i, "id.resp_h").(string)
		return ts >= from && ts < to && (slices.Contains(addrs, orig) || slices.Contains(addrs, resp))
	})
}
