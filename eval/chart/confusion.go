package chart

import (
	"io"
	"math"
	"strconv"

	"tyto/eval/metric"
)

// Confusion draws a confusion matrix: true classes are rows, shaded by which
// part of the row a cell is. The last columns are what was rejected, if anything
// was, and recall. Classes that are neither true of anything nor said of
// anything are left out. names has one for each class.
func Confusion(w io.Writer, h Head, m *metric.Confusion, names []string) error {
	const side = 34.
	var c canvas
	counts := m.Classes()
	shown, labels, rejected := occurring(m, names)
	labels = append(labels, "precision", "rejected") // are beside them
	left := margin + widest(labels) + 26
	top := 14 + widest(labels)*0.72 + 8
	for i, k := range shown {
		x, y := left+side*float64(i), top+side*float64(i)
		c.text(left-8, y+side/2+4, short(names[k]), toRight)
		c.heading(x+side/2, top-8, short(names[k]))
		all := counts[k].Support()
		for j, other := range shown {
			c.cell(left+side*float64(j), y, side, m.Counts[k][other], all)
		}
		x = left + side*float64(len(shown)) + 8
		if rejected {
			c.cell(x, y, side, m.Rejected[k], all)
			x += side + 8
		}
		c.text(x+44, y+side/2+4, figure(counts[k].Recall()), toRight)
	}
	x, bottom := left+side*float64(len(shown))+8, top+side*float64(len(shown))
	if rejected {
		c.heading(x+side/2, top-8, "rejected")
		x += side + 8
	}
	c.heading(x+side/2, top-8, "recall")
	c.text(left-8, bottom+lineUp+2, "precision", toRight+` class="faint"`)
	for i, k := range shown {
		if p := counts[k].Precision(); !math.IsNaN(p) {
			c.text(left+side*(float64(i)+0.5), bottom+lineUp+2, strconv.FormatFloat(p, 'f', 2, 64), toMiddle+` class="small"`)
		}
	}
	c.text(left, bottom+2*lineUp+8, "macro-F1 "+figure(m.MacroF1())+" over classes that occur, accuracy "+figure(m.Accuracy()), `class="faint"`)
	width := max(x+52+widest(labels)*0.72, left+textWidth("macro-F1 0.000 over classes that occur, accuracy 0.000"))
	return c.write(w, h, width+margin, bottom+2*lineUp+8+margin)
}

// occurring are the classes that are drawn, and whether anything was rejected.
func occurring(m *metric.Confusion, names []string) (shown []int, labels []string, rejected bool) {
	for k, c := range m.Classes() {
		if c.Support() > 0 || c.FP > 0 {
			shown, labels = append(shown, k), append(labels, names[k])
		}
		rejected = rejected || m.Rejected[k] > 0
	}
	return shown, labels, rejected
}

// heading is a column's name, slanted.
func (c *canvas) heading(x, y float64, text string) {
	c.text(0, 0, text, `transform="translate(`+num(x)+" "+num(y)+`) rotate(-45)"`)
}

func (c *canvas) cell(x, y, side float64, n, all int) {
	part := 0.
	if all > 0 {
		part = float64(n) / float64(all)
	}
	c.rect(x, y, side, side, `class="rule" fill="none"`)
	if n == 0 {
		return
	}
	c.rect(x+1, y+1, side-2, side-2, `class="heat" fill-opacity="`+num(0.06+0.94*part)+`"`)
	class := `class="small"`
	if part > 0.5 {
		class = `class="small on"`
	}
	c.text(x+side/2, y+side/2+4, count(n), toMiddle+" "+class)
}

// count is a number of at most four places.
func count(n int) string {
	if n < 10_000 {
		return strconv.Itoa(n)
	}
	if n < 1_000_000 {
		return strconv.Itoa(n/1000) + "k"
	}
	return strconv.Itoa(n/1_000_000) + "M"
}
