package hunt

import (
	"maps"
	"slices"

	"tyto/store"
)

var toOperator = Operator{
	Name: "to", Usage: "to ENTITIES [via RELATION, …] [where CONDITION]",
	Doc:     "Goes from entities along their relations to entities of a kind: devices, users, domains, … The condition is of those.",
	Example: "devices where role = workstation | to domains via resolved, reached where ts > -7d",
	parse:   func(p *parser) (Step, error) { return p.along("to") },
}

var fromOperator = Operator{
	Name: "from", Usage: "from ENTITIES [via RELATION, …] [where CONDITION]",
	Doc:     "Goes against the direction of relations: to the entities that these are related from.",
	Example: "domains where name = *.example.com | from devices via reached",
	parse:   func(p *parser) (Step, error) { return p.along("from") },
}

// along goes from entities to others.
type along struct {
	op     string
	kind   name
	via    []name
	filter expr
}

func (p *parser) along(op string) (Step, error) {
	a := along{op: op}
	var err error
	if a.kind, err = p.name("a kind of entities, as domains,"); err != nil {
		return nil, err
	}
	if p.take("via") {
		if a.via, err = p.names("a relation"); err != nil {
			return nil, err
		}
	}
	if p.take("where") {
		a.filter, err = p.condition()
	}
	return a, err
}

func (a along) String() string {
	s := a.op + " " + a.kind.String()
	if len(a.via) > 0 {
		s += " via " + joinNames(a.via)
	}
	if a.filter != nil {
		s += " where " + text(a.filter)
	}
	return s
}

// compile makes the entities of the new kind the rows: those for which there is
// a relation whose other end is among the rows so far.
func (a along) compile(c *compiler) error {
	kind, ok := entityKinds[a.kind.text]
	if !ok {
		return &Error{a.kind.column, (&store.NameError{What: "kind of entities", Name: a.kind.text, Known: slices.Sorted(maps.Keys(entityKinds))}).Error()}
	}
	if c.entity == "" {
		return &Error{a.kind.column, a.op + " goes from entities: start with devices, users, domains, …"}
	}
	if c.kinds.Find("relation") == nil {
		return &Error{a.kind.column, "this store has no relations"}
	}
	near, far := "from", "to"
	if a.op == "from" {
		near, far = "to", "from"
	}
	if c.entity == "device" {
		near += "_device"
	}
	if kind == "device" {
		far += "_device"
	}
	relations := &compiler{ctx: c.ctx, kinds: c.kinds, store: c.store, now: c.now, out: &store.Query{Kind: "relation"}, fields: c.kinds.Find("relation").Fields}
	if len(a.via) > 0 {
		in := store.Call{Op: store.In, Args: []store.Expr{store.Field("relation")}}
		for _, v := range a.via {
			in.Args = append(in.Args, store.Literal{Value: v.text})
		}
		if err := relations.add(store.Filter{Where: in}, a.via[0].column); err != nil {
			return err
		}
	}
	if err := relations.add(store.Match{Query: c.out, On: []store.Pair{{Left: near, Right: "id"}}}, a.kind.column); err != nil {
		return err
	}
	k := c.kinds.Find("entity")
	c.out, c.fields, c.kind, c.entity = &store.Query{Kind: "entity"}, k.Fields, "entity", kind
	if err := c.entities(kind, a.kind.column); err != nil {
		return err
	}
	if err := c.add(store.Match{Query: relations.out, On: []store.Pair{{Left: "id", Right: far}}}, a.kind.column); err != nil {
		return err
	}
	if a.filter == nil {
		return nil
	}
	return where{a.filter}.compile(c)
}
