package indicator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// stix reads an object of a STIX 2 bundle: indicators with patterns of STIX.
func (l *List) stix(v json.RawMessage, line int) {
	var o struct {
		Type, ID, Name, Description, Pattern string
		PatternType                          string `json:"pattern_type"`
		ValidUntil                           string `json:"valid_until"`
		Labels                               []string
		IndicatorTypes                       []string `json:"indicator_types"`
		Confidence                           *int
		Revoked                              bool
		KillChain                            []struct {
			Phase string `json:"phase_name"`
		} `json:"kill_chain_phases"`
	}
	if err := json.Unmarshal(v, &o); err != nil {
		l.skip("malformed object", line)
		return
	}
	if o.Type != "indicator" {
		return
	}
	if o.Revoked {
		l.skip("revoked", line)
		return
	}
	if o.PatternType != "" && o.PatternType != "stix" {
		l.skip("pattern of type "+o.PatternType, line)
		return
	}
	alternatives, err := parsePattern(o.Pattern)
	if err != nil {
		l.skip(err.Error(), line)
		return
	}
	e := Entry{Line: line, ID: o.ID, Description: first(o.Name, o.Description), Labels: append(o.Labels, o.IndicatorTypes...), Confidence: Unsaid, Until: when(o.ValidUntil)}
	for _, k := range o.KillChain {
		e.Labels = append(e.Labels, k.Phase)
	}
	if o.Confidence != nil {
		e.Confidence = min(max(*o.Confidence, 0), 100)
	}
	for _, parts := range alternatives {
		l.alternative(parts, e, o.Pattern)
	}
}

// alternative adds one of the ways in which a pattern is met: a plain entry if
// one thing is enough, or a group.
func (l *List) alternative(parts [][]condition, like Entry, pattern string) {
	if len(parts) == 1 && len(parts[0]) == 1 {
		like.set(&parts[0][0])
		l.Entries = append(l.Entries, like)
		return
	}
	l.groups = append(l.groups, group{shorten(pattern), parts, -1})
	for i, p := range parts {
		for k := range p {
			if p[k].kind == Unknown {
				continue
			}
			e := like
			e.set(&p[k])
			e.group, e.part = int32(len(l.groups)), int32(i)
			l.Entries = append(l.Entries, e)
		}
	}
}

func (e *Entry) set(c *condition) {
	e.Kind, e.Value, e.side, e.Exact = c.kind, c.value, c.side, c.kind == Domain
}

func shorten(s string) string {
	if len(s) > 120 {
		return s[:117] + "…"
	}
	return s
}

// A pattern is read into its alternatives: each is observations, all of which a
// device must meet, and each of these conditions that hold in one session.

// Limits of a pattern.
const (
	maxAlternatives = 256
	maxPartsOfGroup = 16
	maxPattern      = 16 << 10
)

type alternatives [][][]condition

func parsePattern(text string) (list alternatives, err error) {
	if len(text) > maxPattern {
		return nil, fmt.Errorf("pattern of more than %d bytes", maxPattern)
	}
	p := patternParser{}
	if err := p.scan(text); err != nil {
		return nil, err
	}
	if list, err = p.observations(0); err != nil {
		return nil, err
	}
	if t := p.peek(); t != "" {
		return nil, fmt.Errorf("pattern with %s", t)
	}
	for _, parts := range list {
		for _, c := range parts {
			if !indexed(c) {
				return nil, errors.New("pattern of ports and protocols alone")
			}
		}
	}
	return list, nil
}

func indexed(list []condition) bool {
	for i := range list {
		if list[i].kind != Unknown {
			return true
		}
	}
	return false
}

// patternParser reads a pattern: words, and texts that begin with a quote.
type patternParser struct{ tokens []string }

