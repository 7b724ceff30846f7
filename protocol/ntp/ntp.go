// Package ntp reads the Network Time Protocol, versions 1 to 4, with its control
// (mode 6) and private (mode 7) messages (RFC 5905, RFC 9327, RFC 1305 appendix B).
package ntp

import (
	"bytes"
	"encoding/binary"
	"math"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "ntp",
	Doc:        "Network Time Protocol (RFC 5905); recognised by the ranges of its header's fields and its length, with port 123 as support.",
	Transports: protocol.UDP,
	Ports:      []uint16{123},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the ntp record: one a message.
var Schema = record.New("ntp", "ntp", "An NTP message.",
	record.Field{Name: "version", Type: record.Count, Doc: "NTP version number, 1 to 4."},
	record.Field{Name: "mode", Type: record.Count, Doc: "Association mode: 0 none (version 1), 1 symmetric active, 2 symmetric passive, 3 client, 4 server, 5 broadcast, 6 control, 7 private."},
	record.Field{Name: "stratum", Type: record.Count, Doc: "Distance from a reference clock: 1 is a primary server, 16 is not synchronised."},
	record.Field{Name: "poll", Type: record.Interval, Doc: "Longest interval between messages."},
	record.Field{Name: "precision", Type: record.Interval, Doc: "Precision of the sender's clock."},
	record.Field{Name: "root_delay", Type: record.Interval, Doc: "Round-trip delay to the reference clock."},
	record.Field{Name: "root_disp", Type: record.Interval, Doc: "Dispersion to the reference clock."},
	record.Field{Name: "ref_id", Type: record.String, Doc: "Reference clock: four letters at stratum 0 (kiss code) and 1, else the address of the upstream server."},
	record.Field{Name: "ref_time", Type: record.Time, Doc: "When the sender's clock was last set."},
	record.Field{Name: "org_time", Type: record.Time, Doc: "When the request left the client."},
	record.Field{Name: "rec_time", Type: record.Time, Doc: "When the request reached the server."},
	record.Field{Name: "xmt_time", Type: record.Time, Doc: "When the message left the sender."},
	record.Field{Name: "num_exts", Type: record.Count, Doc: "Number of extension fields."},
	record.Field{Name: "op", Type: record.String, Doc: "Operation of a control or private message, such as readvar or monlist."},
)

// Modes of a message.
const (
	modeNone    = 0 // of version 1, which has no modes
	modeClient  = 3
	modeServer  = 4
	modeControl = 6
	modePrivate = 7
)

// Layout of messages, in bytes, and limits of what is recognised.
const (
	headerBytes       = 48
	controlBytes      = 12  // header of a control message
	privateBytes      = 8   // header of a private message
	maxPrivateRequest = 216 // of a private request: 8 and 184 of data, 24 of authentication
	lastPrivate       = 45  // the highest request code of ntpdc
)

// noPrecision is what a client sends that does not tell its clock's precision
// (draft-ietf-ntp-data-minimization), as chrony does.
const noPrecision = 32

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 8 || len(b) > 1500 {
		return protocol.No
	}
	version, mode := b[0]>>3&7, b[0]&7
	port := e.Port(123)
	switch {
	case version == 0 || version > 4:
		return protocol.No
	case mode == modeControl:
		return probeControl(e, b)
	case mode == modePrivate:
		return probePrivate(e, b)
	case mode == modeNone && (version != 1 || !port):
		return protocol.No
	}
	if len(b) < headerBytes || len(b)%4 != 0 || b[1] > 16 || len(b) != headerBytes && version < 3 {
		return protocol.No
	}
	poll, precision := int8(b[2]), int8(b[3])
	if mode == modeClient && precision == noPrecision {
		precision = 0
	}
	if poll < -8 || poll > 24 || precision > 0 || precision < -40 {
		return protocol.No
	}
	e.Reversed = mode == modeServer && e.Dir == session.Orig || mode == modeClient && e.Dir == session.Resp
	// Root delay and dispersion of a minute and more are rare; either may be all
	// zero in a client's message.
	if binary.BigEndian.Uint16(b[4:]) > 60 && binary.BigEndian.Uint16(b[4:]) < 0xfff0 || binary.BigEndian.Uint16(b[8:]) > 60 {
		if port {
			return protocol.Likely
		}
		e.Reversed = false
		return protocol.No
	}
	switch {
	case port:
		return protocol.Sure
	case mode == modeServer && binary.BigEndian.Uint32(b[40:])-binary.BigEndian.Uint32(b[32:]) <= 1 && b[1] >= 1 && b[1] < 16 &&
		binary.BigEndian.Uint32(b[32:])-binary.BigEndian.Uint32(b[16:]) < 1<<20:
		return protocol.Sure // received, sent and set within days
	case len(b) == headerBytes && binary.BigEndian.Uint64(b[40:]) != 0 && version >= 3:
		return protocol.Likely
	}
	e.Reversed = false
	return protocol.No
}

