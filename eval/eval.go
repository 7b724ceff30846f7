// Package eval measures models honestly: on runs, networks, programs and recipes
// that they were not trained on, beside baselines that are trained on the same.
package eval

import (
	"math"
	"slices"

	"tyto/behavior"
	"tyto/behavior/segment"
	"tyto/eval/metric"
	"tyto/model"
	"tyto/train"
)

// Answer is what is said of one session, by a model or a baseline. What it does
// not speak of is nil or train.Unknown.
type Answer struct {
	Labels   []float64 // probability of each
	States   []int32   // of each message
	StateP   []float64 // of each message: probability of what is said
	Segments []behavior.Segment
	Control  int32
	Layers   int32
	App      int32
	AppP     float64
	Usual    float64 // p-value of App among the sessions that are it
}

// Hear answers with a model.
func Hear(m *model.Model, d *train.Data) []Answer {
	l, c := m.NewListener(), &m.Calibration
	decoder := segment.Decoder{States: m.Shape.States, Transition: c.Transition}
	var p, states, logs []float64
	answers := make([]Answer, len(d.Examples))
	for k, e := range d.Examples {
		o, _ := l.Hear(&e.Heard, e.Session.First)
		a := &answers[k]
		for i, v := range o.Labels {
			a.Labels = append(a.Labels, c.Labels[i].P(v, o.Trees[i]))
		}
		states = states[:0]
		for i := range o.Messages {
			p = model.Softmax(o.StateRow(i), c.State, p)
			states = append(states, p...)
		}
		logs = logs[:0]
		for _, v := range states {
			logs = append(logs, math.Log(v))
		}
		a.Segments = decoder.Decode(nil, e.Heard.Messages, logs)
		a.messages(m.Shape.States, states)
		p = model.Softmax(o.Control, c.Control, p)
		a.Control = int32(metric.Best(p, 0))
		p = model.Softmax(o.Layers, c.Layers, p)
		a.Layers = int32(metric.Best(p, 0))
		p = model.Softmax(o.App, c.App, p)
		a.App = int32(metric.Best(p, 0))
		a.AppP = p[a.App]
		a.Usual = c.PValue(int(a.App), a.AppP)
	}
	return answers
}

// messages gives each message the state of its segment.
func (a *Answer) messages(names []string, p []float64) {
	at := 0
	for i := range a.Segments {
		s := &a.Segments[i]
		state := slices.Index(names, s.State)
		for range s.Messages {
			a.States = append(a.States, int32(state))
			a.StateP = append(a.StateP, p[at*len(names)+state])
			at++
		}
	}
}

// Figure is a measurement.
type Figure struct {
	Name string
	metric.Interval
	Items int
	Note  string
}

// Result is what one classifier came to on one fold.
type Result struct {
	Who     string
	Figures []Figure
}

// Get returns a figure's value, NaN if there is none.
func (r *Result) Get(name string) float64 {
	for i := range r.Figures {
		if r.Figures[i].Name == name {
			return r.Figures[i].Value
		}
	}
	return math.NaN()
}

// Names of figures.
const (
	StateF1      = "segment macro-F1 by message"
	KeysF1       = "keystrokes in SSH, F1 by message"
	KeysHiddenF1 = "keystrokes in SSH, obfuscated, F1 by message"
	SpanF1       = "segment F1 at IoU 0.5"
	BoundaryF1   = "boundary F1 within 1 s"
	ControlRight = "control, sessions of ten leads and more"
	LayersRight  = "something inside, accuracy"
	LabelF1      = "session labels macro-F1"
	ShellRecall  = "reverse shell recall at FPR 1e-3"
	ShellAP      = "reverse shell average precision"
	RunRecall    = "reverse shell by recording, recall at FPR 1e-2"
	RunAP        = "reverse shell by recording, average precision"
	AppF1        = "app macro-F1, ports hidden"
	StateECE     = "calibration error of states"
	LabelECE     = "calibration error of labels"
)

// draws of the bootstrap.
const draws = 200

