// Package checkmk reads the start of what Checkmk agents tell.
package checkmk

import (
	"bytes"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "checkmk",
	Doc:        "Checkmk monitoring agent; recognised by the first section of its output.",
	Transports: protocol.TCP,
	Ports:      []uint16{6556},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the checkmk record.
var Schema = record.New("checkmk", "", "The start of a Checkmk agent's output.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.String, Doc: "Version of the agent."},
	record.Field{Name: "agent_os", Type: record.String, Doc: "Operating system of the host."},
	record.Field{Name: "hostname", Type: record.String, Doc: "Name of the host."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const section = "<<<check_mk>>>"

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	n := min(len(b), len(section))
	switch {
	case string(b[:n]) != section[:n]:
		return protocol.No
	case n < len(section):
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
	f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: "Checkmk agent " + string(r.version[:min(len(r.version), maxText)])})
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if r.orig {
		return false, false
	}
	if i := bytes.Index(b[min(len(b), 3):], []byte("\n<<<")); i < 0 {
		return false, true
	}
	r.version, r.os, r.host = line(b, "\nVersion: "), line(b, "\nAgentOS: "), line(b, "\nHostname: ")
	return true, false
}

// line returns the rest of the line that key starts.
func line(b []byte, key string) []byte {
	i := bytes.Index(b, []byte(key))
	if i < 0 {
		return nil
	}
	v, _, _ := bytes.Cut(b[i+len(key):], []byte{'\n'})
	return bytes.TrimRight(v, "\r")
}

// Record is a message.
type Record struct {
	orig    bool
	version []byte
	os      []byte
	host    []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.version[:min(len(r.version), maxText)])
	e.Bytes(r.os[:min(len(r.os), maxText)])
	e.Bytes(r.host[:min(len(r.host), maxText)])
}
