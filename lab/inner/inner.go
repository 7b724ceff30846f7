// Package inner is what the tunnels of a lab carry: services on a host behind
// the tunnel, and clients that use them with real programs. What a client does
// is told as segments of the tunnel's flows, the outer ones.
//
// A scenario starts Services where its tunnel leads, brings the tunnel up, and
// calls Carry with the Way through it. Its parameters include Params, its
// programs Programs, and its variants' needs Needs.
package inner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/pki"
	"tyto/lab/ssh"
	"tyto/lab/typist"
)

// Params are a scenario's parameters of what is inside, with sizes of files in
// kB that its tunnel can carry in reasonable time.
func Params(sizes ...string) []lab.Param {
	return []lab.Param{
		{Name: "inner", Doc: "what the tunnel carries; mix is two or three of the others at the same time", Values: append(slices.Sorted(maps.Keys(activities)), "idle", "mix")},
		{Name: "scheme", Doc: "of the inner web server", Values: []string{"http", "https"}},
		{Name: "size", Doc: "of an inner file in kB, about", Values: sizes},
		{Name: "rounds", Doc: "inner pages or files; twice as many commands", Values: []string{"2", "4", "6"}},
	}
}

// Needs are the programs that each variant needs for what is inside, and its
// own.
func Needs(own ...string) []string {
	return append(append(ssh.Needs("openssh", "openssh"), "curl", "openssl", "ss", "ps"), own...)
}

// WebParams are Params without the shell and mixes that may have one, for ways
// that only the web takes.
func WebParams(sizes ...string) []lab.Param {
	all := Params(sizes...)
	all[0].Values = slices.DeleteFunc(all[0].Values, func(name string) bool { return name == "shell" || name == "mix" })
	return all
}

// Programs are for lab.Scenario.Programs, with the scenario's own.
func Programs() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"inner-web": serve}
}

// Services are a web server and, where the run needs it, an SSH server on port
// 22, on one host.
type Services struct {
	Host       *lab.Host
	Client     *lab.Host      // where those are who use them
	Authority  *pki.Authority // of the web server's certificate; Client trusts it
	Port       int            // of the web server: what the run's scheme has
	Name       string         // by which certificates know the host
	activities []string       // of this run
	web        *lab.Process
	ssh        *ssh.Server
	login      *ssh.Client
}

// user is who logs in.
const user = "mortiz"

// webPorts are for http and https, on a host of its own and on one where the
// tunnel's server needs the usual ports.
var webPorts = map[bool][2]int{true: {80, 443}, false: {8080, 8444}}

// Start starts what the activity of this run needs, for the host "client".
// alone says that the tunnel's server does not need ports 80 and 443 of h.
func Start(ctx context.Context, r *lab.Run, h *lab.Host, alone bool) (*Services, error) {
	return StartFor(ctx, r, r.Host("client"), h, alone)
}

// StartFor is Start for users on another host.
func StartFor(ctx context.Context, r *lab.Run, client, h *lab.Host, alone bool) (*Services, error) {
	ports := webPorts[alone]
	s := &Services{Host: h, Client: client, Port: ports[0], Name: []string{"intranet", "files", "app", "wiki", "build"}[r.Rand().IntN(5)] + ".corp.example"}
	if r.Param("scheme") == "https" {
		s.Port = ports[1]
	}
	s.activities = []string{r.Param("inner")}
	if r.Param("inner") == "mix" {
		s.activities = slices.Sorted(maps.Keys(activities))
		r.Rand().Shuffle(len(s.activities), func(i, j int) { s.activities[i], s.activities[j] = s.activities[j], s.activities[i] })
		s.activities = s.activities[:2+r.Rand().IntN(2)]
		r.Note("inside at the same time: " + strings.Join(s.activities, ", "))
	}
	authority, err := pki.New(r, "Lab Root R1")
	if err != nil {
		return nil, err
	}
	s.Authority = authority
	cert, err := authority.Issue("ecdsa", s.Name)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(authority.Trust(ctx, client), cert.Write(h, "inner")); err != nil {
		return nil, err
	}
	if s.web, err = h.Start(ctx, lab.Command{Program: "inner-web", Args: []string{fmt.Sprint(":", ports[0]), fmt.Sprint(":", ports[1])}}); err != nil {
		return nil, err
	}
	if slices.Contains(s.activities, "shell") {
		if err := s.startSSH(ctx, r); err != nil {
			return nil, err
		}
	}
	return s, errors.Join(h.WaitListen(ctx, "tcp", ports[0]), h.WaitListen(ctx, "tcp", ports[1]))
}

func (s *Services) startSSH(ctx context.Context, r *lab.Run) (err error) {
	if err := errors.Join(s.Host.AddUser(ctx, user, ""), s.Host.WriteFiles("/home/"+user, typist.Developer.Files())); err != nil {
		return err
	}
	// sshd refuses those whose password is locked, keys or not.
	unlock := fmt.Sprintf("chown -R %[1]s: /home/%[1]s && usermod -p '*' %[1]s", user)
	if _, err := s.Host.Run(ctx, lab.Command{Args: []string{"sh", "-c", unlock}}); err != nil {
		return err
	}
	if s.ssh, err = ssh.Start(ctx, r, s.Host, ssh.Options{}); err != nil {
		return err
	}
	if _, err := s.SSH(ctx, r); err != nil {
		return err
	}
	return errors.Join(s.login.Trust(ctx, s.ssh), s.ssh.Authorize(ctx, user, s.login))
}

// SSH is the users' SSH client, for tunnels that need one too.
func (s *Services) SSH(ctx context.Context, r *lab.Run) (c *ssh.Client, err error) {
	if s.login == nil {
		s.login, err = ssh.NewClient(ctx, r, s.Client, "openssh")
	}
	return s.login, err
}

