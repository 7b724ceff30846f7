package nn

import (
	"math"

	"tyto/nn/kernel"
)

// Loss says how a loss counts. The zero value is the mean of all targets.
type Loss struct {
	// Scale multiplies the weighted sum of the losses; zero means one over the
	// sum of the weights. In data-parallel training give one over the sum of the
	// whole batch, so that shards add up to its mean.
	Scale float64
	// Rows weighs each row, Columns each class or label; nil means one. A row
	// of weight zero is masked.
	Rows, Columns []float32
	// Focus is the focal loss's gamma: losses are multiplied by (1-p)^Focus,
	// which makes what is learned already count little (Lin et al. 2017).
	// CrossEntropy only.
	Focus float64
}

func (l *Loss) row(r int) float64 { return weight(l.Rows, r) }

func (l *Loss) column(c int) float64 { return weight(l.Columns, c) }

func weight(w []float32, i int) float64 {
	if w == nil {
		return 1
	}
	return float64(w[i])
}

// scale returns Scale, or one over the total weight.
func (l *Loss) scale(total float64) float64 {
	if l.Scale != 0 {
		return l.Scale
	}
	if total == 0 {
		return 0
	}
	return 1 / total
}

// CrossEntropy adds the cross entropy of the softmax of the rows of x to the
// tape's loss and returns it, in nats. target holds the class of each row; a
// negative one masks the row.
func (t *Tape) CrossEntropy(x *Tensor, target []int32, l Loss) float64 {
	if len(target) != x.Rows {
		fail("%d targets for %d rows", len(target), x.Rows)
	}
	total := 0.0
	for r, c := range target {
		if int(c) >= x.Cols {
			fail("row %d: there is no class %d of %d", r, c, x.Cols)
		}
		if c >= 0 {
			total += l.row(r) * l.column(int(c))
		}
	}
	scale, sum := l.scale(total), 0.0
	p := t.memory.take(x.stride)
	g := t.lossGradient(x)
	for r, c := range target {
		if c < 0 {
			continue
		}
		w := scale * l.row(r) * l.column(int(c))
		loss, slope := logLoss(x, r, int(c), p, l.Focus)
		sum += w * loss
		if g != nil && w != 0 {
			row := g[r*x.stride:][:x.Cols]
			kernel.Axpy(float32(w*slope), p[:x.Cols], row)
			row[c] -= float32(w * slope)
		}
	}
	t.Loss += sum
	return sum
}

// logLoss stores the softmax of row r in p and returns the loss -(1-q)^focus*ln q
// of its class c, whose probability is q, and the factor of p - onehot(c) that is
// its gradient.
func logLoss(x *Tensor, r, c int, p []float32, focus float64) (loss, slope float64) {
	copy(p, x.Row(r))
	for i := x.Cols; i < len(p); i++ {
		p[i] = -1e30
	}
	top := kernel.Max(p)
	kernel.Exp(1, top, p, p)
	sum := kernel.Sum(p[:x.Cols])
	kernel.Scale(1/sum, p)
	logq := float64(x.Row(r)[c]-top) - math.Log(float64(sum))
	if focus == 0 {
		return -logq, 1
	}
	q := math.Exp(logq)
	rest := max(1-q, 1e-12)
	return -math.Pow(rest, focus) * logq, math.Pow(rest, focus) - focus*q*math.Pow(rest, focus-1)*logq
}

// lossGradient returns the gradient of x, or nil outside training.
func (t *Tape) lossGradient(x *Tensor) []float32 {
	if !t.Train {
		return nil
	}
	return t.gradient(x)
}

// BinaryCrossEntropy adds the cross entropy of the sigmoid of each element of x
// to the tape's loss and returns it, in nats. target holds the probability of
// each element, row after row; NaN masks the element.
func (t *Tape) BinaryCrossEntropy(x *Tensor, target []float32, l Loss) float64 {
	if len(target) != x.Rows*x.Cols {
		fail("%d targets for %dx%d", len(target), x.Rows, x.Cols)
	}
	total := 0.0
	for i, y := range target {
		if y == y {
			total += l.row(i/x.Cols) * l.column(i%x.Cols)
		}
	}
	scale, sum := l.scale(total), 0.0
	p := t.memory.take(x.stride)
	g := t.lossGradient(x)
	for r := range x.Rows {
		row := x.data[r*x.stride:][:x.stride]
		kernel.Sigmoid(row, p)
		for c, y := range target[r*x.Cols:][:x.Cols] {
			if y != y {
				continue
			}
			w := scale * l.row(r) * l.column(c)
			v := float64(row[c])
			sum += w * (max(v, 0) - v*float64(y) + math.Log1p(math.Exp(-math.Abs(v))))
			if g != nil {
				g[r*x.stride+c] += float32(w * float64(p[c]-y))
			}
		}
	}
	t.Loss += sum
	return sum
}
