package beacon

import (
	"math"
	"math/rand/v2"

	"tyto/nn"
)

// Who keeps a rhythm, as a network tells by its shape alone.
const (
	Person     = iota // somebody at work
	Automation        // a program of everyday use
	CheckIn           // a program that asks for work as implants do
	Makers
)

// Numbers of a contact and of a rhythm that a network is given.
const (
	channels = 7
	// Window is how many contacts a network is given: the latest.
	Window   = 64
	features = 25
)

// Parts says what a network has: for ablation.
type Parts struct {
	Contacts int // width of a convolution over contacts; 0 is none
	Hidden   int // width of a layer between what was measured and the result; 0 is none
}

// Network tells who keeps a rhythm. It hears gaps and sizes, and what was
// measured of the series; it knows no addresses, names, ports or times of day
// other than the second of the minute.
type Network struct {
	Params *nn.Params
	parts  Parts

	stem, middle, top *nn.Conv
	hidden, out       *nn.Linear
}

// NewNetwork makes a network with weights drawn by the seed.
func NewNetwork(p Parts, seed uint64) *Network {
	r := rand.New(rand.NewPCG(seed, 0x62656163))
	n := &Network{Params: new(nn.Params), parts: p}
	in := features
	if c := p.Contacts; c > 0 {
		n.stem = nn.NewConv(n.Params, "stem", nn.Shape{In: channels, Out: c, Taps: 3, Dilation: 1}, r)
		n.middle = nn.NewConv(n.Params, "middle", nn.Shape{In: c, Out: c, Taps: 3, Dilation: 2}, r)
		n.top = nn.NewConv(n.Params, "top", nn.Shape{In: c, Out: c, Taps: 3, Dilation: 4}, r)
		in += c
	}
	if p.Hidden > 0 {
		n.hidden = nn.NewLinear(n.Params, "hidden", in, p.Hidden, r)
		in = p.Hidden
	}
	n.out = nn.NewLinear(n.Params, "out", in, Makers, r)
	return n
}

// Batch is series for a network.
type Batch struct {
	contacts []float32
	starts   []int
	measured []float32
}

// Len returns how many series there are.
func (b *Batch) Len() int { return len(b.measured) / features }

// Reset removes the series.
func (b *Batch) Reset() {
	b.contacts, b.starts, b.measured = b.contacts[:0], append(b.starts[:0], 0), b.measured[:0]
}

// Add adds a series that r was measured of.
func (b *Batch) Add(s *Series, r *Rhythm) {
	if len(b.starts) == 0 {
		b.Reset()
	}
	events := s.contacts()
	events = events[max(len(events)-Window, 0):]
	for i, e := range events {
		gap := r.Period
		if i > 0 {
			gap = float64(e.At-events[i-1].At)/1e9 + 0.01
		}
		row := [channels]float32{logarithm(gap, 10), logarithm(gap/r.Period, 3)}
		if !r.Unsized {
			row = [channels]float32{row[0], row[1], logarithm(float64(e.Up)+1, 12), logarithm((float64(e.Up)+1)/(r.Up+1), 3),
				logarithm(float64(e.Down)+1, 12), logarithm((float64(e.Down)+1)/(r.Down+1), 3), 1}
		}
		b.contacts = append(b.contacts, row[:]...)
	}
	b.starts = append(b.starts, len(b.contacts)/channels)
	f := r.Features()
	b.measured = append(b.measured, f[:]...)
}

func byTime(a, b Event) int { return int(min(max(a.At-b.At, -1), 1)) }

// logarithm returns ln(v)/scale between -2 and 2.
func logarithm(v, scale float64) float32 {
	return float32(math.Max(-2, math.Min(2, math.Log(math.Max(v, 1e-9))/scale)))
}

// Features returns what was measured as numbers of about one.
func (r *Rhythm) Features() [features]float32 {
	n := float64(r.N)
	f := [features]float32{
		logarithm(r.Period, 10), float32(min(r.Spread, 2)), float32(min(r.CV, 3)), float32(r.Steady), float32(r.Skew),
		float32(min(r.Kurtosis, 12) / 6), logarithm(r.High, 2), logarithm(r.Low, 2), logarithm(r.Longest, 5), float32(r.OnClock * r.OnClock),
		float32(r.Doubled), float32(-math.Log10(math.Max(r.FAP, 1e-6)) / 6), float32(r.Memory),
		float32(min(r.UpSpread, 2)), float32(min(r.DownSpread, 2)),
	}
	if r.Unsized {
		f[15] = 1
		return f
	}
	f[16], f[17], f[18] = logarithm(r.Up+1, 12), logarithm(r.Down+1, 12), logarithm((r.Up+1)/(r.Down+1), 3)
	f[19], f[20] = float32(r.SameUp), float32(r.SameDown)
	f[21], f[22] = float32(float64(r.Tasked)/n), float32(float64(r.Worked)/n)
	f[23], f[24] = logarithm(r.UpSpread+0.001, 4), logarithm(r.DownSpread+0.001, 4)
	return f
}

// Forward applies the network to a batch: a row of Makers logits for each series.
func (n *Network) Forward(t *nn.Tape, b *Batch) *nn.Tensor {
	x := t.Input(b.measured, features, nil) // series x features
	if n.stem != nil {
		h := t.ReLU(n.stem.Forward(t, t.Input(b.contacts, channels, b.starts))) // contacts x c
		h = t.Add(h, t.ReLU(n.middle.Forward(t, h)))
		h = t.Add(h, t.ReLU(n.top.Forward(t, h)))
		x = t.Concat(x, t.MeanPool(h)) // series x features+c
	}
	if n.hidden != nil {
		x = t.Dropout(t.ReLU(n.hidden.Forward(t, x)), 0.1)
	}
	return n.out.Forward(t, x) // series x Makers
}
