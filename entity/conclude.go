package entity

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"tyto/entity/oui"
	"tyto/packet"
)

// conclusion is what the evidence says about devices and users. It is made anew
// from all evidence: what is learned late changes what was concluded early.
type conclusion struct {
	parent  []ID // union-find over entities: which device a holder or interface is part of
	devices []*Device
	of      map[ID]*Device // by part
	merges  []Merge
	home    []netip.Prefix
	homes   map[netip.Prefix]bool // the same
	users   []*Account
	account map[ID]*Account // by entity
	seen    map[*iface]addressCount
}

// addressCount is how many IPv4 addresses an interface was seen with, and how
// many of them more than frames show.
type addressCount struct{ total, confirmed int }

// Merge says that two entities are one device, and why.
type Merge struct {
	A, B   string // identifiers of entities
	Weight float64
	Why    string
}

// conclude returns the conclusion from all facts so far.
func (g *Graph) conclude() *conclusion {
	if g.concluded != nil && !g.stale {
		return g.concluded
	}
	c := &conclusion{parent: make([]ID, g.nodes.n+1), of: make(map[ID]*Device), seen: make(map[*iface]addressCount)}
	for i := range c.parent {
		c.parent[i] = ID(i)
	}
	c.homes = g.inferHome()
	c.home = slices.SortedFunc(maps.Keys(c.homes), func(a, b netip.Prefix) int { return cmp.Or(a.Addr().Compare(b.Addr()), a.Bits()-b.Bits()) })
	g.bindInterfaces(c)
	g.bindFloating(c)
	g.weighGroups(c)
	g.concludeUsers(c)
	g.buildDevices(c)
	g.concluded, g.stale = c, false
	return c
}

// find returns the representative of a group: the entity with the lowest
// number, which appeared first.
func (c *conclusion) find(id ID) ID {
	for c.parent[id] != id {
		c.parent[id] = c.parent[c.parent[id]]
		id = c.parent[id]
	}
	return id
}

// unite makes one group of two, and says why.
func (g *Graph) unite(c *conclusion, a, b ID, weight float64, why string) {
	x, y := c.find(a), c.find(b)
	if x == y {
		return
	}
	c.parent[max(x, y)] = min(x, y)
	c.merges = append(c.merges, Merge{g.nodes.at(uint32(a)).id(), g.nodes.at(uint32(b)).id(), weight, why})
}

// holders returns the entities of addresses that may be devices', by number.
func (g *Graph) holders(c *conclusion) []ID {
	return slices.DeleteFunc(g.sorted(Address), func(id ID) bool {
		n := g.nodes.at(uint32(id))
		return n.flags&nodeSent == 0 || !g.atHome(c, n.addr)
	})
}

// atHome reports whether an address is in the user's own networks.
func (g *Graph) atHome(c *conclusion, a packet.Addr) bool {
	if nobody(a) {
		return false
	}
	if g.options.Home != nil {
		return inNetworks(g.options.Home, a)
	}
	return a.IsPrivate() || g.held[a] != nil || c.homes[networkOf(a)]
}

// bindInterfaces joins holders with the interfaces that are their own.
func (g *Graph) bindInterfaces(c *conclusion) {
	byEUI := make(map[packet.MAC]ID)
	for _, id := range g.holders(c) {
		n := g.nodes.at(uint32(id))
		if i := g.ifaces[n.mac]; i != nil && g.binds(c, id, n, i) {
			g.unite(c, id, i.node, definite, "interface "+n.mac.String())
		}
		mac, ok := eui64(n.addr)
		if !ok || virtual(mac) {
			continue
		}
		if i := g.ifaces[mac]; i != nil {
			g.unite(c, id, i.node, definite, "interface identifier of "+mac.String())
		} else if other, ok := byEUI[mac]; ok {
			g.unite(c, id, other, definite, "interface identifier of "+mac.String())
		}
		byEUI[mac] = id
	}
}

// definite is the weight of what leaves no doubt.
const definite = 20

// binds reports whether the link-layer address of a holder is its own, and not
// that of a router, a proxy or an extender in front of it.
func (g *Graph) binds(c *conclusion, id ID, n *node, i *iface) bool {
	if virtual(n.mac) || g.contested(id, n) {
		return false
	}
	if !n.addr.Is4() && n.addr[0] == 0xfe && n.addr[1]&0xc0 == 0x80 {
		return true // link-local addresses are not forwarded
	}
	by := g.heldBy(id)
	if by == byDHCP {
		return true
	}
	count, ok := c.seen[i]
	if !ok {
		count = g.addresses(i)
		c.seen[i] = count
	}
	if g.routes(n.mac) {
		return by >= byLink && count.confirmed <= maxAliases && g.agree(i)
	}
	return by >= byLink || n.addr.Is4() && count.total == 1 && g.near(id, n)
}

// networkVendors make what forwards frames: without more evidence than frames,
// their interfaces are taken for routers'.
var networkVendors = []string{"Arista", "Juniper", "Cisco Systems", "Palo Alto", "Fortinet", "Ubiquiti", "MikroTik", "Routerboard"}

