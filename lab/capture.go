package lab

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"tyto/lab/label"
	"tyto/packet"
	"tyto/packet/pcapfile"
)

// capture is the file that the sensor writes. The wire's thread adds frames,
// perhaps with times that are still to come, and encodes them when no earlier
// one can follow; another goroutine writes, so that a slow disk does not make
// packets late.
type capture struct {
	waiting timeline[[]byte]
	memory  *memory
	pcap    *pcapfile.Writer
	spool   *spool
	packets int64
	bytes   int64
	t0, t1  label.Time // of the first frame and the last
	limit   int64      // most bytes
	err     error
}

func newCapture(file *os.File, m *memory, limit int64) *capture {
	s := &spool{file: file, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run()
	return &capture{memory: m, pcap: pcapfile.NewWriter(s, packet.LinkEthernet, true), spool: s, limit: limit}
}

// add takes a frame, from memory, that the sensor sees at a time.
func (c *capture) add(at label.Time, frame []byte) {
	c.waiting.add(at, frame)
	if c.packets == 0 || at < c.t0 {
		c.t0 = at
	}
	c.t1 = max(c.t1, at)
	c.packets++
	c.bytes += int64(len(frame))
	if c.bytes > c.limit && c.err == nil {
		c.err = fmt.Errorf("the capture is larger than %d bytes", c.limit)
	}
}

// flush encodes what was seen until then.
func (c *capture) flush(until label.Time) {
	for {
		at, ok := c.waiting.next()
		if !ok || at > until {
			return
		}
		frame := c.waiting.take()
		err := c.pcap.Write(&packet.Frame{Time: int64(at), Link: packet.LinkEthernet, Data: frame, Wire: uint32(len(frame))})
		c.memory.put(frame)
		if err != nil && c.err == nil {
			c.err = err
		}
	}
}

// close writes all that is left and waits for it.
func (c *capture) close() error {
	c.flush(1<<63 - 1)
	return errors.Join(c.err, c.pcap.Flush(), c.spool.close())
}

// spool writes a file in another goroutine. Write never waits for it.
type spool struct {
	file  *os.File
	local []byte // of the goroutine that calls Write
	wake  chan struct{}
	done  chan struct{}

	mu    sync.Mutex
	ready []byte // to be written
	err   error
}

// maxSpool is how far the disk may be behind.
const maxSpool = 512 << 20

func (s *spool) Write(b []byte) (int, error) {
	s.local = append(s.local, b...)
	if len(s.local) > maxSpool {
		return 0, errors.New("the disk is too slow for the capture")
	}
	if s.mu.TryLock() {
		if len(s.ready) == 0 {
			s.ready, s.local = s.local, s.ready
		}
		err := s.err
		s.mu.Unlock()
		select {
		case s.wake <- struct{}{}:
		default:
		}
		if err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (s *spool) run() {
	defer close(s.done)
	var data []byte
	for range s.wake {
		s.mu.Lock()
		data, s.ready = s.ready, data[:0]
		s.mu.Unlock()
		if _, err := s.file.Write(data); err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
		}
	}
}

// close waits until all is written. Write must not be called any more.
func (s *spool) close() error {
	close(s.wake)
	<-s.done
	for _, rest := range [][]byte{s.ready, s.local} {
		if _, err := s.file.Write(rest); err != nil && s.err == nil {
			s.err = err
		}
	}
	return s.err
}

// timeline holds values until their time; those of the same time come in the
// order they were added.
type timeline[T any] struct {
	events []timed[T] // a heap
	added  uint64
}

type timed[T any] struct {
	at    label.Time
	order uint64
	value T
}

func (t *timeline[T]) len() int { return len(t.events) }

func (t *timeline[T]) before(i, j int) bool {
	a, b := &t.events[i], &t.events[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (t *timeline[T]) swap(i, j int) { t.events[i], t.events[j] = t.events[j], t.events[i] }

func (t *timeline[T]) add(at label.Time, value T) {
	t.added++
	t.events = append(t.events, timed[T]{at, t.added, value})
	for i := len(t.events) - 1; i > 0 && t.before(i, (i-1)/2); i = (i - 1) / 2 {
		t.swap(i, (i-1)/2)
	}
}

// next is the time of the value that take returns; ok is false if there is none.
func (t *timeline[T]) next() (at label.Time, ok bool) {
	if len(t.events) == 0 {
		return 0, false
	}
	return t.events[0].at, true
}

func (t *timeline[T]) take() T {
	first, last := t.events[0], len(t.events)-1
	t.events[0] = t.events[last]
	t.events[last] = timed[T]{}
	t.events = t.events[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < last && t.before(child+1, child) {
			child++
		}
		if child >= last || !t.before(child, i) {
			return first.value
		}
		t.swap(i, child)
		i = child
	}
}

// memory keeps buffers for frames: memory that is new costs the wire's thread
// time, since the kernel has to find it and the garbage collector to clean it.
// It is for one goroutine at a time.
type memory struct{ small, large [][]byte }

const (
	smallFrame = 2 << 10
	largeFrame = 64 << 10
)

// get returns n bytes, with anything in them.
func (m *memory) get(n int) []byte {
	free, size := &m.small, smallFrame
	if n > smallFrame {
		free, size = &m.large, largeFrame
	}
	if last := len(*free) - 1; last >= 0 {
		b := (*free)[last]
		*free = (*free)[:last]
		return b[:n]
	}
	return make([]byte, n, max(n, size))
}

// put takes back what get returned.
func (m *memory) put(b []byte) {
	switch cap(b) {
	case smallFrame:
		m.small = append(m.small, b)
	case largeFrame:
		m.large = append(m.large, b)
	}
}
