// Package afp reads the Data Stream Interface of the Apple Filing Protocol: server information and logins (Apple, AFP reference).
package afp

import (
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "afp",
	Doc:        "Apple Filing Protocol over its Data Stream Interface; recognised by flags, command, length and reserved bytes.",
	Transports: protocol.TCP,
	Ports:      []uint16{548},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the afp record.
var Schema = record.New("afp", "", "What an AFP server says about itself, or a login.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "command", Type: record.String, Doc: "Command of the first message: status, open_session, command …"},
	record.Field{Name: "server_name", Type: record.String, Doc: "Name of the server."},
	record.Field{Name: "machine_type", Type: record.String, Doc: "Type of the server."},
	record.Field{Name: "user", Type: record.String, Doc: "User that logs in."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const (
	headerBytes                    = 16
	cmdCommand, cmdStatus, cmdOpen = 2, 3, 4
	fpLogin, fpLoginExt            = 18, 63
	maxLogin                       = 512 // bytes of a login that are waited for
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) > 0 && b[0] > 1 || len(b) > 1 && (b[1] == 0 || b[1] > 8 || b[1] == 7) {
		return protocol.No
	}
	if len(b) < headerBytes {
		return protocol.More
	}
	n := binary.BigEndian.Uint32(b[8:])
	if binary.BigEndian.Uint32(b[12:]) != 0 || n > 1<<20 {
		return protocol.No
	}
	switch {
	case e.Port(548):
		return protocol.Sure
	case b[0] != 0 || b[1] != cmdOpen || n < 2 || n > 64:
		return protocol.No
	case len(b) < headerBytes+int(n):
		return protocol.More
	case b[headerBytes] <= 1 && b[headerBytes+1] == 4: // the first option has four bytes
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
	if len(r.server) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: string(r.server[:min(len(r.server), maxText)])})
	}
	if len(r.user) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(dir), Value: string(r.user[:min(len(r.user), maxText)])})
	}
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if len(b) < headerBytes {
		return false, true
	}
	c := wire.New(b)
	flags, cmd := c.U8(), c.U8()
	c.Skip(6)
	n := int(c.U32())
	c.Skip(4)
	names := [...]string{1: "close_session", 2: "command", 3: "status", 4: "open_session", 5: "tickle", 6: "write", 8: "attention"}
	if int(cmd) >= len(names) || binary.BigEndian.Uint32(b[12:]) != 0 {
		return false, false
	}
	r.command = names[cmd]
	if cmd == cmdStatus && flags == 1 {
		if c.Len() < n {
			return false, true
		}
		r.information(c.Rest()[:n])
	}
	if cmd == cmdOpen && flags == 0 { // the login follows
		next := wire.New(b)
		next.Skip(headerBytes + n)
		if next.Len() < headerBytes || next.Len() < headerBytes+min(int(binary.BigEndian.Uint32(next.Rest()[8:])), maxLogin) {
			return false, true
		}
		r.login(next)
	}
	return true, false
}

// information reads the server's description: offsets first, then the name.
func (r *Record) information(b []byte) {
	c := wire.New(b)
	machine := int(c.U16())
	c.Skip(8)
	name := c.Vec8()
	r.server = name.Rest()
	m := wire.New(b)
	m.Skip(machine)
	v := m.Vec8()
	r.machine = v.Rest()
}

// login reads the user name of a login by name and password.
func (r *Record) login(c wire.Cursor) {
	c.Skip(1)
	if c.U8() != cmdCommand {
		return
	}
	c.Skip(14)
	switch c.U8() {
	case fpLogin:
		c.Vec8()
		if method := c.Vec8(); string(method.Rest()) == "No User Authent" {
			return
		}
		user := c.Vec8()
		r.user = user.Rest()
	case fpLoginExt:
		c.Skip(3)
		c.Vec8()
		c.Vec8()
		if c.U8() == 3 { // a name in UTF-8
			user := c.Vec16()
			r.user = user.Rest()
		}
	}
}

// Record is a message.
type Record struct {
	orig    bool
	command string
	server  []byte
	machine []byte
	user    []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.command)
	e.Bytes(r.server[:min(len(r.server), maxText)])
	e.Bytes(r.machine[:min(len(r.machine), maxText)])
	e.Bytes(r.user[:min(len(r.user), maxText)])
}
