package train

import (
	"math"
	"slices"

	"tyto/boost"
	"tyto/eval/metric"
	"tyto/model"
)

// reject is the p-value below which an app is said to be unknown.
const reject = 0.02

// Calibrate fits what makes probabilities of a network's logits, on data that it
// was not trained on. Transitions between states are counted in the data it was
// trained on. The result depends on nothing else.
func Calibrate(n *model.Network, trees []*boost.Forest, trained, held *Data) model.Calibration {
	c := model.Uncalibrated(&n.Shape)
	c.Transition = transitions(trained)
	if len(held.Examples) == 0 {
		return c
	}
	v := hearAll(n, trees, held)
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

func hearAll(n *model.Network, trees []*boost.Forest, d *Data) *voices {
	l := model.New(n, trees, model.Card{}, model.Uncalibrated(&n.Shape)).NewListener()
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
				v.labels[i].add(float64(o.Labels[i]), float64(o.Trees[i]), y == 1, weight)
			}
		}
	}
	return v
}

// answered are what network and trees say of a label, with whether it holds.
type answered struct {
	x [][terms]float64 // logit of the network, that of the trees, 1
	w []float64
	y []bool
}

// terms of a label's log-odds.
const terms = 3

func (a *answered) add(network, trees float64, y bool, w float64) {
	a.x, a.y, a.w = append(a.x, [terms]float64{network, trees, 1}), append(a.y, y), append(a.w, w)
}

// fit fits scales and offset by Newton's method on the weighted likelihood, with a
// pull towards the mean of network and trees, or towards leaving the network's
// logits as they are if there are no trees; the pull decides where there are few.
func (a *answered) fit() model.Platt {
	const pull = 1.0
	usual := [terms]float64{1, 0, 0}
	for _, x := range a.x {
		if x[1] != 0 {
			usual = [terms]float64{0.5, 0.5, 0}
			break
		}
	}
	b := usual
	for range 30 {
		var g [terms]float64
		var h [terms][terms]float64
		for i := range b {
			g[i], h[i][i] = pull*(b[i]-usual[i]), pull
		}
		for k, x := range a.x {
			p := 1 / (1 + math.Exp(-(b[0]*x[0] + b[1]*x[1] + b[2])))
			d := p
			if a.y[k] {
				d--
			}
			curve := a.w[k] * max(p*(1-p), 1e-9)
			for i := range b {
				g[i] += a.w[k] * d * x[i]
				for j := range b {
					h[i][j] += curve * x[i] * x[j]
				}
			}
		}
		step := solve(h, g)
		// A step at most one long: Newton's may leap where the curve is flat.
		long := 1.0
		for _, v := range step {
			long = max(long, math.Abs(v))
		}
		moved := 0.0
		for i := range b {
			b[i] -= step[i] / long
			moved += math.Abs(step[i])
		}
		if moved < 1e-9 {
			break
		}
	}
	// Neither says the opposite of what it was trained to say.
	p := model.Platt{Scale: min(max(b[0], 0.05), 20), Trees: min(max(b[1], 0), 20), Offset: min(max(b[2], -20), 20)}
	p.Threshold, p.Tell = a.thresholds(&p)
	return p
}

// solve solves h x = g, where h is symmetric and positive, by elimination.
func solve(h [terms][terms]float64, g [terms]float64) [terms]float64 {
	for i := range terms {
		for j := i + 1; j < terms; j++ {
			f := h[j][i] / h[i][i]
			for k := i; k < terms; k++ {
				h[j][k] -= f * h[i][k]
			}
			g[j] -= f * g[i]
		}
	}
	for i := terms - 1; i >= 0; i-- {
		for k := i + 1; k < terms; k++ {
			g[i] -= h[i][k] * g[k]
		}
		g[i] /= h[i][i]
	}
	return g
}

const (
	// What is known of the best F1 before any is measured, as so many positives.
	usualF1, usualCount = 0.8, 20
	// toldInVain is how often a label may be told of sessions it does not hold of.
	toldInVain = 0.005
	mostToTell = 0.98
)

// thresholds are the probabilities from which on the label holds, and from which on
// it is told, by how seldom it may be told in vain. Of calibrated probabilities the
// best F1 is reached from half of that F1 on (Lipton, Elkan and Naryanaswamy 2014),
// which few sessions tell better than the place of the best among them.
func (a *answered) thresholds(p *model.Platt) (holds, tell float64) {
	list := make([]metric.Scored, len(a.x))
	for i, x := range a.x {
		list[i] = metric.Scored{Score: p.P(float32(x[0]), float32(x[1])), Positive: a.y[i]}
	}
	r := metric.Rank(list)
	f1, n := 0.0, float64(r.Positives())
	if n > 0 {
		_, f1 = r.BestF1()
	}
	holds = (n*f1 + usualCount*usualF1) / (n + usualCount) / 2
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
