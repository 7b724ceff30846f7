package edge

import (
	"math/rand/v2"

	"tyto/nn"
	"tyto/packet"
)

// Samples are edges to train on: rows of features and what they are.
type Samples struct {
	Features []float32 // Width in a row
	Random   []float32 // 1 of an edge that was drawn at random
}

// Sampler makes samples of a network's events.
type Sampler struct {
	Table   Table
	Samples Samples
	// From is the time until which events are only learned from, in ns.
	From int64
	// Keep is the share of edges seen before that become samples: they are many, and
	// of those counting says enough.
	Keep    float64
	rand    *rand.Rand
	all     []packet.Addr
	serving [services][]packet.Addr
	known   map[packet.Addr][services]bool
}

// NewSampler returns a sampler that draws with a seed.
func NewSampler(seed uint64) *Sampler {
	return &Sampler{Keep: 0.05, rand: rand.New(rand.NewPCG(seed, 0x73616d70)), known: make(map[packet.Addr][services]bool)}
}

// maxSamples bounds a sampler.
const maxSamples = 400_000

// Event makes samples of an event and notes it. For each edge that was used there
// is one of the same service and time to another machine (one that serves it, or
// any) or from another.
func (s *Sampler) Event(e Event) {
	defer s.note(e)
	if e.At < s.From || len(s.all) < 10 || len(s.Samples.Random) >= maxSamples {
		return
	}
	_, known := s.Table.edges[pair{e.From, e.To, e.Service}]
	if known && s.rand.Float64() >= s.Keep {
		return
	}
	s.add(e, 0)
	other := e
	pool := s.all
	if servers := s.serving[e.Service]; len(servers) > 3 && s.rand.IntN(3) == 0 {
		pool = servers
	}
	if s.rand.IntN(3) == 0 {
		other.From = s.all[s.rand.IntN(len(s.all))]
	} else {
		other.To = pool[s.rand.IntN(len(pool))]
	}
	if (other.To != e.To || other.From != e.From) && other.To != other.From {
		s.add(other, 1)
	}
}

func (s *Sampler) add(e Event, random float32) {
	s.Samples.Features, _ = s.Table.Measure(e, s.Samples.Features)
	s.Samples.Random = append(s.Samples.Random, random)
}

// Neighbourhood reports whether a feature is of what the two ends do with others.
func Neighbourhood(i int) bool {
	return i < 4*int(services) || i >= 5*int(services)+5 && i <= 5*int(services)+9
}

// OwnCount reports whether a feature is how often the edge itself was used.
func OwnCount(i int) bool { return i >= 5*int(services) && i < 5*int(services)+5 }

// Time reports whether a feature is of time.
func Time(i int) bool { return i >= 5*int(services)+11 }

// Ignored reports whether a feature is left out of the model in the program: how
// often the edge itself was used drowns all else where it was not, and hours are
// the same for edges drawn at random (docs/eval/enterprise.md has both).
func Ignored(i int) bool { return OwnCount(i) || Time(i) }

func (s *Sampler) note(e Event) {
	s.Table.Use(e)
	for _, a := range [2]packet.Addr{e.From, e.To} {
		if _, ok := s.known[a]; !ok {
			s.known[a] = [services]bool{}
			s.all = append(s.all, a)
		}
	}
	if k := s.known[e.To]; !k[e.Service] {
		k[e.Service] = true
		s.known[e.To] = k
		s.serving[e.Service] = append(s.serving[e.Service], e.To)
	}
}

// Training are the options of Train.
type Training struct {
	Steps int // of 512 samples
	Rate  float64
	Seed  uint64
	// Without are features that are left out; nil is none.
	Without func(i int) bool
}

// Train trains a model: with the same samples and options always the same.
func Train(v *Samples, o Training) *Model {
	n := newNetwork(o.Seed)
	tr := nn.NewTrainer(&n.params, 1)
	tr.Clip = 1
	r := rand.New(rand.NewPCG(o.Seed, 0x747261696e))
	const batch = 512
	x, y := make([]float32, batch*Width), make([]float32, batch)
	rate := nn.Cosine{Peak: o.Rate, Warmup: o.Steps / 20, Total: o.Steps}
	for step := range o.Steps {
		for i := range batch {
			k := r.IntN(len(v.Random))
			copy(x[i*Width:], v.Features[k*Width:(k+1)*Width])
			for j := range Width {
				if o.Without != nil && o.Without(j) {
					x[i*Width+j] = 0
				}
			}
			y[i] = v.Random[k]
		}
		tr.Step(rate.At(step), func(_ int, t *nn.Tape) {
			t.BinaryCrossEntropy(n.forward(t, t.Input(x, Width, nil)), y, nn.Loss{})
		})
	}
	for j := range Width {
		if o.Without != nil && o.Without(j) {
			clear(n.first.W.Row(j)) // never trained
		}
	}
	return n.model()
}
