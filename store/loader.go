package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
)

// Loader puts JSON lines, as tyto analyze --json writes them, into a store. It
// is an io.Writer, so it can stand where a file does. Rows are gathered until
// there are [LoadRows] of a table or [LoadBytes] in all, and appended in one
// call; what was appended depends on the lines alone, not on how they were cut
// into writes. A store that is a [Gatherer] holds them meanwhile.
//
// Records of kinds and fields that the store has no table or column for are
// left out and counted: they come from another version of tyto. A line that is
// no record is an error, after which nothing more is taken.
type Loader struct {
	// Unknown counts what was left out, by kind or "kind.field"; at most
	// MaxUnknown names are kept, the rest is counted under "".
	Unknown map[string]uint64
	// Loaded is how many records are in the store: appended and durable.
	Loaded uint64

	ctx     context.Context
	store   Store
	kinds   *Kinds
	batches map[string]*Batch
	order   []*Batch // by name: what is written is in a fixed order
	inlet   inlet    // of Write
	besides []*inlet
	lines   uint64
	rows    uint64 // gathered
	bytes   int
	err     error

	gatherer Gatherer       // nil if the store is none
	passed   map[*Batch]int // rows of a table that it has
	handed   int            // bytes that it has
}

const (
	// LoadRows is how many rows of a table are gathered. It is a row group of
	// DuckDB's: any other number costs half the speed and size.
	LoadRows = 122_880
	// LoadBytes is how much memory gathered rows may take.
	LoadBytes = 192 << 20
	// GatherRows is how many rows of a table a Gatherer is given at once: few
	// enough that the processor's cache holds them. LoadRows is a multiple.
	GatherRows = 8192
	// MaxLine is the longest line that is taken, in bytes.
	MaxLine = 16 << 20
	// MaxUnknown is how many names Unknown holds.
	MaxUnknown = 1000

	measureEvery = 1024 // rows between looks at the memory
)

// NewLoader returns a Loader into s for records of kinds. The context ends what
// Write and Flush wait for.
func NewLoader(ctx context.Context, s Store, kinds *Kinds) *Loader {
	l := &Loader{ctx: ctx, store: s, kinds: kinds, batches: make(map[string]*Batch), Unknown: make(map[string]uint64), passed: make(map[*Batch]int)}
	l.gatherer, _ = s.(Gatherer)
	l.inlet.loader = l
	return l
}

// Write takes JSON lines; the last one may be incomplete.
func (l *Loader) Write(p []byte) (int, error) { return l.inlet.Write(p) }

// Beside returns another way in, whose lines may come between the parts of a
// line of Write. It is for the same goroutine, until Close.
func (l *Loader) Beside() io.Writer {
	in := &inlet{loader: l}
	l.besides = append(l.besides, in)
	return in
}

// inlet is a way into a Loader.
type inlet struct {
	loader *Loader
	line   []byte // the start of a line whose end was not written yet
	latest int64  // time of a record, ns
}

// Write implements io.Writer as Loader.Write says.
func (in *inlet) Write(p []byte) (int, error) {
	n, l := len(p), in.loader
	for l.err == nil {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		line := p[:i]
		if len(in.line) > 0 {
			in.line = append(in.line, line...)
			line = in.line
		}
		l.take(in, line)
		in.line, p = in.line[:0], p[i+1:]
	}
	if l.err != nil {
		return 0, l.err
	}
	in.line = append(in.line, p...)
	if len(in.line) > MaxLine {
		l.err = fmt.Errorf("line %d is longer than %d bytes; is this the output of tyto analyze --json?", l.lines+1, MaxLine)
		return 0, l.err
	}
	return n, nil
}

// Flush appends what was gathered. When it returns nil all complete lines are
// durable.
func (l *Loader) Flush() error {
	if l.err != nil || l.rows == 0 {
		return l.err
	}
	filled := slices.DeleteFunc(slices.Clone(l.order), func(b *Batch) bool { return b.Rows == 0 })
	if err := l.store.Append(l.ctx, filled...); err != nil {
		l.err = fmt.Errorf("store records: %w", err)
		return l.err
	}
	for _, b := range filled {
		b.Reset()
	}
	l.Loaded += l.rows
	l.rows, l.bytes, l.handed = 0, 0, 0
	clear(l.passed)
	return nil
}

