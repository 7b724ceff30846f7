package lab

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"tyto/lab/label"
)

// Profile is a kind of network between the client's site and the other. In
// each run a network of the kind is drawn: values between the two bounds,
// evenly by order of magnitude.
type Profile struct {
	Name, Doc string
	RTT       [2]time.Duration
	Jitter    [2]time.Duration // standard deviation of one direction's delay, of which it is at most a sixth
	Loss      [2]float64       // share of packets, one direction; none in half of the runs if the first is 0
	Reorder   float64          // at most
	Out, In   [2]float64       // bits per second from the client's site and to it
	Queue     [2]time.Duration // how long the last packet in a full queue waits
	MTU       []int
	NAT       float64 // chance that the client's site is behind one
}

const (
	ms    = time.Millisecond
	us    = time.Microsecond
	mbits = 1e6
)

// Profiles returns all profiles.
func Profiles() []Profile {
	return []Profile{
		{"lan", "one switch", [2]time.Duration{200 * us, 900 * us}, [2]time.Duration{10 * us, 60 * us}, [2]float64{}, 0,
			[2]float64{900 * mbits, 1000 * mbits}, [2]float64{900 * mbits, 1000 * mbits}, [2]time.Duration{5 * ms, 20 * ms}, []int{1500}, 0},
		{"jumbo", "a data centre with large frames", [2]time.Duration{150 * us, 600 * us}, [2]time.Duration{10 * us, 40 * us}, [2]float64{}, 0,
			[2]float64{900 * mbits, 1000 * mbits}, [2]float64{900 * mbits, 1000 * mbits}, [2]time.Duration{2 * ms, 10 * ms}, []int{9000}, 0},
		{"campus", "several buildings", [2]time.Duration{900 * us, 6 * ms}, [2]time.Duration{50 * us, 400 * us}, [2]float64{0, .0002}, 0,
			[2]float64{200 * mbits, 1000 * mbits}, [2]float64{200 * mbits, 1000 * mbits}, [2]time.Duration{5 * ms, 40 * ms}, []int{1500}, .1},
		{"wifi", "a radio network in an office", [2]time.Duration{2 * ms, 18 * ms}, [2]time.Duration{500 * us, 4 * ms}, [2]float64{0, .004}, .0005,
			[2]float64{15 * mbits, 150 * mbits}, [2]float64{20 * mbits, 200 * mbits}, [2]time.Duration{30 * ms, 150 * ms}, []int{1500}, .3},
		{"fibre", "a fast access line", [2]time.Duration{4 * ms, 25 * ms}, [2]time.Duration{50 * us, 800 * us}, [2]float64{0, .0003}, 0,
			[2]float64{50 * mbits, 500 * mbits}, [2]float64{100 * mbits, 900 * mbits}, [2]time.Duration{10 * ms, 60 * ms}, []int{1500}, .6},
		{"dsl", "a slow access line, often with PPPoE", [2]time.Duration{16 * ms, 55 * ms}, [2]time.Duration{300 * us, 3 * ms}, [2]float64{0, .001}, 0,
			[2]float64{1 * mbits, 12 * mbits}, [2]float64{8 * mbits, 60 * mbits}, [2]time.Duration{60 * ms, 300 * ms}, []int{1492, 1492, 1500, 1454}, .8},
		{"cable", "a shared access line", [2]time.Duration{12 * ms, 45 * ms}, [2]time.Duration{800 * us, 5 * ms}, [2]float64{0, .001}, 0,
			[2]float64{5 * mbits, 40 * mbits}, [2]float64{50 * mbits, 400 * mbits}, [2]time.Duration{80 * ms, 250 * ms}, []int{1500}, .8},
		{"mobile", "a 4G or 5G network", [2]time.Duration{25 * ms, 95 * ms}, [2]time.Duration{3 * ms, 14 * ms}, [2]float64{0, .003}, .001,
			[2]float64{3 * mbits, 30 * mbits}, [2]float64{8 * mbits, 120 * mbits}, [2]time.Duration{100 * ms, 500 * ms}, []int{1500, 1428, 1420, 1358}, 1},
		{"continent", "between cities", [2]time.Duration{25 * ms, 80 * ms}, [2]time.Duration{100 * us, 1500 * us}, [2]float64{0, .0005}, .0002,
			[2]float64{50 * mbits, 500 * mbits}, [2]float64{50 * mbits, 500 * mbits}, [2]time.Duration{20 * ms, 80 * ms}, []int{1500}, .4},
		{"ocean", "between continents", [2]time.Duration{85 * ms, 220 * ms}, [2]time.Duration{200 * us, 4 * ms}, [2]float64{0, .002}, .0005,
			[2]float64{20 * mbits, 300 * mbits}, [2]float64{20 * mbits, 300 * mbits}, [2]time.Duration{30 * ms, 150 * ms}, []int{1500}, .5},
		{"vpn", "an outer tunnel takes its share of each packet", [2]time.Duration{15 * ms, 90 * ms}, [2]time.Duration{300 * us, 4 * ms}, [2]float64{0, .001}, .0002,
			[2]float64{5 * mbits, 80 * mbits}, [2]float64{10 * mbits, 100 * mbits}, [2]time.Duration{50 * ms, 200 * ms}, []int{1420, 1400, 1380, 1280}, .3},
		{"lossy", "a bad line", [2]time.Duration{20 * ms, 160 * ms}, [2]time.Duration{2 * ms, 10 * ms}, [2]float64{.004, .025}, .003,
			[2]float64{2 * mbits, 20 * mbits}, [2]float64{4 * mbits, 40 * mbits}, [2]time.Duration{50 * ms, 400 * ms}, []int{1500, 1460, 1280}, .5},
		{"satellite", "by a geostationary satellite", [2]time.Duration{540 * ms, 650 * ms}, [2]time.Duration{2 * ms, 12 * ms}, [2]float64{0, .003}, 0,
			[2]float64{1 * mbits, 6 * mbits}, [2]float64{8 * mbits, 40 * mbits}, [2]time.Duration{200 * ms, 600 * ms}, []int{1500, 1400}, .8},
	}
}

