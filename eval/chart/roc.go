package chart

import (
	"io"
	"math"
	"strconv"

	"tyto/eval/metric"
)

// Curve is how a classifier ranks items.
type Curve struct {
	Name    string
	Ranking *metric.Ranking
}

// rocDecades is how far down the false positive rate goes: to 1e-5.
const rocDecades = 5

// ROC draws recall over the logarithm of the false positive rate. Shaded is
// where there are too few negative items to tell a rate, by the rule of three;
// of several curves the one with the fewest counts.
func ROC(w io.Writer, h Head, curves []Curve) error {
	const width, height = 400., 300.
	left, top := margin+44, 8.
	x := func(rate float64) float64 {
		return left + width*(1+math.Log10(max(rate, math.Pow10(-rocDecades)))/rocDecades)
	}
	y := func(recall float64) float64 { return top + height*(1-recall) }
	var c canvas
	fewest := math.Inf(1)
	for _, v := range curves {
		fewest = min(fewest, float64(v.Ranking.Negatives()))
	}
	if blind := min(3/fewest, 1); blind > math.Pow10(-rocDecades) {
		c.rect(left, top, x(blind)-left, height, `class="shade"`)
		c.text(left+6, top+height-8, "too few negatives to tell", `class="small faint"`)
	}
	for i := range 6 {
		v := float64(i) / 5
		c.line(left, y(v), left+width, y(v), `class="rule"`)
		c.text(left-8, y(v)+4, num(v), toRight+` class="small"`)
	}
	for d := -rocDecades; d <= 0; d++ {
		at := x(math.Pow10(d))
		c.line(at, top, at, top+height, `class="rule"`)
		c.text(at, top+height+16, power(d), toMiddle+` class="small"`)
	}
	var names, fills []string
	for i, v := range curves {
		c.path(stairs(v.Ranking, x, y), `stroke="`+colour(i)+`" stroke-width="2" stroke-linejoin="round"`)
		names = append(names, short(v.Name)+" "+figure(v.Ranking.AUROC()))
		fills = append(fills, colour(i))
	}
	c.text(left+width/2, top+height+36, "false positive rate", toMiddle)
	c.turned(margin+4, top+height/2, "recall")
	c.text(left, top+height+60, "area under the curve:", `class="faint"`)
	under := c.legend(left, top+height+66, width, names, fills)
	return c.write(w, h, left+width+2*margin, top+height+66+under+margin)
}

func power(d int) string {
	if d == 0 {
		return "1"
	}
	return "1e" + strconv.Itoa(d)
}

// stairs are a curve's points: it rises where positive items are passed, and
// goes right where negative ones are. Where both have the same score, the line
// between is straight on linear axes; its end points alone are drawn.
func stairs(r *metric.Ranking, x, y func(float64) float64) (points [][2]float64) {
	positives, negatives := float64(max(r.Positives(), 1)), float64(max(r.Negatives(), 1))
	points = append(points, [2]float64{x(0), y(0)})
	for _, s := range r.Steps() {
		p := [2]float64{x(float64(s.FP) / negatives), y(float64(s.TP) / positives)}
		if n := len(points); n > 1 && (sameLine(points[n-2], points[n-1], p, 0) || sameLine(points[n-2], points[n-1], p, 1)) {
			points = points[:n-1]
		}
		points = append(points, p)
	}
	return points
}

// sameLine reports whether three points share a coordinate.
func sameLine(a, b, c [2]float64, axis int) bool { return a[axis] == b[axis] && b[axis] == c[axis] }
