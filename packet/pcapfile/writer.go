package pcapfile

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"tyto/packet"
)

// Writer writes a pcap file.
type Writer struct {
	w      *bufio.Writer
	link   packet.LinkType
	unit   int64 // nanoseconds in a unit of the second time field
	record [recordHeader]byte
	err    error
}

// NewWriter returns a Writer of frames of one link type to w, with times in
// nanoseconds or else in microseconds. The file's header is written at once,
// which is to the buffer: an error comes from a later call.
func NewWriter(w io.Writer, link packet.LinkType, nanos bool) *Writer {
	p := &Writer{w: bufio.NewWriterSize(w, blockSize), link: link, unit: 1000}
	magic := uint32(magicMicros)
	if nanos {
		magic, p.unit = magicNanos, 1
	}
	var h [classicHeader]byte
	le := binary.LittleEndian
	le.PutUint32(h[0:], magic)
	le.PutUint16(h[4:], 2)
	le.PutUint16(h[6:], 4)
	le.PutUint32(h[16:], standardSnap)
	le.PutUint32(h[20:], uint32(link))
	_, p.err = p.w.Write(h[:])
	return p
}

// Write adds a frame, of which it keeps nothing. Frames of more than 262,144
// bytes are cut there. Times that the format cannot express, before 1970 and
// after 2106, become the nearest that it can. A frame of another link type is
// an error, and is not written.
func (w *Writer) Write(f *packet.Frame) error {
	if f.Link != w.link {
		return fmt.Errorf("write pcap: a frame of link type %d in a file of link type %d", f.Link, w.link)
	}
	if w.err != nil {
		return w.err
	}
	data := f.Data[:min(len(f.Data), standardSnap)]
	t := min(max(f.Time, 0), math.MaxUint32*1e9+999_999_999)
	le := binary.LittleEndian
	le.PutUint32(w.record[0:], uint32(t/1e9))
	le.PutUint32(w.record[4:], uint32(t%1e9/w.unit))
	le.PutUint32(w.record[8:], uint32(len(data)))
	le.PutUint32(w.record[12:], max(f.Wire, uint32(len(data))))
	w.w.Write(w.record[:])
	if _, err := w.w.Write(data); err != nil {
		w.err = fmt.Errorf("write pcap: %w", err)
	}
	return w.err
}

// Flush writes what is buffered. Without it the end of the file is missing.
func (w *Writer) Flush() error {
	if w.err == nil {
		if err := w.w.Flush(); err != nil {
			w.err = fmt.Errorf("write pcap: %w", err)
		}
	}
	return w.err
}
