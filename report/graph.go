package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"tyto/detection"
	"tyto/internal/amount"
	"tyto/packet"
	"tyto/triage"
)

// Measures of the movement graph, in px.
const (
	boxWide   = 168.0
	boxHigh   = 60.0
	layerGap  = 138.0
	rowPitch  = 86.0
	slimPitch = 40.0 // of an edge that passes a layer
	margin    = 24.0
	aside     = 18.0 // from a box to a line that passes it
	maxLayers = 12
	lineHigh  = 13.0
	boxRoom   = boxWide - 10
)

// drawing is a movement graph as SVG shapes.
type drawing struct {
	Case, Title, Desc string
	Wide, High        string
	Nodes             []*node
	Edges             []*arrow
	Heads             []string // classes of edges: each has its head
	Left              string   // what was left out
}

// node is a device, or a party outside, in the graph.
type node struct {
	ID                      string
	Name, Addr, Role, Class string
	X, Y                    string
	TextX, NameY, AddrY     string
	RoleY                   string
	Long                    bool // the name needs small letters

	layer, seq int
	x, y       float64
	slim       bool    // the way of an edge through a layer, and no device
	sort       float64 // of the crossing pass
}

// arrow is what goes from one node to another.
type arrow struct {
	D, Class   string
	Lines      []caption
	BoxX, BoxY string
	BoxW, BoxH string
	Title      string

	from, to *node
	way      []*node // slim nodes in between
	vias     []string
	ids      []string
	sessions int
	at       int64
}

// caption is a line of text.
type caption struct{ X, Y, Text string }

// plan collects a case's nodes and arrows.
type plan struct {
	b       *builder
	c       *triage.Case
	nodes   map[string]*node
	order   []*node
	arrows  map[[2]*node]*arrow
	list    []*arrow
	leftOut int
}

// graph draws the movement of a case; nil if nothing moves.
func (b *builder) graph(c *triage.Case) *drawing {
	p := &plan{b: b, c: c, nodes: make(map[string]*node), arrows: make(map[[2]*node]*arrow)}
	p.path()
	p.findings()
	if len(p.list) == 0 {
		return nil
	}
	p.layers()
	p.passages()
	rows := p.rows()
	p.place(rows)
	return p.draw()
}

// path adds the hops of the case.
func (p *plan) path() {
	for i := range p.c.Path {
		h := &p.c.Path[i]
		from := p.node(h.From, h.Domain, i == 0 && p.c.Controller.Party == detection.Party{Addr: h.From, Domain: h.Domain})
		to := p.node(h.To, "", false)
		p.arrow(from, to, h.Via, hops[h.Via], 1, h.At, "hop")
	}
}

// findings adds what findings say between devices, and with whom outside.
func (p *plan) findings() {
	for _, it := range p.c.Items {
		if it.Outcome == detection.Benign || len(it.Hosts) == 0 || it.Rule.ID == "lateral-movement" {
			continue
		}
		id := ""
		if list := seen(it.Finding); len(list) > 0 {
			id = list[0]
		}
		host := p.node(it.Hosts[0], "", false)
		switch {
		case !it.Outside.IsZero() && it.Controls:
			p.arrow(p.node(it.Outside.Addr, it.Outside.Domain, p.c.Controller.Party == it.Outside), host, it.Rule.ID, id, len(it.UIDs), it.T0, "lead")
		case !it.Outside.IsZero():
			p.arrow(host, p.node(it.Outside.Addr, it.Outside.Domain, false), it.Rule.ID, id, len(it.UIDs), it.T0, "out")
		default:
			for _, other := range it.Hosts[1:min(len(it.Hosts), 9)] {
				p.arrow(host, p.node(other, "", false), it.Rule.ID, id, len(it.UIDs), it.T0, "other")
			}
		}
	}
}

// node returns the node of an address, or of a name outside; nil if there is no room.
func (p *plan) node(a packet.Addr, domain string, leads bool) *node {
	key := p.b.deviceKey(a)
	if domain != "" {
		key = domain
	}
	n := p.nodes[key]
	if n == nil {
		if len(p.order) >= p.b.nodes {
			p.leftOut++
			return nil
		}
		n = &node{ID: key, layer: -1, seq: len(p.order), Class: "inside", Name: p.b.name(a), Addr: a.String()}
		if d := p.b.device(a); d != nil && len(d.Roles) > 0 {
			n.Role = d.Roles[0]
		}
		if domain != "" {
			n.Name = clean(domain, 60)
		}
		if a.IsZero() {
			n.Addr = ""
		}
		if domain != "" || !p.b.home(a) {
			n.Class, n.Role = "outside", "outside"
		}
		if n.Name == n.Addr {
			n.Addr = ""
		}
		p.nodes[key] = n
		p.order = append(p.order, n)
	}
	if leads {
		n.Class = "leader"
		n.Role = p.b.side(detection.Party{Addr: a, Domain: domain}) + ", leads"
	}
	return n
}

