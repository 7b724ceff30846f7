package sensor

import (
	"math/rand/v2"
	"testing"
)

// TestRecent puts keys at random and compares with a list that does the same
// slowly.
func TestRecent(t *testing.T) {
	const limit, keys, steps = 100, 250, 200_000
	type entry struct {
		key, value int
		again      bool
	}
	var list []entry // the first is the next to be forgotten
	r := recent[int, int]{limit: limit}
	rng := rand.New(rand.NewPCG(1, 2))
	find := func(k int) int {
		for i := range list {
			if list[i].key == k {
				return i
			}
		}
		return -1
	}
	for step := range steps {
		k := int(rng.ExpFloat64()*keys/4) % keys
		i := find(k)
		if got := r.get(k); (got != nil) != (i >= 0) || got != nil && *got != list[i].value {
			t.Fatalf("step %d: get(%d) = %v, want entry %d", step, k, got, i)
		}
		*r.put(k) = step
		if i >= 0 {
			list[i].value, list[i].again = step, true
			continue
		}
		if len(list) == limit {
			for list[0].again {
				list = append(list[1:], entry{list[0].key, list[0].value, false})
			}
			list = list[1:]
		}
		list = append(list, entry{key: k, value: step})
	}
	if r.len() != limit {
		t.Errorf("%d entries, want %d", r.len(), limit)
	}
	used := 0
	for _, s := range r.slots {
		if s.at != 0 {
			used++
		}
	}
	if used != limit {
		t.Errorf("%d slots are used, want %d", used, limit)
	}
}

func TestRecentAllocates(t *testing.T) {
	r := recent[int, int]{limit: 100}
	k := 0
	put := func() { *r.put(k)++; k++ }
	for range 300 {
		put()
	}
	if n := testing.AllocsPerRun(1000, put); n != 0 {
		t.Errorf("%v allocations for a new key", n)
	}
}
