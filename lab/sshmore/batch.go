package sshmore

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"regexp"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/typist"
)

// Batch is a program that runs commands on a desk one after the other: with a
// login for each, or in one connection after Connect.
type Batch struct {
	Desk     *Desk
	Client   *ssh.Client
	Password bool // it logs in by password
	Master   *lab.Process
	lines    *io.PipeWriter // paramiko's commands
	answers  int            // that paramiko gave
}

//go:embed batch.py
var paramikoBatch string

const (
	batchFile   = "/opt/lab-ssh/batch.py"
	controlPath = "/root/.ssh/control"
)

// args is a client's command line; password tells it the password.
func (b *Batch) args(options []string, command ...string) []string {
	l := ssh.Login{Server: b.Desk.Server, User: b.Desk.User, Password: b.Password, Options: options, Command: command}
	switch {
	case b.Client.Kind == "putty" && b.Password:
		l.Options = append(l.Options, "-batch", "-pw", b.Desk.Password)
	case b.Client.Kind == "openssh" && b.Password:
		return append([]string{"sshpass", "-p", b.Desk.Password}, b.Client.Args(l)...)
	}
	return b.Client.Args(l)
}

// Connect opens the one connection: OpenSSH's master, or paramiko's client.
func (b *Batch) Connect(ctx context.Context, r *lab.Run) (err error) {
	h := b.Client.Host
	c := lab.Command{Args: b.args([]string{"-M", "-N", "-S", controlPath})}
	if b.Client.Kind == "paramiko" {
		if err := h.Write(batchFile, paramikoBatch, 0o755); err != nil {
			return err
		}
		c.Args = b.args(nil)
		c.Args[1] = batchFile // takes the same arguments
		c.Stdin, b.lines = io.Pipe()
	}
	if b.Master, err = h.Start(ctx, c); err != nil {
		return err
	}
	sel := lab.Of(b.Master)
	r.Label(sel, label.Command)
	at, err := b.Desk.Accepted(ctx, r)
	if err != nil {
		return err
	}
	r.Span(sel, b.Master.Started(), at, label.StateHandshake, "")
	if b.Client.Kind == "paramiko" {
		return nil
	}
	// The socket is there when the client knows of its login.
	return WaitFile(ctx, h, controlPath)
}

// Run runs a command and checks what it prints.
func (b *Batch) Run(ctx context.Context, r *lab.Run, c typist.Command) error {
	if b.lines != nil {
		return b.ask(ctx, r, c)
	}
	var options []string
	if b.Master != nil {
		options = []string{"-S", controlPath}
	}
	p, err := b.Client.Host.Start(ctx, lab.Command{Args: b.args(options, c.Text)})
	if err != nil {
		return err
	}
	sel, began := lab.Of(p), p.Started()
	if b.Master != nil {
		sel = lab.Of(b.Master)
	} else {
		r.Label(sel, label.Command)
		if began, err = b.Desk.Accepted(ctx, r); err != nil {
			return err
		}
		r.Span(sel, p.Started(), began, label.StateHandshake, "")
	}
	if err := p.Wait(ctx); err != nil {
		return err
	}
	r.Span(sel, began, r.Now(), label.StateExchange, c.Text)
	return Check(c, p.Output())
}

var answered = regexp.MustCompile(`\x1e`)

func (b *Batch) ask(ctx context.Context, r *lab.Run, c typist.Command) error {
	defer r.Segment(lab.Of(b.Master), label.StateExchange, c.Text)()
	if _, err := io.WriteString(b.lines, c.Text+"\n"); err != nil {
		return err
	}
	b.answers++
	if _, err := Await(ctx, r, b.Master, answered, b.answers); err != nil {
		return err
	}
	return Check(c, strings.Split(b.Master.Output(), "\x1e")[b.answers-1])
}

// Close ends the one connection, if there is one.
func (b *Batch) Close(ctx context.Context) error {
	switch {
	case b.lines != nil:
		b.lines.Close()
		return b.Master.Wait(ctx)
	case b.Master != nil:
		if _, err := b.Client.Host.Run(ctx, lab.Command{Args: b.args([]string{"-S", controlPath, "-O", "exit"})}); err != nil {
			return err
		}
		if err := b.Master.Wait(ctx); lab.Status(err) < 0 {
			return fmt.Errorf("the master does not end: %w", err)
		}
	}
	return nil
}
