package hunt

import (
	"errors"
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"

	"tyto/internal/record"
	"tyto/store"
)

// graph is rows as nodes and edges, in the order they came.
type graph struct {
	from, to int // columns
	label    int // column; -1: none
	nodes    []string
	index    map[string]int
	edges    []edge
}

type edge struct {
	from, to int
	label    string
}

// maxEdges is what a picture can show.
const maxEdges = 2000

func newGraph(fields []record.Field) (*graph, error) {
	g := &graph{from: -1, to: -1, label: -1, index: make(map[string]int)}
	var texts []int
	place := make(map[string]int)
	for i, f := range fields {
		place[f.Name] = i
		if store.Base(f.Type) == store.TextBase {
			texts = append(texts, i)
		}
	}
	for _, pair := range [][2]string{{"from", "to"}, {"id.orig_h", "id.resp_h"}} {
		a, okA := place[pair[0]]
		b, okB := place[pair[1]]
		if okA && okB && g.from < 0 {
			g.from, g.to = a, b
		}
	}
	if g.from < 0 {
		if len(texts) < 2 {
			return nil, errors.New("a graph needs two columns of text, from and to: choose them with fields")
		}
		g.from, g.to = texts[0], texts[1]
	}
	for _, name := range []string{"relation", "app", "service", "count", "via"} {
		if i, ok := place[name]; ok && i != g.from && i != g.to {
			g.label = i
			break
		}
	}
	return g, nil
}

func (g *graph) add(b *store.Batch, row int) error {
	if len(g.edges) >= maxEdges {
		return fmt.Errorf("more than %d edges make no picture: ask for fewer with stats, where or limit", maxEdges)
	}
	e := edge{from: g.node(display(b.Value(row, g.from), b.Fields[g.from].Type, true)), to: g.node(display(b.Value(row, g.to), b.Fields[g.to].Type, true))}
	if g.label >= 0 {
		e.label = clip(display(b.Value(row, g.label), b.Fields[g.label].Type, true))
	}
	g.edges = append(g.edges, e)
	return nil
}

func (g *graph) node(name string) int {
	name = clip(name)
	i, ok := g.index[name]
	if !ok {
		i = len(g.nodes)
		g.index[name] = i
		g.nodes = append(g.nodes, name)
	}
	return i
}

// dot writes the graph in graphviz's language. Nodes are numbered: a name is a
// label only.
func (g *graph) dot(b []byte) []byte {
	b = append(b, "digraph hunt {\n\trankdir=LR;\n\tnode [shape=box, style=rounded];\n"...)
	for i, n := range g.nodes {
		b = fmt.Appendf(b, "\tn%d [label=%s];\n", i, dotText(n))
	}
	for _, e := range g.edges {
		b = fmt.Appendf(b, "\tn%d -> n%d [label=%s];\n", e.from, e.to, dotText(e.label))
	}
	return append(b, "}\n"...)
}

// dotText is a text in quotes, in which graphviz sees no escapes.
func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// svg draws the nodes on a circle.
func (g *graph) svg(b []byte) []byte {
	radius := math.Max(160, float64(len(g.nodes))*16)
	size := 2*radius + 360
	at := func(i int) (x, y float64) {
		a := 2*math.Pi*float64(i)/float64(max(len(g.nodes), 1)) - math.Pi/2
		return size/2 + radius*math.Cos(a), size/2 + radius*math.Sin(a)
	}
	b = fmt.Appendf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]s %[1]s" font-family="sans-serif" font-size="12">`+"\n", coordinate(size))
	b = append(b, `<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#678"/></marker></defs>`+"\n"...)
	for _, e := range g.edges {
		x1, y1 := at(e.from)
		x2, y2 := at(e.to)
		b = fmt.Appendf(b, `<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="#678" marker-end="url(#tip)"><title>%s</title></line>`+"\n",
			coordinate(x1), coordinate(y1), coordinate(x2), coordinate(y2), markup(g.nodes[e.from]+" → "+g.nodes[e.to]+" "+e.label))
	}
	for i, n := range g.nodes {
		x, y := at(i)
		b = fmt.Appendf(b, `<circle cx="%s" cy="%s" r="5" fill="#135"/><text x="%s" y="%s">%s</text>`+"\n",
			coordinate(x), coordinate(y), coordinate(x+8), coordinate(y+4), markup(n))
	}
	return append(b, "</svg>\n"...)
}

func coordinate(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// markup is a text in which XML sees no markup.
func markup(s string) string { return html.EscapeString(s) }
