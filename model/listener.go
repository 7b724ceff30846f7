package model

import (
	"tyto/behavior"
	"tyto/behavior/segment"
	"tyto/nn"
	"tyto/nn/kernel"
	"tyto/sequence"
	"tyto/sequence/feature"
)

const (
	// MaxMessages is how many messages of a session are listened to: its first.
	MaxMessages = 1 << 14
	// chunk is how many messages are computed at once.
	chunk = 1024
)

// fused is a network for inference.
type fused struct {
	shape                               Shape
	stem                                *nn.Fused
	block                               [][2]*nn.Fused
	scores, boundary                    *nn.Fused
	context, stateHidden, stateOut      *nn.Fused
	gru                                 *nn.FusedGRU
	labelHidden, labels, control, layer *nn.Fused
	first, appHidden, app, embedding    *nn.Fused
	features                            *nn.Fused
}

func (n *Network) fuse() *fused {
	linear := func(l *nn.Linear) *nn.Fused { return nn.FuseLinear(l, false) }
	hidden := func(l *nn.Linear) *nn.Fused { return nn.FuseLinear(l, true) }
	f := &fused{
		shape: n.Shape, stem: nn.FuseConv(n.stem, nil, false),
		scores: linear(n.scores), boundary: linear(n.boundary),
		context: hidden(n.context), stateHidden: hidden(n.stateHidden), stateOut: linear(n.stateOut),
		gru:         nn.FuseGRU(n.gru),
		labelHidden: hidden(n.labelHidden), labels: linear(n.labels), control: linear(n.control), layer: linear(n.layers),
		features: nn.FuseConv(n.features, n.featureNorm, true),
		first:    hidden(n.first), appHidden: hidden(n.appHidden), app: linear(n.app), embedding: linear(n.embedding),
	}
	for _, k := range n.block {
		f.block = append(f.block, [2]*nn.Fused{nn.FuseConv(k.dilated, k.norm, true), nn.FuseConv(k.point, nil, false)})
	}
	return f
}

// Logits are what a network says of one session: rows of messages for State and
// Boundary, one row each for the others.
type Logits struct {
	Messages                             int
	State, Boundary                      []float32 // Messages rows
	Labels, Control, Layers, App         []float32
	Trees                                []float32 // of each label: the logit of its trees, 0 without any
	Embedding                            []float32
	stateStride, boundaryStride, classes int
}

// StateRow returns the logits of the states of message i.
func (l *Logits) StateRow(i int) []float32 { return l.State[i*l.stateStride:][:l.classes] }

// BoundaryAt returns the logit that a state begins at message i.
func (l *Logits) BoundaryAt(i int) float32 { return l.Boundary[i*l.boundaryStride] }

// Listener hears sessions with a model. It is for one goroutine; many may share
// the model. Its memory grows to what MaxMessages need and is used again.
type Listener struct {
	m      *Model
	f      *fused
	tokens []sequence.Token
	logits Logits

	x, z                       []float32 // of a chunk and its surroundings
	h                          []float32 // of all messages
	weights                    []float32
	wide                       []float32 // chunk rows of h and context
	hidden                     []float32
	side                       []float32 // small things
	small, both, bytes, padded []float32
	state                      []float32 // of the GRU
	scratch                    []float32
	summary                    []float32
	posterior64, states        []float64
	decoder                    *segment.Decoder
}

// NewListener returns a listener for the model.
func (m *Model) NewListener() *Listener {
	f := m.network()
	s := nn.Stride
	return &Listener{
		m: m, f: f,
		state: make([]float32, s(f.shape.Channels)), scratch: make([]float32, f.gru.Scratch()), summary: make([]float32, s(f.shape.Channels)),
		logits: Logits{classes: len(f.shape.States), stateStride: s(len(f.shape.States)), boundaryStride: s(1)},
	}
}

var _ behavior.Listener = (*Listener)(nil)

// grow returns v with n floats, not cleared.
func grow(v []float32, n int) []float32 {
	if cap(v) < n {
		return make([]float32, n+n/4)[:n]
	}
	return v[:n]
}

// Hear computes the network's logits of a session, whose first MaxMessages
// messages count, and reports whether there was a message. What it returns is
// valid until the next call.
func (l *Listener) Hear(s *sequence.Sequence, first [2][]byte) (*Logits, bool) {
	if len(s.Messages) == 0 {
		return nil, false
	}
	cut := *s
	cut.Messages = cut.Messages[:min(len(cut.Messages), MaxMessages)]
	l.tokens = sequence.AppendTokens(l.tokens[:0], &cut)
	l.convolve()
	l.pool()
	l.session(feature.Session(&cut), first)
	l.messages()
	return &l.logits, true
}

