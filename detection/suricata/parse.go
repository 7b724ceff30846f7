package suricata

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tyto/detection"
)

// Rule is a rule that can be evaluated.
type Rule struct {
	detection.Definition
	Name, SID  string
	File       string
	Line       int
	LLR        float64
	priority   int
	proto      uint8  // 0: any
	app        string // what the session must be, as our records name it; "" for any
	notApp     string
	src, dst   *addresses
	sport      *ports
	dport      *ports
	both       bool    // the header's ends may be exchanged
	dirs       [2]bool // may match what goes to the server, to the client
	flow       bool    // the rule says which
	settled    bool    // flow: established
	kind       string  // of records; payloadKind, sessionKind
	parts      []part
	bits       []bit
	noAlert    bool
	limit      *limit
	metadata   map[string][]string
	classtype  string
	bitNames   []string // that bits name, until the set numbers them
	isDatagram bool
}

// Kinds that are no records.
const (
	payloadKind = "payload"
	sessionKind = "session"
)

// part is the checks of one buffer; nil: of the payload.
type part struct {
	buffer *buffer
	checks []check
}

// bit is what a rule does with flowbits.
type bit struct {
	op    string // set, unset, toggle, isset, isnotset
	names []int32
}

// limit is a threshold or a detection filter.
type limit struct {
	kind    string // limit, threshold, both, filter
	by      string // by_src, by_dst, by_rule, by_both
	count   int
	seconds int64
}

// unknown is a keyword, or a use of one, that is not evaluated.
type unknown []string

func (u unknown) Error() string { return strings.Join(u, ", ") }

// applications are protocols of rules' headers, as our records name them; the
// kinds of records that are of no other are left out of the comparison.
var applications = map[string]string{
	"http": "http", "http1": "http", "tls": "tls", "ssl": "tls", "ssh": "ssh", "dns": "dns", "smb": "smb", "ftp": "ftp", "smtp": "smtp", "imap": "imap", "pop3": "pop3", "rdp": "rdp", "krb5": "kerberos", "quic": "quic", "snmp": "snmp",
	"dhcp": "dhcp", "ntp": "ntp", "sip": "sip", "tftp": "tftp", "mqtt": "mqtt", "modbus": "modbus", "dnp3": "dnp3", "enip": "enip", "rfb": "rfb", "telnet": "telnet", "ike": "ike", "ldap": "ldap", "pgsql": "postgresql", "dcerpc": "dce_rpc", "nfs": "sunrpc", "http2": "http2", "bittorrent-dht": "bittorrent", "websocket": "websocket",
}

// parseRule reads a rule. It returns nil without error for an empty line.
func parseRule(text string) (*Rule, error) {
	head, rest, ok := strings.Cut(text, "(")
	if !ok || !strings.HasSuffix(strings.TrimSpace(rest), ")") {
		return nil, errors.New("malformed: no options in brackets")
	}
	r := &Rule{metadata: make(map[string][]string), dirs: [2]bool{true, true}}
	if err := r.header(splitHeader(head)); err != nil {
		return nil, err
	}
	rest = strings.TrimSpace(rest)
	p := parser{rule: r}
	if err := p.options(rest[:len(rest)-1]); err != nil {
		return nil, err
	}
	return r, p.finish()
}

// splitHeader splits at spaces that are not in brackets.
func splitHeader(s string) (words []string) {
	depth, start := 0, -1
	for i := 0; i <= len(s); i++ {
		switch space := i == len(s) || s[i] == ' ' || s[i] == '\t'; {
		case space && depth <= 0:
			if start >= 0 {
				words = append(words, s[start:i])
			}
			start = -1
			continue
		case !space && s[i] == '[':
			depth++
		case !space && s[i] == ']':
			depth--
		}
		if start < 0 {
			start = i
		}
		if i == len(s) && start >= 0 {
			words = append(words, s[start:])
		}
	}
	return words
}

