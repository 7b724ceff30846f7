package baseline

import (
	"math"

	"tyto/lab/label"
	"tyto/sequence/feature"
)

// SegmentRules are what people would write down of the states of messages. No
// threshold is fitted. Classes of a Task are found by the states' names.
type SegmentRules struct {
	classes int
	index   map[label.State]int
}

// NewSegmentRules returns the rules for a task's classes.
func NewSegmentRules(t Task) *SegmentRules {
	r := &SegmentRules{classes: len(t.Names), index: make(map[label.State]int)}
	for k, name := range t.Names {
		if state, err := label.ParseState(name); err == nil {
			r.index[state] = k
		}
	}
	return r
}

// Fit has nothing to learn.
func (r *SegmentRules) Fit([]Example) {}

// Predict gives the state that the rules name most of the probability, if it is
// one of the task's.
func (r *SegmentRules) Predict(e *Example) [][]float64 {
	const sure = 0.8
	width := len(feature.MessageNames)
	rows := feature.Messages(nil, e.Sequence)
	all := make([][]float64, len(e.Sequence.Messages))
	for i := range all {
		p := make([]float64, r.classes)
		k, named := r.index[stateOf(message(rows[i*width:(i+1)*width]))]
		for j := range p {
			switch {
			case !named || r.classes == 1:
				p[j] = 1 / float64(r.classes)
			case j == k:
				p[j] = sure
			default:
				p[j] = (1 - sure) / float64(r.classes-1)
			}
		}
		all[i] = p
	}
	return all
}

// message is a message's features.
type message []float32

var messageIndex = indexOf(feature.MessageNames)

// of is a feature; it panics if there is none of that name.
func (m message) of(name string) float64 {
	i, ok := messageIndex[name]
	if !ok {
		panic("baseline: no feature " + name)
	}
	return float64(m[i])
}

// stateOf is the first rule that holds. Sizes are binary logarithms of bytes,
// times decades above 10 µs: 5 is a second.
func stateOf(m message) label.State {
	up, down := m.of("window-bytes-up"), m.of("window-bytes-down")
	const bulk = 15. // 32 kB in the window
	switch {
	case m.of("position") < math.Log2(9) && m.of("since-start") < 5 && max(up, down) < bulk:
		return label.StateHandshake
	case up > bulk && up > down+3:
		return label.StateUpload
	case down > bulk && down > up+3:
		return label.StateDownload
	case typed(m):
		return label.StateKeystrokes
	case m.of("size0") < -6 && m.of("window-leads-up")+m.of("window-leads-down") > 0.1 && m.of("window-echoes") > 0.1:
		return label.StateOutput
	case m.of("window-small") > 0.9 && m.of("gap0") > 5.7 && m.of("gap1") > 5.7:
		return label.StateIdle
	}
	return label.StateExchange
}

// typed reports whether a message is small among others that are keys, echoes
// or OpenSSH's chaff.
func typed(m message) bool {
	isSmall := math.Abs(m.of("size0")) < math.Log2(160)
	leads := m.of("window-leads-up") + m.of("window-leads-down")
	return isSmall && m.of("window-small") > 0.7 && (m.of("window-comb") > 0.3 || leads > 0.2 && m.of("window-echoes") > 0.15)
}
