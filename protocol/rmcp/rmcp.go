// Package rmcp reads the Remote Management Control Protocol and IPMI over it (DMTF ASF, IPMI 2.0).
package rmcp

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "rmcp",
	Apps:       []string{"ipmi"},
	Doc:        "Remote Management Control Protocol with IPMI or ASF (IPMI 2.0, DMTF DSP0136); recognised by header, class and the fields of the session.",
	Transports: protocol.UDP,
	Ports:      []uint16{623, 664},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the rmcp record.
var Schema = record.New("rmcp", "", "An RMCP message that shows something new: the first of a side, and that with a user name.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "class", Type: record.String, Doc: "Class of the message: asf or ipmi."},
	record.Field{Name: "ipmi_version", Type: record.String, Doc: "Version of the IPMI session."},
	record.Field{Name: "user", Type: record.String, Doc: "User that opens a session."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

const (
	classASF, classIPMI = 6, 7
	rakp1               = 0x12 // payload type of the message with the user name
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 8 || b[0] != 6 || b[1] != 0 {
		return protocol.No
	}
	switch b[3] & 0x7f {
	case classASF:
		if len(b) >= 12 && binary.BigEndian.Uint32(b[4:]) == 0x11be { // number of the ASF
			return protocol.Sure
		}
	case classIPMI:
		if len(b) >= 14 && b[2] == 0xff && (b[4] <= 2 || b[4] >= 4 && b[4] <= 6) {
			return protocol.Sure
		}
	}
	return protocol.No
}

type analyzer struct {
	rec Record
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse reads each message.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	r := &a.rec
	*r = Record{orig: dir == session.Orig}
	if r.read(data) {
		a.observe(f, dir)
		f.Emit(r)
	}
	return len(data)
}

// observe tells what the record shows about its sender.
func (a *analyzer) observe(f *protocol.Flow, dir session.Direction) {
	r := &a.rec
	if r.class == "ipmi" {
		f.SetApp("ipmi")
	}
	if len(r.user) > 0 && len(r.user) <= 16 {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(dir), Value: string(r.user)})
	}
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	c := wire.New(b)
	c.Skip(3)
	switch c.U8() & 0x7f {
	case classASF:
		r.class = "asf"
	case classIPMI:
		r.class = "ipmi"
		if r.version = "1.5"; c.U8() == 6 {
			r.version = "2.0"
			if kind := c.U8(); kind&0x3f == rakp1 {
				c.Skip(4 + 4 + 2 + 4 + 4 + 16 + 1 + 2)
				user := c.Vec8()
				r.user = user.Rest()
			}
		}
	}
	return c.OK() && r.class != ""
}

// Record is a message.
type Record struct {
	orig    bool
	class   string
	version string
	user    []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.class)
	e.Str(r.version)
	e.Bytes(r.user[:min(len(r.user), maxText)])
}
