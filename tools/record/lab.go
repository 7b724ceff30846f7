package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// lab is the office, its servers and what happened in it.
type lab struct {
	out     string // where captures go
	self    string // this program, for its helpers
	verbose bool

	mu     sync.Mutex
	steps  map[string]span
	errs   []error
	daemon []*daemon
}

// span is when a step began and ended.
type span struct{ from, to time.Time }

// daemon is a running server; done is closed when it has ended.
type daemon struct {
	host, name string
	done       chan struct{}
	log        string // what it printed
}

// host is a machine of the lab: a network namespace.
type host struct {
	name  string
	net   string   // "office" or "outside"
	addrs []string // with prefix length; none yet if DHCP will give it
	mac   string
}

const (
	netPrefix   = "tyto-"
	stateDir    = "/run/lab" // keys, configurations and databases of the servers
	stepTimeout = 160 * time.Second
)

func newLab(out string, verbose bool) (*lab, error) {
	l := &lab{out: out, self: "/run/lab/record", verbose: verbose, steps: map[string]span{}}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("read this program: %w", err)
	}
	// What daemons and users write goes to memory. The captures' folder is
	// reached by a bind mount, since it may lie under one of these.
	script := `
		mount -t tmpfs -o mode=755 lab /run
		mkdir -p /run/netns /run/lock /run/sshd /run/samba /run/out /run/lab/tmp /run/over
		chmod 1777 /run/lab/tmp
		mount --bind "$1" /run/out
		mount -t tmpfs -o mode=1777 lab /tmp
		for d in etc var home root; do
			mkdir -p /run/over/$d/up /run/over/$d/work
			mount -t overlay lab -o lowerdir=/$d,upperdir=/run/over/$d/up,workdir=/run/over/$d/work /$d
		done
		rm -rf /var/lib/samba/private/*.tdb /var/lib/samba/*.tdb
		printf '[global]\nworkgroup = CORP\n' >/etc/samba/smb.conf
		mkdir -p /run/out/demo /run/out/tests /run/out/whole
		ip link set lo up
		hostname lab`
	if err := output(exec.Command("bash", "-euc", script, "bash", out)); err != nil {
		return nil, fmt.Errorf("make the lab's file systems: %w", err)
	}
	l.out = "/run/out"
	os.Setenv("TMPDIR", "/run/lab/tmp")
	os.Setenv("HOME", "/root")
	if err := os.WriteFile(l.self, self, 0o755); err != nil {
		return nil, fmt.Errorf("write helper: %w", err)
	}
	return l, nil
}

// output runs a command and makes what it printed part of the error.
func output(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}

func (l *lab) logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// command makes a shell script that runs on a host, under the host's name and
// with a /run/samba of its own: libwbclient has that path built in.
func (l *lab) command(ctx context.Context, host, script string) *exec.Cmd {
	script = "hostname " + host + "\nexport HOSTNAME=" + host + " S=" + stateDir + " KRB5CCNAME=" + stateDir + "/" + host + "/tickets\n" +
		"mount --bind " + stateDir + "/" + host + "/samba /run/samba\n" +
		"retry() { for try in 1 2 3 4 5; do \"$@\" && return; sleep 2; done; return 1; }\n" + script
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", netPrefix+host, "unshare", "--uts", "bash", "-uc", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// setup runs a script that must succeed, before anything is recorded.
func (l *lab) setup(host, script string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*stepTimeout)
	defer cancel()
	if err := output(l.command(ctx, host, "set -e -o pipefail\n"+script)); err != nil {
		return fmt.Errorf("%s: %w\n%s", host, err, script)
	}
	return nil
}

