package c2

import (
	"time"

	"tyto/lab"
)

// shifts is where an agent is in its shifts.
type shifts struct {
	left []Shift
	end  time.Time // of the work of the first
}

func newShifts(all []Shift) *shifts {
	s := &shifts{left: all}
	if len(all) > 0 {
		s.end = time.Now().Add(all[0].Work)
	}
	return s
}

// next says after a check-in how long to rest, if the shift is over, or that all
// is: the agent is done then, and has no shift before it. The last shift goes on
// until it is done.
func (s *shifts) next(done bool) (rest time.Duration, over bool) {
	if len(s.left) <= 1 {
		return 0, done && time.Now().After(s.end)
	}
	if time.Now().Before(s.end) {
		return 0, false
	}
	rest = s.left[0].Rest
	s.left = s.left[1:]
	s.end = time.Now().Add(rest + s.left[0].Work)
	return rest, false
}

// AllParams are Params with rhythms that are drawn from distributions, too: the
// pauses of "poisson" are exponential, those of "lognormal" log-normal.
func AllParams(more ...lab.Param) []lab.Param {
	all := Params()
	for i := range all {
		if all[i].Name == "rhythm" {
			all[i].Values = []string{"minus", "plusminus", "poisson", "lognormal"}
			all[i].Doc = "what jitter does: makes intervals shorter, or shorter and longer; poisson and lognormal have no rhythm"
		}
	}
	return append(all, more...)
}
