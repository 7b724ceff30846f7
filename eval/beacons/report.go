package beacons

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"tyto/behavior/beacon"
	"tyto/behavior/dga"
	"tyto/eval/chart"
	"tyto/eval/metric"
)

// Options say how much is measured.
type Options struct {
	Fleets int // sites of 1,000 devices
	Each   int // implants, tunnels and exfiltrations of each kind, in each site
	Names  int // of each family
	// Ablation is how many series of each maker the network is held against simpler
	// ones on, which are trained for that; 0 leaves it out.
	Ablation int
	// Every says that one in so many benign destinations is made, for tests; 0 is 1.
	Every int
	// Outside are names that people registered, beside those in the program; nil
	// if there are none at hand.
	Outside []string
}

// Defaults returns what docs/eval/beacons.md was made with.
func Defaults() Options { return Options{Fleets: 2, Each: 20, Names: 1000, Ablation: 800} }

// Report is what was measured.
type Report struct {
	options  Options
	seed     uint64
	beacons  *beaconReport
	ablation []ablated
	tunnels  []*asking
	names    *nameReport
	bursts   []*burst
	uploads  []*upload
}

// Measure measures. The same seed and options give the same report.
func Measure(seed uint64, o Options) *Report {
	r := &Report{options: o, seed: seed}
	r.beacons = measureBeacons(o, seed)
	if o.Ablation > 0 {
		r.ablation = ablate(seed, o.Ablation)
	}
	r.tunnels = measureTunnels(seed, o.Fleets, o.Each, max(o.Every, 1))
	r.names = measureNames(seed, o.Names, o.Outside)
	r.bursts = measureBursts(seed, o.Each)
	r.uploads = measureUploads(seed, o.Fleets, o.Each)
	return r
}

// ablated is a way to judge series by shape, on kinds that none was trained on.
type ablated struct {
	name       string
	parameters int
	recall     [2]float64 // at 2 % and at 1 % of benign automation and of people
}

func ablate(seed uint64, n int) (list []ablated) {
	held := examples(n, true, seed+1000)
	add := func(name string, parameters int, scores []float64) {
		a := ablated{name: name, parameters: parameters}
		for i, rate := range []float64{0.02, 0.01} {
			a.recall[i], _ = recallAt(held, scores, rate)
		}
		list = append(list, a)
	}
	var rhythm []float64
	for i := range held {
		rhythm = append(rhythm, held[i].rhythm.Automation())
	}
	add("statistics, weighed by hand (machine or person)", 0, rhythm)
	train := examples(trainExamples, false, trainSeed)
	for _, p := range []struct {
		name  string
		parts beacon.Parts
	}{{"statistics, weighed by training", beacon.Parts{}}, {"statistics through a hidden layer", beacon.Parts{Hidden: 32}}} {
		m := trainShape(train, p.parts, trainSeed, trainSteps)
		add(p.name, m.Params.Count(), judge(m, held))
	}
	shipped := beacon.ShippedNetwork()
	add("network over contacts and statistics (shipped)", shipped.Params.Count(), judge(shipped, held))
	return list
}

// Write writes the report in Markdown.
func (r *Report) Write(w io.Writer) error {
	p := printer{w: w}
	p.line("# Beacons, DNS tunnels, generated names, uploads: what was measured\n")
	p.line("Made by `UPDATE=1 go test -run TestReport ./eval/beacons`, seed %d. All traffic comes from the seeded generators of `eval/beacons`, none was recorded; the detectors see it as sessions, as in the program. "+
		"A site has 1,000 devices; %d were made. \"At one alert\" is the score that benign traffic exceeds once a site and day; \"as shipped\" is the score from which on the program tells an alert. "+
		"How many devices do what is an assumption, as are the shares of controllers and of ordinary servers without a name, with a flawed certificate or on an odd port: the figures compare methods, and do not promise what an office will see.\n", r.seed, r.options.Fleets)
	r.writeBeacons(&p)
	r.writeTunnels(&p)
	r.writeNames(&p)
	r.writeUploads(&p)
	return p.err
}

