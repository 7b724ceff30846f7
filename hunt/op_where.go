package hunt

import "tyto/store"

var whereOperator = Operator{
	Name: "where", Usage: "where CONDITION",
	Doc:     "Keeps the rows for which the condition is true.",
	Example: "ssh | where auth_attempts > 3 and not auth_success = true",
	parse: func(p *parser) (Step, error) {
		e, err := p.condition()
		return where{e}, err
	},
}

type where struct{ condition expr }

func (w where) String() string { return "where " + text(w.condition) }

func (w where) compile(c *compiler) error {
	e, err := c.truth(w.condition)
	if err != nil {
		return err
	}
	return c.add(store.Filter{Where: e}, columnOf(w.condition))
}
