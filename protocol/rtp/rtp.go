// Package rtp follows the streams of the Real-time Transport Protocol
// (RFC 3550): what they carry, how much, and how well it arrives.
//
// RTP has no magic number. It is recognised only when a second datagram goes on
// where the first one stopped: the same synchronization source, the next
// sequence numbers, a timestamp that moved little.
package rtp

import (
	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of rtp.
var Definition = protocol.Definition{
	Name:       "rtp",
	Doc:        "Real-time Transport Protocol (RFC 3550): recognised when two datagrams have one source and numbers that follow each other.",
	Transports: protocol.UDP,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the rtp record.
var Schema = record.New("rtp", "", "one RTP stream",
	record.Field{Name: "from_orig", Type: record.Bool, Doc: "Whether the originator sends it."},
	record.Field{Name: "ssrc", Type: record.Count, Doc: "Synchronization source: the stream's number."},
	record.Field{Name: "payload_type", Type: record.Count, Doc: "Payload type of the first packet."},
	record.Field{Name: "codec", Type: record.String, Doc: "Encoding, for the payload types RFC 3551 fixes."},
	record.Field{Name: "packets", Type: record.Count, Doc: "Packets that were seen."},
	record.Field{Name: "bytes", Type: record.Count, Doc: "Bytes of their payload."},
	record.Field{Name: "lost", Type: record.Count, Doc: "Packets the sequence numbers tell to be missing."},
	record.Field{Name: "reordered", Type: record.Count, Doc: "Packets that came late."},
	record.Field{Name: "jitter", Type: record.Interval, Doc: "Interarrival jitter at the end (RFC 3550 section 6.4.1), for encodings with a known clock."},
	record.Field{Name: "duration", Type: record.Interval, Doc: "Time between the first and the last packet."},
)

// Bounds.
const (
	maxStreams = 8 // streams of a session that are followed
	maxAhead   = 64
	maxTicks   = 1 << 20 // eleven seconds of a video clock
)

// header is the fixed part of a packet (RFC 3550 section 5.1).
type header struct {
	kind    byte
	seq     uint16
	time    uint32
	ssrc    uint32
	payload int // bytes
}

// parse reads a header; n is the datagram's full length, of which b may be the
// start.
func parse(b []byte, n int) (h header, ok bool) {
	c := wire.New(b)
	first := c.U8()
	h.kind = c.U8() & 0x7f
	h.seq = c.U16()
	h.time = c.U32()
	h.ssrc = c.U32()
	// Types 64 to 95 would be taken for RTCP (RFC 5761 section 4).
	if !c.OK() || first>>6 != 2 || h.kind >= 64 && h.kind < 96 || h.ssrc == 0 {
		return h, false
	}
	size := 12 + 4*int(first&15)
	if first&0x10 != 0 {
		c.Skip(4*int(first&15) + 2)
		words := c.U16()
		if !c.OK() {
			return h, false
		}
		size += 4 + 4*int(words)
	}
	h.payload = n - size
	return h, h.payload >= 0
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	h, ok := parse(b, len(b))
	if !ok || h.payload == 0 {
		if e.Count > 1 { // other protocols share the ports of a call
			return protocol.More
		}
		return protocol.No
	}
	if e.SeenLen[e.Dir] == 0 {
		return protocol.More
	}
	first, ok := parse(e.Seen[e.Dir], e.SeenLen[e.Dir])
	if !ok {
		return protocol.More
	}
	ahead := h.seq - first.seq
	ticks := h.time - first.time
	if h.ssrc != first.ssrc || ahead == 0 || ahead > maxAhead || ticks > maxTicks {
		return protocol.No
	}
	// 4 bits of versions, 10 of sequence numbers, 12 of timestamps and 32 of the
	// source.
	return protocol.Sure
}

type stream struct {
	dir            session.Direction
	kind           byte
	ssrc           uint32
	first, last    int64
	packets, bytes uint64
	late           uint64
	cycles         uint32 // of the sequence number, in the upper 16 bits
	base, top      uint16
	transit        int64 // of the last packet, in ticks
	jitter         float64
}

type analyzer struct {
	streams []stream
	rec     rtpRecord
}

type rtpRecord struct{ s *stream }

func (r *rtpRecord) Schema() *record.Schema { return Schema }

func (r *rtpRecord) Append(e *record.Encoder) {
	s := r.s
	e.Bool(s.dir == session.Orig)
	e.Uint(uint64(s.ssrc))
	e.Uint(uint64(s.kind))
	name, clock := codec(s.kind)
	e.Str(name)
	e.Uint(s.packets)
	e.Uint(s.bytes)
	expected := uint64(s.cycles|uint32(s.top)) - uint64(s.base) + 1
	e.Uint(expected - min(expected, s.packets))
	e.Uint(s.late)
	if clock > 0 {
		e.Interval(int64(s.jitter / float64(clock) * 1e9))
	} else {
		e.Unset()
	}
	e.Interval(s.last - s.first)
}

// codec returns the encoding of a static payload type (RFC 3551 section 6) and
// its clock rate in Hz.
func codec(kind byte) (name string, clock int) {
	switch kind {
	case 0:
		return "PCMU", 8000
	case 3:
		return "GSM", 8000
	case 4:
		return "G723", 8000
	case 5:
		return "DVI4", 8000
	case 6:
		return "DVI4", 16000
	case 7:
		return "LPC", 8000
	case 8:
		return "PCMA", 8000
	case 9:
		return "G722", 8000
	case 10, 11:
		return "L16", 44100
	case 12:
		return "QCELP", 8000
	case 13:
		return "CN", 8000
	case 14:
		return "MPA", 90000
	case 15:
		return "G728", 8000
	case 16:
		return "DVI4", 11025
	case 17:
		return "DVI4", 22050
	case 18:
		return "G729", 8000
	case 25:
		return "CelB", 90000
	case 26:
		return "JPEG", 90000
	case 28:
		return "nv", 90000
	case 31:
		return "H261", 90000
	case 32:
		return "MPV", 90000
	case 33:
		return "MP2T", 90000
	case 34:
		return "H263", 90000
	}
	return "", 0
}

// Parse counts one packet.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	h, ok := parse(data, len(data))
	if !ok {
		return len(data) // RTCP, STUN and DTLS may share the ports
	}
	for i := range a.streams {
		if s := &a.streams[i]; s.ssrc == h.ssrc && s.dir == dir {
			s.add(f.Now, h)
			return len(data)
		}
	}
	if len(a.streams) < maxStreams {
		a.streams = append(a.streams, stream{dir: dir, kind: h.kind, ssrc: h.ssrc, first: f.Now, last: f.Now, packets: 1, bytes: uint64(h.payload), base: h.seq, top: h.seq})
		s := &a.streams[len(a.streams)-1]
		s.transit = s.ticks(f.Now, h)
	}
	return len(data)
}

// ticks is how much later a packet arrived than its timestamp says, in units of
// the stream's clock.
func (s *stream) ticks(now int64, h header) int64 {
	_, clock := codec(s.kind)
	since := now - s.first
	return since/1e9*int64(clock) + since%1e9*int64(clock)/1e9 - int64(h.time)
}

func (s *stream) add(now int64, h header) {
	s.packets++
	s.bytes += uint64(h.payload)
	s.last = now
	switch ahead := h.seq - s.top; {
	case ahead == 0:
		s.late++
		return
	case ahead < 1<<15:
		if h.seq < s.top {
			s.cycles += 1 << 16
		}
		s.top = h.seq
	default:
		s.late++
		return
	}
	t := s.ticks(now, h)
	d := int64(int32(t - s.transit)) // the timestamp has 32 bits
	s.transit = t
	if d < 0 {
		d = -d
	}
	if h.kind == s.kind {
		s.jitter += (float64(d) - s.jitter) / 16
	}
}

// Close tells the streams.
func (a *analyzer) Close(f *protocol.Flow) {
	for i := range a.streams {
		a.rec.s = &a.streams[i]
		f.Emit(&a.rec)
	}
	a.streams = nil
}
