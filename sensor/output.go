package sensor

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"tyto/entity"
	"tyto/internal/record"
	"tyto/packet"
	"tyto/protocol"
)

// output puts the records of the workers in order and writes them.
type output struct {
	streams []stream
	writers []recordWriter
	closers []io.Closer
	logs    Logs
	set     *protocol.Set
	places  []place // by worker
	scratch []byte
	series  int // stream of series records, or noStream

	graph     *entity.Graph // nil for none
	judge     *judge        // nil if nobody detects
	home      networks
	names     resolved
	announced expected
	named     map[namedKey]*Volume // sessions that announcements named, for the Summary
	unkept    uint64               // sessions for which named had no room
}

// namedKey is what sessions that announcements named are gathered by.
type namedKey struct {
	app        uint16
	orig, resp packet.Addr
	byDevice   [2]bool // whether the devices count it, client and server
}

const maxNamed = 20000

// Schemas returns the schemas of all records that an analysis with a set of
// protocols may write: tyto's own first, then the protocols' by kind.
func Schemas(set *protocol.Set) []*record.Schema {
	var kinds []*record.Schema
	for _, d := range set.Definitions() {
		for _, s := range d.Schemas {
			if !slices.Contains(kinds, s) {
				kinds = append(kinds, s)
			}
		}
	}
	slices.SortStableFunc(kinds, func(a, b *record.Schema) int { return strings.Compare(a.Kind, b.Kind) })
	return append([]*record.Schema{SessionSchema, AnomalySchema, NoticeSchema, StatsSchema, entity.EntitySchema, entity.RelationSchema, SegmentSchema, DetectionSchema, CaseSchema, SeriesSchema}, kinds...)
}

// place is how far a chunk is written.
type place struct {
	next                                              int // entry
	answer, expectation, unnamed, hole, fact, session int // the next of each
	piece, from                                       uint32
}

const writerBytes = 256 << 10

func newOutput(c Config) *output {
	o := &output{logs: c.Logs, set: c.Set, graph: c.Graph, judge: newJudge(c.Detectors), home: c.Home, names: newResolved(c.Memory), announced: newExpected(), named: make(map[namedKey]*Volume)}
	if c.JSON != nil {
		o.streams = append(o.streams, stream{format: record.JSON})
		o.writers = append(o.writers, bufio.NewWriterSize(c.JSON, writerBytes))
		o.closers = append(o.closers, nil)
	}
	if c.Rows != nil {
		o.streams = append(o.streams, stream{format: record.Row})
		o.writers = append(o.writers, &rowWriter{to: c.Rows})
		o.closers = append(o.closers, nil)
	}
	o.series = noStream
	if c.Rows != nil {
		o.series = len(o.streams) - 1
	}
	if c.Series != nil {
		o.series = len(o.streams)
		o.streams = append(o.streams, stream{schema: SeriesSchema, format: record.JSON})
		o.writers = append(o.writers, bufio.NewWriterSize(c.Series, writerBytes))
		o.closers = append(o.closers, nil)
	}
	if c.Logs == nil {
		return o
	}
	for _, k := range Schemas(c.Set) {
		if k.Log == "" {
			continue
		}
		o.streams = append(o.streams, stream{schema: k, format: c.LogFormat})
		o.writers = append(o.writers, nil)
		o.closers = append(o.closers, nil)
	}
	return o
}

// write writes what the workers did for a job. Idle says that no other job
// waits: what is buffered is passed on.
func (o *output) write(j *job, idle bool) error {
	o.places = append(o.places[:0], make([]place, len(j.chunks))...)
	for {
		best := -1
		var key uint64
		for w := range j.chunks {
			if n := o.places[w].next; n < len(j.chunks[w].entries) {
				if k := j.chunks[w].entries[n].key; best < 0 || k < key {
					best, key = w, k
				}
			}
		}
		if best < 0 {
			break
		}
		if err := o.writeKey(&j.chunks[best], &o.places[best], key); err != nil {
			return err
		}
	}
	if !idle {
		return nil
	}
	return o.flush()
}

