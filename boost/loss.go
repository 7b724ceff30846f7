package boost

import "math"

// cell is a sum of gradients, second derivatives and weights of rows.
type cell struct{ g, h, w float64 }

func (c *cell) add(d cell) {
	c.g += d.g
	c.h += d.h
	c.w += d.w
}

func (c *cell) sub(d cell) {
	c.g -= d.g
	c.h -= d.h
	c.w -= d.w
}

// loss holds the scores of all rows. With two classes there is one output, whose
// sigmoid is the probability of class 1; with more one each, and softmax.
type loss struct {
	y       []int
	weights []float64
	outputs int
	scores  []float64 // rows × outputs
	p       []float64 // rows × outputs
}

func newLoss(y []int, weights []float64, classes int) *loss {
	outputs := classes
	if classes == 2 {
		outputs = 1
	}
	return &loss{y, weights, outputs, make([]float64, len(y)*outputs), make([]float64, len(y)*outputs)}
}

// start are the scores that say how frequent the classes are; half a row is
// added to each, so that no class is impossible.
func (l *loss) start() []float64 {
	counts, sum := make([]float64, max(l.outputs, 2)), 0.
	for k := range counts {
		counts[k] = 0.5
		sum += 0.5
	}
	for i, k := range l.y {
		counts[k] += l.weights[i]
		sum += l.weights[i]
	}
	if l.outputs == 1 {
		return []float64{math.Log(counts[1] / counts[0])}
	}
	for k := range counts {
		counts[k] = math.Log(counts[k] / sum)
	}
	return counts
}

func (l *loss) reset(scores []float64) {
	for i := range l.y {
		copy(l.scores[i*l.outputs:], scores)
	}
}

// update computes the probabilities of the scores as they are.
func (l *loss) update() {
	copy(l.p, l.scores)
	if l.outputs == 1 {
		for i, s := range l.p {
			l.p[i] = 1 / (1 + math.Exp(-s))
		}
		return
	}
	for i := range l.y {
		Softmax(l.p[i*l.outputs : (i+1)*l.outputs])
	}
}

// gradients writes each row's derivatives by output k. Those of second order of
// softmax are scaled as Friedman's multi-class steps are.
func (l *loss) gradients(k int, to []cell) {
	class, scale := 1, 1.
	if l.outputs > 1 {
		class, scale = k, float64(l.outputs)/float64(l.outputs-1)
	}
	for i, y := range l.y {
		p, w, truth := l.p[i*l.outputs+k], l.weights[i], 0.
		if y == class {
			truth = 1
		}
		to[i] = cell{w * (p - truth), w * max(scale*p*(1-p), 1e-16), w}
	}
}

// Softmax turns scores into probabilities, in place.
func Softmax(s []float64) {
	top, sum := math.Inf(-1), 0.
	for _, v := range s {
		top = max(top, v)
	}
	for i, v := range s {
		s[i] = math.Exp(v - top)
		sum += s[i]
	}
	for i := range s {
		s[i] /= sum
	}
}
