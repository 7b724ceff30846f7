package beacon

import "math"

// LombScargle returns the normalised power of a series of values at uneven times
// at an angular frequency: about 1 on average for noise, and distributed
// exponentially (Scargle 1982, equation 10).
func LombScargle(times, values []float64, omega float64) float64 {
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

// Bounds of the search for a period.
const (
	periodSamples = 512 // samples of the counts
	frequencies   = 256
)

// falseAlarm returns the probability that chance makes a peak as high as the
// highest one of the periodogram of contacts over the dwell.
func falseAlarm(times []float64) float64 {
	dwell := times[len(times)-1]
	n := min(max(4*len(times), 32), periodSamples)
	at, counts := make([]float64, n), make([]float64, n)
	for i := range at {
		at[i] = (float64(i) + 0.5) / float64(n) * dwell
	}
	for _, t := range times {
		counts[min(int(t/dwell*float64(n)), n-1)]++
	}
	highest := 0.0
	steps := min(frequencies, n/2)
	for k := 2; k <= steps; k++ {
		highest = max(highest, LombScargle(at, counts, 2*math.Pi*float64(k)/dwell))
	}
	return 1 - math.Pow(1-math.Exp(-highest), float64(steps))
}
