package hunt

import (
	"fmt"

	"tyto/store"
)

var limitOperator = Operator{
	Name: "limit", Usage: "limit N",
	Doc:     "Keeps the first N rows.",
	Example: "session | sort ts desc | limit 100",
	parse: func(p *parser) (Step, error) {
		n, err := p.number("how many rows")
		return limit{n}, err
	},
}

type limit struct{ rows int }

func (l limit) String() string { return fmt.Sprintf("limit %d", l.rows) }

func (l limit) compile(c *compiler) error { return c.add(store.Limit{Rows: l.rows}, 1) }
