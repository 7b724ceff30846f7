package beacons

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"tyto/behavior/dga"
	"tyto/nn"
)

// registered are names of universities and schools (JetBrains' swot list, Apache
// 2.0) and of free mail providers (freemail, ISC); words are the most frequent of
// English (popular-english-words, ISC).
var (
	//go:embed names/registered.txt.gz
	registeredFile []byte
	//go:embed names/words.txt.gz
	wordsFile []byte
)

func lines(file []byte) []string {
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		panic(fmt.Sprintf("beacons: a list in the program: %v", err)) // a test reads it
	}
	text, err := io.ReadAll(z)
	if err != nil {
		panic(fmt.Sprintf("beacons: a list in the program: %v", err))
	}
	return strings.Fields(string(text))
}

// part returns the names of a list that a network is trained on, or the others:
// one in five, by their hash.
func part(list []string, held bool) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool {
		h := fnv.New32a()
		h.Write([]byte(s))
		return (h.Sum32()%5 == 0) != held
	})
}

// corpus is names, people's and generated ones.
type corpus struct {
	words, real []string
	r           *rand.Rand
	kinds       []family
}

func newCorpus(held bool, seed uint64) *corpus {
	return &corpus{words: part(lines(wordsFile), held), real: part(lines(registeredFile), held), r: rand.New(rand.NewPCG(seed, 0x6e616d)),
		kinds: slices.DeleteFunc(slices.Clone(families), func(f family) bool { return f.held })}
}

// people draws a name that people made up.
func (c *corpus) people() string {
	for {
		s := compose(c.r, c.words)
		if c.r.IntN(2) == 0 {
			s = c.varied()
		}
		if len(s) >= 5 && len(s) <= dga.MaxLabel && !strings.HasPrefix(s, "xn--") {
			return s
		}
	}
}

// varied draws a registered name, or one of parts of such names: there are not
// enough to learn all that people do.
func (c *corpus) varied() string {
	s := c.real[c.r.IntN(len(c.real))]
	switch other := c.real[c.r.IntN(len(c.real))]; c.r.IntN(10) {
	case 0:
		return s[:len(s)/2] + other[len(other)/2:]
	case 1:
		return s + other[:min(4, len(other))]
	case 2:
		return s + c.words[c.r.IntN(1000)]
	case 3:
		return s + fmt.Sprint(c.r.IntN(100))
	}
	return s
}

// generated draws a name of a family that is not held out.
func (c *corpus) generated() string {
	return c.kinds[c.r.IntN(len(c.kinds))].make(newGenerator(c.r, c.words))
}

// How the network in the program is trained.
const (
	nameSteps = 5000
	nameBatch = 256
	nameRate  = 4e-3
)

// trainNames trains a network.
func trainNames(seed uint64, steps int) *dga.Network {
	n, c := dga.NewNetwork(seed), newCorpus(false, seed)
	tr := nn.NewTrainer(n.Params, 1)
	tr.Seed, tr.Clip, tr.Adam.Decay = seed, 1, 0.03
	var batch dga.Batch
	targets := make([]float32, nameBatch)
	for step := range steps {
		batch.Reset()
		for i := range targets {
			if targets[i] = float32(i & 1); targets[i] > 0 {
				batch.Add(c.generated())
			} else {
				batch.Add(c.people())
			}
		}
		tr.Step(nn.Cosine{Peak: nameRate, Floor: nameRate / 100, Warmup: steps / 20, Total: steps}.At(step), func(_ int, t *nn.Tape) {
			t.BinaryCrossEntropy(n.Forward(t, &batch), targets, nn.Loss{})
		})
	}
	return n
}

// grams is the baseline: the logarithm of how much likelier a name is by the
// frequencies of three characters in a row of generated names than of people's.
type grams struct{ generated, people map[string]float64 }

