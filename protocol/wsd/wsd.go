// Package wsd reads WS-Discovery (OASIS WS-Discovery 1.1; the 2005 specification).
package wsd

import (
	"bytes"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "wsd",
	Doc:        "WS-Discovery; recognised by the namespace of the specification in an XML document.",
	Transports: protocol.UDP,
	Ports:      []uint16{3702},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the wsd record.
var Schema = record.New("wsd", "", "The first WS-Discovery message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "action", Type: record.String, Doc: "Action: Probe, ProbeMatches, Hello, Bye, Resolve …"},
	record.Field{Name: "types", Type: record.String, Doc: "Types of devices that are looked for or announced."},
	record.Field{Name: "address", Type: record.String, Doc: "Identifier of the device."},
	record.Field{Name: "xaddrs", Type: record.String, Doc: "Where the device is reached."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

const (
	ns2005  = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
	nsOASIS = "http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01"
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 64 || b[0] != '<' && b[0] != 0xef || !bytes.Contains(b, []byte("/discovery")) {
		return protocol.No
	}
	if bytes.Contains(b, []byte(ns2005)) || bytes.Contains(b, []byte(nsOASIS)) {
		return protocol.Sure
	}
	return protocol.No
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
		f.Emit(r)
	}
	return len(data)
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	if v := between(b, "Action", "<"); v != nil {
		if i := bytes.LastIndexByte(v, '/'); i >= 0 {
			r.action = bytes.TrimSpace(v[i+1:])
		}
	}
	r.types = element(b, "Types")
	r.address = element(b, "Address")
	r.xaddrs = element(b, "XAddrs")
	return r.action != nil
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

// element returns the text of the last element with a local name that has text.
func element(b []byte, name string) []byte {
	i := bytes.LastIndex(b, []byte(name+">"))
	if i < 0 {
		return nil
	}
	b = b[:i] // of the end tag
	j := bytes.LastIndexByte(b, '<')
	if j < 0 {
		return nil
	}
	b = b[:j]
	if j = bytes.LastIndexByte(b, '>'); j < 0 {
		return nil
	}
	return bytes.TrimSpace(b[j+1:])
}

// Record is a message.
type Record struct {
	orig    bool
	action  []byte
	types   []byte
	address []byte
	xaddrs  []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.action[:min(len(r.action), maxText)])
	e.Bytes(r.types[:min(len(r.types), maxText)])
	e.Bytes(r.address[:min(len(r.address), maxText)])
	e.Bytes(r.xaddrs[:min(len(r.xaddrs), maxText)])
}
