package entity

import (
	"strconv"

	"tyto/packet"
)

// node is an entity as it is kept.
type node struct {
	key         string // name; empty for addresses
	addr        packet.Addr
	first, last int64 // ns
	count       uint64
	head        [2]uint32 // first of its edges, by end
	degree      [2]uint32
	kind        Kind
	flags       nodeFlags
	lives       uint8  // see shed.go
	holder      uint16 // which holder of the address it is, from 1
	mac         packet.MAC
}

type nodeFlags uint8

const (
	nodeUsed nodeFlags = 1 << iota
	nodeSent           // an address that sent something: it is somebody's
	nodeKept           // being forgotten: not to be dropped before its edges are
)

// Ends of an edge, as indices of node.head and edge.next.
const (
	out = 0 // of the entity the relation is from
	in  = 1 // of the entity it is to
)

// nodeBytes is what a node costs besides its name: its slot and its entry in a
// map of names.
const nodeBytes = 112 + 64

// name returns the entity's name in the form Kind describes.
func (n *node) name() string {
	if n.kind != Address {
		return n.key
	}
	s := n.addr.String()
	if n.holder > 1 {
		s += "#" + strconv.Itoa(int(n.holder))
	}
	return s
}

// id returns the entity's identifier: its kind and name.
func (n *node) id() string { return n.kind.String() + ":" + n.name() }

// pages is a growing array that never moves: no copy when it grows, and
// pointers into it stay valid.
type pages[T any] struct {
	list [][]T
	n    uint32 // entries in use, freed ones included; 0 is never used
	free []uint32
}

const pageEntries = 1024

func (p *pages[T]) at(i uint32) *T { return &p.list[i/pageEntries][i%pageEntries] }

// add returns the index of an entry that is the zero value.
func (p *pages[T]) add() uint32 {
	if n := len(p.free); n > 0 {
		i := p.free[n-1]
		p.free = p.free[:n-1]
		return i
	}
	p.n++
	if int(p.n/pageEntries) >= len(p.list) {
		p.list = append(p.list, make([]T, pageEntries))
	}
	return p.n
}

// drop frees an entry.
func (p *pages[T]) drop(i uint32) {
	var zero T
	*p.at(i) = zero
	p.free = append(p.free, i)
}

// used returns how many entries are in use.
func (p *pages[T]) used() int { return int(p.n) - len(p.free) }
