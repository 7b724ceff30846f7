package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Reader reads an archive, also while it is written. It is for one goroutine.
type Reader struct {
	dir     string
	cached  map[uint32]cached
	stored  []byte
	content []byte
}

// cached is the index of a segment of a length.
type cached struct {
	bytes int64
	index *index
	bad   []error
}

// Open returns a Reader of the archive in a directory.
func Open(dir string) (*Reader, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open packet archive: %w", err)
	}
	return &Reader{dir: dir, cached: make(map[uint32]cached)}, nil
}

// Segments returns what there is, oldest first. Files that are no segments are
// left out, and damaged blocks are left out of the figures.
func (r *Reader) Segments() ([]Segment, error) {
	list, err := numbers(r.dir)
	if err != nil {
		return nil, fmt.Errorf("list packet archive: %w", err)
	}
	var all []Segment
	for _, n := range list {
		x, err := r.index(n)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrForeign) {
			continue // removed meanwhile, or not ours
		}
		if err != nil {
			return nil, fmt.Errorf("list packet archive: %w", err)
		}
		s := Segment{Number: n, Bytes: x.bytes}
		if info, err := os.Stat(indexPath(segmentPath(r.dir, n))); err == nil {
			s.Bytes += info.Size()
		}
		for i, b := range x.index.blocks {
			if i == 0 {
				s.First, s.Last = b.first, b.last
			}
			s.First, s.Last = min(s.First, b.first), max(s.Last, b.last)
			s.Packets += uint64(b.packets)
		}
		all = append(all, s)
	}
	return all, nil
}

// Sessions calls yield with the packets of sessions, and of those they carried,
// in the order they were kept; IP fragments of their datagrams among them, with
// the UID of the session. After and before limit where is looked for them, in
// ns; 0 is no limit. A packet is valid until yield returns. An error of yield
// ends it and is returned; what is damaged is passed over and returned at the
// end.
func (r *Reader) Sessions(ctx context.Context, uids []string, after, before int64, yield func(*Packet) error) error {
	wanted := make(map[string]bool, len(uids))
	for _, uid := range uids {
		wanted[uid] = uid != "" && !strings.HasPrefix(uid, datagramPrefix)
	}
	found := pieces{of: make(map[string][]completion)}
	theirs := false // the packet at hand is of the sessions
	choose := func(list []carried) func(uint64) bool {
		yes := chosen(list, func(uid string) bool { return wanted[uid] })
		return func(session uint64) bool {
			theirs = yes[session]
			return theirs || session > 0 && len(found.of[list[session-1].uid]) > 0
		}
	}
	blocks := func(x *index) []uint32 {
		return x.holding(func(uid []byte) bool {
			return wanted[string(uid)] || len(found.of) > 0 && len(found.of[string(uid)]) > 0
		})
	}
	if err := r.read(ctx, after, before, blocks, choose, found.note); err != nil && !isDamage(err) {
		return err
	}
	if after != 0 && len(found.of) > 0 {
		after = max(after-fragmentTime, 1)
	}
	return errors.Join(r.read(ctx, after, before, blocks, choose, func(p *Packet) error {
		if theirs || found.adopt(p) {
			return yield(p)
		}
		return nil
	}), found.err)
}

// isDamage reports whether an error says that a part could not be read, which
// the others were.
func isDamage(err error) bool {
	var d *Damage
	return errors.As(err, &d) || errors.Is(err, ErrForeign)
}

// Scan is Sessions for all packets with after <= time < before.
func (r *Reader) Scan(ctx context.Context, after, before int64, yield func(*Packet) error) error {
	return r.read(ctx, after, before, func(x *index) []uint32 {
		list := make([]uint32, len(x.blocks))
		for i := range list {
			list[i] = uint32(i)
		}
		return list
	}, func([]carried) func(uint64) bool { return func(uint64) bool { return true } }, func(p *Packet) error {
		if p.Time < after && after != 0 || p.Time >= before && before != 0 {
			return nil
		}
		return yield(p)
	})
}

// read passes over the blocks that blocks chooses of each segment.
func (r *Reader) read(ctx context.Context, after, before int64, blocks func(*index) []uint32, choose func([]carried) func(uint64) bool, yield func(*Packet) error) error {
	list, err := numbers(r.dir)
	if err != nil {
		return fmt.Errorf("read packets: %w", err)
	}
	var damage []error
	for _, n := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		x, err := r.index(n)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			damage = append(damage, err)
			continue
		}
		damage = append(damage, x.bad...)
		chosen := slices.DeleteFunc(slices.Clone(blocks(x.index)), func(i uint32) bool { return !x.index.blocks[i].overlaps(after, before) })
		bad, err := r.segment(ctx, n, x.index, chosen, choose, yield)
		if err != nil {
			return err
		}
		damage = append(damage, bad...)
	}
	return errors.Join(damage...)
}

