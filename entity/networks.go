package entity

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"tyto/packet"
)

func inNetworks(list []netip.Prefix, a packet.Addr) bool {
	if len(list) == 0 {
		return false
	}
	ip := a.Netip()
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// Lengths of the networks that are inferred where nothing says better.
const (
	inferred4 = 24
	inferred6 = 64
)

func networkOf(a packet.Addr) netip.Prefix {
	ip, n := a.Netip(), inferred4
	if !a.Is4() {
		n = inferred6
	}
	p, err := ip.Prefix(n)
	if err != nil {
		return netip.PrefixFrom(ip, ip.BitLen())
	}
	return p
}

// Home returns the networks that are the user's own: as the options say, or
// else those in which somebody sent something: private ones, those whose
// addresses ARP, NDP or DHCP showed on the link, and those of a public address
// that is the only one behind its interface while its peers come through a
// router. Inferred networks are of 256 addresses, or 2^64.
func (g *Graph) Home() []netip.Prefix {
	if g.options.Home != nil {
		return g.options.Home
	}
	return g.conclude().home
}

func (g *Graph) inferHome() map[netip.Prefix]bool {
	found := make(map[netip.Prefix]bool)
	for i := uint32(1); i <= g.nodes.n; i++ {
		n := g.nodes.at(i)
		if n.kind == Address && n.flags&nodeSent != 0 && !nobody(n.addr) && (n.addr.IsPrivate() || g.held[n.addr] != nil || g.alone(n)) {
			found[networkOf(n.addr)] = true
		}
	}
	return found
}

// network is a network at home with the entities of addresses in it.
type network struct {
	prefix      netip.Prefix
	members     []ID
	first, last int64
}

func (n *network) id() string { return Network.String() + ":" + n.prefix.String() }

// networks returns the networks at home in which somebody sent something, by
// address. Where the options name the home networks these are told, else those
// that are inferred.
func (g *Graph) networks(c *conclusion) []*network {
	by := make(map[netip.Prefix]*network)
	for _, id := range g.holders(c) {
		v := g.nodes.at(uint32(id))
		p := networkOf(v.addr)
		for _, home := range g.options.Home {
			if home.Contains(v.addr.Netip()) {
				p = home.Masked()
			}
		}
		n := by[p]
		if n == nil {
			n = &network{prefix: p, first: v.first, last: v.last}
			by[p] = n
		}
		n.members = append(n.members, id)
		n.first, n.last = min(n.first, v.first), max(n.last, v.last)
	}
	return slices.SortedFunc(maps.Values(by), func(a, b *network) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), a.prefix.Bits()-b.prefix.Bits())
	})
}

// alonePeers is how many peers make a lone public address one at home.
const alonePeers = 4

// alone reports whether a public address is the only one behind its interface
// and has several peers.
func (g *Graph) alone(n *node) bool {
	i := g.ifaces[n.mac]
	return i != nil && i.lone == n.addr && !i.several && n.degree[out]+n.degree[in] >= alonePeers
}
