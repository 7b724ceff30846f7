package ad

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// clientLibrary is for the programs in Python that scenarios have: they import
// it as lab_ad.
//
//go:embed lab_ad.py
var clientLibrary string

// kerberosLibrary is lab_krb.
//
//go:embed lab_krb.py
var kerberosLibrary string

// Libraries writes what the programs in Python import, in a host's Dir.
func Libraries(h *lab.Host) error {
	return errors.Join(h.Write("lab_ad.py", clientLibrary, 0o644), h.Write("lab_krb.py", kerberosLibrary, 0o644))
}

// Python is a command that runs a program on a host that has the Libraries.
// What the program draws comes from the run's generator.
func Python(r *lab.Run, h *lab.Host, program string, env []string, args ...string) (lab.Command, error) {
	seed := fmt.Sprint("SEED=", r.Rand().Uint32())
	c := lab.Command{Args: append([]string{"/usr/bin/python3", "program.py"}, args...), Env: append([]string{seed}, env...)}
	return c, h.Write("program.py", program, 0o644)
}

// Python is the function of that name for a station.
func (s *Station) Python(program string, env []string, args ...string) (lab.Command, error) {
	return Python(s.Domain.run, s.Host, program, env, args...)
}

// told is one thing that a program says it did, on one connection or, if it
// has none of its own, on all to a service.
type told struct {
	since  label.Time
	flow   lab.Selector
	detail string
}

// Tell tells what a program in Python said it did as segments and labels of
// its flows: lines as lab_ad.py prints them. It returns how often each state
// was told, and fails if the program says nothing. servers are the hosts that
// it went to.
func Tell(r *lab.Run, p *lab.Process, servers ...*lab.Host) (map[label.State]int, error) {
	count := make(map[label.State]int)
	for _, e := range webapp.Events(p) {
		t, err := parseTold(e.Text, servers)
		if err != nil {
			return nil, fmt.Errorf("%w in %q", err, e.Text)
		}
		if e.What == "label" {
			labels, err := parseLabels(t.detail)
			if err != nil {
				return nil, err
			}
			r.Label(lab.Of(p).And(t.flow), labels...)
			continue
		}
		state, err := label.ParseState(e.What)
		if err != nil {
			return nil, err
		}
		count[state]++
		r.Span(lab.Of(p).And(t.flow), t.since, e.At, state, t.detail)
	}
	if len(count) == 0 {
		return nil, fmt.Errorf("the program told nothing but\n%s", p.Output())
	}
	return count, nil
}

// Tell is the function of that name for a program that went to the domain.
func (d *Domain) Tell(p *lab.Process) (map[label.State]int, error) {
	return Tell(d.run, p, d.hosts...)
}

// parseLabels reads names of labels between commas.
func parseLabels(names string) (labels []label.Label, err error) {
	for name := range strings.SplitSeq(names, ",") {
		l, err := label.ParseLabel(name)
		if err != nil {
			return nil, err
		}
		labels = append(labels, l)
	}
	return labels, nil
}

// RunAndTell starts a program in Python, waits for its end, and tells what it
// did.
func (s *Station) RunAndTell(ctx context.Context, c lab.Command) (*lab.Process, map[label.State]int, error) {
	p, err := s.Start(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	if err := p.Wait(ctx); err != nil {
		return nil, nil, fmt.Errorf("%w\n%s", err, p.Output())
	}
	count, err := s.Domain.Tell(p)
	return p, count, err
}

// parseTold reads "SINCE LOCAL REMOTE DETAIL". A local port of 0 is all flows
// to the remote port of that server.
func parseTold(text string, servers []*lab.Host) (t told, err error) {
	f := strings.SplitN(text+" ", " ", 4)
	if len(f) < 4 {
		return t, errors.New("too few fields")
	}
	if _, err := fmt.Sscan(f[0], &t.since); err != nil {
		return t, err
	}
	local, err := netip.ParseAddrPort(f[1])
	if err != nil {
		return t, err
	}
	remote, err := netip.ParseAddrPort(f[2])
	if err != nil {
		return t, err
	}
	t.detail = strings.TrimSpace(f[3])
	if local.Port() != 0 {
		t.flow = lab.Conn(connection{local: net.TCPAddrFromAddrPort(local), remote: net.TCPAddrFromAddrPort(remote)})
		return t, nil
	}
	i := slices.IndexFunc(servers, func(h *lab.Host) bool { return h.Addr() == remote.Addr() })
	if i < 0 {
		return t, fmt.Errorf("%s is no server", remote)
	}
	t.flow = lab.Service(servers[i], "tcp", int(remote.Port()))
	return t, nil
}

// connection stands for a connection of another program.
type connection struct {
	net.Conn
	local, remote net.Addr
}

func (c connection) LocalAddr() net.Addr  { return c.local }
func (c connection) RemoteAddr() net.Addr { return c.remote }
