package pcapfile

import (
	"cmp"
	"errors"
	"io"
	"math"
	"path/filepath"
	"slices"
	"sync/atomic"

	"tyto/packet"
)

const (
	// maxOpen is how many files keep their descriptor. Those above it, which
	// there are when so many overlap in time, are opened anew for each block.
	maxOpen = 64

	// maxWindows is how many open files may take maxWindow to be decompressed.
	maxWindows = 8

	// smallBlock is the block of the files above maxOpen, and what is read of a
	// file to learn the time of its first packet.
	smallBlock = 16 << 10

	// maxFrames is how many frames a merged block may have, which are as many as
	// one that was read.
	maxFrames = blockSize / recordHeader
)

// Files reads many captures in the order of time; it is a [packet.Source].
//
// Captures are opened in the order of their first packets, each when that
// packet is due, so a rotating set is read one file at a time. Where captures
// overlap, their frames are merged by time; frames of one capture keep their
// order, whatever their times. Where they do not, blocks are passed on as they
// were read. A capture that cannot be read, or that breaks, is one of the
// Problems, and the others are read on.
//
// Methods are for one goroutine, except Progress.
type Files struct {
	pending  []*capture // not due yet, in the reverse order of their first packets
	open     []*capture // a heap by the time of the next frame
	spare    []packet.Block
	problems []error
	names    nameSet
	read     atomic.Int64
	total    int64
}

// capture is one of the files.
type capture struct {
	path  string
	rank  int   // orders captures whose times are equal
	first int64 // time of the first packet
	size  int64

	r     *Reader // nil while the file is closed
	block packet.Block
	next  int // index of the next frame in block
}

// OpenAll opens the captures of the paths, among which may be "-". If there are
// several, it looks for the time of the first packet of each, and waits for it
// if it is to come from a pipe. An error is returned only if no capture can be
// opened; otherwise see Problems.
func OpenAll(paths []string) (*Files, error) {
	f := &Files{}
	known := true
	var peeked packet.Block
	seen := make(map[string]bool)
	for rank, path := range paths {
		clean := filepath.Clean(path)
		if seen[clean] {
			f.problem(&Error{Name: path, Problem: "is named more than once", Hint: "it is read once"})
			continue
		}
		seen[clean] = true
		r, err := Open(path)
		if err != nil {
			f.problem(err)
			continue
		}
		c := &capture{path: path, rank: rank, first: math.MinInt64, size: r.in.size, r: r}
		known = known && r.in.regular
		f.total += c.size
		if len(paths) > 1 && !f.peek(c, &peeked) {
			continue
		}
		if c.r != nil {
			f.read.Add(c.r.in.read.Load())
			c.r.in.shared = &f.read
		}
		f.pending = append(f.pending, c)
	}
	if len(f.pending) == 0 && len(f.problems) > 0 {
		return nil, errors.Join(f.problems...)
	}
	if !known {
		f.total = 0
	}
	slices.SortFunc(f.pending, func(a, b *capture) int {
		return cmp.Or(cmp.Compare(b.first, a.first), cmp.Compare(b.rank, a.rank))
	})
	return f, nil
}

// peek sets the time of the first packet and closes what can be opened again.
// It reports whether there is a packet.
func (f *Files) peek(c *capture, b *packet.Block) bool {
	r := c.r
	fill, again := r.fill, r.in.regular && r.in.path != ""
	if again {
		r.fill, r.room = false, smallBlock
	}
	if err := r.ReadBlock(b); err != nil {
		f.finish(c, err)
		return false
	}
	c.first = b.Frames[0].Time
	if again {
		r.Close()
		c.r = nil
		return true
	}
	r.fill = fill
	c.block, *b = *b, packet.Block{}
	return true
}

// ReadBlock implements [packet.Source]. The only error is io.EOF.
func (f *Files) ReadBlock(b *packet.Block) error {
	b.Frames = b.Frames[:0]
	for used := 0; f.settle(len(b.Frames) == 0); {
		c := f.open[0]
		n := c.run(f.limit())
		// Memory is exchanged, unless that would leave the caller with less.
		if len(b.Frames) == 0 && c.next+n == len(c.block.Frames) && cap(b.Buf) <= cap(c.block.Buf) {
			c.give(b)
			return nil
		}
		var full bool
		if used, full = c.copy(b, n, used); full {
			return nil
		}
	}
	if len(b.Frames) > 0 {
		return nil
	}
	return io.EOF
}

// Problems returns an error, usually an [*Error], for each capture that could
// not be read or not to its end, so far.
func (f *Files) Problems() []error { return f.problems }

// Names returns the names of the captures that were read to their end, as
// [Reader.Names] does; it is complete after the last block.
func (f *Files) Names() []Name { return f.names.list }

// Progress returns how many bytes were read of how many there are; total is 0
// if that is not known, as for pipes. It may be called from any goroutine.
func (f *Files) Progress() (read, total int64) {
	read = f.read.Load()
	if f.total > 0 {
		read = min(read, f.total) // files grow
	}
	return read, f.total
}

