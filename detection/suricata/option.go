package suricata

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// move puts the latest content into a buffer.
func (p *parser) move(b *buffer) error {
	c := p.last()
	if c == nil {
		return errors.New("malformed: a modifier without a content before it")
	}
	moved := *c
	q := &p.rule.parts[p.part]
	q.checks = q.checks[:len(q.checks)-1]
	if len(q.checks) == 0 {
		p.rule.parts = slices.Delete(p.rule.parts, p.part, p.part+1)
	}
	return p.add(b, moved)
}

func (p *parser) modify(name, value string) error {
	c := p.last()
	if c == nil || c.text == nil {
		return fmt.Errorf("malformed: %s without a content before it", name)
	}
	n, err := 0, error(nil)
	switch name {
	case "offset", "depth", "distance", "within":
		if n, err = strconv.Atoi(value); err != nil {
			p.cannot(name + " that is a variable")
			return nil
		}
		if n > 65535 || n < -65535 || n < 0 && name != "distance" {
			return fmt.Errorf("malformed: %s:%s", name, value)
		}
	}
	switch name {
	case "nocase":
		c.nocase = true
	case "fast_pattern":
		c.fast = !c.negated
		if from, length, ok := strings.Cut(value, ","); ok {
			a, err1 := strconv.Atoi(strings.TrimSpace(from))
			b, err2 := strconv.Atoi(strings.TrimSpace(length))
			if err1 != nil || err2 != nil || a < 0 || b < 1 || a+b > len(c.text) {
				return fmt.Errorf("malformed: fast_pattern:%s", value)
			}
			c.fastOffset, c.fastLength = a, b
		}
	case "offset":
		c.offset = n
	case "depth":
		c.depth = n
	case "distance":
		c.distance, c.relative = n, true
	case "within":
		c.within, c.relative = n, true
	case "startswith":
		c.depth = len(c.text)
	case "endswith":
		c.atEnd = true
	}
	return nil
}

// content reads the value of a content: text with |hex| in it.
func content(value string) (text []byte, negated bool, err error) {
	value, negated = strings.CutPrefix(value, "!")
	value = strings.TrimSpace(value)
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return nil, false, errors.New("malformed: a content without quotes")
	}
	value = value[1 : len(value)-1]
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\' && i+1 < len(value):
			i++
			text = append(text, value[i])
		case c == '|':
			end := strings.IndexByte(value[i+1:], '|')
			if end < 0 {
				return nil, false, errors.New("malformed: | without another")
			}
			b, err := hex.DecodeString(strings.ReplaceAll(value[i+1:i+1+end], " ", ""))
			if err != nil {
				return nil, false, errors.New("malformed: bytes between | that are not hexadecimal")
			}
			text = append(text, b...)
			i += end + 1
		default:
			text = append(text, c)
		}
	}
	if len(text) == 0 || len(text) > 1024 {
		return nil, false, errors.New("malformed: a content that is empty or too long")
	}
	return text, negated, nil
}

