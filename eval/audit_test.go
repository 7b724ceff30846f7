package eval

import (
	"math/rand/v2"
	"testing"

	"tyto/corpus"
	"tyto/sequence"
	"tyto/session"
	"tyto/train"
)

// A probe tells what a line tells, and does not tell what is not there.
func TestProbe(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int) (x [][]float32, told, hidden []int) {
		for range n {
			row := make([]float32, 8)
			for i := range row {
				row[i] = float32(r.NormFloat64()) / 3
			}
			class := 0
			switch {
			case row[2] > 0.1:
				class = 1
			case row[5] > row[2]+0.3:
				class = 2
			}
			x, told, hidden = append(x, row), append(told, class), append(hidden, r.IntN(3))
		}
		return x, told, hidden
	}
	x, told, hidden := draw(600)
	askedX, askedTold, askedHidden := draw(600)
	if right, prior := probe(x, told, askedX, askedTold, 3); right < 0.93 || prior > 0.6 {
		t.Errorf("what a line tells is told with accuracy %.2f (%.2f from nothing)", right, prior)
	}
	if right, _ := probe(x, hidden, askedX, askedHidden, 3); right > 0.42 {
		t.Errorf("what is not there is told with accuracy %.2f", right)
	}
}

// What an occlusion hides is gone, the rest and the original are as they were.
func TestOcclusions(t *testing.T) {
	messages := func() []sequence.Message {
		return []sequence.Message{{Time: 5, Dir: session.Resp, Bytes: 900, Content: 880, Parts: 2, Took: 7}, {Time: 1e9, Dir: session.Orig, Bytes: 40, Content: 16, Parts: 1}}
	}
	d := &train.Data{Examples: []*train.Example{{Session: new(corpus.Session), Heard: sequence.Sequence{RTT: 9, Messages: messages()}}}}
	for _, tt := range []struct {
		sizes, times, directions bool // left
	}{{sizes: true}, {times: true}, {directions: true}} {
		at := 0
		for !map[int]bool{0: tt.sizes, 1: tt.times, 2: tt.directions}[at] {
			at++
		}
		got := occluded(d, occlusions[at].hide).Examples[0].Heard.Messages
		was := messages()
		if kept := got[0].Bytes == was[0].Bytes && got[1].Content == was[1].Content; kept != tt.sizes {
			t.Errorf("%s: sizes are %+v", occlusions[at].name, got)
		}
		if kept := got[0].Time == was[0].Time && got[1].Time == was[1].Time && got[0].Took == was[0].Took; kept != tt.times {
			t.Errorf("%s: times are %+v", occlusions[at].name, got)
		}
		if kept := got[0].Dir == was[0].Dir; kept != tt.directions {
			t.Errorf("%s: directions are %+v", occlusions[at].name, got)
		}
		if d.Examples[0].Heard.Messages[0] != was[0] {
			t.Fatalf("%s changed the original", occlusions[at].name)
		}
	}
}
