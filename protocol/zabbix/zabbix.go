// Package zabbix reads the messages of Zabbix agents and proxies (Zabbix manual, appendix protocols).
package zabbix

import (
	"bytes"
	"encoding/binary"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "zabbix",
	Doc:        "Zabbix monitoring; recognised by its header.",
	Transports: protocol.TCP,
	Ports:      []uint16{10050, 10051},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the zabbix record.
var Schema = record.New("zabbix", "", "The first Zabbix message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "request", Type: record.String, Doc: "Request of an agent or proxy, or the key of an item that is asked for."},
	record.Field{Name: "host", Type: record.String, Doc: "Host the message is about."},
	record.Field{Name: "version", Type: record.String, Doc: "Version of the agent or proxy."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const (
	magic       = "ZBXD"
	headerBytes = 13
	compressed  = 2 // flag
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	n := min(len(b), len(magic))
	switch {
	case string(b[:n]) != magic[:n]:
		return protocol.No
	case len(b) < 5:
		return protocol.More
	case b[4]&1 == 0 || b[4] > 7:
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
	if len(r.host) > 0 && r.orig {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: string(r.host[:min(len(r.host), maxText)])})
	}
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if len(b) < headerBytes {
		return false, true
	}
	n := int(binary.LittleEndian.Uint32(b[5:]))
	if b[4]&compressed != 0 {
		return false, false
	}
	p := b[headerBytes:]
	if len(p) < min(n, 1024) {
		return false, true
	}
	p = p[:min(n, len(p))]
	if len(p) == 0 || p[0] != '{' {
		if r.orig {
			r.request = bytes.TrimSpace(p)
		}
		return r.orig, false
	}
	r.request, r.host, r.version = value(p, `"request"`), value(p, `"host"`), value(p, `"version"`)
	return r.request != nil || r.host != nil, false
}

// value returns the string behind a member's name.
func value(b []byte, name string) []byte {
	i := bytes.Index(b, []byte(name))
	if i < 0 {
		return nil
	}
	b = bytes.TrimLeft(b[i+len(name):], ": ")
	if len(b) == 0 || b[0] != '"' {
		return nil
	}
	v, _, ok := bytes.Cut(b[1:], []byte{'"'})
	if !ok {
		return nil
	}
	return v
}

// Record is a message.
type Record struct {
	orig    bool
	request []byte
	host    []byte
	version []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.request[:min(len(r.request), maxText)])
	e.Bytes(r.host[:min(len(r.host), maxText)])
	e.Bytes(r.version[:min(len(r.version), maxText)])
}
