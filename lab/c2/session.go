package c2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/pki"
)

// Programs are for lab.Scenario.Programs of scenarios that use this package.
func Programs() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"agent": runAgent, "controller": runController, "pivot": runPivot}
}

// Labels are what the flows of a beacon may be.
func Labels() []label.Label {
	return []label.Label{label.Beacon, label.TaskedBeacon, label.Upload, label.Download, label.Exfiltration}
}

// Params are the knobs of all beacons. An interval is a minute or an hour in
// the wild.
func Params() []lab.Param {
	return []lab.Param{
		{Name: "interval", Doc: "between check-ins", Values: []string{"500ms", "1s", "2s", "4s", "8s", "15s"}},
		{Name: "jitter", Doc: "% of the interval", Values: []string{"0", "0", "10", "25", "50", "99"}},
		{Name: "rhythm", Doc: "what jitter does: makes intervals shorter, or shorter and longer; poisson has no rhythm", Values: []string{"minus", "plusminus", "minus", "plusminus", "poisson"}},
		{Name: "checkins", Doc: "at least so many, as far as they fit into 90 s", Values: []string{"8", "15", "30"}},
		{Name: "tasks", Doc: "given in between", Values: []string{"none", "none", "command", "upload", "download", "interactive", "mixed"}},
		{Name: "size", Doc: "of a file that is moved, kB, about", Values: []string{"3", "20", "150", "900"}},
	}
}

// Draw makes a plan of the knobs. Channels that carry little are small.
func Draw(r *lab.Run, small bool) (Plan, error) {
	rng := r.Rand()
	p := Plan{Agent: "agent", Rhythm: r.Param("rhythm"), Jitter: r.ParamInt("jitter"), Seed: rng.Uint64()}
	var err error
	if p.Interval, err = time.ParseDuration(r.Param("interval")); err != nil {
		return p, err
	}
	const most = 90 * time.Second
	p.Checkins = max(4, min(r.ParamInt("checkins"), int(most/p.Interval)))
	r.SetParam("checkins", fmt.Sprint(p.Checkins))
	p.Tasks = drawTasks(r.Param("tasks"), p, small, rng)
	return p, nil
}

func drawTasks(kind string, p Plan, small bool, rng *rand.Rand) (all []Task) {
	add := func(kind, arg string, wait time.Duration) {
		all = append(all, Task{ID: len(all) + 1, Kind: kind, Arg: arg, Wait: wait, After: 1 + rng.IntN(p.Checkins-1)})
		if n := len(all); n > 1 {
			all[n-1].After = max(all[n-1].After, all[n-2].After)
		}
	}
	switch kind {
	case "command":
		for range 1 + rng.IntN(4) {
			add("command", drawCommand(small, rng), 0)
		}
	case "upload", "download":
		add(kind, "report.bin", 0)
	case "interactive":
		add("sleep", fmt.Sprint(time.Duration(100+rng.IntN(500))*time.Millisecond), 0)
		for range 4 + rng.IntN(5) {
			add("command", drawCommand(small, rng), time.Duration((1+4*rng.Float64())*float64(time.Second)))
			all[len(all)-1].After = 0
		}
		add("sleep", fmt.Sprint(p.Interval), time.Second)
		all[len(all)-1].After = 0
	case "mixed":
		add("command", drawCommand(small, rng), 0)
		add("download", "tool.bin", 0)
		add("command", drawCommand(small, rng), 0)
		add("upload", "report.bin", 0)
	}
	return all
}

// Session is an agent and its controller at work.
type Session struct {
	Plan       Plan
	Agent      *lab.Process
	Controller *lab.Process
	files      map[int]string // what tasks move
}

