package model

import (
	"fmt"
	"math/rand/v2"

	"tyto/nn"
	"tyto/sequence"
	"tyto/sequence/feature"
)

const (
	stemTaps  = 5
	blockTaps = 3
	// firstHidden and featureHidden are how wide the codes of the first bytes and of
	// a session's features are.
	firstHidden   = 32
	featureHidden = 64
	dropout       = 0.1
)

// Network is a dilated temporal convolution over messages (van den Oord et al.
// 2016; Bai, Kolter and Koltun 2018) with heads for each message, attention that
// pools windows of messages, and a recurrent layer over windows with heads for
// the session. Its fields are layers; Forward applies them.
type Network struct {
	Shape  Shape
	Params *nn.Params

	stem  *nn.Conv
	block []block
	// of each message
	scores                           *nn.Linear
	stateHidden, stateOut, boundary  *nn.Linear
	context                          *nn.Linear // of the session, for its messages
	gru                              *nn.GRU
	features                         *nn.Conv
	featureNorm                      *nn.BatchNorm
	labelHidden, labels              *nn.Linear
	control, layers                  *nn.Linear
	first, appHidden, app, embedding *nn.Linear
	adversary, adversaryOut          *nn.Linear
}

type block struct {
	dilated, point *nn.Conv
	norm           *nn.BatchNorm
}

// NewNetwork makes a network with weights drawn by the seed. The shape must be
// one that Check has nothing against.
func NewNetwork(s Shape, seed uint64) *Network {
	r := rand.New(rand.NewPCG(seed, 0x7970))
	ps := new(nn.Params)
	c := s.Channels
	linear := func(name string, in, out int) *nn.Linear { return nn.NewLinear(ps, name, in, out, r) }
	conv := func(name string, in, taps, dilation int) *nn.Conv {
		return nn.NewConv(ps, name, nn.Shape{In: in, Out: c, Taps: taps, Dilation: dilation}, r)
	}
	n := &Network{Shape: s, Params: ps, stem: conv("stem", sequence.Width, stemTaps, 1)}
	for i := range s.Blocks {
		name := fmt.Sprintf("block%d", i)
		n.block = append(n.block, block{
			dilated: conv(name+".dilated", c, blockTaps, 1<<i),
			norm:    nn.NewBatchNorm(ps, name+".norm", c),
			point:   conv(name+".point", c, 1, 1),
		})
	}
	n.scores = linear("scores", c, s.Heads)
	n.gru = nn.NewGRU(ps, "gru", c, c, r)
	n.context = linear("context", c+featureHidden, c/2)
	n.stateHidden, n.stateOut = linear("state.hidden", c+c/2, c), linear("state", c, len(s.States))
	n.boundary = linear("boundary", c, 1)
	n.features = nn.NewConv(ps, "features", nn.Shape{In: len(feature.Names), Out: featureHidden, Taps: 1, Dilation: 1}, r)
	n.featureNorm = nn.NewBatchNorm(ps, "features.norm", featureHidden)
	both := c + featureHidden
	n.labelHidden, n.labels = linear("label.hidden", both, both), linear("label", both, len(s.Labels))
	n.control, n.layers = linear("control", both, len(s.Controls)), linear("layers", both, MaxLayers)
	n.first = linear("first", FirstWidth, firstHidden)
	n.appHidden, n.app = linear("app.hidden", both+firstHidden, c), linear("app", c, len(s.Apps))
	n.embedding = linear("embedding", c, EmbeddingSize)
	if s.Profiles > 0 {
		n.adversary, n.adversaryOut = linear("adversary.hidden", c, 32), linear("adversary", 32, s.Profiles)
	}
	return n
}

// Batch is sessions for a network. Rows are messages of all sessions, one after
// the other.
type Batch struct {
	Tokens  []float32 // rows x sequence.Width
	First   []float32 // sessions x FirstWidth
	Hand    []float32 // sessions x features
	Starts  []int     // row of each session's first message, and the number of rows
	windows []int     // row of each window's first message, and the number of rows
	groups  []int     // window of each session's first, and the number of windows
}

