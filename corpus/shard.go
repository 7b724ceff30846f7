package corpus

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"

	"tyto/lab/label"
	"tyto/session"
)

// A shard is magic and one zstd frame of: the length of a JSON text and the
// text (a list of runMeta), and five columns, each with its length before it:
// heads, times, sizes and packets of all entries, and first payloads. Lengths,
// times (µs since the entry before, zigzag), sizes and packets are varints.
// Columns of like values are what makes a shard small.
const magic = "tytoseq\x01"

// Limits of a shard that is read.
const (
	maxShard  = 256 << 20 // bytes, unpacked
	maxWindow = 32 << 20
)

// runMeta is a run in a shard's JSON text.
type runMeta struct {
	Truth    label.Run     `json:"run"`
	Sessions []sessionMeta `json:"sessions"`
}

type sessionMeta struct {
	Flow     label.Flow `json:"flow"`
	From     string     `json:"from,omitempty"`
	To       string     `json:"to,omitempty"`
	Reversed bool       `json:"reversed,omitempty"`
	App      string     `json:"app"`
	Entries  int        `json:"entries"`
	Dropped  int        `json:"dropped,omitempty"`
	First    [2]int     `json:"first"`
}

// Head bits of an entry: direction, message, several packets, five of kind.
const (
	headResp    = 1 << 7
	headMessage = 1 << 6
	headPackets = 1 << 5
	headKind    = 0x1f
)

const microsecond = 1000

// columns are the entries of many sessions.
type columns struct{ heads, times, sizes, packets, first []byte }

func (c *columns) all() []*[]byte {
	return []*[]byte{&c.heads, &c.times, &c.sizes, &c.packets, &c.first}
}

// WriteShard writes runs. Times of entries are kept in microseconds.
func WriteShard(w io.Writer, runs []*Run) error {
	var c columns
	metas := make([]runMeta, len(runs))
	for i, r := range runs {
		metas[i].Truth = r.Truth
		for j := range r.Sessions {
			s := &r.Sessions[j]
			c.add(s)
			metas[i].Sessions = append(metas[i].Sessions, sessionMeta{s.Flow, s.From, s.To, s.Reversed, s.App, len(s.Entries), s.Dropped, [2]int{len(s.First[0]), len(s.First[1])}})
		}
	}
	text, err := json.Marshal(metas)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, magic); err != nil {
		return err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxWindow))
	if err != nil {
		return err
	}
	for _, part := range append([]*[]byte{&text}, c.all()...) {
		if _, err := z.Write(binary.AppendUvarint(nil, uint64(len(*part)))); err != nil {
			return err
		}
		if _, err := z.Write(*part); err != nil {
			return err
		}
	}
	return z.Close()
}

func (c *columns) add(s *Session) {
	last := int64(s.Flow.T0) / microsecond
	for _, e := range s.Entries {
		head := e.Kind & headKind
		if e.Dir == session.Resp {
			head |= headResp
		}
		if e.Message {
			head |= headMessage
		}
		if e.Packets > 1 {
			head |= headPackets
			c.packets = binary.AppendUvarint(c.packets, uint64(e.Packets))
		}
		c.heads = append(c.heads, head)
		c.times = binary.AppendVarint(c.times, e.Time/microsecond-last)
		last = e.Time / microsecond
		c.sizes = binary.AppendUvarint(c.sizes, uint64(e.Bytes))
	}
	for _, f := range s.First {
		c.first = append(c.first, f...)
	}
}

// errShard is a shard that is not as it must be.
var errShard = errors.New("damaged")

// ReadShard reads all runs of a shard. Whatever is in it, the memory used is
// bounded by a small multiple of maxShard.
func ReadShard(r io.Reader) ([]*Run, error) {
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r, head); err != nil || string(head) != magic {
		return nil, errors.New("not a shard of sequences, or of another version")
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxShard), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	data, err := io.ReadAll(io.LimitReader(z, maxShard))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errShard, err)
	}
	text, data, ok := part(data)
	var c columns
	for _, column := range c.all() {
		if ok {
			*column, data, ok = part(data)
		}
	}
	if !ok || len(data) > 0 {
		return nil, fmt.Errorf("%w: its columns do not fit", errShard)
	}
	var metas []runMeta
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&metas); err != nil {
		return nil, fmt.Errorf("%w: %w", errShard, err)
	}
	runs := make([]*Run, len(metas))
	for i := range metas {
		if runs[i], err = c.run(&metas[i]); err != nil {
			return nil, fmt.Errorf("run %q: %w", metas[i].Truth.Name, err)
		}
	}
	if len(c.heads)+len(c.times)+len(c.sizes)+len(c.packets)+len(c.first) > 0 {
		return nil, fmt.Errorf("%w: more than its runs", errShard)
	}
	return runs, nil
}

// part cuts off what has its length before it.
func part(data []byte) (p, rest []byte, ok bool) {
	n, k := binary.Uvarint(data)
	if k <= 0 || n > uint64(len(data)-k) {
		return nil, nil, false
	}
	return data[k : k+int(n)], data[k+int(n):], true
}

// run takes a run from the front of the columns.
func (c *columns) run(m *runMeta) (*Run, error) {
	r := &Run{Truth: m.Truth}
	for i := range m.Sessions {
		sm := &m.Sessions[i]
		s := Session{Flow: sm.Flow, From: sm.From, To: sm.To, Reversed: sm.Reversed, App: sm.App, Dropped: sm.Dropped}
		if sm.Entries < 0 || sm.Entries > len(c.heads) || sm.Dropped < 0 {
			return nil, errShard
		}
		for k, n := range sm.First {
			if n < 0 || n > min(FirstBytes, len(c.first)) {
				return nil, errShard
			}
			if n > 0 {
				s.First[k], c.first = bytes.Clone(c.first[:n]), c.first[n:]
			}
		}
		s.Entries = make([]session.Entry, sm.Entries)
		now := int64(s.Flow.T0) / microsecond
		for k := range s.Entries {
			if !c.entry(&s.Entries[k], &now) {
				return nil, errShard
			}
		}
		r.Sessions = append(r.Sessions, s)
	}
	return r, nil
}

// entry takes an entry from the front of the columns.
func (c *columns) entry(e *session.Entry, now *int64) bool {
	head := c.heads[0]
	c.heads = c.heads[1:]
	dt, n := binary.Varint(c.times)
	size, k := binary.Uvarint(c.sizes)
	if n <= 0 || k <= 0 || size > math.MaxUint32 {
		return false
	}
	c.times, c.sizes = c.times[n:], c.sizes[k:]
	packets := uint64(1)
	if head&headPackets != 0 {
		if packets, n = binary.Uvarint(c.packets); n <= 0 || packets > math.MaxUint32 {
			return false
		}
		c.packets = c.packets[n:]
	}
	*now += dt
	*e = session.Entry{Time: *now * microsecond, Dir: session.Direction(head >> 7), Message: head&headMessage != 0, Kind: head & headKind, Bytes: uint32(size), Packets: uint32(packets)}
	return true
}
