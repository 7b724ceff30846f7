package nn_test

import (
	"fmt"
	"math/rand/v2"

	"tyto/nn"
)

// A network is trained to tell whether the last number of a sequence is larger
// than the first.
func Example() {
	ps := new(nn.Params)
	random := rand.New(rand.NewPCG(1, 1))
	gru := nn.NewGRU(ps, "gru", 1, 16, random)
	head := nn.NewLinear(ps, "head", 16, 2, random)

	values := []float32{0.1, 0.5, 0.9, 0.8, 0.2, 0.3, 0.9, 0.4, 0.7, 0.6, 0.1, 0.2}
	starts := []int{0, 3, 6, 9, 12} // four sequences of three
	larger := []int32{-1, -1, 1, -1, -1, 0, -1, -1, 0, -1, -1, 0}

	trainer := nn.NewTrainer(ps, 1)
	var last nn.Step
	for step := range 200 {
		last = trainer.Step(nn.Cosine{Peak: 0.02, Warmup: 10, Total: 200}.At(step), func(_ int, t *nn.Tape) {
			h := gru.Forward(t, t.Input(values, 1, starts)) // 12 x 16
			t.CrossEntropy(head.Forward(t, h), larger, nn.Loss{})
		})
	}
	fmt.Printf("loss below 0.05: %v\n", last.Loss < 0.05)
	// Output:
	// loss below 0.05: true
}
