package enterprise

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"tyto/detection"
	"tyto/eval/chart"
	"tyto/eval/metric"
	"tyto/lab/enterprise"
)

// alert is a report with the truth.
type alert struct {
	score      float64
	campaign   int // 0 is a false alert
	twin       int
	items      []item // of campaigns only
	controller detection.Party
}

// judge compares a report with the truth.
func (b *bench) judge(r *report) *alert {
	a := &alert{score: r.score, controller: r.controller}
	total := 0.0
	campaigns, twins := make(map[int]float64), make(map[int]float64)
	for _, v := range r.items {
		if v.weight <= 0 {
			continue
		}
		total += v.weight
		tag := b.tags[v.uid]
		campaigns[tag.Campaign] += v.weight
		twins[tag.Twin] += v.weight
	}
	a.campaign, a.twin = most(campaigns, total), most(twins, total)
	if a.campaign > 0 {
		a.items = slices.Clone(r.items)
	}
	return a
}

// most returns the number on which at least half rests, 0 if there is none.
func most(weights map[int]float64, total float64) int {
	best := 0
	for id, w := range weights {
		if id > 0 && w >= total/2 && (best == 0 || w > weights[best] || w == weights[best] && id < best) {
			best = id
		}
	}
	return best
}

// Report is the result.
type Report struct {
	Options  Options
	Rows     []*Row
	Sessions uint64
	Seconds  float64
	Held     int // sessions of the simulator in memory at most
	Edges    int // pairs of machines inside that talked, over all sites
	Unseen   [2]Rate
	Twins    int
	Styles   map[enterprise.Style]int
	Found    int // campaigns in all

	days float64 // in which alerts count, over all sites
}

// Rate is a share of a number.
type Rate struct{ Of, N int }

// Share returns it.
func (r Rate) Share() float64 { return float64(r.Of) / math.Max(float64(r.N), 1) }

// Row is what was measured of one row.
type Row struct {
	Name    string
	At      []Point // by budget
	Seconds float64
	Bytes   uint64 // held at the end, over all sites

	alerts []*outcome
}

// outcome is an alert of a site.
type outcome struct {
	*alert
	campaign *enterprise.Campaign
	twin     string
	ends     []int64 // of the campaign's hops
}

// Point is a row at one threshold.
type Point struct {
	Budget    float64 // false alerts a day
	Threshold float64
	Recall    float64
	Low, High float64 // 95 % of draws of campaigns
	Styles    [4]Rate
	Hop       float64 // median hop at which the threshold is passed
	Top       Rate    // controllers named right, of campaigns found
	Wrong     Rate    // accusations that are wrong, of all accusations
	Twins     int     // twins that raised an alert
}

func (r *Report) add(b *bench, truth *enterprise.Truth) {
	byID, kinds := make(map[int]*enterprise.Campaign), make(map[int]string)
	if r.Styles == nil {
		r.Styles = make(map[enterprise.Style]int)
	}
	for _, c := range truth.Campaigns {
		byID[c.ID] = c
		r.Styles[c.Style]++
		r.Found++
	}
	for _, t := range truth.Twins {
		kinds[t.ID] = fmt.Sprintf("%s %d", t.Kind, r.Twins+t.ID)
	}
	r.Twins += len(truth.Twins)
	r.Sessions += truth.Sessions
	r.Held = max(r.Held, truth.Held)
	r.days += float64(enterprise.Start+int64(b.o.Days)*dayLength-b.begin) / float64(dayLength)
	for i := range r.Unseen {
		r.Unseen[i].Of += b.lanl.rates[i].Of
		r.Unseen[i].N += b.lanl.rates[i].N
	}
	for i, m := range b.rows {
		if i == len(r.Rows) {
			r.Rows = append(r.Rows, &Row{Name: m.name})
		}
		row := r.Rows[i]
		row.Seconds += m.took.Seconds()
		row.Bytes += m.bytes
		for _, k := range m.keys {
			a := m.best[k]
			o := &outcome{alert: a, campaign: byID[a.campaign], twin: kinds[a.twin]}
			if o.campaign != nil {
				for h := range o.campaign.Hops {
					o.ends = append(o.ends, b.ends[[2]int{a.campaign, h + 1}])
				}
			}
			row.alerts = append(row.alerts, o)
		}
	}
}

// conclude finds thresholds and what they give.
func (r *Report) conclude() {
	for _, row := range r.Rows {
		slices.SortStableFunc(row.alerts, func(a, b *outcome) int { return cmp.Compare(b.score, a.score) })
		for _, budget := range Budgets {
			row.At = append(row.At, r.point(row, budget))
		}
	}
}

