// Package rtmp reads the start of Adobe's Real-Time Messaging Protocol.
package rtmp

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
	Name:       "rtmp",
	Doc:        "Adobe Real-Time Messaging Protocol; recognised by the handshakes of both sides.",
	Transports: protocol.TCP,
	Ports:      []uint16{1935},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the rtmp record.
var Schema = record.New("rtmp", "", "The connect command of an RTMP client.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "app", Type: record.String, Doc: "Application the client connects to."},
	record.Field{Name: "tc_url", Type: record.String, Doc: "Address the client was told."},
	record.Field{Name: "flash_ver", Type: record.String, Doc: "Software of the client."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 8192

const (
	version        = 3
	handshakeBytes = 1 + 1536
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b, o := e.Data[session.Orig], e.Data[session.Resp]
	if len(b) > 0 && b[0] != version || len(o) > 0 && o[0] != version {
		return protocol.No
	}
	// The four bytes after the time are zero, or the version of the program.
	if len(b) >= 9 && b[5]|b[6]|b[7]|b[8] != 0 && b[5] > 0x80 {
		return protocol.No
	}
	if len(b) >= 6 && b[1] == 0 && int(binary.BigEndian.Uint16(b[2:])) == len(b) && b[5] != 0 { // TPKT
		return protocol.No
	}
	plainTime := func(b []byte) bool { return len(b) >= 9 && b[5]|b[6]|b[7]|b[8] == 0 }
	switch {
	case len(b) >= 9 && len(o) >= 9 && (plainTime(b) || plainTime(o) || len(b) >= handshakeBytes):
		return protocol.Sure
	case e.Port(1935) && (plainTime(b) || plainTime(o)):
		return protocol.Likely
	}
	return protocol.More
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
	if len(r.agent) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: string(r.agent[:min(len(r.agent), maxText)])})
	}
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if !r.orig {
		return false, false
	}
	if len(b) < handshakeBytes+1536+64 {
		return false, true
	}
	p := b[handshakeBytes+1536:]
	r.app, r.url, r.agent = value(p, "app"), value(p, "tcUrl"), value(p, "flashVer")
	return r.url != nil, r.url == nil
}

// value returns the string property of a name in an AMF 0 object.
func value(b []byte, name string) []byte {
	i := bytes.Index(b, append([]byte{0, byte(len(name))}, name...))
	if i < 0 {
		return nil
	}
	c := wire.New(b[i+2+len(name):])
	if c.U8() != 2 {
		return nil
	}
	v := c.Vec16()
	if !c.OK() {
		return nil
	}
	return v.Rest()
}

// Record is a message.
type Record struct {
	orig  bool
	app   []byte
	url   []byte
	agent []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.app[:min(len(r.app), maxText)])
	e.Bytes(r.url[:min(len(r.url), maxText)])
	e.Bytes(r.agent[:min(len(r.agent), maxText)])
}
