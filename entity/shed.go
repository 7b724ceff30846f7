package entity

// What a graph forgets when it is full: the hand of a clock passes over
// entities and relations and takes a life from each; what was not touched while
// it had lives left goes. It depends on the order of facts only.

// Lives of what is touched. What identifies devices at home outlasts what
// anybody can make up by the million, but not for ever: link-layer addresses
// and names can be made up as well.
const (
	fewLives  = 1
	manyLives = 64
)

// lives returns how many lives an entity has when it is touched.
func (g *Graph) lives(n *node) uint8 {
	if n.kind == Interface || n.kind == Address && n.flags&nodeSent != 0 && g.local(n.addr) {
		return manyLives
	}
	return fewLives
}

// edgeLives returns how many lives a relation has when it is touched.
func (g *Graph) edgeLives(e *edge) uint8 {
	switch e.kind {
	case Held, Named, HasFingerprint, ActiveAt:
		end := e.from
		if e.kind == ActiveAt {
			end = e.to
		}
		return g.lives(g.nodes.at(uint32(end)))
	}
	return fewLives
}

// memory returns about how many bytes the graph takes.
func (g *Graph) memory() int {
	return g.nodeMemory() + g.edges.used()*(edgeBytes-ringBytes) + g.rings.used()*ringBytes
}

func (g *Graph) nodeMemory() int {
	return g.nodes.used()*nodeBytes + g.text + len(g.held)*holdingBytes + len(g.ifaces)*ifaceBytes
}

// ringBytes is what the latest sessions of an edge cost.
const ringBytes = 128

// shrink forgets until the graph keeps to its limit.
func (g *Graph) shrink() {
	for g.memory() > g.limit {
		if 2*g.nodeMemory() > g.limit {
			g.shedNode()
		} else {
			g.shedEdge()
		}
	}
}

// shedEdge moves the hand to the next relation that goes.
func (g *Graph) shedEdge() {
	for g.edges.used() > 0 {
		g.edgeHand = g.edgeHand%g.edges.n + 1
		e := g.edges.at(g.edgeHand)
		switch {
		case e.kind == 0:
		case e.lives > 0:
			e.lives--
		default:
			g.dropEdge(g.edgeHand)
			g.stats.ShedRelations++
			return
		}
	}
}

// dropEdge takes a relation out, and what entities it leaves alone.
func (g *Graph) dropEdge(n uint32) {
	e := g.edges.at(n)
	g.index.remove(&g.edges, n)
	ends := [2]ID{e.from, e.to}
	for end, id := range ends {
		v := g.nodes.at(uint32(id))
		v.degree[end]--
		if e.prev[end] != 0 {
			g.edges.at(e.prev[end]).next[end] = e.next[end]
		} else {
			v.head[end] = e.next[end]
		}
		if e.next[end] != 0 {
			g.edges.at(e.next[end]).prev[end] = e.prev[end]
		}
	}
	if e.contacts != 0 {
		g.rings.drop(e.contacts)
	}
	g.edges.drop(n)
	for _, id := range ends {
		v := g.nodes.at(uint32(id))
		if v.flags&(nodeUsed|nodeKept) == nodeUsed && v.degree[out]+v.degree[in] == 0 && v.kind != Interface && g.held[v.addr] == nil {
			g.dropNode(id)
		}
	}
}

// shedNode moves the hand to the next entity that goes. The holders of one
// address go together.
func (g *Graph) shedNode() {
	for g.nodes.used() > 0 {
		g.nodeHand = g.nodeHand%g.nodes.n + 1
		v := g.nodes.at(g.nodeHand)
		switch {
		case v.flags&nodeUsed == 0:
			continue
		case v.lives > 0:
			v.lives--
			continue
		}
		if h := g.held[v.addr]; v.kind != Address || h == nil {
			g.forget(ID(g.nodeHand))
			return
		} else if g.lifeless(h) {
			delete(g.held, v.addr)
			for _, id := range h.holders {
				g.forget(id)
			}
			return
		}
	}
}

func (g *Graph) lifeless(h *holding) bool {
	for _, id := range h.holders {
		if g.nodes.at(uint32(id)).lives > 0 {
			return false
		}
	}
	return true
}

// forget drops an entity and all its relations.
func (g *Graph) forget(id ID) {
	v := g.nodes.at(uint32(id))
	v.flags |= nodeKept // until its edges are gone
	for end := range v.head {
		for v.head[end] != 0 {
			g.dropEdge(v.head[end])
			g.stats.ShedRelations++
		}
	}
	g.dropNode(id)
}

func (g *Graph) dropNode(id ID) {
	v := g.nodes.at(uint32(id))
	switch v.kind {
	case Address:
		delete(g.addrs, v.addr)
	case Interface:
		delete(g.ifaces, v.mac)
	default:
		delete(g.names[v.kind], v.key)
	}
	if g.concluded != nil {
		g.concluded.forgetPart(id)
	}
	g.text -= len(v.key)
	g.nodes.drop(uint32(id))
	g.stats.ShedEntities++
}
