package main

import (
	"testing"

	"tyto/nn"
)

// TestFused holds that inference says what the tape says outside training.
func TestFused(t *testing.T) {
	m, b := newModel(1), newBatch(1, 1)
	tape := nn.NewTape(m.params)
	tape.Train = false
	x := tape.Input(b.x, features, nil)
	h := m.stem.Forward(tape, x)
	for _, k := range m.block {
		h = tape.Add(h, k.point.Forward(tape, k.norm.ForwardReLU(tape, k.dilated.Forward(tape, h))))
	}
	want := m.label.Forward(tape, m.embedding.Forward(tape, tape.AttentionPool(h, m.scores.Forward(tape, h)))).Row(0)
	s := newScratch()
	m.fuse().run(s, b.x)
	for i, w := range want {
		if d := s.bySession[0][i] - w; d > 1e-5 || d < -1e-5 {
			t.Errorf("label %d: got %g, want %g", i, s.bySession[0][i], w)
		}
	}
}

// BenchmarkTrain is a training step of 16 sessions in 4 shards.
func BenchmarkTrain(b *testing.B) { run(b, 0, 16) }

// BenchmarkInfer is inference of 16 sessions.
func BenchmarkInfer(b *testing.B) { run(b, 1, 16) }

// BenchmarkInferOne is inference of one session.
func BenchmarkInferOne(b *testing.B) { run(b, 2, 1) }

// BenchmarkFirstPass is inference of 256 sessions of the first-pass model.
func BenchmarkFirstPass(b *testing.B) { run(b, 3, firstSessions) }

func run(b *testing.B, which, sessions int) {
	t := tasks(16, 1)[which]
	b.ReportAllocs()
	for b.Loop() {
		t.run()
	}
	b.ReportMetric(float64(sessions*b.N)/b.Elapsed().Seconds(), "sessions/s")
}