// Close closes the files that are open.
func (f *Files) Close() error {
	var errs []error
	for _, c := range slices.Concat(f.open, f.pending) {
		if c.r != nil {
			errs = append(errs, c.r.Close())
		}
	}
	f.open, f.pending = nil, nil
	return errors.Join(errs...)
}

// settle brings the capture with the next frame to the front of f.open and
// reports whether there is one. If it may not wait for a pipe, it also reports
// false when it would have to.
func (f *Files) settle(wait bool) bool {
	for {
		if len(f.open) > 0 {
			c := f.open[0]
			if c.next == len(c.block.Frames) {
				if !wait && !c.r.fill {
					return false
				}
				if !f.refill(c) {
					f.open[0] = f.open[len(f.open)-1]
					f.open = f.open[:len(f.open)-1]
					continue
				}
			}
			f.down()
		}
		if !f.due() {
			return len(f.open) > 0
		}
		f.admit()
	}
}

// due reports whether a capture that is not open has the next frame.
func (f *Files) due() bool {
	n := len(f.pending)
	return n > 0 && (len(f.open) == 0 || f.pending[n-1].first <= f.open[0].time())
}

// admit opens the next of the captures that are not open.
func (f *Files) admit() {
	n := len(f.pending)
	c := f.pending[n-1]
	f.pending = f.pending[:n-1]
	if c.r == nil {
		in, err := openInput(c.path)
		if err != nil {
			f.problem(err)
			f.read.Add(c.size)
			return
		}
		in.shared = &f.read
		in.park = len(f.open) >= maxOpen
		if len(f.open) >= maxWindows {
			in.window = smallWindow
		}
		if c.r, err = newReader(in); err != nil {
			f.problem(err)
			f.read.Add(c.size - in.read.Load())
			return
		}
		if in.park {
			c.r.room = smallBlock
		} else if n := len(f.spare); n > 0 {
			c.block, f.spare = f.spare[n-1], f.spare[:n-1]
		}
	}
	if len(c.block.Frames) == 0 && !f.refill(c) {
		return
	}
	f.open = append(f.open, c)
	for i := len(f.open) - 1; i > 0 && f.open[i].before(f.open[(i-1)/2]); i = (i - 1) / 2 {
		f.open[i], f.open[(i-1)/2] = f.open[(i-1)/2], f.open[i]
	}
}

// refill reads the next block of c, or finishes c and reports false.
func (f *Files) refill(c *capture) bool {
	c.next = 0
	err := c.r.ReadBlock(&c.block)
	if err != nil {
		f.finish(c, err)
		return false
	}
	return true
}

func (f *Files) finish(c *capture, err error) {
	if err != io.EOF {
		f.problem(err)
	}
	f.names.addAll(c.r.Names())
	if c.r.in.shared == nil {
		f.read.Add(c.r.in.read.Load())
	}
	f.read.Add(max(c.size-c.r.in.read.Load(), 0))
	c.r.Close()
	c.r = nil
	c.block.Frames = c.block.Frames[:0]
	if cap(c.block.Buf) >= blockSize && len(f.spare) < maxOpen {
		f.spare = append(f.spare, c.block)
	}
	c.block = packet.Block{}
}

func (f *Files) problem(err error) { f.problems = append(f.problems, err) }

// limit returns the time up to which the frames of f.open[0] come first.
func (f *Files) limit() int64 {
	t := int64(math.MaxInt64)
	for _, c := range f.open[1:min(3, len(f.open))] {
		t = min(t, c.time())
	}
	if n := len(f.pending); n > 0 {
		t = min(t, f.pending[n-1].first)
	}
	return t
}

// down restores the heap after the next frame of its first capture changed.
func (f *Files) down() {
	h := f.open
	for i := 0; ; {
		least := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < len(h) && h[child].before(h[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// time returns the time of the next frame, which must be there.
func (c *capture) time() int64 { return c.block.Frames[c.next].Time }

func (c *capture) before(d *capture) bool {
	t, u := c.time(), d.time()
	return t < u || t == u && c.rank < d.rank
}

// run returns how many frames come up to a time.
func (c *capture) run(limit int64) int {
	frames := c.block.Frames[c.next:]
	for i := range frames {
		if frames[i].Time > limit {
			return i
		}
	}
	return len(frames)
}

// give exchanges b for the block of c.
func (c *capture) give(b *packet.Block) {
	n := copy(c.block.Frames, c.block.Frames[c.next:])
	c.block.Frames = c.block.Frames[:n]
	*b, c.block = c.block, *b
	c.block.Frames = c.block.Frames[:0]
	c.next = 0
}

// copy appends n frames to b, of whose memory so many bytes are used, and
// returns how many are used then and whether no more frames fit.
func (c *capture) copy(b *packet.Block, n, used int) (int, bool) {
	for ; n > 0; n-- {
		frame := &c.block.Frames[c.next]
		end := used + len(frame.Data)
		if len(b.Frames) == 0 {
			space(b, max(blockSize, end))
		}
		if end > len(b.Buf) || len(b.Frames) == maxFrames {
			return used, true
		}
		data := b.Buf[used:end:end]
		copy(data, frame.Data)
		b.Frames = append(b.Frames, *frame)
		b.Frames[len(b.Frames)-1].Data = data
		c.next++
		used = end
	}
	return used, false
}
