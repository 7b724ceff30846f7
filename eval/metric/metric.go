// Package metric measures how right classifiers are and how much may be made of
// it: counts and F1, ranking and operating points, calibration, intervals, spans.
//
// Nothing here knows what is classified. What cannot be told of the items there
// are (a recall without positives) is NaN.
package metric

import "math"

// Counts are what a class was and was taken for.
type Counts struct {
	TP, FP, FN int
}

// Add adds other counts.
func (c *Counts) Add(d Counts) {
	c.TP += d.TP
	c.FP += d.FP
	c.FN += d.FN
}

// Support is how many items are of the class.
func (c Counts) Support() int { return c.TP + c.FN }

// Precision is which part of what was taken for the class is of it; NaN if
// nothing was.
func (c Counts) Precision() float64 { return float64(c.TP) / float64(c.TP+c.FP) }

// Recall is which part of the class was found; NaN if nothing is of it.
func (c Counts) Recall() float64 { return float64(c.TP) / float64(c.TP+c.FN) }

// F1 is the harmonic mean of precision and recall; NaN if nothing is of the
// class nor was taken for it.
func (c Counts) F1() float64 { return 2 * float64(c.TP) / float64(2*c.TP+c.FP+c.FN) }

// MacroF1 is the mean F1 of the classes that occur; NaN if none does.
func MacroF1(classes []Counts) float64 {
	sum, n := 0., 0.
	for _, c := range classes {
		if c.Support() > 0 {
			sum += c.F1()
			n++
		}
	}
	return sum / n
}

// MicroF1 is the F1 of all classes' counts together.
func MicroF1(classes []Counts) float64 {
	var all Counts
	for _, c := range classes {
		all.Add(c)
	}
	return all.F1()
}

// Confusion counts items by true and predicted class.
type Confusion struct {
	Counts   [][]int // true class × predicted class
	Rejected []int   // by true class: the classifier would not say
}

// NewConfusion returns an empty confusion matrix.
func NewConfusion(classes int) *Confusion {
	c := &Confusion{make([][]int, classes), make([]int, classes)}
	for i := range c.Counts {
		c.Counts[i] = make([]int, classes)
	}
	return c
}

// Add counts an item; predicted is -1 if the classifier would not say. A true
// class of -1 is not known, and the item not counted.
func (c *Confusion) Add(truth, predicted int) {
	switch {
	case truth < 0:
	case predicted < 0:
		c.Rejected[truth]++
	default:
		c.Counts[truth][predicted]++
	}
}

// Classes are the counts of each class. What was rejected was not found, and
// was not taken for anything else.
func (c *Confusion) Classes() []Counts {
	classes := make([]Counts, len(c.Counts))
	for truth, row := range c.Counts {
		classes[truth].FN += c.Rejected[truth]
		for predicted, n := range row {
			if truth == predicted {
				classes[truth].TP += n
				continue
			}
			classes[truth].FN += n
			classes[predicted].FP += n
		}
	}
	return classes
}

// Accuracy is which part of all items, rejected ones too, was told right.
func (c *Confusion) Accuracy() float64 {
	right, all := 0, 0
	for truth, row := range c.Counts {
		all += c.Rejected[truth]
		for predicted, n := range row {
			all += n
			if truth == predicted {
				right += n
			}
		}
	}
	return float64(right) / float64(all)
}

// MacroF1 is the mean F1 of the classes that occur.
func (c *Confusion) MacroF1() float64 { return MacroF1(c.Classes()) }

// Multi counts items that may be of several classes, or none.
type Multi struct {
	Classes []Counts
	Items   int
	Exact   int // items all of whose classes were told, and no other
}

// NewMulti returns empty counts.
func NewMulti(classes int) *Multi { return &Multi{Classes: make([]Counts, classes)} }

// Add counts an item; both have an element for each class.
func (m *Multi) Add(truth, predicted []bool) {
	exact := 1
	for k, t := range truth {
		switch p := predicted[k]; {
		case t && p:
			m.Classes[k].TP++
		case t:
			m.Classes[k].FN++
		case p:
			m.Classes[k].FP++
		}
		if t != predicted[k] {
			exact = 0
		}
	}
	m.Items++
	m.Exact += exact
}

// MacroF1 is the mean F1 of the classes that occur.
func (m *Multi) MacroF1() float64 { return MacroF1(m.Classes) }

// Best is the class of the highest probability, the first of equal ones; -1 if
// there is none above least.
func Best(p []float64, least float64) int {
	best, top := -1, math.Inf(-1)
	for k, v := range p {
		if v > top && v >= least {
			best, top = k, v
		}
	}
	return best
}
