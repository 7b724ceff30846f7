package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// The agent is process 1 of a host. It is this program started again in new
// namespaces; it ends when the lab does, by the signal that follows its
// parent's death or because its socket is closed. All that is on the host ends
// with it: the processes because their PID namespace has lost its first one,
// the mounts and the TAP device because no process is left in theirs.

// agentVar marks the agent's environment; agentFD is its end of the socket.
const (
	agentVar = "TYTO_LAB_AGENT"
	agentFD  = 3
)

// maxMessage is the size of the largest message between lab and agent.
const maxMessage = 128 << 10

// agentConfig is the first message to an agent. It answers with a reply that
// carries the TAP device.
type agentConfig struct {
	Name       string
	Dir        string // of the host's own
	Addr       netip.Addr
	Gateway    netip.Addr
	MAC        []byte
	GatewayMAC []byte
	MTU        int
	Congestion string // TCP congestion control; the kernel's if empty
}

// agentRequest asks the agent to start a program (Args; with it come the
// descriptors of its input, output and errors, or none for a terminal) or to
// send a signal (Pid).
type agentRequest struct {
	ID         uint64
	Args       []string `json:",omitempty"`
	Program    bool     `json:",omitempty"` // Args are of one of the scenario's programs
	Env        []string `json:",omitempty"`
	Dir, User  string   `json:",omitempty"`
	PTY        bool     `json:",omitempty"`
	Rows, Cols uint16   `json:",omitempty"`
	Pid        int      `json:",omitempty"` // negative for a process group
	Signal     int      `json:",omitempty"`
}

// agentReply answers a request, or tells that a program has ended (Ended).
type agentReply struct {
	ID     uint64
	Pid    int
	Error  string `json:",omitempty"`
	Ended  bool   `json:",omitempty"`
	Status int    `json:",omitempty"` // 128+n where signal n ended it
}

// programVar marks a process that is one of a scenario's Programs. programFile
// is this program as root on a host can start it, even where the file itself is
// hidden: a link of /proc of its own kind.
const (
	programVar  = "TYTO_LAB_PROGRAM"
	programFile = "/proc/1/exe"
)

// Main must be called first in main and TestMain of programs that record, with
// the scenarios whose Programs there are: it does not return in the processes
// that are the lab's hosts and programs.
func Main(scenarios ...*Scenario) {
	if name := os.Getenv(programVar); name != "" {
		os.Exit(runProgram(name, scenarios))
	}
	if os.Getenv(agentVar) == "" {
		return
	}
	// What is dropped and entered below is of this thread; programs are started
	// on it, too.
	runtime.LockOSThread()
	if err := runAgent(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// runProgram runs a scenario's program and returns its exit status.
func runProgram(name string, scenarios []*Scenario) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	scenario, program, _ := strings.Cut(name, "/")
	os.WriteFile("/proc/self/comm", []byte(program), 0) // it would be "exe"
	for _, s := range scenarios {
		if run := s.Programs[program]; s.Name == scenario && run != nil {
			if err := run(ctx, os.Args[1:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			return 0
		}
	}
	fmt.Fprintf(os.Stderr, "lab.Main was not given the program %s\n", name)
	return 1
}

type agent struct {
	conn *net.UnixConn
	mu   sync.Mutex     // held while a program is started and while one is reaped
	ids  map[int]uint64 // of programs that run, by process ID
}

func runAgent() error {
	unix.Setpriority(unix.PRIO_PROCESS, 0, 0) // the lab's is not for its programs
	file := os.NewFile(agentFD, "lab")
	c, err := net.FileConn(file)
	if err != nil {
		return fmt.Errorf("agent's socket: %w", err)
	}
	file.Close()
	a := &agent{conn: c.(*net.UnixConn), ids: make(map[int]uint64)}
	os.Unsetenv(agentVar)
	var config agentConfig
	if _, err := a.receive(&config); err != nil {
		return err
	}
	if err := a.setUp(&config); err != nil {
		a.send(agentReply{Error: err.Error()})
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			a.reap()
		}
	}()
	for {
		var q agentRequest
		fds, err := a.receive(&q)
		if err != nil {
			return nil // the lab has gone
		}
		a.serve(&q, fds)
		closeAll(fds)
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

func (a *agent) receive(v any) (fds []int, err error) { return receiveMessage(a.conn, v) }

func (a *agent) send(r agentReply, fds ...int) error { return sendMessage(a.conn, r, fds...) }

func receiveMessage(c *net.UnixConn, v any) (fds []int, err error) {
	data, control := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*4))
	n, cn, _, _, err := c.ReadMsgUnix(data, control)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, net.ErrClosed
	}
	messages, err := unix.ParseSocketControlMessage(control[:cn])
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		more, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, err
		}
		fds = append(fds, more...)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	return fds, json.Unmarshal(data[:n], v)
}