func unquote(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`)
	return strings.NewReplacer(`\"`, `"`, `\;`, ";", `\:`, ":", `\\`, `\`).Replace(s)
}

// pcre reads a pattern with flags. Patterns know letters: bytes above 127 become
// the letters of the same number.
func (p *parser) pcre(value string) error {
	value, negated := strings.CutPrefix(value, "!")
	value = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(value), `"`), `"`)
	end := strings.LastIndexByte(value, '/')
	if len(value) < 2 || value[0] != '/' || end < 1 {
		return errors.New("malformed: a pcre without slashes")
	}
	pattern, flags := value[1:end], value[end+1:]
	if letters, names, ok := strings.Cut(flags, ","); ok && names != "" {
		p.cannot("pcre that extracts variables")
		flags = letters
	}
	c := check{negated: negated, dataAt: -1}
	b, options := p.current, ""
	for i := range len(flags) {
		switch f := flags[i]; f {
		case 'i', 's', 'm':
			options += string(f)
		case 'R':
			c.relative = true
		case 'O', 'B':
		case 'A':
			pattern = `\A(?:` + pattern + `)`
		case 'G':
			options += "U"
		default:
			if to := patternBuffers[f]; to != "" {
				b = buffers[to]
			} else {
				p.cannot("pcre flag " + string(f))
			}
		}
	}
	pattern = strings.NewReplacer(`\;`, ";", `\/`, "/", `\"`, `"`, `\:`, ":").Replace(pattern)
	if options != "" {
		pattern = "(?" + options + ")" + pattern
	}
	var err error
	if c.pattern, err = regexp.Compile(string(appendLetters(nil, []byte(pattern)))); err != nil {
		p.cannot("pcre that is not RE2")
		return nil
	}
	return p.add(b, c)
}

func (p *parser) isDataAt(value string) error {
	value, negated := strings.CutPrefix(value, "!")
	number, rest, _ := strings.Cut(value, ",")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || n < 0 || n > 65535 {
		p.cannot("isdataat that is a variable")
		return nil
	}
	c := check{negated: negated, dataAt: n}
	for _, w := range strings.Split(rest, ",") {
		c.relative = c.relative || strings.TrimSpace(w) == "relative"
	}
	return p.add(p.current, c)
}

func (p *parser) size(name, value string) error {
	b := p.current
	if name == "urilen" {
		b = buffers["http.uri"]
		value, _, _ = strings.Cut(value, ",")
	}
	s, err := parseBounds(value)
	if err != nil {
		return err
	}
	switch {
	case name == "dsize" && p.rule.proto != 17 && p.rule.proto != 1:
		p.cannot("dsize of what are no datagrams")
		return nil
	case name == "dsize":
		b, p.rule.isDatagram = nil, true
	case name == "bsize" && b == nil:
		p.cannot("bsize of the payload")
		return nil
	}
	return p.add(b, check{size: s, dataAt: -1})
}

// parseBounds reads 5, <5, <=5, >5, >=5 and 5<>9, which leaves both out.
func parseBounds(value string) (*bounds, error) {
	value = strings.ReplaceAll(strings.TrimPrefix(value, "!"), " ", "")
	const most = 1 << 30
	if a, b, ok := strings.Cut(value, "<>"); ok {
		from, err1 := strconv.Atoi(a)
		to, err2 := strconv.Atoi(b)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("malformed: size %q", value)
		}
		return &bounds{from + 1, to - 1}, nil
	}
	digits := strings.TrimLeft(value, "<>=")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("malformed: size %q", value)
	}
	switch value[:len(value)-len(digits)] {
	case "<":
		return &bounds{0, n - 1}, nil
	case "<=":
		return &bounds{0, n}, nil
	case ">":
		return &bounds{n + 1, most}, nil
	case ">=":
		return &bounds{n, most}, nil
	case "":
		return &bounds{n, n}, nil
	}
	return nil, fmt.Errorf("malformed: size %q", value)
}

func (p *parser) flow(value string) error {
	r := p.rule
	for w := range strings.SplitSeq(value, ",") {
		switch w = strings.TrimSpace(w); w {
		case "to_server", "from_client":
			r.dirs, r.flow = [2]bool{true, false}, true
		case "to_client", "from_server":
			r.dirs, r.flow = [2]bool{false, true}, true
		case "established":
			r.settled = true
		case "stateless", "only_stream":
		default:
			p.cannot("flow " + w)
		}
	}
	return nil
}

func (p *parser) flowbits(value string) error {
	op, names, _ := strings.Cut(value, ",")
	switch op = strings.TrimSpace(op); op {
	case "noalert":
		p.rule.noAlert = true
		return nil
	case "set", "unset", "toggle", "isset", "isnotset":
	default:
		p.cannot("flowbits " + op)
		return nil
	}
	if strings.TrimSpace(names) == "" || strings.Contains(names, "&") {
		p.cannot("flowbits joined by &")
		return nil
	}
	b := bit{op: op}
	for n := range strings.SplitSeq(names, "|") {
		p.rule.bitNames = append(p.rule.bitNames, strings.TrimSpace(n))
		b.names = append(b.names, int32(len(p.rule.bitNames)-1))
	}
	p.rule.bits = append(p.rule.bits, b)
	return nil
}

func (p *parser) threshold(name, value string) error {
	l := &limit{kind: "filter", by: "by_src", count: 1}
	for w := range strings.SplitSeq(value, ",") {
		f := strings.Fields(w)
		if len(f) != 2 {
			return fmt.Errorf("malformed: %s:%s", name, value)
		}
		n, err := strconv.Atoi(f[1])
		switch f[0] {
		case "type":
			l.kind, err = f[1], nil
		case "track":
			l.by, err = f[1], nil
		case "count":
			l.count = n
		case "seconds":
			l.seconds = int64(n)
		default:
			p.cannot(name + " " + f[0])
			return nil
		}
		if err != nil {
			return fmt.Errorf("malformed: %s:%s", name, value)
		}
	}
	if !slices.Contains([]string{"limit", "threshold", "both", "filter"}, l.kind) || !slices.Contains([]string{"by_src", "by_dst", "by_rule", "by_both"}, l.by) {
		p.cannot(name + " " + l.kind + " " + l.by)
		return nil
	}
	if l.count < 1 || l.seconds < 1 || l.count > 1_000_000 || l.seconds > 1<<31 {
		return fmt.Errorf("malformed: %s:%s", name, value)
	}
	p.rule.limit = l
	return nil
}

func (r *Rule) meta(value string) {
	for pair := range strings.SplitSeq(value, ",") {
		if key, v, ok := strings.Cut(strings.TrimSpace(pair), " "); ok && len(r.metadata) < 64 {
			r.metadata[key] = append(r.metadata[key], strings.TrimSpace(v))
		}
	}
}
