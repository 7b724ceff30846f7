// Package bitcoin reads the greeting of Bitcoin peers and of currencies derived from it (the Bitcoin protocol documentation, message structure).
package bitcoin

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
	Name:       "bitcoin",
	Doc:        "Bitcoin peer protocol and its derivatives; recognised by a network's magic number and a command name.",
	Transports: protocol.TCP,
	Ports:      []uint16{8333, 18333},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the bitcoin record.
var Schema = record.New("bitcoin", "", "The version message of a Bitcoin peer.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "network", Type: record.String, Doc: "Network of the magic number."},
	record.Field{Name: "command", Type: record.String, Doc: "First command."},
	record.Field{Name: "version", Type: record.Count, Doc: "Protocol version of the peer."},
	record.Field{Name: "user_agent", Type: record.String, Doc: "Software of the peer."},
	record.Field{Name: "start_height", Type: record.Count, Doc: "Latest block the peer has."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const headerBytes = 24

// networkOf names the network of a magic number.
func networkOf(b []byte) string {
	switch string(b[:4]) {
	case "\xf9\xbe\xb4\xd9":
		return "bitcoin"
	case "\x0b\x11\x09\x07":
		return "bitcoin-testnet"
	case "\xfa\xbf\xb5\xda":
		return "bitcoin-regtest"
	case "\xfb\xc0\xb6\xdb":
		return "litecoin"
	case "\xc0\xc0\xc0\xc0":
		return "dogecoin"
	case "\xbf\x0c\x6b\xbd":
		return "dash"
	}
	return ""
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < headerBytes {
		if len(b) >= 4 && networkOf(b) == "" {
			return protocol.No
		}
		return protocol.More
	}
	if networkOf(b) == "" {
		return protocol.No
	}
	// A command is lower-case letters, then zeros to the end.
	end := false
	for i, c := range b[4:16] {
		if end = end || c == 0; end != (c == 0) || !end && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') || i == 0 && end {
			return protocol.No
		}
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
	if len(r.agent) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: string(r.agent[:min(len(r.agent), maxText)])})
	}
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	c := wire.New(b)
	if len(b) < headerBytes {
		return false, true
	}
	r.network = networkOf(b)
	c.Skip(4)
	r.command = bytes.TrimRight(c.Bytes(12), "\x00")
	n := int(c.LE32())
	if c.Len() >= 4 && binary.LittleEndian.Uint32(c.Rest()) >= 1<<17 {
		c.Skip(4) // the checksum, which the oldest peers leave out: there the version follows
	}
	if r.network == "" {
		return false, false
	}
	if string(r.command) != "version" {
		return true, false
	}
	if c.Len() < n {
		return false, true
	}
	r.version = uint64(c.LE32())
	c.Skip(8 + 8 + 26 + 26 + 8)
	agent := c.Vec8()
	r.agent, r.height = agent.Rest(), uint64(c.LE32())
	return true, false
}

// Record is a message.
type Record struct {
	orig    bool
	network string
	command []byte
	version uint64
	agent   []byte
	height  uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.network)
	e.Bytes(r.command[:min(len(r.command), maxText)])
	unlessZero(e, r.version)
	e.Bytes(r.agent[:min(len(r.agent), maxText)])
	unlessZero(e, r.height)
}

func unlessZero(e *record.Encoder, v uint64) {
	if v == 0 {
		e.Unset()
		return
	}
	e.Uint(v)
}