// arrow adds what goes from one node to another; of the same two it is one arrow.
func (p *plan) arrow(from, to *node, via, id string, sessions int, at int64, class string) {
	if from == nil || to == nil || from == to {
		return
	}
	key := [2]*node{from, to}
	a := p.arrows[key]
	if a == nil {
		a = &arrow{from: from, to: to, Class: class, at: at}
		p.arrows[key] = a
		p.list = append(p.list, a)
	}
	if class == "lead" {
		a.Class = class
	}
	if via == "remote-execution" && len(a.vias) > 0 {
		via = "" // the path says by what
	}
	if via != "" && !slices.Contains(a.vias, via) {
		if class == "lead" { // how it leads says more than over what
			a.vias = append([]string{via}, a.vias...)
		} else {
			a.vias = append(a.vias, via)
		}
	}
	if id != "" && !slices.Contains(a.ids, id) {
		a.ids = append(a.ids, id)
	}
	a.sessions = max(a.sessions, sessions)
	if at != 0 && (a.at == 0 || at < a.at) {
		a.at = at
	}
}

// layers gives each node a layer: one to the right of where it was first reached
// from, in order of time, those that lead first. Arrows to where somebody was
// before go back.
func (p *plan) layers() {
	slices.SortStableFunc(p.list, func(a, b *arrow) int { return cmp.Compare(a.at, b.at) })
	reached := make(map[*node]bool)
	for _, a := range p.list {
		reached[a.to] = true
	}
	for _, n := range p.order {
		if n.Class == "leader" || !reached[n] {
			n.layer = 0
		}
	}
	for changedOne := true; changedOne; {
		changedOne = false
		for _, a := range p.list {
			if a.from.layer >= 0 && a.to.layer < 0 {
				a.to.layer = min(a.from.layer+1, maxLayers-1)
				changedOne = true
			}
		}
		if changedOne {
			continue
		}
		for _, n := range p.order { // a circle that nothing leads into begins somewhere
			if n.layer < 0 {
				n.layer, changedOne = 0, true
				break
			}
		}
	}
}

// passages keeps room in the layers that arrows cross.
func (p *plan) passages() {
	for _, a := range p.list {
		for l := a.from.layer + 1; l < a.to.layer; l++ {
			n := &node{layer: l, slim: true, seq: len(p.order)}
			a.way = append(a.way, n)
			p.order = append(p.order, n)
		}
	}
}

// rows orders the nodes of each layer: by where what reaches them comes from,
// which leaves few crossings (the barycenter heuristic of Sugiyama et al., 1981).
func (p *plan) rows() [][]*node {
	deepest := 0
	for _, n := range p.order {
		deepest = max(deepest, n.layer)
	}
	rows := make([][]*node, deepest+1)
	for _, n := range p.order {
		rows[n.layer] = append(rows[n.layer], n)
	}
	before := make(map[*node][]*node)
	for _, a := range p.list {
		chain := append(append([]*node{a.from}, a.way...), a.to)
		for i := 1; i < len(chain); i++ {
			before[chain[i]] = append(before[chain[i]], chain[i-1])
		}
	}
	for l := 1; l < len(rows); l++ {
		at := make(map[*node]int)
		for i, n := range rows[l-1] {
			at[n] = i
		}
		for _, n := range rows[l] {
			sum, count := 0.0, 0
			for _, o := range before[n] {
				if i, ok := at[o]; ok {
					sum, count = sum+float64(i), count+1
				}
			}
			n.sort = sum / float64(max(count, 1))
		}
		sort.SliceStable(rows[l], func(i, j int) bool { return rows[l][i].sort < rows[l][j].sort })
	}
	return rows
}

// place gives nodes their coordinates: layers from left to right, each centred.
func (p *plan) place(rows [][]*node) {
	high := func(n *node) float64 {
		if n.slim {
			return slimPitch
		}
		return rowPitch
	}
	tallest := 0.0
	heights := make([]float64, len(rows))
	for l, row := range rows {
		for _, n := range row {
			heights[l] += high(n)
		}
		tallest = max(tallest, heights[l])
	}
	for l, row := range rows {
		y := margin + (tallest-heights[l])/2
		for _, n := range row {
			n.x, n.y = margin+float64(l)*(boxWide+layerGap), y+high(n)/2
			y += high(n)
		}
	}
}

