package hunt

import (
	"fmt"
	"strings"

	"tyto/internal/record"
	"tyto/store"
)

var withOperator = Operator{
	Name: "with", Usage: "with KIND [where CONDITION] [on FIELD [= FIELD], …]",
	Doc:     "Puts each row together with the records of another kind about the same session; their fields are KIND.FIELD. On gives other fields that must be equal, of the rows = of the records. Rows without such a record are left out.",
	Example: "session where duration > 1h | with tls where exists ja4 | rare 20 tls.ja4",
	parse:   func(p *parser) (Step, error) { return p.partner("with") },
}

var didOperator = Operator{
	Name: "did", Usage: "did KIND [where CONDITION] [on FIELD [= FIELD], …] [within TIME]",
	Doc:     "Keeps the rows whose originator also did something: has such a record, within TIME before or after if that is given. Of devices: an address of the device did. On gives other fields that must be equal.",
	Example: "session where resp_bytes > 100MB | did kerberos where success = false within 1h",
	parse:   func(p *parser) (Step, error) { return p.partner("did") },
}

var didntOperator = Operator{
	Name: "didnt", Usage: "didnt KIND [where CONDITION] [on FIELD [= FIELD], …] [within TIME]",
	Doc:     "Keeps the rows for which did would not.",
	Example: "session where app = tls | didnt dns on id.orig_h within 10m",
	parse:   func(p *parser) (Step, error) { return p.partner("didnt") },
}

var thenOperator = Operator{
	Name: "then", Usage: "then KIND [where CONDITION] [on FIELD [= FIELD], …] within TIME",
	Doc:     "Puts each row together with the records that follow it within TIME from the same originator: A, then B. The fields of the second are KIND.FIELD.",
	Example: "kerberos where success = false | then ssh where auth_success = true within 5m",
	parse:   func(p *parser) (Step, error) { return p.partner("then") },
}

// pair are fields that must be equal.
type pair struct{ left, right name }

// partner is an operator over rows and another query.
type partner struct {
	op     string
	source Source
	on     []pair
	within duration
	column int
}

func (p *parser) partner(op string) (Step, error) {
	x := partner{op: op, column: p.column(p.peek())}
	var err error
	if x.source, err = p.source(); err != nil {
		return nil, err
	}
	if p.take("on") {
		if x.on, err = p.pairs(); err != nil {
			return nil, err
		}
	}
	if op == "with" {
		return x, nil
	}
	if p.take("within") {
		x.within, err = p.duration("a length of time")
		return x, err
	}
	if op == "then" {
		return nil, p.wants(p.peek(), "within and a length of time, as within 5m,")
	}
	return x, nil
}

func (p *parser) pairs() ([]pair, error) {
	var list []pair
	for {
		n, err := p.name("a field")
		if err != nil {
			return nil, err
		}
		x := pair{n, n}
		if p.take("=") || p.take("==") {
			if x.right, err = p.name("a field"); err != nil {
				return nil, err
			}
		}
		list = append(list, x)
		if !p.take(",") {
			return list, nil
		}
	}
}

func (x partner) String() string {
	s := x.op + " " + x.source.String()
	var b []string
	for _, p := range x.on {
		if p.left.text == p.right.text {
			b = append(b, p.left.String())
			continue
		}
		b = append(b, p.left.String()+" = "+p.right.String())
	}
	if len(b) > 0 {
		s += " on " + strings.Join(b, ", ")
	}
	if x.within != 0 {
		s += " within " + x.within.String()
	}
	return s
}

func (x partner) compile(c *compiler) error {
	in, err := c.inner(&Query{Source: x.source})
	if err != nil {
		return err
	}
	on, err := x.pairs(c, in)
	if err != nil {
		return err
	}
	span, err := x.span(c, in)
	if err != nil {
		return err
	}
	if x.op == "did" || x.op == "didnt" {
		return c.add(store.Match{Query: in.out, On: on, Span: span, Not: x.op == "didnt"}, x.column)
	}
	return c.add(store.Join{Query: in.out, On: on, Span: span, Prefix: c.prefix(x.source.kind.text)}, x.column)
}

// prefix is what joined fields get in front: the kind, with a number if it was
// joined before.
func (c *compiler) prefix(kind string) string {
	prefix := kind + "."
	for n := 2; c.hasPrefix(prefix); n++ {
		prefix = fmt.Sprintf("%s%d.", kind, n)
	}
	return prefix
}

func (c *compiler) hasPrefix(prefix string) bool {
	for _, f := range c.fields {
		if strings.HasPrefix(f.Name, prefix) {
			return true
		}
	}
	return false
}

// pairs are the fields that must be equal: those given, the session for with,
// the device for devices, else the originator.
func (x partner) pairs(c, in *compiler) ([]store.Pair, error) {
	var on []store.Pair
	for _, p := range x.on {
		if _, err := p.left.compile(c); err != nil {
			return nil, err
		}
		if _, err := p.right.compile(in); err != nil {
			return nil, err
		}
		on = append(on, store.Pair{Left: p.left.text, Right: p.right.text})
	}
	if len(on) > 0 {
		return on, nil
	}
	field := "id.orig_h"
	switch {
	case x.op == "with":
		field = "uid"
	case c.entity == "device" && in.has(field):
		return []store.Pair{{Left: "id", Right: "device"}}, in.devices(x.column)
	}
	if !c.has(field) || !in.has(field) {
		return nil, &Error{x.column, fmt.Sprintf("not both sides have %s: say which fields must be equal, as on FIELD = FIELD", field)}
	}
	return []store.Pair{{Left: field, Right: field}}, nil
}

// devices makes rows of records into the devices that their originators are an
// address of.
func (c *compiler) devices(column int) error {
	addresses := &compiler{ctx: c.ctx, kinds: c.kinds, store: c.store, now: c.now, out: &store.Query{Kind: "entity"}, fields: c.kinds.Find("entity").Fields}
	if err := addresses.entities("address", column); err != nil {
		return err
	}
	ts := c.fields[0].Name
	join := store.Join{Query: addresses.out, On: []store.Pair{{Left: "id.orig_h", Right: "addr"}}, Prefix: "entity of originator: "}
	if err := c.add(join, column); err != nil {
		return err
	}
	return c.add(store.Select{Columns: []store.Named{{Name: ts, Expr: store.Field(ts)}, {Name: "device", Expr: store.Field("entity of originator: device")}}}, column)
}

func (x partner) span(c, in *compiler) (*store.Span, error) {
	if x.within == 0 {
		return nil, nil
	}
	left, right := c.fields[0], in.fields[0]
	if left.Type != record.Time || right.Type != record.Time {
		return nil, &Error{x.column, "within needs rows that start with a time: put it before what changed the columns"}
	}
	s := &store.Span{Left: left.Name, Right: right.Name, From: -int64(x.within), To: int64(x.within)}
	if x.op == "then" {
		s.From = 0
		if c.kind == in.kind {
			s.From = 1 // a record does not follow itself
		}
	}
	return s, nil
}
