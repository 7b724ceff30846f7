package model_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tyto/behavior"
	"tyto/model"
	"tyto/nn"
	"tyto/sequence"
	"tyto/sequence/feature"
	"tyto/session"
)

func shape() model.Shape {
	return model.Shape{
		Tokens: sequence.Version, Channels: 16, Blocks: 3, Window: 32, Heads: 2,
		States: []string{"handshake", "keystrokes", "download"}, Labels: []string{"shell", "download"}, Apps: []string{"ssh", "tls", "http"},
		Controls: []string{"none", "orig", "resp", "both"}, Profiles: 2,
	}
}

// sessionOf returns a session of n messages, drawn by the seed.
func sessionOf(n int, seed uint64) sequence.Sequence {
	r := rand.New(rand.NewPCG(seed, 1))
	s := sequence.Sequence{Carrier: sequence.Records, RTT: 30e6}
	at := int64(0)
	for range n {
		at += int64(r.ExpFloat64() * 5e7)
		s.Messages = append(s.Messages, sequence.Message{Time: at, Dir: session.Direction(r.IntN(2)), Bytes: uint32(r.IntN(2000)), Content: uint32(r.IntN(2000)), Parts: 1})
	}
	return s
}

var firstBytes = [2][]byte{[]byte("SSH-2.0-OpenSSH_9.2\r\n"), {0x16, 3, 1, 2, 0, 0xff}}

// What a listener computes, chunk by chunk, is what the network computes on a
// tape: for sessions of a message, of a window, and of several chunks.
func TestListenerIsNetwork(t *testing.T) {
	n := model.NewNetwork(shape(), 7)
	for _, p := range n.Params.All() { // running statistics that are not trivial
		if p.Stat {
			p.Uniform(rand.New(rand.NewPCG(1, 1)), 0.2)
		}
		if strings.HasSuffix(p.Name, "variance") {
			p.Fill(1.3)
		}
	}
	l := model.New(n, nil, model.Card{}, model.Uncalibrated(&n.Shape)).NewListener()
	for _, size := range []int{1, 31, 32, 33, 700, 1025, 2500} {
		s := sessionOf(size, uint64(size))
		tape := nn.NewTape(n.Params)
		tape.Train = false
		var b model.Batch
		b.Add(sequence.AppendTokens(nil, &s), model.AppendFirst(nil, firstBytes), feature.Session(&s), n.Shape.Window)
		want := n.Forward(tape, &b, 0)
		got, ok := l.Hear(&s, firstBytes)
		if !ok || got.Messages != size {
			t.Fatalf("%d messages: heard %d", size, got.Messages)
		}
		for i := range size {
			near(t, "state", got.StateRow(i), want.State.Row(i))
			near(t, "boundary", []float32{got.BoundaryAt(i)}, want.Boundary.Row(i))
		}
		near(t, "labels", got.Labels, want.Labels.Row(0))
		near(t, "control", got.Control, want.Control.Row(0))
		near(t, "layers", got.Layers, want.Layers.Row(0))
		near(t, "app", got.App, want.App.Row(0))
		near(t, "embedding", got.Embedding, want.Embedding.Row(0))
	}
}

func near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(float64(got[i] - want[i])); d > 1e-4 {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
}

func TestFile(t *testing.T) {
	n := model.NewNetwork(shape(), 7)
	card := model.Card{Name: "test", Seed: 7, Data: []model.Fact{{Name: "runs", Value: "3"}}}
	b, err := model.New(n, nil, card, model.Uncalibrated(&n.Shape)).Encode()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := m.Encode()
	if err != nil || !bytes.Equal(b, again) {
		t.Error("a model that was read is not written as it was")
	}
	if m.Card.Params != n.Params.Count() || m.Card.Name != "test" {
		t.Errorf("the card is %+v", m.Card)
	}
	var h behavior.Heard
	s := sessionOf(40, 3)
	l := m.NewListener()
	if !l.Listen(&h, &behavior.Session{Proto: 6, Sequence: &s, First: firstBytes}) || len(h.Segments) == 0 || len(h.Embedding) != model.EmbeddingSize || h.App == "" {
		t.Errorf("heard %+v", h)
	}
	if l.Listen(&h, &behavior.Session{Proto: 6, Sequence: &sequence.Sequence{}}) {
		t.Error("heard something in a session without messages")
	}
}

