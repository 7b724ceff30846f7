package beacon

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// rita is RITA's published beacon score (activecm/rita a3c51501,
// analysis/beacons.go), written again from its description in SCIENCE.md C.1: the
// baseline that our measurement is held against.
func rita(times []int64, sizes []float64, from, to int64) float64 {
	times = slices.Compact(slices.Sorted(slices.Values(times)))
	if len(times) < 4 {
		return 0
	}
	var gaps []float64
	for i := 1; i < len(times); i++ {
		gaps = append(gaps, float64(times[i]-times[i-1]))
	}
	ts := (bowley(gaps) + madm(gaps, 1)) / 2
	ds := (bowley(sizes) + madm(sizes, 0)) / 2
	bins := make([]float64, 24)
	for _, t := range times {
		bins[min(int((t-from)*24/(to-from)), 23)]++
	}
	return (ts + ds + ritaHistogram(bins) + ritaDuration(bins, times, from, to)) / 4
}

func bowley(list []float64) float64 {
	q1, q2, q3 := quantile(list, 0.25), quantile(list, 0.5), quantile(list, 0.75)
	if q3-q1 < 10 || q2 == q1 || q2 == q3 {
		return 1
	}
	return 1 - math.Abs((q1+q3-2*q2)/(q3-q1))
}

func madm(list []float64, otherwise float64) float64 {
	median, relative := spread(list)
	if median < 1 {
		return otherwise
	}
	return max(0, 1-relative)
}

func ritaHistogram(bins []float64) float64 {
	var sum, squares, highest float64
	bars := 0
	for _, b := range bins {
		sum, squares, highest = sum+b, squares+b*b, max(highest, b)
		if b > 0 {
			bars++
		}
	}
	mean := sum / 24
	cv := max(0, 1-math.Sqrt(squares/24-mean*mean)/mean)
	if bars < 11 {
		return cv
	}
	width := math.Ceil(0.05 * highest)
	counts := make(map[int]int)
	for _, b := range bins {
		if b > 0 {
			counts[int(b/width)]++
		}
	}
	heights := slices.Sorted(func(yield func(int) bool) {
		for _, n := range counts {
			if !yield(-n) {
				return
			}
		}
	})
	top := -heights[0]
	if len(heights) > 1 {
		top -= heights[1]
	}
	return max(cv, min(1, float64(top)/float64(bars-1)))
}

func ritaDuration(bins []float64, times []int64, from, to int64) float64 {
	bars, longest, run := 0, 0, 0
	for i := range 48 {
		if bins[i%24] > 0 {
			run++
		} else {
			run = 0
		}
		longest = max(longest, min(run, 24))
		if i < 24 && bins[i] > 0 {
			bars++
		}
	}
	if bars < 6 {
		return 0
	}
	return min(1, max(float64(times[len(times)-1]-times[0])/float64(to-from), float64(longest)/12))
}

// traffic makes the contacts of a source over a day, or over hours of it.
type traffic struct {
	name   string
	hours  int
	gap    func(r *rand.Rand) float64
	size   func(r *rand.Rand) float64
	rita   float64 // published
	within float64
}

func jittered(period, jitter float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return period * (1 - jitter*r.Float64()) }
}

func poisson(period float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return period * r.ExpFloat64() }
}

func constant(v float64) func(*rand.Rand) float64 { return func(*rand.Rand) float64 { return v } }

var traffics = []traffic{
	{"60 s", 24, jittered(60, 0), constant(700), 1.00, .01},
	{"60 s, 50 % jitter", 24, jittered(60, .5), constant(700), .97, .02},
	{"60 s, 99 % jitter", 24, jittered(60, .99), constant(700), .92, .03},
	{"600 s, 50 % jitter", 24, jittered(600, .5), constant(700), .94, .03},
	{"3600 s, 99 % jitter", 24, jittered(3600, .99), constant(700), .88, .05},
	{"60 s Poisson", 24, poisson(60), constant(700), .85, .04},
	{"600 s Poisson", 24, poisson(600), constant(700), .79, .04},
	{"60 s, 50 % jitter, 5 h", 5, jittered(60, .5), constant(700), .47, .03},
	{"300 s telemetry", 24, func(r *rand.Rand) float64 { return 300 * (0.98 + 0.04*r.Float64()) }, constant(900), .99, .02},
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

// TestRITA reproduces the published figures (means of 20).
func TestRITA(t *testing.T) {
	for _, c := range traffics {
		sum := 0.0
		for seed := range uint64(20) {
			times, sizes := c.make(seed)
			sum += rita(times, sizes, 0, 86400) / 20
		}
		if math.Abs(sum-c.rita) > c.within {
			t.Errorf("%s: RITA's score is %.3f here, %.2f as published", c.name, sum, c.rita)
		}
	}
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
	at, beside := LombScargle(times, values, 2*math.Pi/5), LombScargle(times, values, 2*math.Pi/7)
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
