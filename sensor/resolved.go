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
	young, old map[resolution]string
}

// resolution is who asked, and what address was the answer.
type resolution struct{ client, addr packet.Addr }

const maxResolved = 100000 // of a generation

func (r *resolved) add(k resolution, name string) {
	if len(r.young) >= maxResolved {
		r.old, r.young = r.young, nil
	}
	if r.young == nil {
		r.young = make(map[resolution]string)
	}
	r.young[k] = name
}

func (r *resolved) name(k resolution) string {
	if n, ok := r.young[k]; ok {
		return n
	}
	return r.old[k]
}

// answer is a name that a client was given, on its way to the writer.
type answer struct {
	resolution
	name string
}

// hole is a place in a session's text where its domain goes if the writer knows
// one.
type hole struct {
	resolution
	at uint32 // in the piece
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
