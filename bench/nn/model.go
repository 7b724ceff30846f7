package main

import (
	"fmt"
	"math/rand/v2"

	"tyto/nn"
)

// Shapes of model S: messages of 24 features, 64 channels, 8 residual blocks,
// three heads a message and four a session.
const (
	messages = 512
	features = 24
	channels = 64
	blocks   = 8
	heads    = 4

	states    = 14
	controls  = 4
	labels    = 32
	protocols = 12
	layers    = 3
)

// model is model S.
type model struct {
	params                                       *nn.Params
	stem                                         *nn.Conv
	block                                        [blocks]block
	state, boundary, control                     *nn.Linear // of each message
	scores, embedding, label, protocol, layering *nn.Linear // of the session
}

type block struct {
	dilated, point *nn.Conv
	norm           *nn.BatchNorm
}

func newModel(seed uint64) *model {
	r := rand.New(rand.NewPCG(seed, 0))
	ps := new(nn.Params)
	linear := func(name string, in, out int) *nn.Linear { return nn.NewLinear(ps, name, in, out, r) }
	m := &model{params: ps, stem: nn.NewConv(ps, "stem", nn.Shape{In: features, Out: channels, Taps: 5, Dilation: 1}, r)}
	for i := range m.block {
		name := fmt.Sprintf("block%d", i)
		m.block[i] = block{
			dilated: nn.NewConv(ps, name+".dilated", nn.Shape{In: channels, Out: channels, Taps: 3, Dilation: 1 << i}, r),
			norm:    nn.NewBatchNorm(ps, name+".norm", channels),
			point:   nn.NewConv(ps, name+".point", nn.Shape{In: channels, Out: channels, Taps: 1, Dilation: 1}, r),
		}
	}
	m.state, m.boundary, m.control = linear("state", channels, states), linear("boundary", channels, 1), linear("control", channels, controls)
	m.scores, m.embedding = linear("scores", channels, heads), linear("embedding", channels, channels)
	m.label, m.protocol, m.layering = linear("label", channels, labels), linear("protocol", channels, protocols), linear("layering", channels, layers)
	return m
}

// batch is a batch of sessions with what there is to learn of them.
type batch struct {
	sessions           int
	x                  []float32 // sessions x messages x features
	state, control     []int32   // of each message
	boundary           []float32
	label              []float32 // sessions x labels
	protocol, layering []int32   // of each session
	starts             []int     // of one shard
}

func newBatch(sessions, shards int) *batch {
	r := rand.New(rand.NewPCG(1, 2))
	b := &batch{sessions: sessions}
	for range sessions * messages * features {
		b.x = append(b.x, float32(r.NormFloat64()))
	}
	for range sessions * messages {
		b.state, b.control = append(b.state, r.Int32N(states)), append(b.control, r.Int32N(controls))
		b.boundary = append(b.boundary, float32(r.IntN(2)))
	}
	for range sessions {
		b.protocol, b.layering = append(b.protocol, r.Int32N(protocols)), append(b.layering, r.Int32N(layers))
		for range labels {
			b.label = append(b.label, float32(r.IntN(2)))
		}
	}
	for s := range sessions/shards + 1 {
		b.starts = append(b.starts, s*messages)
	}
	return b
}

// forward runs the sessions from to to through the network and its losses.
func (m *model) forward(t *nn.Tape, b *batch, from, to int) {
	h := m.stem.Forward(t, t.Input(b.x[from*messages*features:to*messages*features], features, b.starts)) // rows x 64
	for i := range m.block {
		k := &m.block[i]
		h = t.Add(h, k.point.Forward(t, k.norm.ForwardReLU(t, k.dilated.Forward(t, h)))) // rows x 64
	}
	byMessage := nn.Loss{Scale: 1 / float64(b.sessions*messages)}
	rows := func(v []int32) []int32 { return v[from*messages : to*messages] }
	t.CrossEntropy(m.state.Forward(t, h), rows(b.state), byMessage)
	t.CrossEntropy(m.control.Forward(t, h), rows(b.control), byMessage)
	t.BinaryCrossEntropy(m.boundary.Forward(t, h), b.boundary[from*messages:to*messages], byMessage)

	e := m.embedding.Forward(t, t.AttentionPool(h, m.scores.Forward(t, h))) // sessions x 64
	bySession := nn.Loss{Scale: 1 / float64(b.sessions)}
	t.CrossEntropy(m.protocol.Forward(t, e), b.protocol[from:to], bySession)
	t.CrossEntropy(m.layering.Forward(t, e), b.layering[from:to], bySession)
	t.BinaryCrossEntropy(m.label.Forward(t, e), b.label[from*labels:to*labels], nn.Loss{Scale: 1 / float64(b.sessions*labels)})
}

// fused is model S for inference.
type fused struct {
	stem      *nn.Fused
	block     [blocks][2]*nn.Fused
	byMessage [4]*nn.Fused // states, boundary, control, scores
	embedding *nn.Fused
	bySession [3]*nn.Fused // labels, protocol, layering
}

func (m *model) fuse() *fused {
	f := &fused{stem: nn.FuseConv(m.stem, nil, false), embedding: nn.FuseLinear(m.embedding, false)}
	for i, k := range m.block {
		f.block[i] = [2]*nn.Fused{nn.FuseConv(k.dilated, k.norm, true), nn.FuseConv(k.point, nil, false)}
	}
	for i, l := range []*nn.Linear{m.state, m.boundary, m.control, m.scores} {
		f.byMessage[i] = nn.FuseLinear(l, false)
	}
	for i, l := range []*nn.Linear{m.label, m.protocol, m.layering} {
		f.bySession[i] = nn.FuseLinear(l, false)
	}
	return f
}

// scratch is one worker's memory for inference.
type scratch struct {
	x, h, z, weights  []float32
	byMessage         [4][]float32
	pooled, embedding []float32
	bySession         [3][]float32
}

func newScratch() *scratch {
	rows := func(n, columns int) []float32 { return make([]float32, n*nn.Stride(columns)) }
	return &scratch{
		x: rows(messages, features), h: rows(messages, channels), z: rows(messages, channels), weights: make([]float32, messages),
		byMessage: [4][]float32{rows(messages, states), rows(messages, 1), rows(messages, controls), rows(messages, heads)},
		pooled:    rows(1, channels), embedding: rows(1, channels),
		bySession: [3][]float32{rows(1, labels), rows(1, protocols), rows(1, layers)},
	}
}

// run computes all heads' logits of one session.
func (f *fused) run(s *scratch, x []float32) {
	stride := nn.Stride(features)
	for i := range messages {
		copy(s.x[i*stride:], x[i*features:][:features])
	}
	f.stem.Run(s.x, s.h, messages)
	for _, k := range f.block {
		k[0].Run(s.h, s.z, messages)
		k[1].RunAdd(s.z, s.h, messages)
	}
	for i, l := range f.byMessage {
		l.Run(s.h, s.byMessage[i], messages)
	}
	nn.FusedPool{Columns: channels, Heads: heads}.Run(s.h, s.byMessage[3], s.weights, s.pooled, messages)
	f.embedding.Run(s.pooled, s.embedding, 1)
	for i, l := range f.bySession {
		l.Run(s.embedding, s.bySession[i], 1)
	}
}
