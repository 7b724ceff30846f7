package nn

import (
	"runtime"
	"sync"
	"sync/atomic"

	"tyto/nn/kernel"
)

// Trainer computes the gradient of a batch on all cores. It cuts batches into a
// fixed number of shards, each with a tape of its own, and adds gradients up in
// the order of shards: what comes out does not depend on the number of cores.
type Trainer struct {
	// Seed decides what dropout drops, together with step and shard.
	Seed uint64
	// Momentum is the share of a batch in the running statistics of batch
	// normalisation.
	Momentum float32
	// Clip, if positive, limits the length of the gradient.
	Clip float64
	// Adam is the optimizer.
	Adam *Adam

	params *Params
	tapes  []*Tape
	steps  int
}

// Step is what a training step came to.
type Step struct {
	Loss     float64 // sum over shards
	Gradient float64 // length of the gradient before clipping, zero without Clip
}

// NewTrainer returns a trainer with the given number of shards: a multiple of
// the cores it will run on. It is part of a training run's identity: another
// number gives other roundings, and batch normalisation of other groups. A batch
// must have at least a sequence for each shard.
func NewTrainer(ps *Params, shards int) *Trainer {
	if shards < 1 {
		fail("trainer of %d shards", shards)
	}
	tr := &Trainer{Momentum: 0.1, Adam: NewAdam(ps), params: ps}
	for range shards {
		tr.tapes = append(tr.tapes, NewTape(ps))
	}
	return tr
}

// Shards returns the number of shards.
func (tr *Trainer) Shards() int { return len(tr.tapes) }

// Share returns the part of a batch of n that is a shard's: from and below to.
func (tr *Trainer) Share(n, shard int) (from, to int) {
	return shard * n / len(tr.tapes), (shard + 1) * n / len(tr.tapes)
}

// Step trains one batch at the given learning rate. forward runs the network on
// a shard's share of the batch, on the shard's tape, and calls the losses; it is
// called from several goroutines.
func (tr *Trainer) Step(rate float64, forward func(shard int, t *Tape)) Step {
	tr.parallel(func(shard int) {
		t := tr.tapes[shard]
		t.Reset()
		t.ZeroGrad()
		t.Seed = tr.seed(shard)
		forward(shard, t)
		t.Backward()
	})
	sum := tr.tapes[0]
	result := Step{Loss: sum.Loss}
	for _, t := range tr.tapes[1:] {
		result.Loss += t.Loss
		kernel.Add(t.grad, sum.grad)
	}
	tr.mixStatistics(sum)
	if tr.Clip > 0 {
		result.Gradient = sum.ClipGradient(tr.Clip)
	}
	tr.Adam.Step(sum, rate)
	tr.steps++
	return result
}

// seed mixes the trainer's seed with step and shard.
func (tr *Trainer) seed(shard int) uint64 {
	s := stream{state: tr.Seed}
	s.state = s.next() + uint64(tr.steps)
	s.state = s.next() + uint64(shard)
	return s.next()
}

// parallel calls f for every shard, on as many goroutines as may run at once.
func (tr *Trainer) parallel(f func(shard int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(tr.tapes)) {
		wait.Go(func() {
			for {
				shard := int(next.Add(1)) - 1
				if shard >= len(tr.tapes) {
					return
				}
				f(shard)
			}
		})
	}
	wait.Wait()
}

// mixStatistics moves running statistics towards the mean over shards, of which
// the tape holds the sums.
func (tr *Trainer) mixStatistics(sum *Tape) {
	for _, p := range tr.params.all {
		if !p.Stat {
			continue
		}
		running := p.padded()
		for i, v := range p.of(sum.grad) {
			running[i] += tr.Momentum * (v/float32(len(tr.tapes)) - running[i])
		}
		clear(p.of(sum.grad))
	}
}

// Arrays returns what is needed to go on training, beside the parameters.
func (tr *Trainer) Arrays() []Array { return tr.Adam.Arrays() }

// SetArrays goes on from a state that Arrays returned.
func (tr *Trainer) SetArrays(arrays []Array) error {
	if err := tr.Adam.SetArrays(arrays); err != nil {
		return err
	}
	tr.steps = tr.Adam.steps
	return nil
}
