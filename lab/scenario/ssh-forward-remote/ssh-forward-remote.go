// Package sshforwardremote is a web site on the client's side that is read
// from an SSH server through a remote forward.
package sshforwardremote

import (
	"context"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Scenario offers a web site with ssh -R, which somebody on the server reads.
var Scenario = lab.Scenario{
	Name:       "ssh-forward-remote",
	Doc:        "ssh -R offers a web site of the client's side on the server, where it is read. Teaches connections that the responder opens.",
	Labels:     []label.Label{label.ReverseTunnel, label.Tunnel},
	Techniques: []string{"T1572", "T1090.001"},
	Twin:       "ssh-forward-local",
	Hosts:      []string{"client", "server", "inner"},
	Near:       []string{"inner"},
	Variants: transfer.Variants(transfer.NeedsWeb(), "openssh-openssh", "openssh-dropbear", "dropbear-openssh", "dropbear-dropbear",
		"putty-openssh"),
	Params: transfer.Params(
		lab.Param{Name: "inner", Doc: "what is done through the forward", Values: []string{"web", "web", "download"}},
		lab.Param{Name: "place", Doc: "host of the web site", Values: []string{"client", "inner"}},
		lab.Param{Name: "tasks", Doc: "pages or files", Values: []string{"1", "3", "6"}},
		lab.Param{Name: "size", Doc: "of a file in kB, about", Values: []string{"30", "300", "2000"}},
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
	place, remote := r.Param("place"), 10000+r.Rand().IntN(20000)
	if place == "inner" {
		if err := s.Client.Names(map[string]*lab.Host{"inner": r.Host("inner")}); err != nil {
			return err
		}
	}
	site, err := transfer.StartWeb(ctx, r, r.Host(place), r.ParamInt("size")*1000, s.Host)
	if err != nil {
		return err
	}
	p, err := s.Forward(ctx, "-R", fmt.Sprintf("%d:%s:443", remote, place))
	if err != nil {
		return err
	}
	r.Label(lab.Of(p).And(lab.Service(s.Host, "tcp", s.Server.Port)), label.ReverseTunnel, label.Tunnel)
	if err := s.Listen(ctx, s.Host, remote); err != nil {
		return err
	}
	c := transfer.Inner{
		Site: s, Outer: lab.Of(p).And(lab.Service(s.Host, "tcp", s.Server.Port)), From: s.Host, To: "tcp " + place + ":443",
		Via: []string{"--connect-to", fmt.Sprintf("::127.0.0.1:%d", remote)},
	}
	if err := s.Pause(ctx); err != nil {
		return err
	}
	// The files come from the originator of the login.
	if err := site.Use(ctx, c, r.Param("inner"), r.ParamInt("tasks"), label.StateUpload); err != nil {
		return err
	}
	return transfer.Gone(p)
}
