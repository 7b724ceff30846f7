package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"tyto/entity"
	"tyto/hunt"
	"tyto/packet"
	"tyto/store"
)

// askGraph measures the graph in memory: relations between a tenth as many
// addresses, some of which are talked to a thousand times as often as others.
func askGraph(edges int) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	nodes := max(edges/10, 100)
	rng := rand.New(rand.NewPCG(3, 4))
	zipf := rand.NewZipf(rng, 1.1, 20, uint64(nodes-1))
	g := entity.New(entity.Options{MemoryLimit: 4 << 30})
	f := entity.Fact{Relation: entity.TalkedTo, Via: "tls", RespBytes: 1}
	started := time.Now()
	for i := range edges {
		f.First = start + int64(i)*int64(time.Second)/10
		f.From, f.To = entity.AddressRef(address(rng.IntN(nodes))), entity.AddressRef(address(int(zipf.Uint64())))
		g.Add(&f)
	}
	took := time.Since(started)
	runtime.GC()
	runtime.ReadMemStats(&after)
	s := g.Stats()
	fmt.Printf("graph: %d facts added in %.2f s; %d entities and %d relations in %.1f MB, %.0f bytes a relation\n", edges, took.Seconds(), s.Entities, s.Relations,
		float64(after.HeapAlloc-before.HeapAlloc)/1e6, float64(after.HeapAlloc-before.HeapAlloc)/float64(s.Relations))
	v := g.Now()
	pick := func() entity.ID { return v.Holder(address(rng.IntN(nodes))) }
	found, reached := 0, 0
	h := hood{view: v}
	times("graph: two hops of any address", func() { reached = h.count(pick()) })
	fmt.Printf("graph: the last has %d entities within two hops\n", reached)
	times("graph: two hops of the busiest", func() { reached = h.count(v.Holder(address(0))) })
	fmt.Printf("graph: the busiest has %d entities within two hops\n", reached)
	times("graph: path of 4 hops in time", func() {
		if v.Path(pick(), pick(), entity.PathQuery{}) != nil {
			found++
		}
	})
	fmt.Printf("graph: %d of %d paths exist\n", found, asked)
	askNear(edges)
}

// askNear measures the neighbourhoods of the same relations in a
// store.Adjacency.
func askNear(edges int) {
	nodes := max(edges/10, 100)
	rng := rand.New(rand.NewPCG(3, 4))
	zipf := rand.NewZipf(rng, 1.1, 20, uint64(nodes-1))
	names := make([]string, nodes)
	for i := range names {
		names[i] = "address:" + address(i).String()
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	a := new(store.Adjacency)
	started := time.Now()
	for range edges {
		a.Add(names[rng.IntN(nodes)], names[int(zipf.Uint64())])
	}
	took := time.Since(started)
	runtime.GC()
	runtime.ReadMemStats(&after)
	entities, relations := a.Size()
	fmt.Printf("near: %d relations added in %.2f s; %d entities and %d relations in %.1f MB\n", edges, took.Seconds(), entities, relations, float64(after.HeapAlloc-before.HeapAlloc)/1e6)
	reached := 0
	count := func(id string) {
		reached = 0
		a.Neighbourhood(id, 2, func(string, int) bool { reached++; return true })
	}
	times("near: two hops of any address", func() { count(names[rng.IntN(nodes)]) })
	times("near: two hops of the busiest", func() { count(names[0]) })
	fmt.Printf("near: the busiest has %d entities within two hops\n", reached)
}

func address(i int) packet.Addr {
	return packet.Addr4([]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// hood counts the entities within two hops of one.
type hood struct {
	view entity.View
	seen []uint32 // by entity: in which question it was seen
	n    uint32
}

func (h *hood) count(id entity.ID) (n int) {
	h.n++
	h.meet(id)
	for l := range h.view.Links(id) {
		near := other(l, id)
		if !h.meet(near) {
			continue
		}
		n++
		for k := range h.view.Links(near) {
			if h.meet(other(k, near)) {
				n++
			}
		}
	}
	return n
}

func other(l entity.Link, id entity.ID) entity.ID {
	if l.From == id {
		return l.To
	}
	return l.From
}

// meet reports whether an entity was not seen yet.
func (h *hood) meet(id entity.ID) bool {
	for int(id) >= len(h.seen) {
		h.seen = append(h.seen, make([]uint32, len(h.seen)+1024)...)
	}
	first := h.seen[id] != h.n
	h.seen[id] = h.n
	return first
}

// asked is how often a question is asked.
const asked = 200

// times tells the median and the worst time of a question.
func times(name string, ask func()) {
	var list []time.Duration
	for range asked {
		t := time.Now()
		ask()
		list = append(list, time.Since(t))
	}
	slices.Sort(list)
	fmt.Printf("%-32s %9.3f ms, worst %9.3f ms\n", name, list[asked/2].Seconds()*1e3, list[asked-1].Seconds()*1e3)
}

// askPath asks the store, which looks for the way itself, for paths between hosts.
func askPath(s store.Store, kinds *store.Kinds, g *generator) error {
	ctx := context.Background()
	now, err := hunt.Now(ctx, s, kinds)
	if err != nil {
		return err
	}
	for _, span := range []string{"1h", "1d"} {
		text := fmt.Sprintf("session last %s where app in (smb, ssh, kerberos) | path %s to %s hops 4", span, g.host[500], g.host[3])
		q, err := hunt.Parse(text)
		if err != nil {
			return err
		}
		rows := 0
		t := time.Now()
		if err := hunt.Run(ctx, s, kinds, q, now, func(b *store.Batch) error { rows += b.Rows; return nil }); err != nil {
			return fmt.Errorf("hunt %s: %w", text, err)
		}
		fmt.Printf("path in the store over %s: %.1f ms, %d hops\n", span, time.Since(t).Seconds()*1e3, rows)
	}
	return nil
}
