// Package rsync reads the start of sessions with an rsync daemon: versions, the
// module, and the login. The transfer itself is not read.
package rsync

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of rsync.
var Definition = protocol.Definition{
	Name:       "rsync",
	Doc:        "rsync daemon protocol: recognised by the @RSYNCD: greeting.",
	Transports: protocol.TCP,
	Ports:      []uint16{873},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the rsync record.
var Schema = record.New("rsync", "", "the start of one session with an rsync daemon",
	record.Field{Name: "client_version", Type: record.String, Doc: "Protocol version of the client."},
	record.Field{Name: "server_version", Type: record.String, Doc: "Protocol version of the server."},
	record.Field{Name: "module", Type: record.String, Doc: "Module that was asked for; unset if the list of modules was."},
	record.Field{Name: "user", Type: record.String, Doc: "Account of the login."},
	record.Field{Name: "success", Type: record.Bool, Doc: "Whether the module was opened; unset without an answer."},
	record.Field{Name: "error", Type: record.String, Doc: "Why the server refused."},
	record.Field{Name: "modules", Type: record.Strings, Doc: "Modules the server listed, at most 32."},
	record.Field{Name: "args", Type: record.String, Doc: "Arguments of the server's side of the transfer."},
)

// Bounds of what is kept.
const (
	maxText    = 256
	maxModules = 32
	maxArgs    = 64 // arguments
)

const greeting = "@RSYNCD: "

func probe(e *protocol.Evidence) protocol.Verdict {
	for _, b := range e.Data {
		if len(b) == 0 {
			continue
		}
		n := min(len(b), len(greeting))
		switch {
		case string(b[:n]) != greeting[:n]:
			return protocol.No
		case n < len(greeting):
			return protocol.More
		}
		// Both sides may speak first: only the port tells who is the server.
		e.Reversed = e.OrigPort == 873 && e.RespPort != 873
		return protocol.Sure
	}
	return protocol.More
}

// stage is what the client sends next.
type stage uint8

const (
	version stage = iota
	module
	login
	arguments
	done
)

type analyzer struct {
	lines [2]textline.Reader
	stage stage
	heard bool // the server's version
	list  bool
	asked bool // a login
	nargs int
	rec   rsyncRecord
	told  bool
}

type rsyncRecord struct {
	version           [2][]byte
	module, user, err []byte
	args              []byte
	judged, ok        bool
	modules           []string
}

func (r *rsyncRecord) Schema() *record.Schema { return Schema }

func (r *rsyncRecord) Append(e *record.Encoder) {
	e.Bytes(r.version[0])
	e.Bytes(r.version[1])
	e.Bytes(r.module)
	e.Bytes(r.user)
	if r.judged {
		e.Bool(r.ok)
	} else {
		e.Unset()
	}
	e.Bytes(r.err)
	e.Strs(r.modules)
	e.Bytes(r.args)
}

// Parse reads one line, or one argument.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if dir == session.Orig && a.stage == arguments {
		return a.argument(f, data)
	}
	if dir == session.Orig && a.stage == login && !a.asked {
		return 0 // a login only if the server asks for it, else arguments
	}
	if a.stage == done {
		return len(data)
	}
	line, n, ok := a.lines[dir].Next(data)
	if !ok {
		return n
	}
	if dir == session.Orig {
		a.client(f, line)
	} else {
		a.server(f, line)
	}
	return n
}

// Close tells the record.
func (a *analyzer) Close(f *protocol.Flow) { a.end(f) }

func (a *analyzer) end(f *protocol.Flow) {
	if !a.told {
		a.told = true
		f.Emit(&a.rec)
	}
	a.stage = done
	f.Finish()
}

func (a *analyzer) client(f *protocol.Flow, line []byte) {
	r := &a.rec
	switch a.stage {
	case version:
		r.version[0] = textline.Set(r.version[0], bytes.TrimPrefix(line, []byte(greeting)), maxText)
		a.stage = module
	case module:
		a.stage = login
		if len(line) == 0 || string(line) == "#list" {
			a.list = true
			break
		}
		r.module = textline.Set(r.module, line, maxText)
	case login:
		user, _ := textline.Word(line)
		r.user = textline.Set(r.user, user, maxText)
		a.asked = false
	}
}

func (a *analyzer) server(f *protocol.Flow, line []byte) {
	r := &a.rec
	switch {
	case bytes.HasPrefix(line, []byte("@ERROR")):
		r.judged, r.ok = true, false
		r.err = textline.Set(r.err, bytes.TrimLeft(line[6:], ": "), maxText)
		if len(r.user) > 0 {
			f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: f.Session.Orig, Value: string(r.user)})
		}
		a.end(f)
	case !bytes.HasPrefix(line, []byte(greeting)):
		if a.list && len(r.modules) < maxModules {
			if name, _ := textline.Word(line); len(name) > 0 {
				r.modules = append(r.modules, string(name[:min(len(name), maxText)]))
			}
		}
	case !a.heard:
		a.heard = true
		r.version[1] = textline.Set(r.version[1], line[len(greeting):], maxText)
		word, _ := textline.Word(r.version[1])
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Session.Resp, Value: "rsync protocol " + string(word)})
	case bytes.HasPrefix(line, []byte("@RSYNCD: AUTHREQD")):
		a.asked = true
	case string(line) == "@RSYNCD: OK":
		r.judged, r.ok = true, true
		if len(r.user) > 0 {
			f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: string(r.user)})
			f.Observe(protocol.Observation{Kind: protocol.LoginOK, Addr: f.Session.Orig, Value: string(r.user)})
		}
		a.stage = arguments
	case string(line) == "@RSYNCD: EXIT":
		r.judged, r.ok = true, true
		a.end(f)
	}
}

// argument reads one argument; since protocol 30 they end with NUL, before with
// a line end, and an empty one is the last.
func (a *analyzer) argument(f *protocol.Flow, data []byte) int {
	i := bytes.IndexAny(data[:min(len(data), 4096)], "\x00\n")
	if i < 0 {
		if len(data) >= 4096 {
			a.end(f)
		}
		return 0
	}
	if a.nargs++; i == 0 || a.nargs > maxArgs {
		a.end(f)
		return i + 1
	}
	r := &a.rec
	if len(r.args)+i+1 < maxText {
		if len(r.args) > 0 {
			r.args = append(r.args, ' ')
		}
		r.args = append(r.args, data[:i]...)
	}
	return i + 1
}
