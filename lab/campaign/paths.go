package campaign

import (
	"context"

	"tyto/lab"
	"tyto/lab/label"
)

// Path is a way through the network: it adds steps, and makes ready what they
// need.
type Path func(*Campaign) error

// Labels are what flows of a campaign may be about.
func Labels(hostile, remote bool) []label.Label {
	all := []label.Label{label.Shell, label.Scan, label.Download, label.Upload, label.Poll}
	if remote {
		all = append(all, label.RemoteExecution, label.Command)
	}
	if hostile {
		all = append(all, label.ReverseShell, label.ReverseTunnel, label.Exfiltration)
	}
	return all
}

// Run plays a path and checks what came of it. An intruder has the control that
// the knob names; an administrator logs in.
func Run(ctx context.Context, r *lab.Run, hostile bool, path Path) error {
	open := Login
	if hostile {
		switch kind := r.Param("control"); kind {
		case "tunnel":
			open = Tunnelled
		default:
			open = Reverse(kind)
		}
	}
	c, err := New(ctx, r, hostile)
	if err != nil {
		return err
	}
	if err := path(c); err != nil {
		return err
	}
	if err := c.Play(open); err != nil {
		return err
	}
	return c.Check()
}

// BySSH goes by SSH to one machine and from there to the next.
func BySSH(c *Campaign) error {
	if err := c.Enable("app", "db"); err != nil {
		return err
	}
	if err := c.Plant("db"); err != nil {
		return err
	}
	c.Look()
	c.Sweep(22, 5432)
	c.Enter("app")
	c.Look()
	c.Enter("db")
	c.Collect()
	c.Back()
	c.Back()
	c.Send()
	c.Clean()
	return nil
}
