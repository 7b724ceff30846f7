// Package sshx11 is a person who uses graphical programs of another host over
// SSH.
package sshx11

import (
	"context"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/desk"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// Scenario starts windows on another host that show here, and works in them.
var Scenario = lab.Scenario{
	Name:       "ssh-x11",
	Doc:        "A person uses graphical programs of another host by X11 forwarding of SSH: types, reads, moves the pointer. Teaches a screen inside SSH: events and drawing commands, not pictures.",
	Labels:     []label.Label{label.Screen, label.Tunnel},
	Techniques: []string{"T1021.004", "T1572"},
	Twin:       "ssh-shell",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{variant("openssh"), variant("putty")},
	Params: append(desk.DesktopParams(), sshmore.Port,
		lab.Param{Name: "compression", Doc: "by SSH", Values: []string{"no", "no", "yes"}}),
	Limit: 12 * time.Minute,
	Run:   run,
}

func variant(client string) lab.Variant {
	return lab.Variant{Name: client + "-openssh", Needs: desk.DesktopNeeds(append(ssh.Needs(client, "openssh"), "xauth")...)}
}

func run(ctx context.Context, r *lab.Run) error {
	kind, _, _ := strings.Cut(r.Variant(), "-")
	d, err := desk.NewDesktop(ctx, r, r.Host("server"))
	if err != nil {
		return err
	}
	s, err := desk.X11Server(ctx, r, d)
	if err != nil {
		return err
	}
	c, err := sshmore.NewClient(ctx, r, r.Host("client"), kind, s)
	if err != nil {
		return err
	}
	options := []string{map[string]string{"openssh": "-Y", "putty": "-X"}[kind]}
	if r.Param("compression") == "yes" {
		options = append(options, "-C")
	}
	display, err := desk.NewDisplay(ctx, r, c.Host, 5, r.Param("size"))
	if err != nil {
		return err
	}
	if err := display.Manage(ctx); err != nil {
		return err
	}
	if _, err := c.Host.Run(ctx, lab.Command{Args: []string{"xauth", "-f", "/root/.Xauthority", "add", display.Name, ".", "00112233445566778899aabbccddeeff"}}); err != nil {
		return err
	}
	args := c.Args(ssh.Login{Server: s.Server, User: s.User, Options: options, Command: []string{"./.windows"}})
	p, err := desk.X11(ctx, r, display, d, s, args)
	if err != nil {
		return err
	}
	if err := d.Work(ctx, r, lab.Of(p), display); err != nil {
		return err
	}
	p.Stop()
	_, err = s.Gone(ctx, r)
	return err
}
