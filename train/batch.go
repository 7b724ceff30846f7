package train

import (
	"math"

	"tyto/model"
	"tyto/nn"
	"tyto/sequence"
)

// view is a part of a session as the network sees it, with its truth.
type view struct {
	example *Example
	tokens  []sequence.Token
	states  []int32
	begins  []float32
	hand    []float32 // features of these messages
}

// batch is the views of a training step, with what losses need.
type batch struct {
	views    []view
	messages float64 // sum of the weights of messages whose state is known
	starts   float64 // the same of those of which it is known whether a state begins
}

// weight is what a message counts: those of long sessions less, so that a long
// transfer does not drown a short command.
func (v *view) weight() float32 { return 1 / float32(math.Sqrt(float64(len(v.tokens)))) }

func (b *batch) add(v view) {
	b.views = append(b.views, v)
	for i, s := range v.states {
		if s != Unknown {
			b.messages += float64(v.weight())
		}
		if !isNaN(v.begins[i]) {
			b.starts += float64(v.weight())
		}
	}
}

func isNaN(v float32) bool { return v != v }

// part is a shard's share of a batch, laid out for the tape. It is used again.
type part struct {
	input                                          model.Batch
	states, control, layers, apps, recipe, profile []int32
	begins, labels, messageWeights                 []float32
}

func (p *part) fill(views []view, window int) {
	p.input.Reset()
	p.states, p.control, p.layers, p.apps = p.states[:0], p.control[:0], p.layers[:0], p.apps[:0]
	p.recipe, p.profile = p.recipe[:0], p.profile[:0]
	p.begins, p.labels, p.messageWeights = p.begins[:0], p.labels[:0], p.messageWeights[:0]
	for i := range views {
		v := &views[i]
		t := &v.example.Targets
		p.input.Add(v.tokens, v.example.First, v.hand, window)
		p.states = append(p.states, v.states...)
		p.begins = append(p.begins, v.begins...)
		for range v.tokens {
			p.messageWeights = append(p.messageWeights, v.weight())
		}
		p.control, p.layers, p.apps = append(p.control, t.Control), append(p.layers, t.Layers), append(p.apps, t.App)
		p.labels = append(p.labels, t.Labels...)
		p.recipe, p.profile = append(p.recipe, v.example.Recipe), append(p.profile, v.example.Profile)
	}
}

// Weights of the losses: how much each head counts.
const (
	stateWeight     = 1.0
	beginWeight     = 0.2
	labelWeight     = 14.0 // of the mean over labels, most of which are easy zeros
	controlWeight   = 0.3
	layersWeight    = 0.3
	appWeight       = 0.5
	contrastWeight  = 0.1
	adversaryWeight = 0.1
	focus           = 1.0
	temperature     = 0.1
)

// losses adds a shard's losses to the tape.
func (p *part) losses(t *nn.Tape, o *model.Output, b *batch, stateColumns []float32) {
	perSession := func(weight float64) nn.Loss { return nn.Loss{Scale: weight / float64(len(b.views))} }
	t.CrossEntropy(o.State, p.states, nn.Loss{Scale: stateWeight / max(b.messages, 1e-3), Rows: p.messageWeights, Columns: stateColumns, Focus: focus})
	t.BinaryCrossEntropy(o.Boundary, p.begins, nn.Loss{Scale: beginWeight / max(b.starts, 1e-3), Rows: p.messageWeights})
	t.BinaryCrossEntropy(o.Labels, p.labels, perSession(labelWeight/float64(o.Labels.Cols)))
	t.CrossEntropy(o.Control, p.control, perSession(controlWeight))
	t.CrossEntropy(o.Layers, p.layers, perSession(layersWeight))
	t.CrossEntropy(o.App, p.apps, perSession(appWeight))
	t.Contrast(o.Embedding, nn.Pairs{Labels: p.recipe, Groups: p.profile, Temperature: temperature}, perSession(contrastWeight))
	if o.Profile != nil {
		t.CrossEntropy(o.Profile, p.profile, perSession(adversaryWeight))
	}
}

// stateWeights makes rare states count more: with the square root of how much
// rarer they are than the mean.
func stateWeights(d *Data) []float32 {
	count := make([]float64, len(States))
	total := 0.0
	for _, e := range d.Examples {
		w := 1 / math.Sqrt(float64(len(e.Tokens)))
		for _, s := range e.Targets.States {
			if s != Unknown {
				count[s] += w
				total += w
			}
		}
	}
	weights := make([]float32, len(States))
	for i, n := range count {
		weights[i] = float32(min(max(math.Sqrt(total/float64(len(States))/max(n, 1)), 0.3), 3))
	}
	return weights
}
