package beacon

import "math"

// Automation returns the log-likelihood ratio, in nats, that a machine keeps the
// rhythm rather than a person. What the machine is for, the rhythm cannot say: a
// monitor keeps it as well as an agent.
//
// Three things are weighed, since each can be hidden alone: gaps that are even or
// at least bounded (Spread, Steady), sizes that repeat, and a period. Arrivals
// without memory (Poisson) have even sizes only.
func (r *Rhythm) Automation() float64 {
	sum := 4*(0.6-math.Min(r.Spread, 1)) + 2*(r.Steady-0.3)
	sum += 5 * (0.35 - math.Min(r.UpSpread, 1))
	sum += 2 * (0.35 - math.Min(r.DownSpread, 1))
	if r.FAP < 1e-3 {
		sum++
	}
	if r.CV > 1.3 {
		sum -= math.Min(3*(r.CV-1.3), 3)
	}
	// Few contacts say less: full weight from twenty on.
	return min(max(sum*math.Min(1, float64(r.N)/20), -4), 4)
}
