package dga

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"tyto/packet"
)

func TestLabel(t *testing.T) {
	for _, c := range []struct{ name, label, domain string }{
		{"www.Example.com.", "example", "example.com"}, {"a.b.example.co.uk", "example", "example.co.uk"},
		{"4.3.2.1.in-addr.arpa", "", ""}, {"qzkxwvpt", "", ""}, {"printer.corp1", "", ""}, {"", "", ""},
	} {
		if label, domain := Label(c.name); label != c.label || domain != c.domain {
			t.Errorf("%q: got %q of %q, want %q of %q", c.name, label, domain, c.label, c.domain)
		}
	}
}

// TestScore wants names that everybody knows below names of hashes and dice.
func TestScore(t *testing.T) {
	s := NewScorer()
	for _, name := range []string{"google", "wikipedia", "stackoverflow", "nytimes", "deutsche-bank", "openstreetmap", "xn--bcher-kva", "abc", ""} {
		if v := s.Score(name); v >= Likely {
			t.Errorf("%s: got %.1f, want less than %.1f", name, v, Likely)
		}
	}
	for _, name := range []string{"xjwqvzkptrhgbd", "a3f8c91e07bd42651f", "k2j9x0qw7z4v1bm8"} {
		if v := s.Score(name); v < Likely {
			t.Errorf("%s: got %.1f, want at least %.1f", name, v, Likely)
		}
	}
}

func letters(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return string(b)
}

// TestTable wants what a client asked for within the last hour, once a domain, and
// the generated name that exists after them.
func TestTable(t *testing.T) {
	r, table := rand.New(rand.NewPCG(1, 1)), NewTable()
	a := packet.Addr4([]byte{10, 0, 0, 1})
	var c *Count
	for i := range 20 {
		name := letters(r, 18) + ".com"
		c = table.Add(Query{At: int64(i) * 1e9, Client: a, Name: name, Missing: true})
		if again := table.Add(Query{At: int64(i) * 1e9, Client: a, Name: "www." + name, Missing: true}); again != nil {
			t.Fatalf("%s counts twice", name)
		}
	}
	if c.Missing != 20 || c.Generated < 17 || len(c.Examples) != maxExamples {
		t.Errorf("got %d domains, %d generated, %d examples; want 20, nearly all, %d", c.Missing, c.Generated, len(c.Examples), maxExamples)
	}
	if c := table.Add(Query{At: 21e9, Client: a, Name: "www.wikipedia.org"}); c != nil {
		t.Error("an ordinary name is found")
	}
	if c := table.Add(Query{At: 22e9, Client: a, Name: "xjwqvzkptrhgbdqz.com"}); c == nil || c.Found != "xjwqvzkptrhgbdqz.com" || c.FoundAt != 22e9 {
		t.Errorf("got %+v, want the name that exists", c)
	}
	if c := table.Add(Query{At: 2 * Window, Client: a, Name: "misspelt-exampel.com", Missing: true}); c == nil || c.Missing != 1 || c.Generated != 0 {
		t.Errorf("after an hour: got %+v, want one domain", c)
	}
}

// TestCommon wants names that many clients ask for told apart.
func TestCommon(t *testing.T) {
	r, table := rand.New(rand.NewPCG(2, 1)), NewTable()
	name := letters(r, 20) + ".com"
	var c *Count
	for i := range commonClients {
		c = table.Add(Query{At: 1e9, Client: packet.Addr4([]byte{10, 0, 0, byte(i)}), Name: name, Missing: true})
	}
	if c.Generated != 1 || c.Common != 1 {
		t.Errorf("got %d generated, %d common, want one of each", c.Generated, c.Common)
	}
	if first := table.Again(packet.Addr4([]byte{10, 0, 0, 0})); first.Common != 1 {
		t.Errorf("the first client's name is not common once others asked")
	}
}

// TestBounded wants memory bounded, whoever asks for whatever.
func TestBounded(t *testing.T) {
	table := NewTable()
	a := packet.Addr4([]byte{10, 0, 0, 1})
	var c *Count
	for i := range 4 * maxDomains {
		if n := table.Add(Query{At: int64(i), Client: a, Name: fmt.Sprintf("n%dx.com", i), Missing: true}); n != nil {
			c = n
		}
	}
	if c.Missing != maxDomains {
		t.Errorf("got %d domains, want %d", c.Missing, maxDomains)
	}
	for i := range maxClients + 5 {
		table.Add(Query{At: 1, Client: packet.Addr4([]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Name: "abc.com", Missing: true})
	}
	if len(table.clients) > maxClients || table.Overflow == 0 {
		t.Errorf("got %d clients, %d that did not fit", len(table.clients), table.Overflow)
	}
}

func FuzzScore(f *testing.F) {
	for _, s := range []string{"example.com", "\xff\x00.com", "-.-", "ünï.org", "a.b.c.d.co.uk"} {
		f.Add(s)
	}
	table := NewTable()
	f.Fuzz(func(t *testing.T, name string) {
		if v := table.scorer.Score(name); v != v {
			t.Errorf("%q: no number", name)
		}
		table.Add(Query{Name: name, Missing: len(name)&1 == 0})
	})
}
