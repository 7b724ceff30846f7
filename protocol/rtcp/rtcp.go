// Package rtcp reads the RTP Control Protocol (RFC 3550, RFC 4585): who takes
// part in a call and how well the media arrive.
package rtcp

import (
	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of rtcp.
var Definition = protocol.Definition{
	Name:       "rtcp",
	Doc:        "RTP Control Protocol (RFC 3550): recognised by compound packets whose lengths add up to the datagram.",
	Transports: protocol.UDP,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the rtcp record.
var Schema = record.New("rtcp", "", "one source that reports in RTCP",
	record.Field{Name: "from_orig", Type: record.Bool, Doc: "Whether the originator sends the reports."},
	record.Field{Name: "ssrc", Type: record.Count, Doc: "Synchronization source that reports."},
	record.Field{Name: "cname", Type: record.String, Doc: "Canonical name of the source."},
	record.Field{Name: "tool", Type: record.String, Doc: "Program of the source."},
	record.Field{Name: "sender_reports", Type: record.Count, Doc: "Sender reports (SR)."},
	record.Field{Name: "receiver_reports", Type: record.Count, Doc: "Receiver reports (RR)."},
	record.Field{Name: "feedback", Type: record.Count, Doc: "Feedback messages (RFC 4585)."},
	record.Field{Name: "sent_packets", Type: record.Count, Doc: "RTP packets the source sent, as its last sender report tells it."},
	record.Field{Name: "sent_bytes", Type: record.Count, Doc: "Bytes of their payload."},
	record.Field{Name: "lost", Type: record.Int, Doc: "RTP packets the source misses, as its last report tells it."},
	record.Field{Name: "fraction_lost", Type: record.Double, Doc: "Highest fraction of packets lost between two reports."},
	record.Field{Name: "bye", Type: record.Bool, Doc: "Whether the source said goodbye."},
)

// Bounds.
const (
	maxSources = 8
	maxText    = 255
	maxParts   = 32 // packets of a compound
)

// Packet types (RFC 3550 section 12.1, RFC 4585, RFC 3611).
const (
	senderReport   = 200
	receiverReport = 201
	description    = 202
	bye            = 203
	feedbackRTP    = 205
	feedbackMedia  = 206
	extended       = 207
)

// part is one packet of a compound.
type part struct {
	count byte
	kind  byte
	ssrc  uint32
	body  wire.Cursor // behind the source
}

// next reads one packet; ok is false if its head is not one of RTCP or its
// length exceeds the datagram.
func next(c *wire.Cursor) (p part, ok bool) {
	first := c.U8()
	p.kind = c.U8()
	words := c.U16()
	p.body = c.Sub(4 * int(words))
	p.count = first & 31
	if !c.OK() || first>>6 != 2 || p.kind < senderReport || p.kind > extended {
		return p, false
	}
	if words > 0 {
		p.ssrc = p.body.U32()
	}
	return p, true
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	c := wire.New(b)
	p, ok := next(&c)
	if !ok || p.kind != senderReport && p.kind != receiverReport || p.ssrc == 0 {
		return protocol.No
	}
	want := 4
	if p.kind == senderReport {
		want = 24
	}
	if p.body.Len()+4 < want+24*int(p.count) || p.body.Len()+4 > want+24*int(p.count)+64 {
		return protocol.No
	}
	for i := 0; i < maxParts && c.Len() > 0; i++ {
		if _, ok = next(&c); !ok {
			break
		}
	}
	if c.Len() == 0 && ok {
		return protocol.Sure // version, type and a length that fits: 28 bits, and the rest of a compound
	}
	// SRTCP (RFC 3711 section 3.4): all behind the first source is encrypted.
	s := wire.New(e.Seen[e.Dir])
	s.Skip(4)
	if kind := e.Seen[e.Dir]; len(kind) >= 8 && (kind[1] == senderReport || kind[1] == receiverReport) && s.U32() == p.ssrc {
		return protocol.Sure
	}
	return protocol.More
}

type source struct {
	dir                          session.Direction
	ssrc                         uint32
	cname, tool                  []byte
	senders, receivers, feedback uint64
	packets, bytes               uint32
	hasSent, hasLost, bye        bool
	lost                         int32
	fraction                     byte
}

type analyzer struct {
	sources []source
	rec     rtcpRecord
}

type rtcpRecord struct{ s *source }

func (r *rtcpRecord) Schema() *record.Schema { return Schema }

func (r *rtcpRecord) Append(e *record.Encoder) {
	s := r.s
	e.Bool(s.dir == session.Orig)
	e.Uint(uint64(s.ssrc))
	e.Bytes(s.cname)
	e.Bytes(s.tool)
	e.Uint(s.senders)
	e.Uint(s.receivers)
	e.Uint(s.feedback)
	if s.hasSent {
		e.Uint(uint64(s.packets))
		e.Uint(uint64(s.bytes))
	} else {
		e.Unset()
		e.Unset()
	}
	if s.hasLost {
		e.Int(int64(s.lost))
		e.Float(float64(s.fraction) / 256)
	} else {
		e.Unset()
		e.Unset()
	}
	e.Bool(s.bye)
}

// Parse reads one datagram.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	for i := 0; i < maxParts && c.Len() > 0; i++ {
		p, ok := next(&c)
		if !ok {
			if i > 0 {
				f.SetEncrypted()
			}
			break
		}
		a.take(f, dir, &p)
	}
	return len(data)
}

