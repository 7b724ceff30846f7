package store

import (
	"context"
	"slices"
	"sync"

	"tyto/internal/record"
)

// Adjacency is who is related to whom, in memory, for what a database is too slow
// for: the neighbourhood of an entity that has tens of thousands of neighbours.
// It holds neighbours as numbers one after the other (compressed sparse rows) and
// what came since apart, until that is a quarter of them and both are put together.
// Relations have no direction, kind or time here: the store has these. The zero
// value is empty. Any number of goroutines may ask while one adds.
type Adjacency struct {
	// Limit is how many relations are held, 0: DefaultRelations; others are counted
	// in Dropped.
	Limit   int
	Dropped uint64

	mu    sync.RWMutex
	ids   map[string]uint32
	names []string
	start []uint32            // by entity: where its neighbours begin in near; one more than entities then
	near  []uint32            // each relation at both ends
	since map[uint32][]uint32 // neighbours that came later
	fresh int                 // how many of these
	marks sync.Pool           // of *marks
}

// DefaultRelations is how many relations an Adjacency holds: 8 bytes each, and
// the names of their entities.
const DefaultRelations = 20_000_000

// freshLooked is how many of an entity's latest neighbours are looked through for
// one that is there already; of more, settle finds it.
const freshLooked = 64

// freshLeast is how many relations are added before they are put together.
const freshLeast = 1 << 12

// marks are the entities that a question has met.
type marks struct {
	met   []uint32 // by entity: the question that met it last
	asked uint32
	list  []uint32
}

// relationKind is the kind of records that are relations.
const relationKind = "relation"

// Observe adds the relations of a batch; batches of other kinds have none.
func (a *Adjacency) Observe(b *Batch) {
	if b.Kind != relationKind {
		return
	}
	column := func(name string) *Column {
		i := slices.IndexFunc(b.Fields, func(f record.Field) bool { return f.Name == name && Base(f.Type) == TextBase })
		if i < 0 {
			return nil
		}
		return &b.Columns[i]
	}
	from, to := column("from"), column("to")
	if from == nil || to == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for row := range b.Rows {
		if !from.Null[row] && !to.Null[row] {
			a.add(from.TextAt(row), to.TextAt(row))
		}
	}
}

// Add adds a relation between two entities.
func (a *Adjacency) Add(from, to string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add([]byte(from), []byte(to))
}

func (a *Adjacency) add(from, to []byte) {
	limit := a.Limit
	if limit == 0 {
		limit = DefaultRelations
	}
	if len(a.near)/2+a.fresh >= limit {
		a.Dropped++
		return
	}
	f, t := a.number(from), a.number(to)
	if more := a.since[f]; f == t || len(more) < freshLooked && slices.Contains(more, t) {
		return
	}
	if a.since == nil {
		a.since = make(map[uint32][]uint32)
	}
	a.since[f], a.since[t] = append(a.since[f], t), append(a.since[t], f)
	if a.fresh++; a.fresh >= max(len(a.near)/8, freshLeast) {
		a.settle()
	}
}

func (a *Adjacency) number(name []byte) uint32 {
	if n, ok := a.ids[string(name)]; ok {
		return n
	}
	if a.ids == nil {
		a.ids = make(map[string]uint32)
	}
	n := uint32(len(a.names))
	a.names = append(a.names, string(name))
	a.ids[a.names[n]] = n
	return n
}

// settled returns an entity's neighbours of before.
func (a *Adjacency) settled(n uint32) []uint32 {
	if int(n)+1 >= len(a.start) {
		return nil
	}
	return a.near[a.start[n]:a.start[n+1]]
}

// settle puts what came since to the rest, each neighbour once.
func (a *Adjacency) settle() {
	start := make([]uint32, len(a.names)+1)
	near := make([]uint32, 0, len(a.near)+2*a.fresh)
	for n := range a.names {
		start[n] = uint32(len(near))
		near = append(near, a.settled(uint32(n))...)
		if more := a.since[uint32(n)]; len(more) > 0 {
			near = append(near, more...)
			mine := near[start[n]:]
			slices.Sort(mine)
			near = near[:int(start[n])+len(slices.Compact(mine))]
		}
	}
	start[len(a.names)] = uint32(len(near))
	a.start, a.near, a.fresh = start, near, 0
	clear(a.since)
}

// Size returns how many entities and relations there are.
func (a *Adjacency) Size() (entities, relations int) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return len(a.names), len(a.near)/2 + a.fresh
}

// Neighbourhood calls yield with the entities within a number of hops of one,
// nearest first, without itself, until it returns false. It reports whether the
// entity is known. Yield must not add.
func (a *Adjacency) Neighbourhood(id string, hops int, yield func(id string, hop int) bool) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	from, ok := a.ids[id]
	if !ok {
		return false
	}
	m, _ := a.marks.Get().(*marks)
	if m == nil {
		m = new(marks)
	}
	defer a.marks.Put(m)
	m.begin(len(a.names))
	m.meet(from)
	for hop, at := 1, 0; hop <= hops && at < len(m.list); hop++ {
		end := len(m.list)
		for _, n := range m.list[at:end] {
			m.meetAll(a.settled(n))
			if a.fresh > 0 {
				m.meetAll(a.since[n])
			}
		}
		for _, n := range m.list[end:] {
			if !yield(a.names[n], hop) {
				return true
			}
		}
		at = end
	}
	return true
}

func (m *marks) begin(entities int) {
	if m.asked++; m.asked == 0 {
		clear(m.met)
		m.asked = 1
	}
	if n := entities - len(m.met); n > 0 {
		m.met = append(m.met, make([]uint32, n)...)
	}
	m.list = m.list[:0]
}

func (m *marks) meet(n uint32) {
	if m.met[n] != m.asked {
		m.met[n] = m.asked
		m.list = append(m.list, n)
	}
}

func (m *marks) meetAll(list []uint32) {
	met, asked := m.met, m.asked
	for _, n := range list {
		if met[n] != asked {
			met[n] = asked
			m.list = append(m.list, n)
		}
	}
}

// Watch returns a store that is s and adds the relations it is given, so that the
// Adjacency stays current while s is written to. Those that s did not take are
// not added.
func (a *Adjacency) Watch(s Store) Store {
	if g, ok := s.(Gatherer); ok {
		return watchedGatherer{watched{s, a}, g}
	}
	return watched{s, a}
}

type watched struct {
	Store
	near *Adjacency
}

// Append implements Store.
func (w watched) Append(ctx context.Context, batches ...*Batch) error {
	if err := w.Store.Append(ctx, batches...); err != nil {
		return err
	}
	w.observe(batches)
	return nil
}

func (w watched) observe(batches []*Batch) {
	for _, b := range batches {
		w.near.Observe(b)
	}
}

type watchedGatherer struct {
	watched
	gatherer Gatherer
}

// Gather implements Gatherer.
func (w watchedGatherer) Gather(ctx context.Context, batches ...*Batch) error {
	if err := w.gatherer.Gather(ctx, batches...); err != nil {
		return err
	}
	w.observe(batches)
	return nil
}
