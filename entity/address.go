package entity

import (
	"strings"

	"tyto/packet"
)

// holding says who held an address when.
type holding struct {
	tenures []tenure // by time; the first one has no beginning
	holders []ID     // the address's entities, by number
	machine []string // machine account seen at each holder, lower case, or ""
	flips   int      // how often it went back to an earlier machine at once
	shared  bool     // several machines use it at the same time: NAT
}

// tenure is a span of time in which one holder has the address: until the next
// one begins.
type tenure struct {
	from  int64 // ns
	until int64 // end of the lease, if DHCP told it, else 0
	node  ID
	by    witness
}

// witness says how a tenure is known, from weakest to strongest.
type witness uint8

const (
	byNothing witness = iota
	byFrames
	byName
	byLink // ARP, NDP or NetBIOS, which are not routed
	byDHCP
)

// machineAccount is the Via of names that a machine proved with its own
// account's Kerberos key.
const machineAccount = "kerberos"

// Bounds of one address, and what a holding costs.
const (
	maxTenures   = 256
	maxHolders   = 64
	holdingBytes = 256
)

const (
	defaultLease = 24 * hour
	hour         = 3600 * second
	second       = 1_000_000_000
)

// witnessOf says what a protocol that tells a link-layer address proves.
func witnessOf(via string) witness {
	switch via {
	case "dhcp", "dhcpv6", "radius":
		return byDHCP
	case viaFrames:
		return byFrames
	}
	return byLink
}

// Vias of link-layer addresses that frames show: those of any session, and those
// sent to everybody on the link, which no router forwards.
const (
	viaFrames    = "frames"
	viaBroadcast = "broadcast"
)

// nobody reports whether an address cannot be a single device's.
func nobody(a packet.Addr) bool {
	return a.IsZero() || a.IsMulticast() || a.Is4() && (a[12] == 0 || a[12] == 127 || a[12] == 255) || a == packet.Addr{15: 1}
}

// local reports whether an address is close enough that its holder may change
// and that link-layer addresses say something: at home, private, or seen on
// the link.
func (g *Graph) local(a packet.Addr) bool {
	if nobody(a) {
		return false
	}
	return a.IsPrivate() || inNetworks(g.options.Home, a) || g.held[a] != nil
}

// locate returns the entity of an address at a time. mac is the link-layer
// address its frames had, or zero.
func (g *Graph) locate(a packet.Addr, mac packet.MAC, at int64) ID {
	if a.IsZero() {
		return 0
	}
	first, ok := g.addrs[a]
	if !ok {
		first = g.newAddress(a, at)
	}
	h := g.held[a]
	if h == nil {
		if mac.IsZero() || !g.local(a) {
			return first
		}
		h = g.newHolding(a, first)
	}
	t := h.at(at)
	if mac.IsZero() || g.nodes.at(uint32(t.node)).mac == mac || g.routes(mac) {
		return t.node
	}
	return g.framed(a, h, t, mac, at)
}

// framed returns the holder that frames with a link-layer address show, which
// is not that of the tenure at the time.
func (g *Graph) framed(a packet.Addr, h *holding, t *tenure, mac packet.MAC, at int64) ID {
	n := g.nodes.at(uint32(t.node))
	switch {
	case t.by == byDHCP && at <= t.until:
		// Frames of a leaseholder may come from an extender or router; only the
		// link's own protocols show a squatter.
		if id := h.holderWith(g, mac); id != 0 && g.confirmed(id) {
			return id
		}
		return t.node
	case n.mac.IsZero() && t.by == byNothing:
		n.mac, t.by = mac, byFrames
		return t.node
	}
	id := g.holder(a, h, mac, at)
	h.begin(g, tenure{from: at, node: id, by: byFrames})
	return id
}

// newAddress adds the first holder of an address.
func (g *Graph) newAddress(a packet.Addr, at int64) ID {
	id := g.newNode(node{kind: Address, addr: a, holder: 1, first: at, last: at})
	g.addrs[a] = id
	if !g.local(a) && !nobody(a) {
		g.operated(id, a, at)
	}
	return id
}

func (g *Graph) operated(id ID, a packet.Addr, at int64) {
	name, source := g.options.Organisation(a)
	if name == "" {
		return
	}
	if to := g.byName(Organisation, name, at); to != 0 {
		g.relate(id, to, &Fact{Relation: OperatedBy, Via: source, First: at})
	}
}

func (g *Graph) newHolding(a packet.Addr, first ID) *holding {
	n := g.nodes.at(uint32(first))
	h := &holding{tenures: []tenure{{from: n.first, node: first}}, holders: []ID{first}, machine: []string{""}}
	g.held[a] = h
	return h
}

// at returns the tenure of a time.
func (h *holding) at(at int64) *tenure {
	i := len(h.tenures) - 1
	for i > 0 && h.tenures[i].from > at {
		i--
	}
	return &h.tenures[i]
}

// begin starts a tenure, unless a later one is known.
func (h *holding) begin(g *Graph, t tenure) {
	last := &h.tenures[len(h.tenures)-1]
	if t.from < last.from || t.node == last.node {
		return
	}
	if len(h.tenures) == maxTenures {
		copy(h.tenures[1:], h.tenures[2:])
		h.tenures = h.tenures[:maxTenures-1]
		g.stats.ShedIDs++
	}
	h.tenures = append(h.tenures, t)
}

// holderWith returns the holder with a link-layer address, or 0.
func (h *holding) holderWith(g *Graph, mac packet.MAC) ID {
	for _, id := range h.holders {
		if g.nodes.at(uint32(id)).mac == mac {
			return id
		}
	}
	return 0
}

