// Package pcapfile reads captures from files and pipes, and writes them.
//
// The format is told by content, never by name: pcap (microseconds or
// nanoseconds, either byte order, and the modified records of magic
// 0xa1b2cd34), pcapng and snoop (RFC 1761), each as it is or inside gzip or
// zstd. [Open] reads one capture, [OpenAll] many in the order of time, and
// [Writer] writes pcap. A capture that breaks gives the frames before the break
// and then an [Error] that says where it broke.
//
// Frames are cut out of the block that was read; a frame is never copied on its
// own, and a reader allocates nothing once its block has grown.
//
// To add a format: 1. write a type with the method of decoder in a file of its
// own, as in snoop.go; 2. recognise its first bytes in newDecoder; 3. add a
// capture of it to the table of TestFormats and to the seeds of FuzzReader.
package pcapfile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync/atomic"

	"tyto/packet"
)

const (
	// MaxFrame is the most bytes a frame may have. It is beyond what any
	// interface delivers and keeps a damaged length from taking the memory.
	MaxFrame = 16 << 20

	// standardSnap is the snap length captures are made with unless told
	// otherwise. Files whose header promises less, or nothing, hold frames up to
	// it all the same.
	standardSnap = 256 << 10

	// blockSize is how much a block holds unless a frame is larger. Throughput
	// is flat from 64 KiB to 1 MiB; larger blocks leave the cache.
	blockSize = 256 << 10

	maxEmptyReads = 100 // as bufio: how often a reader may return nothing
)

// Reader reads one capture; it is a [packet.Source]. Its methods are for one
// goroutine, except Progress.
type Reader struct {
	name   string
	format string
	in     *input    // the bytes as they are stored
	src    io.Reader // the bytes of the capture
	close  func()    // releases the decompressor; nil if there is none
	dec    decoder

	fill bool // src is as fast as a disk: wait until a block is full
	room int  // bytes to read into a block

	tail   []byte // read and not decoded
	need   int    // length of the record at tail, as far as it is known
	skip   int64  // bytes to pass over after tail
	off    int64  // where tail starts in the capture
	frames uint64 // delivered
	end    error  // what src ended with
	err    error  // what ReadBlock returns from now on
}

// decoder knows one format of captures.
type decoder interface {
	// cut appends to b the frames that lie whole at the start of buf. It
	// consumes records only as a whole, does not look at records it consumed
	// again, and answers the same however the input is split over calls.
	cut(buf []byte, b *packet.Block) step
}

// step is how far a decoder came.
type step struct {
	used  int    // bytes consumed
	need  int    // bytes the next record has, as far as can be said; more than are left
	skip  int64  // bytes after buf that hold nothing; used is len(buf) then
	doubt bool   // need is more than the file promised to need at most
	fault *fault // why nothing can be read after the bytes consumed
}

const hintCut = "normal for a capture that is being written or was stopped hard"

// fault is damage in a capture.
type fault struct {
	problem, hint string // without a hint, the usual one for damage is given
	truncated     bool
	err           error
}

// Open opens the capture of that path; "-" is the standard input. An error is
// an [*Error].
func Open(path string) (*Reader, error) {
	in, err := openInput(path)
	if err != nil {
		return nil, err
	}
	return newReader(in)
}

// NewReader reads a capture from r; name is what errors call it. It reads the
// header of the capture, so it waits until one is there. Closing r is up to the
// caller. An error is an [*Error].
func NewReader(r io.Reader, name string) (*Reader, error) {
	in := &input{name: name, r: r, window: maxWindow}
	if f, ok := r.(*os.File); ok {
		in.measure(f)
	}
	return newReader(in)
}

