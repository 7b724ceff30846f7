package lab

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"tyto/lab/label"
)

func testLink(l link) *link {
	l.rng = rand.New(rand.NewPCG(1, 2))
	return &l
}

// TestProfiles sends packets through links of every profile, far enough apart
// that they do not wait, and compares delay, its deviation, loss and reordering
// with what the truth says, within five standard errors.
func TestProfiles(t *testing.T) {
	const n, pause = 20000, label.Time(250 * time.Millisecond) // more than wanderTime: deviations are nearly independent
	for _, p := range Profiles() {
		for seed := range uint64(3) {
			rng := seeded(seed, p.Name)
			out, in, truth := p.draw(rng, true)
			checkBounds(t, p, out, in, truth)
			for _, l := range []*link{out, in} {
				var lost, overtaken float64
				var sum, squares float64
				for i := range n {
					now := label.Time(1e18) + label.Time(i)*pause
					x := l.send(now, 100)
					if x.dropped {
						t.Fatalf("%s: a packet alone is dropped", p.Name)
					}
					if x.lost {
						lost++
						continue
					}
					d := float64(x.arrived-x.sent) / 1e9
					if extra := float64(l.delay/8+time.Millisecond) / 1e9; l.reorder > 0 && d > l.delay.Seconds()+extra-4*l.jitter.Seconds() && d > l.delay.Seconds()+extra/2 {
						overtaken++
					}
					sum += d
					squares += d * d
				}
				got := n - lost
				mean := sum / got
				sd := math.Sqrt(squares/got - mean*mean)
				if want := truth.Loss * n; math.Abs(lost-want) > 5*math.Sqrt(want)+1 {
					t.Errorf("%s: %v of %d packets lost, want %.0f", p.Name, lost, n, want)
				}
				// Overtaken packets come later by delay/8 + 1 ms.
				late := truth.Reorder * (l.delay.Seconds()/8 + .001)
				if want := truth.RTT.Duration().Seconds()/2 + late; math.Abs(mean-want) > 5*sd/math.Sqrt(got)+1e-6 {
					t.Errorf("%s: delay %.6f s, want %.6f", p.Name, mean, want)
				}
				if want := truth.Jitter.Duration().Seconds(); truth.Reorder == 0 && math.Abs(sd-want) > .05*want {
					t.Errorf("%s: jitter %.6f s, want %.6f", p.Name, sd, want)
				}
				if want := truth.Reorder * n; truth.Reorder > 0 && truth.Jitter.Duration() < l.delay/40 && math.Abs(overtaken-want) > 5*math.Sqrt(want)+1 {
					t.Errorf("%s: %v of %d packets late by themselves, want %.0f", p.Name, overtaken, n, want)
				}
			}
		}
	}
}

func checkBounds(t *testing.T, p Profile, out, in *link, truth label.Profile) {
	t.Helper()
	within := func(what string, got, low, high float64) {
		t.Helper()
		if got < low*(1-1e-9) || got > high*(1+1e-9) {
			t.Errorf("%s: %s %v, want %v to %v", p.Name, what, got, low, high)
		}
	}
	within("RTT", float64(truth.RTT), p.RTT[0].Seconds(), p.RTT[1].Seconds())
	most := float64(truth.RTT) / 12
	within("jitter", float64(truth.Jitter), min(p.Jitter[0].Seconds(), most-1e-9), min(p.Jitter[1].Seconds(), most))
	within("loss", truth.Loss, p.Loss[0], p.Loss[1])
	within("rate out", out.rate, p.Out[0], p.Out[1])
	within("rate in", in.rate, p.In[0], p.In[1])
	if truth.NAT && p.NAT == 0 {
		t.Errorf("%s: NAT", p.Name)
	}
}

// TestRate sends as much as fits into the queue at once: the rate and the queue
// decide what arrives when.
func TestRate(t *testing.T) {
	l := testLink(link{delay: 10 * time.Millisecond, rate: 8e6, queue: 50_000})
	var arrived []label.Time
	dropped := 0
	for range 100 {
		if x := l.send(1e9, 1000); x.dropped {
			dropped++
		} else {
			arrived = append(arrived, x.arrived)
		}
	}
	if len(arrived) != 50 || dropped != 50 {
		t.Errorf("%d packets passed, %d were dropped, want 50 and 50", len(arrived), dropped)
	}
	for i, a := range arrived {
		// 1000 bytes take a millisecond.
		if want := label.Time(1e9) + label.Time(i+1)*1e6 + 10e6; a != want {
			t.Errorf("packet %d arrives at %d, want %d", i, a, want)
		}
	}
}

// TestOrder wants jitter to overtake nobody, and reordering to do so.
func TestOrder(t *testing.T) {
	for _, reorder := range []float64{0, .01} {
		l := testLink(link{delay: 20 * time.Millisecond, jitter: 5 * time.Millisecond, reorder: reorder})
		last, overtaken := label.Time(0), 0
		for i := range label.Time(20000) {
			x := l.send(1e9+i*1e6, 100)
			if x.arrived < last {
				overtaken++
			}
			if d := x.arrived - x.sent; d < 10e6 {
				t.Fatalf("a packet takes %d ns, less than half of the delay", d)
			}
			last = x.arrived
		}
		if (overtaken > 0) != (reorder > 0) || overtaken > 400 {
			t.Errorf("with reordering of %v %d packets were overtaken", reorder, overtaken)
		}
	}
}

func TestSameLink(t *testing.T) {
	run := func() (all []transit) {
		out, _, _ := Profiles()[7].draw(seeded(3, "x"), true)
		for i := range label.Time(1000) {
			all = append(all, out.send(1e18+i*3e6, 1000))
		}
		return all
	}
	a, b := run(), run()
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("packet %d: %+v, then %+v", i, a[i], b[i])
		}
	}
}

func TestLateness(t *testing.T) {
	var l lateness
	if got := l.result(); got != (label.Lateness{}) {
		t.Errorf("of nothing: %+v", got)
	}
	for i := range 1000 {
		l.add(time.Duration(i) * time.Microsecond)
	}
	if got := l.result(); got.P50 != .000499 || got.P99 != .000989 || got.Max != .000999 {
		t.Errorf("got %+v", got)
	}
	// More than are kept: quantiles stay, the largest is never lost.
	l = lateness{}
	const n = 5 * maxSamples
	for i := range n {
		l.add(time.Duration(i*7919%n) * time.Microsecond)
	}
	l.add(time.Minute)
	got := l.result()
	if math.Abs(float64(got.P50)*1e6/n-.5) > .01 || math.Abs(float64(got.P99)*1e6/n-.99) > .005 || got.Max != 60 || len(l.samples) > maxSamples {
		t.Errorf("got %+v of %d samples", got, len(l.samples))
	}
}