// Close tells the sources.
func (a *analyzer) Close(f *protocol.Flow) {
	for i := range a.sources {
		a.rec.s = &a.sources[i]
		f.Emit(&a.rec)
	}
	a.sources = nil
}

func (a *analyzer) source(dir session.Direction, ssrc uint32) *source {
	for i := range a.sources {
		if s := &a.sources[i]; s.ssrc == ssrc && s.dir == dir {
			return s
		}
	}
	if len(a.sources) == maxSources {
		return nil
	}
	a.sources = append(a.sources, source{dir: dir, ssrc: ssrc})
	return &a.sources[len(a.sources)-1]
}

func (a *analyzer) take(f *protocol.Flow, dir session.Direction, p *part) {
	if p.ssrc == 0 {
		return
	}
	s := a.source(dir, p.ssrc)
	if s == nil {
		return
	}
	c := &p.body
	switch p.kind {
	case senderReport:
		s.senders++
		c.Skip(12)
		packets, bytes := c.U32(), c.U32()
		if c.OK() {
			s.packets, s.bytes, s.hasSent = packets, bytes, true
		}
		s.report(c, p.count)
	case receiverReport:
		s.receivers++
		s.report(c, p.count)
	case description:
		a.describe(f, dir, s, c)
	case bye:
		s.bye = true
	case feedbackRTP, feedbackMedia:
		s.feedback++
	}
}

// report reads the first report block.
func (s *source) report(c *wire.Cursor, count byte) {
	if count == 0 {
		return
	}
	c.U32()
	fraction := c.U8()
	lost := c.U24()
	if c.OK() {
		s.fraction = max(s.fraction, fraction)
		s.lost, s.hasLost = int32(lost<<8)>>8, true
	}
}

// describe reads the items of the first chunk (RFC 3550 section 6.5).
func (a *analyzer) describe(f *protocol.Flow, dir session.Direction, s *source, c *wire.Cursor) {
	for c.Len() > 0 {
		kind := c.U8()
		if kind == 0 {
			return
		}
		text := c.Vec8()
		if !c.OK() {
			return
		}
		switch kind {
		case 1:
			s.cname = textline.Set(s.cname, text.Rest(), maxText)
		case 6:
			if len(s.tool) == 0 && text.Len() > 0 {
				s.tool = textline.Set(s.tool, text.Rest(), maxText)
				f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: string(s.tool)})
			}
		}
	}
}