func newReader(in *input) (*Reader, error) {
	r := &Reader{name: in.name, in: in, src: in, fill: in.regular, room: blockSize}
	if err := r.start(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Format returns what the capture is: "pcap", "pcapng" or "snoop", with " in
// gzip" or " in zstd" if it is compressed.
func (r *Reader) Format() string { return r.format }

// Progress returns how many bytes were read of how many the file has; total is
// 0 if that is not known. It may be called from any goroutine.
func (r *Reader) Progress() (read, total int64) { return r.in.read.Load(), r.in.size }

// Name is a host name that a capture says belongs to an address.
type Name struct {
	Addr packet.Addr
	Host string
}

// Names returns the pairs of the name resolution blocks read so far, at most
// [MaxNames] and each pair once. Valid until the next call of ReadBlock.
func (r *Reader) Names() []Name {
	if ng, ok := r.dec.(*pcapng); ok {
		return ng.names.list
	}
	return nil
}

// Close releases the file. A Reader of NewReader leaves its input open.
func (r *Reader) Close() error {
	if r.close != nil {
		r.close()
		r.close = nil
	}
	if r.err == nil {
		r.err = fs.ErrClosed
	}
	return r.in.close()
}

// ReadBlock implements [packet.Source]. From a pipe it returns as soon as a
// frame is whole, from a file once a block is full. A frame without a time of
// its own has that of the frame before it. An error other than io.EOF is an
// [*Error], and stays.
func (r *Reader) ReadBlock(b *packet.Block) error {
	b.Frames = b.Frames[:0]
	if r.err != nil {
		return r.err
	}
	buf := space(b, max(r.room, r.need, len(r.tail)))
	pos, end := 0, copy(buf, r.tail)
	// The first bytes of a pipe may hold frames, so it is read only after them.
	for read := r.fill; ; read = true {
		if read {
			end += r.read(buf[end:])
		}
		n := int(min(r.skip, int64(end-pos)))
		pos += n
		r.skip -= int64(n)
		r.off += int64(n)

		s := r.dec.cut(buf[pos:end], b)
		pos += s.used
		r.off += int64(s.used)
		r.need, r.skip = s.need, r.skip+s.skip
		if s.fault != nil {
			r.err = r.fail(s.fault, len(b.Frames))
			break
		}
		if len(b.Frames) > 0 {
			break
		}
		if r.end != nil {
			r.err = r.finish(end-pos, s.doubt)
			break
		}
		// No frame refers to buf yet, so it may move.
		end = copy(buf, buf[pos:end])
		pos = 0
		if r.need > len(buf) {
			old := buf[:end]
			buf = space(b, r.need)
			copy(buf, old)
		}
	}
	r.tail = append(r.tail[:0], buf[pos:end]...)
	r.frames += uint64(len(b.Frames))
	if len(b.Frames) > 0 {
		return nil
	}
	return r.err
}

// space returns n bytes of the block's memory, which grows if it must.
func space(b *packet.Block, n int) []byte {
	if cap(b.Buf) < n {
		b.Buf = make([]byte, n)
	}
	b.Buf = b.Buf[:n]
	return b.Buf
}

// read reads into p, as much as fits if the source is a file, and sets r.end
// when nothing follows.
func (r *Reader) read(p []byte) int {
	n := 0
	for empty := 0; n < len(p) && r.end == nil; {
		m, err := r.src.Read(p[n:])
		n += m
		if empty++; m > 0 {
			empty = 0
		}
		if err == nil && empty > maxEmptyReads {
			err = io.ErrNoProgress
		}
		r.end = err
		if m > 0 && !r.fill {
			break
		}
	}
	return n
}

// finish returns what ReadBlock ends with when rest bytes of the input were not
// decoded and no more follow. A last record is doubtful that is longer than the
// file says records are: its length is damaged rather than the file cut.
func (r *Reader) finish(rest int, doubt bool) error {
	if r.end == io.EOF && rest == 0 && r.skip == 0 {
		return io.EOF
	}
	f := &fault{truncated: true, hint: hintCut}
	switch {
	case r.end == io.EOF && doubt:
		f = &fault{problem: fmt.Sprintf("the next packet claims to take %d bytes, of which %d are there; that is more than the snap length, so the length is wrong", r.need, rest)}
	case r.end == io.EOF && rest == 0:
		f.problem = fmt.Sprintf("cut: %d more bytes should follow", r.skip)
	case r.end == io.EOF:
		f.problem = fmt.Sprintf("cut: the next record has at least %d bytes, of which %d are there", r.need, rest)
	case r.in.err == nil && r.close != nil:
		f = packFault(r.end, r.in.ended)
	default:
		f = &fault{problem: "reading breaks off", err: r.end, hint: "check the disk or the network it comes from"}
	}
	return r.fail(f, 0)
}

// fail returns the error for a fault after the delivered frames and n more.
func (r *Reader) fail(f *fault, n int) error {
	e := &Error{Name: r.name, Problem: f.problem, Hint: f.hint, Err: f.err, Truncated: f.truncated,
		Offset: r.off, Frames: r.frames + uint64(n), Unpacked: r.close != nil}
	if e.Hint == "" {
		e.Hint = "the file is damaged from there on: copy it again, or repair it with a tool such as pcapfix"
	}
	if e.Frames > 0 {
		e.Hint += "; what comes before was read"
	}
	return e
}

// input is a file or another stream of bytes as stored, compressed or not.
type input struct {
	name    string
	path    string // to open the file by; empty if that is not possible
	r       io.Reader
	file    *os.File // r, if it is to be closed
	regular bool
	size    int64 // bytes of a regular file, otherwise 0
	read    atomic.Int64
	shared  *atomic.Int64 // counts for several inputs; may be nil
	park    bool          // hold no descriptor between reads
	window  uint64        // memory a decompressor may take for its window
	ended   bool          // io.EOF was met
	err     error         // of reading, if it was another
}

func openInput(path string) (*input, error) {
	in := &input{name: path, path: path, window: maxWindow}
	if path == "-" {
		in.name, in.path, in.r = "standard input", "", os.Stdin
		in.measure(os.Stdin)
		return in, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	in.r, in.file = f, f
	if fi := in.measure(f); fi != nil && fi.IsDir() {
		f.Close()
		return nil, &Error{Name: path, Problem: "is a directory", Hint: "name the captures in it"}
	}
	return in, nil
}

// measure sets whether in is a regular file, and how many bytes it has left.
func (in *input) measure(f *os.File) fs.FileInfo {
	fi, err := f.Stat()
	if err != nil {
		return nil
	}
	if in.regular = fi.Mode().IsRegular(); in.regular {
		in.size = fi.Size()
		if at, err := f.Seek(0, io.SeekCurrent); err == nil {
			in.size = max(in.size-at, 0)
		}
	}
	return fi
}

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	n, err := in.readOnce(p)
	switch err {
	case nil:
	case io.EOF:
		in.ended = true
	default:
		in.err = err
	}
	in.count(int64(n))
	return n, err
}

func (in *input) readOnce(p []byte) (int, error) {
	if in.r == nil {
		f, err := os.Open(in.path)
		if err != nil {
			return 0, err
		}
		in.r, in.file = f, f
		if _, err := f.Seek(in.read.Load(), io.SeekStart); err != nil {
			return 0, err
		}
	}
	n, err := in.r.Read(p)
	if in.park && err == nil {
		in.r = nil
		err = in.close()
	}
	return n, err
}

func (in *input) count(n int64) {
	in.read.Add(n)
	if in.shared != nil {
		in.shared.Add(n)
	}
}

func (in *input) close() error {
	f := in.file
	if f == nil {
		return nil
	}
	in.file = nil
	return f.Close()
}

// nameSet is a list of names without repetition.
type nameSet struct {
	list []Name
	seen map[Name]struct{}
}

// Limits of the names that are kept.
const (
	MaxNames    = 10000
	maxHostName = 255 // RFC 1035 section 2.3.4
)

func (s *nameSet) add(n Name) {
	if len(s.list) >= MaxNames {
		return
	}
	if _, ok := s.seen[n]; ok {
		return
	}
	if s.seen == nil {
		s.seen = make(map[Name]struct{})
	}
	s.seen[n] = struct{}{}
	s.list = append(s.list, n)
}

func (s *nameSet) addAll(names []Name) {
	for n := range slices.Values(names) {
		s.add(n)
	}
}
