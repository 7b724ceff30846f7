// Package munin reads the greeting of Munin nodes.
package munin

import (
	"bytes"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "munin",
	Doc:        "Munin monitoring node; recognised by its greeting.",
	Transports: protocol.TCP,
	Ports:      []uint16{4949},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the munin record.
var Schema = record.New("munin", "", "The greeting of a Munin node.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "node", Type: record.String, Doc: "Name of the node."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const greeting = "# munin node at "

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	n := min(len(b), len(greeting))
	switch {
	case string(b[:n]) != greeting[:n]:
		return protocol.No
	case n < len(greeting):
		return protocol.More
	}
	e.Reversed = e.Dir == session.Orig
	return protocol.Sure
}

type analyzer struct {
	rec  Record
	told [2]bool
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse reads the first message of each side.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if a.told[dir] {
		return protocol.SkipAll
	}
	r := &a.rec
	*r = Record{orig: dir == session.Orig}
	ok, more := r.read(data)
	if more && len(data) < maxHead {
		return 0
	}
	a.told[dir] = true
	if ok {
		a.observe(f, dir)
		f.Emit(r)
	}
	return protocol.SkipAll
}

// observe tells what the record shows about its sender.
func (a *analyzer) observe(f *protocol.Flow, dir session.Direction) {
	r := &a.rec
	if len(r.host) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: string(r.host[:min(len(r.host), maxText)])})
	}
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if r.orig {
		return false, false
	}
	line, _, ok := bytes.Cut(b, []byte{'\n'})
	if !ok || len(line) < len(greeting) {
		return false, !ok
	}
	r.host = bytes.TrimSpace(line[len(greeting):])
	return true, false
}

// Record is a message.
type Record struct {
	orig bool
	host []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.host[:min(len(r.host), maxText)])
}
