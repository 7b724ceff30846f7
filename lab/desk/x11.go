package desk

import (
	"context"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// X11Server starts OpenSSH's server for a desktop's user, who forwards X11.
func X11Server(ctx context.Context, r *lab.Run, d *Desktop) (*sshmore.Desk, error) {
	s, err := ssh.Start(ctx, r, d.Host, ssh.Options{Port: r.ParamInt("port"), Config: []string{"X11Forwarding yes", "AddressFamily inet"}})
	if err != nil {
		return nil, err
	}
	return &sshmore.Desk{Server: s, User: d.User, Password: d.Password}, nil
}

// X11 starts the desktop's windows over SSH on a display that is managed
// already, and waits until they are there.
func X11(ctx context.Context, r *lab.Run, display *Display, d *Desktop, s *sshmore.Desk, args []string) (*lab.Process, error) {
	c := display.Command(args...)
	c.Env = append(c.Env, "XAUTHORITY=/root/.Xauthority")
	p, err := display.Host.Start(ctx, c)
	if err != nil {
		return nil, err
	}
	d.server = s.Process.Output
	sel := lab.Of(p)
	r.Label(sel, label.Screen, label.Tunnel)
	at, err := s.Accepted(ctx, r)
	if err != nil {
		return nil, err
	}
	r.Span(sel, p.Started(), at, label.StateHandshake, "key")
	appears := r.Segment(sel, label.StateScreen, "windows appear")
	defer appears()
	if err := d.Up(ctx, p); err != nil {
		return nil, err
	}
	return p, display.Settles(ctx)
}