func trainGrams(seed uint64, names int) *grams {
	c := newCorpus(false, seed)
	g := &grams{make(map[string]float64), make(map[string]float64)}
	for range names {
		count(g.generated, c.generated())
		count(g.people, c.people())
	}
	return g
}

const edge = "^"

// count counts each run of up to three characters.
func count(m map[string]float64, name string) {
	name = edge + edge + name + "$"
	for i := 2; i < len(name); i++ {
		for n := range 3 {
			m[name[i-n:i+1]]++
			m["#"+name[i-n:i]]++ // what comes before it
		}
	}
}

// p returns the probability of a character after two others, mixed of runs of
// three, two and one (Jelinek and Mercer 1980).
func p(m map[string]float64, run string) float64 {
	v := 1e-4
	for n := range 3 {
		if before := m["#"+run[2-n:2]]; before > 0 {
			w := []float64{0.1, 0.3, 0.6}[n]
			v += w * m[run[2-n:]] / before
		}
	}
	return v
}

func (g *grams) score(name string) float64 {
	name = edge + edge + name + "$"
	sum := 0.0
	for i := 2; i < len(name); i++ {
		sum += math.Log(p(g.generated, name[i-2:i+1]) / p(g.people, name[i-2:i+1]))
	}
	return sum
}

// nameReport is what was measured of names.
type nameReport struct {
	benign    []benignNames
	threshold [2]float64 // of network and baseline, at falsely
	kinds     []familyResult
	falsely   float64
}

type benignNames struct {
	name   string
	count  int
	above  [2]float64 // share above the threshold
	likely float64    // share above dga.Likely
}

type familyResult struct {
	family
	found  [2]float64
	likely float64
}

// falsely is the share of people's names that may be taken for generated.
const falsely = 1e-4

// measureNames holds the network in the program, and the baseline, against names
// that neither has seen. outside are more names of people, or none.
func measureNames(seed uint64, each int, outside []string) *nameReport {
	s, g := dga.NewScorer(), trainGrams(1, 100_000)
	score := func(name string) [2]float64 { return [2]float64{s.Score(name), g.score(name)} }
	c := newCorpus(true, seed)
	composed := make([]string, 20*each)
	for i := range composed {
		composed[i] = compose(c.r, c.words)
	}
	lists := []struct {
		name string
		list []string
	}{{"registered names held out", c.real}, {"compositions of words held out", composed}, {"registered names from outside", outside}}
	rep := &nameReport{falsely: falsely}
	var all [2][]float64
	var scored [][][2]float64
	for i, l := range lists {
		var of [][2]float64
		for _, name := range l.list {
			if len(name) >= 5 && len(name) <= dga.MaxLabel && !strings.HasPrefix(name, "xn--") {
				v := score(name)
				of = append(of, v)
				if i < 2 { // what is in lists from outside may be generated
					all[0], all[1] = append(all[0], v[0]), append(all[1], v[1])
				}
			}
		}
		scored = append(scored, of)
	}
	for m := range all {
		slices.Sort(all[m])
		rep.threshold[m] = all[m][len(all[m])-1-int(falsely*float64(len(all[m])))]
	}
	share := func(of [][2]float64) (found [2]float64, likely float64) {
		for _, v := range of {
			for m := range found {
				if v[m] > rep.threshold[m] {
					found[m] += 1 / float64(len(of))
				}
			}
			if v[0] > dga.Likely {
				likely += 1 / float64(len(of))
			}
		}
		return found, likely
	}
	for i, l := range lists {
		if len(scored[i]) == 0 {
			continue
		}
		b := benignNames{name: l.name, count: len(scored[i])}
		b.above, b.likely = share(scored[i])
		rep.benign = append(rep.benign, b)
	}
	for _, f := range families {
		var of [][2]float64
		for range each {
			of = append(of, score(f.make(newGenerator(c.r, c.words))))
		}
		k := familyResult{family: f}
		k.found, k.likely = share(of)
		rep.kinds = append(rep.kinds, k)
	}
	return rep
}
