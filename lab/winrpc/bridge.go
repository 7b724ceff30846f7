package winrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"tyto/lab"
	"tyto/lab/c2"
)

// Bridge carries one connection to a port of a host over a named pipe of a
// server, to the port that Options.Relays names. Both ends send frames in turn:
// the length in four bytes, and so many bytes.
type Bridge struct {
	Process *lab.Process
	server  *Server
	from    *lab.Host
	base    string
	session *Session
}

// Bridge starts a bridge that listens on a port of loopback. later says that
// not who connects there speaks first, but the pipe's other end.
func (s *Server) Bridge(ctx context.Context, from *lab.Host, port int, pipe string, later bool, rng *rand.Rand) (*Bridge, error) {
	s.runs++
	b := &Bridge{server: s, from: from, base: fmt.Sprintf("bridge-%d", s.runs), session: &Session{run: s.run}}
	if _, err := s.prepare(from, way{note: "the pipe's client is the lab's own, with impacket"}, Work{Rand: rng}, b.base); err != nil {
		return nil, err
	}
	s.run.Software(from.Name(), "python3-impacket", lab.PackageVersion("python3-impacket"))
	turn := "first"
	if later {
		turn = "second"
	}
	var err error
	b.Process, err = from.Start(ctx, lab.Command{
		Args: s.traced(b.base, "bridge.py", fmt.Sprint(port), pipe, turn), Env: []string{"TRACE=" + b.base + ".trace", "PYTHONUNBUFFERED=1"},
	})
	if err != nil {
		return nil, err
	}
	b.session.Processes = []*lab.Process{b.Process}
	if err := from.WaitListen(ctx, "tcp", port); err != nil {
		return nil, fmt.Errorf("%w; the bridge says %s", err, b.Process.Output())
	}
	return b, nil
}

// bridged turns what an agent told of a bridged connection into what it would
// tell of the bridge's SMB session, whose handshake is given.
func bridged(told string, handshake span) (string, error) {
	var b strings.Builder
	for line := range strings.Lines(told) {
		var e c2.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return "", fmt.Errorf("the agent says %q", line)
		}
		e.Local, e.Remote, e.T0 = handshake.local, handshake.remote, max(e.T0, int64(handshake.t1))
		data, err := json.Marshal(e)
		if err != nil {
			return "", err
		}
		b.Write(append(data, '\n'))
	}
	return b.String(), nil
}

// Finish waits for the end of the bridge, tells the handshake of its SMB
// session, and runs a program whose output is that of an agent (package c2)
// with the session's addresses in the place of loopback's.
func (b *Bridge) Finish(ctx context.Context, agent *lab.Process) (*lab.Process, error) {
	if err := b.Process.Wait(ctx); err != nil {
		return nil, fmt.Errorf("%w\n%s\nthe endpoint says %s", err, b.Process.Output(), tail(b.server.Endpoint.Output()))
	}
	if err := b.session.read(b.from, b.base+".trace"); err != nil {
		return nil, err
	}
	if len(b.session.spans) == 0 {
		return nil, errors.New("the bridge opened no session")
	}
	first := b.session.spans[0]
	b.session.run.Span(first.flow, first.t0, first.t1, first.state, first.detail)
	told, err := bridged(agent.Output(), first)
	if err != nil {
		return nil, err
	}
	p, err := b.from.Start(ctx, lab.Command{Args: []string{"cat"}, Stdin: strings.NewReader(told)})
	if err != nil {
		return nil, err
	}
	return p, p.Wait(ctx)
}