// serve starts a server that stays in the foreground, and waits until the
// script ready succeeds on the same host.
func (l *lab) serve(host, name, script, ready string) error {
	d := &daemon{host: host, name: name, done: make(chan struct{}), log: filepath.Join(l.out, "whole", host+"-"+name+".log")}
	log, err := os.Create(d.log)
	if err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	defer log.Close()
	cmd := l.command(context.Background(), host, "exec "+script)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s on %s: %w", name, host, err)
	}
	go func() {
		cmd.Wait()
		close(d.done)
	}()
	l.mu.Lock()
	l.daemon = append(l.daemon, d)
	l.mu.Unlock()
	deadline := time.Now().Add(stepTimeout)
	for ready != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := l.command(ctx, host, "set -e -o pipefail\n"+ready).Run()
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-d.done:
			return d.ended()
		case <-time.After(200 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s on %s does not get ready", name, host)
		}
	}
	return nil
}

// ended is the error of a server that is not there any more.
func (d *daemon) ended() error {
	said, err := os.ReadFile(d.log)
	if err != nil {
		said = []byte(err.Error())
	}
	return fmt.Errorf("%s on %s ended: %s", d.name, d.host, bytes.TrimSpace(said[max(0, len(said)-2000):]))
}

// listens is a ready script: a socket is bound to a port ("tcp 22").
func listens(proto, port string) string {
	flag := map[string]string{"tcp": "t", "udp": "u"}[proto]
	return "ss -Hln" + flag + " 'sport = :" + port + "' | grep -q ."
}

// step is one thing that somebody does. Its output must match want: text that
// came back from the other side.
type step struct {
	host   string
	name   string // unique; cuts refer to it
	script string
	want   string // regular expression
}

// do runs steps in order; actors run at the same time, each in a goroutine.
func (l *lab) do(steps ...step) {
	for _, s := range steps {
		ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
		from := time.Now()
		out, err := l.command(ctx, s.host, s.script).CombinedOutput()
		cancel()
		to := time.Now()
		ok := regexp.MustCompile(s.want).Match(out)
		if s.want == "" {
			ok = err == nil
		}
		l.mu.Lock()
		if _, twice := l.steps[s.name]; twice {
			l.errs = append(l.errs, fmt.Errorf("two steps are called %s", s.name))
		}
		l.steps[s.name] = span{from, to}
		if !ok {
			l.errs = append(l.errs, fmt.Errorf("%s on %s: %v, output does not match %q:\n%s", s.name, s.host, err, s.want, bytes.TrimSpace(out)))
		}
		l.mu.Unlock()
		mark := "ok"
		if !ok {
			mark = "FAILED"
		}
		l.logf("  %-22s %-12s %6.1fs %s", s.name, s.host, to.Sub(from).Seconds(), mark)
		if l.verbose {
			l.logf("%s", bytes.TrimSpace(out))
		}
	}
}

// actors runs several at once and waits for all.
func actors(fs ...func()) {
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Go(f)
	}
	wg.Wait()
}

func pause(seconds float64) { time.Sleep(time.Duration(seconds * float64(time.Second))) }

// failed returns what went wrong in any step, or servers that died.
func (l *lab) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	errs := slices.Clone(l.errs)
	for _, d := range l.daemon {
		select {
		case <-d.done:
			errs = append(errs, d.ended())
		default:
		}
	}
	return errors.Join(errs...)
}

// recording is a capture of what run does, on an interface of the router.
type recording struct {
	name, iface string
	run         func()
}

func whole(name string) string { return filepath.Join("/run/out/whole", name+".pcap") }

// capture records at the router while something runs.
func (l *lab) capture(r recording) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := l.command(ctx, "router", strings.Join([]string{
		"exec tcpdump -Z root -U -n -s 0 -B 16384 -i", r.iface, "-w", whole(r.name),
	}, " "))
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start tcpdump: %w", err)
	}
	pause(1.5)
	r.run()
	pause(1.5)
	cancel()
	cmd.Wait()
	if !bytes.Contains(said.Bytes(), []byte("\n0 packets dropped by kernel")) {
		return fmt.Errorf("tcpdump lost packets or failed: %s", said.Bytes())
	}
	return nil
}

// commandHere makes a command that runs in the lab but on no host.
func (l *lab) commandHere(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}
