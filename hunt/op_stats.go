package hunt

import (
	"fmt"
	"strings"

	"tyto/internal/record"
	"tyto/store"
)

var statsOperator = Operator{
	Name: "stats", Usage: "stats FUNCTION(FIELD) [as NAME], … [by FIELD, …]",
	Doc: "Makes one row for each combination of the fields after by, with figures of its rows: count(), sum, mean, min, max, median, " +
		"p95 (95th percentile), spread (standard deviation), distinct (how many different values), values (up to 20 of them).",
	Example: "session | stats count(), sum(orig_bytes) as bytes, distinct(id.resp_h) as servers by id.orig_h",
	parse:   parseStats,
}

var topOperator = Operator{
	Name: "top", Usage: "top N FIELD, … [by FUNCTION(FIELD)]",
	Doc:     "The N combinations of fields with most rows, or with the most of a figure.",
	Example: "session | top 10 id.orig_h by sum(orig_bytes)",
	parse:   func(p *parser) (Step, error) { return p.ranking(true) },
}

var rareOperator = Operator{
	Name: "rare", Usage: "rare N FIELD, … [by FUNCTION(FIELD)]",
	Doc:     "The N combinations of fields with fewest rows, or with the least of a figure: what few do is worth a look.",
	Example: "tls | rare 20 ja4 by distinct(id.orig_h)",
	parse:   func(p *parser) (Step, error) { return p.ranking(false) },
}

var timelineOperator = Operator{
	Name: "timeline", Usage: "timeline WIDTH [by FIELD, …]",
	Doc:     "Counts rows in spans of time of this width, for each combination of the fields.",
	Example: "dns where rcode_name = NXDOMAIN | timeline 1h by id.orig_h",
	parse:   parseTimeline,
}

// figure is a function over rows, with its column's name.
type figure struct {
	function name
	of       expr // nil for count()
	as       name
	named    bool
}

type stats struct {
	figures []figure
	by      []column
}

type ranking struct {
	most bool
	n    int
	of   []name
	by   *figure // nil: rows
}

type timeline struct {
	width  duration
	by     []name
	column int
}

func parseStats(p *parser) (Step, error) {
	var s stats
	for {
		f, err := p.figure()
		if err != nil {
			return nil, err
		}
		s.figures = append(s.figures, f)
		if !p.take(",") {
			break
		}
	}
	if !p.take("by") {
		return s, nil
	}
	var err error
	s.by, err = p.columns()
	return s, err
}

// figure reads sum(orig_bytes) as bytes.
func (p *parser) figure() (figure, error) {
	var f figure
	var err error
	if f.function, err = p.name("a function, as count() or sum(orig_bytes)"); err != nil {
		return f, err
	}
	if err := p.need("("); err != nil {
		return f, err
	}
	if !p.take(")") {
		if f.of, err = p.sum(); err != nil {
			return f, err
		}
		if err := p.need(")"); err != nil {
			return f, err
		}
	}
	f.as = name{figureName(f), f.function.column}
	if p.take("as") {
		f.named = true
		f.as, err = p.name("a name")
	}
	return f, err
}

// figureName is what a figure is called unless it is given a name: count, or
// sum_orig_bytes.
func figureName(f figure) string {
	if n, ok := f.of.(name); ok {
		return f.function.text + "_" + n.text
	}
	return f.function.text
}

func (f figure) String() string {
	s := f.function.String() + "()"
	if f.of != nil {
		s = f.function.String() + "(" + text(f.of) + ")"
	}
	if f.named {
		s += " as " + f.as.String()
	}
	return s
}

func (p *parser) ranking(most bool) (Step, error) {
	r := ranking{most: most}
	var err error
	if r.n, err = p.number("how many, as 10,"); err != nil {
		return nil, err
	}
	if r.of, err = p.names("a field"); err != nil {
		return nil, err
	}
	if p.take("by") {
		f, err := p.figure()
		if err != nil {
			return nil, err
		}
		r.by = &f
	}
	return r, nil
}

func parseTimeline(p *parser) (Step, error) {
	t := timeline{column: p.column(p.peek())}
	var err error
	if t.width, err = p.duration("a width"); err != nil {
		return nil, err
	}
	if p.take("by") {
		t.by, err = p.names("a field")
	}
	return t, err
}

func (s stats) String() string {
	var b []string
	for _, f := range s.figures {
		b = append(b, f.String())
	}
	text := "stats " + strings.Join(b, ", ")
	if len(s.by) > 0 {
		text += " by " + joinColumns(s.by)
	}
	return text
}

func (r ranking) String() string {
	word := "rare"
	if r.most {
		word = "top"
	}
	s := fmt.Sprintf("%s %d %s", word, r.n, joinNames(r.of))
	if r.by != nil {
		s += " by " + r.by.String()
	}
	return s
}

func (t timeline) String() string {
	s := "timeline " + t.width.String()
	if len(t.by) > 0 {
		s += " by " + joinNames(t.by)
	}
	return s
}

func (f figure) compile(c *compiler) (store.Aggregate, error) {
	a := store.Aggregate{Name: f.as.text}
	var known []string
	for _, fn := range store.Funcs() {
		known = append(known, fn.String())
		if fn.String() == f.function.text {
			a.Func = fn
		}
	}
	if a.Func == store.NoFunc {
		return a, &Error{f.function.column, (&store.NameError{What: "function", Name: f.function.text, Known: known}).Error()}
	}
	if f.of == nil {
		return a, nil
	}
	var err error
	a.Expr, err = f.of.compile(c)
	return a, err
}

func (s stats) compile(c *compiler) error {
	var g store.Group
	for _, f := range s.figures {
		a, err := f.compile(c)
		if err != nil {
			return err
		}
		g.Aggregates = append(g.Aggregates, a)
	}
	var err error
	if g.By, err = c.expressions(s.by); err != nil {
		return err
	}
	return c.add(g, s.figures[0].function.column)
}

func (r ranking) compile(c *compiler) error {
	a := store.Aggregate{Name: "count", Func: store.Count}
	if r.by != nil {
		var err error
		if a, err = r.by.compile(c); err != nil {
			return err
		}
	}
	by, err := c.names(r.of)
	if err != nil {
		return err
	}
	at := r.of[0].column
	if err := c.add(store.Group{By: by, Aggregates: []store.Aggregate{a}}, at); err != nil {
		return err
	}
	if err := c.add(store.Sort{Keys: []store.Key{{Field: a.Name, Desc: r.most}}}, at); err != nil {
		return err
	}
	return c.add(store.Limit{Rows: r.n}, at)
}

// names compiles fields to columns.
func (c *compiler) names(list []name) ([]store.Named, error) {
	var out []store.Named
	for _, n := range list {
		e, err := n.compile(c)
		if err != nil {
			return nil, err
		}
		out = append(out, store.Named{Name: n.text, Expr: e})
	}
	return out, nil
}

func (t timeline) compile(c *compiler) error {
	ts := c.fields[0]
	if ts.Type != record.Time {
		return &Error{t.column, "the first column is no time any more: put timeline before what changed it"}
	}
	by, err := c.names(t.by)
	if err != nil {
		return err
	}
	bin := store.Call{Op: store.Bin, Args: []store.Expr{store.Field(ts.Name), store.Literal{Value: int64(t.width)}}}
	by = append([]store.Named{{Name: ts.Name, Expr: bin}}, by...)
	if err := c.add(store.Group{By: by, Aggregates: []store.Aggregate{{Name: "count", Func: store.Count}}}, t.column); err != nil {
		return err
	}
	return c.add(store.Sort{Keys: []store.Key{{Field: ts.Name}}}, t.column)
}
