package hunt

import (
	"fmt"
	"strconv"
	"strings"

	"tyto/internal/record"
	"tyto/store"
)

// expr is an expression. Conditions are expressions that are true or false.
type expr interface {
	// write appends the expression; within says how strongly what is around
	// binds, so that parentheses are put where they are needed only.
	write(b *strings.Builder, within int)
	// compile returns the expression for the store, over the columns of c.
	compile(c *compiler) (store.Expr, error)
}

// How strongly operations bind.
const (
	bindOr = iota + 1
	bindAnd
	bindNot
	bindCompare
	bindSum
	bindProduct
	bindAtom
)

func text(e expr) string {
	var b strings.Builder
	e.write(&b, 0)
	return b.String()
}

// logic is operands joined by and or or.
type logic struct {
	op   string
	list []expr
}

// negation is not.
type negation struct{ of expr }

// comparison compares an expression with a value or another expression.
type comparison struct {
	left   expr
	op     string // = != < <= > >= contains startswith endswith matches
	right  expr   // value or another expression
	column int
}

// oneOf is in (…).
type oneOf struct {
	left   expr
	values []value
}

// presence is exists.
type presence struct{ of name }

// arithmetic is + - * /.
type arithmetic struct {
	op          string
	left, right expr
	column      int
}

// call is a function of expressions.
type call struct {
	name   name
	args   []expr
	column int
}

// number is a number or a duration in a calculation.
type number struct {
	text   string
	column int
}

// quoted is a text in a calculation.
type quotedText struct{ text string }

// condition reads a condition.
func (p *parser) condition() (expr, error) { return p.chain("or", p.conjunction) }

func (p *parser) conjunction() (expr, error) { return p.chain("and", p.negated) }

func (p *parser) chain(op string, operand func() (expr, error)) (expr, error) {
	e, err := operand()
	if err != nil {
		return nil, err
	}
	l := logic{op, []expr{e}}
	for p.take(op) {
		if e, err = operand(); err != nil {
			return nil, err
		}
		l.list = append(l.list, e)
	}
	if len(l.list) == 1 {
		return e, nil
	}
	return l, nil
}

func (p *parser) negated() (expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(p.peek(), "the condition nests more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	if p.take("not") {
		e, err := p.negated()
		return negation{e}, err
	}
	return p.compared()
}

// comparisons are the operations of a comparison; == is another way to write =.
var comparisons = []string{"=", "==", "!=", "<", "<=", ">", ">=", "contains", "startswith", "endswith", "matches"}

func (p *parser) compared() (expr, error) {
	if p.take("exists") {
		n, err := p.name("a field")
		return presence{n}, err
	}
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	at := p.peek()
	if p.take("in") {
		return p.in(left)
	}
	for _, op := range comparisons {
		if !p.take(op) {
			continue
		}
		if op == "==" {
			op = "="
		}
		right, err := p.right()
		return comparison{left, op, right, p.column(at)}, err
	}
	return left, nil
}

func (p *parser) in(left expr) (expr, error) {
	if err := p.need("("); err != nil {
		return nil, err
	}
	o := oneOf{left: left}
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		o.values = append(o.values, v)
		if p.take(",") {
			continue
		}
		return o, p.need(")")
	}
}

func (p *parser) value() (value, error) {
	t := p.next()
	if t.kind != quotedToken && (t.kind != wordToken || keywords[t.text]) {
		return value{}, p.wants(t, "a value")
	}
	return value{t.text, t.kind == quotedToken, p.column(t)}, nil
}

// right reads the right side of a comparison: a value, if nothing is calculated
// with it; a field there is written in parentheses.
func (p *parser) right() (expr, error) {
	t := p.peek()
	single := t.kind == quotedToken || t.kind == wordToken && !keywords[t.text]
	if single && p.pos+1 < len(p.tokens) {
		after := p.tokens[p.pos+1]
		if after.kind != markToken || !strings.Contains("+-*/(", after.text) {
			return p.value()
		}
	}
	return p.sum()
}

func (p *parser) sum() (expr, error) { return p.calculation([]string{"+", "-"}, p.product) }

func (p *parser) product() (expr, error) { return p.calculation([]string{"*", "/"}, p.atom) }

func (p *parser) calculation(ops []string, operand func() (expr, error)) (expr, error) {
	e, err := operand()
	for n := 0; err == nil; n++ {
		t := p.peek()
		if !p.take(ops[0]) && !p.take(ops[1]) {
			return e, nil
		}
		if n > maxDepth {
			return nil, p.fail(t, "more than %d operations in a row; use parentheses or several fields", maxDepth)
		}
		var right expr
		right, err = operand()
		e = arithmetic{t.text, e, right, p.column(t)}
	}
	return nil, err
}

