package pcapfile

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// packedBuffer is how much compressed data is read at once.
	packedBuffer = 64 << 10

	// maxWindow is the farthest a zstd stream may refer back, which is the
	// memory it takes; it is also the limit of the zstd program. When many files
	// are open, more of them get smallWindow, which RFC 8878 section 3.1.1.1.2
	// asks decoders for.
	maxWindow   = 128 << 20
	smallWindow = 8 << 20
)

// errTrailing is met after a complete gzip stream.
var errTrailing = errors.New("what follows the compressed data is not compressed")

// gunzip reads one gzip stream after the other. Zeros after a stream are
// padding, as on tapes and by block-wise copies.
type gunzip struct {
	in *bufio.Reader
	z  *gzip.Reader
}

func newGunzip(r io.Reader) (*gunzip, error) {
	in := bufio.NewReaderSize(r, packedBuffer)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &gunzip{in, z}, nil
}

// Read implements io.Reader.
func (g *gunzip) Read(p []byte) (int, error) {
	for {
		n, err := g.z.Read(p)
		if err != io.EOF {
			return n, err
		}
		if n > 0 {
			return n, nil // the next stream may be long in coming
		}
		if err := g.next(); err != nil {
			return 0, err
		}
	}
}

// next starts the following stream.
func (g *gunzip) next() error {
	for {
		head, err := g.in.Peek(2)
		if len(head) == 0 {
			return err
		}
		if head[0] == 0 {
			g.in.Discard(1)
			continue
		}
		if !strings.HasPrefix(magicGzip, string(head)) {
			return errTrailing
		}
		err = g.z.Reset(g.in)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		g.z.Multistream(false)
		return err
	}
}

// unzstd reads zstd streams block by block. The decoder's own Read waits until
// its buffer is full, which would hold back the packets of a pipe; its WriteTo
// does not, so that is what runs, as a coroutine.
type unzstd struct {
	z    *zstd.Decoder
	next func() ([]byte, bool)
	stop func()
	rest []byte // of the current block
	err  error
}

func newUnzstd(r io.Reader, window uint64) (*unzstd, error) {
	z, err := zstd.NewReader(bufio.NewReaderSize(r, packedBuffer), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, err
	}
	u := &unzstd{z: z}
	u.next, u.stop = iter.Pull(func(yield func([]byte) bool) {
		if _, u.err = z.WriteTo(writerFunc(yield)); u.err == nil {
			u.err = io.EOF
		}
	})
	return u, nil
}

// Read implements io.Reader.
func (u *unzstd) Read(p []byte) (int, error) {
	for len(u.rest) == 0 {
		b, ok := u.next()
		if !ok {
			return 0, u.err
		}
		u.rest = b
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

func (u *unzstd) close() {
	u.stop()
	u.z.Close()
}

// writerFunc is an io.Writer that can be told to stop.
type writerFunc func([]byte) bool

func (f writerFunc) Write(p []byte) (int, error) {
	if !f(p) {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// packFault says what err, of a decompressor, means. Damage too may look to it
// like an early end: ended tells whether the input was read to its end.
func packFault(err error, ended bool) *fault {
	switch {
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return &fault{problem: "decompressing it takes too much memory at a time", err: err, hint: "decompress it first, as with zstd -d --long=31"}
	case ended && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)):
		return &fault{problem: "cut: the compressed data ends early", truncated: true, hint: hintCut}
	}
	return &fault{problem: "the compressed data is damaged", err: err, hint: "copy the file again from where it came"}
}
