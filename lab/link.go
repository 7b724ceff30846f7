package lab

import (
	"math"
	"math/rand/v2"
	"time"

	"tyto/lab/label"
)

// link is one direction of a link: a queue before a transmitter, then a line
// with a delay. Times are computed, not waited for, so the same packets at the
// same times and the same seed give the same result on any machine.
type link struct {
	delay   time.Duration // of the line
	jitter  time.Duration // standard deviation of the delay
	loss    float64       // share of packets lost on the line
	reorder float64       // share of packets that others overtake
	rate    float64       // bits per second of the transmitter; 0 is unlimited
	queue   int           // bytes that may wait for it; 0 is unlimited
	rng     *rand.Rand

	busy     label.Time // the transmitter is, until then
	last     label.Time // latest arrival: others do not overtake
	wander   float64    // present deviation of the delay, in standard deviations
	wanderAt label.Time
}

// transit is what became of a packet on a link.
type transit struct {
	sent    label.Time // the transmitter had sent it
	arrived label.Time // valid unless it was lost
	dropped bool       // there was no room in the queue; nothing else is valid
	lost    bool       // on the line
}

// Shape of the delay's variation: what disturbs a packet disturbs those shortly
// after it, too.
const (
	wanderTime = 60 * time.Millisecond
	maxWander  = 3.5 // standard deviations
)

// send gives a packet of that many bytes to the link.
func (l *link) send(now label.Time, size int) transit {
	start := max(now, l.busy)
	if l.rate > 0 {
		waiting := float64(start-now) / 1e9 * l.rate / 8
		if l.queue > 0 && int(waiting)+size > l.queue {
			return transit{dropped: true}
		}
		l.busy = start + label.Time(float64(size)*8/l.rate*1e9)
		start = l.busy
	}
	t := transit{sent: start}
	if t.lost = l.loss > 0 && l.rng.Float64() < l.loss; t.lost {
		return t
	}
	t.arrived = start + label.Time(l.delay) + label.Time(l.deviation(start))
	if l.reorder > 0 && l.rng.Float64() < l.reorder {
		// Late by itself: those behind it are not held up.
		t.arrived = max(t.arrived, l.last) + label.Time(l.delay/8+time.Millisecond)
		return t
	}
	t.arrived = max(t.arrived, l.last)
	l.last = t.arrived
	return t
}

// deviation is a first-order autoregressive process (its standard deviation is
// jitter), cut so that nothing arrives faster than half the delay.
func (l *link) deviation(now label.Time) time.Duration {
	if l.jitter == 0 {
		return 0
	}
	keep := math.Exp(-float64(max(0, now-l.wanderAt)) / float64(wanderTime))
	if l.wanderAt == 0 {
		keep = 0
	}
	l.wander = keep*l.wander + math.Sqrt(1-keep*keep)*l.rng.NormFloat64()
	l.wander = min(max(l.wander, -maxWander), maxWander)
	l.wanderAt = now
	return max(time.Duration(l.wander*float64(l.jitter)), -l.delay/2)
}
