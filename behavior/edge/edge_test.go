package edge

import (
	"math/rand/v2"
	"testing"

	"tyto/packet"
)

const hour = int64(3600e9)

func addr(kind, i int) packet.Addr {
	return packet.Addr4([]byte{10, byte(kind), byte(i / 250), byte(i % 250)})
}

// office plays days of an office: clients of kind 1 use shares of kind 2 and web
// servers of kind 3, as many as there are.
func office(tell func(Event), seed uint64, days, clients, servers int) {
	r := rand.New(rand.NewPCG(seed, 1))
	usual := make([][2]int, clients)
	for i := range usual {
		usual[i] = [2]int{r.IntN(servers), r.IntN(servers)}
	}
	for d := range int64(days) {
		for h := int64(8); h < 18; h++ {
			for i := range clients {
				at := (d*24+h)*hour + int64(i)*1e9
				k := usual[i]
				if r.Float64() < 0.05 {
					k = [2]int{r.IntN(servers), r.IntN(servers)}
				}
				tell(Event{at, addr(1, i), addr(2, k[0]), Share})
				tell(Event{at + 1, addr(1, i), addr(3, k[1]), Web})
			}
		}
	}
}

// TestRoles wants a model that was trained on one office to know in another, of
// other machines, that a client it never saw with a server is likelier than a
// client that serves.
func TestRoles(t *testing.T) {
	s := NewSampler(1)
	s.From = 24 * hour
	office(s.Event, 1, 5, 60, 8)
	m := Train(&s.Samples, Training{Steps: 400, Rate: 3e-3, Seed: 1, Without: Ignored})
	var table Table
	office(table.Use, 2, 4, 40, 12)
	scorer := m.NewScorer()
	score := func(from, to packet.Addr, service Service) float64 {
		row, c := table.Measure(Event{4*24*hour + 9*hour, from, to, service}, nil)
		if len(row) != Width {
			t.Fatalf("got %d features, want %d", len(row), Width)
		}
		if !c.New {
			return -99
		}
		return scorer.LLR(row)
	}
	var habit, odd float64
	n := 0.0
	for i := range 40 {
		for k := range 12 {
			if v := score(addr(1, i), addr(2, k), Share); v > -99 {
				habit += v
				odd += score(addr(1, i), addr(1, (i+1+k)%40), Share)
				n++
			}
		}
	}
	if n == 0 || odd/n < habit/n+2 {
		t.Errorf("of %.0f new edges: to servers %.2f, between clients %.2f: want two nats between them", n, habit/n, odd/n)
	}
	again, err := Decode(m.Encode())
	if err != nil {
		t.Fatal(err)
	}
	row, _ := table.Measure(Event{100 * hour, addr(1, 1), addr(1, 2), SSH}, nil)
	if got, want := again.NewScorer().LLR(row), scorer.LLR(row); got != want {
		t.Errorf("read back: got %v, want %v", got, want)
	}
}

// TestIgnored wants features that are left out not to change what a model says.
func TestIgnored(t *testing.T) {
	m, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 3))
	scorer := m.NewScorer()
	row := make([]float32, Width)
	for i := range row {
		row[i] = r.Float32()
	}
	want := scorer.LLR(row)
	for i := range row {
		before := row[i]
		row[i] += 3
		if got := scorer.LLR(row); Ignored(i) && got != want {
			t.Errorf("feature %d is left out and changes %v to %v", i, want, got)
		}
		row[i] = before
	}
}

// TestBounded wants the memory of a table to have a limit, and what is in use to
// stay.
func TestBounded(t *testing.T) {
	var table Table
	for i := range maxNodes + 5000 {
		table.Use(Event{int64(i) * 1e9, packet.Addr4([]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), addr(250, 1), Web})
	}
	if len(table.nodes) > maxNodes+1 || table.Forgotten == 0 {
		t.Errorf("got %d machines, forgot %d", len(table.nodes), table.Forgotten)
	}
}

// TestForget wants what was used to count half after HalfLife.
func TestForget(t *testing.T) {
	var table Table
	e := Event{0, addr(1, 1), addr(2, 1), SSH}
	for range 8 {
		table.Use(e)
	}
	e.At = HalfLife
	if _, c := table.Measure(e, nil); c.Uses < 3.9 || c.Uses > 4.1 || c.New {
		t.Errorf("after half its life: got %.2f uses (new: %v), want 4", c.Uses, c.New)
	}
}

func FuzzDecode(f *testing.F) {
	m, err := Shipped()
	if err != nil {
		f.Fatal(err)
	}
	whole := m.Encode()
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		m.NewScorer().LLR(make([]float32, Width))
	})
}

func BenchmarkEdge(b *testing.B) {
	m, err := Shipped()
	if err != nil {
		b.Fatal(err)
	}
	var table Table
	var events []Event
	office(func(e Event) { events = append(events, e) }, 1, 3, 200, 20)
	for _, e := range events {
		table.Use(e)
	}
	s := m.NewScorer()
	var row []float32
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		e := events[i%len(events)]
		e.At += 4 * 24 * hour
		row, _ = table.Measure(e, row[:0])
		s.LLR(row)
		table.Use(e)
		i++
	}
}
