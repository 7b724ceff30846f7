// Package beacon measures the rhythm in which a source comes back to a group of
// destinations: how even the gaps are, how alike the sizes, whether there is a
// period, and whether some exchanges brought work. All of it is relative to the
// time in which the source did come (its dwell), not to the length of the
// capture, so that five hours tell as much as a day.
//
// Robust moments of gaps and sizes are as in RITA (see rita_test.go, which
// reproduces its published score as the baseline); the periodogram is Lomb's and
// Scargle's, for which samples need not be even (Scargle, ApJ 263, 1982).
package beacon

import (
	"math"
	"slices"
)

// Event is one contact. Contacts may come out of order, as sessions end.
type Event struct {
	At       int64 // ns
	Up, Down uint64
	Unsized  bool // what was sent is not known
}

// MaxEvents is how many contacts of a series are kept: the latest.
const MaxEvents = 512

// Series is the contacts of one source with one group, in order of time. The
// zero value is empty.
type Series struct {
	Events []Event
	Count  int   // all of them
	First  int64 // of all
}

// Add adds a contact.
func (s *Series) Add(e Event) {
	if s.Count == 0 || e.At < s.First {
		s.First = e.At
	}
	s.Count++
	if len(s.Events) == MaxEvents {
		s.Events = slices.Delete(s.Events, 0, MaxEvents/8)
	}
	s.Events = append(s.Events, e)
}

// Rhythm is what was measured of a series.
type Rhythm struct {
	N           int
	First, Last int64   // ns
	Period      float64 // median gap, s
	Spread      float64 // median deviation of gaps from it, relative to it
	CV          float64 // of gaps, without the longest twentieth
	Steady      float64 // how evenly contacts fill the dwell: 1 like a clock, 0 as irregular as chance or more
	UpSpread    float64 // as Spread, of bytes sent
	DownSpread  float64
	Tasked      int     // contacts that brought much more than usual
	FAP         float64 // probability that chance makes the periodogram's peak
}

// Dwell returns how long the series lasts, in s.
func (r *Rhythm) Dwell() float64 { return float64(r.Last-r.First) / 1e9 }

// unknownSpread is what sizes that are not known are taken for: neither alike nor
// different.
const unknownSpread = 0.35

// minGap is the time in which contacts are one: a page's sessions, retries.
const minGap = int64(1e9)

// Measure measures a series; false if there are fewer than four contacts.
func (s *Series) Measure() (Rhythm, bool) {
	r := Rhythm{First: s.First}
	var times, gaps, up, down []float64
	var last int64
	unsized := false
	for _, e := range slices.SortedStableFunc(slices.Values(s.Events), func(a, b Event) int { return int(min(max(a.At-b.At, -1), 1)) }) {
		if len(times) > 0 && e.At-last < minGap {
			n := len(up) - 1
			up[n], down[n] = up[n]+float64(e.Up), down[n]+float64(e.Down)
			continue
		}
		if len(times) > 0 {
			gaps = append(gaps, float64(e.At-last)/1e9)
		}
		times = append(times, float64(e.At-s.First)/1e9)
		up, down = append(up, float64(e.Up)), append(down, float64(e.Down))
		last = e.At
		unsized = unsized || e.Unsized
	}
	r.N, r.Last = len(times), last
	if r.N < 4 {
		return r, false
	}
	if origin := times[0]; origin > 0 { // the earliest were forgotten
		for i := range times {
			times[i] -= origin
		}
	}
	r.Period, r.Spread = spread(gaps)
	_, r.UpSpread = spread(up)
	typical, ds := spread(down)
	r.DownSpread = ds
	for _, d := range down {
		if d > 3*typical+512 {
			r.Tasked++
		}
	}
	if unsized {
		r.UpSpread, r.DownSpread, r.Tasked = unknownSpread, unknownSpread, 0
	}
	r.CV = trimmedCV(gaps)
	r.Steady = steady(times)
	r.FAP = falseAlarm(times)
	return r, true
}

// spread returns the median, and the median deviation from it relative to it.
func spread(list []float64) (median, relative float64) {
	median = quantile(list, 0.5)
	off := make([]float64, len(list))
	for i, v := range list {
		off[i] = math.Abs(v - median)
	}
	if mad := quantile(off, 0.5); median > 0 {
		return median, mad / median
	} else if mad > 0 {
		return median, 1
	}
	return median, 0
}

// quantile returns a quantile with linear interpolation, 0 of an empty list.
func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(list))
	x := q * float64(len(s)-1)
	i := int(x)
	if i+1 >= len(s) {
		return s[len(s)-1]
	}
	return s[i] + (x-float64(i))*(s[i+1]-s[i])
}

// trimmedCV returns the coefficient of variation without the longest twentieth:
// nights and a machine that was off.
func trimmedCV(gaps []float64) float64 {
	s := slices.Sorted(slices.Values(gaps))
	s = s[:len(s)-len(s)/20]
	var sum, squares float64
	for _, g := range s {
		sum += g
		squares += g * g
	}
	n := float64(len(s))
	mean := sum / n
	return math.Sqrt(max(squares/n-mean*mean, 0)) / mean
}

// steady divides the dwell into as many bins as hold four contacts each, and
// compares the variance of their counts with that of chance (Poisson).
func steady(times []float64) float64 {
	bins := min(max(len(times)/4, 4), 48)
	dwell := times[len(times)-1]
	counts := make([]float64, bins)
	for _, t := range times {
		counts[min(int(t/dwell*float64(bins)), bins-1)]++
	}
	mean := float64(len(times)) / float64(bins)
	variance := 0.0
	for _, c := range counts {
		variance += (c - mean) * (c - mean) / float64(bins)
	}
	return max(0, 1-variance/mean)
}
