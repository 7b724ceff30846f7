package boost

import (
	"fmt"
	"math"
)

// Forest is the trees of a model of two classes, laid out to be evaluated fast
// and to be kept in files. It may be used by several goroutines.
type Forest struct {
	start float32
	nodes []flat
	roots []int32
}

// flat is a node. Its left child follows it, its right child is skip further; a
// leaf skips nothing.
type flat struct {
	column, skip int32
	value        float32 // threshold, or what a leaf adds
}

// Limits of a forest that is read.
const (
	maxNodes = 1 << 20
	maxDepth = 64
	perNode  = 3 // numbers of a node in Values
)

// Forest returns the trees of a model of two classes. Leaves are rounded to
// float32. It panics if there are more classes.
func (m *Model) Forest() *Forest {
	if m.classes != 2 {
		panic(fmt.Sprintf("boost: a forest of %d classes", m.classes))
	}
	f := &Forest{start: float32(m.start[0])}
	for _, t := range m.trees {
		f.roots = append(f.roots, int32(len(f.nodes)))
		f.add(t, 0)
	}
	return f
}

func (f *Forest) add(t tree, at int32) {
	n := &t[at]
	if n.column < 0 {
		f.nodes = append(f.nodes, flat{value: float32(n.value)})
		return
	}
	here := len(f.nodes)
	f.nodes = append(f.nodes, flat{column: n.column, value: n.threshold})
	f.add(t, n.left)
	f.nodes[here].skip = int32(len(f.nodes) - here)
	f.add(t, n.right)
}

// Score is the logit of the second class.
func (f *Forest) Score(row []float32) float32 {
	sum := f.start
	for _, at := range f.roots {
		n := &f.nodes[at]
		for n.skip != 0 {
			if row[n.column] > n.value {
				at += n.skip
			} else {
				at++
			}
			n = &f.nodes[at]
		}
		sum += n.value
	}
	return sum
}

// Start is the logit before the first tree: how frequent the second class is.
func (f *Forest) Start() float32 { return f.start }

// Values returns the forest as numbers, for a file: the start, then for each
// node, in the order of a tree's left branches, its column (that of a leaf is
// -1), by how much its right child is further, and its threshold or value.
func (f *Forest) Values() []float32 {
	v := append(make([]float32, 0, 1+perNode*len(f.nodes)), f.start)
	for _, n := range f.nodes {
		column := n.column
		if n.skip == 0 {
			column = -1
		}
		v = append(v, float32(column), float32(n.skip), n.value)
	}
	return v
}

// NewForest reads what Values wrote, for rows of so many columns. Whatever the
// values are, a forest that it returns can be evaluated.
func NewForest(values []float32, columns int) (*Forest, error) {
	if len(values)%perNode != 1 || len(values)/perNode > maxNodes {
		return nil, fmt.Errorf("boost: %d numbers are no forest", len(values))
	}
	f := &Forest{start: values[0], nodes: make([]flat, len(values)/perNode)}
	if !finite(f.start) {
		return nil, fmt.Errorf("boost: a start of %g", f.start)
	}
	for i := range f.nodes {
		v := values[1+perNode*i:][:perNode]
		n := flat{column: int32(v[0]), skip: int32(v[1]), value: v[2]}
		leaf := v[0] == -1 && v[1] == 0
		inner := v[0] >= 0 && v[0] < float32(columns) && v[1] >= 2 && v[1] < maxNodes
		if !(leaf || inner) || leaf && !finite(v[2]) {
			return nil, fmt.Errorf("boost: node %d is %v", i, v)
		}
		if leaf {
			n.column = 0
		}
		f.nodes[i] = n
	}
	for at := 0; at < len(f.nodes); {
		f.roots = append(f.roots, int32(at))
		end, err := f.end(at, 0)
		if err != nil {
			return nil, err
		}
		at = end
	}
	return f, nil
}

// end returns what follows the tree at a node.
func (f *Forest) end(at, depth int) (int, error) {
	if at >= len(f.nodes) || depth > maxDepth {
		return 0, fmt.Errorf("boost: the tree at node %d has no end", at)
	}
	skip := int(f.nodes[at].skip)
	if skip == 0 {
		return at + 1, nil
	}
	right, err := f.end(at+1, depth+1)
	if err != nil {
		return 0, err
	}
	if right != at+skip {
		return 0, fmt.Errorf("boost: the right child of node %d is at %d, not at %d", at, right, at+skip)
	}
	return f.end(right, depth+1)
}

func finite(v float32) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }
