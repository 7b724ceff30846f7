// Package mgcp reads the first line of Media Gateway Control Protocol messages (RFC 3435).
package mgcp

import (
	"bytes"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "mgcp",
	Doc:        "Media Gateway Control Protocol (RFC 3435); recognised by a verb and the version in the first line.",
	Transports: protocol.UDP,
	Ports:      []uint16{2427, 2727},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the mgcp record.
var Schema = record.New("mgcp", "", "The first MGCP command of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "verb", Type: record.String, Doc: "Command."},
	record.Field{Name: "endpoint", Type: record.String, Doc: "Endpoint the command is about."},
	record.Field{Name: "version", Type: record.String, Doc: "Version."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

var verbs = [...]string{"EPCF ", "CRCX ", "MDCX ", "DLCX ", "RQNT ", "NTFY ", "AUEP ", "AUCX ", "RSIP "}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 10 {
		return protocol.No
	}
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	if b[0] >= '0' && b[0] <= '9' { // an answer: code and transaction
		if e.Port(2427) && b[3] == ' ' && b[4] >= '0' && b[4] <= '9' {
			return protocol.Likely
		}
		return protocol.No
	}
	for _, v := range verbs {
		if string(b[:5]) == v && bytes.Contains(line, []byte(" MGCP ")) {
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
		f.Emit(r)
	}
	return len(data)
}

// read fills the record from the start of a side.
func (r *Record) read(b []byte) bool {
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	parts := bytes.Fields(line[:min(len(line), 4*maxText)])
	if len(parts) < 5 || string(parts[3]) != "MGCP" {
		return false
	}
	r.verb, r.endpoint, r.version = parts[0], parts[2], parts[4]
	return true
}

// Record is a message.
type Record struct {
	orig     bool
	verb     []byte
	endpoint []byte
	version  []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.verb[:min(len(r.verb), maxText)])
	e.Bytes(r.endpoint[:min(len(r.endpoint), maxText)])
	e.Bytes(r.version[:min(len(r.version), maxText)])
}