func (r *Rule) header(w []string) (err error) {
	if len(w) != 7 {
		return errors.New("malformed header: action, protocol, addresses and ports are wanted")
	}
	switch w[0] {
	case "alert", "drop", "reject", "rejectsrc", "rejectdst", "rejectboth":
	default:
		return unknown{"action " + w[0]}
	}
	switch name := strings.ToLower(w[1]); name {
	case "tcp":
		r.proto = 6
	case "udp":
		r.proto = 17
	case "icmp":
		r.proto = 1
	case "ip":
	default:
		if r.app = applications[name]; r.app == "" {
			return unknown{"protocol " + w[1]}
		}
	}
	switch w[4] {
	case "->":
	case "<>":
		r.both = true
	default:
		return errors.New("malformed header: -> or <> is wanted")
	}
	if r.src, err = parseAddresses(w[2], 0); err == nil {
		r.dst, err = parseAddresses(w[5], 0)
	}
	if err == nil {
		r.sport, err = parsePorts(w[3], 0)
	}
	if err == nil {
		r.dport, err = parsePorts(w[6], 0)
	}
	if err != nil {
		return unknown{err.Error()}
	}
	return nil
}

// parser reads the options of a rule.
type parser struct {
	rule    *Rule
	current *buffer // sticky
	part    int     // part with the latest check; -1: none
	unknown unknown
}

// maxChecks bounds a rule.
const maxChecks = 256

func (p *parser) options(text string) error {
	p.part = -1
	for len(strings.TrimSpace(text)) > 0 {
		end, quoted := -1, false
		for i := 0; i < len(text); i++ {
			switch c := text[i]; {
			case c == '\\':
				i++
			case c == '"':
				quoted = !quoted
			case c == ';' && !quoted:
				end = i
			}
			if end >= 0 {
				break
			}
		}
		if end < 0 {
			return errors.New("malformed: an option does not end with ;")
		}
		name, value, _ := strings.Cut(text[:end], ":")
		if err := p.option(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return err
		}
		text = text[end+1:]
	}
	return nil
}

// cannot notes a keyword that is not evaluated.
func (p *parser) cannot(what string) {
	if !slices.Contains(p.unknown, what) {
		p.unknown = append(p.unknown, what)
	}
}

// last returns the latest content or pattern, nil if there is none.
func (p *parser) last() *check {
	if p.part < 0 {
		return nil
	}
	c := p.rule.parts[p.part].checks
	return &c[len(c)-1]
}

// add adds a check to the part of a buffer.
func (p *parser) add(b *buffer, c check) error {
	n := 0
	p.part = -1
	for i := range p.rule.parts {
		n += len(p.rule.parts[i].checks)
		if p.rule.parts[i].buffer == b {
			p.part = i
		}
	}
	if n >= maxChecks {
		return fmt.Errorf("more than %d contents", maxChecks)
	}
	if p.part < 0 {
		p.rule.parts = append(p.rule.parts, part{buffer: b})
		p.part = len(p.rule.parts) - 1
	}
	q := &p.rule.parts[p.part]
	q.checks = append(q.checks, c)
	return nil
}

func (p *parser) option(name, value string) error {
	r := p.rule
	if s := synonyms[name]; s != "" {
		name = s
	}
	if b := buffers[name]; b != nil {
		p.current = b
		return nil
	}
	if to := behind[name]; to != "" {
		return p.move(buffers[to])
	}
	if in := valued[name]; in != "" {
		text, negated, err := content(value)
		if err != nil {
			return err
		}
		return p.add(buffers[in], check{text: text, negated: negated, dataAt: -1})
	}
	switch name {
	case "msg":
		r.Name = unquote(value)
	case "sid":
		r.SID = value
	case "priority":
		r.priority, _ = strconv.Atoi(value)
	case "classtype":
		r.classtype = value
	case "metadata":
		r.meta(value)
	case "rev", "gid", "reference", "target", "tag", "rawbytes":
	case "noalert":
		r.noAlert = true
	case "pkt_data":
		p.current = nil
	case "content", "uricontent":
		text, negated, err := content(value)
		if err != nil {
			return err
		}
		b := p.current
		if name == "uricontent" {
			b = buffers["http.uri"]
		}
		return p.add(b, check{text: text, negated: negated, dataAt: -1})
	case "nocase", "fast_pattern", "offset", "depth", "distance", "within", "startswith", "endswith":
		return p.modify(name, value)
	case "pcre":
		return p.pcre(value)
	case "isdataat":
		return p.isDataAt(value)
	case "bsize", "urilen", "dsize":
		return p.size(name, value)
	case "flow":
		return p.flow(value)
	case "flowbits":
		return p.flowbits(value)
	case "threshold", "detection_filter":
		return p.threshold(name, value)
	case "app-layer-protocol":
		app, negated := strings.CutPrefix(value, "!")
		ours := applications[app]
		switch {
		case ours == "" || strings.Contains(app, ","):
			p.cannot("app-layer-protocol " + app)
		case negated:
			r.notApp = ours
		default:
			r.app = ours
		}
	default:
		p.cannot("keyword " + name)
	}
	return nil
}

