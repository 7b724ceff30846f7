package hunt

import "tyto/store"

var sortOperator = Operator{
	Name: "sort", Usage: "sort FIELD [desc], …",
	Doc:     "Puts the rows in order, the least first; desc: the greatest.",
	Example: "session | sort duration desc | limit 20",
	parse:   parseSort,
}

type key struct {
	field name
	desc  bool
}

type sorted struct{ keys []key }

func parseSort(p *parser) (Step, error) {
	var s sorted
	for {
		n, err := p.name("a field")
		if err != nil {
			return nil, err
		}
		k := key{n, p.take("desc")}
		if !k.desc {
			p.take("asc")
		}
		s.keys = append(s.keys, k)
		if !p.take(",") {
			return s, nil
		}
	}
}

func (s sorted) String() string {
	text := "sort "
	for i, k := range s.keys {
		if i > 0 {
			text += ", "
		}
		text += k.field.String()
		if k.desc {
			text += " desc"
		}
	}
	return text
}

func (s sorted) compile(c *compiler) error {
	var st store.Sort
	for _, k := range s.keys {
		if _, err := k.field.compile(c); err != nil {
			return err
		}
		st.Keys = append(st.Keys, store.Key{Field: k.field.text, Desc: k.desc})
	}
	return c.add(st, s.keys[0].field.column)
}