// Shell reports whether somebody will log in to port 22.
func (s *Services) Shell() bool { return s.ssh != nil }

// Way is how programs on the client reach the services through a tunnel.
type Way struct {
	Addr  string // the services' address for the client; Services.Name, which a proxy resolves, if empty
	Web   int    // port of the web server at Addr; the server's own if 0
	SSH   int    // port of the SSH server at Addr; 22 if 0
	Proxy string // URL of a proxy in between, scheme socks5h or http, if not empty
	Login string // "user:password" for the proxy, if it asks
	// Forward says that requests for http are made to the proxy itself, which
	// makes them again, and not in a connection through it.
	Forward bool
	// Outer are the tunnel's flows of a program on the client; of none in
	// particular if that is nil.
	Outer func(*lab.Process) lab.Selector
	// Each says that each inner connection has an outer flow of its own, with a
	// handshake and these labels. The scenario labels other flows itself.
	Each   bool
	Labels []label.Label
	// Early says that the client's TLS ends where the tunnel begins.
	Early bool
	// Linger is how long an outer flow says something after its inner connection
	// has ended: what comes next begins later, so that both can be told apart.
	Linger time.Duration
	// Device says that the tunnel is up without an inner connection.
	Device bool
	// Slow says that the tunnel carries about a hundred bytes in a round trip:
	// long answers would take too long for anybody to wait for them.
	Slow bool
	// Reverse says that the services are at the originator of the outer flows.
	Reverse bool
	// Serial says that the tunnel carries one connection at a time.
	Serial bool
	// Retry says that a connection may fail where packets are lost, and is
	// tried again as people do.
	Retry bool
}

// accepts reports whether the tunnel's end on the client accepts connections,
// before the other end does.
func (w Way) accepts() bool { return strings.Contains(w.Addr+" "+w.Proxy, "127.0.0.1") }

// outward is the state of the outer flows when that is the inner one.
func (w Way) outward(state label.State) label.State {
	if !w.Reverse {
		return state
	}
	return map[label.State]label.State{label.StateDownload: label.StateUpload, label.StateUpload: label.StateDownload}[state]
}

// Single is a Way's Outer where all is inside the same flows.
func Single(outer lab.Selector) func(*lab.Process) lab.Selector {
	return func(*lab.Process) lab.Selector { return outer }
}

// LocalPort is a port of the client for the entry of an activity's tunnel.
func LocalPort(activity string) int {
	return 20000 + slices.Index(slices.Sorted(maps.Keys(activities)), activity)
}

// Carry does what the run's parameter inner says, and fails if anything came
// back other than it should. It calls way once for each activity: a mix has
// several at the same time.
func (s *Services) Carry(ctx context.Context, r *lab.Run, way func(ctx context.Context, activity string) (Way, error)) error {
	var all []func(context.Context) error
	for _, name := range s.activities {
		all = append(all, func(ctx context.Context) error {
			w, err := way(ctx, name)
			if err != nil {
				return err
			}
			u := &use{r: r, s: s, w: w, client: s.Client, rng: r.NewRand("inner " + name), name: name}
			do := activities[name]
			if name == "idle" {
				do = idle
			}
			if len(s.activities) > 1 {
				if err := r.Sleep(ctx, time.Duration(u.rng.IntN(4000))*time.Millisecond); err != nil {
					return err
				}
			}
			if err := do(ctx, u); err != nil {
				return fmt.Errorf("inner %s: %w", name, err)
			}
			return nil
		})
	}
	r.Installed(s.Client, "curl")
	return lab.Together(ctx, all...)
}

// Direct is the Way of a tunnel whose device leads to an address, in which all
// is inside one set of outer flows.
func Direct(addr string, outer lab.Selector) func(context.Context, string) (Way, error) {
	return func(context.Context, string) (Way, error) {
		return Way{Addr: addr, Outer: Single(outer), Device: true}, nil
	}
}

// use is one activity.
type use struct {
	r      *lab.Run
	s      *Services
	w      Way
	client *lab.Host
	rng    *rand.Rand
	name   string
}

// bytes draws a size of about one of the parameter's.
func (u *use) bytes(share float64) int {
	return 200 + int(float64(u.r.ParamInt("size"))*1000*share*(.6+.8*u.rng.Float64()))
}

// Says waits until a process has written a text. It fails when the process has
// ended, and after 90 seconds.
func Says(ctx context.Context, p *lab.Process, text string) error {
	return until(ctx, p, 90*time.Second, fmt.Sprintf("no %q came", text), func() bool { return strings.Contains(p.Output(), text) })
}

// Answers waits until a host's device is up and an address behind it answers
// pings. It fails after 20 of them.
func Answers(ctx context.Context, h *lab.Host, device, addr string) error {
	const script = `until ip -o link show "$1" 2>&1 | grep -q ,UP; do sleep .05; done
for n in $(seq 20); do ping -c1 -W3 "$2" && exit; done; exit 1`
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	_, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", script, "sh", device, addr}})
	return err
}

// until waits until something is so, as long as a process lives.
func until(ctx context.Context, p *lab.Process, most time.Duration, or string, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for !is() {
		select {
		case <-p.Done():
			return fmt.Errorf("%s, it has ended: %w\n%s", or, p.Wait(ctx), last(p))
		case <-ctx.Done():
			return fmt.Errorf("%s: %w\n%s", or, ctx.Err(), last(p))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func last(p *lab.Process) string {
	out := p.Output()
	return out[max(0, len(out)-1500):]
}
