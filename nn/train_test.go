package nn

import (
	"bytes"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// task is a batch that small can learn: the state of a row tells the sign of its
// input, the label of a sequence which input is largest on average.
type task struct {
	x      [][]float32
	states [][]int32
	labels []int32
}

func newTask(r *rand.Rand, sequences int) *task {
	k := new(task)
	for s := range sequences {
		rows := 5 + s%4
		x := randoms(r, rows*smallIn)
		label := int32(r.IntN(smallOut))
		var states []int32
		for i := range rows {
			x[i*smallIn+int(label)] += 2
			state := int32(0)
			if x[i*smallIn] > 0 {
				state = 1
			}
			states = append(states, state)
		}
		k.x, k.states, k.labels = append(k.x, x), append(k.states, states), append(k.labels, label)
	}
	return k
}

// share joins the sequences of a shard.
func (k *task) share(from, to int) (x []float32, starts []int, states, labels []int32) {
	starts = []int{0}
	for s := from; s < to; s++ {
		x = append(x, k.x[s]...)
		states = append(states, k.states[s]...)
		starts = append(starts, len(states))
	}
	return x, starts, states, k.labels[from:to]
}

// train trains a network of its own for some steps and returns the losses and
// the parameters.
func train(k *task, steps, shards int) (losses []float64, ps *Params) {
	ps = new(Params)
	r := rand.New(rand.NewPCG(1, 1))
	net := newSmall(ps, r)
	tr := NewTrainer(ps, shards)
	tr.Clip, tr.Adam.Decay, tr.Seed = 1, 0.01, 7
	for step := range steps {
		losses = append(losses, tr.Step(Cosine{Peak: 0.02, Warmup: 5, Total: steps}.At(step), func(shard int, t *Tape) {
			x, starts, states, labels := k.share(tr.Share(len(k.x), shard))
			byRow, bySequence := net.forward(t, t.Dropout(t.Input(x, smallIn, starts), 0.05))
			t.CrossEntropy(byRow, states, Loss{Scale: 1 / 100.0})
			t.CrossEntropy(bySequence, labels, Loss{Scale: 1 / float64(len(k.x))})
		}).Loss)
	}
	return losses, ps
}

// TestTrainer learns a small task by heart.
func TestTrainer(t *testing.T) {
	losses, _ := train(newTask(rand.New(rand.NewPCG(2, 2)), 16), 150, 4)
	if first, last := losses[0], losses[len(losses)-1]; first < 1.5 || last > 0.3 {
		t.Errorf("loss goes from %g to %g: want more than 1.5 to less than 0.3", first, last)
	}
}

// TestSameOnAnyCores holds that parameters come out bit for bit the same.
func TestSameOnAnyCores(t *testing.T) {
	k := newTask(rand.New(rand.NewPCG(2, 2)), 14)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var want []byte
	for _, cores := range []int{1, 2, 7} {
		runtime.GOMAXPROCS(cores)
		_, ps := train(k, 10, 7)
		got := Encode(ps.Arrays())
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("with %d cores the parameters are others than with one", cores)
		}
	}
}

// TestResume holds that training that is saved, loaded and continued is the same
// as training that never stopped.
func TestResume(t *testing.T) {
	k := newTask(rand.New(rand.NewPCG(2, 2)), 8)
	run := func(stop int) []byte {
		ps := new(Params)
		net := newSmall(ps, rand.New(rand.NewPCG(1, 1)))
		tr := NewTrainer(ps, 2)
		for step := range 8 {
			if step == stop {
				arrays, err := Decode(Encode(slices.Concat(ps.Arrays(), tr.Arrays())))
				if err != nil {
					t.Fatal(err)
				}
				ps = new(Params)
				net = newSmall(ps, rand.New(rand.NewPCG(99, 99)))
				tr = NewTrainer(ps, 2)
				if err := ps.SetArrays(arrays); err != nil {
					t.Fatal(err)
				}
				if err := tr.SetArrays(arrays); err != nil {
					t.Fatal(err)
				}
			}
			tr.Step(0.01, func(shard int, tape *Tape) {
				x, starts, states, _ := k.share(tr.Share(len(k.x), shard))
				byRow, _ := net.forward(tape, tape.Dropout(tape.Input(x, smallIn, starts), 0.1))
				tape.CrossEntropy(byRow, states, Loss{Scale: 0.01})
			})
		}
		return Encode(ps.Arrays())
	}
	if !bytes.Equal(run(-1), run(4)) {
		t.Error("the parameters are others after a pause")
	}
}

