// Package stratum reads the logins of cryptocurrency miners: Stratum and its variants, JSON lines over TCP.
package stratum

import (
	"bytes"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "stratum",
	Doc:        "Stratum, the protocol of cryptocurrency mining pools; recognised by the methods with which miners subscribe and log in.",
	Transports: protocol.TCP,
	Ports:      []uint16{3333},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the stratum record.
var Schema = record.New("stratum", "", "The first message of a miner.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "method", Type: record.String, Doc: "Method."},
	record.Field{Name: "agent", Type: record.String, Doc: "Software of the miner."},
	record.Field{Name: "login", Type: record.String, Doc: "Account or wallet the work is for."},
	record.Field{Name: "worker", Type: record.String, Doc: "Name of the miner."},
)

// maxText is how much of a text is kept, in bytes.
const maxText = 128

// maxHead is how much of a side is kept until its first message is whole.
const maxHead = 4096

// methods are what a miner's first message calls.
var methods = [...]string{`"mining.subscribe"`, `"mining.authorize"`, `"mining.configure"`, `"eth_submitLogin"`, `"eth_login"`, `"eth_getWork"`, `"eth_submitHashrate"`}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[session.Orig]
	if len(b) == 0 || b[0] != '{' || len(b) > 1 && b[1] != '"' && b[1] != ' ' && b[1] != '\n' {
		return protocol.No
	}
	for _, m := range methods {
		if bytes.Contains(b, []byte(m)) {
			return protocol.Sure
		}
	}
	if bytes.Contains(b, []byte(`"login"`)) && bytes.Contains(b, []byte(`"pass"`)) && bytes.Contains(b, []byte(`"method"`)) {
		return protocol.Sure
	}
	if bytes.IndexByte(b, '\n') >= 0 || len(b) >= 512 {
		return protocol.No
	}
	return protocol.More
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
	if len(r.login) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Addr(dir), Value: string(r.login[:min(len(r.login), maxText)])})
	}
}

// read fills the record from the start of a side; more is true if bytes are missing.
func (r *Record) read(b []byte) (ok, more bool) {
	if !r.orig {
		return false, false
	}
	line, _, ok := bytes.Cut(b, []byte{'\n'})
	if !ok && !bytes.HasSuffix(bytes.TrimSpace(b), []byte("}")) {
		return false, true
	}
	r.method, r.worker = value(line, `"method"`), value(line, `"worker"`)
	r.agent, r.login = value(line, `"agent"`), value(line, `"login"`)
	if first := value(line, `"params"`); first != nil {
		if string(r.method) == "mining.subscribe" {
			r.agent = first
		} else if r.login == nil {
			r.login = first
		}
	}
	return true, false
}

// value returns the string behind a member's name, or the first of its list.
func value(b []byte, name string) []byte {
	i := bytes.Index(b, []byte(name+":"))
	if i < 0 {
		if i = bytes.Index(b, []byte(name+" :")); i < 0 {
			return nil
		}
	}
	b = bytes.TrimLeft(b[i+len(name):], ": [")
	if len(b) == 0 || b[0] != '"' {
		return nil
	}
	v, _, ok := bytes.Cut(b[1:], []byte{'"'})
	if !ok {
		return nil
	}
	return v
}

// Record is a message.
type Record struct {
	orig   bool
	method []byte
	agent  []byte
	login  []byte
	worker []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Bytes(r.method[:min(len(r.method), maxText)])
	e.Bytes(r.agent[:min(len(r.agent), maxText)])
	e.Bytes(r.login[:min(len(r.login), maxText)])
	e.Bytes(r.worker[:min(len(r.worker), maxText)])
}
