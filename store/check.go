package store

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"tyto/internal/record"
)

// NameError says that there is no table or column of a name.
type NameError struct {
	What  string   // "table" or "field"
	Name  string   // the one that was asked for
	Known []string // those there are
}

// Error names what there is instead.
func (e *NameError) Error() string {
	if near := Nearest(e.Name, e.Known); near != "" {
		return fmt.Sprintf("there is no %s %s; did you mean %s?", e.What, e.Name, near)
	}
	return fmt.Sprintf("there is no %s %s", e.What, e.Name)
}

// Nearest returns the name that is most like one that does not exist, or "".
func Nearest(name string, known []string) string {
	best, least := "", 1+len(name)/3
	for _, k := range known {
		if d := distance(name, k); d <= least && (best == "" || d < least) {
			best, least = k, d
		}
	}
	return best
}

// distance is how many letters must be changed, added or removed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// maxSteps bounds a query, with what it joins.
const maxSteps = 200

// Check returns the result columns of a query, or what is wrong with it: an
// unknown name (a *NameError) or values that do not go together. A query that
// is checked can be run.
func (q *Query) Check(ks *Kinds) ([]record.Field, error) {
	steps := 0
	return q.check(ks, &steps)
}

func (q *Query) check(ks *Kinds, steps *int) ([]record.Field, error) {
	k := ks.Find(q.Kind)
	if k == nil {
		e := &NameError{What: "table", Name: q.Kind}
		for _, k := range ks.All() {
			e.Known = append(e.Known, k.Name)
		}
		return nil, e
	}
	fields := k.Fields
	for _, s := range q.Steps {
		if *steps++; *steps > maxSteps {
			return nil, fmt.Errorf("the query has more than %d steps; ask in parts", maxSteps)
		}
		var err error
		if fields, err = Apply(s, fields, ks, steps); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// Apply returns the columns that a step makes of columns, or what is wrong with
// it. It counts the steps inside the step.
func Apply(s Step, in []record.Field, ks *Kinds, steps *int) ([]record.Field, error) {
	switch s := s.(type) {
	case Filter:
		return in, wants(s.Where, in, record.Bool)
	case Select:
		return columns(nil, s.Columns, in)
	case Extend:
		return columns(slices.Clone(in), s.Columns, in)
	case Group:
		return group(s, in)
	case Sort:
		for _, k := range s.Keys {
			f, err := find(in, k.Field)
			if err != nil {
				return nil, err
			}
			if Base(f.Type).List() {
				return nil, fmt.Errorf("%s is a list: sort by something else", f.Name)
			}
		}
		return in, nil
	case Limit:
		if s.Rows < 0 {
			return nil, fmt.Errorf("a limit of %d rows: give a number from 0", s.Rows)
		}
		return in, nil
	case Latest:
		for _, name := range append([]string{s.Field}, s.By...) {
			if _, err := find(in, name); err != nil {
				return nil, err
			}
		}
		return in, nil
	case Match:
		_, err := partner(s.Query, s.On, s.Span, in, ks, steps)
		return in, err
	case Join:
		right, err := partner(s.Query, s.On, s.Span, in, ks, steps)
		if err != nil {
			return nil, err
		}
		out := slices.Clone(in)
		for _, f := range right {
			f.Name = s.Prefix + f.Name
			if has(out, f.Name) {
				return nil, fmt.Errorf("both sides of the join have a field %s: give the joined ones another prefix", f.Name)
			}
			out = append(out, f)
		}
		return out, nil
	}
	return nil, fmt.Errorf("a step of type %T is not known", s)
}

// partner checks what is joined and returns its columns.
func partner(q *Query, on []Pair, span *Span, in []record.Field, ks *Kinds, steps *int) ([]record.Field, error) {
	right, err := q.check(ks, steps)
	if err != nil {
		return nil, err
	}
	if len(on) == 0 {
		return nil, fmt.Errorf("the join with %s says no fields that must be equal", q.Kind)
	}
	for _, p := range on {
		l, err := find(in, p.Left)
		if err != nil {
			return nil, err
		}
		r, err := find(right, p.Right)
		if err != nil {
			return nil, err
		}
		if !comparable2(l.Type, r.Type) {
			return nil, fmt.Errorf("%s is %s and %s is %s: they cannot be equal", l.Name, l.Type, r.Name, r.Type)
		}
	}
	if span == nil {
		return right, nil
	}
	for _, x := range []struct {
		name   string
		fields []record.Field
	}{{span.Left, in}, {span.Right, right}} {
		f, err := find(x.fields, x.name)
		if err != nil {
			return nil, err
		}
		if f.Type != record.Time {
			return nil, fmt.Errorf("%s is no time", f.Name)
		}
	}
	return right, nil
}

func find(fields []record.Field, name string) (record.Field, error) {
	e := &NameError{What: "field", Name: name}
	for _, f := range fields {
		if f.Name == name {
			return f, nil
		}
		e.Known = append(e.Known, f.Name)
	}
	return record.Field{}, e
}

func has(fields []record.Field, name string) bool {
	return slices.ContainsFunc(fields, func(f record.Field) bool { return f.Name == name })
}

// columns adds named expressions to out.
func columns(out []record.Field, list []Named, in []record.Field) ([]record.Field, error) {
	for i, n := range list {
		t, err := TypeOf(n.Expr, in)
		if err != nil {
			return nil, err
		}
		if n.Name == "" || slices.ContainsFunc(list[:i], func(o Named) bool { return o.Name == n.Name }) {
			return nil, fmt.Errorf("the column name %q is empty or given twice", n.Name)
		}
		f := record.Field{Name: n.Name, Type: t}
		if at := slices.IndexFunc(out, func(o record.Field) bool { return o.Name == n.Name }); at >= 0 {
			out[at] = f
			continue
		}
		out = append(out, f)
	}
	return out, nil
}

func group(g Group, in []record.Field) ([]record.Field, error) {
	out, err := columns(nil, g.By, in)
	if err != nil {
		return nil, err
	}
	for _, a := range g.Aggregates {
		t, err := aggregateType(a, in)
		if err != nil {
			return nil, err
		}
		if a.Name == "" || has(out, a.Name) {
			return nil, fmt.Errorf("the column name %q is empty or given twice", a.Name)
		}
		out = append(out, record.Field{Name: a.Name, Type: t})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("a group without columns: say what to count")
	}
	return out, nil
}

func aggregateType(a Aggregate, in []record.Field) (record.Type, error) {
	if a.Expr == nil {
		if a.Func != Count {
			return record.Invalid, fmt.Errorf("%s of what? give a field: %s(orig_bytes)", a.Func, a.Func)
		}
		return record.Count, nil
	}
	t, err := TypeOf(a.Expr, in)
	if err != nil {
		return record.Invalid, err
	}
	switch a.Func {
	case Count, Distinct:
		return record.Count, nil
	case Min, Max:
		if Base(t).List() {
			return record.Invalid, fmt.Errorf("%s of a list is not defined", a.Func)
		}
		return t, nil
	case Values:
		if Base(t) != TextBase {
			return record.Invalid, fmt.Errorf("values needs text; this is %s", t)
		}
		return record.Set, nil
	case Sum, Mean, Median, P95, Spread:
		if !number(t) {
			return record.Invalid, fmt.Errorf("%s needs a number; this is %s", a.Func, t)
		}
		if t == record.Interval {
			return record.Interval, nil
		}
		if a.Func == Sum && Base(t) != FloatBase {
			return record.Int, nil
		}
		return record.Double, nil
	}
	return record.Invalid, fmt.Errorf("function %d is not known", a.Func)
}

// number reports whether a type can be calculated with; a time cannot.
func number(t record.Type) bool {
	switch t {
	case record.Count, record.Int, record.Double, record.Interval, record.Port:
		return true
	}
	return false
}

// comparable2 reports whether values of two types can be compared.
func comparable2(a, b record.Type) bool {
	switch {
	case a == record.Time || b == record.Time:
		return a == b
	case number(a):
		return number(b)
	}
	return Base(a) == Base(b) && !Base(a).List() && Base(a) != NoBase
}

func wants(e Expr, in []record.Field, want record.Type) error {
	t, err := TypeOf(e, in)
	if err == nil && t != want {
		err = fmt.Errorf("this is %s where %s is needed", t, want)
	}
	return err
}

// TypeOf returns the type of an expression over columns, or what is wrong with
// it.
func TypeOf(e Expr, in []record.Field) (record.Type, error) {
	return typeOf(e, in, 0)
}

// maxNesting is how deep expressions may nest.
const maxNesting = 100

func typeOf(e Expr, in []record.Field, depth int) (record.Type, error) {
	if depth > maxNesting {
		return record.Invalid, fmt.Errorf("the expression nests more than %d deep", maxNesting)
	}
	switch e := e.(type) {
	case Field:
		f, err := find(in, string(e))
		return f.Type, err
	case Literal:
		return literalType(e)
	case Within:
		t, err := typeOf(e.Addr, in, depth+1)
		switch {
		case err != nil:
			return record.Invalid, err
		case Base(t) != TextBase:
			return record.Invalid, fmt.Errorf("%s cannot be in a network", t)
		case !e.Network.IsValid():
			return record.Invalid, fmt.Errorf("the network is not valid")
		}
		return record.Bool, textual(e.Network)
	case Call:
		types := make([]record.Type, len(e.Args))
		for i, a := range e.Args {
			var err error
			if types[i], err = typeOf(a, in, depth+1); err != nil {
				return record.Invalid, err
			}
		}
		return callType(e, types)
	}
	return record.Invalid, fmt.Errorf("an expression of type %T is not known", e)
}

// textual reports whether a network can be told by the text of addresses. A
// group of zeros inside the prefix of an IPv6 network cannot: RFC 5952 writes
// it as 0 or leaves it out, as what follows demands.
func textual(p netip.Prefix) error {
	if p.Addr().Is4() || p.IsSingleIP() {
		return nil
	}
	b := p.Masked().Addr().As16()
	for i := 0; i < p.Bits()/16; i++ {
		if b[2*i] == 0 && b[2*i+1] == 0 {
			return fmt.Errorf("the network %s has a group of zeros in its prefix, which cannot be asked for; give a shorter prefix or an address", p)
		}
	}
	return nil
}

func literalType(l Literal) (record.Type, error) {
	switch l.Value.(type) {
	case int64:
		return record.Int, nil
	case uint64:
		return record.Count, nil
	case float64:
		return record.Double, nil
	case string:
		return record.String, nil
	case bool:
		return record.Bool, nil
	}
	return record.Invalid, fmt.Errorf("a literal of type %T is not known", l.Value)
}

// callType returns the type of an operation's result.
func callType(c Call, types []record.Type) (record.Type, error) {
	sig, ok := signatures[c.Op]
	if !ok {
		return record.Invalid, fmt.Errorf("operation %d is not known", c.Op)
	}
	if len(types) < sig.least || sig.most >= 0 && len(types) > sig.most {
		return record.Invalid, fmt.Errorf("%s cannot take %d values", c.Op, len(types))
	}
	if err := sig.args(c, types); err != nil {
		return record.Invalid, err
	}
	return sig.result(types), nil
}

// signature is what an operation takes and gives.
type signature struct {
	least, most int // arguments; most -1: any number
	args        func(Call, []record.Type) error
	result      func([]record.Type) record.Type
}

var signatures = map[Op]signature{
	And: {1, -1, all(record.Bool), gives(record.Bool)}, Or: {1, -1, all(record.Bool), gives(record.Bool)},
	Not:   {1, 1, all(record.Bool), gives(record.Bool)},
	Equal: {2, 2, alike, gives(record.Bool)}, NotEqual: {2, 2, alike, gives(record.Bool)},
	Less: {2, 2, alike, gives(record.Bool)}, LessEqual: {2, 2, alike, gives(record.Bool)},
	Greater: {2, 2, alike, gives(record.Bool)}, GreaterEqual: {2, 2, alike, gives(record.Bool)},
	In:       {2, -1, alike, gives(record.Bool)},
	Contains: {2, 2, texts, gives(record.Bool)}, Starts: {2, 2, texts, gives(record.Bool)},
	Ends: {2, 2, texts, gives(record.Bool)}, Regex: {2, 2, pattern, gives(record.Bool)},
	Has:    {2, 2, listed, gives(record.Bool)},
	Exists: {1, 1, anything, gives(record.Bool)},
	Add:    {2, 2, numbers, arithmetic}, Sub: {2, 2, numbers, arithmetic},
	Mul: {2, 2, numbers, gives(record.Double)}, Div: {2, 2, numbers, gives(record.Double)},
	Bin:  {2, 2, binned, gives(record.Time)},
	Hour: {1, 1, all(record.Time), gives(record.Count)}, Day: {1, 1, all(record.Time), gives(record.Count)},
	Length: {1, 1, lengthy, gives(record.Count)}, Lower: {1, 1, texts, gives(record.String)},
	Log: {1, 1, numbers, gives(record.Double)}, Abs: {1, 1, numbers, gives(record.Double)},
	Minus: {2, 2, all(record.Time), gives(record.Interval)},
	Item:  {3, 3, parts, gives(record.String)},
}

// opNames are the operations in the query language.
var opNames = [...]string{
	And: "and", Or: "or", Not: "not", Equal: "==", NotEqual: "!=", Less: "<", LessEqual: "<=", Greater: ">", GreaterEqual: ">=", In: "in", Contains: "contains", Starts: "startswith", Ends: "endswith", Regex: "matches", Has: "has", Exists: "exists", Add: "+", Sub: "-", Mul: "*", Div: "/", Bin: "bin", Hour: "hour", Day: "day", Length: "length", Lower: "lower", Log: "log", Abs: "abs", Minus: "since", Item: "item",
}

// String returns the operation's name in the query language.
func (o Op) String() string {
	if int(o) < len(opNames) && opNames[o] != "" {
		return opNames[o]
	}
	return "invalid"
}

func gives(t record.Type) func([]record.Type) record.Type {
	return func([]record.Type) record.Type { return t }
}

func arithmetic(types []record.Type) record.Type {
	if types[0] == record.Interval && types[1] == record.Interval {
		return record.Interval
	}
	return record.Double
}

func anything(Call, []record.Type) error { return nil }

func all(want record.Type) func(Call, []record.Type) error {
	return func(c Call, types []record.Type) error {
		for _, t := range types {
			if t != want {
				return fmt.Errorf("%s needs %s; this is %s", c.Op, want, t)
			}
		}
		return nil
	}
}

func numbers(c Call, types []record.Type) error {
	for _, t := range types {
		if !number(t) {
			return fmt.Errorf("%s needs a number; this is %s", c.Op, t)
		}
	}
	return nil
}

func texts(c Call, types []record.Type) error {
	for _, t := range types {
		if Base(t) != TextBase {
			return fmt.Errorf("%s needs text; this is %s", c.Op, t)
		}
	}
	return nil
}

// alike wants values that can be compared with the first. A time is compared
// with a literal of nanoseconds.
func alike(c Call, types []record.Type) error {
	for i, t := range types[1:] {
		_, literal := c.Args[i+1].(Literal)
		if types[0] == record.Time && t == record.Int && literal || comparable2(types[0], t) {
			continue
		}
		return fmt.Errorf("%s cannot be compared with %s", types[0], t)
	}
	return nil
}

func pattern(c Call, types []record.Type) error {
	l, ok := c.Args[1].(Literal)
	text, isText := l.Value.(string)
	if !ok || !isText || Base(types[0]) != TextBase {
		return fmt.Errorf("matches needs a text and a regular expression")
	}
	if _, err := regexp.Compile(text); err != nil {
		return fmt.Errorf("regular expression: %w", err)
	}
	return nil
}

func listed(c Call, types []record.Type) error {
	if Base(types[0]) != TextsBase || Base(types[1]) != TextBase {
		return fmt.Errorf("has needs a list of texts and a text; this is %s and %s", types[0], types[1])
	}
	return nil
}

func binned(c Call, types []record.Type) error {
	l, ok := c.Args[1].(Literal)
	width, isInt := l.Value.(int64)
	if !ok || !isInt || width <= 0 || types[0] != record.Time {
		return fmt.Errorf("bin needs a time and an interval above 0")
	}
	return nil
}

func lengthy(c Call, types []record.Type) error {
	if b := Base(types[0]); b != TextBase && !b.List() {
		return fmt.Errorf("length needs a text or a list; this is %s", types[0])
	}
	return nil
}

func parts(c Call, types []record.Type) error {
	l, ok := c.Args[2].(Literal)
	_, isInt := l.Value.(int64)
	if !ok || !isInt || Base(types[0]) != TextBase || Base(types[1]) != TextBase {
		return fmt.Errorf("item needs a text, a separator and a number")
	}
	return nil
}