func (p *patternParser) scan(s string) error {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
		case c == '\'':
			var b strings.Builder
			b.WriteByte('\'')
			i++
			for i < len(s) && s[i] != '\'' {
				if s[i] == '\\' && i+1 < len(s) {
					i++
				}
				b.WriteByte(s[i])
				i++
			}
			if i == len(s) {
				return errors.New("malformed pattern: a text does not end")
			}
			i++
			p.tokens = append(p.tokens, b.String())
		case strings.IndexByte("[](),=<>!", c) >= 0:
			n := 1
			if i+1 < len(s) && s[i+1] == '=' && strings.IndexByte("<>!=", c) >= 0 {
				n = 2
			}
			p.tokens = append(p.tokens, s[i:i+n])
			i += n
		default:
			start := i
			for i < len(s) && strings.IndexByte(" \t\r\n(),=<>![]", s[i]) < 0 {
				if s[i] == '\'' { // a quoted part of a path
					for i++; i < len(s) && s[i] != '\''; {
						i++
					}
					if i == len(s) {
						return errors.New("malformed pattern: a text does not end")
					}
				}
				i++
				if i < len(s) && s[i] == '[' { // [*] of a path
					for i < len(s) && s[i] != ']' {
						i++
					}
					i = min(i+1, len(s))
				}
			}
			p.tokens = append(p.tokens, s[start:i])
		}
	}
	return nil
}

func (p *patternParser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *patternParser) next() string {
	t := p.peek()
	if t != "" {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *patternParser) accept(word string) bool {
	if !strings.EqualFold(p.peek(), word) || word == "" {
		return false
	}
	p.next()
	return true
}

// observations reads observations joined by OR and AND, which binds tighter.
func (p *patternParser) observations(depth int) (alternatives, error) {
	return p.joined(depth, (*patternParser).observation, func(a, b [][]condition) [][]condition {
		return append(append([][]condition(nil), a...), b...)
	})
}

// comparisons reads comparisons joined by OR and AND.
func (p *patternParser) comparisons(depth int) (alternatives, error) {
	return p.joined(depth, (*patternParser).comparison, func(a, b [][]condition) [][]condition {
		return [][]condition{append(append([]condition(nil), a[0]...), b[0]...)}
	})
}

func (p *patternParser) joined(depth int, operand func(*patternParser, int) (alternatives, error), both func(a, b [][]condition) [][]condition) (alternatives, error) {
	if depth > maxDepth {
		return nil, errors.New("pattern with too many brackets")
	}
	var all alternatives
	for {
		terms, err := operand(p, depth)
		if err != nil {
			return nil, err
		}
		for p.accept("AND") {
			right, err := operand(p, depth)
			if err != nil {
				return nil, err
			}
			var product alternatives
			for _, a := range terms {
				for _, b := range right {
					c := both(a, b)
					if len(product) >= maxAlternatives || len(c) > maxPartsOfGroup || len(c[0]) > maxPartsOfGroup {
						return nil, errors.New("pattern with too many alternatives")
					}
					product = append(product, c)
				}
			}
			terms = product
		}
		if all = append(all, terms...); len(all) > maxAlternatives {
			return nil, errors.New("pattern with too many alternatives")
		}
		if !p.accept("OR") {
			return all, nil
		}
	}
}

func (p *patternParser) observation(depth int) (list alternatives, err error) {
	switch {
	case p.accept("("):
		list, err = p.observations(depth + 1)
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("malformed pattern at %q", p.peek())
		}
	case p.accept("["):
		list, err = p.comparisons(depth + 1)
		if err == nil && !p.accept("]") {
			err = fmt.Errorf("malformed pattern at %q", p.peek())
		}
	default:
		err = fmt.Errorf("malformed pattern at %q", p.peek())
	}
	if err != nil {
		return nil, err
	}
	switch q := strings.ToUpper(p.peek()); q {
	case "FOLLOWEDBY", "WITHIN", "REPEATS", "START":
		return nil, errors.New("pattern with " + q)
	}
	return list, nil
}

