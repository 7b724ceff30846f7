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
	byClient recent[resolution, given]
	byAddr   recent[packet.Addr, given] // whoever asked
}

// resolution is who asked, and what address was the answer.
type resolution struct{ client, addr packet.Addr }

// given is the latest name an address was resolved from, and the one before it:
// a session is told by the name that was known when it started.
type given struct {
	name, before string
	at, beforeAt int64 // when each was first given, ns
}

// Bounds: names take a sixteenth of the memory budget, and no more than these.
const (
	maxResolutions  = 200000
	resolutionBytes = 160 // with its name
)

func newResolved(memory int) resolved {
	n := max(min(maxResolutions, memory/16/resolutionBytes*2/3), 64)
	return resolved{recent[resolution, given]{limit: n}, recent[packet.Addr, given]{limit: n / 2}}
}

func (g *given) add(name string, at int64) {
	if g.name != name {
		*g = given{name: name, at: at, before: g.name, beforeAt: g.at}
	}
}

func (r *resolved) add(k resolution, name string, at int64) {
	r.byClient.put(k).add(name, at)
	r.byAddr.put(k.addr).add(name, at)
}

// name returns what the client called the address at a time, or later if it had
// no name for it then; else what the last client before that time called it: a
// device asks with its other addresses, or a resolver or proxy asks for it.
func (r *resolved) name(k resolution, at int64) string {
	if g := r.byClient.get(k); g != nil {
		if g.at > at && g.before != "" {
			return g.before
		}
		return g.name
	}
	g := r.byAddr.get(k.addr)
	switch {
	case g == nil:
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

var domainFields = record.New("domain", "", "The fields of a session that passive DNS fills.",
	record.Field{Name: "domain", Type: record.String, Doc: "As in session records."},
	record.Field{Name: "domain_source", Type: record.Enum, Doc: "As in session records."},
)
