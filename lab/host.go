package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Host is a machine of the lab: network, mount, PID, UTS and IPC namespaces of
// its own. /etc, /var, /home, /root, /opt and /srv look like the machine's, and
// what is written there is seen by this host only and is gone after the run;
// /tmp, /run and /dev/shm start empty. It has one IPv4 address and no IPv6.
type Host struct {
	run     *Run
	name    string
	addr    netip.Addr
	gateway netip.Addr
	near    bool // on the client's site
	mac     [6]byte
	router  [6]byte // hardware address of the gateway
	dir     string

	agent *exec.Cmd
	said  *tail // of the agent
	conn  *net.UnixConn
	tap   int
	root  *os.File // of its file system
	netns *os.File
	diag  *diag
	gone  chan struct{} // closed when the agent's socket is

	mu        sync.Mutex
	last      uint64 // request
	replies   map[uint64]chan<- reply
	programs  map[uint64]*Process
	names     map[string]netip.Addr
	terminals int
	closers   []io.Closer // sockets of this program
	ending    bool
}

// reply is an agent's answer with the descriptors that came with it.
type reply struct {
	agentReply
	fds []int
}

// Command is a program to start on a host.
type Command struct {
	Args  []string  // the program and its arguments; a name without slash is looked for in the usual places, /usr/sbin too
	Env   []string  // added to a small default environment
	Dir   string    // relative to the host's Dir; Dir if empty
	Stdin io.Reader // empty input if nil
	User  string    // root if empty
	// Program is the name of one of the scenario's Programs, which is started
	// instead of a file; Args are its arguments without its name. It is root's.
	Program string
}

// Bounds of what is waited for.
const (
	agentTimeout  = 10 * time.Second
	listenTimeout = 30 * time.Second
	stopTimeout   = 3 * time.Second
)

// boot starts the agent. It must be called on a thread that lives as long as
// the host: the agent ends when its parent thread does.
func (h *Host) boot(mtu int, congestion string) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "agent"), os.NewFile(uintptr(fds[1]), "lab")
	defer ours.Close()
	defer theirs.Close()
	c, err := net.FileConn(ours)
	if err != nil {
		return err
	}
	h.conn = c.(*net.UnixConn)
	h.said = &tail{limit: 4 << 10}
	h.agent = exec.Command("/proc/self/exe")
	h.agent.Env = []string{agentVar + "=1"}
	h.agent.ExtraFiles = []*os.File{theirs}
	h.agent.Stdout, h.agent.Stderr = h.said, h.said
	h.agent.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true, // the keys of the lab's own terminal are not for it
	}
	if err := h.agent.Start(); err != nil {
		return fmt.Errorf("make namespaces: %w", err)
	}
	h.conn.SetDeadline(time.Now().Add(agentTimeout))
	config := agentConfig{
		Name: h.name, Dir: h.dir, Addr: h.addr, Gateway: h.gateway,
		MAC: h.mac[:], GatewayMAC: h.router[:], MTU: mtu, Congestion: congestion,
	}
	if err := sendMessage(h.conn, config); err != nil {
		return fmt.Errorf("host %s: configure: %w", h.name, err)
	}
	var r agentReply
	got, err := receiveMessage(h.conn, &r)
	switch {
	case err != nil:
		return fmt.Errorf("host %s: %w %s", h.name, err, h.said)
	case r.Error != "":
		return errors.New(r.Error)
	case len(got) != 1:
		return fmt.Errorf("host %s: its agent sent no device", h.name)
	}
	h.conn.SetDeadline(time.Time{})
	h.tap = got[0]
	return h.open()
}

