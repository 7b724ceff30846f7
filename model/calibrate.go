package model

import (
	"fmt"
	"math"
	"sort"
)

// Calibration makes probabilities of logits: a temperature for each head (Guo et
// al. 2017), scales of what network and trees say and an offset for each label
// (Platt 1999; stacking, Wolpert 1992), and for each app
// the scores of sessions that are it, which tell how unusual another is among them
// (Mondrian conformal prediction; Vovk et al. 2005). All are fitted on runs that
// were not trained on.
type Calibration struct {
	State   float64 `json:"state"` // temperatures: logits are divided by them
	Control float64 `json:"control"`
	Layers  float64 `json:"layers"`
	App     float64 `json:"app"`
	Labels  []Platt `json:"labels"` // of each label
	// Scores of each app, ascending: at most MaxScores quantiles of the
	// probability that the model gave the right app.
	Scores [][]float64 `json:"scores"`
	// Reject is the p-value below which an app is said to be unknown.
	Reject float64 `json:"reject"`
	// Transition are log probabilities of the state of a message, after the state
	// of the one before: states x states.
	Transition []float64 `json:"transition"`
}

// MaxScores is how many scores of an app are kept.
const MaxScores = 200

// Platt is p = 1/(1+exp(-(Scale*logit+Trees*trees+Offset))).
type Platt struct {
	Scale  float64 `json:"scale"`
	Trees  float64 `json:"trees,omitempty"`
	Offset float64 `json:"offset"`
	// Threshold is the p from which on the label holds rather than not, by F1 where
	// labels are as frequent as in the data.
	Threshold float64 `json:"threshold"`
	// Tell is the p from which on the label is told: elsewhere most labels are much
	// rarer, and it must seldom be told in vain.
	Tell float64 `json:"tell"`
}

// P returns the probability of a logit of the network and one of the trees.
func (p Platt) P(logit, trees float32) float64 {
	return 1 / (1 + math.Exp(-(p.Scale*float64(logit) + p.Trees*float64(trees) + p.Offset)))
}

// Uncalibrated returns the calibration that leaves logits as they are and never
// rejects.
func Uncalibrated(s *Shape) Calibration {
	c := Calibration{State: 1, Control: 1, Layers: 1, App: 1, Scores: make([][]float64, len(s.Apps)), Transition: make([]float64, len(s.States)*len(s.States))}
	for range s.Labels {
		c.Labels = append(c.Labels, Platt{Scale: 1, Threshold: 0.5, Tell: 0.5})
	}
	return c
}

func (c *Calibration) check(s *Shape) error {
	for _, t := range []float64{c.State, c.Control, c.Layers, c.App} {
		if !(t >= 0.01 && t <= 100) {
			return fmt.Errorf("a temperature of %g: want 0.01 to 100", t)
		}
	}
	if len(c.Labels) != len(s.Labels) || len(c.Scores) != len(s.Apps) || len(c.Transition) != len(s.States)*len(s.States) {
		return fmt.Errorf("calibration of %d labels, %d apps and %d transitions for a model of %d labels, %d apps and %d states",
			len(c.Labels), len(c.Scores), len(c.Transition), len(s.Labels), len(s.Apps), len(s.States))
	}
	for _, p := range c.Labels {
		if !(math.Abs(p.Scale) <= 100 && math.Abs(p.Trees) <= 100 && math.Abs(p.Offset) <= 100 && p.Threshold >= 0 && p.Threshold <= 1 && p.Tell >= 0 && p.Tell <= 1) {
			return fmt.Errorf("calibration %+v of a label: want numbers of at most 100 and thresholds of 0 to 1", p)
		}
	}
	for _, scores := range c.Scores {
		if len(scores) > MaxScores || !sort.Float64sAreSorted(scores) {
			return fmt.Errorf("%d scores of an app: want at most %d, in order", len(scores), MaxScores)
		}
	}
	for _, t := range c.Transition {
		if !(t <= 0 && t >= -1e3) {
			return fmt.Errorf("a log probability of %g", t)
		}
	}
	return nil
}

// PValue returns how usual a score is among the sessions that are the app: the
// share that scored no higher, 1 if none is known.
func (c *Calibration) PValue(app int, score float64) float64 {
	scores := c.Scores[app]
	if len(scores) == 0 {
		return 1
	}
	n := sort.SearchFloat64s(scores, math.Nextafter(score, 2))
	return float64(n+1) / float64(len(scores)+1)
}

// Softmax stores probabilities of logits at a temperature in p.
func Softmax[F float32 | float64](logits []F, temperature float64, p []float64) []float64 {
	top := math.Inf(-1)
	for _, v := range logits {
		top = max(top, float64(v))
	}
	p = p[:0]
	sum := 0.0
	for _, v := range logits {
		e := math.Exp((float64(v) - top) / temperature)
		p = append(p, e)
		sum += e
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// appendLogSoftmax appends the logarithms of the probabilities of logits at a
// temperature.
func appendLogSoftmax(to []float64, logits []float32, temperature float64) []float64 {
	top := logits[0]
	for _, v := range logits {
		top = max(top, v)
	}
	sum := 0.0
	scale := 1 / temperature
	for _, v := range logits {
		d := float64(v-top) * scale
		to = append(to, d)
		if d > -30 { // what is less changes nothing
			sum += math.Exp(d)
		}
	}
	log := math.Log(sum)
	for i := len(to) - len(logits); i < len(to); i++ {
		to[i] -= log
	}
	return to
}
