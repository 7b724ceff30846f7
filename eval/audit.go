package eval

import (
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"tyto/eval/metric"
	"tyto/model"
	"tyto/sequence"
	"tyto/train"
)

// Names of figures of the audit.
const (
	NetworkProbe  = "network told from the embedding, accuracy"
	NetworkPrior  = "network told from nothing, accuracy"
	ScenarioProbe = "scenario told from the embedding, accuracy"
	ScenarioPrior = "scenario told from nothing, accuracy"
)

// auditedFigures are what is measured of a model that hears in part.
var auditedFigures = []string{StateF1, LabelF1, ShellAP}

// ours reports whether a result is of the model, as a whole or in part.
func ours(who string) bool { return who == Us || strings.HasPrefix(who, Us+", ") }

// Audit asks what a model goes by: what it says of data when it may hear sizes
// alone, times alone or directions alone (occlusion; nothing is trained again),
// and whether its embedding tells networks, which it should not, and scenarios,
// which it should (linear probes, trained on half of the runs and asked about the
// other half; Alain and Bengio 2016).
func Audit(m *model.Model, d *train.Data) []Result {
	var list []Result
	for _, o := range occlusions {
		r := Score(Us+", "+o.name, d, Hear(m, occluded(d, o.hide)), Thresholds(m))
		r.Figures = slices.DeleteFunc(r.Figures, func(f Figure) bool { return !slices.Contains(auditedFigures, f.Name) })
		list = append(list, r)
	}
	return append(list, probes(m, d))
}

// Thresholds are the probabilities from which on labels of a model hold.
func Thresholds(m *model.Model) (list []float64) {
	for _, p := range m.Calibration.Labels {
		list = append(list, p.Threshold)
	}
	return list
}

// occlusions are what is left of messages.
var occlusions = []struct {
	name string
	hide func(i int, m *sequence.Message)
}{
	{"sizes alone", func(i int, m *sequence.Message) { hideTimes(i, m); m.Dir = 0 }},
	{"times alone", func(_ int, m *sequence.Message) { hideSizes(m); m.Dir = 0 }},
	{"directions alone", func(i int, m *sequence.Message) { hideTimes(i, m); hideSizes(m) }},
}

// What every message is like of which size or time is hidden.
const (
	usualBytes = 128
	usualGap   = 20e6 // ns
)

func hideSizes(m *sequence.Message) {
	m.Bytes, m.Content, m.Parts, m.Kind = usualBytes, usualBytes, 1, 0
}

func hideTimes(i int, m *sequence.Message) { m.Time, m.Took = int64(i)*usualGap, 0 }

// occluded are data of which something is hidden; their truth is the same.
func occluded(d *train.Data, hide func(int, *sequence.Message)) *train.Data {
	part := *d
	part.Examples = make([]*train.Example, len(d.Examples))
	for k, e := range d.Examples {
		x, s := *e, *e.Session
		s.First = [2][]byte{}
		x.Session = &s
		x.Heard.Messages = slices.Clone(e.Heard.Messages)
		for i := range x.Heard.Messages {
			hide(i, &x.Heard.Messages[i])
		}
		part.Examples[k] = &x
	}
	return &part
}

// maxProbed is how many sessions a probe is trained on and asked about, at most.
const maxProbed = 4000

// probes tells networks and scenarios by a linear classifier of embeddings.
func probes(m *model.Model, d *train.Data) Result {
	l := m.NewListener()
	var seen, asked probed
	scenarios := make(map[string]int)
	step := max(len(d.Examples)/maxProbed, 1)
	for k := 0; k < len(d.Examples); k += step {
		e := d.Examples[k]
		o, ok := l.Hear(&e.Heard, e.Session.First)
		if !ok {
			continue
		}
		to := &seen
		h := fnv.New32a()
		h.Write([]byte(e.Run.Truth.Name))
		if h.Sum32()&1 == 1 {
			to = &asked
		}
		to.x = append(to.x, slices.Clone(o.Embedding[:model.EmbeddingSize]))
		scenario, ok := scenarios[e.Run.Truth.Scenario]
		if !ok {
			scenario = len(scenarios)
			scenarios[e.Run.Truth.Scenario] = scenario
		}
		to.network, to.scenario = append(to.network, int(e.Profile)), append(to.scenario, scenario)
	}
	r := Result{Who: Us + ", embedding"}
	for _, p := range []struct {
		probe, prior string
		of           func(*probed) []int
		classes      int
	}{
		{NetworkProbe, NetworkPrior, func(p *probed) []int { return p.network }, len(d.Profiles)},
		{ScenarioProbe, ScenarioPrior, func(p *probed) []int { return p.scenario }, len(scenarios)},
	} {
		if len(seen.x) == 0 || len(asked.x) == 0 {
			continue
		}
		right, prior := probe(seen.x, p.of(&seen), asked.x, p.of(&asked), p.classes)
		for name, v := range map[string]float64{p.probe: right, p.prior: prior} {
			r.Figures = append(r.Figures, Figure{Name: name, Items: len(asked.x), Interval: metric.Interval{Value: v, Low: math.NaN(), High: math.NaN()}})
		}
	}
	slices.SortFunc(r.Figures, func(a, b Figure) int { return strings.Compare(a.Name, b.Name) })
	return r
}

// probed are embeddings with what they are of.
type probed struct {
	x                 [][]float32
	network, scenario []int
}

// probe trains a softmax regression and returns how often it is right of what it
// was not trained on, and how often the commonest class is.
func probe(x [][]float32, y []int, askedX [][]float32, askedY []int, classes int) (right, prior float64) {
	const (
		rounds   = 200
		rate     = 4.0
		momentum = 0.9
		decay    = 1e-5
	)
	width := len(x[0]) + 1
	w, v, g := make([]float64, classes*width), make([]float64, classes*width), make([]float64, classes*width)
	z, p := make([]float64, classes), make([]float64, classes)
	for range rounds {
		clear(g)
		for k, row := range x {
			linear(z, w, row)
			p = model.Softmax(z, 1, p)
			p[y[k]]--
			for c, d := range p {
				to := g[c*width:][:width]
				for i, a := range row {
					to[i] += d * float64(a)
				}
				to[width-1] += d
			}
		}
		for i := range w {
			v[i] = momentum*v[i] - rate*(1-momentum)*(g[i]/float64(len(x))+decay*w[i])
			w[i] += v[i]
		}
	}
	count := make([]int, classes)
	for _, c := range y {
		count[c]++
	}
	commonest := slices.Index(count, slices.Max(count))
	for k, row := range askedX {
		linear(z, w, row)
		p = model.Softmax(z, 1, p)
		if metric.Best(p, 0) == askedY[k] {
			right++
		}
		if commonest == askedY[k] {
			prior++
		}
	}
	n := float64(len(askedX))
	return right / n, prior / n
}

// linear computes the logits of classes for a row.
func linear(z, w []float64, row []float32) {
	width := len(row) + 1
	for c := range z {
		of := w[c*width:][:width]
		z[c] = of[width-1]
		for i, a := range row {
			z[c] += of[i] * float64(a)
		}
	}
}
