package winrpc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// Task is one thing that an administrator does at a service of the server's:
// how each of AdminVariants is told, and what must come back.
type Task struct {
	Line     string   // for the lab's own client
	Net      []string // arguments of net rpc
	Impacket []string // program of impacket's examples, and its arguments
	Want     *regexp.Regexp
	Label    label.Label // of the flow
}

// AdminVariants are the clients of Administer: Samba's net and programs of
// impacket's, each task one run; and the lab's own, one session for all.
func AdminVariants() []lab.Variant {
	return []lab.Variant{
		{Name: "net", Needs: append(Needs(), "net@samba-common-bin", "smbclient")}, {Name: "impacket", Needs: Needs()}, {Name: "console", Needs: Needs()},
	}
}

// Administer does tasks from another host by one of AdminVariants, checks what
// was printed, and tells labels and segments. way is that of the lab's own
// client, "services" or "registry".
func (s *Server) Administer(ctx context.Context, from *lab.Host, variant, kind string, tasks []Task, between time.Duration) error {
	w := Work{Rand: s.run.Rand(), Pause: between}
	for _, t := range tasks {
		w.Commands = append(w.Commands, Command{Line: t.Line, Want: t.Want})
	}
	s.runs++
	base := fmt.Sprintf("%s-%d", kind, s.runs)
	if _, err := s.prepare(from, way{}, w, base); err != nil {
		return err
	}
	c := samba{s, from, &Session{run: s.run}}
	var err error
	switch variant {
	case "net":
		if c, err = s.samba(from); err == nil {
			err = s.eachTask(ctx, c, tasks, w, func(t Task) error {
				_, err := c.net(ctx, t.Line, t.Net...)
				return err
			})
		}
	case "impacket":
		err = s.eachTask(ctx, c, tasks, w, func(t Task) error {
			args := append([]string{"{target}"}, t.Impacket[1:]...)
			_, err := c.session.python(ctx, s, from, base, s.traced(base, examples+t.Impacket[0], args...))
			return err
		})
	case "console":
		s.run.Note("the client is the lab's own, with impacket")
		var p *lab.Process
		p, err = c.session.python(ctx, s, from, base, s.traced(base, "exec.py", kind))
		for i := 0; err == nil && i < len(tasks); i++ {
			s.run.Label(lab.Of(p), tasks[i].Label)
		}
	default:
		err = fmt.Errorf("there is no variant %q", variant)
	}
	if err == nil && variant != "net" {
		s.run.Software(from.Name(), "python3-impacket", lab.PackageVersion("python3-impacket"))
		err = c.session.read(from, base+".trace")
	}
	if err := errors.Join(err, c.session.check(w.Commands)); err != nil {
		return err
	}
	c.session.Tell()
	return nil
}

// eachTask does the tasks one by one, and labels what each opened.
func (s *Server) eachTask(ctx context.Context, c samba, tasks []Task, w Work, do func(Task) error) error {
	for i, t := range tasks {
		if i > 0 {
			if err := s.run.Sleep(ctx, pause(w.Pause, w.Rand)); err != nil {
				return err
			}
		}
		if err := do(t); err != nil {
			return err
		}
		s.run.Label(lab.Of(c.session.Processes[len(c.session.Processes)-1]), t.Label)
	}
	return nil
}

// DrawServiceTasks draws what an administrator does with services: perhaps a
// list, looks, and restarts.
func (s *Server) DrawServiceTasks(looks, restarts int, rng *rand.Rand) (all []Task) {
	add := func(verb, name, want string) {
		t := Task{Line: verb + " " + name, Net: []string{"service", verb}, Impacket: []string{"services.py", verb}, Want: regexp.MustCompile(want), Label: label.Enumeration}
		if verb == "config" {
			t.Net[1] = "status" // which prints both
		}
		if name != "" {
			t.Net, t.Impacket = append(t.Net, name), append(t.Impacket, "-name", name)
		}
		if verb == "stop" || verb == "start" {
			t.Label = label.RemoteExecution
		}
		all = append(all, t)
	}
	if rng.IntN(3) > 0 {
		add("list", "", `Print Spooler`)
	}
	for range looks {
		v := s.services[rng.IntN(len(s.services))]
		if rng.IntN(2) == 0 {
			add("config", v.Name, regexp.QuoteMeta(v.Path))
			continue
		}
		add("status", v.Name, state(v.Name, v.Running))
	}
	for range restarts {
		v := s.services[rng.IntN(common)]
		add("stop", v.Name, ``)
		add("status", v.Name, state(v.Name, false))
		add("start", v.Name, ``)
		add("status", v.Name, state(v.Name, true))
	}
	return all
}

// state matches what is printed of a service.
func state(name string, running bool) string {
	word := "stopped"
	if running {
		word = "running"
	}
	return `(?i)` + regexp.QuoteMeta(name) + `[^\n]*` + word
}
