package entity

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// RestoreEntity adds an entity from its record: in the order in which Entities
// told them, if they are to be told in that order again, and all before
// relations. What is concluded is not restored but concluded again.
func (g *Graph) RestoreEntity(x *Entity) error {
	kind, name, ok := strings.Cut(x.ID, ":")
	if k := kindOf(kind); !ok || name == "" || k == 0 || k != x.Kind {
		return fmt.Errorf("entity %q of kind %s: the identifier must be the kind, a colon and a name", x.ID, x.Kind)
	}
	g.stale = true
	g.now = max(g.now, x.Last)
	var id ID
	switch x.Kind {
	case DeviceKind:
		return nil
	case Network:
		if _, err := netip.ParsePrefix(name); err == nil {
			return nil // concluded
		}
		id = g.byName(x.Kind, name, x.First)
	case Address:
		if addrOf(strings.Split(name, "#")[0]) != x.Addr || x.Addr.IsZero() {
			return fmt.Errorf("entity %q has the address %v: they must be the same", x.ID, x.Addr)
		}
		id = g.restoreAddress(x, name)
	case Interface:
		i := g.ifaceOf(x.MAC)
		if i == nil || x.MAC.String() != name {
			return fmt.Errorf("entity %q has the link-layer address %v: they must be the same, and not a group's", x.ID, x.MAC)
		}
		i.foreign = i.foreign || slices.Contains(x.Notes, "forwards")
		id = i.node
	default:
		id = g.byName(x.Kind, name, x.First)
	}
	if id == 0 {
		return fmt.Errorf("entity %q: the number of the address's holder must be from 1 to %d", x.ID, maxHolders)
	}
	n := g.nodes.at(uint32(id))
	n.first, n.last, n.count = x.First, x.Last, x.Count
	if slices.Contains(x.Notes, "sent") {
		n.flags |= nodeSent
	}
	n.lives = g.lives(n)
	g.shrink()
	return nil
}

// restoreAddress adds a holder of an address, 0 if its number is none. Holders
// may come in any order.
func (g *Graph) restoreAddress(x *Entity, name string) ID {
	number := 1
	if _, text, ok := strings.Cut(name, "#"); ok {
		number, _ = strconv.Atoi(text)
	}
	if number < 1 || number > maxHolders {
		return 0
	}
	id, ok := g.addrs[x.Addr]
	if !ok {
		id = g.newNode(node{kind: Address, addr: x.Addr, holder: 1, first: x.First, last: x.Last})
		g.addrs[x.Addr] = id
	}
	h := g.held[x.Addr]
	if h == nil && (number > 1 || slices.Contains(x.Notes, "held")) {
		h = g.newHolding(x.Addr, id)
		h.tenures = h.tenures[:0]
	}
	if h == nil {
		g.nodes.at(uint32(id)).mac = x.MAC
		g.restoreForeign(x)
		return id
	}
	for number > len(h.holders) {
		g.newHolder(x.Addr, h, node{first: x.First, last: x.Last})
	}
	id = h.holders[number-1]
	g.nodes.at(uint32(id)).mac = x.MAC
	h.shared = h.shared || slices.Contains(x.Notes, "shared")
	h.restore(id, x)
	return id
}

// restoreForeign notes an address beyond the link at the interface behind which
// it was seen first.
func (g *Graph) restoreForeign(x *Entity) {
	i := g.ifaceOf(x.MAC)
	if i == nil {
		return
	}
	if i.lone.IsZero() {
		i.lone = x.Addr
	}
	i.several = i.several || i.lone != x.Addr
}

// restore adds the tenures of one holder among those of others.
func (h *holding) restore(id ID, x *Entity) {
	for _, from := range x.HeldFrom {
		t := tenure{from: from, node: id}
		if from == 0 {
			t.from = x.First
		}
		i, _ := slices.BinarySearchFunc(h.tenures, t, func(a, b tenure) int { return int(min(max(a.from-b.from, -1), 1)) })
		if from == 0 {
			i = 0
		}
		h.tenures = slices.Insert(h.tenures, i, t)
	}
	if len(h.tenures) == 0 {
		h.tenures = append(h.tenures, tenure{from: x.First, node: id})
	}
}

// RestoreRelation adds a relation from its record.
func (g *Graph) RestoreRelation(x *Relation) error {
	if x.Via == concludedVia {
		return nil
	}
	from, to := g.lookup(x.From), g.lookup(x.To)
	if from == 0 || to == 0 {
		return fmt.Errorf("relation %s from %q to %q: restore both entities first", x.Kind, x.From, x.To)
	}
	if x.Kind == 0 || x.Kind >= relationKinds || len(x.Contacts) == 0 {
		return fmt.Errorf("relation from %q to %q: it must have a kind and the time of its first sighting", x.From, x.To)
	}
	g.stale = true
	via := g.vias.of(x.Via)
	n := g.index.find(&g.edges, from, to, x.Kind, via)
	if n == 0 {
		n = g.newEdge(from, to, x.Kind, via)
	}
	e := g.edges.at(n)
	for i, c := range x.Contacts {
		e.count = uint32(i)
		g.contact(e, &Fact{First: c.Time, UID: c.UID})
	}
	e.first, e.last, e.port = x.First, x.Last, x.Port
	e.count, e.failed = uint32(min(x.Count, 1<<32-1)), uint32(min(x.Failed, 1<<32-1))
	e.origBytes, e.respBytes = x.OrigBytes, x.RespBytes
	for _, b := range x.Behaviors {
		g.behave(e, b)
	}
	g.restoreHolder(e)
	e.lives = g.edgeLives(e)
	g.shrink()
	return nil
}

// restoreHolder brings back what a holding knows by relations: how a holder is
// known, and its machine account.
func (g *Graph) restoreHolder(e *edge) {
	n := g.nodes.at(uint32(e.from))
	h := g.held[n.addr]
	if n.kind != Address || h == nil {
		return
	}
	switch {
	case e.kind == Held:
		for i := range h.tenures {
			if t := &h.tenures[i]; t.node == e.from {
				t.by = max(t.by, witnessOf(g.vias.list[e.via]))
			}
		}
	case e.kind == Named && g.vias.list[e.via] == machineAccount && h.machine[n.holder-1] == "":
		h.machine[n.holder-1] = shortLabel(g.nodes.at(uint32(e.to)).key)
	}
}
