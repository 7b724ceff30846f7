package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tyto/lab/label"
)

// maxOutput is how much of a program's output is kept.
const maxOutput = 16 << 20

// Process is a program that was started on a host.
type Process struct {
	host    *Host
	args    []string
	pid     int
	mark    string // in its environment, and so in that of what it starts
	started label.Time
	out     tail
	done    chan struct{}
	status  int            // valid when done is closed
	output  sync.WaitGroup // of what reads its output
	files   []*os.File     // ours
}

// markVar carries Process.mark; it is the variable with which systemd marks
// what a service starts.
const markVar = "INVOCATION_ID"

func (h *Host) newProcess(c Command) (*Process, agentRequest) {
	p := &Process{
		host: h, args: c.Args, done: make(chan struct{}),
		mark: fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()),
	}
	p.out.limit = maxOutput
	dir := c.Dir
	if !path.IsAbs(dir) {
		dir = path.Join(h.dir, dir)
	}
	q := agentRequest{Args: c.Args, Env: append([]string{markVar + "=" + p.mark}, c.Env...), Dir: dir, User: c.User}
	if c.Program != "" {
		p.args = append([]string{c.Program}, c.Args...)
		q.Program, q.Args = true, p.args
		q.Env = append(q.Env, programVar+"="+h.run.scenario.Name+"/"+c.Program)
	}
	return p, q
}

// start starts a program; a copy of its standard output goes to stdout.
func (h *Host) start(ctx context.Context, c Command, stdout io.Writer) (*Process, error) {
	p, q := h.newProcess(c)
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	pipe := func(ours func(r, w *os.File) (our, their *os.File)) (*os.File, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		our, their := ours(r, w)
		theirs = append(theirs, their)
		p.files = append(p.files, our)
		return our, nil
	}
	input, err := pipe(func(r, w *os.File) (*os.File, *os.File) { return w, r })
	var output, errput *os.File
	if err == nil {
		output, err = pipe(func(r, w *os.File) (*os.File, *os.File) { return r, w })
	}
	if err == nil {
		errput, err = pipe(func(r, w *os.File) (*os.File, *os.File) { return r, w })
	}
	if err != nil {
		p.close()
		return nil, err
	}
	p.started = h.run.Now()
	r, err := h.ask(q, p, int(theirs[0].Fd()), int(theirs[1].Fd()), int(theirs[2].Fd()))
	if err != nil {
		p.close()
		return nil, err
	}
	p.pid = r.Pid
	go func() {
		if c.Stdin != nil {
			io.Copy(input, c.Stdin)
		}
		input.Close()
	}()
	both := io.Writer(&p.out)
	if stdout != nil {
		both = io.MultiWriter(stdout, &p.out)
	}
	p.output.Go(func() { io.Copy(both, output) })
	p.output.Go(func() { io.Copy(&p.out, errput) })
	p.endWith(ctx)
	return p, nil
}

// endWith stops the process when ctx ends, and closes its files when it has
// ended.
func (p *Process) endWith(ctx context.Context) {
	unhook := context.AfterFunc(ctx, p.Stop)
	go func() {
		<-p.done
		unhook()
		p.drain()
		p.close()
	}()
}

// drain waits until all output was read; what the process left running may
// keep its files open.
func (p *Process) drain() {
	all := make(chan struct{})
	go func() {
		p.output.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-time.After(time.Second):
	}
}

func (p *Process) close() {
	for _, f := range p.files {
		f.Close()
	}
}

// ended is called once, by the host.
func (p *Process) ended(status int) {
	p.status = status
	close(p.done)
}

// Pid is its process ID on the host.
func (p *Process) Pid() int { return p.pid }

// Done is closed when it has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Started is when it was started.
func (p *Process) Started() label.Time { return p.started }

// Wait waits until it has ended. Another status than 0 is an error.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return fmt.Errorf("host %s: %s: %w\n%s", p.host.name, p.what(), ctx.Err(), p.lastWords())
	}
	p.drain()
	if p.status != 0 {
		return &ExitError{Status: p.status, text: fmt.Sprintf("host %s: %s: exit status %d\n%s", p.host.name, p.what(), p.status, p.lastWords())}
	}
	return nil
}

// ExitError is Wait's error when a program ended with another status than 0.
type ExitError struct {
	Status int // 128+n where signal n ended it
	text   string
}

func (e *ExitError) Error() string { return e.text }

// Status returns the exit status in an error of Wait or Run: 0 for nil, -1 if
// there is none.
func Status(err error) int {
	if e := (*ExitError)(nil); errors.As(err, &e) {
		return e.Status
	}
	if err == nil {
		return 0
	}
	return -1
}

func (p *Process) what() string {
	s := strings.Join(p.args, " ")
	return s[:min(len(s), 200)]
}

func (p *Process) lastWords() string {
	const most = 2000
	b := p.out.bytes()
	return strings.TrimSpace(string(b[max(0, len(b)-most):]))
}

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) error { return p.signal(p.pid, s) }

func (p *Process) signal(pid int, s syscall.Signal) error {
	select {
	case <-p.done:
		return os.ErrProcessDone
	default:
	}
	_, err := p.host.ask(agentRequest{Pid: pid, Signal: int(s)}, nil)
	return err
}

// Stop ends it, and what it started in its process group: with SIGTERM, after
// three seconds with SIGKILL. It waits for the end.
func (p *Process) Stop() {
	for _, s := range []syscall.Signal{unix.SIGTERM, unix.SIGKILL} {
		if p.signal(-p.pid, s) != nil {
			return
		}
		select {
		case <-p.done:
			return
		case <-time.After(stopTimeout):
		}
	}
}

// Output is what it wrote so far to standard output and standard error, in the
// order it arrived, the last 16 MiB of it. A terminal's is everything shown.
func (p *Process) Output() string { return string(p.out.bytes()) }

// tail keeps the last bytes written to it. Its methods may be called by
// several goroutines.
type tail struct {
	limit int
	mu    sync.Mutex
	data  []byte
	lost  int64 // bytes that were dropped at the front
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, b...)
	// Dropping half at a time keeps the cost of each byte constant.
	if len(t.data) > t.limit {
		drop := len(t.data) - t.limit/2
		t.data = append(t.data[:0], t.data[drop:]...)
		t.lost += int64(drop)
	}
	return len(b), nil
}

// bytes returns what is kept; the slice is the caller's.
func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.data...)
}

// since returns what came after the first at bytes, and where that ends.
func (t *tail) since(at int64) (data []byte, end int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := max(0, min(at-t.lost, int64(len(t.data))))
	return append([]byte(nil), t.data[from:]...), t.lost + int64(len(t.data))
}

func (t *tail) String() string { return strings.TrimSpace(string(t.bytes())) }
