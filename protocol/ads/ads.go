// Package ads reads the addresses in Beckhoff's Automation Device Specification over TCP.
package ads

import (
	"encoding/binary"
	"strconv"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "ads",
	Doc:        "Beckhoff ADS (TwinCAT); recognised by the lengths of its two headers and its flags.",
	Transports: protocol.TCP,
	Ports:      []uint16{48898},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the ads record.
var Schema = record.New("ads", "", "The first ADS message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "target", Type: record.String, Doc: "AMS identifier of the receiver and its port."},
	record.Field{Name: "source", Type: record.String, Doc: "AMS identifier of the sender and its port."},
	record.Field{Name: "command", Type: record.String, Doc: "Command of the first message."},
)

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const headerBytes = 6 + 32

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) > 0 && b[0] != 0 || len(b) > 1 && b[1] != 0 || len(b) > 5 && b[5] != 0 {
		return protocol.No
	}
	if len(b) < headerBytes {
		return protocol.More
	}
	n, m := binary.LittleEndian.Uint32(b[2:]), binary.LittleEndian.Uint32(b[26:])
	cmd, flags := binary.LittleEndian.Uint16(b[22:]), binary.LittleEndian.Uint16(b[24:])
	if n != m+32 || n > 1<<22 || cmd == 0 || cmd > 9 || flags != 4 && flags != 5 {
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
		f.Emit(r)
	}
	return protocol.SkipAll
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if len(b) < headerBytes {
		return false, true
	}
	r.target, r.source = address(b[6:]), address(b[14:])
	names := [...]string{1: "read_device_info", 2: "read", 3: "write", 4: "read_state", 5: "write_control", 6: "add_notification",
		7: "delete_notification", 8: "notification", 9: "read_write"}
	if cmd := binary.LittleEndian.Uint16(b[22:]); int(cmd) < len(names) {
		r.command = names[cmd]
	}
	return true, false
}

// address returns six numbers and a port as text.
func address(b []byte) string {
	out := make([]byte, 0, 32)
	for i, v := range b[:6] {
		if i > 0 {
			out = append(out, '.')
		}
		out = strconv.AppendUint(out, uint64(v), 10)
	}
	out = append(out, ':')
	return string(strconv.AppendUint(out, uint64(binary.LittleEndian.Uint16(b[6:])), 10))
}

// Record is a message.
type Record struct {
	orig    bool
	target  string
	source  string
	command string
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.target)
	e.Str(r.source)
	e.Str(r.command)
}