// printer writes lines until one fails.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (r *Report) writeBeacons(p *printer) {
	b := r.beacons
	p.line("## Beacons\n")
	p.line("Periods of 5 s to 6 h; %d check-ins of each implant, or those of five hours. Ordinary programs run for a day, slow ones for ten, all of which counts as one day. "+
		"\"RITA\" is its published score (v5) with its modifier for prevalence, \"statistics\" are gaps, sizes and period weighed by hand, \"network\" hears the shape alone; both with how many devices use the destination. \"Detection\" is what the program does. "+
		"The network was trained on none of the kinds marked as held out.\n", checkIns)
	p.line("| | %s | %s | %s | %s | as shipped |\n|---|---|---|---|---|---|", methodNames[0], methodNames[1], methodNames[2], methodNames[3])
	row := func(name string, of func(method int, threshold float64) float64) {
		s := "| " + name + " |"
		for m := range methods {
			s += fmt.Sprintf(" %.3f |", of(m, b.threshold[m]))
		}
		p.line("%s %.3f |", s, of(byDetector, alert))
	}
	row("recall, all kinds", func(m int, at float64) float64 { all, _, _ := b.recall(m, at); return all })
	row("recall, named, certificate in order, port 443", func(m int, at float64) float64 { _, plain, _ := b.recall(m, at); return plain })
	row("recall, kinds held out", func(m int, at float64) float64 { _, _, held := b.recall(m, at); return held })
	row("benign automation above", func(m int, at float64) float64 { v, _ := b.benign(m, at); return v })
	row("benign alerts a site and day", func(m int, at float64) float64 { _, v := b.benign(m, at); return v })
	recall, _, _ := b.recall(byRITA, 0.9)
	share, alerts := b.benign(byRITA, 0.9)
	p.line("\nRITA at its own highest bucket (0.9): recall %.3f, %.1f %% of benign automation, %.0f benign alerts a site and day.\n", recall, 100*share, alerts)
	p.line("Share above the threshold, by kind:\n")
	b.write(p)
	if len(r.ablation) > 0 {
		p.line("\nBy shape alone, on kinds that none was trained on (%d series of each maker), at a share of the benign automation held out:\n", r.options.Ablation)
		p.line("| | parameters | recall at 2 %% | recall at 1 %% |\n|---|---|---|---|")
		for _, a := range r.ablation {
			p.line("| %s | %d | %.3f | %.3f |", a.name, a.parameters, a.recall[0], a.recall[1])
		}
	}
	p.line("\nKinds of benign automation, and where they are described:\n")
	for i := range automations {
		p.line("- **%s**: %s", automations[i].name, automations[i].source)
	}
	p.line("\nThe network in the program:\n\n```\n%s\n```\n", beacon.Card)
}

func (b *beaconReport) write(p *printer) {
	p.line("| kind | number | %s | %s | %s | %s | as shipped |\n|---|---|---|---|---|---|---|", methodNames[0], methodNames[1], methodNames[2], methodNames[3])
	for _, k := range b.kinds {
		name := k.kind
		if k.held {
			name += " (held out)"
		}
		s := fmt.Sprintf("| %s | %d |", name, len(k.scores[0]))
		for m := range methods {
			s += fmt.Sprintf(" %.3f |", above(k.scores[m], b.threshold[m]))
		}
		p.line("%s %.3f |", s, above(k.scores[byDetector], alert))
	}
}

// scored is something with a kind and a score.
type scored struct {
	kind, source string
	hostile      bool
	score        float64
}

// writeScores writes how scores of kinds lie.
func (r *Report) writeScores(p *printer, list []scored) {
	var kinds []scored // one of each
	by := make(map[string][]float64)
	var bad, good []float64
	for _, s := range list {
		if by[s.kind] == nil {
			kinds = append(kinds, s)
		}
		by[s.kind] = append(by[s.kind], s.score)
		if s.hostile {
			bad = append(bad, s.score)
		} else {
			good = append(good, s.score)
		}
	}
	slices.Sort(good)
	one := good[len(good)-1-r.options.Fleets]
	shipped := above(good, alert) * float64(len(good)) / float64(r.options.Fleets)
	p.line("| | at one alert a site and day | as shipped |\n|---|---|---|")
	p.line("| recall | %.3f | %.3f |", above(bad, one), above(bad, alert))
	p.line("| benign alerts a site and day | %.2f | %.2f |\n", above(good, one)*float64(len(good))/float64(r.options.Fleets), shipped)
	p.line("| kind | number | at one alert | as shipped | source |\n|---|---|---|---|---|")
	for _, k := range kinds {
		name := k.kind
		if k.hostile {
			name = "**" + name + "**"
		}
		p.line("| %s | %d | %.3f | %.3f | %s |", name, len(by[k.kind]), above(by[k.kind], one), above(by[k.kind], alert), k.source)
	}
	p.line("")
}

