package sigma

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"

	"tyto/detection"
)

// item reads a field with its modifiers, and the values it may have.
func (c *compiler) item(key string, n *yaml.Node) (test, error) {
	name, rest, _ := strings.Cut(key, "|")
	var modifiers []string
	if rest != "" {
		modifiers = strings.Split(strings.ToLower(rest), "|")
	}
	for _, m := range modifiers {
		if !slices.Contains(known, m) {
			return nil, fmt.Errorf("modifier %s", m)
		}
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	values := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		values = n.Content
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("field %s without values", name)
	}
	if c.values += len(values); c.values > maxValues {
		return nil, fmt.Errorf("more than %d values", maxValues)
	}
	if name == "" {
		var list []test
		for _, v := range values {
			t, err := c.keyword(v.Value)
			if err != nil {
				return nil, err
			}
			list = append(list, t)
		}
		if slices.Contains(modifiers, "all") {
			return allOf(list), nil
		}
		return anyOf(list), nil
	}
	i := c.set.fieldNamed(c.src, name)
	if i < 0 {
		return nil, fmt.Errorf("field %s: %s records have none", name, c.src.kind)
	}
	if !slices.Contains(c.used, i) {
		c.used = append(c.used, i)
	}
	var list []test
	for _, v := range values {
		if v.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("field %s: a value that is none", name)
		}
		t, err := value(i, v, modifiers)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		list = append(list, t)
	}
	if slices.Contains(modifiers, "all") {
		return allOf(list), nil
	}
	return anyOf(list), nil
}

// known are the modifiers that are understood.
var known = []string{"contains", "startswith", "endswith", "all", "re", "i", "m", "s", "cidr", "base64", "base64offset", "wide", "utf16le", "utf16", "utf16be", "exists", "lt", "lte", "gt", "gte", "cased", "windash"}

// value makes the test of one value of a field.
func value(field int, n *yaml.Node, modifiers []string) (test, error) {
	has := func(m string) bool { return slices.Contains(modifiers, m) }
	switch {
	case has("exists"):
		want := n.Value == "true" || n.Value == "yes"
		return func(v *view) bool { return (len(v.values[field]) > 0) == want }, nil
	case n.Tag == "!!null":
		return func(v *view) bool { return len(v.values[field]) == 0 }, nil
	case n.Tag == "!!bool":
		return truth(field, strings.EqualFold(n.Value, "true")), nil
	case has("re"):
		return expression(field, n.Value, has)
	case has("cidr"):
		p, err := netip.ParsePrefix(n.Value)
		if err != nil {
			return nil, fmt.Errorf("%q is no network", n.Value)
		}
		return each(field, false, func(text []byte) bool {
			a, err := netip.ParseAddr(string(text))
			return err == nil && p.Contains(a.Unmap())
		}), nil
	}
	for _, m := range [...]string{"lt", "lte", "gt", "gte"} {
		if has(m) {
			return comparison(field, m, n.Value)
		}
	}
	texts, literal, err := transformed(n.Value, has)
	if err != nil {
		return nil, err
	}
	var list []test
	for _, text := range texts {
		list = append(list, pattern(field, text, literal, has))
	}
	return anyOf(list), nil
}

// each makes a test that holds if it does for one of a field's values.
func each(field int, lower bool, holds func(text []byte) bool) test {
	return func(v *view) bool {
		text := v.text
		if lower {
			text = v.lower
		}
		for _, x := range v.values[field] {
			if holds(text[x.from:x.to]) {
				return true
			}
		}
		return false
	}
}

func truth(field int, want bool) test {
	yes, no := "t", "true"
	if !want {
		yes, no = "f", "false"
	}
	return each(field, true, func(text []byte) bool { return string(text) == yes || string(text) == no })
}

func expression(field int, text string, has func(string) bool) (test, error) {
	flags := ""
	for _, f := range [...]string{"i", "m", "s"} {
		if has(f) {
			flags += f
		}
	}
	if flags != "" {
		text = "(?" + flags + ")" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("regular expression that is not RE2: %w", err)
	}
	return each(field, false, re.Match), nil
}

func comparison(field int, op, text string) (test, error) {
	want, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is no number", text)
	}
	return each(field, false, func(text []byte) bool {
		got, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			return false
		}
		switch op {
		case "lt":
			return got < want
		case "lte":
			return got <= want
		case "gt":
			return got > want
		}
		return got >= want
	}), nil
}

