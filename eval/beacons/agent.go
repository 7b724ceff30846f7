package beacons

import (
	"math"
	"math/rand/v2"
)

// contact is one exchange of a device with a destination.
type contact struct {
	at       float64 // s since the beginning of the last day; negative before
	up, down float64 // payload bytes
}

const (
	day  = 86400.
	hour = 3600.
)

// agent is a kind of implant that checks in. Published command-and-control
// frameworks sleep a period, of which they leave out a random share (Cobalt
// Strike's and Sliver's jitter: the sleep is even between (1-jitter) and 1 of the
// period), or draw the sleep without memory.
type agent struct {
	name string
	held bool // no network is trained on it
	// jitter is the least and the greatest share of the period left out.
	jitter  [2]float64
	poisson bool // gaps are exponential
	normal  bool // gaps are log-normal
	hours   int  // dwell; 0 is until there are enough check-ins
	missed  float64
	padding float64 // most random bytes added to what is sent and received
	tasks   float64 // chance that a check-in brings work
	burst   int     // quick check-ins after each sleep
	office  bool    // only 9 to 17 o'clock
}

// agents are the kinds of check-ins. All have periods of 5 s to 6 h, even in the
// logarithm, unless their dwell allows shorter ones only.
var agents = []agent{
	{name: "no jitter", tasks: 0.01},
	{name: "jitter 10-50 %", jitter: [2]float64{0.1, 0.5}, tasks: 0.02},
	{name: "jitter 50-99 %", jitter: [2]float64{0.5, 0.99}, tasks: 0.02},
	{name: "Poisson", poisson: true, tasks: 0.02},
	{name: "5 h dwell, jitter 0-60 %", jitter: [2]float64{0, 0.6}, hours: 5, tasks: 0.02},
	{name: "a third of check-ins missed", jitter: [2]float64{0, 0.5}, missed: 0.33, tasks: 0.02},
	{name: "padded by 0-4 kB", jitter: [2]float64{0.1, 0.6}, padding: 4096, tasks: 0.02},
	{name: "tasked often", jitter: [2]float64{0, 0.5}, tasks: 0.12},
	{name: "log-normal gaps", held: true, normal: true, tasks: 0.02},
	{name: "office hours, jitter 20-70 %", held: true, jitter: [2]float64{0.2, 0.7}, office: true, tasks: 0.02},
	{name: "sleeps, then three at once", held: true, jitter: [2]float64{0.1, 0.4}, burst: 2, tasks: 0.02},
	{name: "Poisson, padded by 0-1 kB", held: true, poisson: true, padding: 1024, tasks: 0.02},
}

// usualPeriods are what frameworks sleep unless told otherwise, and round numbers.
var usualPeriods = []float64{5, 10, 30, 60, 60, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600}

// checkIns is how many of an agent's check-ins are looked at.
const checkIns = 40

// make makes the check-ins of one agent, the last of which is in the last day.
func (a *agent) make(r *rand.Rand) []contact { return a.makeUpTo(r, checkIns) }

func (a *agent) makeUpTo(r *rand.Rand, most int) []contact {
	longest := 6 * hour
	if a.hours > 0 {
		longest = float64(a.hours) * hour / 20
	}
	if a.office {
		longest = 0.5 * hour
	}
	period := logEven(r, 5, longest)
	if usual := usualPeriods[r.IntN(len(usualPeriods))]; r.IntN(2) == 0 && usual <= longest {
		period = usual
	}
	jitter := a.jitter[0] + (a.jitter[1]-a.jitter[0])*r.Float64()
	up, down := logEven(r, 250, 2500), logEven(r, 120, 6000)
	var list []contact
	wobble := sizeWobble(r)
	at := day * r.Float64()
	if a.office {
		at = 9*hour + r.Float64()*hour
	}
	start := at
	for len(list) < most && (a.hours == 0 || at-start < float64(a.hours)*hour) {
		if !a.office || office(at) {
			for i := 0; i <= a.burst && len(list) < most; i++ {
				if r.Float64() >= a.missed {
					list = append(list, a.exchange(r, at+float64(i)*(1+2*r.Float64()), up, down, wobble))
				}
			}
		}
		at += a.sleep(r, period, jitter) + latency(r)
	}
	a.results(r, list)
	toLastDay(list)
	return list
}

// sleep returns the time until the next check-in.
func (a *agent) sleep(r *rand.Rand, period, jitter float64) float64 {
	switch {
	case a.poisson:
		return period * r.ExpFloat64()
	case a.normal:
		return period * math.Exp(0.7*r.NormFloat64())
	}
	return period * (1 - jitter*r.Float64())
}

// exchange is one check-in: what it sends differs by a few bytes (a counter, a
// header), what it is given by work.
func (a *agent) exchange(r *rand.Rand, at, up, down float64, wobble [2]int) contact {
	c := contact{at: at, up: up + float64(r.IntN(wobble[0])), down: down + float64(r.IntN(wobble[1]))}
	if a.padding > 0 {
		c.up, c.down = c.up+a.padding*r.Float64(), c.down+a.padding*r.Float64()
	}
	if r.Float64() < a.tasks {
		c.down += logEven(r, 400, 60_000)
	}
	return c
}

// results makes the check-in after one that brought work send what came of it.
func (a *agent) results(r *rand.Rand, list []contact) {
	for i := 1; i < len(list); i++ {
		if list[i-1].down > list[0].down+a.padding+400 && r.Float64() < 0.8 {
			list[i].up += logEven(r, 300, 30_000)
		}
	}
}

// latency draws what a contact takes, s, which timers that sleep between contacts
// drift by.
func latency(r *rand.Rand) float64 { return 0.03 + 0.4*r.Float64() }

// sizeWobble draws how many bytes sizes that are alike differ by: of counters,
// dates and headers. It is the same for implants and programs.
func sizeWobble(r *rand.Rand) [2]int { return [2]int{1 + r.IntN(8), 1 + r.IntN(24)} }

// logEven draws a number even in the logarithm.
func logEven(r *rand.Rand, low, high float64) float64 {
	return low * math.Pow(high/low, r.Float64())
}

// office reports whether a time is in office hours.
func office(at float64) bool {
	t := math.Mod(at, day)
	if t < 0 {
		t += day
	}
	return t >= 9*hour && t < 17*hour
}

// toLastDay shifts contacts by whole days such that the latest is in the last day.
func toLastDay(list []contact) {
	if len(list) == 0 {
		return
	}
	shift := math.Floor(list[len(list)-1].at/day) * day
	for i := range list {
		list[i].at -= shift
	}
}