// near reports whether frames of a holder, which has an interface for itself,
// were captured on its own link: it talked to somebody in its network, or to
// several networks, as the neighbour of a router does not.
func (g *Graph) near(id ID, n *node) bool {
	vendor := oui.Vendor(n.mac)
	if slices.ContainsFunc(networkVendors, func(v string) bool { return strings.HasPrefix(vendor, v) }) {
		return false
	}
	own, other := networkOf(n.addr), netip.Prefix{}
	for end := range 2 {
		for e := range g.edgesOf(id, end) {
			peer := e.to
			if end == in {
				peer = e.from
			}
			if v := g.nodes.at(uint32(peer)); e.kind == TalkedTo && !nobody(v.addr) {
				switch p := networkOf(v.addr); {
				case p == own:
					return true
				case !other.IsValid():
					other = p
				case other != p:
					return true
				}
			}
		}
	}
	return false
}

// maxAliases is how many addresses of its own an interface that forwards may
// have.
const maxAliases = 4

// heldBy returns the best witness of a holder's link-layer address.
func (g *Graph) heldBy(id ID) witness {
	by := byNothing
	for e := range g.edgesOf(id, out) {
		if e.kind == Held {
			by = max(by, witnessOf(g.vias.list[e.via]))
		}
	}
	return by
}

// addresses counts the addresses of an interface.
func (g *Graph) addresses(i *iface) (count addressCount) {
	best := make(map[ID]witness)
	for e := range g.edgesOf(i.node, in) {
		if n := g.nodes.at(uint32(e.from)); e.kind == Held && n.addr.Is4() && !(n.addr[12] == 169 && n.addr[13] == 254) {
			best[e.from] = max(best[e.from], witnessOf(g.vias.list[e.via]))
		}
	}
	for _, by := range best {
		if by >= byLink {
			count.confirmed++
		}
	}
	count.total = len(best)
	return count
}

// agree reports whether no two addresses of an interface say different names:
// else it answers for others (proxy ARP).
func (g *Graph) agree(i *iface) bool {
	var all []map[string]bool
	for e := range g.edgesOf(i.node, in) {
		if e.kind != Held || witnessOf(g.vias.list[e.via]) < byLink {
			continue
		}
		if names := g.saidNames(e.from); len(names) > 0 {
			all = append(all, names)
		}
	}
	for k, a := range all {
		for _, b := range all[k+1:] {
			if !overlap(a, b) {
				return false
			}
		}
	}
	return true
}

// saidNames returns the short names that the holder of an address says or
// proves.
func (g *Graph) saidNames(id ID) map[string]bool {
	names := make(map[string]bool)
	for e := range g.edgesOf(id, out) {
		if e.kind == Named && classOf(g.vias.list[e.via]) >= said {
			names[shortName(g.nodes.at(uint32(e.to)).key)] = true
		}
	}
	return names
}

func overlap(a, b map[string]bool) bool {
	for k := range a {
		if b[k] {
			return true
		}
	}
	return false
}

// contested reports whether a later holder of an address takes turns with
// another on the link: a spoofed or doubly used address.
func (g *Graph) contested(id ID, n *node) bool {
	h := g.held[n.addr]
	if h == nil || h.holders[0] == id {
		return false
	}
	back := 0
	for i := 2; i < len(h.tenures); i++ {
		t := h.tenures[i]
		if t.node == h.tenures[i-2].node && t.from-h.tenures[i-1].from < hour && t.by < byDHCP && (t.node == id || h.tenures[i-1].node == id) {
			back++
		}
	}
	return back >= maxFlips
}

// eui64 returns the link-layer address that an IPv6 address was made from (RFC
// 4291 appendix A).
func eui64(a packet.Addr) (m packet.MAC, ok bool) {
	if a.Is4() || a[11] != 0xff || a[12] != 0xfe || a[8]&2 == 0 {
		return m, false
	}
	return packet.MAC{a[8] ^ 2, a[9], a[10], a[13], a[14], a[15]}, true
}

// bindFloating joins the holders of an address that nothing identifies, with the
// one that is identified if there is just one: the address did not change
// hands, it was only seen behind several routers.
func (g *Graph) bindFloating(c *conclusion) {
	for _, first := range g.holders(c) {
		n := g.nodes.at(uint32(first))
		h := g.held[n.addr]
		if h == nil || h.holders[0] != first || len(h.holders) < 2 || h.shared {
			continue
		}
		var known, floating []ID
		for i, id := range h.holders {
			v := g.nodes.at(uint32(id))
			bound := g.ifaces[v.mac] != nil && c.find(id) == c.find(g.ifaces[v.mac].node)
			switch {
			case v.flags&nodeSent == 0:
			case bound || h.machine[i] != "":
				known = append(known, id)
			default:
				floating = append(floating, id)
			}
		}
		groups := make(map[ID]bool)
		for _, id := range known {
			groups[c.find(id)] = true
		}
		if len(groups) > 1 {
			continue
		}
		for _, id := range floating {
			g.unite(c, h.holders[0], id, definite, "address "+n.addr.String()+" behind a router")
		}
		for _, id := range known {
			g.unite(c, h.holders[0], id, definite, "address "+n.addr.String()+" behind a router")
		}
	}
}

// shortName returns what is compared of host names: the first label, cut as
// NetBIOS cuts names.
func shortName(s string) string {
	s, _, _ = strings.Cut(s, ".")
	return s[:min(len(s), 15)]
}
