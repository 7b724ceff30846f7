// Package tftp reads the Trivial File Transfer Protocol (RFC 1350, RFC 2347):
// which file is read or written, and how much of it.
//
// The server answers from a port of its own, which makes the transfer another
// session than the request. It is recognised by a first block and its
// acknowledgement.
package tftp

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition of tftp.
var Definition = protocol.Definition{
	Name:       "tftp",
	Doc:        "Trivial File Transfer Protocol (RFC 1350): recognised by a request with a transfer mode, or by a first block and its acknowledgement.",
	Transports: protocol.UDP,
	Ports:      []uint16{69}, // of requests; a transfer has ports of its own
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the tftp record.
var Schema = record.New("tftp", "", "one TFTP request, or one transfer",
	record.Field{Name: "operation", Type: record.Enum, Doc: "What was asked for: read or write; transfer for a session that holds only blocks."},
	record.Field{Name: "filename", Type: record.String, Doc: "Name of the file."},
	record.Field{Name: "mode", Type: record.String, Doc: "Transfer mode: octet or netascii."},
	record.Field{Name: "options", Type: record.Strings, Doc: "Options, as name=value, at most 8."},
	record.Field{Name: "blocks", Type: record.Count, Doc: "Blocks that were sent, repetitions not counted."},
	record.Field{Name: "bytes", Type: record.Count, Doc: "Bytes in these blocks."},
	record.Field{Name: "complete", Type: record.Bool, Doc: "Whether a short block ended the transfer."},
	record.Field{Name: "error_code", Type: record.Count, Doc: "Code of an error message."},
	record.Field{Name: "error_msg", Type: record.String, Doc: "Text of the error message."},
)

// Bounds of what is kept.
const (
	maxText    = 256
	maxOptions = 8
)

// Opcodes (RFC 1350 section 5, RFC 2347).
const (
	opRead  = 1
	opWrite = 2
	opData  = 3
	opAck   = 4
	opError = 5
	opOAck  = 6
)

func probe(e *protocol.Evidence) protocol.Verdict {
	c := wire.New(e.Data[e.Dir])
	switch op := c.U16(); op {
	case opRead, opWrite:
		name, ok1 := text(&c)
		mode, ok2 := text(&c)
		if ok1 && ok2 && len(name) > 0 && textline.Printable(name) &&
			(textline.Equal(mode, "OCTET") || textline.Equal(mode, "NETASCII") || textline.Equal(mode, "MAIL")) {
			return protocol.Sure
		}
	case opData, opOAck:
		// The server, or a client whose write was acknowledged, goes first.
		if e.Count > 2 {
			return protocol.No
		}
		if op == opOAck {
			if c.Len() < 4 || !textline.Printable(c.Rest()[:4]) {
				return protocol.No
			}
			return follow(e, 0, opAck)
		}
		block := c.U16()
		if !c.OK() || block != 1 {
			return protocol.No
		}
		return follow(e, 0, opAck)
	case opAck:
		block := c.U16()
		if !c.OK() || c.Len() > 0 || e.Count > 2 {
			return protocol.No
		}
		return follow(e, block, opData)
	}
	return protocol.No
}

// follow judges a message by the first one of the other side: an
// acknowledgement by the block it is for, the first block by the
// acknowledgement of the request.
func follow(e *protocol.Evidence, block uint16, want uint16) protocol.Verdict {
	c := wire.New(e.Seen[e.Dir.Other()])
	if c.Len() == 0 {
		if e.Count > 1 {
			return protocol.No
		}
		return protocol.More
	}
	op, n := c.U16(), c.U16()
	size := e.SeenLen[e.Dir.Other()]
	// Who sent the first datagram is the server.
	e.Reversed = e.Dir == session.Resp
	switch {
	case want == opData && op == opData && block == 1 && n == 1 && size >= 4,
		want == opData && op == opOAck && block == 0,
		want == opAck && op == opAck && n == block && size == 4:
		return protocol.Sure
	}
	e.Reversed = false
	return protocol.No
}

// text reads a string up to a NUL.
func text(c *wire.Cursor) ([]byte, bool) {
	rest := c.Rest()
	i := bytes.IndexByte(rest[:min(len(rest), 512)], 0)
	if i < 0 {
		return nil, false
	}
	c.Skip(i + 1)
	return rest[:i], true
}

type analyzer struct {
	open bool
	size int // of a full block
	last uint16
	rec  tftpRecord
}

type tftpRecord struct {
	op                string
	name, mode        []byte
	options           []string
	blocks, bytes     uint64
	complete, isError bool
	code              uint16
	message           []byte
}

func (r *tftpRecord) Schema() *record.Schema { return Schema }

func (r *tftpRecord) Append(e *record.Encoder) {
	e.Str(r.op)
	e.Bytes(r.name)
	e.Bytes(r.mode)
	e.Strs(r.options)
	e.Uint(r.blocks)
	e.Uint(r.bytes)
	e.Bool(r.complete)
	if r.isError {
		e.Uint(uint64(r.code))
	} else {
		e.Unset()
	}
	e.Bytes(r.message)
}

func (a *analyzer) begin(f *protocol.Flow, op string) {
	a.end(f)
	r := &a.rec
	*r = tftpRecord{op: op, name: r.name[:0], mode: r.mode[:0], options: r.options[:0], message: r.message[:0]}
	a.open, a.size, a.last = true, 512, 0
}

func (a *analyzer) end(f *protocol.Flow) {
	if a.open {
		a.open = false
		f.Emit(&a.rec)
	}
}

// Parse reads one datagram.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	op := c.U16()
	if !a.open && op != opRead && op != opWrite {
		a.begin(f, "transfer")
	}
	r := &a.rec
	switch op {
	case opRead, opWrite:
		name, _ := text(&c)
		mode, _ := text(&c)
		if a.open && bytes.Equal(r.name, name[:min(len(name), maxText)]) {
			break // sent again
		}
		a.begin(f, "read")
		if op == opWrite {
			r.op = "write"
		}
		// The server answers from another port (RFC 1350 section 4).
		from, port := f.Session.Orig, f.Session.OrigPort
		if dir == session.Resp {
			from, port = f.Session.Resp, f.Session.RespPort
		}
		f.Observe(protocol.Observation{Kind: protocol.Expected, Addr: from, Port: port, Proto: packet.ProtoUDP, Value: "tftp"})
		r.name = textline.Set(r.name, name, maxText)
		for _, ch := range mode[:min(len(mode), 16)] {
			if ch >= 'A' && ch <= 'Z' {
				ch += 'a' - 'A'
			}
			r.mode = append(r.mode, ch)
		}
		a.options(&c)
	case opOAck:
		a.options(&c)
	case opData:
		block := c.U16()
		if !c.OK() {
			f.Anomaly("tftp_truncated", "")
			break
		}
		if block == a.last+1 || r.blocks == 0 { // the first may have gone before it was recognised
			a.last = block
			r.blocks++
			r.bytes += uint64(c.Len())
			if r.blocks == 1 && c.Len() > a.size {
				a.size = c.Len()
			}
			r.complete = c.Len() < a.size
		}
	case opAck:
	case opError:
		code := c.U16()
		msg, ok := text(&c)
		if !ok {
			msg = c.Rest()
		}
		r.code, r.isError = code, true
		r.message = textline.Set(r.message, msg, maxText)
	default:
		f.Anomaly("tftp_invalid_opcode", "")
	}
	return len(data)
}

// Close tells the transfer.
func (a *analyzer) Close(f *protocol.Flow) { a.end(f) }

// options reads pairs of name and value.
func (a *analyzer) options(c *wire.Cursor) {
	r := &a.rec
	for len(r.options) < maxOptions {
		name, ok1 := text(c)
		value, ok2 := text(c)
		if !ok1 || !ok2 {
			return
		}
		if textline.Equal(name, "BLKSIZE") {
			if n, ok := textline.Uint(value); ok && n >= 8 && n <= 65464 {
				a.size = int(n)
			}
		}
		r.options = append(r.options, string(name[:min(len(name), 64)])+"="+string(value[:min(len(value), 64)]))
	}
}