// holder returns the holder with a link-layer address, a new one if there is
// none.
func (g *Graph) holder(a packet.Addr, h *holding, mac packet.MAC, at int64) ID {
	if id := h.holderWith(g, mac); id != 0 {
		return id
	}
	return g.newHolder(a, h, node{mac: mac, first: at, last: at})
}

// newHolder adds an entity for another holder of an address; the present one
// stands for it when there are too many.
func (g *Graph) newHolder(a packet.Addr, h *holding, n node) ID {
	if len(h.holders) == maxHolders {
		g.stats.ShedIDs++
		return h.tenures[len(h.tenures)-1].node
	}
	n.kind, n.addr, n.holder = Address, a, uint16(len(h.holders)+1)
	id := g.newNode(n)
	h.holders = append(h.holders, id)
	h.machine = append(h.machine, "")
	return id
}

// hold adds that a protocol shows an address at an interface.
func (g *Graph) hold(f *Fact) {
	a, mac := f.From.Addr, f.To.MAC
	i := g.ifaceOf(mac)
	if i == nil || nobody(a) {
		return
	}
	by := witnessOf(f.Via)
	first, ok := g.addrs[a]
	if !ok {
		first = g.newAddress(a, f.First)
	}
	h := g.held[a]
	if h == nil {
		h = g.newHolding(a, first)
	}
	t := h.at(f.First)
	id := t.node
	if n := g.nodes.at(uint32(id)); n.mac != mac {
		switch {
		case n.mac.IsZero() && t.by == byNothing:
			n.mac = mac
		case t.by == byDHCP && by != byDHCP && f.First <= t.until:
			id = g.holder(a, h, mac, f.First)
		default:
			id = g.holder(a, h, mac, f.First)
			h.begin(g, tenure{from: f.First, node: id, by: by})
		}
	}
	if t = h.at(f.First); t.node == id {
		t.by = max(t.by, by)
		if by == byDHCP {
			t.until = f.Until
			if t.until == 0 {
				t.until = max(t.until, f.First+defaultLease)
			}
		}
	}
	g.nodes.at(uint32(id)).flags |= nodeSent
	g.relate(id, i.node, f)
}

// confirmed reports whether more than frames says that a holder's link-layer
// address is its own.
func (g *Graph) confirmed(id ID) bool {
	for e := range g.edgesOf(id, out) {
		if e.kind == Held && g.vias.list[e.via] != viaFrames {
			return true
		}
	}
	return false
}

// named returns the holder that a fact names by its machine account, and notes
// the name. Where no link-layer address tells holders apart, another machine
// account does; if accounts take turns, the address is shared.
func (g *Graph) named(f *Fact) ID {
	if f.From.Kind != Address {
		return g.entity(&f.From, f.First)
	}
	a := f.From.Addr
	id := g.locate(a, f.From.MAC, f.First)
	if id == 0 || !g.local(a) {
		return id
	}
	h := g.held[a]
	if h == nil {
		h = g.newHolding(a, g.addrs[a])
	}
	name := shortLabel(f.To.Name)
	t := h.at(f.First)
	if n := g.nodes.at(uint32(t.node)); !h.shared && (t.by >= byLink || !n.mac.IsZero() && !g.routes(n.mac)) {
		return t.node
	}
	return g.machine(a, h, t, name, f.First)
}

// shortLabel returns the first label of a name.
func shortLabel(s string) string {
	s, _, _ = strings.Cut(s, ".")
	return s
}

// machine returns the holder of an address that a machine account belongs to.
func (g *Graph) machine(a packet.Addr, h *holding, t *tenure, name string, at int64) ID {
	current := int(g.nodes.at(uint32(t.node)).holder) - 1
	if !h.shared && (h.machine[current] == "" || h.machine[current] == name) {
		h.machine[current] = name
		return t.node
	}
	for i, m := range h.machine {
		if m != name {
			continue
		}
		h.back(g, h.holders[i], at)
		return h.holders[i]
	}
	id := g.newHolder(a, h, node{first: at, last: at})
	if i := int(g.nodes.at(uint32(id)).holder) - 1; h.machine[i] == "" {
		h.machine[i] = name
	}
	if !h.shared {
		h.begin(g, tenure{from: h.cameUp(at), node: id, by: byName})
	}
	return id
}

// comesUp is how long before it proves its name a machine may have come up: it
// asks for its domain controller first.
const comesUp = 60 * second

// cameUp returns when the machine that proves its name at a time came up.
func (h *holding) cameUp(at int64) int64 { return max(at-comesUp, h.tenures[len(h.tenures)-1].from+1) }

// maxFlips is how often an address may go back to an earlier machine within an
// hour before it is taken for shared.
const maxFlips = 2

// back gives the address back to an earlier holder.
func (h *holding) back(g *Graph, id ID, at int64) {
	last := h.tenures[len(h.tenures)-1]
	if h.shared || last.node == id {
		return
	}
	if at-last.from < hour {
		h.flips++
	}
	if h.flips < maxFlips {
		h.begin(g, tenure{from: h.cameUp(at), node: id, by: byName})
		return
	}
	// Whoever it was before: from now on nobody in particular, but for what
	// names itself.
	h.shared = true
	n := g.nodes.at(uint32(last.node))
	h.begin(g, tenure{from: at, node: g.newHolder(n.addr, h, node{mac: n.mac, first: at, last: at}), by: byNothing})
}
