// Package chart draws what evaluations find as SVG: confusion matrices,
// reliability diagrams, bars with intervals, ROC curves, timelines.
//
// A chart depends on its data only, so that a report that did not change is the
// same file. It uses no fonts, scripts or links of others, and is readable on
// light and dark pages: it follows prefers-color-scheme. Names may be any text.
//
// To add a kind of chart: a file with a type of its data and a function that
// puts marks on a canvas; a golden file in testdata by UPDATE=1 go test; and a
// look at it.
package chart

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// Head is what is written above a chart.
type Head struct {
	Title string
	Note  string // such as the fold and how many runs
}

const (
	margin    = 16.
	lineUp    = 18. // height of a line of text
	letter    = 6.6 // mean width of a letter
	nameRunes = 28  // of a name that are shown, at most
)

// colours of series and classes; they stand out from white and from black. From
// the 17th on they begin again.
var colours = [...]string{"#3b82c4", "#e07b39", "#3fa66b", "#d1495b", "#8e6cc9", "#a0763c", "#d67ab1", "#7f8c8d", "#b5a42e", "#2ba6b8", "#5b6ee1", "#8fae3a", "#b3402c", "#2f7d6f", "#b08bd0", "#9a9a5b"}

func colour(i int) string { return colours[i%len(colours)] }

// style has what differs between themes: classes for text and fills.
const style = `<style>
text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:600}.faint{fill:#59636e}.small{font-size:11px}.group{font-weight:600}
.paper{fill:#fff}.rule{stroke:#d1d9e0}.axis{stroke:#59636e}.heat{fill:#0b5cad}.on{fill:#fff}.shade{fill:#818b98;fill-opacity:.14}.mark{stroke:#1f2328}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.faint{fill:#9198a1}.paper{fill:#0d1117}.rule{stroke:#3d444d}.axis{stroke:#9198a1}.heat{fill:#6cb0ff}.on{fill:#0d1117}.mark{stroke:#f0f6fc}}
</style>
`

// canvas collects marks; the size is known at the end.
type canvas struct {
	marks strings.Builder
}

// write writes a whole file: marks on paper of the given size below a head.
func (c *canvas) write(w io.Writer, h Head, width, height float64) error {
	width = max(width, 2*margin+textWidth(h.Title)*1.3, 2*margin+textWidth(h.Note))
	top := headHeight(h)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 %s %s" width="%s" height="%s">`+"\n", num(width), num(top+height), num(width), num(top+height))
	fmt.Fprintf(&b, "<title>%s</title>\n%s", escape(h.Title), style)
	fmt.Fprintf(&b, `<rect class="paper" width="%s" height="%s"/>`+"\n", num(width), num(top+height))
	fmt.Fprintf(&b, `<text class="title" x="%s" y="26">%s</text>`+"\n", num(margin), escape(h.Title))
	if h.Note != "" {
		fmt.Fprintf(&b, `<text class="faint" x="%s" y="45">%s</text>`+"\n", num(margin), escape(h.Note))
	}
	fmt.Fprintf(&b, `<g transform="translate(0 %s)">`+"\n%s</g>\n</svg>\n", num(top), c.marks.String())
	_, err := io.WriteString(w, b.String())
	return err
}

func headHeight(h Head) float64 {
	if h.Note == "" {
		return 38
	}
	return 58
}

// rect draws a rectangle; more is further attributes. Coordinates that are not
// finite would be an invalid file: such marks are left out, here and below.
func (c *canvas) rect(x, y, width, height float64, more string) {
	c.mark(`<rect x="%s" y="%s" width="%s" height="%s" %s/>`, more, x, y, width, height)
}

func (c *canvas) line(x1, y1, x2, y2 float64, more string) {
	c.mark(`<line x1="%s" y1="%s" x2="%s" y2="%s" %s/>`, more, x1, y1, x2, y2)
}

func (c *canvas) circle(x, y, r float64, more string) {
	c.mark(`<circle cx="%s" cy="%s" r="%s" %s/>`, more, x, y, r)
}

func (c *canvas) mark(format, more string, at ...float64) {
	args := make([]any, 0, len(at)+1)
	for _, v := range at {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		args = append(args, num(v))
	}
	fmt.Fprintf(&c.marks, format+"\n", append(args, more)...)
}

// text writes a name or number at its baseline.
func (c *canvas) text(x, y float64, text, more string) {
	if !math.IsNaN(x+y) && !math.IsInf(x+y, 0) {
		fmt.Fprintf(&c.marks, `<text x="%s" y="%s" %s>%s</text>`+"\n", num(x), num(y), more, escape(text))
	}
}

// path draws a line through points, each x and y.
func (c *canvas) path(points [][2]float64, more string) {
	var d strings.Builder
	for i, p := range points {
		d.WriteString([...]string{"M", "L"}[min(i, 1)] + num(p[0]) + " " + num(p[1]))
	}
	fmt.Fprintf(&c.marks, `<path d="%s" fill="none" %s/>`+"\n", d.String(), more)
}

// legend writes names, whole, beside their colours, in lines of at most width,
// and returns how high it is.
func (c *canvas) legend(x, y, width float64, names []string, colours []string) float64 {
	at, top := x, y
	for i, name := range names {
		needs := 18 + textWidth(name) + 14
		if at+needs > x+width && at > x {
			at, y = x, y+lineUp
		}
		c.rect(at, y+3, 12, 12, `rx="2" fill="`+colours[i]+`"`)
		c.text(at+18, y+13, name, "")
		at += needs
	}
	return y + lineUp - top
}

const (
	toRight  = `text-anchor="end"`
	toMiddle = `text-anchor="middle"`
)

// num is a coordinate with at most two decimals.
func num(v float64) string {
	v = math.Round(v*100) / 100
	if v == 0 {
		return "0" // never -0
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// figure is a number from 0 to 1 as tables show it.
func figure(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// short is a name that is not too long, in one line.
func short(name string) string {
	runes := []rune(name)
	if len(runes) > nameRunes {
		return string(runes[:nameRunes-1]) + "…"
	}
	return name
}

func textWidth(text string) float64 { return letter * float64(len([]rune(text))) }

// widest is the width of the longest of names, as they are shown.
func widest(names []string) (width float64) {
	for _, n := range names {
		width = max(width, textWidth(short(n)))
	}
	return width
}

var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// escape makes any text fit for XML: what may not be in it at all becomes �.
func escape(text string) string {
	return entities.Replace(strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF:
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, "�")))
}