// TestSetState holds that a bad checkpoint is refused.
func TestSetState(t *testing.T) {
	ps := new(Params)
	ps.New("a", 1, 2)
	adam := NewAdam(ps)
	good := adam.Arrays()
	for name, arrays := range map[string][]Array{
		"empty":          nil,
		"without moment": good[:2],
		"negative steps": append([]Array{{Name: "adam.steps", Rows: 1, Cols: 1, Values: []float32{-1}}}, good[1:]...),
	} {
		if adam.SetArrays(arrays) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := adam.SetArrays(good); err != nil {
		t.Error(err)
	}
}

// TestTapeAllocation holds that passes of the same shape allocate nothing.
func TestTapeAllocation(t *testing.T) {
	ps := new(Params)
	net := newSmall(ps, rand.New(rand.NewPCG(1, 1)))
	x, starts, states, labels := newTask(rand.New(rand.NewPCG(2, 2)), 4).share(0, 4)
	tape, adam := NewTape(ps), NewAdam(ps)
	ones := []int{0, 1, 2, 3, 4}
	n := testing.AllocsPerRun(10, func() {
		tape.Reset()
		tape.ZeroGrad()
		h := net.stem.Forward(tape, tape.Input(x, smallIn, starts))
		h = tape.Add(h, net.point.Forward(tape, net.norm.ForwardReLU(tape, net.dilated.Forward(tape, h))))
		byRow := net.states.Forward(tape, tape.GELU(net.layer.Forward(tape, h)))
		pooled := tape.AttentionPool(tape.Dropout(h, 0.5), net.scores.Forward(tape, h))
		pooled.Starts = ones
		label := net.label.Forward(tape, tape.Concat(pooled, net.gru.Forward(tape, pooled)))
		tape.CrossEntropy(byRow, states, Loss{Focus: 2})
		tape.CrossEntropy(label, labels, Loss{})
		tape.Contrast(tape.Normalize(pooled), Pairs{Labels: labels, Temperature: 1}, Loss{})
		tape.Backward()
		tape.ClipGradient(1)
		adam.Step(tape, 0.001)
	})
	if n != 0 {
		t.Errorf("got %v allocations in a pass, want 0", n)
	}
}

// TestRunningStatistics holds that batch normalisation's running statistics move
// towards the mean of those of the shards.
func TestRunningStatistics(t *testing.T) {
	ps := new(Params)
	n := NewBatchNorm(ps, "n", 1)
	tr := NewTrainer(ps, 2)
	shards := [][]float32{{1, 3}, {5, 11}} // means 2 and 8, variances 2 and 18
	tr.Step(0, func(shard int, tape *Tape) { n.Forward(tape, tape.Input(shards[shard], 1, nil)) })
	near(t, "mean", float64(n.Mean.Row(0)[0]), 0.1*5)
	near(t, "variance", float64(n.Variance.Row(0)[0]), 0.9+0.1*10)
}

func TestCosine(t *testing.T) {
	c := Cosine{Peak: 1, Floor: 0.1, Warmup: 10, Total: 110}
	for step, want := range map[int]float64{0: 0.1, 9: 1, 10: 1, 60: 0.55, 110: 0.1, 1000: 0.1} {
		if got := c.At(step); math.Abs(got-want) > 1e-12 {
			t.Errorf("step %d: got %g, want %g", step, got, want)
		}
	}
}

func TestClipGradient(t *testing.T) {
	ps := new(Params)
	p := ps.New("p", 1, 2)
	tape := NewTape(ps)
	copy(p.of(tape.grad), []float32{3, 4})
	if got := tape.ClipGradient(1); got != 5 {
		t.Errorf("length: got %g, want 5", got)
	}
	if g := tape.Grad(p); math.Abs(float64(g[0])-0.6) > 1e-7 || math.Abs(float64(g[1])-0.8) > 1e-7 {
		t.Errorf("clipped: got %v, want [0.6 0.8]", g)
	}
}