// probeControl judges a control message (RFC 9327 section 2): an operation that
// is defined and a length that agrees; on other ports also what is zero in a
// request, and in the first answer.
func probeControl(e *protocol.Evidence, b []byte) protocol.Verdict {
	if len(b) < controlBytes || controlOp(b[1]) == "" || b[0]>>3&7 < 2 {
		return protocol.No
	}
	n := controlBytes + int(binary.BigEndian.Uint16(b[10:]))
	answer := b[1]&0x80 != 0
	if n > len(b) {
		return protocol.No
	}
	e.Reversed = answer && e.Dir == session.Orig
	if e.Port(123) {
		return protocol.Sure
	}
	zero := b[0]>>6 == 0 && binary.BigEndian.Uint16(b[8:]) == 0 && (answer || b[1]&0x60 == 0 && binary.BigEndian.Uint16(b[4:]) == 0)
	if zero && (n+3)&^3 == len(b) && (!answer || n > controlBytes && text(b[controlBytes:n])) {
		return protocol.Likely
	}
	e.Reversed = false
	return protocol.No
}

// text reports whether b is printable ASCII and line ends, as the variables of a
// control message are.
func text(b []byte) bool {
	for _, c := range b {
		if (c < ' ' || c > '~') && c != '\r' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// probePrivate judges a private message: an implementation that is defined, no
// more items than there is room; on other ports also a request of which all but
// its code and version is zero, or an answer that is full of items.
func probePrivate(e *protocol.Evidence, b []byte) protocol.Verdict {
	items, size := int(binary.BigEndian.Uint16(b[4:])&0xfff), int(binary.BigEndian.Uint16(b[6:])&0xfff)
	answer := b[0]&0x80 != 0
	if b[2] > 3 || items*size > len(b)-privateBytes {
		return protocol.No
	}
	e.Reversed = answer && e.Dir == session.Orig
	if e.Port(123) {
		return protocol.Sure
	}
	known := b[2] >= 2 && b[3] <= lastPrivate && b[4]&0xf0 == 0 && b[6]&0xf0 == 0
	switch {
	case known && answer && items > 0 && size > 0 && items*size == len(b)-privateBytes,
		known && !answer && b[0]&0x40 == 0 && b[1] == 0 && items == 0 && size == 0 && len(b)%4 == 0 && len(b) <= maxPrivateRequest && zeros(b[privateBytes:]):
		return protocol.Likely
	}
	e.Reversed = false
	return protocol.No
}

func zeros(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

type analyzer struct{ rec Record }

// Idle reports that nothing is kept between two messages.
func (a *analyzer) Idle() bool { return true }

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse reads one message.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	b0 := c.U8()
	r := &a.rec
	*r = Record{version: b0 >> 3 & 7, mode: b0 & 7}
	switch {
	case !c.OK() || r.version == 0 || r.mode == modeNone && r.version > 1:
		f.Anomaly("truncated_NTP", "")
		return len(data)
	case r.mode == modeControl:
		a.control(f, dir, &c)
	case r.mode == modePrivate:
		a.private(f, b0, &c)
	case len(data) < headerBytes:
		f.Anomaly("truncated_NTP", "")
		return len(data)
	default:
		r.standard(&c)
	}
	f.Emit(r)
	return len(data)
}

func (r *Record) standard(c *wire.Cursor) {
	r.isStandard = true
	r.stratum, r.poll, r.precision = c.U8(), int8(c.U8()), int8(c.U8())
	r.rootDelay, r.rootDisp = c.U32(), c.U32()
	copy(r.refID[:], c.Bytes(4))
	for i := range r.times {
		r.times[i] = c.U64()
	}
	// Extension fields (RFC 7822) end where only a message authentication code
	// is left: a key identifier of four bytes and 16 or 20 bytes, or nothing.
	for r.version == 4 && c.Len() >= 16 && c.Len() != 20 && c.Len() != 24 {
		_, n := c.U16(), int(c.U16())
		if n < 16 || n%4 != 0 {
			return
		}
		if c.Skip(n - 4); !c.OK() {
			return
		}
		r.exts++
	}
}

// Names of the operations of control messages (RFC 9327 section 2).
var controlOps = [...]string{1: "readstat", 2: "readvar", 3: "writevar", 4: "readclock", 5: "writeclock", 6: "settrap", 7: "trap",
	8: "configure", 9: "saveconfig", 10: "mrulist", 11: "ordlist", 12: "nonce", 31: "unsettrap"}

// controlOp returns the name of the operation in the second byte of a control
// message, "" if it is not defined.
func controlOp(b byte) string {
	return controlOps[b&0x1f]
}

func (a *analyzer) control(f *protocol.Flow, dir session.Direction, c *wire.Cursor) {
	op := c.U8()
	c.Skip(8) // sequence, status, association, offset
	n := int(c.U16())
	body := c.Bytes(min(n, c.Len()))
	if !c.OK() {
		f.Anomaly("truncated_NTP", "")
		return
	}
	a.rec.op = "control"
	if name := controlOp(op); name != "" {
		a.rec.op = name
	}
	if op&0x80 == 0 {
		return
	}
	if v := quoted(body, "version=\""); v != "" {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: v})
	}
	if v := quoted(body, "system=\""); v != "" {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: v})
	}
}

