// Package opcua reads the connection of OPC UA over TCP (OPC 10000-6, UA binary).
package opcua

import (
	"bytes"
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "opcua",
	Doc:        "OPC UA binary protocol (OPC 10000-6); recognised by message type, chunk type and size.",
	Transports: protocol.TCP,
	Ports:      []uint16{4840},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
	MaxBuffer:  8 << 10,
}

// Schema of the opcua record: one a message that opens, refuses or secures a connection.
var Schema = record.New("opcua", "", "An OPC UA hello, acknowledgement, error, opening or closing of a secure channel.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent the message."},
	record.Field{Name: "message", Type: record.Enum, Doc: "HEL, ACK, ERR, RHE, OPN or CLO."},
	record.Field{Name: "version", Type: record.Count, Doc: "Protocol version."},
	record.Field{Name: "endpoint_url", Type: record.String, Doc: "Endpoint the client wants to reach."},
	record.Field{Name: "channel_id", Type: record.Count, Doc: "Identifier of the secure channel."},
	record.Field{Name: "security_policy", Type: record.String, Doc: "Name of the security policy, the part after the number sign of its URI."},
	record.Field{Name: "error", Type: record.Count, Doc: "Status code of an error."},
	record.Field{Name: "reason", Type: record.String, Doc: "Reason of an error."},
)

const (
	headerBytes = 8
	maxHead     = 4 << 10 // how much of a message is looked at
	maxMessage  = 64 << 20
	maxText     = 512
)

func kindOf(b []byte) string {
	for _, k := range [...]string{"HEL", "ACK", "ERR", "RHE", "OPN", "CLO", "MSG"} {
		if string(b[:3]) == k {
			return k
		}
	}
	return ""
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) == 0 || b[0] != 'H' && b[0] != 'A' && b[0] != 'E' && b[0] != 'O' && b[0] != 'C' && b[0] != 'M' && b[0] != 'R' {
		return protocol.No
	}
	if len(b) < headerBytes {
		if len(b) >= 4 && (kindOf(b) == "" || b[3] != 'F' && b[3] != 'C' && b[3] != 'A') {
			return protocol.No
		}
		return protocol.More
	}
	k, n := kindOf(b), binary.LittleEndian.Uint32(b[4:])
	if k == "" || b[3] != 'F' && (b[3] != 'C' && b[3] != 'A' || k != "MSG") || n < headerBytes+4 || n > maxMessage {
		return protocol.No
	}
	e.Reversed = (k == "ACK" || k == "RHE") && e.Dir == session.Orig && len(e.Data[1]) == 0
	return protocol.Sure
}

type analyzer struct {
	rec Record
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Gap goes on with the next segment if that starts a message.
func (a *analyzer) Gap(*protocol.Flow, session.Direction, int) bool { return true }

// Parse reads messages.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if len(data) < headerBytes {
		return 0
	}
	k, n := kindOf(data), int(binary.LittleEndian.Uint32(data[4:]))
	if k == "" || n < headerBytes || n > maxMessage {
		f.Anomaly("opcua_bad_message", "")
		return protocol.SkipAll
	}
	if k == "MSG" {
		if f.Session.Flags&session.Encrypted != 0 {
			f.Message(dir, 0, n)
		}
		return n
	}
	if len(data) < min(n, maxHead) {
		return 0
	}
	a.message(f, dir, k, data[headerBytes:min(n, maxHead)])
	return n
}

// text reads a string: a length, -1 for none, and bytes.
func text(c *wire.Cursor) []byte {
	n := int32(c.LE32())
	if n <= 0 {
		return nil
	}
	b := c.Bytes(int(n))
	return b[:min(len(b), maxText)]
}

func (a *analyzer) message(f *protocol.Flow, dir session.Direction, k string, b []byte) {
	r := &a.rec
	*r = Record{orig: dir == session.Orig, kind: k}
	c := wire.New(b)
	switch k {
	case "HEL":
		r.version, r.hasVersion = c.LE32(), true
		c.Skip(16)
		r.url = text(&c)
		if h := host(r.url); h != "" {
			f.Observe(protocol.Observation{Kind: protocol.ServerName, Addr: f.Addr(dir.Other()), Value: h})
		}
	case "ACK":
		r.version, r.hasVersion = c.LE32(), true
	case "RHE":
		text(&c)
		r.url = text(&c)
	case "ERR":
		r.err, r.hasErr = c.LE32(), true
		r.reason = text(&c)
	case "OPN":
		r.channel, r.hasChannel = c.LE32(), true
		policy := text(&c)
		if i := bytes.LastIndexByte(policy, '#'); i >= 0 {
			policy = policy[i+1:]
		}
		if r.policy = policy; len(policy) > 0 && string(policy) != "None" {
			f.SetEncrypted()
		}
	case "CLO":
		r.channel, r.hasChannel = c.LE32(), true
	}
	if !c.OK() {
		f.Anomaly("opcua_truncated_message", "")
	}
	f.Emit(r)
}

// host returns the host of a URL, if it is a name.
func host(url []byte) string {
	_, rest, ok := bytes.Cut(url, []byte("://"))
	if !ok {
		return ""
	}
	i := bytes.IndexAny(rest, ":/")
	if i >= 0 {
		rest = rest[:i]
	}
	for _, c := range rest {
		if c|0x20 >= 'a' && c|0x20 <= 'z' {
			return string(rest)
		}
	}
	return ""
}

// Record is a message.
type Record struct {
	orig                           bool
	kind                           string
	version, channel, err          uint32
	hasVersion, hasChannel, hasErr bool
	url, policy, reason            []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

func optional(e *record.Encoder, v uint32, ok bool) {
	if !ok {
		e.Unset()
		return
	}
	e.Uint(uint64(v))
}

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.kind)
	optional(e, r.version, r.hasVersion)
	e.Bytes(r.url)
	optional(e, r.channel, r.hasChannel)
	e.Bytes(r.policy)
	optional(e, r.err, r.hasErr)
	e.Bytes(r.reason)
}