func TestDecodeErrors(t *testing.T) {
	n := model.NewNetwork(shape(), 7)
	encode := func(change func(*model.Model)) []byte {
		m := model.New(n, nil, model.Card{}, model.Uncalibrated(&n.Shape))
		change(m)
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		name, want string
		bytes      []byte
	}{
		{"nothing", "not a model", nil},
		{"cut", "cut or damaged", encode(func(*model.Model) {})[:40]},
		{"of other tokens", "train it again", encode(func(m *model.Model) { m.Shape.Tokens++ })},
		{"of another width", "needs", encode(func(m *model.Model) { m.Shape.Channels = 512 })},
		{"of another window", "", encode(func(m *model.Model) { m.Shape.Window = 64 })},
		{"of absurd blocks", "blocks", encode(func(m *model.Model) { m.Shape.Blocks = 60 })},
		{"with other labels", "calibration", encode(func(m *model.Model) { m.Shape.Labels = m.Shape.Labels[:1] })},
		{"with a label that is no name", "lower-case", encode(func(m *model.Model) { m.Shape.Labels = []string{"a", "\x1b[2J"} })},
		{"with a wild temperature", "temperature", encode(func(m *model.Model) { m.Calibration.App = 0 })},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := model.Decode(c.bytes)
			if c.want == "" && err == nil {
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	n := model.NewNetwork(shape(), 7)
	b, err := model.New(n, nil, model.Card{}, model.Uncalibrated(&n.Shape)).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	s := sessionOf(40, 3)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := model.Decode(b)
		if err != nil {
			return
		}
		var h behavior.Heard
		m.NewListener().Listen(&h, &behavior.Session{Proto: 6, Sequence: &s, First: firstBytes})
	})
}

// Bytes of one class cannot be told apart.
func TestFirstTellsClassesOnly(t *testing.T) {
	a := model.AppendFirst(nil, [2][]byte{[]byte("GET /index"), {0x80, 0x91}})
	b := model.AppendFirst(nil, [2][]byte{[]byte("PUT /secre"), {0xfe, 0xa0}})
	c := model.AppendFirst(nil, [2][]byte{[]byte("GET  index"), {0x80, 0x91}})
	if len(a) != model.FirstWidth || slices.Equal(a, c) {
		t.Error("classes are not told")
	}
	b[len(b)/2-1], b[len(b)/2-2] = a[len(a)/2-1], a[len(a)/2-2] // entropy and how many differ
	if !slices.Equal(a, b) {
		t.Error("bytes are told")
	}
}

func TestPValue(t *testing.T) {
	c := model.Calibration{Scores: [][]float64{{0.2, 0.5, 0.9}, nil}}
	for _, x := range []struct {
		app   int
		score float64
		want  float64
	}{{0, 0.1, 0.25}, {0, 0.2, 0.5}, {0, 0.6, 0.75}, {0, 1, 1}, {1, 0, 1}} {
		if got := c.PValue(x.app, x.score); got != x.want {
			t.Errorf("app %d, score %g: %g, want %g", x.app, x.score, got, x.want)
		}
	}
}

func BenchmarkListen(b *testing.B) {
	s := shape()
	s.Channels, s.Blocks, s.Window, s.Heads = 64, 7, 256, 4
	n := model.NewNetwork(s, 7)
	l := model.New(n, nil, model.Card{}, model.Uncalibrated(&n.Shape)).NewListener()
	in := sessionOf(512, 3)
	var h behavior.Heard
	b.ReportAllocs()
	for b.Loop() {
		l.Listen(&h, &behavior.Session{Proto: 6, Sequence: &in, First: firstBytes})
	}
	b.ReportMetric(512*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// A shell without anybody who acts after quiet is hardly one.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		label    string
		p        float64
		leads    [2]int
		from, to float64
	}{
		{"reverse-shell", 0.99, [2]int{0, 3}, 0.1, 0.3},
		{"reverse-shell", 0.99, [2]int{2, 30}, 0.99, 0.99},
		{"download", 0.99, [2]int{}, 0.99, 0.99},
		{"shell", 1, [2]int{}, 0.9, 1},
		{"shell", 0, [2]int{}, 0, 1e-8},
	} {
		if got := model.Weigh(c.label, c.p, c.leads); got < c.from || got > c.to {
			t.Errorf("%s at %g with leads %v: %g, want %g to %g", c.label, c.p, c.leads, got, c.from, c.to)
		}
	}
}

func TestKnows(t *testing.T) {
	s := shape()
	s.Apps = []string{"dns", "smtp"}
	n := model.NewNetwork(s, 1)
	l := model.New(n, nil, model.Card{}, model.Uncalibrated(&n.Shape)).NewListener()
	for _, c := range []struct {
		app             string
		encrypted, want bool
	}{{"tls", true, true}, {"unknown", false, true}, {"dns", false, true}, {"smtp", false, false}, {"smtp", true, true}, {"smb", false, false}, {"modbus", false, false}} {
		if got := l.Knows(c.app, c.encrypted); got != c.want {
			t.Errorf("%s, encrypted %v: %v", c.app, c.encrypted, got)
		}
	}
}
