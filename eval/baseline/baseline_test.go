package baseline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"tyto/lab/label"
	"tyto/sequence"
	"tyto/session"
)

const ms = int64(1e6)

// talk makes sequences; the round trip is 30 ms.
type talk struct {
	r   *rand.Rand
	s   *sequence.Sequence
	now int64
}

func newTalk(r *rand.Rand) *talk {
	t := &talk{r, &sequence.Sequence{Carrier: sequence.Records, RTT: 30 * ms}, 0}
	t.say(0, session.Orig, 600)
	t.say(30*ms, session.Resp, 1400)
	t.say(31*ms, session.Orig, 80)
	return t
}

func (t *talk) say(after int64, d session.Direction, bytes uint32) {
	t.now += after
	t.s.Messages = append(t.s.Messages, sequence.Message{Time: t.now, Dir: d, Bytes: bytes, Content: bytes, Parts: 1})
}

// typing is keys of one side with echoes of the other.
func typing(r *rand.Rand, by session.Direction) *sequence.Sequence {
	t := newTalk(r)
	for range 30 + r.IntN(30) {
		t.say(ms*(100+r.Int64N(300)), by, 36)
		t.say(30*ms, by.Other(), 36)
	}
	return t.s
}

// transfer is much from one side, and little acknowledgement.
func transfer(r *rand.Rand, by session.Direction) *sequence.Sequence {
	t := newTalk(r)
	for range 20 + r.IntN(20) {
		t.say(ms*(10+r.Int64N(10)), by, 16000)
		if r.IntN(4) == 0 {
			t.say(ms, by.Other(), 50)
		}
	}
	return t.s
}

// beacon is an exchange every three seconds.
func beacon(r *rand.Rand) *sequence.Sequence {
	t := newTalk(r)
	for range 10 + r.IntN(10) {
		t.say(2900*ms+ms*r.Int64N(200), session.Orig, 300)
		t.say(35*ms, session.Resp, 180)
	}
	return t.s
}

var sessionNames = []string{"shell", "reverse-shell", "upload", "download", "beacon"}

func make5(r *rand.Rand, k int) *sequence.Sequence {
	switch k {
	case 0, 1:
		return typing(r, session.Direction(k))
	case 2, 3:
		return transfer(r, session.Direction(k-2))
	}
	return beacon(r)
}

// examples are n sessions of the five classes, with an app that does not tell
// them but for the beacon.
func examples(n int, seed uint64) (all []Example) {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		k := i % len(sessionNames)
		e := Example{Sequence: make5(r, k), App: "ssh", Classes: []int{k}}
		if k == 4 {
			e.App = "tls"
		}
		all = append(all, e)
	}
	return all
}

func right(c Classifier, test []Example) float64 {
	n := 0.
	for i := range test {
		p := c.Predict(&test[i])
		if slices.Index(p, slices.Max(p)) == test[i].Classes[0] {
			n++
		}
	}
	return n / float64(len(test))
}

func TestClassifiers(t *testing.T) {
	least := map[string]float64{"boosting": 0.99, "n-grams": 0.99, "kNN": 0.99, "rules": 0.99, "DPI": 0.39, "majority": 0.19}
	train, test := examples(200, 1), examples(50, 2)
	for _, b := range Classifiers {
		for _, multi := range []bool{false, true} {
			task := Task{Names: sessionNames, Multi: multi, Seed: 1}
			c := b.New(task)
			c.Fit(train)
			if got := right(c, test); got < least[b.Name] {
				t.Errorf("%s, multi %v: %.2f right, want %.2f", b.Name, multi, got, least[b.Name])
			}
			again := b.New(task)
			again.Fit(train)
			for i := range test {
				p := c.Predict(&test[i])
				checkProbabilities(t, b.Name, p, !multi)
				if !slices.Equal(p, again.Predict(&test[i])) {
					t.Fatalf("%s: not the same again", b.Name)
				}
			}
		}
	}
}

func checkProbabilities(t *testing.T, name string, p []float64, one bool) {
	t.Helper()
	sum := 0.
	for _, v := range p {
		if !(v >= 0 && v <= 1) {
			t.Fatalf("%s: probability %v", name, v)
		}
		sum += v
	}
	if one && math.Abs(sum-1) > 1e-9 {
		t.Fatalf("%s: probabilities of sum %v", name, sum)
	}
}

// Sessions of several classes: the second is that the app is "tls" and the
// third that it is a transfer up or a beacon.
func TestSeveralClasses(t *testing.T) {
	several := func(all []Example) []Example {
		for i := range all {
			k := all[i].Classes[0]
			all[i].Classes = nil
			if k == 2 || k == 3 {
				all[i].Classes = append(all[i].Classes, 0)
			}
			if k == 2 || k == 4 {
				all[i].Classes = append(all[i].Classes, 1)
			}
		}
		return all
	}
	train, test := several(examples(200, 1)), several(examples(50, 2))
	task := Task{Names: []string{"bulk", "up-or-beacon", "never"}, Multi: true}
	for _, c := range []Classifier{NewBoost(task), NewGrams(task), NewNeighbors(task)} {
		c.Fit(train)
		for i := range test {
			of := task.has(&test[i])
			for k, p := range c.Predict(&test[i]) {
				if (p > 0.5) != of[k] {
					t.Errorf("%T, session %d: class %d has %v, and is %v", c, i, k, p, of[k])
				}
			}
		}
	}
}

