package tls

import (
	"bytes"
	"math/rand"
	"testing"
)

// TestAssembly adds the pieces of a text in random order, with repetitions and
// overlaps, and compares with a plain copy.
func TestAssembly(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	want := make([]byte, 300)
	r.Read(want)
	for range 500 {
		var a Assembly
		have := make([]bool, len(want))
		for range 400 {
			off := r.Intn(len(want))
			n := r.Intn(min(20, len(want)-off+1))
			if !a.Add(off, want[off:off+n], len(want)) {
				continue
			}
			for i := range n {
				have[off+i] = true
			}
			k := 0
			for k < len(have) && have[k] {
				k++
			}
			if got := a.Prefix(); len(got) != k || !bytes.Equal(got, want[:k]) {
				t.Fatalf("prefix of %d bytes, want %d", len(got), k)
			}
		}
	}
	var a Assembly
	if a.Add(-1, want[:2], 300) || a.Add(299, want[:2], 300) {
		t.Error("bytes out of range were added")
	}
	for i := range 2 * maxSpans {
		if ok := a.Add(2*i, want[:1], 300); ok != (i < maxSpans) {
			t.Errorf("hole %d: %v", i, ok)
		}
	}
	a.Reset()
	a.Add(0, []byte("ab"), 9)
	if a.Add(0, []byte("XYc"), 9); string(a.Prefix()) != "abc" {
		t.Errorf("got %q: what came first must stay", a.Prefix())
	}
}
