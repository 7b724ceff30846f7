package main

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"tyto/nn"
	"tyto/nn/kernel"
)

// Shapes of the first-pass model, which looks at every session: 2.3 MFLOP.
const (
	firstSessions = 256
	firstMessages = 64
	firstChannels = 32
	firstBlocks   = 5
	firstClasses  = 12
)

// firstPass is the first-pass model and a batch of sessions.
type firstPass struct {
	stem, head *nn.Fused
	block      [firstBlocks]*nn.Fused
	x          []float32
	workers    []*firstScratch
}

// firstScratch is a worker's memory.
type firstScratch struct{ x, h, z, pooled, class []float32 }

func newFirstPass(threads int) *firstPass {
	r := rand.New(rand.NewPCG(3, 3))
	ps := new(nn.Params)
	p := &firstPass{
		stem: nn.FuseLinear(nn.NewLinear(ps, "stem", features, firstChannels, r), false),
		head: nn.FuseLinear(nn.NewLinear(ps, "head", firstChannels, firstClasses, r), false),
	}
	for i := range p.block {
		shape := nn.Shape{In: firstChannels, Out: firstChannels, Taps: 3, Dilation: 1 << i}
		p.block[i] = nn.FuseConv(nn.NewConv(ps, fmt.Sprintf("block%d", i), shape, r), nil, true)
	}
	for range firstSessions * firstMessages * features {
		p.x = append(p.x, float32(r.NormFloat64()))
	}
	rows := func(columns int) []float32 { return make([]float32, firstMessages*nn.Stride(columns)) }
	for range threads {
		p.workers = append(p.workers, &firstScratch{rows(features), rows(firstChannels), rows(firstChannels), rows(firstChannels), rows(firstClasses)})
	}
	return p
}

// run infers all sessions, spread over the workers.
func (p *firstPass) run() {
	var wait sync.WaitGroup
	for w, s := range p.workers {
		wait.Go(func() {
			for i := w; i < firstSessions; i += len(p.workers) {
				p.session(s, p.x[i*firstMessages*features:])
			}
		})
	}
	wait.Wait()
}

// session infers one session: h = relu(h + conv(h)) in each block.
func (p *firstPass) session(s *firstScratch, x []float32) {
	stride := nn.Stride(features)
	for i := range firstMessages {
		copy(s.x[i*stride:], x[i*features:][:features])
	}
	p.stem.Run(s.x, s.h, firstMessages)
	for _, b := range p.block {
		copy(s.z, s.h)
		b.RunAdd(s.h, s.z, firstMessages)
		s.h, s.z = s.z, s.h
	}
	pooled := s.pooled[:firstChannels]
	clear(pooled)
	kernel.ColSum(s.h, pooled)
	kernel.Scale(1.0/firstMessages, pooled)
	p.head.Run(pooled, s.class, 1)
}
