package archive

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"tyto/packet"
)

// Filter chooses packets by their headers. It is for one goroutine.
type Filter struct {
	test    test
	decoder packet.Decoder
	packet  packet.Packet
}

// test is a condition of a packet.
type test func(*packet.Packet) bool

// ParseFilter reads a filter in a part of the language of tcpdump: host A, net
// A/N, port N, portrange N-M, each perhaps after src or dst; tcp, udp, icmp,
// icmp6, sctp, ip, ip6, vlan N; joined by and, or, not and parentheses. It is
// about the innermost headers: what came out of a tunnel is found.
func ParseFilter(text string) (*Filter, error) {
	words := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ", "&&", " and ", "||", " or ", "!", " not ").Replace(text))
	p := filterParser{words: words}
	t, err := p.or()
	if err == nil && p.at < len(p.words) {
		err = fmt.Errorf("%q does not follow here", p.words[p.at])
	}
	if err != nil {
		return nil, fmt.Errorf("packet filter, word %d: %w", p.at+1, err)
	}
	return &Filter{test: t}, nil
}

// Match reports whether the filter chooses a packet. A packet that cannot be
// decoded is not chosen; nor are fragments after the first, which have no ports,
// by what asks for ports.
func (f *Filter) Match(p *Packet) bool {
	f.decoder.Decode(&p.Frame, &f.packet)
	return f.packet.Version != 0 && f.test(&f.packet)
}

type filterParser struct {
	words []string
	at    int
	depth int
}

func (p *filterParser) take(word string) bool {
	if p.at < len(p.words) && p.words[p.at] == word {
		p.at++
		return true
	}
	return false
}

func (p *filterParser) next(what string) (string, error) {
	if p.at == len(p.words) {
		return "", fmt.Errorf("%s is missing at the end", what)
	}
	p.at++
	return p.words[p.at-1], nil
}

func (p *filterParser) or() (test, error) {
	t, err := p.and()
	for err == nil && p.take("or") {
		var u test
		left := t
		u, err = p.and()
		t = func(k *packet.Packet) bool { return left(k) || u(k) }
	}
	return t, err
}

func (p *filterParser) and() (test, error) {
	t, err := p.not()
	for err == nil && p.take("and") {
		var u test
		left := t
		u, err = p.not()
		t = func(k *packet.Packet) bool { return left(k) && u(k) }
	}
	return t, err
}

const maxFilterDepth = 100

func (p *filterParser) not() (test, error) {
	if p.depth++; p.depth > maxFilterDepth {
		return nil, fmt.Errorf("it nests more than %d deep", maxFilterDepth)
	}
	defer func() { p.depth-- }()
	if p.take("not") {
		t, err := p.not()
		return func(k *packet.Packet) bool { return !t(k) }, err
	}
	if p.take("(") {
		t, err := p.or()
		if err == nil && !p.take(")") {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		return t, err
	}
	return p.primitive()
}

// protocols are tests of one word.
var protocols = map[string]test{
	"tcp": proto(packet.ProtoTCP), "udp": proto(packet.ProtoUDP), "icmp": proto(packet.ProtoICMP), "icmp6": proto(packet.ProtoICMPv6), "sctp": proto(packet.ProtoSCTP),
	"ip":  func(k *packet.Packet) bool { return k.Version == 4 },
	"ip6": func(k *packet.Packet) bool { return k.Version == 6 },
}

func proto(n uint8) test { return func(k *packet.Packet) bool { return k.Proto == n } }

func (p *filterParser) primitive() (test, error) {
	src, dst := p.take("src"), p.take("dst")
	word, err := p.next("a condition, as host 10.0.0.1,")
	if err != nil {
		return nil, err
	}
	if t, ok := protocols[word]; ok && !src && !dst {
		return t, nil
	}
	sides := func(t func(packet.Addr, uint16) bool) test {
		return func(k *packet.Packet) bool { return !dst && t(k.Src, k.SrcPort) || !src && t(k.Dst, k.DstPort) }
	}
	switch word {
	case "host", "net":
		prefix, err := p.network(word)
		return sides(func(a packet.Addr, _ uint16) bool { return prefix.Contains(a.Netip()) }), err
	case "port", "portrange":
		low, high, err := p.ports()
		any := sides(func(_ packet.Addr, n uint16) bool { return n >= low && n <= high })
		return func(k *packet.Packet) bool { return k.Transport && any(k) }, err
	case "vlan":
		low, high, err := p.ports()
		return func(k *packet.Packet) bool { return k.VLAN >= low && k.VLAN <= high && k.VLAN != 0 }, err
	}
	p.at--
	return nil, fmt.Errorf("%q is no condition: use host, net, port, portrange, vlan, tcp, udp, icmp, icmp6, sctp, ip or ip6", word)
}

func (p *filterParser) network(what string) (netip.Prefix, error) {
	word, err := p.next("an address")
	if err != nil {
		return netip.Prefix{}, err
	}
	if what == "net" {
		n, err := netip.ParsePrefix(word)
		if err != nil {
			return n, fmt.Errorf("%q is no network: write 10.0.0.0/8", word)
		}
		return n, nil
	}
	a, err := netip.ParseAddr(word)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no address: write 10.0.0.1 or 2001:db8::1", word)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// ports reads N or N-M.
func (p *filterParser) ports() (low, high uint16, err error) {
	word, err := p.next("a number")
	if err != nil {
		return 0, 0, err
	}
	from, to, isRange := strings.Cut(word, "-")
	if !isRange {
		to = from
	}
	a, errA := strconv.ParseUint(from, 10, 16)
	b, errB := strconv.ParseUint(to, 10, 16)
	if errA != nil || errB != nil || a > b {
		return 0, 0, fmt.Errorf("%q is no number from 0 to 65535, nor a range of them", word)
	}
	return uint16(a), uint16(b), nil
}