// segment reads blocks of a segment; err is yield's, bad what is damaged.
func (r *Reader) segment(ctx context.Context, n uint32, x *index, chosen []uint32, choose func([]carried) func(uint64) bool, yield func(*Packet) error) (bad []error, err error) {
	if len(chosen) == 0 {
		return nil, nil
	}
	f, err := os.Open(segmentPath(r.dir, n))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read packets: %w", err)
	}
	defer f.Close()
	for _, i := range chosen {
		if err := ctx.Err(); err != nil {
			return bad, err
		}
		b := &x.blocks[i]
		var stopped error
		content, err := r.load(f, b)
		if err == nil {
			err = b.each(content, choose, func(p *Packet) error {
				stopped = yield(p)
				return stopped
			})
		}
		if stopped != nil {
			return bad, stopped
		}
		if err != nil {
			bad = append(bad, &Damage{f.Name(), b.offset, err.Error()})
		}
	}
	return bad, nil
}

// load reads the content of a block.
func (r *Reader) load(f io.ReaderAt, b *blockInfo) ([]byte, error) {
	r.stored = slices.Grow(r.stored[:0], int(b.stored))[:b.stored]
	if _, err := f.ReadAt(r.stored, b.offset+blockHeader); err != nil {
		return nil, fmt.Errorf("a block cannot be read: %w", err)
	}
	content, err := b.unpack(r.stored, r.content)
	if b.codec == 1 && err == nil {
		r.content = content
	}
	return content, err
}

// index returns the index of a segment: the one beside it, or one made by
// reading it.
func (r *Reader) index(n uint32) (cached, error) {
	path := segmentPath(r.dir, n)
	info, err := os.Stat(path)
	if err != nil {
		return cached{}, err
	}
	if c, ok := r.cached[n]; ok && c.bytes == info.Size() {
		return c, nil
	}
	c := cached{bytes: info.Size()}
	if c.index, err = readIndex(indexPath(path), info.Size()); err != nil {
		if c.index, c.bad, err = r.rebuild(path, info.Size()); err != nil {
			return cached{}, err
		}
	}
	r.cached[n] = c
	return c, nil
}

// rebuild makes the index of a segment. A block that ends after the segment
// does is being written, or its writer died.
func (r *Reader) rebuild(path string, size int64) (*index, []error, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	head := make([]byte, len(segmentMagic))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("read packets: %w", err)
	}
	if string(head) != segmentMagic && size > 0 {
		return nil, nil, fmt.Errorf("%s is %w; nothing was changed; move it out of the directory", filepath.Base(path), ErrForeign)
	}
	x := &index{sessions: make(map[string][]uint32)}
	var bad []error
	for at := int64(len(segmentMagic)); at < size; {
		b, ok := headerAt(f, at)
		if !ok {
			next := search(f, at+1, size)
			if next < size || size-at >= blockHeader {
				bad = append(bad, &Damage{path, at, "no block begins here"})
			}
			at = next
			continue
		}
		if b.end() > size {
			break
		}
		if list, err := r.sessionsOf(f, &b); err != nil {
			bad = append(bad, &Damage{path, at, err.Error()})
		} else {
			x.add(b, list)
		}
		at = b.end()
	}
	return x, bad, nil
}

// sessionsOf reads which sessions a block has.
func (r *Reader) sessionsOf(f io.ReaderAt, b *blockInfo) (list []carried, err error) {
	content, err := r.load(f, b)
	if err != nil {
		return nil, err
	}
	c := cursor{b: content}
	c.int()
	list = c.sessions()
	if c.failed {
		return nil, errContent
	}
	return list, nil
}

func headerAt(f io.ReaderAt, at int64) (blockInfo, bool) {
	var h [blockHeader]byte
	if _, err := f.ReadAt(h[:], at); err != nil {
		return blockInfo{}, false
	}
	return parseHeader(h[:], at)
}

// search returns where the next header of a block is, or size.
func search(f io.ReaderAt, from, size int64) int64 {
	window := make([]byte, 64<<10)
	for from < size {
		n, err := f.ReadAt(window[:min(int64(len(window)), size-from)], from)
		if n < blockHeader || err != nil && !errors.Is(err, io.EOF) {
			return size
		}
		at := 0
		for {
			i := bytes.Index(window[at:n], []byte(blockMagic))
			if i < 0 {
				break
			}
			if _, ok := headerAt(f, from+int64(at+i)); ok {
				return from + int64(at+i)
			}
			at += i + 1
		}
		from += int64(n - len(blockMagic) + 1) // the magic may lie across the end
	}
	return size
}