// draw makes shapes.
func (p *plan) draw() *drawing {
	d := &drawing{Heads: []string{"hop", "lead", "out", "other"}, Case: p.c.ID, Title: p.b.named(p.c.Title)}
	wide, high := 0.0, 0.0
	var taken [][4]float64
	for _, n := range p.order {
		wide, high = max(wide, n.x+boxWide+margin), max(high, n.y+boxHigh/2+margin)
		if n.slim {
			continue
		}
		taken = append(taken, [4]float64{n.x, n.y - boxHigh/2, n.x + boxWide, n.y + boxHigh/2})
		n.X, n.Y, n.TextX = f1(n.x), f1(n.y-boxHigh/2), f1(n.x+boxWide/2)
		lines := 1
		for _, s := range []string{n.Addr, n.Role} {
			if s != "" {
				lines++
			}
		}
		y := n.y - float64(lines-1)*8 + 4
		n.NameY = f1(y)
		if n.Addr != "" {
			y += 16
			n.AddrY = f1(y)
		}
		if n.Role != "" {
			n.RoleY = f1(y + 16)
		}
		n.Long = ems(n.Name) > boxRoom/13
		n.Addr, n.Role = fitted(n.Addr, boxRoom/11), fitted(n.Role, boxRoom/11)
		if n.Name = fitted(n.Name, boxRoom/11); !n.Long {
			n.Name = fitted(n.Name, boxRoom/13)
		}
		d.Nodes = append(d.Nodes, n)
	}
	back := 0
	var says []string
	for _, a := range p.list {
		points := p.points(a, high, &back)
		a.D = curve(points)
		a.text(p.b, points, &taken)
		d.Edges = append(d.Edges, a)
		says = append(says, a.Title)
		for _, l := range points {
			wide, high = max(wide, l[0]+margin), max(high, l[1]+margin)
		}
	}
	for _, t := range taken {
		wide, high = max(wide, t[2]+4), max(high, t[3]+margin)
	}
	d.Wide, d.High = fmt.Sprintf("%.0f", wide), fmt.Sprintf("%.0f", high)
	d.Desc = strings.Join(says, "; ") + "."
	if p.leftOut > 0 {
		d.Left = amount.Number(p.leftOut, "further relation is not drawn.", "further relations are not drawn.")
	}
	return d
}

// points are where an arrow goes through: from the right side of a box to the
// left side of another; back below everything, and within a layer beside it.
func (p *plan) points(a *arrow, bottom float64, back *int) [][2]float64 {
	if a.to.layer > a.from.layer {
		list := [][2]float64{{a.from.x + boxWide, a.from.y}}
		for _, n := range a.way {
			list = append(list, [2]float64{n.x, n.y}, [2]float64{n.x + boxWide, n.y})
		}
		return append(list, [2]float64{a.to.x, a.to.y})
	}
	right := a.from.x + boxWide
	if a.to.layer == a.from.layer {
		return [][2]float64{{right, a.from.y + 12}, {right + aside, a.from.y + 12}, {right + aside, a.to.y - 12}, {right, a.to.y - 12}}
	}
	*back++
	y := bottom + float64(*back-1)*(3*lineHigh+10) + 18
	return [][2]float64{{right, a.from.y + 12}, {right + aside, a.from.y + 12}, {right + aside, y}, {a.to.x - aside, y}, {a.to.x - aside, a.to.y + 12}, {a.to.x, a.to.y + 12}}
}

// curve draws a line through points: level at each, or with corners if it goes back.
func curve(points [][2]float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%s,%s", f1(points[0][0]), f1(points[0][1]))
	for i := 1; i < len(points); i++ {
		from, to := points[i-1], points[i]
		if to[0] <= from[0] || to[1] == from[1] {
			fmt.Fprintf(&b, "L%s,%s", f1(to[0]), f1(to[1]))
			continue
		}
		middle := (from[0] + to[0]) / 2
		fmt.Fprintf(&b, "C%s,%s %s,%s %s,%s", f1(middle), f1(from[1]), f1(middle), f1(to[1]), f1(to[0]), f1(to[1]))
	}
	return b.String()
}

