package entity

import (
	"net/netip"
	"slices"
	"strconv"

	"tyto/entity/provider"
	"tyto/packet"
	"tyto/session"
)

// Graph is the knowledge graph. Make it with New. One goroutine owns it.
type Graph struct {
	options Options
	limit   int // bytes
	nodes   pages[node]
	edges   pages[edge]
	rings   pages[contacts]
	index   edgeIndex
	names   [kinds]map[string]ID // by name; addresses and interfaces are found otherwise
	addrs   map[packet.Addr]ID   // first holder
	held    map[packet.Addr]*holding
	ifaces  map[packet.MAC]*iface
	text    int // bytes of names

	vias      words
	behaviors words
	reader    Reader // of the convenience methods
	facts     []Fact
	now       int64 // latest time of a fact, ns
	nodeHand  uint32
	edgeHand  uint32
	stats     Stats
	concluded *conclusion // nil at first
	stale     bool        // facts came since
}

// New returns an empty graph.
func New(o Options) *Graph {
	g := &Graph{options: o, limit: o.MemoryLimit, addrs: make(map[packet.Addr]ID), held: make(map[packet.Addr]*holding), ifaces: make(map[packet.MAC]*iface)}
	if g.limit <= 0 {
		g.limit = DefaultMemory
	}
	for k := range g.names {
		g.names[k] = make(map[string]ID)
	}
	if g.options.Organisation == nil {
		g.options.Organisation = func(a packet.Addr) (string, string) { return provider.Name(a), provider.Source }
	}
	g.vias.of("")
	return g
}

// words are strings by a small number, in the order of their appearance.
type words struct {
	list  []string
	index map[string]uint16
}

// of returns a word's number. When there are maxWords it is that of the first.
func (w *words) of(s string) uint16 {
	if i, ok := w.index[s]; ok {
		return i
	}
	if len(w.list) == maxWords {
		return 0
	}
	if w.index == nil {
		w.index = make(map[string]uint16)
	}
	i := uint16(len(w.list))
	w.list = append(w.list, s)
	w.index[s] = i
	return i
}

// maxWords bounds the names of protocols: they come from code, not from traffic.
const maxWords = 1 << 12

// maxBehaviors is how many behaviors are told apart: a bit each.
const maxBehaviors = 64

// Session adds what a session shows when it is over: app is what it is, domain
// the name the responder was reached by and source where that is from.
func (g *Graph) Session(s *session.Session, app, domain, source string) {
	g.addAll(g.reader.Session(g.facts[:0], s, app, domain, source))
}

func (g *Graph) addAll(facts []Fact) {
	for i := range facts {
		g.Add(&facts[i])
	}
	clear(facts)
	g.facts = facts[:0]
}

// Stats returns counts.
func (g *Graph) Stats() Stats {
	s := g.stats
	s.Entities, s.Relations = g.nodes.used(), g.edges.used()
	return s
}

// Add adds a fact. Facts come in the order of the capture; those about sessions
// come when the session ends.
func (g *Graph) Add(f *Fact) {
	g.stats.Facts++
	g.stale = true
	g.now = max(g.now, f.First, f.Last)
	switch f.Relation {
	case Held:
		g.hold(f)
	case TalkedTo:
		g.talk(f)
	default:
		g.state(f)
	}
	g.shrink()
}

// state adds a fact that is neither about a session nor about who holds an
// address.
func (g *Graph) state(f *Fact) {
	if f.Relation == 0 || f.Relation >= relationKinds {
		g.stats.ShedFacts++
		return
	}
	from := g.entity(&f.From, f.First)
	if f.Relation == Named && f.Via == machineAccount {
		from = g.named(f)
	}
	to := g.entity(&f.To, f.First)
	if from != 0 && to != 0 {
		if f.From.Kind == Address { // only who is there shows something
			g.nodes.at(uint32(from)).flags |= nodeSent
		}
		g.relate(from, to, f)
	}
}

// talk adds a session between two addresses.
func (g *Graph) talk(f *Fact) {
	answered := !f.Failed
	g.frame(f.From.MAC, f.From.Addr, f, answered)
	from := g.locate(f.From.Addr, f.From.MAC, f.First)
	if from == 0 {
		return
	}
	g.nodes.at(uint32(from)).flags |= nodeSent
	mac := f.To.MAC
	if !answered {
		mac = packet.MAC{}
	}
	g.frame(mac, f.To.Addr, f, answered)
	to := g.locate(f.To.Addr, mac, f.First)
	if to == 0 || from == to {
		return
	}
	g.relate(from, to, f)
	if !answered || f.Behavior != "" {
		return
	}
	n := g.nodes.at(uint32(to))
	n.flags |= nodeSent
	g.offer(to, n, f)
}

