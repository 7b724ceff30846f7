package entity

import (
	"strconv"

	"tyto/packet"
)

// iface is what is known of a link-layer address.
type iface struct {
	node     ID
	recent   [6]recentAddr // IPv4 addresses its frames came from
	latest   int64         // first packet of the latest session, ns
	current  packet.Addr
	turns    int         // how often it went back to an address it had just used
	prefixes [3]uint64   // IPv6 networks beyond the link that its frames came from
	foreign  bool        // it forwards what is not from its own link
	lone     packet.Addr // first address beyond the link that its frames came from
	several  bool        // there were others
}

type recentAddr struct {
	addr packet.Addr
	last int64 // ns
}

const ifaceBytes = 320

// manyTurns is how often frames of an interface go back and forth between
// addresses before it is taken for one that forwards.
const manyTurns = 3

// ifaceOf returns what is known of an interface; nil for what is no device's.
func (g *Graph) ifaceOf(mac packet.MAC) *iface {
	if mac.IsZero() || mac[0]&1 != 0 {
		return nil
	}
	i := g.ifaces[mac]
	if i == nil {
		i = &iface{}
		g.ifaces[mac] = i
		i.node = g.newNode(node{kind: Interface, key: mac.String(), mac: mac, first: g.now, last: g.now})
	}
	return i
}

// virtual reports whether a link-layer address is that of a group of routers:
// VRRP and HSRP.
func virtual(m packet.MAC) bool {
	return m[0] == 0 && m[1] == 0 && (m[2] == 0x5e && m[3] == 0 && (m[4] == 1 || m[4] == 2) || m[2] == 0x0c && m[3] == 7 && m[4] == 0xac)
}

// routes reports whether a link-layer address stands for more devices than its
// own, as a router's does: it cannot tell whose a frame is.
func (g *Graph) routes(mac packet.MAC) bool {
	i := g.ifaces[mac]
	return virtual(mac) || i != nil && (i.foreign || i.turns >= manyTurns)
}

// linkScope reports whether frames from a session's originator did not cross a
// router: they went to everybody on the link.
func linkScope(to *Ref) bool {
	a := to.Addr
	if a.Is4() {
		return a[12] == 224 && a[13] == 0 && a[14] == 0 || to.MAC == packet.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	return a[0] == 0xff && a[1]&15 == 2
}

// frame notes that a session's frames from an address had a link-layer address.
func (g *Graph) frame(mac packet.MAC, a packet.Addr, f *Fact, answered bool) {
	if nobody(a) || f.Behavior != "" {
		return
	}
	i := g.ifaceOf(mac)
	if i == nil {
		return
	}
	last := max(f.First, f.Last)
	if !g.local(a) {
		if answered {
			i.forwards(a)
			g.beyond(a, mac)
		}
		return
	}
	i.uses(a, f.First, last)
	via := viaFrames
	if a == f.From.Addr && linkScope(&f.To) {
		via = viaBroadcast
	}
	id := g.locate(a, mac, f.First)
	if g.nodes.at(uint32(id)).mac != mac {
		return
	}
	if f.VLAN != 0 && a == f.From.Addr && !g.routes(mac) {
		vlan := g.byName(Network, "vlan/"+strconv.Itoa(int(f.VLAN)), f.First)
		g.relate(id, vlan, &Fact{Relation: MemberOf, Via: viaFrames, First: f.First, Last: last, UID: f.UID})
	}
	g.relate(id, i.node, &Fact{Relation: Held, Via: via, First: f.First, Last: last, UID: f.UID})
}

// beyond notes the interface behind which an address that is not on the link
// was seen first.
func (g *Graph) beyond(a packet.Addr, mac packet.MAC) {
	if n := g.nodes.at(uint32(g.locate(a, packet.MAC{}, g.now))); n.mac.IsZero() {
		n.mac = mac
	}
}

// forwards notes an address beyond the link. Hosts have global IPv6 addresses
// of their own in a network or two: only more of them show a router.
func (i *iface) forwards(a packet.Addr) {
	if i.lone.IsZero() {
		i.lone = a
	}
	i.several = i.several || i.lone != a
	if a.Is4() {
		i.foreign = true
		return
	}
	var p uint64
	for _, b := range a[:8] {
		p = p<<8 | uint64(b)
	}
	for k, have := range i.prefixes {
		if have == p {
			return
		}
		if have == 0 {
			i.prefixes[k] = p
			i.foreign = i.foreign || k == len(i.prefixes)-1
			return
		}
	}
}

// uses notes an IPv4 address on the link. A host has one at a time; what goes
// back and forth between addresses forwards for several hosts.
func (i *iface) uses(a packet.Addr, first, last int64) {
	if !a.Is4() || a[12] == 169 && a[13] == 254 {
		return
	}
	oldest := &i.recent[0]
	for k := range i.recent {
		r := &i.recent[k]
		if r.addr == a {
			if a != i.current && first >= i.latest && first-r.last < hour/2 {
				i.turns++
			}
			oldest = r
			break
		}
		if r.last < oldest.last {
			oldest = r
		}
	}
	if oldest.addr != a {
		*oldest = recentAddr{addr: a, last: last}
	}
	oldest.last = max(oldest.last, last)
	if first >= i.latest {
		i.current, i.latest = a, first
	}
}
