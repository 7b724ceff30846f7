package beacons

import (
	"math"
	"math/rand/v2"
	"testing"
)

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
