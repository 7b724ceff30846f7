package sigma

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"tyto/detection"
)

// document is a rule as it is written.
type document struct {
	Title, ID, Status, Description, Level string
	Logsource                             struct{ Product, Category, Service string }
	Detection                             map[string]yaml.Node
	Correlation                           yaml.Node
	Action                                string
	Tags                                  []string
}

// MaxBytes is how long a file of rules may be.
const MaxBytes = 4 << 20

// Limits of a file and of a rule.
const (
	maxDocuments = 10_000
	maxRules     = 50_000
	maxValues    = 20_000 // of one rule
)

// levels are what a rule's level says, in nats.
var levels = map[string]struct {
	llr float64
	as  detection.Severity
}{
	"informational": {0.3, detection.Low}, "low": {0.7, detection.Low}, "": {1, detection.Low}, "medium": {2, detection.Medium}, "high": {3.5, detection.High}, "critical": {5, detection.Critical},
}

// experimental is what remains of it while a rule is experimental.
const experimental = 0.75

// Load reads the rules of a file. Those that cannot be used are in Skipped; an
// error is returned if the file is no YAML.
func (s *Set) Load(name string, data []byte) error {
	if len(data) > MaxBytes {
		return fmt.Errorf("rules %s: more than %d MiB", name, MaxBytes>>20)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for range maxDocuments {
		var d document
		err := dec.Decode(&d)
		var mistyped *yaml.TypeError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &mistyped):
			s.skip(name, d.Title, "malformed: "+strings.Join(mistyped.Errors, "; "))
			continue
		case err != nil:
			return fmt.Errorf("rules %s: %w", name, err)
		}
		if reason := s.rule(&d); reason != "" {
			s.skip(name, d.Title, reason)
		}
	}
	return fmt.Errorf("rules %s: more than %d documents", name, maxDocuments)
}

func (s *Set) skip(file, title, reason string) {
	s.Skipped = append(s.Skipped, Skip{file, title, reason})
}

// rule adds a rule, or says why it cannot be used.
func (s *Set) rule(d *document) string {
	switch {
	case !d.Correlation.IsZero():
		return "correlation of rules"
	case d.Action != "":
		return "action " + d.Action
	case d.Status == "deprecated" || d.Status == "unsupported":
		return "it is " + d.Status
	case len(d.Detection) == 0:
		return "no detection"
	case len(s.Rules) >= maxRules:
		return fmt.Sprintf("more than %d rules", maxRules)
	}
	kind, reason := s.kindOf(strings.ToLower(d.Logsource.Product), strings.ToLower(d.Logsource.Category), strings.ToLower(d.Logsource.Service))
	if reason != "" {
		return reason
	}
	level, ok := levels[strings.ToLower(d.Level)]
	if !ok {
		return "level " + d.Level
	}
	src := s.sources[kind]
	if src == nil {
		src = &source{kind: kind}
	}
	c := compiler{set: s, src: src, parts: make(map[string]test)}
	check, err := c.detection(d.Detection)
	if err != nil {
		return err.Error()
	}
	r := &Rule{Definition: definition, Name: d.Title, RefID: first(d.ID, "without id"), LLR: level.llr, Kind: kind, test: check, told: c.used}
	if d.Status == "experimental" || d.Status == "test" && level.llr > 3.5 {
		r.LLR *= experimental
	}
	r.Title, r.Severity, r.Techniques = d.Title, level.as, nil
	for _, tag := range d.Tags {
		if t := technique(tag); t != "" && !slices.Contains(r.Techniques, t) {
			r.Techniques = append(r.Techniques, t)
		}
	}
	s.sources[kind] = src
	src.whole = src.whole || c.whole
	src.rules = append(src.rules, int32(len(s.Rules)))
	s.Rules = append(s.Rules, r)
	return ""
}

// technique reads a tag that names an ATT&CK technique: attack.t1071.001.
func technique(tag string) string {
	t, ok := strings.CutPrefix(strings.ToLower(tag), "attack.t")
	number, sub, dotted := strings.Cut(t, ".")
	if !ok || len(number) != 4 || strings.Trim(number, "0123456789") != "" || dotted && (len(sub) != 3 || strings.Trim(sub, "0123456789") != "") {
		return ""
	}
	return "T" + t
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// compiler makes the test of a rule.
type compiler struct {
	set    *Set
	src    *source
	parts  map[string]test // by name of the selection
	order  []string
	used   []int
	whole  bool
	values int
}

// test is a condition on a record.
type test func(v *view) bool

func (c *compiler) detection(parts map[string]yaml.Node) (test, error) {
	condition, ok := parts["condition"]
	if !ok {
		return nil, errors.New("no condition")
	}
	if _, ok := parts["timeframe"]; ok {
		return nil, errors.New("timeframe")
	}
	for name := range parts {
		if name != "condition" {
			c.order = append(c.order, name)
		}
	}
	slices.Sort(c.order)
	for _, name := range c.order {
		node := parts[name]
		t, err := c.selection(&node, 0)
		if err != nil {
			return nil, err
		}
		c.parts[name] = t
	}
	var texts []string
	switch condition.Kind {
	case yaml.ScalarNode:
		texts = []string{condition.Value}
	case yaml.SequenceNode:
		for _, n := range condition.Content {
			texts = append(texts, n.Value)
		}
	}
	var alternatives []test
	for _, text := range texts {
		t, err := c.condition(text)
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, t)
	}
	if len(alternatives) == 0 {
		return nil, errors.New("no condition")
	}
	return anyOf(alternatives), nil
}

// selection reads a map, all of whose fields must match, a list of maps, one of
// which must, or a list of keywords.
func (c *compiler) selection(n *yaml.Node, depth int) (test, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if depth > 4 {
		return nil, errors.New("selection in selection in selection")
	}
	switch n.Kind {
	case yaml.MappingNode:
		var all []test
		for i := 0; i+1 < len(n.Content); i += 2 {
			t, err := c.item(n.Content[i].Value, n.Content[i+1])
			if err != nil {
				return nil, err
			}
			all = append(all, t)
		}
		if len(all) == 0 {
			return nil, errors.New("empty selection")
		}
		return allOf(all), nil
	case yaml.SequenceNode:
		var list []test
		for _, e := range n.Content {
			t, err := c.selection(e, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, t)
		}
		if len(list) == 0 {
			return nil, errors.New("empty selection")
		}
		return anyOf(list), nil
	case yaml.ScalarNode:
		return c.keyword(n.Value)
	}
	return nil, errors.New("malformed selection")
}

// keyword reads a text that may be anywhere in a record.
func (c *compiler) keyword(text string) (test, error) {
	if c.src.kind == sessionKind {
		return nil, errors.New("keywords on sessions")
	}
	c.whole = true
	g := parseGlob(text, true)
	p := append(append(glob{{any: true}}, g...), globItem{any: true})
	match := p.matcher()
	return func(v *view) bool { return match(v.line) }, nil
}

func allOf(list []test) test {
	if len(list) == 1 {
		return list[0]
	}
	return func(v *view) bool {
		for _, t := range list {
			if !t(v) {
				return false
			}
		}
		return true
	}
}

func anyOf(list []test) test {
	if len(list) == 1 {
		return list[0]
	}
	return func(v *view) bool {
		for _, t := range list {
			if t(v) {
				return true
			}
		}
		return false
	}
}
