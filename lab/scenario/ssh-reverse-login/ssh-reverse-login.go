// Package sshreverselogin is a login back through a reverse SSH tunnel.
package sshreverselogin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// Scenario is the reverse shell over SSH: a victim opens a session with a port
// forwarded back to its own SSH server, and later somebody logs in by it.
var Scenario = lab.Scenario{
	Name:       "ssh-reverse-login",
	Doc:        "A victim opens an SSH session with a reverse tunnel (-R) to its own SSH server; the far side logs in through it and types. Teaches keystrokes that go from the responder to the originator.",
	Labels:     []label.Label{label.ReverseTunnel, label.ReverseShell},
	Techniques: []string{"T1572", "T1021.004"},
	Twin:       "ssh-idle",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		sshmore.Variant("openssh", "openssh"), sshmore.Variant("openssh", "dropbear"), sshmore.Variant("dropbear", "openssh"),
		sshmore.Variant("dropbear", "dropbear"), sshmore.Variant("putty", "openssh"), sshmore.Variant("putty", "dropbear"),
	},
	Params: []lab.Param{
		sshmore.Port, sshmore.Role, sshmore.Terminal,
		{Name: "victim", Doc: "SSH server of the victim", Values: []string{"openssh", "dropbear"}},
		{Name: "login", Doc: "SSH client of who logs in", Values: []string{"openssh", "dropbear"}},
		{Name: "auth", Doc: "of that login", Values: []string{"key", "password"}},
		{Name: "wait", Doc: "seconds from the tunnel to the first login, about", Values: []string{"0", "5", "20"}},
		{Name: "logins", Doc: "one after the other", Values: []string{"1", "1", "2"}},
		{Name: "commands", Doc: "at least so many in each", Values: []string{"2", "5", "10"}},
	},
	Limit: 12 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	kind, serverKind, _ := strings.Cut(r.Variant(), "-")
	victim, controller := r.Host("client"), r.Host("server")
	far, err := sshmore.NewDesk(ctx, r, controller, ssh.Options{Kind: serverKind, Port: r.ParamInt("port")})
	if err != nil {
		return err
	}
	near, err := sshmore.NewDesk(ctx, r, victim, ssh.Options{Kind: r.Param("victim")})
	if err != nil {
		return err
	}
	c, err := sshmore.NewClient(ctx, r, victim, kind, far)
	if err != nil {
		return err
	}
	back, err := sshmore.NewClient(ctx, r, controller, r.Param("login"), near)
	if err != nil {
		return err
	}
	port := 10000 + r.Rand().IntN(50000)
	forward := fmt.Sprintf("%d:127.0.0.1:22", port)
	tunnel, err := victim.Start(ctx, lab.Command{Args: c.Args(ssh.Login{Server: far.Server, User: far.User, Options: []string{"-N", "-R", forward}})})
	if err != nil {
		return err
	}
	sel := lab.Of(tunnel)
	r.Label(sel, label.ReverseTunnel, label.ReverseShell)
	handshake := r.Segment(sel, label.StateHandshake, "-R "+forward)
	if err := controller.WaitListen(ctx, "tcp", port); err != nil {
		return err
	}
	handshake()
	wait := float64(r.ParamInt("wait")) * (.5 + r.Rand().Float64())
	for range r.ParamInt("logins") {
		idle := r.Segment(sel, label.StateIdle, "")
		if err := r.Sleep(ctx, time.Duration(wait*float64(time.Second))); err != nil {
			return err
		}
		if err := r.Think(ctx, r.Rand()); err != nil {
			return err
		}
		idle()
		if err := login(ctx, r, back, near, port, sel); err != nil {
			return err
		}
	}
	tunnel.Stop()
	_, err = far.Gone(ctx, r)
	return err
}

// login logs in at the victim by the tunnel's port, works and logs out. All of
// it is in the flow that sel selects.
func login(ctx context.Context, r *lab.Run, c *ssh.Client, d *sshmore.Desk, port int, sel lab.Selector) error {
	options := map[string][]string{"openssh": {"-o", "StrictHostKeyChecking=accept-new", "-p", fmt.Sprint(port)}, "dropbear": {"-y", "-y", "-p", fmt.Sprint(port)}}
	byPassword := r.Param("auth") == "password"
	args := c.Args(ssh.Login{Server: d.Server, User: d.User, Password: byPassword, Options: options[c.Kind]})
	args[len(args)-1] = d.User + "@127.0.0.1"
	t, err := c.Host.Terminal(ctx, lab.Command{Args: args}, r.Param("terminal"))
	if err != nil {
		return err
	}
	within := r.Segment(sel, label.StateTunnel, "handshake, tcp 127.0.0.1:22")
	if byPassword {
		if err := sshmore.TypePassword(ctx, r, t, d.Password); err != nil {
			return err
		}
	}
	return sshmore.Work(ctx, r, t, sel, r.ParamInt("commands"), within)
}
