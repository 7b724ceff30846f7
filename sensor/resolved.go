package sensor

import (
	"tyto/internal/record"
	"tyto/packet"
)

// resolved remembers which name a client was given for an address: passive DNS,
// so that a session without a name of its own can be told by the name it was
// reached by. It belongs to the writer, which sees everything in order, so the
// answer does not depend on how sessions are spread over lanes.
//
// It is bounded: when the young generation is full it becomes the old one, and
// the old one is forgotten.
type resolved struct {
	young, old map[resolution]given
}

// resolution is who asked, and what address was the answer.
type resolution struct{ client, addr packet.Addr }

// given is the latest name a client was given for an address, and the one before
// it: a session is told by the name that was known when it started.
type given struct {
	name, before string
	at           int64 // when name was given, ns
}

const maxResolved = 100000 // of a generation

func (r *resolved) add(k resolution, name string, at int64) {
	g, known := r.young[k]
	if !known {
		g = r.old[k]
	}
	if len(r.young) >= maxResolved {
		r.old, r.young = r.young, nil
	}
	if r.young == nil {
		r.young = make(map[resolution]given)
	}
	if g.name != name {
		g = given{name: name, before: g.name, at: at}
	}
	r.young[k] = g
}

// name returns what the client called the address at a time, or later if it had
// no name for it then.
func (r *resolved) name(k resolution, at int64) string {
	g, ok := r.young[k]
	if !ok {
		g = r.old[k]
	}
	if g.at > at && g.before != "" {
		return g.before
	}
	return g.name
}

// answer is a name that a client was given, on its way to the writer.
type answer struct {
	resolution
	name string
	time int64 // ns
}

// hole is a place in a session's text where its domain goes if the writer knows
// one.
type hole struct {
	resolution
	at    uint32 // in the piece
	start int64  // of the session, ns
}

// fill returns the text of a session's fields domain and domain_source, and how
// many bytes of the text they take the place of.
func fill(b []byte, format record.Format, name string) (text []byte, replaces uint32) {
	e := record.Encoder{Buf: b, Format: format}
	e.Continue(domainFields)
	e.Str(name)
	e.Str("dns")
	if format == record.TSV {
		replaces = uint32(len("\t-\t-"))
	}
	return e.Buf, replaces
}

var domainFields = record.New("domain", "", "The fields of a session that the writer may fill.",
	record.Field{Name: "domain", Type: record.String, Doc: "As in session records."},
	record.Field{Name: "domain_source", Type: record.Enum, Doc: "As in session records."},
)
