package kernel

// Affine scales and shifts each column: y[r][c] = x[r][c]*a[c] + b[c], and with
// relu the positive part of it. The rows have len(a) elements, a multiple of
// Block; x and y may be the same.
func Affine(x, y, a, b []float32, relu bool) {
	r, n := rows(len(x), len(a))
	same(len(x), len(y))
	same(len(a), len(b))
	switch {
	case r == 0:
	case simd == nil:
		affineGo(x, y, a, b, relu)
	case relu:
		simd.affineRelu(r, n, &x[0], &y[0], &a[0], &b[0])
	default:
		simd.affine(r, n, &x[0], &y[0], &a[0], &b[0])
	}
}

func affineGo(x, y, a, b []float32, relu bool) {
	for i, v := range x {
		c := i % len(a)
		if v = v*a[c] + b[c]; relu {
			v = max(0, v)
		}
		y[i] = v
	}
}

// Affine2 combines two matrices, column by column: y[r][c] = x[r][c]*a[c] +
// z[r][c]*b[c] + k[c], added to what y holds if add is true. It is the backward
// pass of batch normalisation. The rows have len(a) elements, a multiple of Block.
func Affine2(x, z, y []float32, a, b, k []float32, add bool) {
	r, n := rows(len(x), len(a))
	same(len(x), len(z), len(y))
	same(len(a), len(b), len(k))
	switch {
	case r == 0:
	case simd == nil:
		affine2Go(x, z, y, a, b, k, add)
	case add:
		simd.affine2Add(r, n, &x[0], &z[0], &y[0], &a[0], &b[0], &k[0])
	default:
		simd.affine2(r, n, &x[0], &z[0], &y[0], &a[0], &b[0], &k[0])
	}
}

func affine2Go(x, z, y []float32, a, b, k []float32, add bool) {
	for i, v := range x {
		c := i % len(a)
		if v = v*a[c] + z[i]*b[c] + k[c]; add {
			v += y[i]
		}
		y[i] = v
	}
}
