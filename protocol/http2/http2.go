// Package http2 reads HTTP/2 in the clear (RFC 9113): with prior knowledge, or
// after an upgrade from HTTP/1.1. Each stream makes one of package http's
// records. gRPC is noticed.
package http2

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/protocol/http"
	"tyto/session"
)

// Definition describes HTTP/2 in the clear.
var Definition = protocol.Definition{
	Name:       "http2",
	Apps:       []string{"grpc", "doh"},
	Doc:        "HTTP/2 without TLS (RFC 9113): recognised by the client's connection preface on any port.",
	Transports: protocol.TCP,
	Ports:      []uint16{80, 8080, 50051},
	Cleartext:  true,
	Probe:      probe,
	New: func() protocol.Analyzer {
		a := &analyzer{streams: make(map[uint32]*stream)}
		a.sides[0].hpack, a.sides[1].hpack = newDecoder(), newDecoder()
		return a
	},
	Schemas:   []*record.Schema{http.Schema},
	MaxBuffer: maxBlock + 2*frameHeader,
}

// preface is how the client's direction starts (RFC 9113 section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	n := min(len(b), len(preface))
	if string(b[:n]) == preface[:n] {
		if n < len(preface) {
			return protocol.More
		}
		e.Reversed = e.Dir == session.Resp
		return protocol.Sure
	}
	// A server may send its SETTINGS first.
	other := e.Data[e.Dir.Other()]
	if k := min(len(other), len(preface)); string(other[:k]) == preface[:k] && settings(b) {
		return protocol.More
	}
	return protocol.No
}

// settings reports whether b starts with a SETTINGS frame.
func settings(b []byte) bool {
	return len(b) >= frameHeader && b[0] == 0 && b[3] == frameSettings && b[4] == 0 && binary.BigEndian.Uint32(b[5:]) == 0 &&
		binary.BigEndian.Uint16(b[1:])%6 == 0
}

// Frames (RFC 9113 section 6).
const (
	frameHeader = 9

	frameData         = 0
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePush         = 5
	frameGoAway       = 7
	frameContinuation = 9

	flagEndStream  = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// settingTableSize is the SETTINGS_HEADER_TABLE_SIZE parameter.
const settingTableSize = 1

// Limits of one connection.
const (
	maxBlock   = 128 << 10 // bytes of one header block
	maxStreams = 256       // open at a time
	sniffBytes = 64
)

// stream is a request and its response.
type stream struct {
	rec   http.Record
	ended [2]bool
	head  [2]bool // the header block was seen; a later one has trailers
	sniff [2][sniffBytes]byte
	bytes [2]int64
	coded [2]bool
}

// side is one direction.
type side struct {
	hpack  decoder
	block  []byte // header block in fragments
	stream uint32 // whose block it is
	end    bool   // END_STREAM came with the block's first frame
	push   bool   // the block is of a promise
	data   int    // payload bytes of a DATA frame that are to come
	dataID uint32
	dataES bool
	broken bool // header compression is out of step
	begun  bool
}

// analyzer reads one connection.
type analyzer struct {
	sides   [2]side
	streams map[uint32]*stream
	free    []*stream
	depth   uint64
	told    http.Facts
	crowded bool
}

// Parse reads frames.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.sides[dir]
	if dir == session.Orig && !s.begun {
		n := min(len(data), len(preface))
		if string(data[:n]) != preface[:n] {
			f.Anomaly("http2_bad_preface", "")
			f.Finish()
			return protocol.SkipAll
		}
		if n < len(preface) {
			return 0
		}
		s.begun = true
		return len(preface)
	}
	used := 0
	for used < len(data) {
		n := a.frame(f, dir, data[used:])
		if n == 0 {
			break
		}
		if n >= protocol.SkipAll {
			return n
		}
		used += n
	}
	return used
}