const maxSoftware = 128 // bytes kept of a version or system name

// quoted returns what follows key up to the next quotation mark.
func quoted(b []byte, key string) string {
	i := bytes.Index(b, []byte(key))
	if i < 0 {
		return ""
	}
	b = b[i+len(key):]
	if i = bytes.IndexByte(b, '"'); i < 0 || i > maxSoftware {
		return ""
	}
	return string(b[:i])
}

// Request codes of private messages that list clients: a small request whose
// answer is large.
const (
	monGetList  = 20
	monGetList1 = 42
)

func (a *analyzer) private(f *protocol.Flow, b0 byte, c *wire.Cursor) {
	c.Skip(2)
	code := c.U8()
	if c.Skip(4); !c.OK() {
		f.Anomaly("truncated_NTP", "")
		return
	}
	a.rec.op = "private"
	switch code {
	case 0:
		a.rec.op = "peer_list"
	case 1:
		a.rec.op = "peer_list_sum"
	case 4:
		a.rec.op = "sys_info"
	case 16:
		a.rec.op = "reslist"
	case monGetList, monGetList1:
		a.rec.op = "monlist"
		if b0&0x80 == 0 {
			f.Anomaly("ntp_monlist_request", "")
		}
	}
}

// Record is an NTP message.
type Record struct {
	version, mode       uint8
	isStandard          bool
	stratum             uint8
	poll, precision     int8
	rootDelay, rootDisp uint32
	refID               [4]byte
	times               [4]uint64 // reference, origin, receive, transmit
	exts                uint64
	op                  string
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Uint(uint64(r.version))
	e.Uint(uint64(r.mode))
	if !r.isStandard {
		for i := 0; i < 11; i++ {
			e.Unset()
		}
		e.Str(r.op)
		return
	}
	e.Uint(uint64(r.stratum))
	e.Interval(exp2(r.poll))
	e.Interval(exp2(r.precision))
	e.Interval(int64(int32(r.rootDelay)) * 1e9 >> 16)
	e.Interval(int64(r.rootDisp) * 1e9 >> 16)
	switch {
	case r.refID == [4]byte{}:
		e.Unset()
	case r.stratum <= 1:
		e.Bytes(bytes.TrimRight(r.refID[:], "\x00 "))
	default:
		e.Addr(packet.Addr4(r.refID[:]).Netip())
	}
	for _, t := range r.times {
		e.Time(unixNano(t))
	}
	e.Uint(r.exts)
	e.Str(r.op)
}

// exp2 returns 2^n seconds in nanoseconds, at most some hundred years.
func exp2(n int8) int64 {
	if n > 32 {
		n = 32
	}
	return int64(math.Round(math.Ldexp(1e9, int(n))))
}

// unixNano converts an NTP timestamp. Seconds without the highest bit belong to
// the era that starts in 2036 (RFC 4330 section 3); zero stays zero.
func unixNano(t uint64) int64 {
	if t == 0 {
		return 0
	}
	s := int64(t >> 32)
	if s&0x80000000 == 0 {
		s += 1 << 32
	}
	return (s-2_208_988_800)*1e9 + int64(t&0xffffffff)*1e9>>32
}
