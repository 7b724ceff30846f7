package baseline

import (
	"math/rand/v2"

	"tyto/boost"
	"tyto/sequence/feature"
)

// Boost is boosted trees on the features of sessions: one model of several
// classes, or with Task.Multi one of each class against the rest.
type Boost struct {
	Options boost.Options // Classes, Seed and Weights are set by Fit
	task    Task
	models  []*boost.Model
	prior   []float64
}

// leastPositives is how many sessions of a class there must be for it to have a
// model of its own; others keep their frequency.
const leastPositives = 3

// NewBoost returns an untrained Boost.
func NewBoost(t Task) *Boost {
	return &Boost{task: t, Options: boost.ForFew}
}

// Fit trains on sessions.
func (b *Boost) Fit(examples []Example) {
	x := boost.Matrix{Columns: len(feature.Names)}
	for i := range examples {
		x.Values = append(x.Values, feature.Session(examples[i].Sequence)...)
	}
	b.prior, b.models = b.task.frequencies(examples), nil
	o, bins := b.Options, boost.Bin(x)
	o.Seed, o.Weights = b.task.Seed, weights(examples)
	if !b.task.Multi {
		o.Classes = len(b.task.Names)
		b.models = []*boost.Model{bins.Train(b.task.targets(examples, 0), o)}
		return
	}
	o.Classes = 2
	for k := range b.task.Names {
		y := b.task.targets(examples, k)
		n := 0
		for _, v := range y {
			n += v
		}
		var m *boost.Model
		if n >= leastPositives {
			m = bins.Train(y, o)
		}
		b.models = append(b.models, m)
	}
}

// Predict is what the trees say.
func (b *Boost) Predict(e *Example) []float64 {
	row := feature.Session(e.Sequence)
	if !b.task.Multi {
		return b.models[0].Predict(row)
	}
	p := append([]float64(nil), b.prior...)
	for k, m := range b.models {
		if m != nil {
			p[k] = m.Predict(row)[1]
		}
	}
	return p
}

// SegmentBoost is boosted trees on the features of messages.
type SegmentBoost struct {
	Options boost.Options // Classes, Seed and Weights are set by Fit
	MaxRows int           // messages that are trained on, at most; default 200,000
	task    Task
	model   *boost.Model
}

// NewSegmentBoost returns an untrained SegmentBoost.
func NewSegmentBoost(t Task) *SegmentBoost {
	return &SegmentBoost{task: t, MaxRows: 200_000, Options: boost.Options{Rounds: 60, Leaves: 31, RowShare: 0.5, ColumnShare: 0.5, MinLeaf: 10}}
}

// Fit trains on the messages whose state is known; where there are more than
// MaxRows, on a random part of them.
func (b *SegmentBoost) Fit(examples []Example) {
	known := 0
	for i := range examples {
		for _, k := range examples[i].States {
			if k >= 0 {
				known++
			}
		}
	}
	r := rand.New(rand.NewPCG(b.task.Seed, 0))
	x, y := boost.Matrix{Columns: len(feature.MessageNames)}, []int(nil)
	var rows []float32
	var each []float64
	for i := range examples {
		e := &examples[i]
		if len(e.States) == 0 {
			continue
		}
		rows = feature.Messages(rows[:0], e.Sequence)
		for j, k := range e.States {
			if k < 0 || known > b.MaxRows && r.Float64()*float64(known) >= float64(b.MaxRows) {
				continue
			}
			x.Values = append(x.Values, rows[j*x.Columns:(j+1)*x.Columns]...)
			y, each = append(y, k), append(each, e.weight())
		}
	}
	o := b.Options
	o.Classes, o.Seed, o.Weights = max(len(b.task.Names), 2), b.task.Seed, each
	b.model = boost.Train(x, y, o)
}

// Predict is what the trees say of each message.
func (b *SegmentBoost) Predict(e *Example) [][]float64 {
	x := boost.Matrix{Columns: len(feature.MessageNames), Values: feature.Messages(nil, e.Sequence)}
	p := make([][]float64, x.Rows())
	for i := range p {
		p[i] = b.model.Predict(x.Row(i))[:len(b.task.Names)]
	}
	return p
}