// Score measures answers against the truth. thresholds are those of the labels,
// nil for one half.
func Score(who string, d *train.Data, answers []Answer, thresholds []float64) Result {
	s := scorer{d: d, answers: answers, thresholds: thresholds}
	for _, e := range d.Examples {
		s.groups = append(s.groups, e.Run.Truth.Name)
	}
	r := Result{Who: who}
	add := func(name string, stat func(items []int) float64, which func(k int) bool) {
		var items []int
		var groups []string
		for k := range d.Examples {
			if which(k) {
				items, groups = append(items, k), append(groups, s.groups[k])
			}
		}
		if len(items) == 0 {
			return
		}
		v := metric.Bootstrap(groups, draws, 1, func(drawn []int) float64 {
			mapped := make([]int, len(drawn))
			for i, n := range drawn {
				mapped[i] = items[n]
			}
			return stat(mapped)
		})
		r.Figures = append(r.Figures, Figure{Name: name, Interval: v, Items: len(items)})
	}
	add(StateF1, s.stateF1, s.hasStates)
	add(KeysF1, s.keysF1, func(k int) bool { return s.hasStates(k) && s.ssh(k) && !s.obfuscated(k) })
	add(KeysHiddenF1, s.keysF1, func(k int) bool { return s.hasStates(k) && s.ssh(k) && s.obfuscated(k) })
	add(SpanF1, s.spanF1, func(k int) bool { return s.hasStates(k) && answers[k].Segments != nil })
	add(BoundaryF1, s.boundaryF1, func(k int) bool { return s.hasStates(k) && answers[k].Segments != nil })
	add(ControlRight, s.controlRight, s.leads)
	add(LayersRight, s.layersRight, func(k int) bool {
		return d.Examples[k].Targets.Layers != train.Unknown && answers[k].Layers != train.Unknown
	})
	add(LabelF1, s.labelF1, s.hasLabels)
	add(ShellAP, func(items []int) float64 { return s.shell(items).AveragePrecision() }, s.hasLabels)
	add(ShellRecall, func(items []int) float64 { return s.shell(items).At(1e-3).Recall() }, s.hasLabels)
	add(RunAP, func(items []int) float64 { return s.recordings(items).AveragePrecision() }, s.hasLabels)
	add(RunRecall, func(items []int) float64 { return s.recordings(items).At(1e-2).Recall() }, s.hasLabels)
	add(AppF1, s.appF1, func(k int) bool { return d.Examples[k].Targets.App != train.Unknown && answers[k].App != train.Unknown })
	r.Figures = append(r.Figures, s.classes()...)
	add(StateECE, s.stateECE, func(k int) bool { return s.hasStates(k) && answers[k].StateP != nil })
	add(LabelECE, s.labelECE, s.hasLabels)
	return r
}

// classes are the F1 of each state and each label that occurs.
func (s *scorer) classes() (list []Figure) {
	var states, labels []int
	for k := range s.d.Examples {
		if s.hasStates(k) {
			states = append(states, k)
		}
		if s.hasLabels(k) {
			labels = append(labels, k)
		}
	}
	add := func(kind string, names []string, counts []metric.Counts) {
		for i, c := range counts {
			if c.Support() > 0 {
				list = append(list, Figure{Name: kind + names[i], Items: c.Support(), Interval: metric.Interval{Value: c.F1(), Low: math.NaN(), High: math.NaN()}})
			}
		}
	}
	if len(states) > 0 {
		add("state: ", train.States, s.confusion(states).Classes())
	}
	if len(labels) > 0 {
		add("label: ", train.Labels, s.multi(labels).Classes)
	}
	return list
}

// scorer holds what figures are computed of.
type scorer struct {
	d          *train.Data
	answers    []Answer
	thresholds []float64
	groups     []string
}

func (s *scorer) targets(k int) *train.Targets { return &s.d.Examples[k].Targets }
func (s *scorer) ssh(k int) bool               { return s.d.Examples[k].Session.App == "ssh" }
func (s *scorer) obfuscated(k int) bool {
	return s.d.Examples[k].Run.Truth.Scenario == "ssh-obfuscated"
}

func (s *scorer) hasStates(k int) bool {
	return s.answers[k].States != nil && slices.ContainsFunc(s.targets(k).States, func(v int32) bool { return v != train.Unknown })
}

func (s *scorer) hasLabels(k int) bool {
	t := s.targets(k).Labels
	return s.answers[k].Labels != nil && len(t) > 0 && t[0] == t[0]
}

// leads reports whether it is known who leads in a session, and that ten times.
func (s *scorer) leads(k int) bool {
	n := model.Leads(&s.d.Examples[k].Heard)
	return s.targets(k).Control != train.Unknown && s.answers[k].Control != train.Unknown && n[0]+n[1] >= 10
}

func (s *scorer) stateF1(items []int) float64 {
	c := s.confusion(items)
	return c.MacroF1()
}

func (s *scorer) confusion(items []int) *metric.Confusion {
	c := metric.NewConfusion(len(train.States))
	for _, k := range items {
		for i, y := range s.targets(k).States {
			c.Add(int(y), int(s.answers[k].States[i]))
		}
	}
	return c
}

var keystrokes = slices.Index(train.States, "keystrokes")

func (s *scorer) keysF1(items []int) float64 {
	return s.confusion(items).Classes()[keystrokes].F1()
}