func TestAppByHand(t *testing.T) {
	train := []Example{{App: "ssh", Classes: []int{0}}, {App: "ssh", Classes: []int{0}}, {App: "tls", Classes: []int{1}}}
	a := NewApp(Task{Names: []string{"x", "y"}})
	a.Fit(train)
	// All: 2.5 and 1.5 of 4. With ssh: 2 and 0 of 2, and 5 sessions' worth of all.
	for _, c := range []struct {
		app  string
		want float64
	}{{"ssh", (2 + 5*0.625) / 7}, {"tls", 5 * 0.625 / 6}, {"new", 0.625}} {
		if got := a.Predict(&Example{App: c.app})[0]; math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", c.app, got, c.want)
		}
	}
}

func TestControl(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		name     string
		s        *sequence.Sequence
		from, to float64
		leads    int // at least
	}{
		{"shell", typing(r, session.Orig), 0, 0.05, 30},
		{"reverse shell", typing(r, session.Resp), 0.95, 1, 30},
		{"transfer", transfer(r, session.Orig), 0.5, 0.5, 0},
		{"nothing", new(sequence.Sequence), 0.5, 0.5, 0},
	} {
		if p, leads := Control(c.s); p < c.from || p > c.to || leads < c.leads {
			t.Errorf("%s: %v of %d leads", c.name, p, leads)
		}
	}
}

// Every feature that a rule asks for must be there, and every label and state
// that there is a rule of is one.
func TestRulesOfAllLabels(t *testing.T) {
	var task Task
	for _, l := range label.Labels() {
		task.Names = append(task.Names, l.String())
	}
	task.Names, task.Multi = append(task.Names, "no label"), true
	rules := NewRules(task)
	e := Example{Sequence: typing(rand.New(rand.NewPCG(1, 1)), session.Orig), App: "ssh"}
	for _, fit := range []bool{false, true} {
		if fit {
			rules.Fit([]Example{{Classes: []int{len(task.Names) - 1}}})
		}
		p := rules.Predict(&e)
		checkProbabilities(t, "rules", p, false)
		if best := slices.Index(p, slices.Max(p)); task.Names[best] != "shell" && !fit {
			t.Errorf("typing is %s: %v", task.Names[best], p)
		}
		if got := p[len(p)-1]; fit && got != 0.75 {
			t.Errorf("a class without a rule has %v, want how frequent it is", got)
		}
	}
}

var stateNames = []string{"keystrokes", "upload", "download", "handshake"}

// segmented are sessions that type, then send a file.
func segmented(n int, seed uint64) (all []Example) {
	r := rand.New(rand.NewPCG(seed, 1))
	for range n {
		s := typing(r, session.Orig)
		states := make([]int, len(s.Messages))
		for i := range 3 {
			states[i] = 3
		}
		d := session.Direction(r.IntN(2))
		t := talk{r, s, s.Messages[len(s.Messages)-1].Time + 500*ms}
		for range 30 {
			t.say(10*ms, d, 16000)
			states = append(states, 1+int(d))
		}
		states[len(states)-1] = -1 // not known
		all = append(all, Example{Sequence: s, States: states})
	}
	return all
}

func TestSegmenters(t *testing.T) {
	least := map[string]float64{"boosting": 0.99, "rules": 0.8}
	train, test := segmented(30, 1), segmented(5, 2)
	for _, b := range Segmenters {
		c := b.New(Task{Names: stateNames, Seed: 1})
		c.Fit(train)
		good, all := 0., 0.
		for i := range test {
			e := &test[i]
			rows := c.Predict(e)
			if len(rows) != len(e.States) {
				t.Fatalf("%s: %d rows for %d messages", b.Name, len(rows), len(e.States))
			}
			for j, p := range rows {
				checkProbabilities(t, b.Name, p, true)
				if e.States[j] < 0 {
					continue
				}
				all++
				if slices.Index(p, slices.Max(p)) == e.States[j] {
					good++
				}
			}
		}
		if good/all < least[b.Name] {
			t.Errorf("%s: %.3f of messages right", b.Name, good/all)
		}
	}
}

func TestSegmentBoostTakesMaxRows(t *testing.T) {
	b := NewSegmentBoost(Task{Names: stateNames, Seed: 1})
	b.MaxRows = 500
	b.Fit(segmented(30, 1))
	test := segmented(1, 3)
	p := b.Predict(&test[0])
	if got := slices.Index(p[20], slices.Max(p[20])); got != 0 {
		t.Errorf("a key is %s", stateNames[got])
	}
}

func TestGramsSeeOrder(t *testing.T) {
	a := grams(&sequence.Sequence{Messages: []sequence.Message{{Content: 100}, {Content: 900}}})
	b := grams(&sequence.Sequence{Messages: []sequence.Message{{Content: 900}, {Content: 100}}})
	c := grams(&sequence.Sequence{Messages: []sequence.Message{{Content: 100}, {Content: 900, Dir: session.Resp}}})
	if len(a) != 6 || slices.Equal(a, b) || slices.Equal(a, c) {
		t.Errorf("%v %v %v", a, b, c)
	}
}

// A class that is said with a third of a probability where it is so needs a low
// threshold, and it must come from sessions that were not trained on.
func TestThresholds(t *testing.T) {
	var all []Example
	var groups []string
	for i := range 40 {
		e := Example{App: "ssh", Classes: []int{0}}
		if i%4 == 0 {
			e.Classes, e.App = nil, "tls"
		}
		if i%4 == 1 {
			e.Classes = []int{0, 1}
		}
		all, groups = append(all, e), append(groups, string(rune('a'+i/4)))
	}
	task := Task{Names: []string{"ssh", "third", "never"}, Multi: true}
	got := Thresholds(func(t Task) Classifier { return NewApp(t) }, task, all, groups, 4)
	if got[0] < 0.6 || got[1] < 0.2 || got[1] > 0.4 || got[2] != 0.5 {
		t.Errorf("%v", got)
	}
	if said := Said([]float64{0.3, got[1], 0.2}, got); !slices.Equal(said, []bool{false, true, false}) {
		t.Errorf("%v", said)
	}
}
