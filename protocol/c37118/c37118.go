// Package c37118 reads the header of synchrophasor data of power grids (IEEE C37.118.2).
package c37118

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "c37118",
	Doc:        "Synchrophasor data (IEEE C37.118.2); recognised by its start, type and checksum.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{4712, 4713},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the c37118 record.
var Schema = record.New("c37118", "", "The first synchrophasor frame of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "frame", Type: record.String, Doc: "Type of the frame."},
	record.Field{Name: "version", Type: record.Count, Doc: "Version."},
	record.Field{Name: "id", Type: record.Count, Doc: "Identifier of the data stream."},
)

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const (
	headerBytes = 14
	maxFrame    = 2048
)

// checksum is the CRC-CCITT of the standard's annex B.
func checksum(b []byte) uint16 {
	crc := uint16(0xffff)
	for _, v := range b {
		t := crc>>8 ^ uint16(v)
		crc <<= 8
		q := t ^ t>>4
		crc ^= q ^ q<<5 ^ q<<12
	}
	return crc
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) > 0 && b[0] != 0xaa || len(b) > 1 && (b[1]&0x8f == 0 || b[1]&0x8f > 3 || b[1] > 0x6f) {
		return protocol.No
	}
	if len(b) < headerBytes+2 {
		if e.Transport == protocol.UDP {
			return protocol.No
		}
		return protocol.More
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case n < headerBytes+2 || n > maxFrame:
		return protocol.No
	case len(b) < n && e.Transport == protocol.TCP:
		return protocol.More
	case len(b) < n || checksum(b[:n-2]) != binary.BigEndian.Uint16(b[n-2:]):
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
		return skipped(f, data)
	}
	r := &a.rec
	*r = Record{orig: dir == session.Orig}
	ok, more := r.read(data)
	if more && len(data) < maxHead && !f.Datagram() {
		return 0
	}
	a.told[dir] = true
	if ok {
		f.Emit(r)
	}
	return skipped(f, data)
}

// skipped passes over the datagram, or the rest of the stream.
func skipped(f *protocol.Flow, data []byte) int {
	if f.Datagram() {
		return len(data)
	}
	return protocol.SkipAll
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if len(b) < headerBytes {
		return false, true
	}
	names := [...]string{"data", "header", "configuration_1", "configuration_2", "command", "configuration_3"}
	t := int(b[1] >> 4)
	if b[0] != 0xaa || t >= len(names) {
		return false, false
	}
	r.kind, r.version, r.id = names[t], uint64(b[1]&15), uint64(binary.BigEndian.Uint16(b[4:]))
	return true, false
}

// Record is a message.
type Record struct {
	orig    bool
	kind    string
	version uint64
	id      uint64
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.kind)
	e.Uint(r.version)
	e.Uint(r.id)
}
