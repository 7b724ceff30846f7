package train

import (
	"math"
	"slices"

	"tyto/eval/metric"
	"tyto/model"
)

// reject is the p-value below which an app is said to be unknown.
const reject = 0.02

// Calibrate fits what makes probabilities of a network's logits, on data that it
// was not trained on. Transitions between states are counted in the data it was
// trained on. The result depends on nothing else.
func Calibrate(n *model.Network, trained, held *Data) model.Calibration {
	c := model.Uncalibrated(&n.Shape)
	c.Transition = transitions(trained)
	if len(held.Examples) == 0 {
		return c
	}
	v := hearAll(n, held)
	c.State, c.Control = v.state.temperature(), v.control.temperature()
	c.Layers, c.App = v.layers.temperature(), v.app.temperature()
	for i := range c.Labels {
		c.Labels[i] = v.labels[i].fit()
	}
	c.Reject = reject
	for i, y := range v.app.y {
		p := model.Softmax(v.app.logits[i], c.App, nil)
		c.Scores[y] = append(c.Scores[y], p[y])
	}
	for i, scores := range c.Scores {
		c.Scores[i] = quantiles(scores)
	}
	return c
}

// classified are logits with the right class.
type classified struct {
	logits [][]float64
	y      []int
}

func (c *classified) add(logits []float32, y int32) {
	if y == Unknown {
		return
	}
	row := make([]float64, len(logits))
	for i, v := range logits {
		row[i] = float64(v)
	}
	c.logits, c.y = append(c.logits, row), append(c.y, int(y))
}

func (c *classified) temperature() float64 {
	return metric.SoftmaxTemperature(c.logits, c.y)
}

// voices are what a network says of data.
type voices struct {
	state, control, layers, app classified
	labels                      []answered
}

// stateSample is how many messages of a session tell of its states' calibration.
const stateSample = 64

func hearAll(n *model.Network, d *Data) *voices {
	l := model.New(n, model.Card{}, model.Uncalibrated(&n.Shape)).NewListener()
	v := &voices{labels: make([]answered, len(Labels))}
	sessions := make(map[string]int)
	for _, e := range d.Examples {
		sessions[e.Run.Truth.Name]++
	}
	for _, e := range d.Examples {
		o, _ := l.Hear(&e.Heard, e.Session.First)
		t := &e.Targets
		step := max(len(t.States)/stateSample, 1)
		for i := 0; i < len(t.States); i += step {
			v.state.add(o.StateRow(i), t.States[i])
		}
		v.control.add(o.Control, t.Control)
		v.layers.add(o.Layers, t.Layers)
		v.app.add(o.App, t.App)
		// A run of many sessions says no more than a few.
		weight := 1 / math.Sqrt(float64(sessions[e.Run.Truth.Name]))
		for i, y := range t.Labels {
			if !isNaN(y) {
				v.labels[i].add(float64(o.Labels[i]), y == 1, weight)
			}
		}
	}
	return v
}

// answered are logits of a label with whether it holds.
type answered struct {
	x, w []float64
	y    []bool
}

func (a *answered) add(x float64, y bool, w float64) {
	a.x, a.y, a.w = append(a.x, x), append(a.y, y), append(a.w, w)
}

// fit fits scale and offset by Newton's method on the weighted likelihood, with a
// pull towards leaving logits as they are, which decides where there are few.
func (a *answered) fit() model.Platt {
	const pull = 1.0
	scale, offset := 1.0, 0.0
	for range 30 {
		gs, gb := pull*(scale-1), pull*offset
		hss, hsb, hbb := pull, 0.0, pull
		for i, x := range a.x {
			p := 1 / (1 + math.Exp(-(scale*x + offset)))
			d := p
			if a.y[i] {
				d--
			}
			h := a.w[i] * max(p*(1-p), 1e-9)
			gs, gb = gs+a.w[i]*d*x, gb+a.w[i]*d
			hss, hsb, hbb = hss+h*x*x, hsb+h*x, hbb+h
		}
		det := hss*hbb - hsb*hsb
		ds, db := (hbb*gs-hsb*gb)/det, (hss*gb-hsb*gs)/det
		// A step at most one long: Newton's may leap where the curve is flat.
		long := max(math.Abs(ds), math.Abs(db), 1)
		scale, offset = scale-ds/long, offset-db/long
		if math.Abs(ds)+math.Abs(db) < 1e-9 {
			break
		}
	}
	p := model.Platt{Scale: min(max(scale, 0.05), 20), Offset: min(max(offset, -20), 20)}
	p.Threshold, p.Tell = a.thresholds(&p)
	return p
}

const (
	enough               = 10 // positives from which on thresholds are fitted
	fewest, most         = 0.2, 0.8
	unlessThereAreEnough = 0.5
	// toldInVain is how often a label may be told of sessions it does not hold of.
	toldInVain = 0.005
	mostToTell = 0.98
)

// thresholds are the probabilities from which on the label holds, by F1, and from
// which on it is told, by how seldom it may be told in vain.
func (a *answered) thresholds(p *model.Platt) (holds, tell float64) {
	list := make([]metric.Scored, len(a.x))
	for i, x := range a.x {
		list[i] = metric.Scored{Score: p.P(float32(x)), Positive: a.y[i]}
	}
	r := metric.Rank(list)
	holds = unlessThereAreEnough
	if r.Positives() >= enough {
		best, _ := r.BestF1()
		holds = min(max(best, fewest), most)
	}
	return holds, min(max(r.At(toldInVain).Threshold, 0.5), mostToTell)
}

// quantiles are at most model.MaxScores values that stand for a list, ascending.
func quantiles(list []float64) []float64 {
	slices.Sort(list)
	if len(list) <= model.MaxScores {
		return list
	}
	kept := make([]float64, model.MaxScores)
	for i := range kept {
		kept[i] = list[i*(len(list)-1)/(model.MaxScores-1)]
	}
	return kept
}

// transitions are the log probabilities of a message's state after that of the
// message before, sessions weighing as in training.
func transitions(d *Data) []float64 {
	n := len(States)
	count := make([]float64, n*n)
	for i := range count {
		count[i] = 0.1
	}
	for _, e := range d.Examples {
		w := 1 / math.Sqrt(float64(len(e.Tokens)))
		s := e.Targets.States
		for i := 1; i < len(s); i++ {
			if s[i] != Unknown && s[i-1] != Unknown {
				count[int(s[i-1])*n+int(s[i])] += w
			}
		}
	}
	for from := range n {
		row := count[from*n:][:n]
		sum := 0.0
		for _, v := range row {
			sum += v
		}
		for i, v := range row {
			row[i] = math.Log(v / sum)
		}
	}
	return count
}
