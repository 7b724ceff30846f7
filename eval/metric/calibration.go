package metric

import "math"

// Bin is a range of confidence, and how often what was said with it is right.
type Bin struct {
	From, To   float64
	Items      int
	Confidence float64 // mean
	Accuracy   float64
}

// Reliability sorts items into bins of equal width from 0 to 1 by what
// probability was given to what was said. right tells whether it is so. Bins
// without items have NaN.
func Reliability(p []float64, right []bool, bins int) []Bin {
	all := make([]Bin, bins)
	for i, v := range p {
		b := &all[min(max(int(v*float64(bins)), 0), bins-1)]
		b.Items++
		b.Confidence += v
		if right[i] {
			b.Accuracy++
		}
	}
	for k := range all {
		b := &all[k]
		b.From, b.To = float64(k)/float64(bins), float64(k+1)/float64(bins)
		b.Confidence /= float64(b.Items)
		b.Accuracy /= float64(b.Items)
	}
	return all
}

// ECE is the expected calibration error: the mean distance of confidence and
// accuracy, weighted by items (Guo et al., 2017). NaN without items.
func ECE(bins []Bin) float64 {
	sum, n := 0., 0.
	for _, b := range bins {
		if b.Items > 0 {
			sum += float64(b.Items) * math.Abs(b.Confidence-b.Accuracy)
			n += float64(b.Items)
		}
	}
	return sum / n
}

// Top is the highest probability of each item and whether that class is true.
func Top(p [][]float64, y []int) (confidence []float64, right []bool) {
	for i := range p {
		k := Best(p[i], 0)
		confidence = append(confidence, p[i][k])
		right = append(right, k == y[i])
	}
	return confidence, right
}

// Brier is the mean squared distance of probabilities from what is so.
func Brier(p []float64, truth []bool) float64 {
	sum := 0.
	for i, v := range p {
		if truth[i] {
			v = 1 - v
		}
		sum += v * v
	}
	return sum / float64(len(p))
}

// BrierClasses is the mean over items of the squared distances summed over all
// classes (Brier, 1950): from 0 to 2.
func BrierClasses(p [][]float64, y []int) float64 {
	sum := 0.
	for i := range p {
		for k, v := range p[i] {
			if k == y[i] {
				v = 1 - v
			}
			sum += v * v
		}
	}
	return sum / float64(len(p))
}

// SoftmaxNLL is the mean negative log-likelihood of the classes y, where logits
// are divided by a temperature.
func SoftmaxNLL(logits [][]float64, y []int, temperature float64) float64 {
	sum := 0.
	for i, l := range logits {
		top := math.Inf(-1)
		for _, v := range l {
			top = max(top, v)
		}
		z := 0.
		for _, v := range l {
			z += math.Exp((v - top) / temperature)
		}
		sum += math.Log(z) - (l[y[i]]-top)/temperature
	}
	return sum / float64(len(logits))
}

// SigmoidNLL is the mean negative log-likelihood of yes-no answers, where logits
// are divided by a temperature.
func SigmoidNLL(logits []float64, truth []bool, temperature float64) float64 {
	sum := 0.
	for i, v := range logits {
		v /= temperature
		if truth[i] {
			v = -v
		}
		sum += max(v, 0) + math.Log1p(math.Exp(-math.Abs(v)))
	}
	return sum / float64(len(logits))
}

// Temperatures are at least and at most these.
const (
	minTemperature = 0.05
	maxTemperature = 20
)

// SoftmaxTemperature is the temperature of the least negative log-likelihood,
// from 0.05 to 20; 1 without items.
func SoftmaxTemperature(logits [][]float64, y []int) float64 {
	if len(logits) == 0 {
		return 1
	}
	return temperature(func(t float64) float64 { return SoftmaxNLL(logits, y, t) })
}

// SigmoidTemperature is SoftmaxTemperature of yes-no answers.
func SigmoidTemperature(logits []float64, truth []bool) float64 {
	if len(logits) == 0 {
		return 1
	}
	return temperature(func(t float64) float64 { return SigmoidNLL(logits, truth, t) })
}

// temperature finds the minimum of loss by golden section on the logarithm. The
// loss is convex in 1/T, so there is one minimum.
func temperature(loss func(float64) float64) float64 {
	const golden = 0.6180339887498949
	a, b := math.Log(minTemperature), math.Log(maxTemperature)
	c, d := b-golden*(b-a), a+golden*(b-a)
	lossC, lossD := loss(math.Exp(c)), loss(math.Exp(d))
	for b-a > 1e-6 {
		if lossC < lossD {
			b, d, lossD = d, c, lossC
			c = b - golden*(b-a)
			lossC = loss(math.Exp(c))
		} else {
			a, c, lossC = c, d, lossD
			d = a + golden*(b-a)
			lossD = loss(math.Exp(d))
		}
	}
	return math.Exp((a + b) / 2)
}
