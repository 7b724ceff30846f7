// Package sshkeys is short SSH sessions with all ways to log in and out.
package sshkeys

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/sshmore"
)

// Scenario logs in by keys of several kinds, an agent, a certificate, questions
// or two factors, does little, and logs out in one of several ways.
var Scenario = lab.Scenario{
	Name:       "ssh-keys",
	Doc:        "Short shell sessions with every way to log in (keys, agent, certificate, questions, two factors) and out. Teaches that the length of a handshake says nothing of what follows.",
	Labels:     []label.Label{label.Shell},
	Techniques: []string{"T1021.004", "T1078"},
	Twin:       "ssh-wrong-password",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		sshmore.Variant("openssh", "openssh", "ssh-agent", "ssh-add"), sshmore.Variant("openssh", "dropbear", "ssh-agent", "ssh-add"),
		sshmore.Variant("dropbear", "openssh"), sshmore.Variant("dropbear", "dropbear"), sshmore.Variant("putty", "openssh"), sshmore.Variant("putty", "dropbear"),
	},
	Params: []lab.Param{
		sshmore.Port, sshmore.Role, sshmore.Terminal,
		{Name: "method", Doc: "how to log in; one that client and server know is taken instead of another", Values: []string{"ed25519", "rsa", "ecdsa", "passphrase", "agent", "certificate", "questions", "two-factor"}},
		{Name: "others", Doc: "keys that an agent offers in vain first", Values: []string{"0", "1", "3"}},
		{Name: "logout", Doc: "by exit, by the client's escape (OpenSSH) or by closing the window", Values: []string{"exit", "exit", "escape", "window"}},
		{Name: "sessions", Doc: "one after the other", Values: []string{"1", "2"}},
		{Name: "commands", Doc: "at least so many in each", Values: []string{"1", "2", "4"}},
	},
	Limit: 8 * time.Minute,
	Run:   run,
}

// unknown are the methods that a client or server does not know.
var unknown = map[string]string{
	"dropbear client": "passphrase agent certificate questions two-factor", "putty client": "rsa ecdsa passphrase agent certificate",
	"dropbear server": "certificate questions two-factor",
}

func run(ctx context.Context, r *lab.Run) error {
	kind, serverKind, _ := strings.Cut(r.Variant(), "-")
	if slices.Contains(strings.Fields(unknown[kind+" client"]+" "+unknown[serverKind+" server"]), r.Param("method")) {
		r.SetParam("method", "ed25519")
	}
	if kind != "openssh" && r.Param("logout") == "escape" {
		r.SetParam("logout", "exit")
	}
	login, err := sshmore.NewMethod(ctx, r, kind, serverKind, r.Param("method"), r.ParamInt("others"), r.ParamInt("port"))
	if err != nil {
		return err
	}
	for i := range r.ParamInt("sessions") {
		if i > 0 {
			if err := r.Think(ctx, r.Rand()); err != nil {
				return err
			}
		}
		if err := session(ctx, r, login); err != nil {
			return err
		}
	}
	return nil
}

func session(ctx context.Context, r *lab.Run, m *sshmore.Method) error {
	t, err := r.Host("client").Terminal(ctx, lab.Command{Args: m.Args, Env: m.Env}, r.Param("terminal"))
	if err != nil {
		return err
	}
	sel := lab.Of(t.Process)
	r.Label(sel, label.Shell)
	handshake := r.Segment(sel, label.StateHandshake, m.Name)
	for _, secret := range m.Secrets {
		if err := sshmore.TypePassword(ctx, r, t, secret); err != nil {
			return err
		}
	}
	if r.Param("logout") == "exit" {
		return sshmore.Work(ctx, r, t, sel, r.ParamInt("commands"), handshake)
	}
	if err := lab.Shell(ctx, r, t, sel, lab.Script{Role: sshmore.RoleOf(r), Count: r.ParamInt("commands"), Ready: handshake}); err != nil {
		return err
	}
	if err := r.Think(ctx, r.Rand()); err != nil {
		return err
	}
	if r.Param("logout") == "escape" {
		err = t.Press(ctx, r.Typist().Press([]string{"\r", "~", "."}, r.Rand()))
	} else {
		err = t.Signal(syscall.SIGHUP)
	}
	if err != nil {
		return err
	}
	if err := t.Wait(ctx); lab.Status(err) < 0 {
		return err
	}
	_, err = m.Desk.Gone(ctx, r)
	return err
}
