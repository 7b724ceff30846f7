package firstseen

import (
	"fmt"
	"math"
	"testing"
)

// TestNovelty wants a new edge to say nothing on the first day, where all are
// new, and as much as was published where few are.
func TestNovelty(t *testing.T) {
	var table Table
	edge := func(from, to int) Novelty {
		return table.Use(Key{fmt.Sprint(from), fmt.Sprint(to), "smb"})
	}
	if n := edge(0, 1); !n.New || n.LLR() > 0 {
		t.Errorf("first edge of all: got %+v with %.2f, want new and nothing said", n, n.LLR())
	}
	for day := range 100 {
		for host := range 10 {
			if n := edge(host, 1); day > 0 && n.New {
				t.Fatalf("day %d, host %d: the edge is told as new", day, host)
			}
		}
	}
	n := edge(3, 7)
	if !n.New || n.Others != 0 {
		t.Errorf("an edge to another target: got %+v, want new", n)
	}
	if got := n.LLR(); got < 2.7 || got > 6 {
		t.Errorf("LLR of a new edge where one in a hundred is: got %.2f", got)
	}
	if n = edge(3, 1); n.LLR() >= 0 {
		t.Errorf("LLR of an edge used daily: got %.2f, want below 0", n.LLR())
	}
}

// TestBounded wants memory to be bounded, and what does not fit not to be accused.
func TestBounded(t *testing.T) {
	var table Table
	for i := range maxTargets + 10 {
		table.Use(Key{"a", fmt.Sprint(i), "s"})
	}
	if table.Overflow != 10 {
		t.Errorf("overflow: got %d, want 10", table.Overflow)
	}
	if n := table.Use(Key{"a", "more", "s"}); n.New || math.IsNaN(n.LLR()) {
		t.Errorf("an edge without room: got %+v", n)
	}
}
