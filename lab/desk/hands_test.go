package desk

import (
	"math/rand/v2"
	"testing"
)

func TestKeyOf(t *testing.T) {
	for _, test := range []struct {
		bytes, name string
		shift       bool
	}{
		{"a", "a", false}, {"A", "a", true}, {"7", "7", false}, {"&", "7", true}, {"|", "backslash", true}, {"\\", "backslash", false},
		{"\r", "Return", false}, {"\x1b[A", "Up", false}, {"\"", "apostrophe", true}, {"~", "grave", true}, {" ", "space", false},
	} {
		if name, shift := keyOf([]byte(test.bytes)); name != test.name || shift != test.shift {
			t.Errorf("%q is key %s, shift %v; want %s, %v", test.bytes, name, shift, test.name, test.shift)
		}
	}
}

func TestStrokeEndsWhereItMust(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		x0, y0, x1, y1 := rng.IntN(1000), rng.IntN(700), rng.IntN(1000), rng.IntN(700)
		path := stroke(x0, y0, x1, y1, rng)
		if last := path[len(path)-1]; last != [2]int{x1, y1} {
			t.Fatalf("a stroke from %d,%d to %d,%d ends at %v", x0, y0, x1, y1, last)
		}
		if len(path) < 2 || len(path) > 100 {
			t.Fatalf("a stroke from %d,%d to %d,%d has %d places", x0, y0, x1, y1, len(path))
		}
	}
}
