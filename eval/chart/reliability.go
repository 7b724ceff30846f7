package chart

import (
	"io"

	"tyto/eval/metric"
)

// Reliability draws how often what was said with a confidence is right: bars of
// accuracy that end at the diagonal where probabilities mean what they say. Below
// is which part of all items each bin has.
func Reliability(w io.Writer, h Head, bins []metric.Bin) error {
	const side, below, gap = 300., 60., 30.
	left, top := margin+44, 8.
	var c canvas
	c.grid(left, top, side)
	items, most := 0, 1
	for _, b := range bins {
		items, most = items+b.Items, max(most, b.Items)
	}
	base := top + side + gap + below
	for _, b := range bins {
		if b.Items == 0 {
			continue
		}
		x, width := left+side*b.From, side*(b.To-b.From)
		c.rect(x+1, top+side*(1-b.Accuracy), width-2, side*b.Accuracy, `fill="`+colour(0)+`" fill-opacity=".75"`)
		c.circle(left+side*b.Confidence, top+side*(1-b.Accuracy), 3, `class="paper mark" stroke-width="1.5"`)
		high := below * float64(b.Items) / float64(most)
		c.rect(x+1, base-high, width-2, high, `fill="`+colour(7)+`"`)
	}
	c.line(left, top+side, left+side, top, `class="mark" stroke-dasharray="5 4"`)
	c.line(left, base, left+side, base, `class="axis"`)
	c.text(left-8, base-below+8, count(most), toRight+` class="small"`)
	c.text(left-8, base, "0", toRight+` class="small"`)
	c.text(left+side/2, base+lineUp+2, "confidence, and items with it", toMiddle)
	c.turned(margin+4, top+side/2, "accuracy")
	c.text(left+8, top+18, "ECE "+figure(metric.ECE(bins))+" of "+count(items)+" items", "")
	return c.write(w, h, left+side+2*margin, base+lineUp+2+margin)
}

// grid draws the frame and rules of a square from 0 to 1 both ways.
func (c *canvas) grid(left, top, side float64) {
	for i := range 6 {
		v := float64(i) / 5
		x, y := left+side*v, top+side*(1-v)
		c.line(left, y, left+side, y, `class="rule"`)
		c.line(x, top, x, top+side, `class="rule"`)
		c.text(left-8, y+4, num(v), toRight+` class="small"`)
		c.text(x, top+side+16, num(v), toMiddle+` class="small"`)
	}
}

// turned writes text upwards, its middle at a point.
func (c *canvas) turned(x, y float64, text string) {
	c.text(0, 0, text, toMiddle+` transform="translate(`+num(x)+" "+num(y)+`) rotate(-90)"`)
}
