package sigma

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// maxNesting is how deep a condition may be nested.
const maxNesting = 32

// conditionParser reads a condition: or binds weakest, not strongest.
type conditionParser struct {
	*compiler
	words []string
	depth int
}

func (c *compiler) condition(text string) (test, error) {
	if strings.Contains(text, "|") {
		return nil, errors.New("condition with an aggregation")
	}
	text = strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text)
	p := conditionParser{compiler: c, words: strings.Fields(text)}
	t, err := p.or()
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("malformed condition at %q", p.words[0])
	}
	return t, err
}

func (p *conditionParser) accept(word string) bool {
	if len(p.words) == 0 || !strings.EqualFold(p.words[0], word) {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *conditionParser) next() string {
	if len(p.words) == 0 {
		return ""
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

func (p *conditionParser) or() (test, error) { return p.joined("or", p.and, anyOf) }

func (p *conditionParser) and() (test, error) { return p.joined("and", p.not, allOf) }

func (p *conditionParser) joined(word string, operand func() (test, error), join func([]test) test) (test, error) {
	var list []test
	for {
		t, err := operand()
		if err != nil {
			return nil, err
		}
		list = append(list, t)
		if !p.accept(word) {
			return join(list), nil
		}
	}
}

func (p *conditionParser) not() (test, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, errors.New("condition nested too deep")
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("not"):
		t, err := p.not()
		if err != nil {
			return nil, err
		}
		return func(v *view) bool { return !t(v) }, nil
	case p.accept("("):
		t, err := p.or()
		if err == nil && !p.accept(")") {
			err = errors.New("condition without a closing bracket")
		}
		return t, err
	}
	name := p.next()
	if len(p.words) > 0 && strings.EqualFold(p.words[0], "of") {
		p.next()
		return p.of(name, p.next())
	}
	t := p.parts[name]
	if t == nil {
		return nil, fmt.Errorf("condition names %q, which is not there", name)
	}
	return t, nil
}

// of reads what follows "1 of" or "all of".
func (p *conditionParser) of(quantity, pattern string) (test, error) {
	var list []test
	for _, name := range p.order {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, fmt.Errorf("malformed condition at %q", pattern)
		}
		if ok || strings.EqualFold(pattern, "them") && !strings.HasPrefix(name, "_") {
			list = append(list, p.parts[name])
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("condition names %q, of which there is none", pattern)
	}
	switch strings.ToLower(quantity) {
	case "1", "any":
		return anyOf(list), nil
	case "all":
		return allOf(list), nil
	}
	return nil, fmt.Errorf("condition with %s of", quantity)
}
