package entity

import (
	"tyto/session"
)

// edge is a relation as it is kept: one for each pair of entities, kind and
// protocol. It holds no pointers, so that millions cost the garbage collector
// nothing.
type edge struct {
	from, to             ID
	next, prev           [2]uint32 // of the same entity's edges, by end
	first, last          int64     // ns
	origBytes, respBytes uint64
	behaviors            uint64 // by index in Graph.behaviors
	uid                  session.UID
	count, failed        uint32
	port                 uint16 // of the first session
	via                  uint16 // by index in Graph.vias
	kind                 RelationKind
	lives                uint8 // see shed.go
	contacts             uint32
}

// contacts are the latest sessions of an edge that has several: a ring, because
// the first one is in the edge.
type contacts struct {
	times [ringContacts]int64
	uids  [ringContacts]session.UID
	n     uint32 // so many were put in
}

// ringContacts is how many of the latest sessions are kept besides the first.
const ringContacts = 5

// edgeBytes is what an edge costs at most: its slot, its place in the index at
// worst occupancy, and its contacts.
const edgeBytes = 128 + 12 + 128

// edgeIndex finds edges by what they join: open addressing with linear probing
// over edge numbers.
type edgeIndex struct {
	slots []uint32
	n     int
}

// hashEdge mixes the key of an edge. Numbers of entities are given in the order
// of appearance: who sends the traffic does not choose them.
func hashEdge(from, to ID, kind RelationKind, via uint16) uint32 {
	h := uint64(from)<<32 | uint64(to)
	h ^= (uint64(kind)<<16 | uint64(via)) * 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return uint32(h ^ h>>31)
}

func (e *edge) hash() uint32 { return hashEdge(e.from, e.to, e.kind, e.via) }

// find returns the number of an edge, or 0.
func (x *edgeIndex) find(edges *pages[edge], from, to ID, kind RelationKind, via uint16) uint32 {
	if len(x.slots) == 0 {
		return 0
	}
	mask := uint32(len(x.slots) - 1)
	for i := hashEdge(from, to, kind, via) & mask; x.slots[i] != 0; i = (i + 1) & mask {
		if e := edges.at(x.slots[i]); e.from == from && e.to == to && e.kind == kind && e.via == via {
			return x.slots[i]
		}
	}
	return 0
}

// put adds an edge that is not there.
func (x *edgeIndex) put(edges *pages[edge], n uint32) {
	if 4*(x.n+1) > 3*len(x.slots) {
		old := x.slots
		x.slots = make([]uint32, max(64, 2*len(old)))
		for _, o := range old {
			if o != 0 {
				x.enter(edges, o)
			}
		}
	}
	x.n++
	x.enter(edges, n)
}

func (x *edgeIndex) enter(edges *pages[edge], n uint32) {
	mask := uint32(len(x.slots) - 1)
	i := edges.at(n).hash() & mask
	for x.slots[i] != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = n
}

// remove takes an edge out. What follows it moves up, so that probing needs no
// tombstones.
func (x *edgeIndex) remove(edges *pages[edge], n uint32) {
	mask := uint32(len(x.slots) - 1)
	i := edges.at(n).hash() & mask
	for x.slots[i] != n {
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; x.slots[j] != 0; j = (j + 1) & mask {
		if home := edges.at(x.slots[j]).hash() & mask; (j-home)&mask >= (j-i)&mask {
			x.slots[i], i = x.slots[j], j
		}
	}
	x.slots[i] = 0
	x.n--
}