func sendMessage(c *net.UnixConn, v any, fds ...int) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(data) > maxMessage {
		return fmt.Errorf("a message of %d bytes, more than %d", len(data), maxMessage)
	}
	var control []byte
	if len(fds) > 0 {
		control = unix.UnixRights(fds...)
	}
	_, _, err = c.WriteMsgUnix(data, control, nil)
	return err
}

func (a *agent) serve(q *agentRequest, fds []int) {
	if q.Signal != 0 {
		reply := agentReply{ID: q.ID}
		if err := unix.Kill(q.Pid, syscall.Signal(q.Signal)); err != nil {
			reply.Error = err.Error()
		}
		a.send(reply)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	pid, master, err := a.start(q, fds)
	if err != nil {
		a.send(agentReply{ID: q.ID, Error: err.Error()})
		return
	}
	a.ids[pid] = q.ID
	if master < 0 {
		a.send(agentReply{ID: q.ID, Pid: pid})
		return
	}
	a.send(agentReply{ID: q.ID, Pid: pid}, master)
	unix.Close(master)
}

// start starts a program; master is its terminal's, -1 if it has none.
func (a *agent) start(q *agentRequest, fds []int) (pid, master int, err error) {
	master = -1
	files := []uintptr{}
	for _, fd := range fds {
		files = append(files, uintptr(fd))
	}
	sys := &syscall.SysProcAttr{Setsid: true}
	if q.PTY {
		var slave int
		master, slave, err = openTerminal(q.Rows, q.Cols)
		if err != nil {
			return 0, -1, fmt.Errorf("terminal: %w", err)
		}
		defer unix.Close(slave)
		files = []uintptr{uintptr(slave), uintptr(slave), uintptr(slave)}
		sys.Setctty = true
	}
	defer func() {
		if err != nil && master >= 0 {
			unix.Close(master)
		}
	}()
	if len(files) != 3 || len(q.Args) == 0 {
		return 0, master, errors.New("a program needs arguments and three files")
	}
	env, err := environment(q, sys)
	if err != nil {
		return 0, master, err
	}
	path := programFile
	if q.Program && sys.Credential != nil {
		return 0, master, fmt.Errorf("the scenario's program %s can only be root's", q.Args[0])
	}
	if !q.Program {
		if path, err = lookPath(q.Args[0], q.Dir); err != nil {
			return 0, master, err
		}
	}
	pid, err = syscall.ForkExec(path, q.Args, &syscall.ProcAttr{Dir: q.Dir, Env: env, Files: files, Sys: sys})
	if err != nil {
		return 0, master, fmt.Errorf("start %s: %w", path, err)
	}
	return pid, master, nil
}

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func lookPath(name, dir string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, nil
	}
	for _, d := range filepath.SplitList(searchPath) {
		p := filepath.Join(d, name)
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("start %s: %w", name, exec.ErrNotFound)
}

// environment returns the program's environment, and sets whose it is.
func environment(q *agentRequest, sys *syscall.SysProcAttr) ([]string, error) {
	name, home := "root", "/root"
	if q.User != "" && q.User != "root" {
		u, err := user.Lookup(q.User)
		if err != nil {
			return nil, err
		}
		groups, err := u.GroupIds()
		if err != nil {
			return nil, err
		}
		c := &syscall.Credential{Uid: number(u.Uid), Gid: number(u.Gid)}
		for _, g := range groups {
			c.Groups = append(c.Groups, number(g))
		}
		sys.Credential = c
		name, home = u.Username, u.HomeDir
	}
	env := []string{"PATH=" + searchPath, "HOME=" + home, "USER=" + name, "LOGNAME=" + name, "SHELL=/bin/bash", "LANG=C.UTF-8"}
	if q.PTY {
		env = append(env, "TERM=xterm-256color")
	}
	return append(env, q.Env...), nil
}

func number(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

func openTerminal(rows, cols uint16) (master, slave int, err error) {
	master, err = unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, err
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}
	if err == nil {
		slave, err = unix.Open("/dev/pts/"+strconv.Itoa(n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		unix.Close(master)
		return -1, -1, err
	}
	return master, slave, nil
}

// reap collects every process that has ended, orphans too, and tells about
// those that the lab started.
func (a *agent) reap() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		id, ok := a.ids[pid]
		if !ok {
			continue
		}
		delete(a.ids, pid)
		code := status.ExitStatus()
		if status.Signaled() {
			code = 128 + int(status.Signal())
		}
		a.send(agentReply{ID: id, Pid: pid, Ended: true, Status: code})
	}
}