// open opens what the lab needs of a host that has booted.
func (h *Host) open() (err error) {
	proc := fmt.Sprintf("/proc/%d", h.agent.Process.Pid)
	if h.netns, err = os.Open(proc + "/ns/net"); err != nil {
		return err
	}
	root, err := unix.Open(proc+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	h.root = os.NewFile(uintptr(root), proc+"/root")
	err = h.Inside(func() (err error) {
		h.diag, err = openDiag()
		return err
	})
	if err != nil {
		return err
	}
	if err := os.Symlink(proc+"/root"+h.dir, h.dir); err != nil {
		return err
	}
	h.replies, h.programs = make(map[uint64]chan<- reply), make(map[uint64]*Process)
	h.gone = make(chan struct{})
	go h.listenToAgent()
	return nil
}

// shut ends the host and all that runs on it.
func (h *Host) shut() {
	h.closeSockets()
	if h.agent != nil && h.agent.Process != nil {
		h.agent.Process.Kill()
		h.agent.Wait()
	}
	if h.conn != nil {
		h.conn.Close()
	}
	if h.gone != nil {
		<-h.gone
	}
	for _, f := range []*os.File{h.root, h.netns} {
		if f != nil {
			f.Close()
		}
	}
	if h.diag != nil {
		h.diag.close()
	}
	if h.tap >= 0 {
		unix.Close(h.tap)
	}
	os.Remove(h.dir)
}

func (h *Host) listenToAgent() {
	defer close(h.gone)
	for {
		var r agentReply
		fds, err := receiveMessage(h.conn, &r)
		if err != nil {
			break
		}
		h.mu.Lock()
		switch p, c := h.programs[r.ID], h.replies[r.ID]; {
		case r.Ended:
			if p != nil {
				delete(h.programs, r.ID)
				p.ended(r.Status)
			}
		case c != nil:
			delete(h.replies, r.ID)
			c <- reply{r, fds}
		default:
			closeAll(fds)
		}
		h.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, p := range h.programs {
		delete(h.programs, id)
		p.ended(128 + int(syscall.SIGKILL))
	}
}

// ask sends a request to the agent and waits for the answer. p is the process
// that the request starts, if it does.
func (h *Host) ask(q agentRequest, p *Process, fds ...int) (reply, error) {
	answer := make(chan reply, 1)
	h.mu.Lock()
	h.last++
	q.ID = h.last
	h.replies[q.ID] = answer
	if p != nil {
		h.programs[q.ID] = p
	}
	h.mu.Unlock()
	forget := func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.replies, q.ID)
		delete(h.programs, q.ID)
	}
	if err := sendMessage(h.conn, q, fds...); err != nil {
		forget()
		return reply{}, fmt.Errorf("host %s: %w", h.name, err)
	}
	select {
	case r := <-answer:
		if r.Error != "" {
			forget()
			closeAll(r.fds)
			return r, fmt.Errorf("host %s: %s", h.name, r.Error)
		}
		return r, nil
	case <-h.gone:
		forget()
		return reply{}, fmt.Errorf("host %s has ended", h.name)
	case <-time.After(agentTimeout):
		forget()
		return reply{}, fmt.Errorf("host %s does not answer", h.name)
	}
}

// Name is the name in Scenario.Hosts, which is the host's name too.
func (h *Host) Name() string { return h.name }

// Addr is the host's address on its own site.
func (h *Host) Addr() netip.Addr { return h.addr }

// AddAddr gives the host one more address of its site, for servers with many
// names and networks with many machines. What the host sends still comes from
// Addr unless the program says otherwise.
func (h *Host) AddAddr(ctx context.Context) (netip.Addr, error) {
	a := h.run.address(h)
	if !a.IsValid() {
		return a, fmt.Errorf("host %s: no address of its site is left", h.name)
	}
	if _, err := h.Run(ctx, Command{Args: []string{"ip", "addr", "add", a.String() + "/32", "dev", tapName}}); err != nil {
		return netip.Addr{}, err
	}
	return a, h.Route(netip.PrefixFrom(a, 32))
}

// Route makes the routers of both sites send packets to the addresses of a
// network to this host, which forwards or answers them.
func (h *Host) Route(p netip.Prefix) error {
	if !p.IsValid() || !p.Addr().Is4() {
		return fmt.Errorf("host %s: %s is no IPv4 network", h.name, p)
	}
	h.run.routes.add(p.Masked(), h)
	return nil
}

// Dir is a directory of the host's own; the path is the same for programs on
// the host and for this program. It is empty at first.
func (h *Host) Dir() string { return h.dir }

