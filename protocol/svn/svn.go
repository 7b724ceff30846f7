// Package svn reads the greetings of Subversion's own protocol (svnserve).
package svn

import (
	"bytes"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "svn",
	Doc:        "Subversion's svn protocol; recognised by the server's greeting, or the client's.",
	Transports: protocol.TCP,
	Ports:      []uint16{3690},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the svn record.
var Schema = record.New("svn", "", "The greeting of a Subversion server or client.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "version", Type: record.String, Doc: "Version the client chose."},
	record.Field{Name: "url", Type: record.String, Doc: "Repository the client wants to reach."},
	record.Field{Name: "agent", Type: record.String, Doc: "Software of the client."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

const (
	serverGreeting = "( success ( "
	clientGreeting = " ( edit-pipeline "
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	n := min(len(b), len(serverGreeting))
	if n < 2 {
		if n == 1 && b[0] != '(' {
			return protocol.No
		}
		return protocol.More
	}
	if string(b[:2]) != serverGreeting[:2] {
		return protocol.No
	}
	if len(b) > 3 && b[2] >= '1' && b[2] <= '9' { // ( 2 ( edit-pipeline
		switch {
		case len(b) < 3+len(clientGreeting):
			return protocol.More
		case string(b[3:3+len(clientGreeting)]) == clientGreeting:
			return protocol.Sure
		}
		return protocol.No
	}
	switch {
	case string(b[:n]) != serverGreeting[:n] && n > 2:
		return protocol.No
	case n < len(serverGreeting):
		return protocol.More
	}
	e.Reversed = e.Dir == session.Orig
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
	if len(b) < len(serverGreeting) {
		return false, true
	}
	if !r.orig || b[2] < '1' || b[2] > '9' {
		return false, false
	}
	i := bytes.Index(b, []byte(") "))
	if i < 0 || bytes.Count(b, []byte{'('}) != bytes.Count(b, []byte{')'}) {
		return false, true
	}
	r.version = b[2:3]
	rest := b[i+2:]
	if r.url, rest = text(rest); r.url == nil {
		return false, true
	}
	r.agent, _ = text(rest)
	return true, false
}

// text reads a string: its length, a colon, the bytes and a space.
func text(b []byte) (v, rest []byte) {
	n := 0
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9' && i < 5:
			n = n*10 + int(c-'0')
			continue
		case c == ':' && i > 0 && len(b) > i+1+n:
			return b[i+1 : i+1+n], b[i+2+n:]
		}
		break
	}
	return nil, nil
}

// Record is a message.
type Record struct {
	orig    bool
	version []byte
	url     []byte
	agent   []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.version[:min(len(r.version), maxText)])
	e.Bytes(r.url[:min(len(r.url), maxText)])
	e.Bytes(r.agent[:min(len(r.agent), maxText)])
}
