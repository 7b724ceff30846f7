// Package git reads the requests of the Git protocol: which repository is
// fetched from or pushed to.
package git

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of git.
var Definition = protocol.Definition{
	Name:       "git",
	Doc:        "Git protocol (gitprotocol-pack): recognised by the request for a service in the first packet line.",
	Transports: protocol.TCP,
	Ports:      []uint16{9418},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the git record.
var Schema = record.New("git", "", "one Git session",
	record.Field{Name: "service", Type: record.String, Doc: "Service: git-upload-pack (fetch), git-receive-pack (push) or git-upload-archive."},
	record.Field{Name: "path", Type: record.String, Doc: "Path of the repository."},
	record.Field{Name: "host", Type: record.String, Doc: "Host name the client asked for."},
	record.Field{Name: "version", Type: record.String, Doc: "Protocol version the client asked for."},
	record.Field{Name: "agent", Type: record.String, Doc: "Program of the server, from its capabilities."},
	record.Field{Name: "client_agent", Type: record.String, Doc: "Program of the client, from its capabilities."},
	record.Field{Name: "refs", Type: record.Count, Doc: "References the server advertised."},
	record.Field{Name: "error", Type: record.String, Doc: "Error the server told."},
)

// Bounds of what is kept.
const (
	maxText = 512
	maxLine = 65524 // of a packet line
)

func hexadecimal(b []byte) (n int, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | int(c-'a'+10)
		case c >= 'A' && c <= 'F':
			n = n<<4 | int(c-'A'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

func probe(e *protocol.Evidence) protocol.Verdict {
	for dir, b := range e.Data {
		if len(b) == 0 {
			continue
		}
		if _, ok := hexadecimal(b[:min(len(b), 4)]); !ok {
			continue
		}
		rest := b[min(len(b), 4):]
		const mark = "git-"
		n := min(len(rest), len(mark))
		if string(rest[:n]) != mark[:n] {
			continue
		}
		if n < len(mark) {
			return protocol.More
		}
		e.Reversed = dir == int(session.Resp)
		return protocol.Sure
	}
	return protocol.No
}

type analyzer struct {
	request bool
	rec     gitRecord
	quiet   [2]bool
}

type gitRecord struct {
	service, path, host, version, agent, clientAgent, err []byte
	refs                                                  uint64
}

func (r *gitRecord) Schema() *record.Schema { return Schema }

func (r *gitRecord) Append(e *record.Encoder) {
	e.Bytes(r.service)
	e.Bytes(r.path)
	e.Bytes(r.host)
	e.Bytes(r.version)
	e.Bytes(r.agent)
	e.Bytes(r.clientAgent)
	e.Uint(r.refs)
	e.Bytes(r.err)
}

// Parse reads one packet line.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if a.quiet[dir] {
		return protocol.SkipAll
	}
	if len(data) < 4 {
		return 0
	}
	n, ok := hexadecimal(data[:4])
	if !ok || n > maxLine+4 {
		a.quiet[dir] = true // a pack
		return protocol.SkipAll
	}
	if n < 4 { // the end of a section
		if dir == session.Resp && n == 0 {
			a.quiet[dir] = true
			return protocol.SkipAll
		}
		return 4
	}
	if len(data) < min(n, 4+maxText) {
		return 0
	}
	line := data[4:min(n, len(data), 4+maxText)]
	switch {
	case dir == session.Resp:
		a.server(f, line)
	case !a.request:
		a.request = true
		a.ask(f, line)
	default:
		if len(a.rec.clientAgent) == 0 {
			a.rec.clientAgent = textline.Set(a.rec.clientAgent, agent(line), maxText)
		}
	}
	return n
}

// Close tells the session.
func (a *analyzer) Close(f *protocol.Flow) {
	if a.request {
		f.Emit(&a.rec)
	}
}

// ask reads "service path", NUL, "host=…", NUL, and extra parameters behind
// another NUL.
func (a *analyzer) ask(f *protocol.Flow, line []byte) {
	r := &a.rec
	head, rest, _ := bytes.Cut(line, []byte{0})
	service, path := textline.Word(bytes.TrimRight(head, "\n"))
	r.service = textline.Set(r.service, service, maxText)
	r.path = textline.Set(r.path, path, maxText)
	for len(rest) > 0 {
		var part []byte
		part, rest, _ = bytes.Cut(rest, []byte{0})
		switch {
		case bytes.HasPrefix(part, []byte("host=")):
			r.host = textline.Set(r.host, part[5:], maxText)
		case bytes.HasPrefix(part, []byte("version=")):
			r.version = textline.Set(r.version, part[8:], maxText)
		}
	}
	if len(r.host) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.ServerName, Addr: f.Session.Resp, Value: string(r.host)})
	}
}

// agent returns the value of the capability "agent".
func agent(line []byte) []byte {
	i := bytes.Index(line, []byte("agent="))
	if i < 0 {
		return nil
	}
	word, _ := textline.Word(bytes.TrimRight(line[i+6:], "\n\x00"))
	return word
}

func (a *analyzer) server(f *protocol.Flow, line []byte) {
	r := &a.rec
	switch {
	case bytes.HasPrefix(line, []byte("ERR ")):
		r.err = textline.Set(r.err, bytes.TrimRight(line[4:], "\n"), maxText)
	case len(line) > 41 && line[40] == ' ':
		r.refs++
	}
	if len(r.agent) == 0 {
		if name := agent(line); len(name) > 0 {
			r.agent = textline.Set(r.agent, name, maxText)
			f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: string(r.agent)})
		}
	}
}
