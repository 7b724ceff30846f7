// Package ssheditor is a person in full-screen programs on another host.
package ssheditor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/desk"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
	"tyto/lab/typist"
)

// Scenario spends a session in editors, pagers and monitors, perhaps inside a
// multiplexer.
var Scenario = lab.Scenario{
	Name:       "ssh-editor",
	Doc:        "A person works in full-screen programs (vi, nano, less, top) over SSH, perhaps inside tmux. Teaches keystrokes whose echo is a redrawn screen, and screens that change by themselves.",
	Labels:     []label.Label{label.Shell},
	Techniques: []string{"T1021.004", "T1059.004"},
	Twin:       "ssh-shell",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		variant("openssh", "openssh"), variant("openssh", "dropbear"), variant("dropbear", "openssh"), variant("dropbear", "dropbear"), variant("putty", "openssh"),
	},
	Params: []lab.Param{
		sshmore.Port, sshmore.Terminal,
		{Name: "programs", Doc: "that are used, one after the other", Values: []string{"1", "1", "1", "2"}},
		{Name: "multiplexer", Doc: "in which they run; split has a second pane that prints by itself", Values: []string{"none", "tmux", "split"}},
	},
	Limit: 12 * time.Minute,
	Run:   run,
}

func variant(client, server string) lab.Variant {
	return sshmore.Variant(client, server, "vi", "nano", "less", "top", "tmux", "ss")
}

func run(ctx context.Context, r *lab.Run) error {
	kind, serverKind, _ := strings.Cut(r.Variant(), "-")
	d, err := sshmore.NewDesk(ctx, r, r.Host("server"), ssh.Options{Kind: serverKind, Port: r.ParamInt("port")})
	if err != nil {
		return err
	}
	c, err := sshmore.NewClient(ctx, r, r.Host("client"), kind, d)
	if err != nil {
		return err
	}
	t, err := c.Host.Terminal(ctx, lab.Command{Args: c.Args(ssh.Login{Server: d.Server, User: d.User})}, r.Param("terminal"))
	if err != nil {
		return err
	}
	sel := lab.Of(t.Process)
	r.Label(sel, label.Shell)
	r.Keys(sel, t)
	handshake := r.Segment(sel, label.StateHandshake, "key")
	p := desk.NewPane(r, t, sel)
	if err := p.Ready(ctx); err != nil {
		return err
	}
	handshake()
	if err := multiplex(ctx, r, p); err != nil {
		return err
	}
	for range r.ParamInt("programs") {
		screens := typist.Screens(r.Rand())
		s := screens[r.Rand().IntN(len(screens))]
		if s.Name == "top" {
			s.Start.Want = "Tasks:" // its first line is cut where there are two panes
		}
		if err := p.Use(ctx, s); err != nil {
			return err
		}
	}
	if err := p.Counted(ctx, sshmore.Pick(r.Rand(), "ls -l", "wc README.md", "tail -3 logs/service.log")); err != nil {
		return err
	}
	if r.Param("multiplexer") != "none" {
		if err := p.Command(ctx, "tmux kill-server", "[server exited]"); err != nil {
			return err
		}
	}
	return lab.Leave(ctx, r, t, sel)
}

// multiplex starts tmux, with one pane or two.
func multiplex(ctx context.Context, r *lab.Run, p *desk.Pane) error {
	if r.Param("multiplexer") == "none" {
		return nil
	}
	name := sshmore.Pick(r.Rand(), "work", "main", "dev", "night")
	if err := p.Command(ctx, "tmux new -s "+name, "["+name+"]"); err != nil {
		return err
	}
	if r.Param("multiplexer") == "tmux" {
		return nil
	}
	if err := p.Keys(ctx, []string{"\x02", "%"}, "", "tmux split"); err != nil {
		return err
	}
	if err := p.Command(ctx, fmt.Sprintf("while sleep %d; do date; done", 1+r.Rand().IntN(4)), ":"); err != nil {
		return err
	}
	return p.Keys(ctx, []string{"\x02", "o"}, "", "tmux other pane")
}
