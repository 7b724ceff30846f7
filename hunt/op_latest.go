package hunt

import "tyto/store"

var latestOperator = Operator{
	Name: "latest", Usage: "latest by FIELD, …",
	Doc:     "Keeps the latest row of each combination of the fields.",
	Example: "dhcp | latest by mac",
	parse:   func(p *parser) (Step, error) { return p.oneEach(false) },
}

var firstOperator = Operator{
	Name: "first", Usage: "first by FIELD, …",
	Doc:     "Keeps the earliest row of each combination of the fields.",
	Example: "session where exists domain | first by domain",
	parse:   func(p *parser) (Step, error) { return p.oneEach(true) },
}

// oneEach keeps one row of each combination of fields.
type oneEach struct {
	first bool
	by    []name
}

func (p *parser) oneEach(first bool) (Step, error) {
	if err := p.need("by"); err != nil {
		return nil, err
	}
	by, err := p.names("a field")
	return oneEach{first, by}, err
}

func (o oneEach) String() string {
	if o.first {
		return "first by " + joinNames(o.by)
	}
	return "latest by " + joinNames(o.by)
}

func (o oneEach) compile(c *compiler) error {
	l := store.Latest{First: o.first, Field: c.fields[0].Name}
	for _, n := range o.by {
		if _, err := n.compile(c); err != nil {
			return err
		}
		l.By = append(l.By, n.text)
	}
	return c.add(l, o.by[0].column)
}
