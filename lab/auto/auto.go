// Package auto is what programs do on a network without anybody asking: they
// look after hosts, report, check for news and keep connections open. Its
// rhythms are drawn as those of beacons are (package c2), so that a rhythm
// alone tells nobody what the traffic is for.
package auto

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"tyto/lab"
)

// Params are the knobs of a program that does something again and again, and
// those of the scenario. A period is minutes or hours in the wild.
func Params(more ...lab.Param) []lab.Param {
	return append([]lab.Param{
		{Name: "interval", Doc: "between two times", Values: []string{"500ms", "1s", "2s", "4s", "8s", "15s"}},
		{Name: "jitter", Doc: "% of the interval", Values: []string{"0", "0", "5", "10", "25", "50", "99"}},
		{Name: "rhythm", Doc: "what jitter does: makes intervals shorter, longer, or both; a lognormal one has now and then a long pause", Values: []string{"minus", "plus", "plusminus", "plusminus", "lognormal"}},
		{Name: "times", Doc: "at least so many, as far as they fit into 80 s", Values: []string{"6", "10", "20", "40"}},
	}, more...)
}

// Rhythm is when a program does something.
type Rhythm struct {
	Interval time.Duration
	Jitter   float64 // share of the interval
	Kind     string  // what Jitter does: "minus", "plus", "plusminus"; "lognormal" has its own
}

// Pauses draws the run's rhythm: how long to wait before each time, the first
// time not at all. There are at least least of them.
func Pauses(r *lab.Run, least int) ([]time.Duration, error) {
	interval, err := time.ParseDuration(r.Param("interval"))
	if err != nil {
		return nil, fmt.Errorf("interval: %w", err)
	}
	const most = 80 * time.Second
	times := max(least, min(r.ParamInt("times"), int(most/interval)))
	r.SetParam("times", fmt.Sprint(times))
	return Rhythm{interval, float64(r.ParamInt("jitter")) / 100, r.Param("rhythm")}.Pauses(times, r.Rand()), nil
}

// Pauses draws the pauses before each of so many times; the first is 0.
func (y Rhythm) Pauses(times int, rng *rand.Rand) []time.Duration {
	all := make([]time.Duration, times)
	for i := range all[min(1, times):] {
		all[i+1] = y.pause(rng)
	}
	return all
}

func (y Rhythm) pause(rng *rand.Rand) time.Duration {
	t := float64(y.Interval)
	switch y.Kind {
	case "lognormal":
		t *= min(lognormal(rng), 4)
	case "plus":
		t *= 1 + y.Jitter*rng.Float64()
	case "plusminus":
		t *= 1 + y.Jitter*(2*rng.Float64()-1)
	default:
		t *= 1 - y.Jitter*rng.Float64()
	}
	return time.Duration(t)
}

// lognormal draws from a log-normal distribution with mean 1.
func lognormal(rng *rand.Rand) float64 {
	const sigma = .6
	return math.Exp(sigma*rng.NormFloat64() - sigma*sigma/2)
}