// Prepare writes plan and files to the hosts and starts the controller, which is ready afterwards.
func Prepare(ctx context.Context, r *lab.Run, client, server *lab.Host, p Plan) (*Session, error) {
	s := &Session{Plan: p, files: make(map[int]string)}
	for _, t := range p.Tasks {
		from := client
		switch t.Kind {
		case "download":
			from = server
		case "upload":
		default:
			continue
		}
		s.files[t.ID] = lab.Random(int(1000*float64(r.ParamInt("size"))*(.6+.8*r.Rand().Float64())), r.Rand())
		if err := from.Write(t.Arg, s.files[t.ID], 0o644); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(client.Write(planFile, p.encode(), 0o644), server.Write(planFile, p.encode(), 0o644)); err != nil {
		return nil, err
	}
	r.Note("agent and controller are the lab's own emulator")
	r.Software(client.Name(), "lab agent", runtime.Version())
	r.Software(server.Name(), "lab controller", runtime.Version())
	var err error
	if s.Controller, err = server.Start(ctx, lab.Command{Program: "controller"}); err != nil {
		return nil, err
	}
	var listens error
	switch p.Transport {
	case "http3", "quic":
		listens = server.WaitListen(ctx, "udp", 443)
	case "https", "websocket", "stream", "rotate":
		listens = server.WaitListen(ctx, "tcp", 443)
		if p.Front {
			listens = errors.Join(listens, server.WaitListen(ctx, "tcp", frontPort))
		}
	case "dns":
		listens = server.WaitListen(ctx, "udp", 53)
	}
	for p.Transport == "icmp" && listens == nil && !strings.Contains(s.Controller.Output(), "ready") {
		listens = r.Sleep(ctx, 10*time.Millisecond)
	}
	if listens != nil {
		return nil, fmt.Errorf("%w\nthe controller says %s", listens, s.Controller.Output())
	}
	return s, nil
}

// Give gives the session's plan to a host.
func (s *Session) Give(h *lab.Host) error { return h.Write(planFile, s.Plan.encode(), 0o644) }

// Play starts the agent, waits for its end, checks that both did what the plan
// says and tells labels and segments.
func (s *Session) Play(ctx context.Context, r *lab.Run, client, server *lab.Host) error {
	if err := s.Work(ctx, client); err != nil {
		return err
	}
	return s.Finish(r, client, server)
}

// Work is the first half of Play: it starts the agent and waits for its end.
func (s *Session) Work(ctx context.Context, client *lab.Host) (err error) {
	if s.Agent, err = client.Start(ctx, lab.Command{Program: "agent"}); err != nil {
		return err
	}
	if err := s.Agent.Wait(ctx); err != nil {
		return fmt.Errorf("%w\nthe controller says %s", err, s.Controller.Output())
	}
	return nil
}

// Finish is the second half of Play: it ends the controller, checks and tells.
func (s *Session) Finish(r *lab.Run, client, server *lab.Host) error {
	s.Controller.Stop()
	if err := s.check(client, server); err != nil {
		return err
	}
	return Tell(r, s.Agent, s.Plan)
}

// check holds what the controller got against the plan.
func (s *Session) check(client, server *lab.Host) error {
	done := 0
	for line := range strings.Lines(s.Controller.Output()) {
		if line == "ready\n" {
			continue
		}
		var q Result
		if err := json.Unmarshal([]byte(line), &q); err != nil {
			return fmt.Errorf("the controller says %q", line)
		}
		if done++; q.ID != done {
			return fmt.Errorf("task %d was done as number %d", q.ID, done)
		}
		switch q.Kind {
		case "command":
			if want := repertoire[q.Arg].want; !strings.Contains(q.Output, want) {
				return fmt.Errorf("%s printed no %q but %q", q.Arg, want, q.Output)
			}
		case "upload":
			if got, err := server.Read(resultFile(q.ID)); err != nil || string(got) != s.files[q.ID] {
				return fmt.Errorf("%s came as %d other bytes: %v", q.Arg, len(got), err)
			}
		case "download":
			if got, err := client.Read(q.Arg); err != nil || string(got) != s.files[q.ID] {
				return fmt.Errorf("%s came as %d other bytes: %v", q.Arg, len(got), err)
			}
		}
	}
	if done != len(s.Plan.Tasks) {
		return fmt.Errorf("%d of %d tasks were done", done, len(s.Plan.Tasks))
	}
	return nil
}

// endpoint is a connection of a program on a host, for lab.Conn.
type endpoint struct {
	net.Conn
	local, remote net.Addr
}

func (e endpoint) LocalAddr() net.Addr  { return e.local }
func (e endpoint) RemoteAddr() net.Addr { return e.remote }

// Flow selects a flow by its addresses as its originator sees them.
func Flow(proto, local, remote string) (lab.Selector, error) {
	l, err1 := netip.ParseAddrPort(local)
	q, err2 := netip.ParseAddrPort(remote)
	if err := errors.Join(err1, err2); err != nil {
		return lab.Selector{}, err
	}
	if proto == "udp" {
		return lab.Conn(endpoint{nil, net.UDPAddrFromAddrPort(l), net.UDPAddrFromAddrPort(q)}), nil
	}
	return lab.Conn(endpoint{nil, net.TCPAddrFromAddrPort(l), net.TCPAddrFromAddrPort(q)}), nil
}

// Tell tells what a program's events say: segments, and labels of the flows,
// which are beacons and more if they carried more than check-ins. By the plan
// they may be no beacons, or be opened by the other end.
func Tell(r *lab.Run, p *lab.Process, plan Plan) error {
	labels := map[string][]label.Label{
		"tasking": {label.TaskedBeacon}, "upload": {label.TaskedBeacon, label.Upload, label.Exfiltration}, "download": {label.TaskedBeacon, label.Download},
		"tunnel": {label.Tunnel},
	}
	if plan.Bind {
		labels["upload"], labels["download"] = []label.Label{label.TaskedBeacon, label.Upload}, []label.Label{label.TaskedBeacon, label.Download, label.Exfiltration}
	}
	swapped := map[string]string{"upload": "download", "download": "upload"}
	return tell(r, p, func(e *Event) []label.Label {
		if plan.Bind && swapped[e.State] != "" {
			e.State = swapped[e.State]
		}
		if plan.Push {
			return []label.Label{label.Exfiltration, label.Upload}
		}
		return append(slices.Clone(labels[e.State]), label.Beacon)
	})
}

// tell tells a program's events, where those that follow each other in a flow
// and do the same are one segment; judge names the flow's labels and may change
// the event.
func tell(r *lab.Run, p *lab.Process, judge func(*Event) []label.Label) error {
	last := make(map[string]Event) // by flow
	one := func(e Event) error {
		sel := lab.Of(p)
		if e.Proto != "icmp" {
			var err error
			if sel, err = Flow(e.Proto, e.Local, e.Remote); err != nil {
				return err
			}
		}
		all := judge(&e)
		state, err := label.ParseState(e.State)
		if err != nil {
			return err
		}
		r.Span(sel, label.Time(e.T0), label.Time(e.T1), state, e.Detail)
		if len(all) > 0 {
			r.Label(sel, all...)
		}
		return nil
	}
	for line := range strings.Lines(p.Output()) {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return fmt.Errorf("the agent says %q", line)
		}
		key := e.Proto + e.Local + e.Remote
		old, ok := last[key]
		if ok && old.State == e.State && old.Detail == e.Detail && e.State != "checkin" {
			e.T0 = old.T0
		} else if ok {
			if err := one(old); err != nil {
				return err
			}
		}
		last[key] = e
	}
	for _, e := range last {
		if err := one(e); err != nil {
			return err
		}
	}
	return nil
}

