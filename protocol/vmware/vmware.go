// Package vmware reads the banner of VMware's authentication daemon.
package vmware

import (
	"bytes"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "vmware",
	Doc:        "VMware authentication daemon; recognised by its banner.",
	Transports: protocol.TCP,
	Ports:      []uint16{902},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the vmware record.
var Schema = record.New("vmware", "", "The banner of a VMware authentication daemon.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.String, Doc: "Version of the daemon."},
	record.Field{Name: "features", Type: record.String, Doc: "What it says it needs and supports."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const banner = "220 VMware Authentication Daemon Version "

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	n := min(len(b), len(banner))
	switch {
	case string(b[:n]) != banner[:n]:
		return protocol.No
	case n < len(banner):
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
	f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: "VMware Authentication Daemon " + string(r.version[:min(len(r.version), maxText)])})
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if r.orig {
		return false, false
	}
	line, _, ok := bytes.Cut(b, []byte{'\n'})
	if !ok || len(line) < len(banner) {
		return false, !ok
	}
	v, rest, _ := bytes.Cut(bytes.TrimRight(line[len(banner):], "\r"), []byte(": "))
	r.version, r.features = v, rest
	return true, false
}

// Record is a message.
type Record struct {
	orig     bool
	version  []byte
	features []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.version[:min(len(r.version), maxText)])
	e.Bytes(r.features[:min(len(r.features), maxText)])
}
