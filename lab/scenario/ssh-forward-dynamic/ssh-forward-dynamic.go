// Package sshforwarddynamic is hosts behind an SSH server that are used
// through its client's SOCKS proxy.
package sshforwarddynamic

import (
	"context"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Scenario reads web pages, fetches files or works in a shell through ssh -D.
var Scenario = lab.Scenario{
	Name:       "ssh-forward-dynamic",
	Doc:        "ssh -D is the SOCKS proxy for web pages, downloads or a shell. Teaches what is inside, with SOCKS in front of each connection.",
	Labels:     []label.Label{label.PortForward, label.Proxy, label.Tunnel},
	Techniques: []string{"T1572", "T1090.001"},
	Twin:       "ssh-forward-local",
	Hosts:      []string{"client", "server", "inner"},
	Variants: transfer.Variants(append(transfer.NeedsWeb(), "proxychains4", "ssh", "sshd"), "openssh-openssh", "openssh-dropbear",
		"putty-openssh", "putty-dropbear"),
	Params: transfer.Params(
		lab.Param{Name: "inner", Doc: "what the proxy is for", Values: []string{"web", "web", "download", "shell"}},
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
	if err := s.Host.Names(map[string]*lab.Host{transfer.Domain: inner}); err != nil {
		return err
	}
	kind, tasks, port := r.Param("inner"), r.ParamInt("tasks"), 443
	var site *transfer.Web
	var account []string
	if kind == "shell" {
		port = 22
		account, err = s.Account(ctx, inner)
	} else {
		site, err = transfer.StartWeb(ctx, r, inner, r.ParamInt("size")*1000, s.Client)
	}
	if err != nil {
		return err
	}
	p, err := s.Forward(ctx, "-D", fmt.Sprint("127.0.0.1:", local))
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.PortForward, label.Proxy, label.Tunnel)
	if err := s.Listen(ctx, s.Client, local); err != nil {
		return err
	}
	c := transfer.Inner{
		Site: s, Outer: lab.Of(p), From: s.Client, To: fmt.Sprint("tcp inner:", port),
		Via: []string{"--socks5-hostname", fmt.Sprint("127.0.0.1:", local)},
	}
	if err := s.Pause(ctx); err != nil {
		return err
	}
	if kind == "shell" {
		config := fmt.Sprintf("strict_chain\n[ProxyList]\nsocks5 127.0.0.1 %d\n", local)
		if err := s.Client.Write("/etc/lab-proxy.conf", config, 0o644); err != nil {
			return err
		}
		args := append([]string{"proxychains4", "-q", "-f", "/etc/lab-proxy.conf", "ssh"}, account...)
		err = transfer.Work(ctx, c, append(args, inner.Addr().String()), r.Param("role"), tasks)
	} else {
		err = site.Use(ctx, c, kind, tasks, label.StateDownload)
	}
	if err != nil {
		return err
	}
	return transfer.Gone(p)
}
