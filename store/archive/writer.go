package archive

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"tyto/packet"
	"tyto/store"
)

// Options say how to write an archive. The zero value keeps everything.
type Options struct {
	SegmentBytes int64 // 0: DefaultSegmentBytes
	BlockBytes   int   // 0: DefaultBlockBytes
	// Budget is how much the archive may take on disk, in bytes: when a segment
	// is full the oldest ones are removed. 0: no limit.
	Budget int64
}

// Writer writes packets to an archive. It is for one goroutine, and one Writer
// at a time may be open for a directory.
type Writer struct {
	// Removed counts segments that were removed to keep the budget.
	Removed uint64

	dir     string
	opt     Options
	block   builder
	start   int64 // time of the block's first packet
	file    *os.File
	path    string
	number  uint32
	size    int64
	index   index
	scratch []byte

	datagrams datagrams
}

// NewWriter returns a Writer to a directory, which is made if it does not exist.
// It goes on after the segments that are there.
func NewWriter(dir string, o Options) (*Writer, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	if o.BlockBytes == 0 {
		o.BlockBytes = DefaultBlockBytes
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open packet archive: %w", err)
	}
	list, err := numbers(dir)
	if err != nil {
		return nil, fmt.Errorf("open packet archive: %w", err)
	}
	w := &Writer{dir: dir, opt: o, block: builder{index: make(map[carried]uint64)}}
	if len(list) > 0 {
		w.number = list[len(list)-1]
	}
	return w, nil
}

// Add keeps a packet of a session, and of those that carried it, innermost
// first; uid is empty for one of none. It copies what it needs.
func (w *Writer) Add(f *packet.Frame, uid string, carriers ...string) error {
	long := func(uid string) bool { return len(uid) > MaxUID }
	if len(f.Data) > MaxPacket || long(uid) || slices.ContainsFunc(carriers, long) {
		return fmt.Errorf("keep packet: %d bytes of session %.80q are more than is kept (%d and %d)", len(f.Data), uid, MaxPacket, MaxUID)
	}
	if uid == "" {
		uid = w.datagrams.of(f)
	}
	if w.block.n == 0 {
		w.start = f.Time
	}
	w.block.add(f, uid, carriers)
	if w.block.bytes() >= w.opt.BlockBytes {
		return w.Flush()
	}
	return nil
}

// Flush writes the packets gathered so far as a block, however small. When it
// returns nil they outlive the process; they outlive the machine when their
// segment is full, or after Close.
func (w *Writer) Flush() error {
	if w.block.n == 0 {
		return nil
	}
	if w.file == nil {
		if err := w.begin(); err != nil {
			return fmt.Errorf("begin packet segment: %w", err)
		}
	}
	info, stored := w.block.encode(w.size, w.start)
	w.scratch = append(info.appendHeader(w.scratch[:0]), stored...)
	if _, err := w.file.Write(w.scratch); err != nil {
		return fmt.Errorf("write packets: %w", err)
	}
	w.size = info.end()
	w.index.add(info, w.block.order)
	w.block.reset()
	if w.size < w.opt.SegmentBytes {
		return nil
	}
	return w.finish()
}

// Close writes what was gathered and finishes the segment.
func (w *Writer) Close() error {
	err := w.Flush()
	if w.file != nil {
		err = errors.Join(err, w.finish())
	}
	return err
}

func (w *Writer) begin() error {
	w.number++
	w.path = segmentPath(w.dir, w.number)
	f, err := os.OpenFile(w.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(segmentMagic); err != nil {
		return errors.Join(err, f.Close())
	}
	w.file, w.size, w.index = f, int64(len(segmentMagic)), index{}
	return nil
}

// finish makes the segment durable, writes its index, and keeps the budget.
func (w *Writer) finish() error {
	err := errors.Join(w.file.Sync(), w.file.Close())
	w.file = nil
	if err == nil {
		err = w.index.write(indexPath(w.path), w.size)
	}
	if err != nil {
		return fmt.Errorf("finish packet segment %s: %w", w.path, err)
	}
	if w.opt.Budget == 0 {
		return nil
	}
	removed, err := Retain(w.dir, store.Keep{Bytes: w.opt.Budget})
	w.Removed += uint64(len(removed))
	return err
}
