package beacon

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// traffic makes the contacts of a source over a day, or over hours of it.
type traffic struct {
	name  string
	hours int
	gap   func(r *rand.Rand) float64
	size  func(r *rand.Rand) float64
}

func jittered(period, jitter float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return period * (1 - jitter*r.Float64()) }
}

func poisson(period float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return period * r.ExpFloat64() }
}

func constant(v float64) func(*rand.Rand) float64 { return func(*rand.Rand) float64 { return v } }

var traffics = []traffic{
	{"60 s", 24, jittered(60, 0), constant(700)},
	{"60 s, 50 % jitter", 24, jittered(60, .5), constant(700)},
	{"60 s, 99 % jitter", 24, jittered(60, .99), constant(700)},
	{"600 s, 50 % jitter", 24, jittered(600, .5), constant(700)},
	{"3600 s, 99 % jitter", 24, jittered(3600, .99), constant(700)},
	{"60 s Poisson", 24, poisson(60), constant(700)},
	{"600 s Poisson", 24, poisson(600), constant(700)},
	{"60 s, 50 % jitter, 5 h", 5, jittered(60, .5), constant(700)},
	{"300 s telemetry", 24, func(r *rand.Rand) float64 { return 300 * (0.98 + 0.04*r.Float64()) }, constant(900)},
}

func (t traffic) make(seed uint64) (times []int64, sizes []float64) {
	r := rand.New(rand.NewPCG(seed, 7))
	at := 3600 * 8 * float64(1-t.hours/24)
	for end := at + float64(t.hours)*3600; at < end; at += max(t.gap(r), 1) {
		times, sizes = append(times, int64(at)), append(sizes, t.size(r))
	}
	return times, sizes
}

func series(times []int64, sizes []float64, n int) *Series {
	var s Series
	for i, at := range times[:min(n, len(times))] {
		s.Add(Event{At: at * 1e9, Up: uint64(sizes[i]), Down: 400})
	}
	return &s
}

// human browses: bursts of pages of all sizes, with pauses of all lengths.
func human(seed uint64) (times []int64, sizes []float64) {
	r := rand.New(rand.NewPCG(seed, 9))
	for at := 0.0; at < 86400; at += math.Exp(r.NormFloat64()*1.6 + 3.5) {
		times, sizes = append(times, int64(at)), append(sizes, math.Exp(r.NormFloat64()*1.1+7))
	}
	return times, sizes
}

// TestAutomation wants machines heard within 40 contacts, those that live five
// hours and those without memory among them, and people not.
func TestAutomation(t *testing.T) {
	const threshold = 1.0
	for _, c := range traffics {
		heard := 0
		for seed := range uint64(20) {
			times, sizes := c.make(seed)
			if r, ok := series(times, sizes, 40).Measure(); ok && r.Automation() > threshold {
				heard++
			}
		}
		if heard < 18 {
			t.Errorf("%s: heard in %d of 20", c.name, heard)
		}
	}
	wrong := 0
	for seed := range uint64(100) {
		times, sizes := human(seed)
		if r, ok := series(times, sizes, 40).Measure(); ok && r.Automation() > threshold {
			wrong++
		}
	}
	if wrong > 2 {
		t.Errorf("people taken for machines: %d of 100", wrong)
	}
}

// TestTasked wants an exchange that brought work to be seen.
func TestTasked(t *testing.T) {
	var s Series
	for i := range 30 {
		down := uint64(300)
		if i == 17 {
			down = 20_000
		}
		s.Add(Event{At: int64(i) * 30e9, Up: 500, Down: down})
	}
	r, _ := s.Measure()
	if r.Tasked != 1 || r.Period != 30 {
		t.Errorf("got %d tasked, period %.0f s; want 1, 30", r.Tasked, r.Period)
	}
}

// TestBounded wants the latest contacts kept, and the first one's time.
func TestBounded(t *testing.T) {
	var s Series
	for i := range 3 * MaxEvents {
		s.Add(Event{At: int64(i) * 1e9})
	}
	if len(s.Events) > MaxEvents || s.Count != 3*MaxEvents || s.First != 0 {
		t.Errorf("got %d kept of %d, first %d", len(s.Events), s.Count, s.First)
	}
}

// TestLombScargle wants the power of a sine at its own frequency and not beside.
func TestLombScargle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var times, values []float64
	for range 200 {
		at := 100 * r.Float64()
		times, values = append(times, at), append(values, math.Sin(2*math.Pi*at/5)+0.3*r.NormFloat64())
	}
	at, beside := lombScargle(times, values, 2*math.Pi/5), lombScargle(times, values, 2*math.Pi/7)
	if at < 50 || beside > 10 {
		t.Errorf("power at the period: %.1f, beside it: %.1f", at, beside)
	}
}

func ExampleSeries_Measure() {
	var s Series
	for i := range 20 {
		s.Add(Event{At: int64(i) * 60e9, Up: 700, Down: 300})
	}
	r, _ := s.Measure()
	fmt.Printf("every %.0f s, spread %.0f %%\n", r.Period, 100*r.Spread)
	// Output: every 60 s, spread 0 %
}

// lombScargle returns the normalised power of a series of values at uneven times
// at an angular frequency: about 1 on average for noise, and distributed
// exponentially (Scargle 1982, equation 10).
func lombScargle(times, values []float64, omega float64) float64 {
	n := float64(len(times))
	var mean, variance float64
	for _, v := range values {
		mean += v / n
	}
	for _, v := range values {
		variance += (v - mean) * (v - mean) / n
	}
	if variance == 0 {
		return 0
	}
	var s2, c2 float64
	for _, t := range times {
		s, c := math.Sincos(2 * omega * t)
		s2, c2 = s2+s, c2+c
	}
	tau := math.Atan2(s2, c2) / (2 * omega)
	var cy, cc, sy, ss float64
	for i, t := range times {
		s, c := math.Sincos(omega * (t - tau))
		v := values[i] - mean
		cy, cc, sy, ss = cy+v*c, cc+c*c, sy+v*s, ss+s*s
	}
	power := 0.0
	if cc > 0 {
		power += cy * cy / cc
	}
	if ss > 0 {
		power += sy * sy / ss
	}
	return power / (2 * variance)
}

// TestPower wants the sum by a turning pointer to be the power of the formula, at
// even times and whole fractions of the dwell.
func TestPower(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var times, values []float64
	variance := 0.0
	for i := range 128 {
		times, values = append(times, float64(i)), append(values, r.NormFloat64())
	}
	mean := 0.0
	for _, v := range values {
		mean += v / 128
	}
	for i := range values {
		values[i] -= mean
		variance += values[i] * values[i] / 128
	}
	for _, k := range []int{2, 5, 31, 60} {
		want := lombScargle(times, values, 2*math.Pi*float64(k)/128)
		if got := power(values, k) / (128 * variance); math.Abs(got-want) > 1e-6 {
			t.Errorf("frequency %d: power %.9f, by the formula %.9f", k, got, want)
		}
	}
}
