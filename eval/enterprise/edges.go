package enterprise

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"tyto/behavior/edge"
	"tyto/detection"
	"tyto/lab/enterprise"
)

// Training organisations have seeds and content of their own.
const (
	trainSeed = 9001
	trainHalf = 0
)

// EdgeSamples simulates organisations without intrusions and returns their edges as
// samples to train the edge model on.
func EdgeSamples(c *enterprise.Content) (*edge.Samples, error) {
	all := new(edge.Samples)
	for i, hosts := range []int{150, 300, 600, 1000} {
		s := edge.NewSampler(uint64(i) + 1)
		s.From = enterprise.Start + 2*dayLength
		o := enterprise.Organisation{Hosts: hosts, Seed: trainSeed + uint64(i), Half: trainHalf}
		if _, err := enterprise.Simulate(o, 7, c, func(v *detection.Session, _ enterprise.Tag) {
			if e, ok := eventOf(v); ok {
				s.Event(e)
			}
		}); err != nil {
			return nil, err
		}
		all.Features = append(all.Features, s.Samples.Features...)
		all.Random = append(all.Random, s.Samples.Random...)
	}
	return all, nil
}

// TrainEdges trains the edge model that is in the program on samples, or one without
// other features.
func TrainEdges(v *edge.Samples, without func(int) bool) *edge.Model {
	return edge.Train(v, edge.Training{Steps: 5000, Rate: 2e-3, Seed: 1, Without: without})
}

// EdgeRow is how well one way of scoring tells the edges of hops from others, one by
// one: what the rows of the table have to add up.
type EdgeRow struct {
	Name      string
	Precision float64 // average
	AUC       float64
	Recall    [2]float64 // at FPR 1e-2 and 1e-3
}

// Edges measures ways of scoring edges on test organisations: counts, the model
// that is given, and others by name.
func Edges(o *Options, models map[string]*edge.Model) ([]EdgeRow, error) {
	names := append([]string{"never seen", "rarity by role, if never seen"}, slices.Sorted(maps.Keys(models))...)
	lists := make([][]scored, len(names))
	for site := range o.Sites {
		var table edge.Table
		var scorers []*edge.Scorer
		for _, n := range names[2:] {
			scorers = append(scorers, models[n].NewScorer())
		}
		from := enterprise.Start + int64(max(2, (o.Days+2)/3))*dayLength
		var row []float32
		_, err := enterprise.Simulate(o.organisation(site), o.Days, o.Content, func(s *detection.Session, tag enterprise.Tag) {
			e, ok := eventOf(s)
			if !ok {
				return
			}
			defer table.Use(e)
			if s.First < from || !logs(s) && tag.Hop == 0 || tag.Campaign > 0 && tag.Hop == 0 {
				return
			}
			var c edge.Counts
			row, c = table.Measure(e, row[:0])
			fresh, rare := 0.0, -1.0
			if c.New {
				fresh, rare = 1, c.Rarity
			}
			lists[0] = append(lists[0], scored{fresh, tag.Hop > 0})
			lists[1] = append(lists[1], scored{rare, tag.Hop > 0})
			for i, scorer := range scorers {
				lists[2+i] = append(lists[2+i], scored{scorer.LLR(row), tag.Hop > 0})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	var rows []EdgeRow
	for i, n := range names {
		rows = append(rows, rank(n, lists[i]))
	}
	return rows, nil
}

type scored struct {
	score float64
	hop   bool
}

// rank measures a list; ties count as on average.
func rank(name string, list []scored) EdgeRow {
	slices.SortFunc(list, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	hops, others := 0.0, 0.0
	for _, v := range list {
		if v.hop {
			hops++
		} else {
			others++
		}
	}
	r := EdgeRow{Name: name}
	limits := [2]float64{1e-2, 1e-3}
	tp, fp := 0.0, 0.0
	for i := 0; i < len(list); {
		k, a, b := i, 0.0, 0.0
		for ; k < len(list) && list[k].score == list[i].score; k++ {
			if list[k].hop {
				a++
			} else {
				b++
			}
		}
		for j, limit := range limits {
			if room := limit*others - fp; room > 0 {
				r.Recall[j] = (tp + a*math.Min(1, room/math.Max(b, 1e-9))) / math.Max(hops, 1)
			}
		}
		r.AUC += b * (tp + a/2)
		tp, fp = tp+a, fp+b
		if tp+fp > 0 {
			r.Precision += a / math.Max(hops, 1) * tp / (tp + fp)
		}
		i = k
	}
	r.AUC /= math.Max(hops*others, 1)
	return r
}
