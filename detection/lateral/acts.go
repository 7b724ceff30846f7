package lateral

import (
	"math"

	"tyto/behavior/lead"
)

// acts is when the leading side of a session acted, and how its time divides by
// how long ago that was.
type acts struct {
	bursts      []lead.Burst
	first, last int64
	chance      [phases]float64 // part of the session's time in each phase
}

// Phases of the time after the leader acted: typing (he acts again within the
// burst), then waiting for so long.
const phases = 6

// upTo are the ends of the phases of waiting, in ns.
var upTo = [phases - 1]int64{1e9, 3e9, 6e9, 12e9, math.MaxInt64}

// effects is in which phase what the leader caused begins: rarely while he types,
// most often at once, later where a program starts slowly. From the lab's
// campaigns of the first recording (docs of the lab); others measure them.
var effects = [phases]float64{0.03, 0.45, 0.12, 0.2, 0.15, 0.05}

// floor is the least chance a phase is taken to have: short sessions do not show
// how rare it is.
const floor = 0.02

func actsOf(bursts []lead.Burst, first, last int64) acts {
	a := acts{bursts: bursts, first: first, last: last}
	total := float64(max(last-first, 1))
	for i, b := range bursts {
		a.chance[0] += float64(b.To-b.From) / total
		until := last
		if i+1 < len(bursts) {
			until = bursts[i+1].From
		}
		from := b.To
		for k, end := range upTo {
			to := until
			if end < math.MaxInt64 {
				to = min(until, b.To+end)
			}
			if to > from {
				a.chance[k+1] += float64(to-from) / total
				from = to
			}
		}
	}
	return a
}

// follows returns how much it says for the leader that something begins at a
// time, in nats, and how long before it he acted. False if the session was not
// open, or he had not acted yet.
func (a *acts) follows(at int64) (llr float64, since int64, ok bool) {
	if at < a.first || at > a.last+1e9 {
		return 0, 0, false
	}
	phase := -1
	for _, b := range a.bursts {
		if b.From > at {
			break
		}
		since, phase = at-b.To, 0
		if since < 0 {
			since = 0
			continue
		}
		for k, end := range upTo {
			if since < end {
				phase = k + 1
				break
			}
		}
	}
	if phase < 0 {
		return 0, 0, false
	}
	return math.Log(effects[phase] / max(a.chance[phase], floor)), since, true
}