// writeKey writes the entries of a chunk with the given key.
func (o *output) writeKey(c *chunk, p *place, key uint64) error {
	for ; p.next < len(c.entries) && c.entries[p.next].key == key; p.next++ {
		e := &c.entries[p.next]
		switch e.stream {
		case answerEntry:
			a := &c.answers[p.answer]
			o.names.add(a.resolution, a.name, a.time)
			p.answer++
			continue
		case expectationEntry:
			o.announced.add(&c.expectations[p.expectation])
			p.expectation++
			continue
		case factEntry:
			for range e.holes {
				o.graph.Add(&c.facts[p.fact])
				p.fact++
			}
			continue
		case sessionEntry:
			o.judgeSession(&c.sessions[p.session])
			p.session++
			continue
		case unnamedEntry:
			o.name(&c.unnamed[p.unnamed])
			p.unnamed++
			continue
		}
		if e.piece != p.piece {
			p.piece, p.from = e.piece, 0
		}
		w := o.writers[e.stream]
		if w == nil {
			var err error
			if w, err = o.open(int(e.stream)); err != nil {
				return err
			}
		}
		for range e.holes {
			h := &c.holes[p.hole]
			p.hole++
			var replaces uint32
			if o.scratch, replaces = o.fill(o.scratch[:0], h, o.streams[e.stream].format); len(o.scratch) == 0 {
				continue
			}
			if _, err := w.Write(c.text(e.piece, p.from, h.at)); err != nil {
				return fmt.Errorf("write records: %w", err)
			}
			p.from = h.at + replaces
			if _, err := w.Write(o.scratch); err != nil {
				return fmt.Errorf("write records: %w", err)
			}
		}
		if err := endRecord(w, c.text(e.piece, p.from, e.end)); err != nil {
			return fmt.Errorf("write records: %w", err)
		}
		p.from = e.end
	}
	return nil
}

// name counts a session whose content was not recognised as what was announced.
func (o *output) name(u *unnamed) {
	app := o.announced.app(u.Tuple, u.first, u.last)
	if app == protocol.Unknown {
		return
	}
	k := namedKey{app, u.Orig, u.Resp, u.byDevice}
	v := o.named[k]
	if v == nil {
		if len(o.named) >= maxNamed {
			o.unkept++
			return
		}
		v = new(Volume)
		o.named[k] = v
	}
	v.add(&u.volume)
}

func (o *output) open(i int) (recordWriter, error) {
	f, err := o.logs.Open(o.streams[i].schema)
	if err != nil {
		return nil, err
	}
	o.closers[i] = f
	o.writers[i] = bufio.NewWriterSize(f, writerBytes)
	return o.writers[i], nil
}

func (o *output) flush() error {
	for _, w := range o.writers {
		if w == nil {
			continue
		}
		if err := w.Flush(); err != nil {
			return fmt.Errorf("write records: %w", err)
		}
	}
	return nil
}

func (o *output) close() error {
	var err error
	if o.graph != nil {
		err = o.writeGraph()
	}
	if o.judge != nil && err == nil {
		err = o.writeJudgement()
	}
	if e := o.flush(); err == nil {
		err = e
	}
	for _, c := range o.closers {
		if c == nil {
			continue
		}
		if e := c.Close(); err == nil && e != nil {
			err = fmt.Errorf("close log: %w", e)
		}
	}
	return err
}

// AppendStats writes the stats record as a JSON line.
func (s *Stats) AppendStats(b []byte) []byte {
	e := record.Encoder{Buf: b}
	e.Begin(StatsSchema)
	e.Time(s.Last)
	e.Time(s.First)
	for _, v := range [...]uint64{s.Packets, s.Bytes, s.Sessions, s.Records, s.Anomalies, s.Undecoded, s.Flawed, s.Fragments, s.FragmentsLost,
		s.Gaps, s.GapBytes, s.ShedSessions, s.ShedStreams, s.ShedSeries, s.ShedRecords, s.Faults, s.PeakSessions} {
		e.Uint(v)
	}
	e.End()
	return e.Buf
}