// convolve computes h of all messages, chunk by chunk: each with as many
// messages around it as it depends on.
func (l *Listener) convolve() {
	f, n := l.f, len(l.tokens)
	in, c := nn.Stride(sequence.Width), nn.Stride(f.shape.Channels)
	l.h = grow(l.h, n*c)
	reach := f.shape.reach()
	for from := 0; from < n; from += chunk {
		to := min(from+chunk, n)
		a, b := max(from-reach, 0), min(to+reach, n)
		rows := b - a
		l.x, l.z, l.hidden = grow(l.x, rows*in), grow(l.z, rows*c), grow(l.hidden, rows*c)
		clear(l.x)
		for i := range rows {
			copy(l.x[i*in:], l.tokens[a+i][:])
		}
		f.stem.Run(l.x, l.hidden, rows)
		for _, k := range f.block {
			k[0].Run(l.hidden, l.z, rows)
			k[1].RunAdd(l.z, l.hidden, rows)
		}
		copy(l.h[from*c:to*c], l.hidden[(from-a)*c:(to-a)*c])
	}
}

// pool makes the session's summary of all windows.
func (l *Listener) pool() {
	f, n := l.f, len(l.tokens)
	c, heads := nn.Stride(f.shape.Channels), nn.Stride(f.shape.Heads)
	l.z, l.weights, l.side = grow(l.z, f.shape.Window*heads), grow(l.weights, f.shape.Window), grow(l.side, c)
	clear(l.state)
	clear(l.summary)
	pool, windows := nn.FusedPool{Columns: f.shape.Channels, Heads: f.shape.Heads}, 0
	for from := 0; from < n; from += f.shape.Window {
		rows := min(f.shape.Window, n-from)
		h := l.h[from*c:]
		f.scores.Run(h, l.z, rows)
		pool.Run(h, l.z, l.weights, l.side, rows)
		f.gru.Step(l.side, l.state, l.scratch)
		kernel.Add(l.state, l.summary)
		windows++
	}
	kernel.Scale(1/float32(windows), l.summary)
}

// session computes the heads of the session.
func (l *Listener) session(features []float32, first [2][]byte) {
	f, o, s := l.f, &l.logits, l.f.shape
	row := func(v *[]float32, layer *nn.Fused, x []float32, columns int) []float32 {
		*v = grow(*v, nn.Stride(columns))
		layer.Run(x, *v, 1)
		*v = (*v)[:columns]
		return *v
	}
	both := s.Channels + featureHidden
	l.both = join(l.both, l.summary[:s.Channels], row(&l.small, f.features, l.pad(features), featureHidden))
	l.side = grow(l.side, nn.Stride(both))
	f.labelHidden.Run(l.both, l.side, 1)
	row(&o.Labels, f.labels, l.side, len(s.Labels))
	l.ask(features)
	row(&o.Control, f.control, l.both, len(s.Controls))
	row(&o.Layers, f.layer, l.both, MaxLayers)
	normalize(row(&o.Embedding, f.embedding, l.summary, EmbeddingSize))

	l.bytes = AppendFirst(l.bytes[:0], first)
	l.wide = join(l.wide, l.both[:both], row(&l.small, f.first, l.pad(l.bytes), firstHidden))
	f.appHidden.Run(l.wide, l.side, 1)
	row(&o.App, f.app, l.side, len(s.Apps))
}

// unlikely is the logit of the network below which a label's trees are not asked:
// they say what they say of all sessions.
const unlikely = -6

// ask asks the trees of the labels that the network does not rule out.
func (l *Listener) ask(features []float32) {
	o := &l.logits
	o.Trees = grow(o.Trees, len(o.Labels))
	for i, t := range l.m.trees {
		switch {
		case t == nil:
			o.Trees[i] = 0
		case o.Labels[i] < unlikely:
			o.Trees[i] = t.Start()
		default:
			o.Trees[i] = t.Score(features)
		}
	}
}

// pad returns a row with zeros behind its numbers. It is valid until the next
// call.
func (l *Listener) pad(v []float32) []float32 {
	l.padded = join(l.padded, v, nil)
	return l.padded
}

// join returns a row of the numbers of a and b, in the memory of to.
func join(to, a, b []float32) []float32 {
	to = grow(to, nn.Stride(len(a)+len(b)))
	clear(to)
	copy(to, a)
	copy(to[len(a):], b)
	return to
}

// messages computes the heads of all messages, in the light of the session.
func (l *Listener) messages() {
	f, o, n := l.f, &l.logits, len(l.tokens)
	channels := f.shape.Channels
	c, half, both := nn.Stride(channels), nn.Stride(channels/2), nn.Stride(channels+channels/2)
	o.Messages = n
	o.State, o.Boundary = grow(o.State, n*o.stateStride), grow(o.Boundary, n*o.boundaryStride)
	l.side = grow(l.side, half)
	f.context.Run(l.both, l.side, 1)
	rows := min(n, chunk)
	l.wide, l.hidden = grow(l.wide, rows*both), grow(l.hidden, rows*c)
	clear(l.wide)
	for from := 0; from < n; from += chunk {
		rows := min(chunk, n-from)
		for i := range rows {
			wide := l.wide[i*both:]
			copy(wide[:channels], l.h[(from+i)*c:])
			copy(wide[channels:], l.side[:channels/2])
		}
		f.stateHidden.Run(l.wide, l.hidden, rows)
		f.stateOut.Run(l.hidden, o.State[from*o.stateStride:], rows)
		f.boundary.Run(l.h[from*c:], o.Boundary[from*o.boundaryStride:], rows)
	}
}

func normalize(v []float32) {
	if length := kernel.Dot(v, v); length > 0 {
		kernel.Scale(1/sqrt(length), v)
	}
}
