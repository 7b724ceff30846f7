package beacon

import "math"

// Bounds of the search for a period.
const (
	periodSamples = 512 // samples of the counts
	frequencies   = 256
)

// falseAlarm returns the probability that chance makes a peak as high as the
// highest one of the periodogram of contacts over the dwell. Counts are at even
// times and frequencies whole fractions of the dwell, for which Lomb's and
// Scargle's power is the square of the Fourier transform: it is summed by turning
// a pointer, without a sine for each sample.
func falseAlarm(times []float64) float64 {
	dwell := times[len(times)-1]
	n := min(max(4*len(times), 32), periodSamples)
	counts := make([]float64, n)
	for _, t := range times {
		counts[min(int(t/dwell*float64(n)), n-1)]++
	}
	mean, variance := float64(len(times))/float64(n), 0.0
	for i := range counts {
		counts[i] -= mean
		variance += counts[i] * counts[i] / float64(n)
	}
	steps := min(frequencies, n/2)
	if variance == 0 {
		return 1
	}
	highest := 0.0
	for k := 2; k < steps; k++ {
		highest = max(highest, power(counts, k)/(float64(n)*variance))
	}
	return 1 - math.Pow(1-math.Exp(-highest), float64(steps))
}

// power returns the squared length of the k-th Fourier coefficient.
func power(values []float64, k int) float64 {
	sin, cos := math.Sincos(2 * math.Pi * float64(k) / float64(len(values)))
	x, y := 1.0, 0.0
	var re, im float64
	for _, v := range values {
		re, im = re+v*x, im+v*y
		x, y = x*cos-y*sin, x*sin+y*cos
	}
	return re*re + im*im
}
