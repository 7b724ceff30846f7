package metric

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestReliability(t *testing.T) {
	p := []float64{0, 0.1, 0.6, 0.65, 0.7, 1}
	right := []bool{false, true, true, false, true, true}
	bins := Reliability(p, right, 4)
	want := []Bin{
		{0, 0.25, 2, 0.05, 0.5},
		{0.25, 0.5, 0, math.NaN(), math.NaN()},
		{0.5, 0.75, 3, 0.65, 2. / 3},
		{0.75, 1, 1, 1, 1},
	}
	for k, b := range bins {
		w := want[k]
		if b.From != w.From || b.To != w.To || b.Items != w.Items || !near(b.Confidence, w.Confidence) || !near(b.Accuracy, w.Accuracy) {
			t.Errorf("bin %d: %+v, want %+v", k, b, w)
		}
	}
	if got, want := ECE(bins), (2*0.45+3*(2./3-0.65)+0)/6; !near(got, want) {
		t.Errorf("ECE %v, want %v", got, want)
	}
	if got := ECE(Reliability(nil, nil, 10)); !math.IsNaN(got) {
		t.Errorf("ECE of nothing %v", got)
	}
}

func TestTop(t *testing.T) {
	p, right := Top([][]float64{{0.2, 0.8}, {0.6, 0.4}}, []int{1, 1})
	if p[0] != 0.8 || p[1] != 0.6 || !right[0] || right[1] {
		t.Errorf("%v %v", p, right)
	}
}

func TestBrier(t *testing.T) {
	if got := Brier([]float64{0.9, 0.2}, []bool{true, true}); !near(got, (0.01+0.64)/2) {
		t.Errorf("%v", got)
	}
	if got := BrierClasses([][]float64{{0.7, 0.2, 0.1}, {1, 0, 0}}, []int{0, 1}); !near(got, (0.09+0.04+0.01+2)/2) {
		t.Errorf("of classes %v", got)
	}
}

func TestNLL(t *testing.T) {
	// Odds of 3 to 1, and of its square at half the temperature.
	l := math.Log(3)
	for _, c := range []struct{ temperature, want float64 }{{1, -math.Log(0.75)}, {0.5, -math.Log(0.9)}} {
		if got := SoftmaxNLL([][]float64{{5, 5 + l}}, []int{1}, c.temperature); !near(got, c.want) {
			t.Errorf("softmax at %v: %v, want %v", c.temperature, got, c.want)
		}
		if got := SigmoidNLL([]float64{l, -l}, []bool{true, false}, c.temperature); !near(got, c.want) {
			t.Errorf("sigmoid at %v: %v, want %v", c.temperature, got, c.want)
		}
	}
	if got := SigmoidNLL([]float64{-1000}, []bool{true}, 1); !near(got, 1000) {
		t.Errorf("far off: %v, want 1000", got)
	}
}

func TestTemperatureByHand(t *testing.T) {
	// Three of four are right at a logit of 2 log 3: the least loss is where the
	// probability is 3/4, at T = 2.
	l := 2 * math.Log(3)
	y := []bool{true, true, true, false}
	if got := SigmoidTemperature([]float64{l, l, l, l}, y); math.Abs(got-2) > 1e-4 {
		t.Errorf("sigmoid %v, want 2", got)
	}
	if got := SoftmaxTemperature([][]float64{{l, 0}, {l, 0}, {l, 0}, {l, 0}}, []int{0, 0, 0, 1}); math.Abs(got-2) > 1e-4 {
		t.Errorf("softmax %v, want 2", got)
	}
	if got := SigmoidTemperature([]float64{1, -1}, []bool{true, false}); math.Abs(got-minTemperature) > 1e-4 {
		t.Errorf("always right: %v, want the least", got)
	}
	if got := SoftmaxTemperature([][]float64{{1, -1}}, []int{1}); math.Abs(got-maxTemperature) > 1e-4 {
		t.Errorf("always wrong: %v, want the most", got)
	}
	if SoftmaxTemperature(nil, nil) != 1 || SigmoidTemperature(nil, nil) != 1 {
		t.Error("nothing to fit must leave things as they are")
	}
}

// Logits that were multiplied by three need a temperature of three, and have a
// small ECE then.
func TestTemperatureCalibrates(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var logits [][]float64
	var y []int
	for range 4000 {
		l := []float64{2 * r.NormFloat64(), 2 * r.NormFloat64(), 2 * r.NormFloat64()}
		y = append(y, draw(r, probabilities(l, 1)))
		for k := range l {
			l[k] *= 3
		}
		logits = append(logits, l)
	}
	temperature := SoftmaxTemperature(logits, y)
	if math.Abs(temperature-3) > 0.2 {
		t.Errorf("temperature %v, want about 3", temperature)
	}
	before, after := eceAt(logits, y, 1), eceAt(logits, y, temperature)
	if before < 0.08 || after > 0.02 {
		t.Errorf("ECE %.3f before, %.3f after", before, after)
	}
}

func probabilities(logits []float64, temperature float64) []float64 {
	p, sum := make([]float64, len(logits)), 0.
	for k, l := range logits {
		p[k] = math.Exp(l / temperature)
		sum += p[k]
	}
	for k := range p {
		p[k] /= sum
	}
	return p
}

func draw(r *rand.Rand, p []float64) int {
	u := r.Float64()
	for k := range p {
		if u -= p[k]; u < 0 {
			return k
		}
	}
	return len(p) - 1
}

func eceAt(logits [][]float64, y []int, temperature float64) float64 {
	var all [][]float64
	for _, l := range logits {
		all = append(all, probabilities(l, temperature))
	}
	return ECE(reliabilityOfTop(all, y))
}

// reliabilityOfTop is the reliability of the most probable classes in 15 bins.
func reliabilityOfTop(p [][]float64, y []int) []Bin {
	confidence, right := Top(p, y)
	return Reliability(confidence, right, 15)
}