// Secure makes a certificate for the controller of a plan and, where the agent
// checks it, makes its host trust it; it starts nginx before the controller if
// the plan says so.
func Secure(ctx context.Context, r *lab.Run, client, server *lab.Host, p Plan) error {
	authority, err := pki.New(r, "Trust Services CA 1")
	if err != nil {
		return err
	}
	cert, err := authority.Issue("ecdsa", append([]string{p.Name}, p.Names...)...)
	if err != nil {
		return err
	}
	if err := cert.Write(server, "cert"); err != nil {
		return err
	}
	if !p.Insecure {
		if err := authority.Trust(ctx, client); err != nil {
			return err
		}
	}
	if !p.Front {
		return nil
	}
	if err := server.Write("nginx.conf", front, 0o644); err != nil {
		return err
	}
	r.Installed(server, "nginx")
	_, err = server.Start(ctx, lab.Command{Args: []string{"nginx", "-p", server.Dir(), "-c", "nginx.conf"}})
	return err
}

// frontPort is where the controller listens behind a web server.
const frontPort = 8080

// front is a web server before the controller.
const front = `daemon off; user root; error_log stderr warn; pid nginx.pid;
events { worker_connections 256; }
http {
	access_log off; client_max_body_size 64m; proxy_read_timeout 600s; proxy_request_buffering off;
	server {
		listen 443 ssl http2; ssl_certificate cert.pem; ssl_certificate_key cert.key;
		location / { proxy_pass http://127.0.0.1:8080; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection; }
	}
}
`