// frame reads a frame, or the rest of a DATA frame.
func (a *analyzer) frame(f *protocol.Flow, dir session.Direction, b []byte) int {
	s := &a.sides[dir]
	if s.data > 0 {
		n := min(s.data, len(b))
		a.body(dir, b[:n])
		s.data -= n
		a.dataEnd(f, dir)
		return n
	}
	if len(b) < frameHeader {
		return 0
	}
	n := int(b[0])<<16 | int(binary.BigEndian.Uint16(b[1:]))
	kind, flags, id := b[3], b[4], binary.BigEndian.Uint32(b[5:])&0x7fffffff
	if kind == frameData {
		if s.stream != 0 || id == 0 {
			return a.fail(f, "http2_unexpected_frame")
		}
		s.data, s.dataID, s.dataES = n, id, flags&flagEndStream != 0
		if n == 0 {
			a.dataEnd(f, dir)
		}
		return frameHeader
	}
	if s.stream != 0 && (kind != frameContinuation || id != s.stream) {
		return a.fail(f, "http2_unexpected_frame")
	}
	switch kind {
	case frameHeaders, framePush, frameContinuation, frameSettings, frameReset:
	default:
		return frameHeader + n
	}
	if n > maxBlock {
		return a.fail(f, "http2_frame_too_long")
	}
	if len(b) < frameHeader+n {
		return 0
	}
	payload := b[frameHeader : frameHeader+n]
	ok := true
	switch kind {
	case frameSettings:
		ok = a.settings(dir, flags, payload)
	case frameReset:
		if st := a.streams[id]; st != nil {
			a.tell(f, id, st)
		}
	case frameContinuation:
		ok = s.stream != 0 && a.fragment(f, dir, flags, payload)
	default:
		ok = a.headers(f, dir, kind, flags, id, payload)
	}
	if !ok {
		return a.fail(f, "http2_malformed_frame")
	}
	return frameHeader + n
}

// fail gives the connection up.
func (a *analyzer) fail(f *protocol.Flow, why string) int {
	f.Anomaly(why, "")
	f.Finish()
	return protocol.SkipAll
}

// settings takes the size of the header table that the sender allows the other
// side's encoder.
func (a *analyzer) settings(dir session.Direction, flags uint8, b []byte) bool {
	if len(b)%6 != 0 {
		return false
	}
	if flags&1 != 0 { // acknowledgement
		return true
	}
	for ; len(b) >= 6; b = b[6:] {
		if binary.BigEndian.Uint16(b) == settingTableSize {
			a.sides[dir.Other()].hpack.allow(binary.BigEndian.Uint32(b[2:]))
		}
	}
	return true
}

// headers begins a header block.
func (a *analyzer) headers(f *protocol.Flow, dir session.Direction, kind, flags uint8, id uint32, b []byte) bool {
	s := &a.sides[dir]
	pad, skip := 0, 0
	if flags&flagPadded != 0 {
		if len(b) == 0 {
			return false
		}
		pad, skip = int(b[0]), 1
	}
	if kind == framePush {
		skip += 4
	} else if flags&flagPriority != 0 {
		skip += 5
	}
	if id == 0 || skip+pad > len(b) {
		return false
	}
	s.stream, s.push = id, kind == framePush
	s.end = !s.push && flags&flagEndStream != 0
	if s.push {
		s.stream = binary.BigEndian.Uint32(b[skip-4:])&0x7fffffff | 1<<31
	}
	s.block = s.block[:0]
	return a.fragment(f, dir, flags, b[skip:len(b)-pad])
}

// fragment adds to a header block and reads it when it is whole.
func (a *analyzer) fragment(f *protocol.Flow, dir session.Direction, flags uint8, b []byte) bool {
	s := &a.sides[dir]
	if len(s.block)+len(b) > maxBlock {
		return false
	}
	s.block = append(s.block, b...)
	if flags&flagEndHeaders == 0 {
		return true
	}
	id := s.stream
	s.stream = 0
	if s.broken {
		return true
	}
	ok := a.block(f, dir, id&0x7fffffff, s.block)
	if cap(s.block) > 4096 {
		s.block = nil
	}
	if !ok {
		s.broken = true
		f.Anomaly("http2_bad_header_block", "")
	}
	return true
}

// open returns the stream with the given number.
func (a *analyzer) open(f *protocol.Flow, id uint32) *stream {
	if st := a.streams[id]; st != nil {
		return st
	}
	if len(a.streams) >= maxStreams {
		if !a.crowded {
			a.crowded = true
			f.Anomaly("http2_too_many_streams", "")
		}
		return nil
	}
	var st *stream
	if n := len(a.free); n > 0 {
		st, a.free = a.free[n-1], a.free[:n-1]
	} else {
		st = new(stream)
	}
	rec := st.rec
	*st = stream{rec: rec}
	a.depth++
	st.rec.Reset(f.Now, a.depth)
	st.rec.Version = st.rec.Keep([]byte("2"))
	a.streams[id] = st
	return st
}

// block reads a header block into its stream.
func (a *analyzer) block(f *protocol.Flow, dir session.Direction, id uint32, b []byte) bool {
	s := &a.sides[dir]
	from := dir
	if s.push {
		from = session.Orig // the promised request
	}
	st := a.open(f, id)
	skip := st == nil || st.head[from]
	ok := s.hpack.decode(b, func(name, value string) {
		switch {
		case skip && name != "grpc-status":
		case st == nil:
		case from == session.Orig:
			a.request(f, st, name, value)
		default:
			a.response(f, st, name, value)
		}
	})
	if st == nil {
		return ok
	}
	if !skip && from == session.Resp {
		a.told.Outcome(f, &st.rec)
	}
	interim := from == session.Resp && st.rec.Status >= 100 && st.rec.Status < 200
	st.head[from] = st.head[from] || !interim
	if s.push {
		st.ended[session.Orig] = true
		return ok
	}
	if s.end {
		a.ended(f, dir, id, st)
	}
	return ok
}

