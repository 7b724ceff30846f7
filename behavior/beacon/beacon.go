// Package beacon measures the rhythm in which a source comes back to a group of
// destinations: how even the gaps are, how alike the sizes, whether there is a
// period, and whether some exchanges brought work. All of it is relative to the
// time in which the source did come (its dwell), not to the length of the
// capture, so that five hours tell as much as a day.
//
// Robust moments of gaps and sizes are as in RITA, whose published score is the
// baseline in package eval/beacons; the periodogram is Lomb's and Scargle's, for
// which samples need not be even (Scargle, ApJ 263, 1982).
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
	Up, Down    float64 // median bytes sent and received
	Unsized     bool    // sizes are not known
	Tasked      int     // contacts that brought much more than usual
	Worked      int     // contacts that sent much more than usual right after one that brought much
	FAP         float64 // probability that chance makes the periodogram's peak
	Skew        float64 // Bowley's of gaps, -1 to 1
	Kurtosis    float64 // of gaps: 1.8 if they are spread evenly between bounds, 9 without memory
	Low, High   float64 // 5th and 95th percentile of gaps, relative to Period
	Longest     float64 // gap, relative to Period
	Memory      float64 // correlation of a gap's logarithm with that of the one before
	Doubled     float64 // share of gaps about twice as long as the one before: back-off
	OnClock     float64 // 1 if contacts come at the same second of the minute, 0 at any
	SameUp      float64 // share of contacts that sent the commonest size, within 2 %
	SameDown    float64
}

// Dwell returns how long the series lasts, in s.
func (r *Rhythm) Dwell() float64 { return float64(r.Last-r.First) / 1e9 }

// unknownSpread is what sizes that are not known are taken for: neither alike nor
// different.
const unknownSpread = 0.35

// Contacts of one occasion are one: a page's sessions, retries, a task fetched by a
// connection of its own. They are those within minGap, and where gaps are of two
// kinds, short and burstFactor times as long, all that are short.
const (
	minGap      = int64(1e9)
	burstFactor = 15
)

// contacts returns the occasions in order of time.
func (s *Series) contacts() []Event {
	list := merge(slices.SortedStableFunc(slices.Values(s.Events), byTime), minGap)
	if len(list) < 12 {
		return list
	}
	gaps := make([]float64, 0, len(list))
	for i := range list[1:] {
		gaps = append(gaps, float64(list[i+1].At-list[i].At))
	}
	slices.Sort(gaps)
	short, long := sortedQuantile(gaps, 0.2), sortedQuantile(gaps, 0.8)
	if long < burstFactor*short {
		return list
	}
	if m := merge(slices.Clone(list), int64(long/6)); len(m) >= 8 {
		return m
	}
	return list
}

// merge adds up, in place, contacts within a gap of the one before. The result
// is when each occasion begins.
func merge(list []Event, gap int64) []Event {
	out, last := list[:0], int64(0)
	for _, e := range list {
		if n := len(out); n > 0 && e.At-last < gap {
			out[n-1].Up, out[n-1].Down = out[n-1].Up+e.Up, out[n-1].Down+e.Down
			out[n-1].Unsized = out[n-1].Unsized || e.Unsized
		} else {
			out = append(out, e)
		}
		last = e.At
	}
	return out
}