func (r *Report) writeTunnels(p *printer) {
	p.line("## DNS tunnels\n\nOf each client and domain, over a day.\n")
	var list []scored
	for _, a := range r.tunnels {
		list = append(list, scored{a.kind.name, a.kind.source, a.kind.hostile, a.score})
	}
	r.writeScores(p, list)
}

func (r *Report) writeUploads(p *printer) {
	p.line("## Exfiltration\n\n50 MB on the last of eight days. Visits are what others do at the same destinations.\n")
	var list []scored
	for _, a := range r.uploads {
		list = append(list, scored{a.kind.name, a.kind.source, a.kind.hostile, a.score})
	}
	r.writeScores(p, list)
}

func (r *Report) writeNames(p *printer) {
	n := r.names
	p.line("## Generated names\n")
	p.line("A name's label that somebody registered, of five characters and more. The threshold is what one in %.0f of the first two lists exceeds: network %.2f, runs of three characters %.2f. "+
		"\"Likely\" is the lower threshold of the detection (%.1f), which wants several names.\n", 1/n.falsely, n.threshold[0], n.threshold[1], dga.Likely)
	p.line("| names of people | number | network | three characters | likely |\n|---|---|---|---|---|")
	for _, b := range n.benign {
		p.line("| %s | %d | %.5f | %.5f | %.4f |", b.name, b.count, b.above[0], b.above[1], b.likely)
	}
	p.line("\n| family's class | held out | network | three characters | likely |\n|---|---|---|---|---|")
	var sum [2]struct {
		n, found, grams, likely float64
	}
	for _, k := range n.kinds {
		held := ""
		if k.held {
			held = "yes"
		}
		p.line("| %s: %s | %s | %.3f | %.3f | %.3f |", k.class, k.name, held, k.found[0], k.found[1], k.likely)
		if k.held {
			i := 0
			if k.class == "words" {
				i = 1
			}
			s := &sum[i]
			s.n, s.found, s.grams, s.likely = s.n+1, s.found+k.found[0], s.grams+k.found[1], s.likely+k.likely
		}
	}
	for i, name := range []string{"mean of those held out, but words", "mean of words"} {
		s := sum[i]
		p.line("| **%s** | yes | **%.3f** | %.3f | %.3f |", name, s.found/s.n, s.grams/s.n, s.likely/s.n)
	}
	p.line("\nNames of words are not told by their characters; nor are most of up to seven letters. Names from outside are sites in public filter lists (not in this repository): among those above the threshold are generated names that advertisers and onion services did register.\n")
	p.line("Clients of a site that look for a controller, by the detection as shipped, beside clients that ask for what does not exist for other reasons:\n")
	p.line("| | clients | told | names the controller |\n|---|---|---|---|")
	for _, b := range r.bursts {
		p.line("| %s | %d | %.3f | %.3f |", b.name, b.clients, float64(b.told)/float64(b.clients), float64(b.named)/float64(b.clients))
	}
	p.line("\nThe network in the program:\n\n```\n%s\n```\n", dga.Card)
}

// Draw draws the recall of implants by kind.
func (r *Report) Draw(w io.Writer) error {
	var groups []chart.Group
	for _, k := range r.beacons.kinds {
		if k.maker != implant {
			continue
		}
		g := chart.Group{Name: strings.ToUpper(k.kind[:1]) + k.kind[1:]}
		for _, m := range []int{byRITA, byRhythm, byDetector} {
			v := above(k.scores[m], r.beacons.threshold[m])
			g.Bars = append(g.Bars, chart.Bar{Name: methodNames[m], Interval: metric.Interval{Value: v, Low: v, High: v}})
		}
		groups = append(groups, g)
	}
	return chart.Bars(w, chart.Head{Title: "Beacons: recall at one alert per 1,000 devices a day", Note: fmt.Sprintf("within %d check-ins; %d implants of each kind; seed %d", checkIns, r.options.Fleets*r.options.Each, r.seed)}, groups)
}
