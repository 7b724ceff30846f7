package hunt

import "tyto/store"

var newOperator = Operator{
	Name: "new", Usage: "new FIELD, … within TIME",
	Doc:     "Keeps the rows of the latest TIME whose combination of the fields was never seen before it, in all the store has. Of entities: new within TIME, those first seen then.",
	Example: "session | new id.orig_h, domain within 7d | first by domain",
	parse: func(p *parser) (Step, error) {
		n := unseen{column: p.column(p.peek())}
		var err error
		if p.peek().text != "within" {
			if n.fields, err = p.names("a field"); err != nil {
				return nil, err
			}
		}
		if err := p.need("within"); err != nil {
			return nil, err
		}
		n.within, err = p.duration("a length of time")
		return n, err
	},
}

type unseen struct {
	fields []name
	within duration
	column int
}

func (n unseen) String() string {
	if len(n.fields) == 0 {
		return "new within " + n.within.String()
	}
	return "new " + joinNames(n.fields) + " within " + n.within.String()
}

func (n unseen) compile(c *compiler) error {
	if c.kind == "" {
		return &Error{n.column, "new needs rows of one kind of record: put it before what changes the rows"}
	}
	since := c.now - int64(n.within)
	recent := store.Call{Op: store.GreaterEqual, Args: []store.Expr{store.Field(c.fields[0].Name), store.Literal{Value: since}}}
	if err := c.add(store.Filter{Where: recent}, n.column); err != nil {
		return err
	}
	if len(n.fields) == 0 && c.entity == "" {
		return &Error{n.column, "new of what? give fields, as new domain within 7d"}
	}
	if len(n.fields) == 0 {
		return nil
	}
	m := store.Match{Query: &store.Query{Kind: c.kind, Before: since}, Not: true}
	for _, f := range n.fields {
		if _, err := f.compile(c); err != nil {
			return err
		}
		m.On = append(m.On, store.Pair{Left: f.text, Right: f.text})
	}
	return c.add(m, n.column)
}
