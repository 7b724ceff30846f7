package baseline

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"tyto/boost"
	"tyto/sequence"
	"tyto/session"
)

// Grams goes by which lengths follow each other, as GGFAST's snippets do (Piet
// et al., SIGCOMM 2023): logistic regression on which 1- to 3-grams of
// signed size classes there are, anywhere and at which place at the beginning.
type Grams struct {
	Epochs int // default 12
	task   Task
	prior  []float64
	w      []float32 // buckets × classes
	g      []float32 // sums of squared gradients: AdaGrad
}

const (
	gramBuckets  = 1 << 15
	gramMessages = 200 // of a session that are seen, from its beginning
	gramAnchors  = 8   // places at the beginning that count
	gramRate     = 0.3
	gramDecay    = 1e-4 // L2
)

// NewGrams returns untrained Grams.
func NewGrams(t Task) *Grams { return &Grams{task: t, Epochs: 12} }

// sizeClass is a message's direction and size: steps of 8 bytes up to 256, then
// quarters of octaves.
func sizeClass(m *sequence.Message) int16 {
	k := int16(m.Content / 8)
	if m.Content > 256 {
		k = int16(4 * math.Log2(float64(m.Content)))
	}
	if m.Dir == session.Resp {
		return -1 - k
	}
	return k
}

// grams are the buckets of a session's n-grams, rising, each once.
func grams(s *sequence.Sequence) (buckets []int32) {
	n := min(len(s.Messages), gramMessages)
	classes := make([]int16, n)
	for i := range classes {
		classes[i] = sizeClass(&s.Messages[i])
	}
	for i := range classes {
		for width := 1; width <= 3 && i+width <= n; width++ {
			buckets = append(buckets, bucket(classes[i:i+width], -1))
			if i < gramAnchors {
				buckets = append(buckets, bucket(classes[i:i+width], i))
			}
		}
	}
	slices.Sort(buckets)
	return slices.Compact(buckets)
}

func bucket(gram []int16, place int) int32 {
	h := fnv.New32a()
	text := []byte{byte(place)}
	for _, k := range gram {
		text = binary.LittleEndian.AppendUint16(text, uint16(k))
	}
	h.Write(text)
	sum := h.Sum32()
	return int32((sum ^ sum>>16) % gramBuckets)
}

// Fit trains on sessions, in another order each epoch.
func (g *Grams) Fit(examples []Example) {
	classes := len(g.task.Names)
	g.prior = g.task.frequencies(examples)
	g.w, g.g = make([]float32, gramBuckets*classes), make([]float32, gramBuckets*classes)
	all := make([][]int32, len(examples))
	for i := range examples {
		all[i] = grams(examples[i].Sequence)
	}
	r := rand.New(rand.NewPCG(g.task.Seed, 1))
	for range g.Epochs {
		for _, i := range r.Perm(len(examples)) {
			g.step(all[i], g.task.has(&examples[i]), examples[i].weight())
		}
	}
}

// step moves the weights of one session's grams.
func (g *Grams) step(buckets []int32, of []bool, weight float64) {
	p := g.probabilities(buckets)
	scale := weight / math.Sqrt(float64(max(len(buckets), 1)))
	for k := range p {
		d := p[k]
		if of[k] {
			d--
		}
		d *= scale
		for _, b := range buckets {
			at := int(b)*len(p) + k
			step := float32(d) + gramDecay*g.w[at]
			g.g[at] += step * step
			g.w[at] -= gramRate * step / (float32(math.Sqrt(float64(g.g[at]))) + 1e-6)
		}
	}
}

// probabilities start from how frequent the classes are; each gram adds to that.
func (g *Grams) probabilities(buckets []int32) []float64 {
	p := make([]float64, len(g.prior))
	scale := 1 / math.Sqrt(float64(max(len(buckets), 1)))
	for _, b := range buckets {
		for k, w := range g.w[int(b)*len(p) : (int(b)+1)*len(p)] {
			p[k] += float64(w) * scale
		}
	}
	for k, f := range g.prior {
		p[k] += math.Log(f)
		if g.task.Multi {
			p[k] = sigmoid(p[k] - math.Log(1-f))
		}
	}
	if !g.task.Multi {
		boost.Softmax(p)
	}
	return p
}

// Predict is what the regression says.
func (g *Grams) Predict(e *Example) []float64 { return g.probabilities(grams(e.Sequence)) }