// transformed returns what a value may look like after its modifiers; literal
// says that * and ? stand for themselves in it.
func transformed(text string, has func(string) bool) (texts []string, literal bool, err error) {
	raw := text
	switch {
	case has("wide"), has("utf16le"):
		raw, literal = wide(text, false, false), true
	case has("utf16be"):
		raw, literal = wide(text, true, false), true
	case has("utf16"):
		raw, literal = wide(text, false, true), true
	}
	switch {
	case has("base64offset"):
		if len(raw) < 3 {
			return nil, true, errors.New("base64offset of less than three bytes")
		}
		for offset := range 3 {
			encoded := base64.StdEncoding.EncodeToString(append(make([]byte, offset), raw...))
			start := [...]int{0, 2, 3}[offset]
			end := len(encoded) - [...]int{0, 3, 2}[(len(raw)+offset)%3]
			texts = append(texts, encoded[start:end])
		}
		return texts, true, nil
	case has("base64"):
		return []string{base64.StdEncoding.EncodeToString([]byte(raw))}, true, nil
	case has("windash"):
		texts = []string{raw}
		for _, dash := range [...]string{"/", "–", "—", "―"} {
			if v := dashed(raw, dash); v != raw {
				texts = append(texts, v)
			}
		}
		return texts, literal, nil
	}
	return []string{raw}, literal, nil
}

// dashed replaces the dashes that begin a word.
func dashed(text, dash string) string {
	var b strings.Builder
	for i := range len(text) {
		if text[i] == '-' && (i == 0 || text[i-1] == ' ') {
			b.WriteString(dash)
		} else {
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

func wide(text string, big, mark bool) string {
	var b []byte
	if mark {
		b = append(b, 0xff, 0xfe)
	}
	for _, u := range utf16.Encode([]rune(text)) {
		if big {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return string(b)
}

// pattern makes the test of a text with wildcards.
func pattern(field int, text string, literal bool, has func(string) bool) test {
	cased := has("cased") || literal && (has("base64") || has("base64offset"))
	var g glob
	switch {
	case literal && cased:
		g = glob{{text: []byte(text)}}
	case literal:
		g = glob{{text: detection.AppendLower(nil, []byte(text))}}
	default:
		g = parseGlob(text, !cased)
	}
	if has("contains") || has("endswith") || has("base64offset") {
		g = append(glob{{any: true}}, g...)
	}
	if has("contains") || has("startswith") || has("base64offset") {
		g = append(g, globItem{any: true})
	}
	return each(field, !cased, g.matcher())
}

// matcher returns what match does, faster for the forms that most patterns have.
func (g glob) matcher() func([]byte) bool {
	switch {
	case len(g) == 1 && g[0].text != nil:
		return func(text []byte) bool { return bytes.Equal(text, g[0].text) }
	case len(g) == 2 && g[0].any && g[1].text != nil:
		return func(text []byte) bool { return bytes.HasSuffix(text, g[1].text) }
	case len(g) == 2 && g[0].text != nil && g[1].any:
		return func(text []byte) bool { return bytes.HasPrefix(text, g[0].text) }
	case len(g) == 3 && g[0].any && g[1].text != nil && g[2].any:
		return func(text []byte) bool { return bytes.Contains(text, g[1].text) }
	}
	return g.match
}

// glob is a text with wildcards in its parts.
type glob []globItem

// globItem is a text, * (any), or ? (one).
type globItem struct {
	text     []byte
	any, one bool
}

// parseGlob reads a text in which * and ? are wildcards unless a backslash is
// before them.
func parseGlob(s string, lower bool) (g glob) {
	var text []byte
	flush := func() {
		if len(text) > 0 {
			if lower {
				text = detection.AppendLower(nil, text)
			}
			g = append(g, globItem{text: text})
			text = nil
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`*?\`, s[i+1]) >= 0:
			i++
			text = append(text, s[i])
		case c == '*':
			flush()
			g = append(g, globItem{any: true})
		case c == '?':
			flush()
			g = append(g, globItem{one: true})
		default:
			text = append(text, c)
		}
	}
	flush()
	return g
}

// match reports whether the whole text matches. It goes back to the latest * only,
// which is enough.
func (g glob) match(text []byte) bool {
	i, at := 0, 0
	star, from := -1, 0
	for i < len(g) || at < len(text) {
		if i < len(g) {
			switch item := &g[i]; {
			case item.any:
				star, from = i, at
				i++
				continue
			case item.one && at < len(text):
				i, at = i+1, at+1
				continue
			case item.text != nil && bytes.HasPrefix(text[at:], item.text):
				i, at = i+1, at+len(item.text)
				continue
			}
		}
		if star < 0 || from >= len(text) {
			return false
		}
		from++
		i, at = star+1, from
	}
	return true
}
