package c2

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"runtime"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/typist"
)

// Shell is a reverse shell: the program with which somebody waits for it on
// the host "server", and the one that opens it from the host "client".
type Shell struct {
	Listener  lab.Command
	Port      int // where it listens
	Client    lab.Command
	Early     bool             // it prints that before the handshake is over
	Connected *regexp.Regexp   // what the listener prints when it is there
	Dumb      bool             // the listener sends whole lines: see lab.Script
	Encrypted bool             // there is a handshake
	Commands  []typist.Command // what is typed; drawn from the intruder's if nil
}

// PortParam is the knob of scenarios whose listener may be anywhere.
func PortParam() lab.Param {
	return lab.Param{Name: "port", Doc: "of the listener", Values: []string{"443", "8443", "4444", "8080", "80", "9001"}}
}

// ShellParams are the knobs of scenarios with a reverse shell.
func ShellParams() []lab.Param {
	return []lab.Param{
		{Name: "commands", Doc: "at least so many", Values: []string{"4", "8", "14"}},
		{Name: "terminal", Doc: "columns and rows of the listener's terminal", Values: []string{"80x24", "100x30", "132x43", "211x55"}},
		{Name: "term", Doc: "type of the terminal that the shell believes to have", Values: []string{"dumb", "xterm-256color", "linux"}},
	}
}

// WorkRelayed is Work with a relay and its listener, which are the lab's own:
// kind is "websocket" or "http", input "keys" or "lines".
func WorkRelayed(ctx context.Context, r *lab.Run, p Plan, kind, input string) error {
	client, server := r.Host("client"), r.Host("server")
	p.Server, p.Insecure, p.Seed = netip.AddrPortFrom(server.Addr(), 443), true, r.Rand().Uint64()
	if err := Secure(ctx, r, client, server, p); err != nil {
		return err
	}
	s := Shell{
		Listener: lab.Command{Program: "listener", Args: []string{kind, input}}, Port: 443,
		Client:    lab.Command{Program: "relay", Args: []string{kind, input}},
		Connected: regexp.MustCompile(`connected\r+\n`), Dumb: input == "lines",
		Commands: typist.Intruder.Commands(r.ParamInt("commands"), r.Rand()),
	}
	if p.Front {
		s.Port = frontPort
	}
	lines := []string{"exit"}
	for _, c := range s.Commands {
		lines = append(lines, c.Text)
	}
	for _, h := range []*lab.Host{client, server} {
		if err := errors.Join(h.Write(planFile, p.encode(), 0o644), h.Write(linesFile, strings.Join(lines, "\n"), 0o644)); err != nil {
			return err
		}
	}
	r.Note("the relay and its listener are the lab's own")
	r.Software(client.Name(), "lab relay", runtime.Version())
	r.Software(server.Name(), "lab listener", runtime.Version())
	s.Encrypted = kind == "websocket" // over HTTP there are many, of which the relay tells
	p1, err := s.work(ctx, r)
	if err != nil || kind == "websocket" {
		return err
	}
	return tell(r, p1, func(*Event) []label.Label { return nil })
}

// Work opens the shell, lets an intruder work in it and leaves it. It tells
// labels, segments and keys.
func (s Shell) Work(ctx context.Context, r *lab.Run) error {
	_, err := s.work(ctx, r)
	return err
}

func (s Shell) work(ctx context.Context, r *lab.Run) (*lab.Process, error) {
	client, server := r.Host("client"), r.Host("server")
	if err := client.WriteFiles("", typist.Intruder.Files()); err != nil {
		return nil, err
	}
	t, err := server.Terminal(ctx, s.Listener, r.Param("terminal"))
	if err != nil {
		return nil, err
	}
	if err := server.WaitListen(ctx, "tcp", s.Port); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, t.Output())
	}
	s.Client.Env = append(s.Client.Env, "TERM="+r.Param("term"))
	p, err := client.Start(ctx, s.Client)
	if err != nil {
		return nil, err
	}
	r.Label(lab.Of(p), label.ReverseShell)
	first := p.Started()
	connected := func() {}
	if s.Encrypted {
		connected = r.Segment(lab.Of(p), label.StateHandshake, "")
	}
	if s.Connected != nil {
		if _, err := t.Expect(ctx, s.Connected); err != nil {
			return nil, fmt.Errorf("%w\nthe client says %s", err, p.Output())
		}
		if s.Encrypted && !s.Early {
			connected()
			first = r.Now()
		}
	}
	if s.Dumb {
		// Its first words, if it has any, are over when nothing more comes.
		quiet := 300*time.Millisecond + 3*r.Profile().RTT.Duration()
		if err := t.Quiet(ctx, quiet); err != nil {
			return nil, err
		}
		connected()
		if said := t.Output(); !s.Early && s.Connected != nil && strings.TrimSpace(said[lastMatch(s.Connected, said):]) != "" {
			r.Span(lab.Of(p), first, r.Now()-label.Time(quiet), label.StateOutput, "prompt")
		}
	}
	ready := func() {
		connected()
		if !s.Dumb {
			r.Span(lab.Of(p), first, r.Now(), label.StateOutput, "prompt")
		}
	}
	script := lab.Script{Role: typist.Intruder, Count: r.ParamInt("commands"), Commands: s.Commands, Dumb: s.Dumb, Ready: ready}
	if err := lab.Shell(ctx, r, t, lab.Of(p), script); err != nil {
		return nil, err
	}
	if err := lab.Leave(ctx, r, t, lab.Of(p)); err != nil {
		return nil, err
	}
	if err := p.Wait(ctx); lab.Status(err) < 0 {
		return nil, err
	}
	return p, nil
}

// lastMatch is where the last match ends, 0 if there is none.
func lastMatch(pattern *regexp.Regexp, text string) int {
	all := pattern.FindAllStringIndex(text, -1)
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1][1]
}
