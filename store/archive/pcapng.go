package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"tyto/packet"
)

// CaptureWriter writes packets as pcapng (draft-ietf-opsawg-pcapng): times to the
// nanosecond, an interface for each link type, and the session of each packet as
// its comment.
type CaptureWriter struct {
	out        io.Writer
	interfaces map[packet.LinkType]uint32
	buf        []byte
	begun      bool
}

// NewCaptureWriter returns a CaptureWriter to out.
func NewCaptureWriter(out io.Writer) *CaptureWriter {
	return &CaptureWriter{out: out, interfaces: make(map[packet.LinkType]uint32)}
}

// Block types and options.
const (
	sectionBlock   = 0x0a0d0d0a
	interfaceBlock = 1
	packetBlock    = 6

	optEnd     = 0
	optComment = 1
	optApp     = 4 // shb_userappl
	optTSResol = 9 // if_tsresol
)

// ErrTime says that pcapng cannot hold a time before 1970.
var ErrTime = errors.New("a capture file cannot hold a time before 1970")

// Write writes a packet.
func (w *CaptureWriter) Write(p *Packet) error {
	if p.Time < 0 {
		return fmt.Errorf("write packet: %w", ErrTime)
	}
	w.buf = w.buf[:0]
	w.begin()
	number, ok := w.interfaces[p.Link]
	if !ok {
		number = uint32(len(w.interfaces))
		w.interfaces[p.Link] = number
		w.block(interfaceBlock, func(b []byte) []byte {
			b = binary.LittleEndian.AppendUint16(b, uint16(p.Link))
			b = append(b, 0, 0, 0, 0, 0, 0) // reserved; no snap length
			return appendOption(appendOption(b, optTSResol, []byte{9}), optEnd, nil)
		})
	}
	w.block(packetBlock, func(b []byte) []byte {
		le := binary.LittleEndian
		b = le.AppendUint32(b, number)
		b = le.AppendUint32(b, uint32(uint64(p.Time)>>32))
		b = le.AppendUint32(b, uint32(p.Time))
		b = le.AppendUint32(b, uint32(len(p.Data)))
		b = le.AppendUint32(b, p.Wire)
		b = pad(append(b, p.Data...))
		if p.UID == "" {
			return b
		}
		return appendOption(appendOption(b, optComment, []byte(p.UID)), optEnd, nil)
	})
	if _, err := w.out.Write(w.buf); err != nil {
		return fmt.Errorf("write packet: %w", err)
	}
	return nil
}

// Close makes a capture of no packets a valid one. It leaves out open.
func (w *CaptureWriter) Close() error {
	w.buf = w.buf[:0]
	w.begin()
	if len(w.buf) == 0 {
		return nil
	}
	if _, err := w.out.Write(w.buf); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	return nil
}

// begin appends the section header, once.
func (w *CaptureWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	w.block(sectionBlock, func(b []byte) []byte {
		le := binary.LittleEndian
		b = le.AppendUint32(b, 0x1a2b3c4d)
		b = le.AppendUint16(b, 1)
		b = le.AppendUint16(b, 0)
		b = le.AppendUint64(b, 1<<64-1) // section length is not given
		return appendOption(appendOption(b, optApp, []byte("tyto")), optEnd, nil)
	})
}

// block appends a block around its body.
func (w *CaptureWriter) block(kind uint32, body func([]byte) []byte) {
	le := binary.LittleEndian
	from := len(w.buf)
	w.buf = body(append(le.AppendUint32(w.buf, kind), 0, 0, 0, 0))
	total := uint32(len(w.buf) - from + 4)
	le.PutUint32(w.buf[from+4:], total)
	w.buf = le.AppendUint32(w.buf, total)
}

func appendOption(b []byte, code uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...))
}

// pad fills up to a multiple of four; blocks begin at one.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
