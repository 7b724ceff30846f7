package store

import "net/netip"

// Query is a question to a store: the rows of a table within a span of time, and
// steps that each make rows out of the rows before. It is a tree of plain
// values, not text, so that nothing in it can be mistaken for a command.
//
// Rows come in the order of the last Sort; without one, in the order they were
// appended as long as no Group, Match, Join or Latest came in between, and in a fixed
// order of their values after that.
type Query struct {
	Kind   string // table
	After  int64  // earliest time, ns since the epoch; 0: no limit
	Before int64  // first time that is too late; 0: no limit
	Steps  []Step
}

// Step makes rows of rows. Its implementations are Filter, Select, Extend,
// Group, Sort, Limit, Latest, Match and Join.
type Step interface{ step() }

// Filter keeps the rows for which Where is true.
type Filter struct{ Where Expr }

// Select makes rows of the given columns.
type Select struct{ Columns []Named }

// Extend adds columns; one with the name of a column takes its place.
type Extend struct{ Columns []Named }

// Group makes one row for each combination of values of By; one in all if there
// is no By.
type Group struct {
	By         []Named
	Aggregates []Aggregate
}

// Sort puts rows in order. Rows that are equal in all keys come in the order of
// the other columns that can be compared, so that the order is always the same.
type Sort struct{ Keys []Key }

// Limit keeps the first rows.
type Limit struct{ Rows int }

// Latest keeps one row for each combination of values of By: the one with the
// greatest value of Field, or the least if First.
type Latest struct {
	By    []string
	Field string
	First bool
}

// Match keeps the rows for which a query has a row (or, if Not, has none) that
// is equal in On and within Span.
type Match struct {
	Query *Query
	On    []Pair
	Span  *Span
	Not   bool
}

// Join puts the rows together with the rows of a query that are equal in On and
// within Span; rows without a partner are left out, unless Outer. The query's
// columns get Prefix in front of their names.
type Join struct {
	Query  *Query
	On     []Pair
	Span   *Span
	Prefix string
	Outer  bool
}

func (Filter) step() {}
func (Select) step() {}
func (Extend) step() {}
func (Group) step()  {}
func (Sort) step()   {}
func (Limit) step()  {}
func (Latest) step() {}
func (Match) step()  {}
func (Join) step()   {}

// Named is a column of an expression.
type Named struct {
	Name string
	Expr Expr
}

// Key is what to sort by.
type Key struct {
	Field string
	Desc  bool
}

// Pair is two columns that must be equal: of the rows, and of the query.
type Pair struct{ Left, Right string }

// Span says that the time Right of the query lies From to To after the time
// Left of the rows, both included, in ns.
type Span struct {
	Left, Right string
	From, To    int64
}

// Aggregate is a column of a Group: Func of the expression over the rows.
type Aggregate struct {
	Name string
	Func Func
	Expr Expr // nil for Count: all rows
}

// Func makes one value of many. Values that are null are left out.
type Func uint8

// Functions of groups.
const (
	NoFunc Func = iota
	Count       // rows, or values if there is an expression
	Sum
	Mean
	Min
	Max
	Median
	P95      // 95th percentile
	Spread   // standard deviation
	Distinct // how many different values
	Values   // the different values, sorted, at most MaxValues
)

// MaxValues is how many values Values gives.
const MaxValues = 20

var funcNames = [...]string{"", "count", "sum", "mean", "min", "max", "median", "p95", "spread", "distinct", "values"}

// String returns the function's name in the query language.
func (f Func) String() string {
	if int(f) < len(funcNames) {
		return funcNames[f]
	}
	return "invalid"
}

// Funcs returns all functions, in the order of their constants.
func Funcs() []Func {
	return []Func{Count, Sum, Mean, Min, Max, Median, P95, Spread, Distinct, Values}
}

// Expr is a value for each row. Its implementations are Field, Literal, Call
// and Within.
type Expr interface{ expr() }

// Field is the value of a column.
type Field string

// Literal is a value: int64, uint64, float64, string or bool; times and
// intervals are int64 in nanoseconds.
type Literal struct{ Value any }

// Call is an operation on values. What is null makes the result null, except
// for Exists; a Filter takes null for false.
type Call struct {
	Op   Op
	Args []Expr
}

// Within is whether an address lies in a network.
type Within struct {
	Addr    Expr
	Network netip.Prefix
}

func (Field) expr()   {}
func (Literal) expr() {}
func (Call) expr()    {}
func (Within) expr()  {}

// Op is an operation.
type Op uint8

// Operations. Text is compared by bytes, except where "fold" says that upper
// and lower case are the same.
const (
	NoOp Op = iota
	And     // any number of arguments
	Or
	Not
	Equal
	NotEqual
	Less
	LessEqual
	Greater
	GreaterEqual
	In       // the first is one of the others
	Contains // text in text, fold
	Starts   // text starts with text, fold
	Ends     // text ends with text, fold
	Regex    // part of a text matches a regular expression in RE2's syntax
	Has      // a list holds a text
	Exists   // there is a value
	Add      // numbers; the result is a double, but an interval of intervals
	Sub
	Mul
	Div    // null if the second is 0
	Bin    // a time, rounded down to a multiple of an interval
	Hour   // of a time, 0 to 23, UTC
	Day    // of a time: 0 for Sunday, UTC
	Length // characters of a text or elements of a list
	Lower  // text in lower case
	Log    // natural logarithm of 1 plus a number that is at least 0
	Abs
	Minus // difference of two times as an interval
	Item  // the n-th part of a text that a separator divides: text, separator, n from 1, or from the end if negative
)