// text places the label of an arrow where nothing else is.
func (a *arrow) text(b *builder, points [][2]float64, taken *[][4]float64) {
	lines := []string{fitted(clean(first(a.vias), 80), labelRoom/11), fitted(first(a.ids), labelRoom/11)}
	when := ""
	if a.at != 0 {
		if when = b.clock(a.at); b.days {
			when = when[:len("01-02 15:04")]
		}
	}
	if a.sessions > 1 {
		when = strings.TrimSpace(fmt.Sprintf("%s · %d×", when, a.sessions))
	}
	lines = slices.DeleteFunc(append(lines, when), func(s string) bool { return s == "" })
	a.Title = fmt.Sprintf("%s to %s by %s, %s", a.from.Name, a.to.Name, clean(strings.Join(a.vias, ", "), 80), amount.Number(max(a.sessions, 1), "session", "sessions"))
	if a.at != 0 {
		a.Title += " from " + b.clock(a.at)
	}
	w := 0.0
	for _, s := range lines {
		w = min(max(w, ems(s)*11+8), layerGap-6)
	}
	h := float64(len(lines))*lineHigh + 5
	x, y := freePlace(points, w, h, *taken)
	*taken = append(*taken, [4]float64{x - w/2, y - h/2, x + w/2, y + h/2})
	a.BoxX, a.BoxY, a.BoxW, a.BoxH = f1(x-w/2), f1(y-h/2), f1(w), f1(h)
	for i, s := range lines {
		a.Lines = append(a.Lines, caption{f1(x), f1(y - h/2 + float64(i+1)*lineHigh - 1), s})
	}
}

// labelRoom is how wide a label may be, in px.
const labelRoom = layerGap - 12

// first names the first of a list and counts the others.
func first(list []string) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0]
	}
	return fmt.Sprintf("%s +%d", list[0], len(list)-1)
}

// freePlace returns where on a line a label meets no box and no other label, or
// else above or below its middle where there is room.
func freePlace(points [][2]float64, w, h float64, taken [][4]float64) (x, y float64) {
	free := func(x, y float64) bool {
		for _, t := range taken {
			if x-w/2 < t[2] && x+w/2 > t[0] && y-h/2 < t[3] && y+h/2 > t[1] {
				return false
			}
		}
		return true
	}
	at := func(i int, t float64) (float64, float64) {
		from, to := points[i], points[i+1]
		return from[0] + (to[0]-from[0])*t, from[1] + (to[1]-from[1])*t*t*(3-2*t)
	}
	last := len(points) - 2
	segments := []int{last}
	for i := last - 1; i >= 0; i-- {
		segments = append(segments, i)
	}
	if points[1][0] > points[last+1][0] { // it goes back, or stays in its layer
		segments = []int{len(points)/2 - 1}
	}
	for _, i := range segments {
		upright := points[i][0] == points[i+1][0]
		level := !upright && math.Abs(points[i][1]-points[i+1][1]) < h/2 // beside the line, that it can be seen
		for _, t := range []float64{0.5, 0.42, 0.58, 0.34, 0.66} {
			x, y = at(i, t)
			if upright {
				x += w/2 + 4
			}
			if level {
				y -= h/2 + 3
			}
			if free(x, y) {
				return x, y
			}
			if y += h + 6; level && free(x, y) {
				return x, y
			}
		}
	}
	x, y = at(segments[0], 0.5)
	if points[last+1][1] < points[0][1] { // it goes up: above it, if there is room
		for up := y; up > h/2; up -= lineHigh {
			if free(x, up) {
				return x, up
			}
		}
	}
	for range 40 {
		if free(x, y) {
			break
		}
		y += lineHigh
	}
	return x, y
}

// ems estimates how wide a text is in the usual fonts without serifs, in em: a
// little too much rather than too little.
func ems(s string) float64 {
	w := 0.0
	for _, r := range s {
		w += em(r)
	}
	return w
}

func em(r rune) float64 {
	switch {
	case strings.ContainsRune("iljtfI.,:;'|!()[] ", r):
		return 0.41
	case strings.ContainsRune("mwMW@%—…", r) || r >= 0x1100:
		return 1.05
	case r >= 'A' && r <= 'Z':
		return 0.78
	}
	return 0.66
}

// fitted cuts a text to a width in em.
func fitted(s string, width float64) string {
	w, cut := 0.0, 0
	for i, r := range s {
		if w+em('…') <= width {
			cut = i
		}
		if w += em(r); w > width {
			return s[:cut] + "…"
		}
	}
	return s
}
