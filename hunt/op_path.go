package hunt

import (
	"fmt"
	"slices"

	"tyto/store"
)

var pathOperator = Operator{
	Name: "path", Usage: "path ADDRESS to ADDRESS [hops N]",
	Doc:     "The way of sessions from one address to another that arrives first with at most N hops (4 unless given): each begins when the one before has begun. It is the last operator.",
	Example: "session last 1d where app in (ssh, rdp, smb) | path 10.20.3.17 to 10.20.0.30",
	parse: func(p *parser) (Step, error) {
		x := path{hops: defaultHops, column: p.column(p.peek())}
		var err error
		if x.from, err = p.value(); err != nil {
			return nil, err
		}
		if err := p.need("to"); err != nil {
			return nil, err
		}
		if x.to, err = p.value(); err != nil || !p.take("hops") {
			return x, err
		}
		if x.hops, err = p.number("how many"); err == nil && x.hops > maxHops {
			err = &Error{x.column, fmt.Sprintf("at most %d hops are followed", maxHops)}
		}
		return x, err
	},
}

const (
	defaultHops = 4
	maxHops     = 8
	// maxReached bounds the search: addresses that are reached.
	maxReached = 1_000_000
)

// path is a search for a way.
type path struct {
	from, to value
	hops     int
	column   int
}

func (x path) String() string {
	s := "path " + x.from.String() + " to " + x.to.String()
	if x.hops != defaultHops {
		s += fmt.Sprintf(" hops %d", x.hops)
	}
	return s
}

// arrival is when, and by which session, an address is first reached with some
// number of hops.
type arrival struct {
	at        int64
	from, uid string
}

type place struct {
	addr string
	hops int
}

// compile searches, and makes the sessions of the way the rows.
func (x path) compile(c *compiler) error {
	if c.kind != "session" {
		return &Error{x.column, "path follows sessions: start with session"}
	}
	if c.store == nil {
		return errNoStore
	}
	columns := []store.Named{}
	for _, f := range []string{"ts", "id.orig_h", "id.resp_h", "uid"} {
		columns = append(columns, store.Named{Name: f, Expr: store.Field(f)})
	}
	if err := c.add(store.Sort{Keys: []store.Key{{Field: "ts"}}}, x.column); err != nil {
		return err
	}
	edges := &store.Query{Kind: c.out.Kind, After: c.out.After, Before: c.out.Before, Steps: append(slices.Clone(c.out.Steps), store.Select{Columns: columns})}
	way, err := x.search(c, edges)
	if err != nil {
		return err
	}
	in := store.Call{Op: store.In, Args: []store.Expr{store.Field("uid"), store.Literal{Value: ""}}}
	for _, uid := range way {
		in.Args = append(in.Args, store.Literal{Value: uid})
	}
	return c.add(store.Filter{Where: in}, x.column)
}

// search passes over the sessions in order of time once: the first that arrives
// somewhere with some number of hops is remembered.
func (x path) search(c *compiler, edges *store.Query) ([]string, error) {
	reached := map[place]arrival{{x.from.text, 0}: {at: -1 << 63}}
	err := c.store.Query(c.ctx, edges, func(b *store.Batch) error {
		for row := range b.Rows {
			from, to := string(b.Columns[1].TextAt(row)), string(b.Columns[2].TextAt(row))
			for h := range x.hops {
				if _, ok := reached[place{from, h}]; !ok {
					continue
				}
				p := place{to, h + 1}
				if _, ok := reached[p]; !ok {
					reached[p] = arrival{at: b.Columns[0].Ints[row], from: from, uid: string(b.Columns[3].TextAt(row))}
				}
			}
		}
		if len(reached) > maxReached {
			return &Error{x.column, fmt.Sprintf("more than %d addresses are reached: ask for a shorter time or for fewer applications", maxReached)}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return x.back(reached), nil
}

// back returns the sessions of the way that arrives first.
func (x path) back(reached map[place]arrival) []string {
	best := -1
	for h := 1; h <= x.hops; h++ {
		if a, ok := reached[place{x.to.text, h}]; ok && (best < 0 || a.at < reached[place{x.to.text, best}].at) {
			best = h
		}
	}
	var way []string
	addr := x.to.text
	for h := best; h > 0; h-- {
		a := reached[place{addr, h}]
		way = append(way, a.uid)
		addr = a.from
	}
	slices.Reverse(way)
	return way
}
