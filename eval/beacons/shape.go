package beacons

import (
	"math"
	"math/rand/v2"
	"slices"

	"tyto/behavior/beacon"
	"tyto/nn"
)

// example is a series with who made it.
type example struct {
	series beacon.Series
	rhythm beacon.Rhythm
	maker  int32
	kind   string
}

// event returns a contact as a detector notes it.
func (c contact) event() beacon.Event {
	return beacon.Event{At: epoch + int64(c.at*1e9), Up: uint64(c.up), Down: uint64(c.down)}
}

// epoch is the beginning of the last day, in ns: a midnight.
const epoch = int64(1_760_054_400e9)

// newExample measures contacts; false if there are too few.
func newExample(kind string, maker int32, list []contact, unsized bool) (e example, ok bool) {
	e.kind, e.maker = kind, maker
	for _, c := range list {
		v := c.event()
		v.Unsized = unsized
		e.series.Add(v)
	}
	e.rhythm, ok = e.series.Measure()
	return e, ok && e.rhythm.N >= 8
}

// examples makes series of each maker in equal number, of the kinds that are held
// out from training or of the others; each kind of a maker is as frequent.
func examples(n int, held bool, seed uint64) (list []example) {
	r := rand.New(rand.NewPCG(seed, 0x7368))
	var implants []agent
	for _, a := range agents {
		if a.held == held {
			implants = append(implants, a)
		}
	}
	var programs []automation
	for _, a := range automations {
		if a.held == held {
			programs = append(programs, a)
		}
	}
	add := func(kind string, maker int32, contacts []contact) {
		// Part of it, from any time on: as much as was seen.
		if len(contacts) > 12 {
			size := int(logEven(r, 10, float64(len(contacts))+1))
			from := r.IntN(len(contacts) - size + 1)
			contacts = contacts[from : from+size]
		}
		if e, ok := newExample(kind, maker, contacts, r.Float64() < 0.1); ok {
			list = append(list, e)
		}
	}
	for i := range n {
		a, b := &implants[i%len(implants)], &programs[i%len(programs)]
		add(a.name, beacon.CheckIn, a.makeUpTo(r, int(logEven(r, 12, 400))))
		add(b.name, beacon.Automation, b.make(r))
		add("a person", beacon.Person, person(r))
	}
	return list
}

// How the network in the program is trained.
const (
	trainSteps    = 2000
	trainBatch    = 256
	trainRate     = 4e-3
	trainExamples = 6000 // of each maker
	trainSeed     = 1
)

// trainShape trains a network on examples.
func trainShape(list []example, parts beacon.Parts, seed uint64, steps int) *beacon.Network {
	n := beacon.NewNetwork(parts, seed)
	tr := nn.NewTrainer(n.Params, 1)
	tr.Seed, tr.Clip, tr.Adam.Decay = seed, 1, 0.02
	r := rand.New(rand.NewPCG(seed, 1))
	var batch beacon.Batch
	targets := make([]int32, trainBatch)
	for step := range steps {
		batch.Reset()
		for i := range targets {
			e := &list[r.IntN(len(list))]
			batch.Add(&e.series, &e.rhythm)
			targets[i] = e.maker
		}
		tr.Step(nn.Cosine{Peak: trainRate, Floor: trainRate / 100, Warmup: steps / 15, Total: steps}.At(step), func(_ int, t *nn.Tape) {
			t.CrossEntropy(n.Forward(t, &batch), targets, nn.Loss{})
		})
	}
	return n
}

// judge returns for each example the logarithm of how much likelier it is that an
// implant made it than the others, taking these as equally frequent.
func judge(n *beacon.Network, list []example) []float64 {
	scores := make([]float64, len(list))
	t := nn.NewTape(n.Params)
	var batch beacon.Batch
	for i := range list {
		t.Reset()
		batch.Reset()
		batch.Add(&list[i].series, &list[i].rhythm)
		row := n.Forward(t, &batch).Row(0)
		scores[i] = against(row)
	}
	return scores
}

func against(row []float32) float64 {
	p, a := float64(row[beacon.Person]), float64(row[beacon.Automation])
	top := max(p, a)
	return float64(row[beacon.CheckIn]) - top - math.Log((math.Exp(p-top)+math.Exp(a-top))/2)
}

// recallAt returns the share of implants that score above all but a share of the
// automation (and the same of people), and by kind.
func recallAt(list []example, scores []float64, rate float64) (all float64, kinds map[string]float64) {
	threshold := math.Inf(-1)
	for _, maker := range []int32{beacon.Automation, beacon.Person} {
		var others []float64
		for i := range list {
			if list[i].maker == maker {
				others = append(others, scores[i])
			}
		}
		slices.Sort(others)
		threshold = max(threshold, others[len(others)-1-int(rate*float64(len(others)))])
	}
	kinds = make(map[string]float64)
	count, total := make(map[string]float64), 0.0
	for i := range list {
		if list[i].maker != beacon.CheckIn {
			continue
		}
		count[list[i].kind]++
		total++
		if scores[i] > threshold {
			kinds[list[i].kind]++
			all++
		}
	}
	for k := range kinds {
		kinds[k] /= count[k]
	}
	return all / total, kinds
}
