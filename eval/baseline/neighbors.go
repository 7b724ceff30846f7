package baseline

import (
	"math"

	"tyto/sequence"
	"tyto/session"
)

// Neighbors goes by the sessions whose first messages are most alike: sizes
// with their signs and times between, on logarithmic scales.
type Neighbors struct {
	K     int // how many vote, default 5
	task  Task
	seen  []opening
	truth [][]int
	prior []float64
}

// firstMessages is how many messages are compared.
const firstMessages = 30

// opening is the first messages of a session: size and time of each.
type opening [2 * firstMessages]float32

func openingOf(s *sequence.Sequence) (o opening) {
	for i := range min(len(s.Messages), firstMessages) {
		m := &s.Messages[i]
		size := math.Log2(1+float64(m.Content)) / 4
		if m.Dir == session.Resp {
			size = -size
		}
		o[2*i] = float32(size)
		if i > 0 {
			o[2*i+1] = float32(math.Log10(1+float64(max(m.Time-s.Messages[i-1].Time, 0))/1e4) / 3)
		}
	}
	return o
}

func (a *opening) distance(b *opening) float64 {
	var sum float32
	for i := range a {
		d := a[i] - b[i]
		sum += d * d
	}
	return math.Sqrt(float64(sum))
}

// NewNeighbors returns Neighbors without examples.
func NewNeighbors(t Task) *Neighbors { return &Neighbors{task: t, K: 5} }

// Fit keeps the first messages of all sessions.
func (n *Neighbors) Fit(examples []Example) {
	n.prior, n.seen, n.truth = n.task.frequencies(examples), nil, nil
	for i := range examples {
		n.seen = append(n.seen, openingOf(examples[i].Sequence))
		n.truth = append(n.truth, append([]int(nil), examples[i].Classes...))
	}
}

// Predict is the share of the nearest sessions' votes; closer ones have more,
// and how frequent a class is counts as a tenth of a vote. Of sessions as far
// away those that came first in Fit vote.
func (n *Neighbors) Predict(e *Example) []float64 {
	type neighbor struct {
		i    int
		away float64
	}
	at := openingOf(e.Sequence)
	nearest := make([]neighbor, 0, n.K+1)
	for i := range n.seen {
		away := at.distance(&n.seen[i])
		if len(nearest) == n.K && away >= nearest[n.K-1].away {
			continue
		}
		k := len(nearest)
		nearest = append(nearest, neighbor{i, away})
		for ; k > 0 && nearest[k-1].away > away; k-- {
			nearest[k], nearest[k-1] = nearest[k-1], nearest[k]
		}
		nearest = nearest[:min(len(nearest), n.K)]
	}
	const lean, near = 0.1, 0.1
	p, sum := make([]float64, len(n.prior)), 0.
	for _, v := range nearest {
		vote := near / (near + v.away)
		sum += vote
		for _, k := range n.truth[v.i] {
			p[k] += vote
		}
	}
	for k := range p {
		p[k] = (p[k] + lean*n.prior[k]) / (sum + lean)
	}
	return p
}
