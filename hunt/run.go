package hunt

import (
	"context"

	"tyto/internal/record"
	"tyto/store"
)

// Run asks a store with tables of kinds, and calls yield with the rows; a batch
// is valid until yield returns. The times of the query count from now, in ns;
// Now tells what that is for a store of captures.
func Run(ctx context.Context, s store.Store, kinds *store.Kinds, q *Query, now int64, yield func(*store.Batch) error) error {
	c := &compiler{ctx: ctx, kinds: kinds, store: s, now: now}
	if err := c.query(q); err != nil {
		return err
	}
	return s.Query(ctx, c.out, yield)
}

// Now returns the time of the latest row that a store has, or 0 if it has none:
// in a store of captures it is later than that only for those who read it.
func Now(ctx context.Context, s store.Store, kinds *store.Kinds) (int64, error) {
	parts, err := s.Partitions()
	if err != nil {
		return 0, err
	}
	for i := len(parts) - 1; i >= 0; i-- {
		latest := int64(0)
		for _, k := range kinds.All() {
			ns, err := latestOf(ctx, s, k, parts[i])
			if err != nil {
				return 0, err
			}
			latest = max(latest, ns)
			if k.Name == "session" && ns != 0 {
				return ns, nil
			}
		}
		if latest != 0 {
			return latest, nil
		}
	}
	return 0, nil
}

func latestOf(ctx context.Context, s store.Store, k *store.Kind, p store.Partition) (latest int64, err error) {
	q := &store.Query{Kind: k.Name, Steps: []store.Step{store.Group{Aggregates: []store.Aggregate{{Name: "latest", Func: store.Max, Expr: store.Field(k.Fields[0].Name)}}}}}
	if p.First > -1<<62 { // not that of the undated
		q.After, q.Before = p.First, p.Last
	}
	err = s.Query(ctx, q, func(b *store.Batch) error {
		if b.Rows > 0 && b.Fields[0].Type == record.Time && !b.Columns[0].Null[0] {
			latest = b.Columns[0].Ints[0]
		}
		return nil
	})
	return latest, err
}
