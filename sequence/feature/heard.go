package feature

import (
	"math"
	"slices"

	"tyto/sequence"
)

// heard is what was gathered of a session, by direction where there are two.
type heard struct {
	rtt      int64
	quiet    float64
	duration float64
	count    [2]float64
	bytes    [2]float64
	sizes    [2][]float64
	gaps     [2][]float64 // between messages of one direction
	pauses   []float64    // between messages of any
	small    [2]float64
	same     [2]float64 // messages of the size of the direction's last
	pace     [2]float64 // small ones at the pace of fingers
	echoes   [2]float64 // small ones that were answered by an echo
	comb     [2]float64 // messages one step of the comb after the direction's last
	combRun  float64    // the most such in a row
	acks     float64
	idle     float64 // ns in pauses of more than a second
	turns    [2][]float64
	leads    [2]float64
	soft     [2]float64 // leads that are small
	between  []float64  // leads
	bursts   bursts
}

// bursts are the stretches between leads.
type bursts struct {
	messages []float64
	largest  [2]float64
	bytes    []float64
	now      [2]float64
}

// listen gathers a session.
func listen(s *sequence.Sequence) *heard {
	h := &heard{rtt: s.RTT, quiet: quietOf(s.RTT)}
	var last [2]*sequence.Message
	var lastLead *sequence.Message
	run := [2]float64{}
	for i := range s.Messages {
		m := &s.Messages[i]
		d, other := m.Dir, m.Dir.Other()
		before := math.Inf(1)
		if i > 0 {
			before = pause(&s.Messages[i-1], m)
			h.pauses = append(h.pauses, before)
			if before > longIdle {
				h.idle += before
			}
		}
		if before > h.quiet {
			h.lead(m, lastLead)
			lastLead = m
		}
		h.turn(m, i == 0 || s.Messages[i-1].Dir != d)
		h.add(m, last[d], last[other])
		run[d] = h.run(m, last[d], run[d])
		last[d] = m
	}
	if n := len(s.Messages); n > 0 {
		h.endBurst()
		end := &s.Messages[n-1]
		h.duration = float64(end.Time + end.Took - s.Messages[0].Time)
	}
	return h
}

// add counts a message; same and other are the latest of its direction and the
// other.
func (h *heard) add(m, same, other *sequence.Message) {
	d := m.Dir
	h.count[d]++
	h.bytes[d] += float64(m.Bytes)
	h.sizes[d] = append(h.sizes[d], float64(m.Content))
	h.bursts.messages[len(h.bursts.messages)-1]++
	h.bursts.now[d] += float64(m.Bytes)
	isSmall := m.Bytes <= small
	if isSmall {
		h.small[d]++
	}
	if same != nil {
		gap := pause(same, m)
		h.gaps[d] = append(h.gaps[d], gap)
		if same.Bytes == m.Bytes {
			h.same[d]++
		}
		if isSmall && gap >= paceFrom && gap <= paceTo {
			h.pace[d]++
		}
	}
	if other == nil {
		return
	}
	if isSmall && isEcho(other, m, h.rtt) && (same == nil || same.Time < other.Time) {
		h.echoes[other.Dir]++
	}
	if m.Bytes <= ackSized && other.Bytes >= fullSized && pause(other, m) <= h.quiet {
		h.acks++
	}
}

// isEcho reports whether a small message may be the echo of the other side's.
func isEcho(key, echo *sequence.Message, rtt int64) bool {
	differ := math.Abs(float64(key.Bytes) - float64(echo.Bytes))
	return key.Bytes <= small && differ <= echoBytes && pause(key, echo) <= max(echoTrips*float64(rtt), 20*millisecond)
}

// run is how many steps of the comb there were in a row, with this one.
func (h *heard) run(m, same *sequence.Message, run float64) float64 {
	if same == nil || !isComb(same, m) {
		return 0
	}
	h.comb[m.Dir]++
	h.combRun = max(h.combRun, run+1)
	return run + 1
}

func isComb(a, b *sequence.Message) bool {
	gap := float64(b.Time - a.Time)
	return b.Bytes <= small && gap >= combFrom && gap <= combTo
}

// lead begins a burst.
func (h *heard) lead(m, last *sequence.Message) {
	h.leads[m.Dir]++
	if m.Bytes <= small {
		h.soft[m.Dir]++
	}
	if last != nil {
		h.between = append(h.between, float64(m.Time-last.Time))
		h.endBurst()
	}
	h.bursts.messages = append(h.bursts.messages, 0)
}

func (h *heard) endBurst() {
	b := &h.bursts
	for d, n := range b.now {
		b.largest[d] = max(b.largest[d], n)
	}
	b.bytes = append(b.bytes, b.now[0]+b.now[1])
	b.now = [2]float64{}
}

// turn adds a message to the turn of its direction.
func (h *heard) turn(m *sequence.Message, begins bool) {
	t := &h.turns[m.Dir]
	if begins {
		*t = append(*t, 0)
	}
	(*t)[len(*t)-1] += float64(m.Bytes)
}

// quantile is the q-quantile of sorted values, 0 of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// variety is what part of sorted values is different, and what part the most
// frequent one is.
func variety(sorted []float64) (different, mode float64) {
	run := 0.
	for i, v := range sorted {
		if i == 0 || v != sorted[i-1] {
			different++
			run = 0
		}
		run++
		mode = max(mode, run)
	}
	n := float64(len(sorted))
	return share(different, n), share(mode, n)
}

// variation is the standard deviation of values over their mean.
func variation(values []float64) float64 {
	n := float64(len(values))
	if n < 2 {
		return 0
	}
	sum, squares := 0., 0.
	for _, v := range values {
		sum += v
	}
	mean := sum / n
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return share(math.Sqrt(squares/n), mean)
}

// skew is Bowley's skewness of sorted values, from -1 to 1.
func skew(sorted []float64) float64 {
	a, b, c := quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)
	return share(a+c-2*b, c-a)
}

// deviation is the median absolute deviation of sorted values over their median.
func deviation(sorted []float64) float64 {
	median := quantile(sorted, 0.5)
	off := make([]float64, len(sorted))
	for i, v := range sorted {
		off[i] = math.Abs(v - median)
	}
	slices.Sort(off)
	return share(quantile(off, 0.5), median)
}
