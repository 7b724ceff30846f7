package nn

import (
	"fmt"
	"math"

	"tyto/nn/kernel"
)

// Adam is the optimizer of Kingma and Ba (2015) with weight decay decoupled from
// the gradient (AdamW; Loshchilov and Hutter 2019).
type Adam struct {
	Beta1, Beta2, Epsilon float64
	// Decay is the weight decay: a step multiplies parameters by 1 - rate*Decay,
	// but those that are NoDecay.
	Decay float64

	params *Params
	steps  int
	m, v   []float32
	now    kernel.AdamStep // kept here because a call by pointer would allocate it
}

// NewAdam returns an optimizer with the usual constants and no decay.
func NewAdam(ps *Params) *Adam {
	return &Adam{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, params: ps, m: make([]float32, len(ps.data)), v: make([]float32, len(ps.data))}
}

// Steps returns how many steps were taken.
func (a *Adam) Steps() int { return a.steps }

// Step moves the parameters along the gradient of the tape, at the given
// learning rate.
func (a *Adam) Step(t *Tape, rate float64) {
	a.steps++
	first, second := 1-math.Pow(a.Beta1, float64(a.steps)), 1-math.Pow(a.Beta2, float64(a.steps))
	a.now = kernel.AdamStep{
		Beta1: float32(a.Beta1), Rest1: float32(1 - a.Beta1), Beta2: float32(a.Beta2), Rest2: float32(1 - a.Beta2),
		Size: float32(rate * math.Sqrt(second) / first), Epsilon: float32(a.Epsilon * math.Sqrt(second)),
	}
	for _, p := range a.params.all {
		if p.Stat {
			continue
		}
		if a.now.Keep = 1; !p.NoDecay {
			a.now.Keep = float32(1 - rate*a.Decay)
		}
		a.now.Run(p.of(t.grad), p.of(a.m), p.of(a.v), p.padded())
	}
}

// The moments of a parameter are saved under its name and one of these.
const (
	firstMoment  = ".adam.m"
	secondMoment = ".adam.v"
)

// Arrays returns the optimizer's state, for a checkpoint.
func (a *Adam) Arrays() []Array {
	arrays := []Array{{Name: "adam.steps", Rows: 1, Cols: 1, Values: []float32{float32(a.steps)}}}
	for _, p := range a.params.all {
		arrays = append(arrays, p.array(p.Name+firstMoment, a.m), p.array(p.Name+secondMoment, a.v))
	}
	return arrays
}

// SetArrays restores a state that Arrays returned; other arrays are ignored. If
// one is missing or of another shape, nothing is changed.
func (a *Adam) SetArrays(arrays []Array) error {
	byName := index(arrays)
	steps, err := find(byName, "adam.steps", 1, 1)
	if err != nil {
		return err
	}
	if n := steps[0]; n < 0 || n > 1<<24 {
		return fmt.Errorf("adam.steps is %g: the checkpoint is damaged; go on from another", n)
	}
	for _, p := range a.params.all {
		for _, suffix := range []string{firstMoment, secondMoment} {
			if _, err := find(byName, p.Name+suffix, p.Rows, p.Cols); err != nil {
				return err
			}
		}
	}
	for _, p := range a.params.all {
		p.scatter(byName[p.Name+firstMoment].Values, a.m)
		p.scatter(byName[p.Name+secondMoment].Values, a.v)
	}
	a.steps = int(steps[0])
	return nil
}

// ClipGradient scales the gradient of the tape so that its Euclidean length is
// at most limit, and returns what it was.
func (t *Tape) ClipGradient(limit float64) (length float64) {
	const part = 4096 // summed in float32; the parts in float64
	sum := 0.0
	for _, p := range t.params.all {
		if p.Stat {
			continue
		}
		for g := p.of(t.grad); len(g) > 0; g = g[min(part, len(g)):] {
			x := g[:min(part, len(g))]
			sum += float64(kernel.Dot(x, x))
		}
	}
	length = math.Sqrt(sum)
	if length > limit {
		kernel.Scale(float32(limit/length), t.grad)
	}
	return length
}

// Cosine is a learning rate that rises evenly from zero to Peak in Warmup steps,
// then falls along half a cosine to Floor at step Total (Loshchilov and Hutter
// 2017).
type Cosine struct {
	Peak, Floor   float64
	Warmup, Total int
}

// At returns the rate of a step, counted from zero.
func (c Cosine) At(step int) float64 {
	switch {
	case step < c.Warmup:
		return c.Peak * float64(step+1) / float64(c.Warmup)
	case step >= c.Total:
		return c.Floor
	}
	x := float64(step-c.Warmup) / float64(c.Total-c.Warmup)
	return c.Floor + (c.Peak-c.Floor)*(1+math.Cos(math.Pi*x))/2
}
