package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"tyto/model"
	"tyto/nn"
	"tyto/sequence"
)

// Options say how to train. Zero values are those of Defaults.
type Options struct {
	Seed     uint64
	Steps    int     // batches
	Sessions int     // in a batch; pairs of one recipe
	Messages int     // of a session in a batch, at most
	Rate     float64 // of learning, at its peak
	Decay    float64 // of weights
	Channels int
	Blocks   int
	// Progress is told now and then how far it is. It may be nil.
	Progress func(Progress)
	// Save is given what Options.Resume needs, every SaveEvery steps and when the
	// context is done. It may be nil.
	Save      func(checkpoint []byte) error
	SaveEvery int
	// Resume is a checkpoint to go on from: data, seed and sizes must be the same.
	Resume []byte
}

// Progress is how far training is.
type Progress struct {
	First       int // the step that this training went on from
	Step, Steps int
	Loss        float64 // mean over the steps since the last report
	Messages    int     // seen since First
}

// Defaults returns the options that the shipped model is trained with.
func Defaults() Options {
	return Options{Seed: 1, Steps: 6000, Sessions: 64, Messages: 512, Rate: 3e-3, Decay: 0.02, Channels: 64, Blocks: 7, SaveEvery: 500}
}

// shards is part of a model's identity: see nn.NewTrainer.
const shards = 4

// ShapeFor returns the shape of a network for data.
func (o *Options) ShapeFor(d *Data) model.Shape {
	return model.Shape{
		Tokens: sequence.Version, Channels: o.Channels, Blocks: o.Blocks, Window: 128, Heads: 4,
		States: States, Labels: Labels, Apps: d.Apps, Controls: Controls, Profiles: len(d.Profiles),
	}
}

// Train trains a network. Whatever the number of cores, the same data and options
// give the same network. It ends early, with the context's error and after Save,
// when the context is done.
func Train(ctx context.Context, d *Data, o Options) (*model.Network, error) {
	if len(d.Examples) < o.Sessions {
		return nil, fmt.Errorf("%d sessions to learn from: at least %d are needed; record more, see tyto lab record", len(d.Examples), o.Sessions)
	}
	r := run{
		options: o, network: model.NewNetwork(o.ShapeFor(d), o.Seed), drawer: newDrawer(d), columns: stateWeights(d),
		parts: make([]part, shards), variers: make([]varier, shards), slots: make([]slot, o.Sessions),
	}
	r.trainer = nn.NewTrainer(r.network.Params, shards)
	r.trainer.Seed, r.trainer.Clip, r.trainer.Adam.Decay = o.Seed, 1, o.Decay
	if err := r.resume(); err != nil {
		return nil, err
	}
	first := r.step
	for ; r.step < o.Steps; r.step++ {
		if o.Save != nil && r.step > first && (r.step%o.SaveEvery == 0 || ctx.Err() != nil) {
			if err := o.Save(r.checkpoint()); err != nil {
				return nil, fmt.Errorf("save checkpoint: %w", err)
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.train(first)
	}
	return r.network, nil
}

// run is a training in progress.
type run struct {
	options Options
	network *model.Network
	trainer *nn.Trainer
	drawer  *drawer
	columns []float32
	parts   []part
	drawn   []*Example
	variers []varier // by shard
	slots   []slot   // by session of the batch
	batch   batch
	step    int

	// Only for Progress.
	loss     float64
	reported int
	messages int
}

// train trains one batch.
func (r *run) train(first int) {
	o := &r.options
	rnd := rand.New(rand.NewPCG(o.Seed, uint64(r.step)+1))
	r.drawn = r.drawn[:0]
	for range o.Sessions / 2 {
		a, b := r.drawer.pair(rnd)
		r.drawn = append(r.drawn, a, b)
	}
	r.see()
	rate := nn.Cosine{Peak: o.Rate, Floor: o.Rate / 100, Warmup: min(200, o.Steps/10), Total: o.Steps}.At(r.step)
	result := r.trainer.Step(rate, func(shard int, t *nn.Tape) {
		from, to := r.trainer.Share(len(r.batch.views)/2, shard)
		p := &r.parts[shard]
		p.fill(r.batch.views[2*from:2*to], r.network.Shape.Window)
		out := r.network.Forward(t, &p.input, 1)
		p.losses(t, &out, &r.batch, r.columns)
	})
	r.loss += result.Loss
	for i := range r.batch.views {
		r.messages += len(r.batch.views[i].tokens)
	}
	r.report(first)
}

// see makes the views of the sessions that were drawn, on all cores; what is seen
// of a session depends on its place in the batch alone.
func (r *run) see() {
	o := &r.options
	views := make([]view, len(r.drawn))
	var wait sync.WaitGroup
	for shard := range shards {
		wait.Go(func() {
			for i := shard; i < len(views); i += shards {
				rnd := rand.New(rand.NewPCG(o.Seed^0x76617279, uint64(r.step)<<16|uint64(i)))
				views[i] = r.variers[shard].view(r.drawn[i], rnd, o.Messages, &r.slots[i])
			}
		})
	}
	wait.Wait()
	r.batch = batch{views: r.batch.views[:0]}
	for _, v := range views {
		r.batch.add(v)
	}
}

const reportEvery = 50

func (r *run) report(first int) {
	done := r.step + 1
	if r.options.Progress == nil || done%reportEvery != 0 && done != r.options.Steps {
		return
	}
	r.options.Progress(Progress{First: first, Step: done, Steps: r.options.Steps, Loss: r.loss / float64(done-max(r.reported, first)), Messages: r.messages})
	r.loss, r.reported = 0, done
}

// checkpoint is all that is needed to go on.
func (r *run) checkpoint() []byte {
	return nn.Encode(append(r.network.Params.Arrays(), r.trainer.Arrays()...))
}

func (r *run) resume() error {
	if r.options.Resume == nil {
		return nil
	}
	arrays, err := nn.Decode(r.options.Resume)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := r.network.Params.SetArrays(arrays); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := r.trainer.SetArrays(arrays); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	r.step = r.trainer.Adam.Steps()
	return nil
}