// spans are runs of messages of one true state.
func (s *scorer) spans(k int) (list []metric.Span) {
	e := s.d.Examples[k]
	last := int32(train.Unknown)
	for i, y := range e.Targets.States {
		m := &e.Heard.Messages[i]
		switch {
		case y == train.Unknown:
		case y == last:
			list[len(list)-1].To = m.Time + m.Took
		default:
			list = append(list, metric.Span{From: m.Time, To: m.Time + m.Took + 1, Class: int(y)})
		}
		last = y
	}
	return list
}

func (s *scorer) found(k int) (list []metric.Span) {
	for i := range s.answers[k].Segments {
		if g := &s.answers[k].Segments[i]; g.Messages > 0 {
			list = append(list, metric.Span{From: g.From, To: g.To + 1, Class: slices.Index(train.States, g.State)})
		}
	}
	return list
}

func (s *scorer) spanF1(items []int) float64 {
	counts := make([]metric.Counts, len(train.States))
	for _, k := range items {
		metric.MatchSpans(counts, s.spans(k), s.found(k), 0.5)
	}
	return metric.MacroF1(counts)
}

func (s *scorer) boundaryF1(items []int) float64 {
	var c metric.Counts
	for _, k := range items {
		c.Add(metric.MatchBoundaries(metric.Boundaries(s.spans(k)), metric.Boundaries(s.found(k)), 1e9))
	}
	return c.F1()
}

func (s *scorer) controlRight(items []int) float64 {
	return s.share(items, func(k int) bool { return s.targets(k).Control == s.answers[k].Control })
}

func (s *scorer) layersRight(items []int) float64 {
	return s.share(items, func(k int) bool { return s.targets(k).Layers == s.answers[k].Layers })
}

func (s *scorer) share(items []int, right func(k int) bool) float64 {
	n := 0
	for _, k := range items {
		if right(k) {
			n++
		}
	}
	return float64(n) / float64(len(items))
}

func (s *scorer) multi(items []int) *metric.Multi {
	m := metric.NewMulti(len(train.Labels))
	truth, said := make([]bool, len(train.Labels)), make([]bool, len(train.Labels))
	for _, k := range items {
		for i, y := range s.targets(k).Labels {
			least := 0.5
			if s.thresholds != nil {
				least = s.thresholds[i]
			}
			truth[i], said[i] = y == 1, y == y && s.answers[k].Labels[i] >= least // what is unknown is neither
		}
		m.Add(truth, said)
	}
	return m
}

func (s *scorer) labelF1(items []int) float64 { return s.multi(items).MacroF1() }

var reverseShell = slices.Index(train.Labels, "reverse-shell")

func (s *scorer) shell(items []int) *metric.Ranking {
	list := make([]metric.Scored, len(items))
	for i, k := range items {
		list[i] = metric.Scored{Score: s.answers[k].Labels[reverseShell], Positive: s.targets(k).Labels[reverseShell] == 1}
	}
	return metric.Rank(list)
}

// recordings ranks recordings by the likeliest reverse shell in them: of one that
// asks for commands by a request each there are hundreds, of which none tells alone.
func (s *scorer) recordings(items []int) *metric.Ranking {
	best := make(map[string]metric.Scored)
	var order []string
	for _, k := range items {
		e := s.d.Examples[k]
		of := e.Run.Truth.Name
		v, ok := best[of]
		if !ok {
			order = append(order, of)
		}
		best[of] = metric.Scored{Score: max(v.Score, s.answers[k].Labels[reverseShell]), Positive: v.Positive || e.Targets.Labels[reverseShell] == 1}
	}
	list := make([]metric.Scored, len(order))
	for i, of := range order {
		list[i] = best[of]
	}
	return metric.Rank(list)
}

func (s *scorer) appF1(items []int) float64 {
	c := metric.NewConfusion(len(s.d.Apps))
	for _, k := range items {
		c.Add(int(s.targets(k).App), int(s.answers[k].App))
	}
	return c.MacroF1()
}

const bins = 15

func (s *scorer) stateECE(items []int) float64 {
	var p []float64
	var right []bool
	for _, k := range items {
		for i, y := range s.targets(k).States {
			if y != train.Unknown {
				p, right = append(p, s.answers[k].StateP[i]), append(right, s.answers[k].States[i] == y)
			}
		}
	}
	return metric.ECE(metric.Reliability(p, right, bins))
}

func (s *scorer) labelECE(items []int) float64 {
	var p []float64
	var right []bool
	for _, k := range items {
		for i, y := range s.targets(k).Labels {
			if y != y {
				continue
			}
			p, right = append(p, s.answers[k].Labels[i]), append(right, y == 1)
		}
	}
	return metric.ECE(metric.Reliability(p, right, bins))
}