// Path returns where this program finds the host's file of that name. A
// relative name is in Dir. Write and Read are safer where the host's links
// have absolute targets.
func (h *Host) Path(name string) string {
	if path.IsAbs(name) {
		return fmt.Sprintf("/proc/%d/root%s", h.agent.Process.Pid, name)
	}
	return filepath.Join(h.dir, name)
}

// openFile opens a file as the host sees it, links and all.
func (h *Host) openFile(name string, flags int, mode fs.FileMode) (*os.File, error) {
	if !path.IsAbs(name) {
		name = path.Join(h.dir, name)
	}
	how := unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	if flags&unix.O_CREAT != 0 {
		how.Mode = uint64(mode.Perm())
	}
	fd, err := unix.Openat2(int(h.root.Fd()), name, &how)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: h.name + ":" + name, Err: err}
	}
	return os.NewFile(uintptr(fd), h.name+":"+name), nil
}

// makeDir makes a directory and those it is in.
func (h *Host) makeDir(name string) error {
	d, err := h.openFile(name, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err == nil {
		return d.Close()
	}
	parent := path.Dir(name)
	if parent == name {
		return err
	}
	if err := h.makeDir(parent); err != nil {
		return err
	}
	d, err = h.openFile(parent, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Mkdirat(int(d.Fd()), path.Base(name), 0o755); err != nil && err != unix.EEXIST {
		return &fs.PathError{Op: "mkdir", Path: h.name + ":" + name, Err: err}
	}
	return nil
}

// Write writes a file on the host, and makes the directories it is in. A
// relative name is in Dir.
func (h *Host) Write(name, data string, mode fs.FileMode) error {
	if !path.IsAbs(name) {
		name = path.Join(h.dir, name)
	}
	if err := h.makeDir(path.Dir(path.Clean(name))); err != nil {
		return err
	}
	f, err := h.openFile(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, data)
	return errors.Join(err, f.Chmod(mode), f.Close())
}

// WriteFiles writes files with mode 0644 below a directory.
func (h *Host) WriteFiles(dir string, files map[string]string) error {
	for name, data := range files {
		if err := h.Write(path.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// maxRead is the size of the largest file that is read.
const maxRead = 256 << 20

// Read reads a file of the host. A relative name is in Dir.
func (h *Host) Read(name string) ([]byte, error) {
	f, err := h.openFile(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxRead))
}

// appendTo adds to a file of the host.
func (h *Host) appendTo(name, text string) error {
	f, err := h.openFile(name, unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

// Names makes the host know others by name, in /etc/hosts; Dial uses them too.
func (h *Host) Names(names map[string]*Host) error {
	var lines strings.Builder
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		addr := names[name].addr
		if h.names == nil {
			h.names = make(map[string]netip.Addr)
		}
		h.names[name] = addr
		fmt.Fprintf(&lines, "%s %s\n", addr, name)
	}
	return h.appendTo("/etc/hosts", lines.String())
}

// Resolver makes programs on the host ask a name server, in /etc/resolv.conf.
// Without it there is none.
func (h *Host) Resolver(server *Host) error {
	return h.Write("/etc/resolv.conf", "nameserver "+server.addr.String()+"\n", 0o644)
}

// AddUser makes a user with a home directory and /bin/bash. An empty password
// is no password that works.
func (h *Host) AddUser(ctx context.Context, name, password string) error {
	if _, err := h.Run(ctx, Command{Args: []string{"useradd", "-m", "-s", "/bin/bash", name}}); err != nil {
		return err
	}
	if password == "" {
		// Not locked, as useradd leaves it: servers refuse keys to locked accounts.
		_, err := h.Run(ctx, Command{Args: []string{"usermod", "-p", "*", name}})
		return err
	}
	return h.SetPassword(ctx, name, password)
}

// SetPassword changes a user's password.
func (h *Host) SetPassword(ctx context.Context, name, password string) error {
	_, err := h.Run(ctx, Command{Args: []string{"chpasswd"}, Stdin: strings.NewReader(name + ":" + password + "\n")})
	return err
}

// Inside calls f on a thread that is in the host's network namespace: sockets
// and devices that f itself opens are the host's, those of goroutines that it
// starts are not. Listen, ListenPacket and Dial are Inside for what is needed
// most; what f opens must be closed before the scenario returns.
func (h *Host) Inside(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(h.netns.Fd()), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("enter %s: %w", h.name, err)
			return
		}
		err := f()
		// A thread that cannot go back ends here, with its goroutine.
		if unix.Setns(int(h.run.home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		result <- err
	}()
	return <-result
}

// Listen listens on the host for a server written in Go. An address without
// host (":80") is of all its addresses.
func (h *Host) Listen(network, addr string) (l net.Listener, err error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	err = h.Inside(func() (err error) {
		l, err = config.Listen(context.Background(), ipv4(network), addr)
		return err
	})
	if err != nil {
		return nil, err
	}
	h.keep(l)
	return &listener{l, h}, nil
}

// listener closes what it accepted at the end of the run.
type listener struct {
	net.Listener
	host *Host
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.host.keep(c)
	}
	return c, err
}

// keep remembers what must be closed at the end of the run: a socket that is
// open keeps its namespace.
func (h *Host) keep(c io.Closer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ending {
		c.Close()
		return
	}
	if len(h.closers) == cap(h.closers) {
		h.closers = slices.DeleteFunc(h.closers, isClosed)
	}
	h.closers = append(h.closers, c)
}

// isClosed reports whether a socket was closed.
func isClosed(c io.Closer) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	return err != nil || raw.Control(func(uintptr) {}) != nil
}

// closeSockets closes what Listen, ListenPacket and Dial opened.
func (h *Host) closeSockets() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ending = true
	for _, c := range h.closers {
		c.Close()
	}
	h.closers = nil
}

// ListenPacket is Listen for datagrams; the result is a *net.UDPConn for "udp".
func (h *Host) ListenPacket(network, addr string) (c net.PacketConn, err error) {
	err = h.Inside(func() (err error) {
		c, err = net.ListenPacket(ipv4(network), addr)
		return err
	})
	if err != nil {
		return nil, err
	}
	h.keep(c)
	return c, nil
}

// Dial connects from the host, for a client written in Go. The host part of
// addr is an address or a name given to Names.
func (h *Host) Dial(ctx context.Context, network, addr string) (c net.Conn, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	a, known := h.names[host]
	h.mu.Unlock()
	if !known {
		// A name would be asked for elsewhere than on the host.
		if a, err = netip.ParseAddr(host); err != nil {
			return nil, fmt.Errorf("host %s: dial %s: not an address and not in Names", h.name, addr)
		}
	}
	var dialer net.Dialer
	err = h.Inside(func() (err error) {
		c, err = dialer.DialContext(ctx, ipv4(network), net.JoinHostPort(a.String(), port))
		return err
	})
	if err != nil {
		return nil, err
	}
	h.keep(c)
	return c, nil
}

func ipv4(network string) string {
	if network == "tcp" || network == "udp" {
		return network + "4"
	}
	return network
}

// WaitListen waits until something on the host listens on a port: network is
// "tcp" or "udp". It gives up after half a minute.
func (h *Host) WaitListen(ctx context.Context, network string, port int) error {
	ctx, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	for {
		for _, s := range h.sockets(network) {
			if int(s.local.Port()) == port && (network != "tcp" || s.state == tcpListen) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("host %s: nothing listens on %s port %d", h.name, network, port)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Run runs a program and returns what it wrote to standard output. That it
// ended with another status than 0 is an error, with what it wrote.
func (h *Host) Run(ctx context.Context, c Command) (stdout []byte, err error) {
	var out tail
	out.limit = maxOutput
	p, err := h.start(ctx, c, &out)
	if err != nil {
		return nil, err
	}
	err = p.Wait(ctx)
	return bytes.Clone(out.bytes()), err
}

// Start starts a program. It is ended, with all it started, when ctx or the run
// ends.
func (h *Host) Start(ctx context.Context, c Command) (*Process, error) { return h.start(ctx, c, nil) }
