package chart

import (
	"io"
	"math"
	"strconv"

	"tyto/eval/metric"
)

// Strip is one line of a timeline, such as the truth, or what a model says.
type Strip struct {
	Name  string
	Spans []metric.Span
}

// Timeline draws spans of several strips over the same time: from the earliest
// to the latest of all. Where spans overlap, later ones are drawn lower, so that
// all are seen. names has one for each class.
func Timeline(w io.Writer, h Head, strips []Strip, names []string) error {
	const width, high = 640., 26.
	var c canvas
	from, to := extent(strips)
	var labels []string
	for _, s := range strips {
		labels = append(labels, s.Name)
	}
	left, y := margin+widest(labels)+10, 4.
	x := func(at int64) float64 { return left + width*float64(at-from)/float64(to-from) }
	used := make([]bool, len(names))
	for _, s := range strips {
		c.text(left-8, y+high/2+4, short(s.Name), toRight)
		c.rect(left, y, width, high, `class="shade"`)
		for i, span := range s.Spans {
			used[span.Class] = true
			inset := 0.
			if i > 0 && overlaps(span, s.Spans[:i]) {
				inset = high / 2
			}
			c.rect(x(span.From), y+inset, max(x(span.To)-x(span.From), 1), high-inset, `fill="`+colour(span.Class)+`"`)
		}
		y += high + 8
	}
	c.seconds(left, y, width, float64(to-from)/1e9)
	y += 30
	var shown, fills []string
	for k, u := range used {
		if u {
			shown, fills = append(shown, short(names[k])), append(fills, colour(k))
		}
	}
	under := c.legend(left, y, width, shown, fills)
	return c.write(w, h, left+width+2*margin, y+under+margin)
}

// extent is the time of all strips; never empty.
func extent(strips []Strip) (from, to int64) {
	from, to = math.MaxInt64, math.MinInt64
	for _, s := range strips {
		for _, span := range s.Spans {
			from, to = min(from, span.From), max(to, span.To)
		}
	}
	if from > to {
		return 0, 1e9
	}
	return from, max(to, from+1e6)
}

func overlaps(s metric.Span, others []metric.Span) bool {
	for _, o := range others {
		if s.From < o.To && o.From < s.To {
			return true
		}
	}
	return false
}

// seconds draws an axis with about six round times.
func (c *canvas) seconds(left, y, width, duration float64) {
	step := math.Pow10(int(math.Floor(math.Log10(duration / 6))))
	for _, m := range []float64{2, 5, 10} {
		if duration/step > 9 {
			step = math.Pow10(int(math.Floor(math.Log10(duration/6)))) * m
		}
	}
	decimals := max(0, -int(math.Floor(math.Log10(step))))
	for i := 0; float64(i)*step <= duration*(1+1e-9); i++ {
		at := left + width*float64(i)*step/duration
		c.line(at, y-4, at, y, `class="axis"`)
		c.text(at, y+14, strconv.FormatFloat(float64(i)*step, 'f', decimals, 64)+" s", toMiddle+` class="small"`)
	}
}
