package boost

import (
	"math/rand/v2"
	"slices"
)

// tree is a decision tree; node 0 is its root.
type tree []node

// node sends rows with more than threshold in the column to the right, others,
// and NaN, to the left. A leaf has column -1 and a value.
type node struct {
	column      int32
	left, right int32
	threshold   float32
	bin         uint8 // threshold is its upper end
	value       float64
}

func (t tree) value(row []float32) float64 {
	n := &t[0]
	for n.column >= 0 {
		if row[n.column] > n.threshold {
			n = &t[n.right]
		} else {
			n = &t[n.left]
		}
	}
	return n.value
}

// binned is the value of row i of b.
func (t tree) binned(b *Bins, i int) float64 {
	n := &t[0]
	for n.column >= 0 {
		if b.columns[n.column].bins[i] > n.bin {
			n = &t[n.right]
		} else {
			n = &t[n.left]
		}
	}
	return n.value
}

// grower makes trees; its memory is used for one after the other.
type grower struct {
	b       *Bins
	o       Options
	weights []float64
	cells   []cell     // of each row
	sampled []int32    // rows that this round's trees see, ascending
	random  *rand.Rand // of this round
	rows    []int32    // of the tree: a leaf's are together, ascending
	aside   []int32
	ordered []cell // of a leaf's rows
	columns []int  // that the tree sees, ascending
	leaves  []leaf
	spare   [][]cell // histograms that are not in use
}

// leaf may still be split.
type leaf struct {
	node, depth int
	from, to    int // its part of grower.rows
	sum         cell
	histogram   []cell
	best        split
}

// split is what cutting a leaf in two would be.
type split struct {
	gain   float64 // 0 if there is none
	column int
	bin    int
	left   cell
}

func newGrower(b *Bins, o Options, weights []float64) *grower {
	return &grower{b: b, o: o, weights: weights, cells: make([]cell, b.rows), rows: make([]int32, b.rows), aside: make([]int32, b.rows), ordered: make([]cell, b.rows)}
}

// sample chooses the rows of a round; those of no weight are never seen.
func (g *grower) sample(r *rand.Rand) {
	g.random, g.sampled = r, g.sampled[:0]
	for i, w := range g.weights {
		if keep := g.o.RowShare >= 1 || r.Float64() < g.o.RowShare; keep && w > 0 {
			g.sampled = append(g.sampled, int32(i))
		}
	}
}

// grow makes a tree of the cells and adds what its splits gain to gain.
func (g *grower) grow(gain []float64) tree {
	g.rows = append(g.rows[:0], g.sampled...)
	g.chooseColumns()
	t := tree{{column: -1}}
	g.leaves = append(g.leaves[:0], leaf{from: 0, to: len(g.rows), histogram: g.histogram()})
	root := &g.leaves[0]
	root.sum = g.fill(root)
	g.search(root)
	for len(g.leaves) < g.o.Leaves {
		at := 0
		for i := range g.leaves {
			if g.leaves[i].best.gain > g.leaves[at].best.gain {
				at = i
			}
		}
		if g.leaves[at].best.gain <= 0 {
			break
		}
		gain[g.leaves[at].best.column] += g.leaves[at].best.gain
		t = g.split(t, at)
	}
	for _, l := range g.leaves {
		t[l.node].value = -g.o.Rate * l.sum.g / (l.sum.h + g.o.Lambda)
		g.spare = append(g.spare, l.histogram)
	}
	return t
}

func (g *grower) chooseColumns() {
	n := len(g.b.columns)
	keep := min(max(int(g.o.ColumnShare*float64(n)+0.5), 1), n)
	g.columns = g.columns[:0]
	for c := range n {
		g.columns = append(g.columns, c)
	}
	if keep == n {
		return
	}
	for i := range keep {
		k := i + g.random.IntN(n-i)
		g.columns[i], g.columns[k] = g.columns[k], g.columns[i]
	}
	g.columns = g.columns[:keep]
	slices.Sort(g.columns)
}

// histogram is one with undefined content.
func (g *grower) histogram() []cell {
	if n := len(g.spare); n > 0 {
		h := g.spare[n-1]
		g.spare = g.spare[:n-1]
		return h
	}
	return make([]cell, g.b.cells)
}

// fill makes a leaf's histogram of its rows, and returns their sum.
func (g *grower) fill(l *leaf) (sum cell) {
	rows := g.rows[l.from:l.to]
	ordered := g.ordered[:len(rows)]
	for i, r := range rows {
		ordered[i] = g.cells[r]
		sum.add(ordered[i])
	}
	clear(l.histogram)
	for _, c := range g.columns {
		col := &g.b.columns[c]
		h := l.histogram[col.from : col.from+len(col.edges)+1]
		for i, r := range rows {
			h[col.bins[r]].add(ordered[i])
		}
	}
	return sum
}

// search finds a leaf's best split. Of equal ones the first column and bin win.
func (g *grower) search(l *leaf) {
	l.best = split{}
	if l.depth >= g.o.Depth || l.sum.w < 2*g.o.MinLeaf {
		return
	}
	whole := g.merit(l.sum)
	for _, c := range g.columns {
		col := &g.b.columns[c]
		var left cell
		for k, bin := range l.histogram[col.from : col.from+len(col.edges)] {
			if bin.w == 0 {
				continue
			}
			left.add(bin)
			right := l.sum
			right.sub(left)
			if right.w < g.o.MinLeaf {
				break
			}
			if left.w < g.o.MinLeaf {
				continue
			}
			if gain := g.merit(left) + g.merit(right) - whole; gain > l.best.gain+leastGain {
				l.best = split{gain, c, k, left}
			}
		}
	}
}

// leastGain is what a split must gain to be better than none or another: more
// than sums in another order differ by.
const leastGain = 1e-9

// merit is twice by how much a leaf of its own lowers the loss.
func (g *grower) merit(c cell) float64 { return c.g * c.g / (c.h + g.o.Lambda) }

// split cuts a leaf in two, and finds the best splits of both.
func (g *grower) split(t tree, at int) tree {
	l := g.leaves[at]
	col := &g.b.columns[l.best.column]
	t[l.node] = node{column: int32(l.best.column), left: int32(len(t)), right: int32(len(t) + 1), threshold: col.edges[l.best.bin], bin: uint8(l.best.bin)}
	mid := g.part(l, col.bins, uint8(l.best.bin))
	left := leaf{node: len(t), depth: l.depth + 1, from: l.from, to: mid, sum: l.best.left}
	right := leaf{node: len(t) + 1, depth: l.depth + 1, from: mid, to: l.to, sum: l.sum}
	right.sum.sub(left.sum)
	small, large := &left, &right
	if right.to-right.from < left.to-left.from {
		small, large = large, small
	}
	small.histogram, large.histogram = g.histogram(), l.histogram
	g.fill(small)
	for _, c := range g.columns {
		col := &g.b.columns[c]
		for k := col.from; k <= col.from+len(col.edges); k++ {
			large.histogram[k].sub(small.histogram[k])
		}
	}
	g.search(&left)
	g.search(&right)
	g.leaves[at] = left
	g.leaves = append(g.leaves, right)
	return append(t, node{column: -1}, node{column: -1})
}

// part puts a leaf's rows that go left before those that go right, both in
// their order, and returns where the latter begin.
func (g *grower) part(l leaf, bins []uint8, bin uint8) int {
	rows, left, right := g.rows[l.from:l.to], 0, g.aside[:0]
	for _, r := range rows {
		if bins[r] > bin {
			right = append(right, r)
			continue
		}
		rows[left] = r
		left++
	}
	copy(rows[left:], right)
	return l.from + left
}