// Reset removes the sessions and keeps the memory.
func (b *Batch) Reset() {
	b.Tokens, b.First, b.Hand = b.Tokens[:0], b.First[:0], b.Hand[:0]
	b.Starts, b.windows, b.groups = append(b.Starts[:0], 0), append(b.windows[:0], 0), append(b.groups[:0], 0)
}

// Add adds a session, which must have a message: its tokens, what AppendFirst makes
// of its first bytes, and what feature.Session does of its messages. window is the
// shape's.
func (b *Batch) Add(tokens []sequence.Token, first, features []float32, window int) {
	if len(b.Starts) == 0 {
		b.Reset()
	}
	for i := range tokens {
		b.Tokens = append(b.Tokens, tokens[i][:]...)
	}
	b.First, b.Hand = append(b.First, first...), append(b.Hand, features...)
	row := b.Starts[len(b.Starts)-1]
	end := row + len(tokens)
	for row += window; row < end; row += window {
		b.windows = append(b.windows, row)
	}
	b.windows = append(b.windows, end)
	b.Starts = append(b.Starts, end)
	b.groups = append(b.groups, len(b.windows)-1)
}

// Sessions returns how many sessions the batch holds.
func (b *Batch) Sessions() int { return max(len(b.Starts)-1, 0) }

// Rows returns how many messages the batch holds.
func (b *Batch) Rows() int { return len(b.Tokens) / sequence.Width }

// Output is a network's logits.
type Output struct {
	State     *nn.Tensor // rows x states
	Boundary  *nn.Tensor // rows x 1: that a state begins here
	Labels    *nn.Tensor // sessions x labels, each of its own
	Control   *nn.Tensor // sessions x controls
	Layers    *nn.Tensor // sessions x MaxLayers
	App       *nn.Tensor // sessions x apps
	Embedding *nn.Tensor // sessions x EmbeddingSize, rows of length one
	Profile   *nn.Tensor // sessions x profiles: the adversary's; nil without one
}

// Forward applies the network to a batch. adversity is how strongly the network
// is kept from telling the profile.
func (n *Network) Forward(t *nn.Tape, b *Batch, adversity float32) (o Output) {
	h := n.stem.Forward(t, t.Input(b.Tokens, sequence.Width, b.Starts)) // rows x c
	for i := range n.block {
		k := &n.block[i]
		h = t.Add(h, k.point.Forward(t, k.norm.ForwardReLU(t, k.dilated.Forward(t, h)))) // rows x c
	}
	h.Starts = b.windows
	pooled := t.AttentionPool(h, n.scores.Forward(t, h)) // windows x c
	pooled.Starts = b.groups
	s := t.MeanPool(n.gru.Forward(t, pooled)) // sessions x c
	s = t.Dropout(s, dropout)

	hand := n.features.Forward(t, t.Input(b.Hand, len(feature.Names), nil)) // sessions x featureHidden
	both := t.Concat(s, t.Dropout(n.featureNorm.ForwardReLU(t, hand), dropout))

	context := t.Spread(t.Spread(t.ReLU(n.context.Forward(t, both)), pooled), h) // rows x c/2
	o.State = n.stateOut.Forward(t, t.ReLU(n.stateHidden.Forward(t, t.Concat(h, context))))
	o.Boundary = n.boundary.Forward(t, h)
	o.Embedding = t.Normalize(n.embedding.Forward(t, s))
	o.Labels = n.labels.Forward(t, t.ReLU(n.labelHidden.Forward(t, both)))
	o.Control, o.Layers = n.control.Forward(t, both), n.layers.Forward(t, both)
	first := t.ReLU(n.first.Forward(t, t.Input(b.First, FirstWidth, nil))) // sessions x firstHidden
	o.App = n.app.Forward(t, t.ReLU(n.appHidden.Forward(t, t.Concat(both, first))))
	if n.adversary != nil {
		o.Profile = n.adversaryOut.Forward(t, t.ReLU(n.adversary.Forward(t, t.ReverseGradient(s, adversity))))
	}
	return o
}