// finish holds the options against each other.
func (p *parser) finish() error {
	r := p.rule
	r.kind = payloadKind
	if len(r.parts) == 0 {
		r.kind = sessionKind
	}
	for i := range r.parts {
		b := r.parts[i].buffer
		kind := payloadKind
		if b != nil {
			kind = b.kind
			for d := range r.dirs {
				r.dirs[d] = r.dirs[d] && b.fields[d] != ""
			}
		}
		if i > 0 && kind != r.kind {
			p.cannot("buffers of " + r.kind + " and " + kind + " in one rule")
		}
		r.kind = kind
		for k := range r.parts[i].checks {
			c := &r.parts[i].checks[k]
			if c.nocase {
				c.text = detection.AppendLower(nil, c.text)
			}
			if c.relative && k == 0 {
				c.relative = false // to the start
				if c.text != nil {
					c.offset, c.depth = max(c.distance, 0), c.within
				}
			}
		}
	}
	if !r.dirs[0] && !r.dirs[1] {
		p.cannot("flow against the direction of a buffer")
	}
	if r.app != "" && r.kind != payloadKind && r.kind != sessionKind {
		r.app = "" // told by the record
	}
	if r.app != "" || r.notApp != "" {
		for _, b := range r.bits {
			if b.op != "isset" && b.op != "isnotset" {
				p.cannot("flowbits " + b.op + " with an application protocol and no buffer of it")
			}
		}
	}
	if r.SID == "" {
		return errors.New("malformed: no sid")
	}
	if len(p.unknown) > 0 {
		return p.unknown
	}
	r.weigh()
	return nil
}

// priorities of classes of signatures that are not 3, as Suricata's
// classification.config has them.
var priorities = map[string]int{
	"attempted-user": 1, "unsuccessful-user": 1, "successful-user": 1, "attempted-admin": 1, "successful-admin": 1, "shellcode-detect": 1, "trojan-activity": 1, "web-application-attack": 1, "inappropriate-content": 1, "policy-violation": 1,
	"targeted-activity": 1, "exploit-kit": 1, "domain-c2": 1, "credential-theft": 1, "command-and-control": 1,
	"bad-unknown": 2, "attempted-recon": 2, "successful-recon-limited": 2, "successful-recon-largescale": 2, "attempted-dos": 2, "successful-dos": 2, "denial-of-service": 2, "rpc-portmap-decode": 2, "suspicious-filename-detect": 2,
	"suspicious-login": 2, "system-call-detect": 2, "unusual-client-port-connection": 2, "web-application-activity": 2, "misc-attack": 2, "default-login-attempt": 2, "external-ip-check": 2, "pup-activity": 2, "social-engineering": 2, "coin-mining": 2,
	"tcp-connection": 4,
}

func (r *Rule) weigh() {
	r.Definition = ruleRule
	if r.priority == 0 {
		if r.priority = priorities[r.classtype]; r.priority == 0 {
			r.priority = 3
		}
	}
	r.LLR, r.Severity = weight(r.priority, func(key string) string {
		if v := r.metadata[key]; len(v) > 0 {
			return v[0]
		}
		return ""
	})
	r.Title, r.Techniques = r.Name, nil
	for _, key := range [...]string{"mitre_technique_id", "mitre_sub_technique_id"} {
		for _, v := range r.metadata[key] {
			if t := technique(v); t != "" && !slices.Contains(r.Techniques, t) {
				r.Techniques = append(r.Techniques, t)
			}
		}
	}
}
