package sensor

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"tyto/internal/record"
	"tyto/session"
)

// SeriesSchema describes series records, which are for the store only.
var SeriesSchema = record.New("series", "", "What can be heard of a session: its packets and the messages found in them, with times, directions and sizes. Sessions of fewer than three have none. In the store only.",
	record.Field{Name: "ts", Type: record.Time, Doc: "Time of the session's first packet."},
	record.Field{Name: "uid", Type: record.String, Doc: "Identifier of the session."},
	record.Field{Name: "packets", Type: record.Count, Doc: "Packets in entries."},
	record.Field{Name: "messages", Type: record.Count, Doc: "Entries that are messages (TLS records, SSH packets)."},
	record.Field{Name: "dropped", Type: record.Count, Doc: "Packets for which there was no room."},
	record.Field{Name: "entries", Type: record.String, Doc: "The entries in order of time, in base64: ParseSeries of package sensor says how, and reads them."},
)

// minSeries is how many entries a series record needs: what fewer say, the
// session's record says.
const minSeries = 3

// writeSeries writes the series record of a session that is over.
func (l *lane) writeSeries(s *session.Session) {
	if l.series == noStream || s.Series.Packets+s.Series.Messages < minSeries {
		return
	}
	l.scratch = AppendSeries(l.scratch[:0], s.First, s.Series.All(&l.pool))
	n := base64.RawStdEncoding.EncodedLen(len(l.scratch))
	if cap(l.text) < n {
		l.text = make([]byte, 2*n)
	}
	base64.RawStdEncoding.Encode(l.text[:n], l.scratch)
	e := &l.chunk.enc
	e.Format = l.streams[l.series].format
	e.Begin(SeriesSchema)
	e.Time(s.First)
	var uid [32]byte
	e.Raw(s.UID.AppendTo(uid[:0]))
	e.Uint(uint64(s.Series.Packets))
	e.Uint(uint64(s.Series.Messages))
	e.Uint(uint64(s.Series.Dropped))
	e.Raw(l.text[:n])
	e.End()
	l.chunk.done(l.key, uint16(l.series), 0)
}

// noStream is the place of a stream that there is not.
const noStream = -1

// Bits of an entry's first byte.
const (
	seriesResp    = 1 << 7
	seriesMessage = 1 << 6
	seriesMany    = 1 << 5
	seriesKind    = 1<<5 - 1
)

// AppendSeries appends the entries of a series: for each a byte with direction,
// whether it is a message, whether it is of several packets, and its kind; then
// as varints the time since the entry before, the first since start, in µs and
// signed; its bytes; and how many packets, if several.
func AppendSeries(b []byte, start int64, entries func(yield func(session.Entry) bool)) []byte {
	last := start / 1000
	for e := range entries {
		h := e.Kind & seriesKind
		if e.Dir == session.Resp {
			h |= seriesResp
		}
		if e.Message {
			h |= seriesMessage
		}
		if e.Packets > 1 {
			h |= seriesMany
		}
		b = binary.AppendVarint(append(b, h), e.Time/1000-last)
		b = binary.AppendUvarint(b, uint64(e.Bytes))
		if e.Packets > 1 {
			b = binary.AppendUvarint(b, uint64(e.Packets))
		}
		last = e.Time / 1000
	}
	return b
}

// ParseSeries returns the entries of a series record: of its ts and entries. Their
// times are whole microseconds.
func ParseSeries(start int64, text string) ([]session.Entry, error) {
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("series: %w", err)
	}
	var list []session.Entry
	last := start / 1000
	for len(b) > 0 {
		h := b[0]
		e := session.Entry{Dir: session.Direction(h >> 7), Message: h&seriesMessage != 0, Kind: h & seriesKind, Packets: 1}
		dt, n := binary.Varint(b[1:])
		b = b[1+max(n, 0):]
		size, m := binary.Uvarint(b)
		b = b[max(m, 0):]
		k := 1
		if h&seriesMany != 0 {
			var v uint64
			v, k = binary.Uvarint(b)
			b = b[max(k, 0):]
			e.Packets = uint32(v)
		}
		if n <= 0 || m <= 0 || k <= 0 {
			return nil, fmt.Errorf("series: entry %d is cut short", len(list))
		}
		last += dt
		e.Time, e.Bytes = last*1000, uint32(size)
		list = append(list, e)
	}
	return list, nil
}