func profileNamed(name string) (Profile, error) {
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
	}
	return Profile{}, fmt.Errorf("there is no network profile %q", name)
}

// between draws evenly by order of magnitude.
func between(b [2]float64, rng *rand.Rand) float64 {
	if b[0] <= 0 {
		return b[1] * rng.Float64()
	}
	return b[0] * math.Pow(b[1]/b[0], rng.Float64())
}

func span(b [2]time.Duration, rng *rand.Rand) time.Duration {
	return time.Duration(between([2]float64{float64(b[0]), float64(b[1])}, rng))
}

// draw makes a network of the kind: both directions and what is written of
// them. nat says whether there may be one.
func (p Profile) draw(rng *rand.Rand, nat bool) (out, in *link, truth label.Profile) {
	rtt, jitter, loss := span(p.RTT, rng), span(p.Jitter, rng), between(p.Loss, rng)
	jitter = min(jitter, rtt/2/6) // more would be cut by link.deviation, and the mean delay not be the delay
	if p.Loss[0] == 0 && rng.IntN(2) == 0 {
		loss = 0
	}
	reorder := p.Reorder * rng.Float64()
	queue := span(p.Queue, rng)
	direction := func(rate float64) *link {
		// A queue of fewer packets than that hardly lets TCP start.
		bytes := max(int(rate/8*queue.Seconds()), 20*9100)
		return &link{
			delay: rtt / 2, jitter: jitter, loss: loss, reorder: reorder, rate: rate, queue: bytes,
			rng: rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())),
		}
	}
	out, in = direction(between(p.Out, rng)), direction(between(p.In, rng))
	truth = label.Profile{
		Name: p.Name, RTT: label.Seconds(rtt.Seconds()), Jitter: label.Seconds(jitter.Seconds()), Loss: loss, Reorder: reorder,
		Rate: math.Round(min(out.rate, in.rate)), Queue: min(out.queue, in.queue),
		MTU: p.MTU[rng.IntN(len(p.MTU))], NAT: rng.Float64() < p.NAT && nat,
	}
	return out, in, truth
}
