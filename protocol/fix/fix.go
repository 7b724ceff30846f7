// Package fix reads the header of the Financial Information eXchange protocol.
package fix

import (
	"bytes"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "fix",
	Doc:        "Financial Information eXchange; recognised by the first two fields of a message.",
	Transports: protocol.TCP,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the fix record.
var Schema = record.New("fix", "", "The first FIX message of a side.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.String, Doc: "Version of the protocol."},
	record.Field{Name: "msg_type", Type: record.String, Doc: "Type of the message: A logon, 0 heartbeat, D order …"},
	record.Field{Name: "sender", Type: record.String, Doc: "Firm that sends the message."},
	record.Field{Name: "target", Type: record.String, Doc: "Firm that receives the message."},
	record.Field{Name: "user", Type: record.String, Doc: "User of a logon."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const begin = "8=FIX"

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	n := min(len(b), len(begin))
	switch {
	case string(b[:n]) != begin[:n]:
		return protocol.No
	case n < len(begin) || len(b) < 16 && !bytes.Contains(b, []byte("\x019=")):
		return protocol.More
	case !bytes.Contains(b[:min(len(b), 24)], []byte("\x019=")):
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
	if len(r.user) == 0 {
		return
	}
	o := protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(dir), Value: string(r.user[:min(len(r.user), maxText)])}
	f.Observe(o)
	if r.secret {
		o.Kind = protocol.Credential
		f.Observe(o)
	}
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	r.version = field(b, "8=")
	if i := bytes.Index(b, []byte("\x0110=")); i < 0 {
		return false, true
	}
	r.kind, r.sender, r.target, r.user = field(b, "\x0135="), field(b, "\x0149="), field(b, "\x0156="), field(b, "\x01553=")
	r.secret = field(b, "\x01554=") != nil
	return true, false
}

// field returns the value behind a tag.
func field(b []byte, tag string) []byte {
	i := bytes.Index(b, []byte(tag))
	if i < 0 {
		return nil
	}
	v, _, _ := bytes.Cut(b[i+len(tag):], []byte{1})
	return v
}

// Record is a message.
type Record struct {
	orig    bool
	version []byte
	kind    []byte
	sender  []byte
	target  []byte
	user    []byte
	secret  bool // a password is in the message
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.version[:min(len(r.version), maxText)])
	e.Bytes(r.kind[:min(len(r.kind), maxText)])
	e.Bytes(r.sender[:min(len(r.sender), maxText)])
	e.Bytes(r.target[:min(len(r.target), maxText)])
	e.Bytes(r.user[:min(len(r.user), maxText)])
}
