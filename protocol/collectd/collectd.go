// Package collectd reads the network protocol of collectd.
package collectd

import (
	"bytes"
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "collectd",
	Doc:        "collectd metrics; recognised by a host part first, parts that fill the datagram, or the signature of a signed or encrypted one.",
	Transports: protocol.UDP,
	Ports:      []uint16{25826},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the collectd record.
var Schema = record.New("collectd", "", "The first collectd datagram of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "host", Type: record.String, Doc: "Host the values are of."},
	record.Field{Name: "plugin", Type: record.String, Doc: "Plugin that read the first value."},
	record.Field{Name: "user", Type: record.String, Doc: "User of a signed or encrypted datagram."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// Types of parts.
const (
	partHost, partPlugin          = 0x0000, 0x0002
	partSignature, partEncryption = 0x0200, 0x0210
	maxParts                      = 64
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 8 || b[0] > 2 || b[0] == 1 {
		return protocol.No
	}
	kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	switch kind {
	case partHost:
		if n < 6 || n > 132 || len(b) < n+4 || b[n-1] != 0 || b[4] < '-' || b[4] > 'z' {
			return protocol.No
		}
		// The next part is the time.
		if next := binary.BigEndian.Uint16(b[n:]); (next == 1 || next == 8) && binary.BigEndian.Uint16(b[n+2:]) == 12 {
			return protocol.Sure
		}
	case partSignature:
		if e.Port(25826) && n > 36 && n <= len(b) {
			return protocol.Sure
		}
	case partEncryption:
		if e.Port(25826) && n == len(b) {
			return protocol.Sure
		}
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
		a.observe(f, dir)
		f.Emit(r)
	}
	return len(data)
}

// observe tells what the record shows about its sender.
func (a *analyzer) observe(f *protocol.Flow, dir session.Direction) {
	r := &a.rec
	if len(r.host) > 0 && len(r.host) <= maxText {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: string(r.host)})
	}
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	c := wire.New(b)
	for i := 0; c.Len() >= 4 && i < maxParts; i++ {
		kind := c.U16()
		part := c.Sub(int(c.U16()) - 4)
		if !c.OK() {
			break
		}
		v := bytes.TrimRight(part.Rest(), "\x00")
		switch {
		case kind == partHost && r.host == nil:
			r.host = v
		case kind == partPlugin && r.plugin == nil:
			r.plugin = v
		case kind == partSignature:
			part.Skip(32)
			r.user = part.Rest()
		case kind == partEncryption:
			r.user = part.Bytes(int(part.U16()))
		}
	}
	return len(r.host) > 0 || len(r.user) > 0
}

// Record is a message.
type Record struct {
	orig   bool
	host   []byte
	plugin []byte
	user   []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.host[:min(len(r.host), maxText)])
	e.Bytes(r.plugin[:min(len(r.plugin), maxText)])
	e.Bytes(r.user[:min(len(r.user), maxText)])
}