// atom reads a number, a text, a field, a function or what is in parentheses.
func (p *parser) atom() (expr, error) {
	t := p.peek()
	switch {
	case p.take("("):
		e, err := p.condition()
		if err != nil {
			return nil, err
		}
		return e, p.need(")")
	case t.kind == quotedToken:
		p.next()
		return quotedText{t.text}, nil
	case t.kind == wordToken && startsNumber(t.text):
		p.next()
		if _, ok := parseNumber(t.text); !ok {
			if _, ok := parseDuration(t.text); !ok {
				return nil, p.wants(t, "a number or a length of time, or a field's name in quotes")
			}
		}
		return number{t.text, p.column(t)}, nil
	}
	n, err := p.name("a field, a number or a function")
	if err != nil || t.kind != wordToken || !p.take("(") {
		return n, err
	}
	return p.arguments(n)
}

func (p *parser) arguments(n name) (expr, error) {
	c := call{name: n, column: n.column}
	if p.take(")") {
		return c, nil
	}
	for {
		e, err := p.sum()
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, e)
		if p.take(",") {
			continue
		}
		return c, p.need(")")
	}
}

// wrap writes what binds as strongly as mine within something, in parentheses
// if that binds more strongly.
func wrap(b *strings.Builder, mine, within int, write func()) {
	if mine < within {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	write()
}

func (l logic) write(b *strings.Builder, within int) {
	mine := bindAnd
	if l.op == "or" {
		mine = bindOr
	}
	wrap(b, mine, within, func() {
		for i, e := range l.list {
			if i > 0 {
				b.WriteString(" " + l.op + " ")
			}
			e.write(b, mine+1)
		}
	})
}

func (n negation) write(b *strings.Builder, within int) {
	wrap(b, bindNot, within, func() {
		b.WriteString("not ")
		n.of.write(b, bindNot)
	})
}

func (x comparison) write(b *strings.Builder, within int) {
	wrap(b, bindCompare, within, func() {
		x.left.write(b, bindSum)
		b.WriteString(" " + x.op + " ")
		switch r := x.right.(type) {
		case name:
			b.WriteString("(" + r.String() + ")")
		default:
			r.write(b, bindSum)
		}
	})
}

func (o oneOf) write(b *strings.Builder, within int) {
	wrap(b, bindCompare, within, func() {
		o.left.write(b, bindSum)
		b.WriteString(" in (")
		for i, v := range o.values {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(v.String())
		}
		b.WriteByte(')')
	})
}

func (x presence) write(b *strings.Builder, within int) {
	wrap(b, bindCompare, within, func() { b.WriteString("exists " + x.of.String()) })
}

func (a arithmetic) write(b *strings.Builder, within int) {
	mine := bindSum
	if a.op == "*" || a.op == "/" {
		mine = bindProduct
	}
	wrap(b, mine, within, func() {
		a.left.write(b, mine)
		b.WriteString(" " + a.op + " ")
		a.right.write(b, mine+1)
	})
}

func (c call) write(b *strings.Builder, _ int) {
	b.WriteString(c.name.text + "(")
	for i, a := range c.args {
		if i > 0 {
			b.WriteString(", ")
		}
		a.write(b, bindSum)
	}
	b.WriteByte(')')
}

func (n number) write(b *strings.Builder, _ int)     { b.WriteString(n.text) }
func (q quotedText) write(b *strings.Builder, _ int) { b.WriteString(strconv.Quote(q.text)) }
func (n name) write(b *strings.Builder, _ int)       { b.WriteString(n.String()) }
func (v value) write(b *strings.Builder, _ int)      { b.WriteString(v.String()) }

// checked returns e if the store can take it; else what is wrong, at a column.
func (c *compiler) checked(e store.Expr, column int) (store.Expr, error) {
	if _, err := store.TypeOf(e, c.fields); err != nil {
		return nil, &Error{column, err.Error()}
	}
	return e, nil
}

func (l logic) compile(c *compiler) (store.Expr, error) {
	op := store.And
	if l.op == "or" {
		op = store.Or
	}
	e := store.Call{Op: op}
	for _, x := range l.list {
		a, err := c.truth(x)
		if err != nil {
			return nil, err
		}
		e.Args = append(e.Args, a)
	}
	return e, nil
}

func (n negation) compile(c *compiler) (store.Expr, error) {
	e, err := c.truth(n.of)
	return store.Call{Op: store.Not, Args: []store.Expr{e}}, err
}

// truth compiles what must be true or false.
func (c *compiler) truth(x expr) (store.Expr, error) {
	e, err := x.compile(c)
	if err != nil {
		return nil, err
	}
	t, err := store.TypeOf(e, c.fields)
	if err == nil && t != record.Bool {
		err = fmt.Errorf("%s is %s, not true or false; compare it with something", text(x), t)
	}
	if err != nil {
		return nil, &Error{columnOf(x), err.Error()}
	}
	return e, nil
}

// columnOf returns where an expression stands.
func columnOf(x expr) int {
	switch x := x.(type) {
	case name:
		return x.column
	case value:
		return x.column
	case number:
		return x.column
	case call:
		return x.column
	case comparison:
		return columnOf(x.left)
	case arithmetic:
		return columnOf(x.left)
	case oneOf:
		return columnOf(x.left)
	case presence:
		return x.of.column
	case negation:
		return columnOf(x.of)
	case logic:
		return columnOf(x.list[0])
	}
	return 1
}

var textOps = map[string]store.Op{
	"<": store.Less, "<=": store.LessEqual, ">": store.Greater, ">=": store.GreaterEqual,
	"contains": store.Contains, "startswith": store.Starts, "endswith": store.Ends, "matches": store.Regex,
}

func (x comparison) compile(c *compiler) (store.Expr, error) {
	left, err := x.left.compile(c)
	if err != nil {
		return nil, err
	}
	t, err := store.TypeOf(left, c.fields)
	if err != nil {
		return nil, &Error{columnOf(x.left), err.Error()}
	}
	v, isValue := x.right.(value)
	if isValue && (x.op == "=" || x.op == "!=") {
		e, err := v.equals(left, t, c.now)
		if err == nil && x.op == "!=" {
			e = store.Call{Op: store.Not, Args: []store.Expr{e}}
		}
		if err != nil {
			return nil, err
		}
		return c.checked(e, x.column)
	}
	var right store.Expr
	if isValue {
		right, err = v.literal(t, c.now)
	} else {
		right, err = x.right.compile(c)
	}
	if err != nil {
		return nil, err
	}
	op, ok := textOps[x.op]
	if !ok {
		op = map[string]store.Op{"=": store.Equal, "!=": store.NotEqual}[x.op]
	}
	return c.checked(store.Call{Op: op, Args: []store.Expr{left, right}}, x.column)
}

func (o oneOf) compile(c *compiler) (store.Expr, error) {
	left, err := o.left.compile(c)
	if err != nil {
		return nil, err
	}
	t, err := store.TypeOf(left, c.fields)
	if err != nil {
		return nil, &Error{columnOf(o.left), err.Error()}
	}
	any := store.Call{Op: store.Or}
	for _, v := range o.values {
		e, err := v.equals(left, t, c.now)
		if err != nil {
			return nil, err
		}
		any.Args = append(any.Args, e)
	}
	return c.checked(any, columnOf(o.left))
}

func (x presence) compile(c *compiler) (store.Expr, error) {
	return c.checked(store.Call{Op: store.Exists, Args: []store.Expr{store.Field(x.of.text)}}, x.of.column)
}

func (a arithmetic) compile(c *compiler) (store.Expr, error) {
	left, err := a.left.compile(c)
	if err != nil {
		return nil, err
	}
	right, err := a.right.compile(c)
	if err != nil {
		return nil, err
	}
	op := map[string]store.Op{"+": store.Add, "-": store.Sub, "*": store.Mul, "/": store.Div}[a.op]
	l, _ := store.TypeOf(left, c.fields)
	if r, _ := store.TypeOf(right, c.fields); op == store.Sub && l == record.Time && r == record.Time {
		op = store.Minus
	}
	return c.checked(store.Call{Op: op, Args: []store.Expr{left, right}}, a.column)
}

func (n number) compile(*compiler) (store.Expr, error) {
	if v, ok := parseNumber(n.text); ok {
		return store.Literal{Value: v}, nil
	}
	d, _ := parseDuration(n.text)
	return store.Literal{Value: int64(d)}, nil
}

func (q quotedText) compile(*compiler) (store.Expr, error) { return store.Literal{Value: q.text}, nil }

func (n name) compile(c *compiler) (store.Expr, error) {
	return c.checked(store.Field(n.text), n.column)
}

func (v value) compile(*compiler) (store.Expr, error) { return store.Literal{Value: v.text}, nil }

// functions are those of one row.
func functions() []store.Op {
	return []store.Op{store.Abs, store.Bin, store.Day, store.Has, store.Hour, store.Item, store.Length, store.Log, store.Lower}
}

func (c call) compile(k *compiler) (store.Expr, error) {
	var known []string
	for _, op := range functions() {
		if op.String() != c.name.text {
			known = append(known, op.String())
			continue
		}
		e := store.Call{Op: op}
		for _, a := range c.args {
			arg, err := a.compile(k)
			if err != nil {
				return nil, err
			}
			e.Args = append(e.Args, arg)
		}
		return k.checked(e, c.column)
	}
	return nil, &Error{c.column, (&store.NameError{What: "function", Name: c.name.text, Known: known}).Error()}
}
