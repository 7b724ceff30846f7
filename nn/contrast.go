package nn

import (
	"math"

	"tyto/nn/kernel"
)

// Pairs says which rows a contrastive loss draws together.
type Pairs struct {
	// Labels: rows of the same label belong together; a negative label only
	// pushes others away.
	Labels []int32
	// Groups, if not nil, limits this to rows of different groups, such as
	// recordings through different networks.
	Groups []int32
	// Temperature divides the products of rows; 0.1 is common.
	Temperature float32
}

// positive reports whether rows i and j belong together.
func (p *Pairs) positive(i, j int) bool {
	return i != j && p.Labels[i] >= 0 && p.Labels[i] == p.Labels[j] && (p.Groups == nil || p.Groups[i] != p.Groups[j])
}

// positives returns how many rows belong to row i.
func (p *Pairs) positives(i int) int {
	n := 0
	for j := range p.Labels {
		if p.positive(i, j) {
			n++
		}
	}
	return n
}

// Contrast adds the supervised contrastive loss (Khosla et al. 2020, L_out) to
// the tape's loss and returns it. The rows of z should have length one: see
// Normalize. Each row that has positives P counts
//
//	-1/|P| * sum over p in P of ln(e^(z.zp/T) / sum over all other rows a of e^(z.za/T))
func (t *Tape) Contrast(z *Tensor, p Pairs, l Loss) float64 {
	n := z.Rows
	if len(p.Labels) != n || p.Groups != nil && len(p.Groups) != n {
		fail("contrast of %d rows: want as many labels and groups", n)
	}
	if p.Temperature <= 0 {
		fail("contrast: want a positive temperature")
	}
	total := 0.0
	for i := range n {
		if p.positives(i) > 0 {
			total += l.row(i)
		}
	}
	scale, sum := l.scale(total), 0.0
	row := t.memory.take(n)
	g := t.lossGradient(z)
	for i := range n {
		m := p.positives(i)
		if m == 0 {
			continue
		}
		w := scale * l.row(i)
		sum += w * contrastRow(z, i, &p, row)
		if g != nil {
			t.contrastGradient(z, i, float32(w)/p.Temperature, row)
		}
	}
	t.Loss += sum
	return sum
}

// contrastRow returns the loss of row i and stores its derivative by the
// products divided by temperature in row: softmax minus the share of a positive.
func contrastRow(z *Tensor, i int, p *Pairs, row []float32) float64 {
	for j := range row {
		row[j] = kernel.Dot(z.Row(i), z.Row(j)) / p.Temperature
	}
	row[i] = float32(math.Inf(-1))
	top := kernel.Max(row)
	sum, log := 0.0, 0.0
	for j, s := range row {
		if j != i {
			sum += math.Exp(float64(s - top))
		}
	}
	m := float64(p.positives(i))
	for j, s := range row {
		share := 0.0
		if p.positive(i, j) {
			share = 1 / m
			log += share * (float64(s-top) - math.Log(sum))
		}
		row[j] = float32(math.Exp(float64(s-top))/sum - share)
	}
	return -log
}

// contrastGradient adds the gradients of the products of row i, of which each is
// scale times an element of row, to both rows of each product.
func (t *Tape) contrastGradient(z *Tensor, i int, scale float32, row []float32) {
	for j, s := range row {
		if j != i {
			kernel.Axpy(scale*s, z.Row(j), z.GradRow(i))
			kernel.Axpy(scale*s, z.Row(i), z.GradRow(j))
		}
	}
}
