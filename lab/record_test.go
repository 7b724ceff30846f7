package lab

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tyto/lab/label"
)

// Variables that make the test program record, to be interrupted.
const (
	recordVar = "LAB_TEST_RECORD"
	marker    = "86400.25" // argument of a sleep that must not survive
)

func TestMain(m *testing.M) {
	Main(&echo, &endless)
	if dir := os.Getenv(recordVar); dir != "" {
		ctx, stop := context.WithCancel(context.Background())
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		go func() { <-interrupted; stop() }()
		_, err := Record(ctx, &endless, Config{Dir: dir, Name: "endless"})
		fmt.Println(err)
		os.Exit(1)
	}
	// More recordings at a time than there are processors: they mostly wait.
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// needRoot skips with what the machine lacks.
func needRoot(t *testing.T) {
	t.Helper()
	for _, f := range Examine() {
		if f.Err != nil && !f.Soft {
			t.Skipf("the lab needs %s: %v; %s", f.What, f.Err, f.Help)
		}
	}
}

// echo is a client of this program, in its own process, that talks to a server
// which is a goroutine of the lab; variants make it fail.
var echo = Scenario{
	Name: "echo", Doc: "d", Labels: []label.Label{label.Chat}, Hosts: []string{"client", "server", "other"},
	Variants: []Variant{{Name: "good"}, {Name: "error"}, {Name: "panic"}, {Name: "no-label"}, {Name: "wrong-label"}, {Name: "no-flow"}, {Name: "exit"}, {Name: "slow"}},
	Params:   []Param{{Name: "bytes", Doc: "d", Values: []string{"100", "300000"}}},
	Limit:    20 * time.Second,
	Programs: map[string]func(context.Context, []string) error{"shout": shout},
	Run:      runEcho,
}

// shout sends bytes to an address and wants them back.
func shout(_ context.Context, args []string) error {
	if args[0] == "exit" {
		return errors.New("as it was asked to")
	}
	c, err := net.Dial("tcp4", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	want := []byte(args[1])
	go c.Write(want)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		return fmt.Errorf("%d other bytes came back: %v", len(got), err)
	}
	return nil
}

func runEcho(ctx context.Context, r *Run) error {
	client, server := r.Host("client"), r.Host("server")
	l, err := server.Listen("tcp", ":7")
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				end := r.Segment(Conn(c), label.StateExchange, "echo")
				io.Copy(c, c)
				end()
				c.Close()
			}()
		}
	}()
	extra, err := server.AddAddr(ctx)
	if err != nil {
		return err
	}
	text := Random(r.ParamInt("bytes")/3, r.Rand())
	text = strings.Repeat(fmt.Sprintf("%x", text[:min(16, len(text))]), max(1, min(r.ParamInt("bytes"), 100_000)/32))
	for _, addr := range []netip.Addr{server.Addr(), extra} {
		p, err := client.Start(ctx, Command{Program: "shout", Args: []string{addr.String() + ":7", text}})
		if err != nil {
			return err
		}
		if err := p.Wait(ctx); err != nil {
			return err
		}
		if r.Variant() != "no-label" {
			r.Label(Of(p).And(Service(server, "tcp", 7)), label.Chat)
		}
	}
	switch r.Variant() {
	case "error":
		return errors.New("something did not happen")
	case "panic":
		panic("a bug")
	case "wrong-label":
		r.Label(From(client), label.Scan)
	case "no-flow":
		r.Label(Service(server, "udp", 9), label.Chat)
	case "exit":
		_, err := client.Run(ctx, Command{Program: "shout", Args: []string{"exit"}})
		return err
	case "slow":
		return r.Sleep(ctx, time.Hour)
	}
	// Nothing listens there, and nobody has the other address.
	if _, err := r.Host("other").Dial(ctx, "tcp", netip.AddrPortFrom(server.Addr(), 9).String()); !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("a closed port answers %v", err)
	}
	return nil
}

// endless never ends by itself.
var endless = Scenario{
	Name: "endless", Doc: "d", Labels: []label.Label{label.Chat}, Hosts: []string{"client", "server"}, Variants: []Variant{{Name: "only"}},
	Run: func(ctx context.Context, r *Run) error {
		for _, h := range r.hosts {
			if _, err := h.Start(ctx, Command{Args: []string{"sh", "-c", "setsid sleep " + marker + " & sleep " + marker}}); err != nil {
				return err
			}
		}
		fmt.Println("running")
		return r.Sleep(ctx, time.Hour)
	},
}

// TestRecord records on networks of every kind at a time and holds the truth
// against the scenario.
func TestRecord(t *testing.T) {
	needRoot(t)
	for i, p := range Profiles() {
		sensor := []string{"client", "core", "server"}[i%3]
		t.Run(p.Name+"-"+sensor, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := Config{Seed: uint64(i), Variant: "good", Profile: p.Name, Sensor: sensor, Dir: dir}
			run, err := recordCalmly(t, &echo, c)
			if err != nil {
				t.Fatal(err)
			}
			checkEcho(t, dir, run.Name)
			if names := entries(t, dir); len(names) != 2 {
				t.Errorf("the directory has %v", names)
			}
		})
	}
}

