package dga

import (
	"math/rand/v2"

	"tyto/nn"
)

// Characters of names: letters, digits, hyphen, and one for all others.
const (
	others     = 37
	characters = 38
	embedded   = 16
	width      = 48
	figures    = 3 // of a whole label
	// MaxLabel is how long a label can be (RFC 1035, 2.3.4).
	MaxLabel = 63
)

// Network tells generated names from people's by their characters: an embedding,
// convolutions over the label, and attention that pools them.
type Network struct {
	Params      *nn.Params
	table       *nn.Param
	convs       [3]*nn.Conv
	scores      *nn.Linear
	hidden, out *nn.Linear
}

// NewNetwork makes a network with weights drawn by the seed.
func NewNetwork(seed uint64) *Network {
	r := rand.New(rand.NewPCG(seed, 0x646761))
	n := &Network{Params: new(nn.Params)}
	n.table = n.Params.New("characters", characters, embedded)
	n.table.Normal(r, 0.5)
	in := embedded
	for i, name := range []string{"conv0", "conv1", "conv2"} {
		n.convs[i] = nn.NewConv(n.Params, name, nn.Shape{In: in, Out: width, Taps: 3, Dilation: 1 << i}, r)
		in = width
	}
	n.scores = nn.NewLinear(n.Params, "scores", width, 2, r)
	n.hidden = nn.NewLinear(n.Params, "hidden", 2*width+figures, width, r)
	n.out = nn.NewLinear(n.Params, "out", width, 1, r)
	return n
}

// Batch is labels for a network.
type Batch struct {
	indices []int32
	starts  []int
	figures []float32
}

// Reset removes the labels.
func (b *Batch) Reset() {
	b.indices, b.starts, b.figures = b.indices[:0], append(b.starts[:0], 0), b.figures[:0]
}

// Add adds a label, of which the first MaxLabel characters count. It must not be
// empty.
func (b *Batch) Add(label string) {
	if len(b.starts) == 0 {
		b.Reset()
	}
	label = label[:min(len(label), MaxLabel)]
	digits := 0
	for i := range len(label) {
		c := character(label[i])
		if c >= 26 && c < 36 {
			digits++
		}
		b.indices = append(b.indices, c)
	}
	b.starts = append(b.starts, len(b.indices))
	n := float32(len(label))
	b.figures = append(b.figures, n/16, n*n/512, float32(digits)/n)
}

func character(c byte) int32 {
	switch {
	case c >= 'a' && c <= 'z':
		return int32(c - 'a')
	case c >= 'A' && c <= 'Z':
		return int32(c - 'A')
	case c >= '0' && c <= '9':
		return int32(c-'0') + 26
	case c == '-':
		return 36
	}
	return others
}

// Forward returns the log-odds that each label is generated, if as many are as are
// not: labels x 1.
func (n *Network) Forward(t *nn.Tape, b *Batch) *nn.Tensor {
	h := t.Embed(n.table, b.indices, b.starts) // characters x embedded
	for i, c := range n.convs {
		next := t.ReLU(c.Forward(t, h)) // characters x width
		if i > 0 {
			next = t.Add(next, h)
		}
		h = next
	}
	pooled := t.Concat(t.AttentionPool(h, n.scores.Forward(t, h)), t.MeanPool(h)) // labels x 2*width
	x := t.Concat(pooled, t.Input(b.figures, figures, nil))
	return n.out.Forward(t, t.Dropout(t.ReLU(n.hidden.Forward(t, x)), 0.15)) // labels x 1
}
