package sensor

import (
	"tyto/internal/record"
	"tyto/packet"
)

// resolved remembers which names addresses were resolved from: passive DNS, so
// that a session without a name of its own can be told by the name it was
// reached by. It belongs to the writer, which sees everything in order, so the
// answer does not depend on how sessions are spread over lanes.
type resolved struct {
	byClient generations[resolution, given]
	byAddr   generations[packet.Addr, given] // whoever asked
}

// resolution is who asked, and what address was the answer.
type resolution struct{ client, addr packet.Addr }

// given is the latest name an address was resolved from, and the one before it:
// a session is told by the name that was known when it started.
type given struct {
	name, before string
	at, beforeAt int64 // when each was first given, ns
}

const maxResolved = 100000 // of a generation

func (g given) next(name string, at int64) given {
	if g.name == name {
		return g
	}
	return given{name: name, at: at, before: g.name, beforeAt: g.at}
}

func (r *resolved) add(k resolution, name string, at int64) {
	g, _ := r.byClient.get(k)
	r.byClient.put(k, g.next(name, at), maxResolved)
	g, _ = r.byAddr.get(k.addr)
	r.byAddr.put(k.addr, g.next(name, at), maxResolved)
}

// name returns what the client called the address at a time, or later if it had
// no name for it then; else what the last client before that time called it: a
// device asks with its other addresses, or a resolver or proxy asks for it.
func (r *resolved) name(k resolution, at int64) string {
	if g, ok := r.byClient.get(k); ok {
		if g.at > at && g.before != "" {
			return g.before
		}
		return g.name
	}
	g, _ := r.byAddr.get(k.addr)
	switch {
	case g.name != "" && g.at <= at:
		return g.name
	case g.before != "" && g.beforeAt <= at:
		return g.before
	}
	return ""
}

// answer is a name that a client was given, on its way to the writer.
type answer struct {
	resolution
	name string
	time int64 // ns
}

// generations is a map that forgets: when the young generation is full it
// becomes the old one, and the old one is dropped.
type generations[K comparable, V any] struct{ young, old map[K]V }

func (g *generations[K, V]) get(k K) (V, bool) {
	if v, ok := g.young[k]; ok {
		return v, true
	}
	v, ok := g.old[k]
	return v, ok
}

// put sets the value of a key; limit is how many keys a generation holds.
func (g *generations[K, V]) put(k K, v V, limit int) {
	if len(g.young) >= limit {
		g.old, g.young = g.young, nil
	}
	if g.young == nil {
		g.young = make(map[K]V)
	}
	g.young[k] = v
}

var domainFields = record.New("domain", "", "The fields of a session that passive DNS fills.",
	record.Field{Name: "domain", Type: record.String, Doc: "As in session records."},
	record.Field{Name: "domain_source", Type: record.Enum, Doc: "As in session records."},
)
