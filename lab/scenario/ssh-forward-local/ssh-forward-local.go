// Package sshforwardlocal is a service behind an SSH server that is used
// through a local forward.
package sshforwardlocal

import (
	"context"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Scenario reads web pages, queries a database or works in a shell through
// ssh -L.
var Scenario = lab.Scenario{
	Name:       "ssh-forward-local",
	Doc:        "ssh -L carries a web site, a download, a database or a shell of a host behind the server. Teaches what is inside a forward.",
	Labels:     []label.Label{label.PortForward, label.Tunnel},
	Techniques: []string{"T1572", "T1090.001"},
	Twin:       "ssh-shell",
	Hosts:      []string{"client", "server", "inner"},
	Variants: transfer.Variants(append(transfer.NeedsWeb(), "redis-server", "redis-cli", "ssh", "sshd"), "openssh-openssh",
		"openssh-dropbear", "dropbear-openssh", "dropbear-dropbear", "putty-openssh"),
	Params: transfer.Params(
		lab.Param{Name: "inner", Doc: "what the forward is for", Values: []string{"web", "download", "database", "shell"}},
		lab.Param{Name: "tasks", Doc: "pages, files or commands, at least", Values: []string{"1", "3", "6"}},
		lab.Param{Name: "size", Doc: "of a file in kB, about", Values: []string{"30", "300", "2000"}},
		lab.Param{Name: "role", Doc: "who works in the shell", Values: []string{"developer", "administrator", "analyst", "intruder"}},
	),
	Limit:    8 * time.Minute,
	Programs: transfer.Programs(),
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	s, err := transfer.Start(ctx, r)
	if err != nil {
		return err
	}
	inner, local := r.Host("inner"), 10000+r.Rand().IntN(20000)
	if err := s.Host.Names(map[string]*lab.Host{"inner": inner}); err != nil {
		return err
	}
	kind, tasks := r.Param("inner"), r.ParamInt("tasks")
	port := map[string]int{"web": 443, "download": 443, "database": 6379, "shell": 22}[kind]
	var site *transfer.Web
	var account []string
	switch kind {
	case "database":
		err = transfer.Redis(ctx, r, inner)
	case "shell":
		account, err = s.Account(ctx, inner)
	default:
		site, err = transfer.StartWeb(ctx, r, inner, r.ParamInt("size")*1000, s.Client)
	}
	if err != nil {
		return err
	}
	p, err := s.Forward(ctx, "-L", fmt.Sprintf("127.0.0.1:%d:inner:%d", local, port))
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.PortForward, label.Tunnel)
	if err := s.Listen(ctx, s.Client, local); err != nil {
		return err
	}
	c := transfer.Inner{
		Site: s, Outer: lab.Of(p), From: s.Client, To: fmt.Sprint("tcp inner:", port),
		Via: []string{"--connect-to", fmt.Sprintf("::127.0.0.1:%d", local)},
	}
	if err := s.Pause(ctx); err != nil {
		return err
	}
	switch kind {
	case "database":
		err = transfer.Query(ctx, c, local, tasks)
	case "shell":
		args := append([]string{"ssh", "-p", fmt.Sprint(local)}, account...)
		err = transfer.Work(ctx, c, append(args, "127.0.0.1"), r.Param("role"), tasks)
	default:
		err = site.Use(ctx, c, kind, tasks, label.StateDownload)
	}
	if err != nil {
		return err
	}
	return transfer.Gone(p)
}