func (a *analyzer) request(f *protocol.Flow, st *stream, name, value string) {
	r := &st.rec
	switch name {
	case ":method":
		r.Method = r.Keep([]byte(value))
	case ":path":
		r.URI = r.Keep([]byte(value))
	case ":authority", "host":
		if len(r.Host) == 0 {
			r.Host = r.Keep([]byte(value))
			a.told.Host(f, []byte(value))
		}
	case "referer":
		r.Referrer = r.Keep([]byte(value))
	case "origin":
		r.Origin = r.Keep([]byte(value))
	case "user-agent":
		r.UserAgent = r.Keep([]byte(value))
		a.told.Software(f, session.Orig, []byte(value))
	case "authorization", "proxy-authorization":
		a.told.Authorization(f, r, []byte(value))
	case "content-encoding":
		st.coded[session.Orig] = true
	case "content-type":
		a.contentType(f, st, value)
	}
}

func (a *analyzer) response(f *protocol.Flow, st *stream, name, value string) {
	r := &st.rec
	switch name {
	case ":status":
		n, err := strconv.ParseUint(value, 10, 10)
		if err != nil || n < 100 || n > 999 {
			f.Anomaly("http2_bad_status", "")
			return
		}
		if r.Status = uint16(n); n < 200 {
			r.InfoCode = uint16(n)
		}
	case "server":
		r.Server = r.Keep([]byte(value))
		a.told.Software(f, session.Resp, []byte(value))
	case "location":
		r.Location = r.Keep([]byte(value))
	case "content-encoding":
		st.coded[session.Resp] = true
	case "content-type":
		r.ContentType = r.Keep([]byte(value))
		a.contentType(f, st, value)
	}
}

// contentType notices what is carried.
func (a *analyzer) contentType(f *protocol.Flow, st *stream, value string) {
	switch {
	case strings.HasPrefix(value, "application/grpc"):
		f.SetApp("grpc")
		if !slices.Contains(st.rec.Tags, "GRPC") {
			st.rec.Tags = append(st.rec.Tags, "GRPC")
		}
	case value == "application/dns-message":
		f.SetApp("doh")
	}
}

// body counts the bytes of a body. Padding is counted too.
func (a *analyzer) body(dir session.Direction, b []byte) {
	st := a.streams[a.sides[dir].dataID]
	if st == nil {
		return
	}
	if have := st.bytes[dir]; have < sniffBytes {
		copy(st.sniff[dir][have:], b)
	}
	st.bytes[dir] += int64(len(b))
}

func (a *analyzer) dataEnd(f *protocol.Flow, dir session.Direction) {
	s := &a.sides[dir]
	if s.data > 0 || !s.dataES {
		return
	}
	s.dataES = false
	if st := a.streams[s.dataID]; st != nil {
		a.ended(f, dir, s.dataID, st)
	}
}

// ended closes one direction of a stream.
func (a *analyzer) ended(f *protocol.Flow, dir session.Direction, id uint32, st *stream) {
	st.ended[dir] = true
	if dir == session.Resp {
		a.tell(f, id, st)
	}
}

// tell emits a stream's record and forgets the stream.
func (a *analyzer) tell(f *protocol.Flow, id uint32, st *stream) {
	r := &st.rec
	r.RequestBytes, r.ResponseBytes = st.bytes[session.Orig], st.bytes[session.Resp]
	if !st.coded[session.Orig] {
		r.OrigMIME = http.Sniff(st.sniff[session.Orig][:min(r.RequestBytes, sniffBytes)])
	}
	if !st.coded[session.Resp] {
		r.RespMIME = http.Sniff(st.sniff[session.Resp][:min(r.ResponseBytes, sniffBytes)])
	}
	f.EmitAt(r, r.Time)
	delete(a.streams, id)
	if len(a.free) < 8 {
		a.free = append(a.free, st)
	}
}

// Gap goes on after bytes of a body that were lost.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	s := &a.sides[dir]
	if s.data < n {
		return false
	}
	if st := a.streams[s.dataID]; st != nil && st.bytes[dir] < sniffBytes {
		st.coded[dir] = true // its start is not known
	}
	s.data -= n
	a.dataEnd(f, dir)
	return true
}

// Close tells the streams that did not end.
func (a *analyzer) Close(f *protocol.Flow) {
	ids := make([]uint32, 0, len(a.streams))
	for id := range a.streams {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		a.tell(f, id, a.streams[id])
	}
}
