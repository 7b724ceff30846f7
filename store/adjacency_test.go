package store_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"tyto/internal/record"
	"tyto/store"
)

// hood returns who is within hops, by hop.
func hood(a *store.Adjacency, id string, hops int) map[string]int {
	list := make(map[string]int)
	a.Neighbourhood(id, hops, func(n string, hop int) bool {
		if _, twice := list[n]; twice {
			list[n] = -1
			return true
		}
		list[n] = hop
		return true
	})
	return list
}

// TestAdjacency holds neighbourhoods against a search in the plain list of
// relations, while relations are added.
func TestAdjacency(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	a := new(store.Adjacency)
	plain := make(map[string]map[string]bool)
	link := func(x, y string) {
		if plain[x] == nil {
			plain[x] = make(map[string]bool)
		}
		plain[x][y] = true
	}
	for i := range 30_000 {
		x, y := fmt.Sprint(rng.IntN(3000)), fmt.Sprint(int(rng.ExpFloat64()*30))
		a.Add(x, y)
		if x != y {
			link(x, y)
			link(y, x)
		}
		if i%5000 != 4999 {
			continue
		}
		for range 20 {
			id := fmt.Sprint(rng.IntN(3000))
			want := map[string]int{id: 0}
			last := []string{id}
			for hop := 1; hop <= 2; hop++ {
				var next []string
				for _, n := range last {
					for m := range plain[n] {
						if _, ok := want[m]; !ok {
							want[m] = hop
							next = append(next, m)
						}
					}
				}
				last = next
			}
			delete(want, id)
			if got := hood(a, id, 2); !maps.Equal(got, want) {
				t.Fatalf("after %d relations: %s has %d within two hops, want %d", i+1, id, len(got), len(want))
			}
		}
	}
	if a.Neighbourhood("nobody", 2, func(string, int) bool { return true }) {
		t.Error("nobody is known")
	}
}

func TestAdjacencyLimit(t *testing.T) {
	a := &store.Adjacency{Limit: 3}
	for i := range 10 {
		a.Add("hub", fmt.Sprint(i))
	}
	if n := len(hood(a, "hub", 1)); n != 3 || a.Dropped != 7 {
		t.Errorf("%d neighbours, %d dropped, want 3 and 7", n, a.Dropped)
	}
}

// TestWatch adds what a store takes, and not what it refuses.
func TestWatch(t *testing.T) {
	kinds, err := store.NewKinds(record.New("relation", "", "", record.Field{Name: "ts", Type: record.Time},
		record.Field{Name: "from", Type: record.String}, record.Field{Name: "to", Type: record.String}))
	if err != nil {
		t.Fatal(err)
	}
	a, m := new(store.Adjacency), new(memory)
	load := func(text string) error {
		l := store.NewLoader(context.Background(), a.Watch(m), kinds)
		if _, err := l.Write([]byte(text)); err != nil {
			return err
		}
		return l.Close()
	}
	if err := load(`{"record":"relation","ts":1,"from":"device:a","to":"address:b"}` + "\n" + `{"record":"relation","ts":2,"from":"device:a"}`); err != nil {
		t.Fatal(err)
	}
	m.fail = context.Canceled
	if err := load(`{"record":"relation","ts":1,"from":"device:a","to":"address:lost"}`); err == nil {
		t.Error("the store failed and nobody was told")
	}
	if got := slices.Collect(maps.Keys(hood(a, "device:a", 3))); !slices.Equal(got, []string{"address:b"}) {
		t.Errorf("got %v", got)
	}
}
