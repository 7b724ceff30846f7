// Package hunt is the query language: questions to the store in one line.
//
//	session last 7d where app = ssh and duration > 1h | top 10 id.orig_h by sum(orig_bytes)
//
// A query names a kind of record (or of entities: devices, users, domains, …),
// a span of time and a condition, and goes on with operators behind bars, each
// of which makes rows out of the rows before. [Parse] reads it, [Query.String]
// writes it, in one form: Parse(q).String() is q for a query in that form, and
// parsing what String writes gives the same query always. [Query.Compile] makes
// a [store.Query] of it, in which every name is checked and every value is a
// value, never text of a statement; [Run] asks a store.
//
// To add an operator: 1. write a type with its methods in a file op_NAME.go, as
// op_limit.go; 2. put its Operator on the list in operator.go; 3. add queries
// and what they find to testdata/operators.txt.
package hunt

import (
	"fmt"
	"strings"
)

// MaxQuery is the longest query, in bytes.
const MaxQuery = 64 << 10

// Query is a query that was read. Its parts are not changed after that.
type Query struct {
	Source Source
	Steps  []Step
}

// Step is an operator with its arguments.
type Step interface {
	// String returns the step as it is written.
	String() string
	// compile adds store steps to c, or says what is wrong.
	compile(c *compiler) error
}

// Parse reads a query. An error is an [*Error].
func Parse(text string) (*Query, error) {
	if len(text) > MaxQuery {
		return nil, &Error{Column: 1, Message: fmt.Sprintf("the query is longer than %d bytes", MaxQuery)}
	}
	p := &parser{text: text}
	if err := p.lex(); err != nil {
		return nil, err
	}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != endToken {
		return nil, p.wants(t, "| and an operator, or the end")
	}
	return q, nil
}

// String returns the query as it is written.
func (q *Query) String() string {
	var b strings.Builder
	b.WriteString(q.Source.String())
	for _, s := range q.Steps {
		b.WriteString(" | ")
		b.WriteString(s.String())
	}
	return b.String()
}

// Error is what is wrong with a query, and where.
type Error struct {
	Column  int    // of the query's text, in characters, from 1
	Message string // with what to do
}

// Error returns the message with the column.
func (e *Error) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Message) }

// Point returns the query's line with a mark under the column, for a terminal.
func (e *Error) Point(text string) string {
	line := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return line + "\n" + strings.Repeat(" ", max(e.Column-1, 0)) + "^"
}

// query reads a source and the steps after it, up to a parenthesis or the end.
func (p *parser) query() (*Query, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(p.peek(), "the query nests more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	s, err := p.source()
	if err != nil {
		return nil, err
	}
	q := &Query{Source: s}
	for p.take("|") {
		step, err := p.step()
		if err != nil {
			return nil, err
		}
		q.Steps = append(q.Steps, step)
	}
	return q, nil
}

func (p *parser) step() (Step, error) {
	t := p.next()
	for _, o := range operators() {
		if t.kind == wordToken && t.text == o.Name {
			return o.parse(p)
		}
	}
	var names []string
	for _, o := range operators() {
		names = append(names, o.Name)
	}
	return nil, p.unknown(t, "operator", names)
}