// Measure measures a series; false if there are fewer than four occasions.
func (s *Series) Measure() (Rhythm, bool) {
	r := Rhythm{First: s.First}
	var times, gaps, up, down []float64
	var last int64
	unsized := false
	for _, e := range s.contacts() {
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
	phase := phase(times, s.First)
	if origin := times[0]; origin > 0 { // the earliest were forgotten
		for i := range times {
			times[i] -= origin
		}
	}
	r.sizes(up, down, unsized)
	r.gaps(gaps)
	r.OnClock = phase
	r.Steady = steady(times)
	r.FAP = falseAlarm(times)
	return r, true
}

// sizes measures how alike what was sent and received is, and whether some brought
// work.
func (r *Rhythm) sizes(up, down []float64, unsized bool) {
	if r.Unsized = unsized; unsized {
		r.UpSpread, r.DownSpread = unknownSpread, unknownSpread
		return
	}
	r.Up, r.UpSpread = spread(up)
	r.Down, r.DownSpread = spread(down)
	r.SameUp, r.SameDown = commonest(up), commonest(down)
	for i, d := range down {
		if d <= 3*r.Down+512 {
			continue
		}
		r.Tasked++
		if up[i] > 2*r.Up+512 || i+1 < len(up) && up[i+1] > 2*r.Up+512 {
			r.Worked++
		}
	}
}

// gaps measures the time between contacts, in s.
func (r *Rhythm) gaps(list []float64) {
	r.Period, r.Spread = spread(list)
	s := slices.Sorted(slices.Values(list))
	q1, q3 := sortedQuantile(s, 0.25), sortedQuantile(s, 0.75)
	if q3 > q1 {
		r.Skew = (q1 + q3 - 2*r.Period) / (q3 - q1)
	}
	r.Low, r.High = sortedQuantile(s, 0.05)/r.Period, sortedQuantile(s, 0.95)/r.Period
	r.Longest = s[len(s)-1] / r.Period
	r.CV, r.Kurtosis = trimmed(s)
	logs := make([]float64, len(list))
	for i, g := range list {
		logs[i] = math.Log(g)
		if i > 0 && math.Abs(logs[i]-logs[i-1]-math.Ln2) < 0.1 {
			r.Doubled += 1 / float64(len(list)-1)
		}
	}
	r.Memory = serial(logs)
}

// minute is what many programs' timers are even with, in s.
const minute = 60

// phase returns the length of the mean of the contacts' places in the minute
// (Rayleigh): times are s after first, which is in ns.
func phase(times []float64, first int64) float64 {
	offset := float64(first%(minute*1e9)) / 1e9
	var c, s float64
	for _, t := range times {
		sin, cos := math.Sincos(2 * math.Pi * (t + offset) / minute)
		c, s = c+cos, s+sin
	}
	return math.Hypot(c, s) / float64(len(times))
}

// commonest returns the share of the values that are within 2 % above the one for
// which that share is largest.
func commonest(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	most, from := 0, 0
	for i := range s {
		for s[i] > 1.02*s[from]+1 {
			from++
		}
		most = max(most, i-from+1)
	}
	return float64(most) / float64(len(s))
}

// serial returns the correlation of values with those before them.
func serial(list []float64) float64 {
	if len(list) < 4 {
		return 0
	}
	mean := 0.0
	for _, v := range list {
		mean += v / float64(len(list))
	}
	var with, own float64
	for i, v := range list {
		own += (v - mean) * (v - mean)
		if i > 0 {
			with += (v - mean) * (list[i-1] - mean)
		}
	}
	if own < 1e-9 {
		return 0
	}
	return with / own
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
	return sortedQuantile(slices.Sorted(slices.Values(list)), q)
}

func sortedQuantile(s []float64, q float64) float64 {
	x := q * float64(len(s)-1)
	i := int(x)
	if i+1 >= len(s) {
		return s[len(s)-1]
	}
	return s[i] + (x-float64(i))*(s[i+1]-s[i])
}

// trimmed returns the coefficient of variation and the kurtosis of sorted gaps
// without the longest twentieth: nights and a machine that was off.
func trimmed(s []float64) (cv, kurtosis float64) {
	s = s[:len(s)-len(s)/20]
	n := float64(len(s))
	mean := 0.0
	for _, g := range s {
		mean += g / n
	}
	var second, fourth float64
	for _, g := range s {
		d := (g - mean) * (g - mean)
		second, fourth = second+d/n, fourth+d*d/n
	}
	if second < 1e-12*mean*mean {
		return 0, 0
	}
	return math.Sqrt(second) / mean, fourth / (second * second)
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
