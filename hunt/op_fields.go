package hunt

import (
	"strings"

	"tyto/store"
)

var fieldsOperator = Operator{
	Name: "fields", Usage: "fields FIELD [as NAME], …",
	Doc:     "Keeps these columns, in this order; expressions are columns too and need a name.",
	Example: "session | fields ts, id.orig_h, orig_bytes + resp_bytes as bytes",
	parse: func(p *parser) (Step, error) {
		list, err := p.columns()
		return fields{list}, err
	},
}

var extendOperator = Operator{
	Name: "extend", Usage: "extend EXPRESSION as NAME, …",
	Doc:     "Adds columns to those there are.",
	Example: "session | extend orig_bytes / (resp_bytes + 1) as ratio | where ratio > 10",
	parse: func(p *parser) (Step, error) {
		list, err := p.columns()
		return extend{list}, err
	},
}

// column is an expression with the name it gets.
type column struct {
	expr  expr
	as    name
	named bool // the name was given
}

type fields struct{ list []column }

type extend struct{ list []column }

// columns reads expressions with their names; a field keeps its own.
func (p *parser) columns() ([]column, error) {
	var list []column
	for {
		at := p.peek()
		e, err := p.sum()
		if err != nil {
			return nil, err
		}
		c := column{expr: e}
		n, isName := e.(name)
		switch {
		case p.take("as"):
			if c.as, err = p.name("a name"); err != nil {
				return nil, err
			}
			c.named = true
		case isName:
			c.as = n
		default:
			if c.as, isName = named(e, p.column(at)); !isName {
				return nil, p.wants(p.peek(), "as and a name for the column")
			}
		}
		list = append(list, c)
		if !p.take(",") {
			return list, nil
		}
	}
}

// named gives a function of a field a name: bin(ts, 1h) is called ts, and
// lower(app) app.
func named(e expr, column int) (name, bool) {
	c, ok := e.(call)
	if !ok || len(c.args) == 0 {
		return name{}, false
	}
	n, ok := c.args[0].(name)
	return name{n.text, column}, ok
}

func joinColumns(list []column) string {
	var b []string
	for _, c := range list {
		s := text(c.expr)
		if c.named {
			s += " as " + c.as.String()
		}
		b = append(b, s)
	}
	return strings.Join(b, ", ")
}

func (f fields) String() string { return "fields " + joinColumns(f.list) }

func (e extend) String() string { return "extend " + joinColumns(e.list) }

// expressions compiles columns.
func (c *compiler) expressions(list []column) ([]store.Named, error) {
	var out []store.Named
	for _, x := range list {
		e, err := x.expr.compile(c)
		if err != nil {
			return nil, err
		}
		out = append(out, store.Named{Name: x.as.text, Expr: e})
	}
	return out, nil
}

func (f fields) compile(c *compiler) error {
	list, err := c.expressions(f.list)
	if err != nil {
		return err
	}
	return c.add(store.Select{Columns: list}, columnOf(f.list[0].expr))
}

func (e extend) compile(c *compiler) error {
	list, err := c.expressions(e.list)
	if err != nil {
		return err
	}
	return c.add(store.Extend{Columns: list}, columnOf(e.list[0].expr))
}
