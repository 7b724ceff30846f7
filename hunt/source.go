package hunt

import (
	"strings"

	"tyto/store"
)

// Source is what a query starts from.
type Source struct {
	kind   name
	last   duration // 0: from and to count
	from   value    // empty text: no limit
	to     value
	filter expr // nil: all rows
}

// entityKinds are the sources that are entities of a kind.
var entityKinds = map[string]string{
	"devices": "device", "users": "user", "services": "service", "domains": "domain", "addresses": "address", "networks": "network",
	"certificates": "certificate", "fingerprints": "fingerprint", "software": "software", "files": "file", "organisations": "organisation",
	"interfaces": "interface",
}

func (p *parser) source() (Source, error) {
	var s Source
	var err error
	if s.kind, err = p.name("a kind of record, as session, dns or devices,"); err != nil {
		return s, err
	}
	if p.take("last") {
		if s.last, err = p.duration("a length of time"); err != nil {
			return s, err
		}
	} else if err := p.spanOf(&s); err != nil {
		return s, err
	}
	if p.take("where") {
		s.filter, err = p.condition()
	}
	return s, err
}

// spanOf reads from TIME to TIME, or one of them.
func (p *parser) spanOf(s *Source) error {
	var err error
	if p.take("from") {
		if s.from, err = p.value(); err != nil {
			return err
		}
	}
	if p.take("to") {
		s.to, err = p.value()
	}
	return err
}

// String returns the source as it is written.
func (s Source) String() string {
	var b strings.Builder
	b.WriteString(s.kind.String())
	if s.last != 0 {
		b.WriteString(" last " + s.last.String())
	}
	if s.from.text != "" || s.from.quoted {
		b.WriteString(" from " + s.from.String())
	}
	if s.to.text != "" || s.to.quoted {
		b.WriteString(" to " + s.to.String())
	}
	if s.filter != nil {
		b.WriteString(" where " + text(s.filter))
	}
	return b.String()
}

// compile starts a query.
func (s Source) compile(c *compiler) error {
	kind := s.kind.text
	entity, isEntity := entityKinds[kind]
	if isEntity && c.kinds.Find(kind) == nil {
		kind = "entity"
	}
	k := c.kinds.Find(kind)
	if k == nil {
		e := &store.NameError{What: "kind of record", Name: s.kind.text}
		for _, k := range c.kinds.All() {
			e.Known = append(e.Known, k.Name)
		}
		for name := range entityKinds {
			e.Known = append(e.Known, name)
		}
		return &Error{s.kind.column, e.Error()}
	}
	c.out = &store.Query{Kind: kind}
	c.fields, c.kind, c.entity = k.Fields, kind, ""
	if err := s.span(c); err != nil {
		return err
	}
	if kind == "entity" && isEntity {
		c.entity = entity
		if err := c.entities(entity, s.kind.column); err != nil {
			return err
		}
	}
	if s.filter == nil {
		return nil
	}
	return where{s.filter}.compile(c)
}

func (s Source) span(c *compiler) error {
	if s.last != 0 {
		c.out.After = c.now - int64(s.last)
	}
	for _, x := range []struct {
		v  value
		to *int64
	}{{s.from, &c.out.After}, {s.to, &c.out.Before}} {
		if x.v.text == "" && !x.v.quoted {
			continue
		}
		ns, ok := parseTime(x.v.text, c.now)
		if !ok {
			return &Error{x.v.column, x.v.String() + " is no time; write 2026-11-24, 2026-11-24T14:02, or -7d for that long ago"}
		}
		*x.to = ns
	}
	return nil
}

// entities keeps the latest record of each entity of a kind.
func (c *compiler) entities(kind string, column int) error {
	e := store.Call{Op: store.Equal, Args: []store.Expr{store.Field("kind"), store.Literal{Value: kind}}}
	if err := c.add(store.Filter{Where: e}, column); err != nil {
		return err
	}
	return c.add(store.Latest{By: []string{"id"}, Field: "last_seen"}, column)
}
