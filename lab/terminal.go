package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tyto/lab/label"
	"tyto/lab/typist"
)

// expectTimeout is how long an answer may take.
const expectTimeout = 30 * time.Second

// Terminal is a process on a pseudo-terminal, and the person before it.
type Terminal struct {
	*Process
	master *os.File
	rng    *rand.Rand

	mu      sync.Mutex
	keys    []label.Time
	at      int64 // bytes of output that Expect has passed
	total   int64 // bytes of output
	first   label.Time
	last    label.Time    // when output came
	changed chan struct{} // closed when output comes or the process ends
}

// Terminal starts a program on a terminal of a size in columns and rows
// ("80x24").
func (h *Host) Terminal(ctx context.Context, c Command, size string) (*Terminal, error) {
	p, q := h.newProcess(c)
	q.PTY = true
	if _, err := fmt.Sscanf(size, "%dx%d", &q.Cols, &q.Rows); err != nil || q.Cols == 0 || q.Rows == 0 {
		return nil, fmt.Errorf("terminal size %q, want one like 80x24", size)
	}
	p.started = h.run.Now()
	r, err := h.ask(q, p)
	if err != nil {
		return nil, err
	}
	if len(r.fds) != 1 {
		closeAll(r.fds)
		return nil, fmt.Errorf("host %s: no terminal came", h.name)
	}
	unix.SetNonblock(r.fds[0], true)
	p.pid = r.Pid
	h.mu.Lock()
	h.terminals++
	name := fmt.Sprintf("terminal %s %d", h.name, h.terminals)
	h.mu.Unlock()
	t := &Terminal{Process: p, master: os.NewFile(uintptr(r.fds[0]), "terminal"), rng: h.run.NewRand(name), changed: make(chan struct{})}
	p.files = []*os.File{t.master}
	p.output.Go(t.read)
	p.endWith(ctx)
	return t, nil
}

func (t *Terminal) read() {
	buf := make([]byte, 32<<10)
	for {
		n, err := t.master.Read(buf)
		t.mu.Lock()
		if n > 0 {
			t.out.Write(buf[:n])
			t.last = t.host.run.Now()
			if t.first == 0 {
				t.first = t.last
			}
			t.total += int64(n)
		}
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Type types text with human timing, and returns when the last key is pressed.
// A newline is the Enter key.
func (t *Terminal) Type(ctx context.Context, ty *typist.Typist, text string) error {
	return t.Press(ctx, ty.Keys(text, t.rng))
}

// Paste pastes text as the clipboard would.
func (t *Terminal) Paste(ctx context.Context, ty *typist.Typist, text string) error {
	return t.Press(ctx, ty.Paste(text, t.rng))
}

// Press presses keys, each after its delay.
func (t *Terminal) Press(ctx context.Context, keys []typist.Key) error {
	for _, k := range keys {
		if err := sleep(ctx, k.Delay); err != nil {
			return err
		}
		data := k.Bytes
		if k.Pasted && t.bracketed() {
			data = slices.Concat([]byte("\x1b[200~"), data, []byte("\x1b[201~"))
		}
		t.mu.Lock()
		t.keys = append(t.keys, t.host.run.Now())
		t.mu.Unlock()
		if _, err := t.master.Write(data); err != nil {
			return fmt.Errorf("host %s: type to %s: %w\n%s", t.host.name, t.what(), err, t.lastWords())
		}
	}
	return nil
}

// bracketed reports whether the program asked for marks around what is pasted.
func (t *Terminal) bracketed() bool {
	out := t.out.bytes()
	return bytes.LastIndex(out, []byte("\x1b[?2004h")) > bytes.LastIndex(out, []byte("\x1b[?2004l"))
}

// Expect waits until what came back since the last Expect matches, and returns
// what came up to the end of the match. It fails when the process has ended,
// when ctx ends, and after 30 seconds.
func (t *Terminal) Expect(ctx context.Context, pattern *regexp.Regexp) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, expectTimeout)
	defer cancel()
	for {
		t.mu.Lock()
		data, end := t.out.since(t.at)
		if m := pattern.FindIndex(data); m != nil {
			t.at = end - int64(len(data)-m[1])
			t.mu.Unlock()
			return data[:m[1]], nil
		}
		changed := t.changed
		t.mu.Unlock()
		if err := t.wait(ctx, changed); err != nil {
			return nil, fmt.Errorf("host %s: %s: %w before %s came; last came\n%s", t.host.name, t.what(), err, pattern, t.lastWords())
		}
	}
}

// wait waits for output.
func (t *Terminal) wait(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	default:
	}
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.done:
		// Its last words may still be on their way.
		select {
		case <-changed:
			return nil
		case <-time.After(time.Second):
			return io.EOF
		}
	}
}

// Quiet waits until nothing came back for d. It fails after 30 seconds.
func (t *Terminal) Quiet(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, expectTimeout)
	defer cancel()
	for {
		t.mu.Lock()
		changed := t.changed
		t.mu.Unlock()
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
			return nil
		case <-t.done:
			timer.Stop()
			return nil
		case <-changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("host %s: %s: still prints: %w", t.host.name, t.what(), ctx.Err())
		}
	}
}

// KeyTimes are the times at which keys were pressed.
func (t *Terminal) KeyTimes() []label.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.keys)
}

// listen begins a new answer: arrived tells when its output came.
func (t *Terminal) listen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.first = 0
}

// arrived returns when the first and the last output came since listen; ok is
// false if none did.
func (t *Terminal) arrived() (first, last label.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.first, t.last, t.first != 0
}