func (p *patternParser) comparison(depth int) (alternatives, error) {
	if p.accept("(") {
		list, err := p.comparisons(depth + 1)
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("malformed pattern at %q", p.peek())
		}
		return list, err
	}
	path := p.next()
	if strings.EqualFold(path, "NOT") || strings.EqualFold(path, "EXISTS") {
		return nil, errors.New("pattern with " + strings.ToUpper(path))
	}
	op := strings.ToUpper(p.next())
	var values []string
	switch op {
	case "=", "==", "ISSUBSET":
		values = []string{p.next()}
	case "IN":
		if !p.accept("(") {
			return nil, fmt.Errorf("malformed pattern at %q", p.peek())
		}
		for {
			values = append(values, p.next())
			if p.accept(")") {
				break
			}
			if !p.accept(",") || len(values) > maxAlternatives {
				return nil, fmt.Errorf("malformed pattern at %q", p.peek())
			}
		}
	case "":
		return nil, errors.New("malformed pattern: it ends too soon")
	default:
		return nil, fmt.Errorf("pattern with %s", op)
	}
	var list alternatives
	for _, v := range values {
		c, err := conditionOf(path, op, v)
		if err != nil {
			return nil, err
		}
		list = append(list, [][]condition{c})
	}
	return list, nil
}

// protocols that a pattern may name.
var protocols = map[string]uint8{"tcp": 6, "udp": 17, "icmp": 1, "sctp": 132}

// conditionOf reads a comparison; nothing if it always holds.
func conditionOf(path, op, token string) ([]condition, error) {
	value := strings.TrimPrefix(token, "'")
	object, property, _ := strings.Cut(path, ":")
	property = strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(property, "'", ""), `"`, ""))
	at := anySide
	if object == "network-traffic" {
		switch {
		case strings.HasPrefix(property, "dst_"):
			at = respSide
		case strings.HasPrefix(property, "src_"):
			at = origSide
		}
	}
	var e Entry
	reason := ""
	switch key := strings.ToLower(object) + ":" + property; key {
	case "ipv4-addr:value", "ipv6-addr:value", "network-traffic:dst_ref.value", "network-traffic:src_ref.value":
		if e, reason = address(refang(value)); reason == malformed {
			if e, reason = network(value); reason == malformed && at != anySide {
				if _, err := netip.ParseAddr(value); err != nil {
					e, reason = domain(value) // dst_ref may be a domain-name
				}
			}
		}
	case "domain-name:value":
		e, reason = domain(refang(value))
	case "url:value":
		e, reason = webAddress(refang(value))
	case "x509-certificate:hashes.sha-1", "x509-certificate:hashes.sha-256", "x509-certificate:hashes.sha1", "x509-certificate:hashes.sha256":
		e, reason = fingerprint(Certificate, value)
	case "network-traffic:dst_port", "network-traffic:src_port":
		port, err := strconv.ParseUint(value, 10, 16)
		if err != nil || port == 0 {
			return nil, fmt.Errorf("pattern with port %q", value)
		}
		return []condition{{port: uint16(port), side: at}}, nil
	case "network-traffic:protocols[*]", "network-traffic:protocols[0]", "network-traffic:protocols[1]":
		if n, ok := protocols[strings.ToLower(value)]; ok {
			return []condition{{proto: n}}, nil
		}
		switch strings.ToLower(value) {
		case "ipv4", "ipv6":
			return nil, nil
		}
		return nil, fmt.Errorf("pattern with protocol %s", value)
	case "network-traffic:dst_ref.type", "network-traffic:src_ref.type":
		return nil, nil
	default:
		return nil, fmt.Errorf("pattern with %s:%s", object, property)
	}
	if op == "ISSUBSET" && e.Kind != Network && e.Kind != Address {
		return nil, errors.New("pattern with ISSUBSET of what is no network")
	}
	if reason != "" {
		return nil, errors.New(reason)
	}
	return []condition{{kind: e.Kind, value: e.Value, side: at}}, nil
}
