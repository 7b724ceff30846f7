package edge

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"sync"

	"tyto/nn"
)

const (
	hiddenWide  = 48
	hiddenSmall = 24
)

// network has three layers.
type network struct {
	params           nn.Params
	first, next, out *nn.Linear
}

func newNetwork(seed uint64) *network {
	n, r := new(network), rand.New(rand.NewPCG(seed, 0x65646765))
	n.first = nn.NewLinear(&n.params, "first", Width, hiddenWide, r)
	n.next = nn.NewLinear(&n.params, "next", hiddenWide, hiddenSmall, r)
	n.out = nn.NewLinear(&n.params, "out", hiddenSmall, 1, r)
	return n
}

// forward returns the logit that an edge is drawn at random.
func (n *network) forward(t *nn.Tape, x *nn.Tensor) *nn.Tensor {
	h := t.ReLU(n.first.Forward(t, x)) // rows x 48
	h = t.ReLU(n.next.Forward(t, h))   // rows x 24
	return n.out.Forward(t, h)         // rows x 1
}

// Model weighs edges. It may be shared; a Scorer may not.
type Model struct {
	n                *network
	first, next, out *nn.Fused
}

func (n *network) model() *Model {
	return &Model{n, nn.FuseLinear(n.first, true), nn.FuseLinear(n.next, true), nn.FuseLinear(n.out, false)}
}

//go:embed weights/edge.model
var shipped []byte

// Shipped returns the model that is in the program.
var Shipped = sync.OnceValues(func() (*Model, error) { return Decode(shipped) })

// Decode reads a model as Encode writes it.
func Decode(b []byte) (*Model, error) {
	n := newNetwork(0)
	if err := n.params.Load(b); err != nil {
		return nil, fmt.Errorf("edge model: %w", err)
	}
	return n.model(), nil
}

// Encode writes the model.
func (m *Model) Encode() []byte { return m.n.params.Save() }

// Scorer weighs edges with a model. It is for one goroutine.
type Scorer struct {
	m       *Model
	x       []float32
	a, b, c []float32
}

// NewScorer returns a scorer.
func (m *Model) NewScorer() *Scorer {
	return &Scorer{m: m, x: make([]float32, nn.Stride(Width)), a: make([]float32, nn.Stride(hiddenWide)), b: make([]float32, nn.Stride(hiddenSmall)), c: make([]float32, nn.Stride(1))}
}

// LLR returns how much likelier an edge with these features is at random than by
// habit, in nats.
func (s *Scorer) LLR(features []float32) float64 {
	copy(s.x, features)
	s.m.first.Run(s.x, s.a, 1)
	s.m.next.Run(s.a, s.b, 1)
	s.m.out.Run(s.b, s.c, 1)
	return float64(s.c[0])
}
