// Package dropbox reads the announcements of Dropbox clients on the local network.
package dropbox

import (
	"bytes"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "dropbox",
	Doc:        "Dropbox LAN sync discovery; recognised by the members of its JSON object.",
	Transports: protocol.UDP,
	Ports:      []uint16{17500},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the dropbox record.
var Schema = record.New("dropbox", "", "The first Dropbox announcement of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "host_int", Type: record.String, Doc: "Number of the client's installation."},
	record.Field{Name: "displayname", Type: record.String, Doc: "Name of the device, if it is told."},
	record.Field{Name: "namespaces", Type: record.String, Doc: "Numbers of the shared folders."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 32 || b[0] != '{' || b[1] != '"' || !bytes.Contains(b, []byte(`"host_int": `)) || !bytes.Contains(b, []byte(`"namespaces": [`)) {
		return protocol.No
	}
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
		return len(data)
	}
	r := &a.rec
	*r = Record{orig: dir == session.Orig}
	if r.read(data) {
		a.told[dir] = true
		a.observe(f, dir)
		f.Emit(r)
	}
	return len(data)
}

// observe tells what the record shows about its sender.
func (a *analyzer) observe(f *protocol.Flow, dir session.Direction) {
	r := &a.rec
	if len(r.name) > 0 && len(r.name) <= maxText {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: string(r.name)})
	}
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	r.host = between(b, `"host_int": `, ",}")
	r.name = between(b, `"displayname": "`, `"`)
	r.spaces = between(b, `"namespaces": [`, "]")
	return len(r.host) > 0
}

// between returns what stands in b after key and before any of the end bytes.
func between(b []byte, key, end string) []byte {
	i := bytes.Index(b, []byte(key))
	if i < 0 {
		return nil
	}
	b = b[i+len(key):]
	if i = bytes.IndexAny(b, end); i < 0 {
		return nil
	}
	return b[:i]
}

// Record is a message.
type Record struct {
	orig   bool
	host   []byte
	name   []byte
	spaces []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.host[:min(len(r.host), maxText)])
	e.Bytes(r.name[:min(len(r.name), maxText)])
	e.Bytes(r.spaces[:min(len(r.spaces), maxText)])
}
