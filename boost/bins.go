package boost

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

// maxBins is how many bins a column has at most.
const maxBins = 255

// Bins are a matrix's rows with each number replaced by its bin. It may be used
// by several goroutines.
type Bins struct {
	rows    int
	columns []column
	cells   int // of a histogram of all columns
}

// column is one column of binned rows.
type column struct {
	edges []float32 // upper ends of all bins but the last, which has none
	bins  []uint8   // of each row
	from  int       // of its first cell in a histogram
}

// Bin cuts each column into up to 255 bins of about equally many rows. It panics
// if the last row of x is not whole.
func Bin(x Matrix) *Bins {
	if x.Columns > 0 && len(x.Values)%x.Columns != 0 {
		panic(fmt.Sprintf("boost: %d values are no rows of %d columns", len(x.Values), x.Columns))
	}
	b := &Bins{rows: x.Rows()}
	values := make([]float32, b.rows)
	for c := range x.Columns {
		for i := range values {
			values[i] = x.Values[i*x.Columns+c]
		}
		edges := edgesOf(values)
		bins := make([]uint8, b.rows)
		for i := range bins {
			bins[i] = uint8(binOf(edges, x.Values[i*x.Columns+c]))
		}
		b.columns = append(b.columns, column{edges, bins, b.cells})
		b.cells += len(edges) + 1
	}
	return b
}

// binOf is the first bin whose upper end is not below v.
func binOf(edges []float32, v float32) int {
	return sort.Search(len(edges), func(k int) bool { return !(v > edges[k]) })
}

// edgesOf sorts values, NaN first, and returns where to cut them. NaN have a bin
// of their own, with minus infinity.
func edgesOf(values []float32) (edges []float32) {
	slices.Sort(values)
	missing := sort.Search(len(values), func(i int) bool { return values[i] == values[i] })
	values = values[missing:]
	if missing > 0 && len(values) > 0 {
		edges = append(edges, float32(math.Inf(-1)))
	}
	free := maxBins - len(edges)
	for from := 0; free > 1; free-- {
		left := len(values) - from
		to := from + max(left/free, 1)
		for to < len(values) && values[to] == values[to-1] {
			to++
		}
		if to >= len(values) {
			break
		}
		edges = append(edges, between(values[to-1], values[to]))
		from = to
	}
	return slices.Compact(edges)
}

// between is a number from a to b, and less than b.
func between(a, b float32) float32 {
	if mid := a + (b-a)/2; mid >= a && mid < b {
		return mid
	}
	return a
}
