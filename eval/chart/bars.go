package chart

import (
	"io"
	"math"

	"tyto/eval/metric"
)

// Bar is a figure from 0 to 1, with its interval if that is known.
type Bar struct {
	Name string
	metric.Interval
}

// Group is bars that belong together, such as all methods on one fold.
type Group struct {
	Name string
	Bars []Bar
}

// Bars draws figures from 0 to 1 with their intervals, one below the other. Bars
// of the same name have the same colour in all groups. A figure that is NaN is
// a dash.
func Bars(w io.Writer, h Head, groups []Group) error {
	const width, high = 360., 20.
	var c canvas
	var names, titles []string
	place := make(map[string]int)
	lines := 0.
	for _, g := range groups {
		titles = append(titles, g.Name)
		lines += float64(len(g.Bars))*high + 8 + lineUp
		for _, b := range g.Bars {
			if _, ok := place[b.Name]; !ok {
				place[b.Name] = len(names)
				names = append(names, b.Name)
			}
		}
	}
	left, y := margin+widest(names)+10, 4.
	for i := range 6 {
		x := left + width*float64(i)/5
		c.line(x, y, x, y+lines, `class="rule"`)
		c.text(x, y+lines+16, num(float64(i)/5), toMiddle+` class="small"`)
	}
	for _, g := range groups {
		c.text(margin, y+13, short(g.Name), `class="group"`)
		y += lineUp
		for _, b := range g.Bars {
			c.bar(left, y, width, high, b, colour(place[b.Name]))
			y += high
		}
		y += 8
	}
	return c.write(w, h, max(left+width+156, margin+widest(titles))+margin, lines+28+margin)
}

// bar draws one bar, its whisker, and the figure at the right.
func (c *canvas) bar(left, y, width, high float64, b Bar, colour string) {
	at := func(v float64) float64 { return left + width*min(max(v, 0), 1) }
	middle := y + high/2
	c.text(left-8, middle+4, short(b.Name), toRight)
	c.rect(left, y+3, at(b.Value)-left, high-6, `fill="`+colour+`"`)
	figures := figure(b.Value)
	if !math.IsNaN(b.Low) && !math.IsNaN(b.High) && b.Low != b.High {
		c.line(at(b.Low), middle, at(b.High), middle, `class="mark" stroke-width="1.5"`)
		c.line(at(b.Low), middle-4, at(b.Low), middle+4, `class="mark" stroke-width="1.5"`)
		c.line(at(b.High), middle-4, at(b.High), middle+4, `class="mark" stroke-width="1.5"`)
		figures += " [" + figure(b.Low) + ", " + figure(b.High) + "]"
	}
	c.text(left+width+12, middle+4, figures, `class="small"`)
}
