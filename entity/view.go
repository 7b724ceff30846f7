package entity

import (
	"iter"
	"math"
	"slices"

	"tyto/packet"
	"tyto/session"
)

// View is the graph as it was known at a time: entities and relations that were
// first seen by then. It is valid until the next fact is added. Which addresses
// are one device is as the Graph last concluded, from all evidence (hindsight is
// wanted there): Devices concludes anew, the methods of a View do not, so that
// they take microseconds while facts go on coming.
type View struct {
	g  *Graph
	c  *conclusion
	at int64
}

// At returns the graph as it was known at a time, in ns.
func (g *Graph) At(at int64) View {
	c := g.concluded
	if c == nil {
		c = g.conclude()
	}
	return View{g, c, at}
}

// Now returns the graph as it is known.
func (g *Graph) Now() View { return g.At(math.MaxInt64) }

// Link is a relation as a View shows it.
type Link struct {
	From, To             ID
	Relation             RelationKind
	Via                  string
	First, Last          int64 // ns; Last may be later than the View's time
	Count, Failed        uint32
	OrigBytes, RespBytes uint64

	n uint32
}

// Find returns the entity of an identifier (KIND:NAME), 0 if there is none.
// Devices are found with Device.
func (g *Graph) Find(id string) ID { return g.lookup(id) }

// Name returns an entity's identifier, "" if it is not kept any more.
func (g *Graph) Name(id ID) string {
	if id == 0 || uint32(id) > g.nodes.n || g.nodes.at(uint32(id)).flags&nodeUsed == 0 {
		return ""
	}
	return g.nodes.at(uint32(id)).id()
}

// Holder returns the entity that held an address at the View's time, 0 if it
// had not been seen.
func (v View) Holder(a packet.Addr) ID {
	id, ok := v.g.addrs[a]
	if !ok || v.g.nodes.at(uint32(id)).first > v.at {
		return 0
	}
	if h := v.g.held[a]; h != nil {
		return h.at(v.at).node
	}
	return id
}

// Device returns the device that an address or interface is part of, nil if it
// is of none.
func (v View) Device(id ID) *Device { return v.c.of[id] }

// Parts returns the addresses and interfaces of a device, as long as the Graph
// keeps them.
func (d *Device) Parts() []ID { return d.parts }

// forgetPart takes an entity that is forgotten out of what was concluded: its
// number may become another's.
func (c *conclusion) forgetPart(id ID) {
	delete(c.account, id)
	if d := c.of[id]; d != nil {
		d.parts = slices.DeleteFunc(slices.Clone(d.parts), func(part ID) bool { return part == id })
		delete(c.of, id)
	}
}

// Links calls yield with the relations of an entity, those from it and those to
// it, each the latest new one first.
func (v View) Links(id ID) iter.Seq[Link] {
	return func(yield func(Link) bool) {
		if v.g.Name(id) == "" {
			return
		}
		for end := range 2 {
			for n := v.g.nodes.at(uint32(id)).head[end]; n != 0; {
				e := v.g.edges.at(n)
				if e.first <= v.at && !(end == in && e.from == e.to) && !yield(v.g.link(n, e)) {
					return
				}
				n = e.next[end]
			}
		}
	}
}

func (g *Graph) link(n uint32, e *edge) Link {
	return Link{e.from, e.to, e.kind, g.vias.list[e.via], e.first, e.last, e.count, e.failed, e.origBytes, e.respBytes, n}
}

// FirstSeen returns when a relation was first seen, in ns, whoever showed it;
// false if it was not by the View's time.
func (v View) FirstSeen(from, to ID, kind RelationKind) (at int64, ok bool) {
	for via := range v.g.vias.list {
		if n := v.g.index.find(&v.g.edges, from, to, kind, uint16(via)); n != 0 {
			if first := v.g.edges.at(n).first; first <= v.at && (!ok || first < at) {
				at, ok = first, true
			}
		}
	}
	return at, ok
}

// Seen returns when an entity was first and last seen, in ns.
func (v View) Seen(id ID) (first, last int64) {
	n := v.g.nodes.at(uint32(id))
	return n.first, n.last
}

// Prevalence returns how many devices at home have a relation with an entity:
// asked for a domain, talked to an address, have a fingerprint, and so on.
func (v View) Prevalence(id ID) int {
	seen := make(map[*Device]bool)
	for l := range v.Links(id) {
		other := l.From
		if other == id {
			other = l.To
		}
		if d := v.c.of[other]; d != nil {
			seen[d] = true
		}
	}
	return len(seen)
}

// Contact is a session behind a relation.
type Contact struct {
	Time int64 // ns
	UID  session.UID
}

// Contacts returns sessions behind a relation, by time: the first one and the
// latest few.
func (v View) Contacts(l Link) []Contact {
	return slices.DeleteFunc(v.g.contactsOf(v.g.edges.at(l.n)), func(c Contact) bool { return c.Time > v.at })
}

func (g *Graph) contactsOf(e *edge) []Contact {
	list := []Contact{{e.first, e.uid}}
	if e.contacts == 0 {
		return list
	}
	c := g.rings.at(e.contacts)
	for i := range min(c.n, ringContacts) {
		list = append(list, Contact{c.times[i], c.uids[i]})
	}
	slices.SortStableFunc(list[1:], func(a, b Contact) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	return list
}

// Behaviors returns what goes on in the sessions of a relation.
func (v View) Behaviors(l Link) []string { return v.g.behaviorsOf(v.g.edges.at(l.n)) }

func (g *Graph) behaviorsOf(e *edge) []string {
	var list []string
	for i, name := range g.behaviors.list {
		if e.behaviors&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return list
}
