// Package sshexec is commands that a program runs over SSH.
package sshexec

import (
	"context"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// Scenario runs commands on another host without a terminal: a login for each,
// or all in one connection, as Ansible does.
var Scenario = lab.Scenario{
	Name:       "ssh-exec",
	Doc:        "A program runs commands over SSH, a login for each or all in one connection. The machine's twin of a person at the prompt.",
	Labels:     []label.Label{label.Command},
	Techniques: []string{"T1021.004", "T1059.004"},
	Twin:       "ssh-shell",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		sshmore.Variant("openssh", "openssh", "ss", "sshpass"), sshmore.Variant("openssh", "dropbear", "ss", "sshpass"), sshmore.Variant("openssh", "tinyssh", "ss"),
		sshmore.Variant("dropbear", "openssh", "ss"), sshmore.Variant("dropbear", "dropbear", "ss"), sshmore.Variant("putty", "openssh", "ss"),
		sshmore.Variant("paramiko", "openssh", "ss"), sshmore.Variant("paramiko", "dropbear", "ss"),
		{Name: "ansible-openssh", Needs: append(ssh.Needs("openssh", "openssh"), "ansible-playbook@ansible-core")},
	},
	Params: []lab.Param{
		sshmore.Port,
		{Name: "commands", Doc: "to run", Values: []string{"1", "3", "8", "20"}},
		{Name: "pause", Doc: "between two commands, about; none with Ansible", Values: []string{"0s", "0s", "250ms", "2s", "7s"}},
		{Name: "login", Doc: "one for each command or one for all; each where the client knows nothing else, one with Ansible", Values: []string{"each", "one"}},
		{Name: "auth", Doc: "how it logs in; by key where the implementation knows nothing else", Values: []string{"key", "key", "password"}},
	},
	Limit: 6 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	kind, serverKind, _ := strings.Cut(r.Variant(), "-")
	if kind == "dropbear" || kind == "putty" || serverKind == "tinyssh" {
		r.SetParam("login", "each")
	}
	if kind == "dropbear" || kind == "paramiko" || kind == "ansible" || serverKind == "tinyssh" {
		r.SetParam("auth", "key")
	}
	d, err := sshmore.NewDesk(ctx, r, r.Host("server"), ssh.Options{Kind: serverKind, Port: r.ParamInt("port")})
	if err != nil {
		return err
	}
	c, err := sshmore.NewClient(ctx, r, r.Host("client"), strings.Replace(kind, "ansible", "openssh", 1), d)
	if err != nil {
		return err
	}
	commands := d.Commands(r.ParamInt("commands"), r.Rand())
	if kind == "ansible" {
		r.SetParam("login", "one")
		r.SetParam("pause", "0s")
		return sshmore.Playbook(ctx, r, c.Host, d, commands)
	}
	pause, err := time.ParseDuration(r.Param("pause"))
	if err != nil {
		return err
	}
	b := sshmore.Batch{Desk: d, Client: c, Password: r.Param("auth") == "password"}
	if r.Param("login") == "one" {
		if err := b.Connect(ctx, r); err != nil {
			return err
		}
	}
	for i, command := range commands {
		if i > 0 && pause > 0 {
			if err := r.Sleep(ctx, time.Duration(float64(pause)*(.6+.8*r.Rand().Float64()))); err != nil {
				return err
			}
		}
		if err := b.Run(ctx, r, command); err != nil {
			return err
		}
	}
	return b.Close(ctx)
}
