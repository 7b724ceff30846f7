package kernel

import "fmt"

// Sum returns the sum of x.
func Sum(x []float32) float32 {
	var s float32
	n := blocks(len(x))
	if n > 0 {
		s = simd.sum(n, &x[0])
	}
	for _, v := range x[n*Block:] {
		s += v
	}
	return s
}

// Dot returns the sum of the products of x and y.
func Dot(x, y []float32) float32 {
	same(len(x), len(y))
	var s float32
	n := blocks(len(x))
	if n > 0 {
		s = simd.dot(n, &x[0], &y[0])
	}
	for i := n * Block; i < len(x); i++ {
		s += x[i] * y[i]
	}
	return s
}

// Max returns the largest element of x, which has at least one.
func Max(x []float32) float32 {
	s := x[0]
	n := blocks(len(x))
	if n > 0 {
		s = simd.maximum(n, &x[0])
	}
	for _, v := range x[n*Block:] {
		s = max(s, v)
	}
	return s
}

// rows returns the number of rows of a matrix of n elements in rows of the given
// width, and the blocks of a row. The width is a multiple of Block.
func rows(n, width int) (rows, blocks int) {
	if width < Block || width%Block != 0 || n%width != 0 {
		panic(fmt.Sprintf("kernel: %d elements in rows of %d: pad rows to a multiple of %d", n, width, Block))
	}
	return n / width, width / Block
}

// sumRows is how many rows the column kernels add in float32 before the result
// goes on in float64.
const sumRows = 128

// ColSum adds up the columns of x: acc[c] += sum of x[r][c]. The rows have
// len(acc) elements, a multiple of Block.
func ColSum(x, acc []float32) {
	r, b := rows(len(x), len(acc))
	if r > 0 && simd != nil {
		simd.colSum(r, b, &x[0], &acc[0], &acc[0])
		return
	}
	for ; len(x) > 0; x = x[len(acc):] {
		addGo(x[:len(acc)], acc)
	}
}

// ColSums adds up the columns of x in float64 by way of partial sums of sumRows
// rows in scratch: acc[c] += sum of x[r][c]. scratch and acc are a row long.
func ColSums(x, scratch []float32, acc []float64) {
	width := len(scratch)
	rows(len(x), width)
	for len(x) > 0 {
		part := x[:min(len(x), sumRows*width)]
		x = x[len(part):]
		clear(scratch)
		ColSum(part, scratch)
		accumulate(scratch, acc)
	}
}

// ColSquares is ColSums of the squares of x[r][c] - mean[c].
func ColSquares(x, mean, scratch []float32, acc []float64) {
	width := len(scratch)
	rows(len(x), width)
	same(width, len(mean))
	for len(x) > 0 {
		part := x[:min(len(x), sumRows*width)]
		x = x[len(part):]
		clear(scratch)
		if simd != nil {
			simd.colSquares(len(part)/width, width/Block, &part[0], &mean[0], &scratch[0])
		} else {
			colProductsGo(part, nil, mean, scratch)
		}
		accumulate(scratch, acc)
	}
}

// ColProducts is ColSums of the products of x[r][c] - mean[c] and y[r][c].
func ColProducts(x, y, mean, scratch []float32, acc []float64) {
	width := len(scratch)
	rows(len(x), width)
	same(len(x), len(y))
	same(width, len(mean))
	for len(x) > 0 {
		n := min(len(x), sumRows*width)
		clear(scratch)
		if simd != nil {
			simd.colProducts(n/width, width/Block, &x[0], &y[0], &mean[0], &scratch[0])
		} else {
			colProductsGo(x[:n], y[:n], mean, scratch)
		}
		x, y = x[n:], y[n:]
		accumulate(scratch, acc)
	}
}

// colProductsGo adds (x-mean)*y, or (x-mean)^2 if y is nil.
func colProductsGo(x, y, mean, acc []float32) {
	for i := range x {
		c := i % len(acc)
		d := x[i] - mean[c]
		if y == nil {
			acc[c] += d * d
		} else {
			acc[c] += d * y[i]
		}
	}
}

func accumulate(part []float32, acc []float64) {
	for i, v := range part {
		acc[i] += float64(v)
	}
}