func checkEcho(t *testing.T, dir, name string) {
	run, err := label.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	chats := 0
	for _, f := range run.Flows {
		if !slices.Contains(f.Labels, label.Chat) {
			continue
		}
		chats++
		if f.Process == nil || f.Process.Name != "shout" || f.Process.Host != "client" || len(f.Segments) != 1 || f.Segments[0].State != label.StateExchange {
			t.Errorf("a flow %+v of %+v", f, f.Process)
		}
		if behind := f.Src != run.Hosts[0].Addr; behind != (run.Profile.NAT && run.Sensor != "client") {
			t.Errorf("source %s, client %s, NAT %v", f.Src, run.Hosts[0].Addr, run.Profile.NAT)
		}
	}
	if chats != 2 || len(run.Labels) != 1 || run.Labels[0] != label.Chat {
		t.Errorf("%d flows with the label, the run's are %v", chats, run.Labels)
	}
}

// recordCalmly records, and tries again when the machine was too busy.
func recordCalmly(t *testing.T, s *Scenario, c Config) (run *label.Run, err error) {
	for range 4 {
		run, err = Record(t.Context(), s, c)
		if err == nil || !strings.Contains(err.Error(), "too busy") {
			break
		}
		t.Log(err)
	}
	return run, err
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// TestRefused wants whatever goes wrong to be told and to leave no file.
func TestRefused(t *testing.T) {
	needRoot(t)
	for variant, want := range map[string]string{
		"error": "something did not happen", "panic": "panic: a bug", "no-label": "nothing that has a label", "wrong-label": "label scan is none of the scenario's",
		"no-flow": "no flows to server udp port 9", "exit": "as it was asked to", "slow": "it took longer than 1s",
	} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			s := echo
			if variant == "slow" {
				s.Limit = time.Second
			}
			dir := t.TempDir()
			_, err := Record(t.Context(), &s, Config{Variant: variant, Dir: dir, Profile: "lan"})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			if names := entries(t, dir); len(names) != 0 {
				t.Errorf("it left %v", names)
			}
		})
	}
}

// machine is what the lab could leave behind on it.
func machine(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range procs {
		if line, err := os.ReadFile(p); err == nil && bytes.Contains(line, []byte(marker)) {
			fmt.Fprintf(&b, "process %s: %q\n", p, line)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		fmt.Fprintln(&b, "interface", l.Name)
	}
	return b.String() + string(mounts)
}

// TestInterrupted ends a recording by Ctrl-C and by kill -9 and wants nothing
// to be left: no process, mount, interface or file, and after kill -9 no
// directory once the next recording has begun.
func TestInterrupted(t *testing.T) {
	needRoot(t)
	before := machine(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		dir := t.TempDir()
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), recordVar+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 8)
		if _, err := io.ReadFull(out, line); err != nil || string(line) != "running\n" {
			t.Fatalf("it says %q: %v", line, err)
		}
		waitFor(t, "its processes run", func() bool { return strings.Count(machine(t), "process ") >= 4 })
		mine, err := filepath.Glob(filepath.Join(baseDir, "*"))
		if err != nil || len(mine) == 0 {
			t.Errorf("%s has %v: %v", baseDir, mine, err)
		}
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		waitFor(t, "all has gone after "+s.String(), func() bool { return machine(t) == before })
		if s == syscall.SIGINT {
			if names := entries(t, dir); len(names) != 0 {
				t.Errorf("%s: it left %v", s, names)
			}
			continue
		}
		base, err := makeBase()
		if err != nil {
			t.Fatal(err)
		}
		left, _ := os.ReadDir(base.path)
		base.remove()
		if len(left) != 0 {
			t.Errorf("a new directory has %v", left)
		}
		for _, m := range mine {
			if _, err := os.Stat(filepath.Join(m, "client")); err == nil {
				continue // another recording's
			}
			if _, err := os.Lstat(m); err == nil {
				t.Errorf("%s is still there", m)
			}
		}
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 200 {
		if done() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Errorf("not within five seconds: %s", what)
}

// TestRecorder records a plan, again, and again after a run was damaged: what
// is there is not made again, what is not valid is, what cannot be is told.
func TestRecorder(t *testing.T) {
	needRoot(t)
	plan := &Plan{Seed: 5, Runs: []PlanLine{{Scenario: "echo", Variant: "good", Profile: "lan", Count: 3}, {Scenario: "echo", Variant: "error", Profile: "lan"}}}
	jobs, err := plan.Jobs([]*Scenario{&echo})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	record := func() (made, there, refused, failed int) {
		r := Recorder{Dir: dir, Parallel: 4, Attempts: 6, Tell: func(o Outcome) {
			switch {
			case o.There:
				there++
			case o.Run != nil:
				made++
			case o.Last:
				failed++
			default:
				refused++
			}
		}}
		if err := r.Record(t.Context(), jobs); err != nil {
			t.Fatal(err)
		}
		return made, there, refused, failed
	}
	made, there, refused, failed := record()
	if made != 3 || there != 0 || refused < 2 || failed != 1 {
		t.Fatalf("%d made, %d there, %d refused, %d failed", made, there, refused, failed)
	}
	captures, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
	if err != nil || len(captures) != 3 {
		t.Fatalf("captures %v: %v", captures, err)
	}
	if err := os.Truncate(captures[0], 100); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(strings.TrimSuffix(captures[1], ".pcap") + ".json"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cut-short.pcap"+partSuffix), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if made, there, _, failed = record(); made != 2 || there != 1 || failed != 1 {
		t.Errorf("after damage: %d made, %d there, %d failed", made, there, failed)
	}
	f, err := os.Open(filepath.Join(dir, IndexFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	index, err := label.ReadIndex(f)
	if err != nil || len(index) != 3 {
		t.Errorf("the index has %d runs: %v", len(index), err)
	}
	if names := entries(t, dir); len(names) != 7 {
		t.Errorf("the directory has %v", names)
	}
}
