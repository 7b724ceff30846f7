package winrpc

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// Play starts a server on the host "server" and runs commands that are drawn,
// from the host "client" by the way that the variant names: a whole scenario
// whose knobs are Params.
func Play(ctx context.Context, r *lab.Run, o Options, w Work) error {
	s, err := Start(ctx, r, r.Host("server"), o)
	if err != nil {
		return err
	}
	if w.Pause, err = time.ParseDuration(r.Param("pause")); err != nil {
		return err
	}
	// Each command of Samba's clients is some thirty round trips.
	if ways[r.Variant()].net && r.Profile().RTT.Duration() > 400*time.Millisecond && r.ParamInt("commands") > 2 {
		r.SetParam("commands", "2")
	}
	w.Way, w.Commands = r.Variant(), s.Draw(r.ParamInt("commands"), r.Rand())
	session, err := s.Run(ctx, r.Host("client"), w)
	if err != nil {
		return err
	}
	session.Tell(label.RemoteExecution, label.Command)
	return nil
}
