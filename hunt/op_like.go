package hunt

import (
	"fmt"

	"tyto/store"
)

var likeOperator = Operator{
	Name: "like", Usage: "like UID",
	Doc:     "Puts the sessions first that are most like the one of that identifier in size, packets and duration, with their distance (0 is the same), and keeps 20.",
	Example: "session where app = tls | like CHhAvVGS1DHFjwGM9",
	parse: func(p *parser) (Step, error) {
		v, err := p.value()
		return like{v}, err
	},
}

// like is a search for what resembles a session.
type like struct{ uid value }

func (l like) String() string { return "like " + l.uid.String() }

// traits are what is compared: the logarithms of these.
var traits = []string{"orig_bytes", "resp_bytes", "orig_pkts", "resp_pkts", "duration"}

const likeRows = 20

func (l like) compile(c *compiler) error {
	if c.kind != "session" {
		return &Error{l.uid.column, "like compares sessions: start with session"}
	}
	if c.store == nil {
		return errNoStore
	}
	model, err := l.find(c)
	if err != nil {
		return err
	}
	other := store.Call{Op: store.NotEqual, Args: []store.Expr{store.Field("uid"), store.Literal{Value: l.uid.text}}}
	if err := c.add(store.Filter{Where: other}, l.uid.column); err != nil {
		return err
	}
	if err := c.add(store.Extend{Columns: []store.Named{{Name: "distance", Expr: distance(model)}}}, l.uid.column); err != nil {
		return err
	}
	if err := c.add(store.Sort{Keys: []store.Key{{Field: "distance"}}}, l.uid.column); err != nil {
		return err
	}
	return c.add(store.Limit{Rows: likeRows}, l.uid.column)
}

// find returns the logarithms of the session's traits; those it lacks are left
// out.
func (l like) find(c *compiler) (map[string]float64, error) {
	q := &store.Query{Kind: "session", Steps: []store.Step{
		store.Filter{Where: store.Call{Op: store.Equal, Args: []store.Expr{store.Field("uid"), store.Literal{Value: l.uid.text}}}}, store.Limit{Rows: 1}}}
	var columns []store.Named
	for _, t := range traits {
		columns = append(columns, store.Named{Name: t, Expr: store.Call{Op: store.Log, Args: []store.Expr{store.Field(t)}}})
	}
	q.Steps = append(q.Steps, store.Select{Columns: columns})
	var model map[string]float64
	err := c.store.Query(c.ctx, q, func(b *store.Batch) error {
		for row := range b.Rows {
			model = make(map[string]float64)
			for i, t := range traits {
				if v, ok := b.Value(row, i).(float64); ok {
					model[t] = v
				}
			}
		}
		return nil
	})
	if err == nil && model == nil {
		err = &Error{l.uid.column, fmt.Sprintf("there is no session %s", l.uid)}
	}
	return model, err
}

// distance is the sum of how far the traits' logarithms are from a model's.
func distance(model map[string]float64) store.Expr {
	var sum store.Expr = store.Literal{Value: 0.0}
	for _, t := range traits {
		v, ok := model[t]
		if !ok {
			continue
		}
		log := store.Call{Op: store.Log, Args: []store.Expr{store.Field(t)}}
		far := store.Call{Op: store.Abs, Args: []store.Expr{store.Call{Op: store.Sub, Args: []store.Expr{log, store.Literal{Value: v}}}}}
		sum = store.Call{Op: store.Add, Args: []store.Expr{sum, far}}
	}
	return sum
}