// point measures a row at a number of false alerts a day.
func (r *Report) point(row *Row, budget float64) Point {
	p := Point{Budget: budget, Threshold: 0}
	allowed := int(budget * r.days)
	for _, a := range row.alerts {
		if a.campaign != nil {
			continue
		}
		if allowed == 0 {
			p.Threshold = a.score
			break
		}
		allowed--
	}
	best := make(map[*enterprise.Campaign]*outcome)
	twins := make(map[string]bool)
	for _, a := range row.alerts {
		if a.score <= p.Threshold {
			break
		}
		if !a.controller.IsZero() {
			p.Wrong.N++
			if a.campaign == nil || a.controller.Addr != a.campaign.Controller.Addr {
				p.Wrong.Of++
			}
		}
		if a.campaign == nil {
			if a.twin != "" {
				twins[a.twin] = true
			}
			continue
		}
		if have := best[a.campaign]; have == nil || have.controller.IsZero() && !a.controller.IsZero() {
			best[a.campaign] = a
		}
	}
	p.Twins = len(twins)
	p.Recall = float64(len(best)) / math.Max(float64(r.Found), 1)
	spread := 1.96 * math.Sqrt(p.Recall*(1-p.Recall)/math.Max(float64(r.Found), 1))
	p.Low, p.High = math.Max(p.Recall-spread, 0), math.Min(p.Recall+spread, 1)
	var hops []float64
	for s := range p.Styles {
		p.Styles[s].N = r.Styles[enterprise.Style(s)]
	}
	for c, a := range best {
		p.Styles[c.Style].Of++
		p.Top.N++
		if a.controller.Addr == c.Controller.Addr && !a.controller.IsZero() {
			p.Top.Of++
		}
		hops = append(hops, a.hop(p.Threshold))
	}
	slices.Sort(hops)
	if len(hops) > 0 {
		p.Hop = hops[len(hops)/2]
	}
	return p
}

// hop returns the hop after which the evidence passes the threshold.
func (o *outcome) hop(threshold float64) float64 {
	list := slices.Clone(o.items)
	slices.SortStableFunc(list, func(a, b item) int { return cmp.Compare(a.at, b.at) })
	sum, at := 0.0, int64(0)
	for _, v := range list {
		sum += v.weight
		at = v.at
		if sum > threshold {
			break
		}
	}
	n := 0
	for _, end := range o.ends {
		if end <= at+int64(60e9) {
			n++
		}
	}
	return math.Max(float64(n), 1)
}

// Write writes the table.
func (r *Report) Write(w io.Writer) error {
	o := &r.Options
	var b strings.Builder
	fmt.Fprintf(&b, "%d organisations of %d hosts, %d days, %d campaigns and %d benign twins in all, %d sessions (seeds from %d, activity %g).\n\n", o.Sites, o.Hosts, o.Days, r.Found, r.Twins, r.Sessions, o.Seed, o.Activity)
	fmt.Fprintf(&b, "An edge that was never seen before: %.1f %% of hops (LANL: 72 %%), %.1f %% of other edges of half-hours (LANL: 4.4 %%).\n\n", 100*r.Unseen[1].Share(), 100*r.Unseen[0].Share())
	for i, budget := range Budgets {
		fmt.Fprintf(&b, "At %.0f false alerts a day for the whole site:\n\n", budget)
		b.WriteString("| row | recall | noisy | careful | living off admin edges | slow | median hop | controller top-1 | wrong accusations | twins alerted |\n|---|---|---|---|---|---|---|---|---|---|\n")
		for _, row := range r.Rows {
			p := row.At[i]
			who, wrong, hop := "-", "-", "-"
			if p.Wrong.N > 0 {
				who, wrong = fmt.Sprintf("%.2f", p.Top.Share()), fmt.Sprintf("%.1f %% of %d", 100*p.Wrong.Share(), p.Wrong.N)
			}
			if p.Hop > 0 {
				hop = fmt.Sprintf("%.0f", p.Hop)
			}
			fmt.Fprintf(&b, "| %s | %.2f (%.2f to %.2f) |", row.Name, p.Recall, p.Low, p.High)
			for _, s := range p.Styles {
				fmt.Fprintf(&b, " %.2f |", s.Share())
			}
			fmt.Fprintf(&b, " %s | %s | %s | %d of %d |\n", hop, who, wrong, p.Twins, r.Twins)
		}
		b.WriteByte('\n')
	}
	b.WriteString("| row | µs a session | MB held | bytes a host | bytes an edge |\n|---|---|---|---|---|\n")
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "| %s | %.1f | %.1f | %.0f | %.0f |\n", row.Name, 1e6*row.Seconds/math.Max(float64(r.Sessions), 1), float64(row.Bytes)/1e6/float64(o.Sites),
			float64(row.Bytes)/float64(o.Sites*o.Hosts), float64(row.Bytes)/math.Max(float64(r.Edges), 1))
	}
	fmt.Fprintf(&b, "\nAll of it took %.0f s of one core; the simulator held %d sessions at most, %d pairs of machines talked.\n", r.Seconds, r.Held, r.Edges)
	_, err := io.WriteString(w, b.String())
	return err
}

// Draw draws the recall of all rows.
func (r *Report) Draw(w io.Writer) error {
	var groups []chart.Group
	for i, budget := range Budgets {
		g := chart.Group{Name: fmt.Sprintf("%.0f false alerts a day", budget)}
		for _, row := range r.Rows {
			p := row.At[i]
			g.Bars = append(g.Bars, chart.Bar{Name: row.Name, Interval: metric.Interval{Value: p.Recall, Low: p.Low, High: p.High}})
		}
		groups = append(groups, g)
	}
	return chart.Bars(w, chart.Head{Title: "Campaigns found", Note: fmt.Sprintf("%d hosts, %d days, %d campaigns", r.Options.Hosts, r.Options.Days, r.Found)}, groups)
}
