//go:build linux

package typist

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// terminal is a shell with a line editor on a pseudo-terminal.
type terminal struct {
	*testing.T
	pty *os.File

	mu   sync.Mutex
	seen bytes.Buffer // since the last mark
}

const prompt = "ready> "

func startShell(t *testing.T, dir string) *terminal {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs a pseudo-terminal: %v", err)
	}
	var number, unlock uint32
	size := [4]uint16{24, 200}
	ioctl(t, pty, syscall.TIOCGPTN, unsafe.Pointer(&number))
	ioctl(t, pty, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	ioctl(t, pty, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	shell := exec.Command(bash, "--norc", "--noprofile", "-i")
	shell.Dir = dir
	shell.Env = []string{"PATH=" + impatient(t) + ":" + os.Getenv("PATH"), "HOME=" + dir, "TERM=xterm", "LANG=C.UTF-8", "PS1=" + prompt, "HISTFILE=" + filepath.Join(dir, "history")}
	shell.Stdin, shell.Stdout, shell.Stderr = tty, tty, tty
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	x := &terminal{T: t, pty: pty}
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.listen()
	}()
	t.Cleanup(func() {
		pty.Write([]byte("\x03\x03exit\r"))
		time.AfterFunc(3*time.Second, func() { shell.Process.Kill() })
		shell.Wait()
		pty.Close()
		<-done
	})
	x.wait(prompt)
	return x
}

func ioctl(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		t.Skipf("needs a pseudo-terminal: %v", errno)
	}
}

func (x *terminal) listen() {
	var b [4096]byte
	for {
		n, err := x.pty.Read(b[:])
		x.mu.Lock()
		x.seen.Write(b[:n])
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// wait waits until what was printed since the last wait has text, and forgets
// what is up to there.
func (x *terminal) wait(text string) {
	x.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		x.mu.Lock()
		seen := x.seen.String()
		i := strings.Index(seen, text)
		if i >= 0 {
			x.seen.Next(i + len(text))
		}
		x.mu.Unlock()
		if i >= 0 {
			return
		}
		if time.Now().After(deadline) {
			x.Fatalf("%q does not come, but %.2000q", text, seen)
		}
	}
}

// send sends keys a hundred times faster than they are typed.
func (x *terminal) send(keys []Key) {
	x.Helper()
	for _, k := range keys {
		time.Sleep(min(max(k.Delay/100, 2*time.Millisecond), 30*time.Millisecond))
		b := k.Bytes
		if k.Pasted {
			b = []byte("\x1b[200~" + string(b) + "\x1b[201~")
		}
		if string(k.Bytes) == Escape {
			// What follows is not to be taken for an escape sequence.
			defer time.Sleep(150 * time.Millisecond)
		}
		if _, err := x.pty.Write(b); err != nil {
			x.Fatal(err)
		}
	}
}

func (x *terminal) run(typist *Typist, c Command, history *[]string, seed uint64) {
	x.Helper()
	keys := typist.Line(c, Shell{Editing: true, History: *history}, seeded(seed))
	*history = append(*history, strings.TrimSuffix(Text(keys), "\n"))
	x.send(keys[:len(keys)-1])
	time.Sleep(30 * time.Millisecond) // the echo is complete
	x.mu.Lock()
	x.seen.Reset()
	x.mu.Unlock()
	x.send(keys[len(keys)-1:])
}

// TestLineEditor types commands at bash with Tab, the history and mistakes,
// and wants its history to have what was asked for.
func TestLineEditor(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	x := startShell(t, dir)
	typist := *Number(3)
	typist.tab, typist.arrows, typist.paste, typist.errors = .9, 1, .1, .06
	var history []string
	var used strings.Builder
	for i, c := range append(Analyst.Commands(20, seeded(5)), Developer.Commands(15, seeded(6))...) {
		for range 1 + i%9/8 {
			x.run(&typist, c, &history, uint64(i))
			if c.Want != "" {
				x.wait(c.Want)
			}
			x.wait(prompt)
		}
	}
	x.run(&typist, Command{Text: "history -w"}, &history, 1)
	x.wait(prompt)
	got, err := os.ReadFile(filepath.Join(dir, "history"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range history {
		used.WriteString(line + "\n")
	}
	if string(got) != used.String() {
		t.Errorf("got\n%s\nwant\n%s", got, used.String())
	}
}

// TestScreens works with the real full-screen programs.
func TestScreens(t *testing.T) {
	for i, s := range Screens(seeded(9)) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(s.Needs); err != nil {
				t.Skipf("needs %s", s.Needs)
			}
			x := startShell(t, directory(t))
			typist, rng := Number(i), seeded(uint64(i))
			var history []string
			x.run(typist, s.Start, &history, 1)
			x.wait(s.Start.Want)
			for _, step := range s.Steps {
				if step.Read {
					time.Sleep(300 * time.Millisecond) // top takes keys that come together for one
				}
				x.send(typist.Step(step, rng))
				if step.Want != "" {
					x.wait(step.Want)
				}
			}
			x.wait(prompt)
			x.run(typist, s.Check, &history, 2)
			x.wait(s.Check.Want)
			x.wait(prompt)
		})
	}
}
