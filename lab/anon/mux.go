package anon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// frames is what a mux is carried by: messages of at most 64 kB that arrive
// whole and in order. write may be called by several goroutines.
type frames interface {
	read() ([]byte, error)
	write([]byte) error
	Close() error
}

// Kinds of a mux's frames. A frame is the kind, the stream's number (four
// bytes, big-endian; 0 for pings), and for muxOpen the name of the target, for
// muxData what is sent.
const (
	muxOpen = iota + 1
	muxData
	muxEnd   // no more data comes this way
	muxReset // nobody wants more
	muxPing
	muxPong
)

const (
	muxHeader = 5
	muxMost   = 16 << 10 // bytes of data in a frame
)

// mux carries many streams over one connection. One side opens streams, the
// other accepts them. Who does not read a stream holds up all others.
type mux struct {
	conn frames
	// accept is called, in a goroutine of its own, with each stream that the
	// other side opens.
	accept func(s *muxStream, target string)

	mu      sync.Mutex
	streams map[uint32]*muxStream
	last    uint32
}

func newMux(conn frames, accept func(*muxStream, string)) *mux {
	return &mux{conn: conn, accept: accept, streams: make(map[uint32]*muxStream)}
}

// run reads frames until the connection ends; io.EOF is no error.
func (m *mux) run() error {
	err := m.serve()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.streams {
		s.in.CloseWithError(io.ErrUnexpectedEOF)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (m *mux) serve() error {
	for {
		frame, err := m.conn.read()
		if err != nil {
			return err
		}
		if len(frame) < muxHeader {
			return fmt.Errorf("a frame of %d bytes is too short", len(frame))
		}
		if err := m.handle(frame[0], binary.BigEndian.Uint32(frame[1:]), frame[muxHeader:]); err != nil {
			return err
		}
	}
}

func (m *mux) handle(kind byte, id uint32, data []byte) error {
	m.mu.Lock()
	s := m.streams[id]
	m.mu.Unlock()
	switch {
	case kind == muxPing:
		return m.send(muxPong, 0, nil)
	case kind == muxPong:
		return nil
	case kind == muxOpen:
		if s != nil || m.accept == nil {
			return fmt.Errorf("stream %d may not be opened", id)
		}
		go m.accept(m.add(id), string(data))
	case s == nil:
		return nil // it was closed here while this was under way
	case kind == muxData:
		s.in.Write(data) // nobody reads it if it was closed
	case kind == muxEnd:
		s.in.Close()
	case kind == muxReset:
		s.in.CloseWithError(io.ErrClosedPipe)
	default:
		return fmt.Errorf("there is no frame of kind %d", kind)
	}
	return nil
}

func (m *mux) send(kind byte, id uint32, data []byte) error {
	frame := binary.BigEndian.AppendUint32([]byte{kind}, id)
	return m.conn.write(append(frame, data...))
}

// open opens a stream to a target that the other side knows.
func (m *mux) open(target string) (*muxStream, error) {
	m.mu.Lock()
	m.last++
	id := m.last
	m.mu.Unlock()
	s := m.add(id)
	return s, m.send(muxOpen, id, []byte(target))
}

// ping asks the other side for a sign of life.
func (m *mux) ping() error { return m.send(muxPing, 0, nil) }

func (m *mux) add(id uint32) *muxStream {
	out, in := io.Pipe()
	s := &muxStream{PipeReader: out, in: in, m: m, id: id}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.streams[id] = s
	return s
}

// muxStream is a connection inside a mux.
type muxStream struct {
	*io.PipeReader
	in *io.PipeWriter
	m  *mux
	id uint32
}

// Write sends data.
func (s *muxStream) Write(data []byte) (n int, err error) {
	for len(data) > 0 {
		part := data[:min(len(data), muxMost)]
		if err := s.m.send(muxData, s.id, part); err != nil {
			return n, err
		}
		n += len(part)
		data = data[len(part):]
	}
	return n, nil
}

// CloseWrite says that no more comes.
func (s *muxStream) CloseWrite() error { return s.m.send(muxEnd, s.id, nil) }

// Close ends both directions. Closing again does nothing.
func (s *muxStream) Close() error {
	s.m.mu.Lock()
	known := s.m.streams[s.id] == s
	delete(s.m.streams, s.id)
	s.m.mu.Unlock()
	if !known {
		return nil
	}
	s.PipeReader.Close()
	return s.m.send(muxReset, s.id, nil)
}