// offer tells the service of an address at home that answered.
func (g *Graph) offer(to ID, n *node, f *Fact) {
	if f.Port == 0 || f.Via == "" || f.RespBytes == 0 || f.To.Addr.IsMulticast() || !g.local(f.To.Addr) {
		return
	}
	transport := transportName(f.Proto)
	if transport == "" {
		return
	}
	name := netip.AddrPortFrom(n.addr.Netip(), f.Port).String()
	if n.holder > 1 {
		name = n.name() + ":" + strconv.Itoa(int(f.Port))
	}
	if service := g.byName(Service, name+"/"+transport, f.First); service != 0 {
		offer := Fact{Relation: Offers, Via: f.Via, First: f.First, Last: f.Last, UID: f.UID, OrigBytes: f.OrigBytes, RespBytes: f.RespBytes, Port: f.Port}
		g.relate(to, service, &offer)
	}
}

// entity returns the entity a reference means at a time, 0 if there is none.
func (g *Graph) entity(r *Ref, at int64) ID {
	switch {
	case r.Kind == Address:
		return g.locate(r.Addr, r.MAC, at)
	case r.Kind == Interface:
		if i := g.ifaceOf(r.MAC); i != nil {
			return i.node
		}
		return 0
	case r.Name == "" || r.Kind == 0 || r.Kind == DeviceKind || r.Kind >= kinds:
		return 0
	}
	return g.byName(r.Kind, r.Name, at)
}

// maxName is how many bytes of a name are kept.
const maxName = 512

// byName returns the entity of a kind and name, a new one if there is none.
func (g *Graph) byName(k Kind, name string, at int64) ID {
	if len(name) > maxName {
		name = name[:maxName]
	}
	if id, ok := g.names[k][name]; ok {
		return id
	}
	id := g.newNode(node{kind: k, key: name, first: at, last: at})
	g.names[k][name] = id
	return id
}

// newNode adds an entity.
func (g *Graph) newNode(n node) ID {
	id := ID(g.nodes.add())
	n.flags |= nodeUsed
	n.lives = g.lives(&n)
	*g.nodes.at(uint32(id)) = n
	g.text += len(n.key)
	return id
}

// relate adds a fact to the relation between two entities.
func (g *Graph) relate(from, to ID, f *Fact) {
	via := g.vias.of(f.Via)
	last := max(f.First, f.Last)
	n := g.index.find(&g.edges, from, to, f.Relation, via)
	if n == 0 {
		n = g.newEdge(from, to, f.Relation, via)
		e := g.edges.at(n)
		e.first, e.last, e.port = f.First, last, f.Port
	}
	e := g.edges.at(n)
	for end, id := range [2]ID{from, to} {
		v := g.nodes.at(uint32(id))
		v.first, v.last = min(v.first, f.First), max(v.last, last)
		v.lives = max(v.lives, g.lives(v))
		if end == out || f.Behavior == "" {
			v.count++
		}
	}
	e.lives = g.edgeLives(e)
	if f.Behavior != "" {
		g.behave(e, f.Behavior)
		return
	}
	g.contact(e, f)
	e.first, e.last = min(e.first, f.First), max(e.last, last)
	e.origBytes += f.OrigBytes
	e.respBytes += f.RespBytes
	if f.Failed {
		e.failed++
	}
}

func (g *Graph) behave(e *edge, name string) {
	if _, ok := g.behaviors.index[name]; !ok && len(g.behaviors.list) == maxBehaviors {
		g.stats.ShedFacts++
		return
	}
	e.behaviors |= 1 << g.behaviors.of(name)
}

// contact keeps the session of a fact: the first, and the latest few.
func (g *Graph) contact(e *edge, f *Fact) {
	e.count++
	if e.count == 1 {
		e.uid = f.UID
		return
	}
	if e.contacts == 0 {
		e.contacts = g.rings.add()
	}
	c := g.rings.at(e.contacts)
	c.times[c.n%ringContacts], c.uids[c.n%ringContacts] = f.First, f.UID
	c.n++
}

// newEdge adds a relation.
func (g *Graph) newEdge(from, to ID, kind RelationKind, via uint16) uint32 {
	n := g.edges.add()
	e := g.edges.at(n)
	e.from, e.to, e.kind, e.via = from, to, kind, via
	for end, id := range [2]ID{from, to} {
		v := g.nodes.at(uint32(id))
		v.degree[end]++
		e.next[end] = v.head[end]
		if e.next[end] != 0 {
			g.edges.at(e.next[end]).prev[end] = n
		}
		v.head[end] = n
	}
	g.index.put(&g.edges, n)
	return n
}

// edgesOf calls yield with the edges at one end of an entity, the latest new
// one first.
func (g *Graph) edgesOf(id ID, end int) func(yield func(*edge) bool) {
	return func(yield func(*edge) bool) {
		for n := g.nodes.at(uint32(id)).head[end]; n != 0; {
			e := g.edges.at(n)
			n = e.next[end]
			if !yield(e) {
				return
			}
		}
	}
}

// sorted returns the numbers of all entities of a kind, by number.
func (g *Graph) sorted(k Kind) []ID {
	var list []ID
	for i := uint32(1); i <= g.nodes.n; i++ {
		if n := g.nodes.at(i); n.flags&nodeUsed != 0 && n.kind == k {
			list = append(list, ID(i))
		}
	}
	return slices.Clip(list)
}
