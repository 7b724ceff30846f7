package suricata

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"tyto/packet"
)

// addresses is what a rule says of one end's address: in one of some, and in none
// of others.
type addresses struct {
	any     bool
	single  map[packet.Addr]bool
	nets    []netip.Prefix
	home    bool // home networks are among them
	outside bool // what is in no home network is
	but     *addresses
}

// maxLists is how deep lists of addresses and ports may be nested.
const maxLists = 8

// hosts are the variables that stand for machines at home, if they are not set:
// as in Suricata's own configuration.
var hosts = map[string]bool{"HOME_NET": true, "HTTP_SERVERS": true, "SMTP_SERVERS": true, "SQL_SERVERS": true, "DNS_SERVERS": true, "TELNET_SERVERS": true, "AIM_SERVERS": true, "DC_SERVERS": true, "DNP3_SERVER": true, "DNP3_CLIENT": true, "MODBUS_CLIENT": true, "MODBUS_SERVER": true, "ENIP_CLIENT": true, "ENIP_SERVER": true}

func parseAddresses(text string, depth int) (*addresses, error) {
	a := new(addresses)
	if depth > maxLists {
		return nil, errors.New("lists of addresses nested too deep")
	}
	for _, item := range items(text) {
		rest, negated := strings.CutPrefix(item, "!")
		if negated {
			sub, err := parseAddresses(rest, depth+1)
			if err != nil {
				return nil, err
			}
			if sub.any {
				return nil, errors.New("addresses that are not any")
			}
			if a.but == nil {
				a.but = new(addresses)
			}
			if a.but.but != nil || sub.but != nil {
				return nil, errors.New("negated lists with exceptions")
			}
			a.but.join(sub)
			continue
		}
		sub, err := parseAddress(rest, depth)
		if err != nil {
			return nil, err
		}
		if sub.but != nil && (len(items(text)) > 1) {
			return nil, errors.New("a list with exceptions in a list")
		}
		a.join(sub)
		if sub.but != nil {
			a.but = sub.but
		}
	}
	if a.but != nil && !a.some() {
		a.any = true
	}
	return a, nil
}

func (a *addresses) some() bool {
	return a.any || a.home || a.outside || len(a.nets)+len(a.single) > 0
}

// join adds the addresses of another, without its exceptions.
func (a *addresses) join(b *addresses) {
	a.any, a.home, a.outside = a.any || b.any, a.home || b.home, a.outside || b.outside
	a.nets = append(a.nets, b.nets...)
	for x := range b.single {
		a.one(x)
	}
}

func (a *addresses) one(x packet.Addr) {
	if a.single == nil {
		a.single = make(map[packet.Addr]bool)
	}
	a.single[x] = true
}

func parseAddress(text string, depth int) (*addresses, error) {
	a := new(addresses)
	switch {
	case strings.EqualFold(text, "any"):
		a.any = true
	case strings.HasPrefix(text, "["):
		return parseAddresses(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), depth+1)
	case strings.HasPrefix(text, "$"):
		switch name := text[1:]; {
		case hosts[name]:
			a.home = true
		case name == "EXTERNAL_NET":
			a.outside = true
		default:
			return nil, fmt.Errorf("variable %s", text)
		}
	default:
		if ip, err := netip.ParseAddr(text); err == nil {
			a.one(packet.AddrOf(ip))
			return a, nil
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("address %q", text)
		}
		a.nets = append(a.nets, p.Masked())
	}
	return a, nil
}

// has reports whether an address, which is at home or not, is meant.
func (a *addresses) has(x packet.Addr, home bool) bool {
	if !a.in(x, home) {
		return false
	}
	return a.but == nil || !a.but.in(x, home)
}

func (a *addresses) in(x packet.Addr, home bool) bool {
	if a.any || a.home && home || a.outside && !home || a.single[x] {
		return true
	}
	if len(a.nets) > 0 {
		ip := x.Netip()
		for _, p := range a.nets {
			if p.Contains(ip) {
				return true
			}
		}
	}
	return false
}

// ports is what a rule says of one end's port.
type ports struct {
	yes, no [][2]uint16 // ranges
}

// portVariables are Suricata's own, as its configuration sets them.
var portVariables = map[string]string{
	"HTTP_PORTS": "80", "SHELLCODE_PORTS": "!80", "ORACLE_PORTS": "1521", "SSH_PORTS": "22", "DNP3_PORTS": "20000", "MODBUS_PORTS": "502",
	"FILE_DATA_PORTS": "[80,110,143]", "FTP_PORTS": "21", "GENEVE_PORTS": "6081", "VXLAN_PORTS": "4789", "TEREDO_PORTS": "3544", "SIP_PORTS": "[5060,5061]",
}

func parsePorts(text string, depth int) (*ports, error) {
	p := new(ports)
	if depth > maxLists {
		return nil, errors.New("lists of ports nested too deep")
	}
	for _, item := range items(text) {
		rest, negated := strings.CutPrefix(item, "!")
		sub := new(ports)
		switch {
		case strings.EqualFold(rest, "any"):
			if negated {
				return nil, errors.New("ports that are not any")
			}
			sub.yes = [][2]uint16{{0, 65535}}
		case strings.HasPrefix(rest, "["):
			var err error
			if sub, err = parsePorts(strings.TrimSuffix(rest[1:], "]"), depth+1); err != nil {
				return nil, err
			}
		case strings.HasPrefix(rest, "$"):
			value, ok := portVariables[rest[1:]]
			if !ok {
				return nil, fmt.Errorf("variable %s", rest)
			}
			var err error
			if sub, err = parsePorts(value, depth+1); err != nil {
				return nil, err
			}
		default:
			from, to, ranged := strings.Cut(rest, ":")
			r := [2]uint16{0, 65535}
			var err1, err2 error
			if r[0], err1 = port(from, 0); ranged {
				r[1], err2 = port(to, 65535)
			} else {
				r[1] = r[0]
			}
			if err1 != nil || err2 != nil || r[0] > r[1] || !ranged && from == "" {
				return nil, fmt.Errorf("port %q", rest)
			}
			sub.yes = [][2]uint16{r}
		}
		if negated {
			if len(sub.no) > 0 {
				return nil, errors.New("negated lists with exceptions")
			}
			p.no = append(p.no, sub.yes...)
			continue
		}
		p.yes, p.no = append(p.yes, sub.yes...), append(p.no, sub.no...)
	}
	if len(p.yes) == 0 {
		p.yes = [][2]uint16{{0, 65535}}
	}
	return p, nil
}

func port(text string, otherwise uint16) (uint16, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err
}

func (p *ports) has(x uint16) bool { return within(p.yes, x) && !within(p.no, x) }

func within(list [][2]uint16, x uint16) bool {
	for _, r := range list {
		if x >= r[0] && x <= r[1] {
			return true
		}
	}
	return false
}

// items are the parts of a list, without those of lists in it: its own brackets
// may be there or not.
func items(text string) (list []string) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") && closes(text) == len(text)-1 {
		text = text[1 : len(text)-1]
	}
	depth, start := 0, 0
	for i := 0; i <= len(text); i++ {
		switch {
		case i == len(text) || text[i] == ',' && depth == 0:
			list = append(list, strings.TrimSpace(text[start:i]))
			start = i + 1
		case text[i] == '[':
			depth++
		case text[i] == ']':
			depth--
		}
	}
	return list
}

// closes returns where the bracket closes that text begins with.
func closes(text string) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