// Close takes a last line that has no end, and appends what was gathered. It
// leaves the store open.
func (l *Loader) Close() error {
	for _, in := range append(l.besides, &l.inlet) {
		if l.err == nil && len(in.line) > 0 {
			l.take(in, in.line)
			in.line = nil
		}
	}
	return l.Flush()
}

// take takes a line of an inlet.
func (l *Loader) take(in *inlet, line []byte) {
	l.lines++
	line = bytes.TrimRight(line, "\r")
	if len(line) == 0 {
		return
	}
	b, err := l.parse(in, line)
	if err != nil {
		if b != nil {
			b.Undo()
		}
		l.err = fmt.Errorf("line %d: %w", l.lines, err)
		return
	}
	if b == nil {
		return
	}
	b.EndRow()
	l.added(b)
}

// added counts a row of a batch, and appends what was gathered if it is much.
func (l *Loader) added(b *Batch) {
	l.rows++
	if l.gatherer != nil && b.Rows >= GatherRows {
		l.passed[b] += b.Rows
		l.handed += b.Bytes()
		if l.passed[b] < LoadRows && l.handed < LoadBytes {
			if err := l.gatherer.Gather(l.ctx, b); err != nil {
				l.err = fmt.Errorf("store records: %w", err)
				return
			}
			b.Reset()
			return
		}
		l.err = l.Flush()
		return
	}
	if l.rows%measureEvery == 0 {
		l.bytes = l.handed
		for _, b := range l.order {
			l.bytes += b.Bytes()
		}
	}
	if b.Rows >= LoadRows || l.bytes >= LoadBytes {
		l.err = l.Flush()
	}
}

// parse reads a record into the batch of its kind. The batch is nil if there is
// no such kind.
func (l *Loader) parse(in *inlet, line []byte) (*Batch, error) {
	s := scanner{b: line}
	if !s.byte('{') || !s.literal(`"record"`) || !s.byte(':') {
		return nil, fmt.Errorf(`no record: it should start with {"record":"…"; is this the output of tyto analyze --json?`)
	}
	name, ok := s.text(nil)
	if !ok {
		return nil, s.error("the record's kind is no string")
	}
	kind := l.kinds.index[string(name)]
	if kind == nil {
		l.unknown(string(name))
		return nil, nil
	}
	b := l.batches[kind.Name]
	if b == nil {
		b = l.add(kind)
	}
	next := 0 // fields come in the order of their schema, mostly
	for s.byte(',') {
		key, ok := s.text(nil)
		if !ok || !s.byte(':') {
			return b, s.error("a field has no name")
		}
		i := place(kind, key, next)
		if i < 0 {
			l.unknown(kind.Name + "." + string(key))
			if !s.skip() {
				return b, s.error("a value is not JSON that records have")
			}
			continue
		}
		next = i + 1
		c := &b.Columns[i]
		if len(c.Null) > b.Rows {
			return b, fmt.Errorf("field %s is there twice", key)
		}
		if !s.value(c, kind.Fields[i].Type) {
			return b, s.error(fmt.Sprintf("field %s is no %s", key, kind.Fields[i].Type))
		}
	}
	if !s.byte('}') || !s.end() {
		return b, s.error("the record has no end")
	}
	switch t := &b.Columns[0]; {
	case len(t.Null) > b.Rows && !t.Null[b.Rows]:
		in.latest = max(in.latest, t.Ints[b.Rows])
	case len(t.Null) == b.Rows && kind.borrows:
		t.AppendInt(in.latest)
	default:
		return b, fmt.Errorf("the record has no %s", kind.Fields[0].Name)
	}
	return b, nil
}

// place returns which field a name is, looking first from where the field
// before it was.
func place(k *Kind, name []byte, from int) int {
	for i := from; i < len(k.Fields) && i < from+8; i++ {
		if k.Fields[i].Name == string(name) {
			return i
		}
	}
	if i, ok := k.index[string(name)]; ok {
		return i
	}
	return -1
}

func (l *Loader) add(k *Kind) *Batch {
	b := NewBatch(k)
	l.batches[k.Name] = b
	i, _ := slices.BinarySearchFunc(l.order, k.Name, func(b *Batch, name string) int { return bytes.Compare([]byte(b.Kind), []byte(name)) })
	l.order = slices.Insert(l.order, i, b)
	return b
}

func (l *Loader) unknown(name string) {
	if _, known := l.Unknown[name]; !known && len(l.Unknown) >= MaxUnknown {
		name = ""
	}
	l.Unknown[name]++
}
