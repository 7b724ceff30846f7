// Package sshidle is SSH sessions that are held open and hardly used.
package sshidle

import (
	"context"
	"errors"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
	"tyto/lab/typist"
)

// Scenario holds a session open, with keepalives of one side, both or none: a
// shell that rests, one that nobody types to, or no shell at all.
var Scenario = lab.Scenario{
	Name:       "ssh-idle",
	Doc:        "An SSH session is held open with or without keepalives; a person uses its shell a little or never, or it has none. Teaches keepalives apart from keys and check-ins.",
	Labels:     []label.Label{label.Keepalive, label.Shell},
	Techniques: []string{"T1021.004"},
	Twin:       "ssh-reverse-login",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		sshmore.Variant("openssh", "openssh"), sshmore.Variant("openssh", "dropbear"), sshmore.Variant("dropbear", "openssh"),
		sshmore.Variant("dropbear", "dropbear"), sshmore.Variant("putty", "openssh"), sshmore.Variant("putty", "dropbear"),
	},
	Params: []lab.Param{
		sshmore.Port, sshmore.Role, sshmore.Terminal,
		{Name: "use", Doc: "of the session: a shell with some commands, one without, or none", Values: []string{"commands", "silent", "none"}},
		{Name: "keepalive", Doc: "who sends keepalives", Values: []string{"client", "client", "server", "both", "none"}},
		{Name: "interval", Doc: "of keepalives in seconds", Values: []string{"1", "3", "7", "15"}},
		{Name: "idle", Doc: "seconds of a pause, about", Values: []string{"15", "30", "60"}},
		{Name: "pauses", Doc: "how many; with commands before each", Values: []string{"1", "2"}},
	},
	Limit: 9 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	kind, serverKind, _ := strings.Cut(r.Variant(), "-")
	interval, who := r.Param("interval"), r.Param("keepalive")
	o := ssh.Options{Kind: serverKind, Port: r.ParamInt("port")}
	if who == "server" || who == "both" {
		o.Config = map[string][]string{"openssh": {"ClientAliveInterval " + interval}, "dropbear": {"-K", interval}}[serverKind]
	}
	d, err := sshmore.NewDesk(ctx, r, r.Host("server"), o)
	if err != nil {
		return err
	}
	c, err := sshmore.NewClient(ctx, r, r.Host("client"), kind, d)
	if err != nil {
		return err
	}
	l := ssh.Login{Server: d.Server, User: d.User}
	if who == "client" || who == "both" {
		l.Options = map[string][]string{"openssh": {"-o", "ServerAliveInterval=" + interval}, "dropbear": {"-K", interval}}[kind]
		// PuTTY has no option for it.
		if err := c.Host.Write("/root/.putty/sessions/Default%20Settings", "PingIntervalSecs="+interval+"\n", 0o600); err != nil {
			return err
		}
	}
	if r.Param("use") == "none" {
		l.Options = append(l.Options, "-N")
	}
	t, err := c.Host.Terminal(ctx, lab.Command{Args: c.Args(l)}, r.Param("terminal"))
	if err != nil {
		return err
	}
	sel := lab.Of(t.Process)
	handshake := r.Segment(sel, label.StateHandshake, "key")
	if _, err := d.Accepted(ctx, r); err != nil {
		return err
	}
	if r.Param("use") == "none" {
		r.Label(sel, label.Keepalive)
		handshake()
		if err := rest(ctx, r, sel, r.ParamInt("pauses")); err != nil {
			return err
		}
		if who != "none" && strings.Contains(t.Output(), "imeout") {
			return errors.New("it took the keepalives for unanswered")
		}
		t.Stop()
		_, err = d.Gone(ctx, r)
		return err
	}
	if r.Param("use") == "silent" {
		r.Label(sel, label.Keepalive)
		err = lab.Shell(ctx, r, t, sel, lab.Script{Commands: []typist.Command{}, Ready: handshake})
		err = errors.Join(err, rest(ctx, r, sel, r.ParamInt("pauses")))
	} else {
		r.Label(sel, label.Shell)
		err = work(ctx, r, t, sel, handshake)
	}
	if err != nil {
		return err
	}
	if err := lab.Leave(ctx, r, t, sel); err != nil {
		return err
	}
	_, err = d.Gone(ctx, r)
	return err
}

// work is some commands before each pause. After a pause the Enter key brings
// a new prompt.
func work(ctx context.Context, r *lab.Run, t *lab.Terminal, sel lab.Selector, handshake func()) error {
	for i := range r.ParamInt("pauses") {
		if i > 0 {
			end := r.Segment(sel, label.StateKeystrokes, "Enter")
			if err := t.Press(ctx, r.Typist().Press([]string{typist.Enter}, r.Rand())); err != nil {
				return err
			}
			end()
		}
		script := lab.Script{Commands: sshmore.RoleOf(r).Commands(1+r.Rand().IntN(3), r.Rand()), Ready: handshake}
		if err := lab.Shell(ctx, r, t, sel, script); err != nil {
			return err
		}
		if err := rest(ctx, r, sel, 1); err != nil {
			return err
		}
	}
	return nil
}

// rest lets n pauses go by.
func rest(ctx context.Context, r *lab.Run, sel lab.Selector, n int) error {
	idle := float64(n*r.ParamInt("idle")) * (.5 + r.Rand().Float64())
	defer r.Segment(sel, label.StateIdle, "keepalives: "+r.Param("keepalive"))()
	return r.Sleep(ctx, time.Duration(idle*float64(time.Second)))
}
