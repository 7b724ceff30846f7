// Package sshforwardidle is an SSH login that is held open and not used.
package sshforwardidle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Scenario logs in with ssh -N, perhaps with a forward, and does nothing.
var Scenario = lab.Scenario{
	Name:       "ssh-forward-idle",
	Doc:        "ssh -N holds a login open that nobody uses, with keepalives or none. Teaches idle, with a rhythm that is no beacon.",
	Labels:     []label.Label{label.Keepalive},
	Techniques: []string{"T1572"},
	Twin:       "ssh-forward-local",
	Hosts:      []string{"client", "server"},
	Variants: transfer.Variants([]string{"ss"}, "openssh-openssh", "openssh-dropbear", "dropbear-openssh", "dropbear-dropbear",
		"putty-openssh", "putty-dropbear"),
	Params: transfer.Params(
		lab.Param{Name: "forward", Doc: "that is set up and not used; no SOCKS proxy with dropbear", Values: []string{"none", "local", "dynamic", "remote"}},
		lab.Param{Name: "keepalive", Doc: "of the client in seconds, 0 is none", Values: []string{"0", "1", "3", "5", "10", "15"}},
		lab.Param{Name: "duration", Doc: "of the login in seconds, about", Values: []string{"10", "25", "60"}},
	),
	Run: run,
}

func run(ctx context.Context, r *lab.Run) error {
	s, err := transfer.Start(ctx, r)
	if err != nil {
		return err
	}
	if s.Kind == "dropbear" && r.Param("forward") == "dynamic" {
		r.SetParam("forward", "local")
	}
	port, options := 10000+r.Rand().IntN(20000), []string{}
	listens := s.Client
	switch r.Param("forward") {
	case "local":
		options = []string{"-L", fmt.Sprintf("127.0.0.1:%d:127.0.0.1:80", port)}
	case "dynamic":
		options = []string{"-D", fmt.Sprint("127.0.0.1:", port)}
	case "remote":
		options, listens = []string{"-R", fmt.Sprintf("%d:127.0.0.1:80", port)}, s.Host
	}
	keep, err := keepalive(s, r.Param("keepalive"))
	if err != nil {
		return err
	}
	p, err := s.Forward(ctx, append(keep, options...)...)
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.Keepalive)
	if len(options) > 0 {
		if err := s.Listen(ctx, listens, port); err != nil {
			return err
		}
	}
	end := r.Segment(lab.Of(p), label.StateIdle, "keepalive "+r.Param("keepalive")+" s, forward "+r.Param("forward"))
	duration := float64(r.ParamInt("duration")) * (.6 + .8*r.Rand().Float64())
	if err := r.Sleep(ctx, time.Duration(duration*float64(time.Second))); err != nil {
		return err
	}
	end()
	// A client whose keepalives are not answered gives up; one that is not
	// known to the server any more has not kept its login open.
	out, err := s.Host.Run(ctx, lab.Command{Args: []string{"ss", "-Htn", "state", "established", "sport", "=", fmt.Sprint(":", s.Server.Port)}})
	if err != nil {
		return err
	}
	if n := strings.Count(string(out), "\n"); n != 1 {
		return fmt.Errorf("the server has %d logins:\n%s", n, out)
	}
	return transfer.Gone(p)
}

// keepalive are the client's options that make it send keepalives.
func keepalive(s *transfer.Site, seconds string) ([]string, error) {
	switch s.Kind {
	case "dropbear":
		return []string{"-K", seconds}, nil
	case "putty":
		// Only a saved session has it.
		return []string{"-load", "idle"}, s.Client.Write("/root/.putty/sessions/idle", "PingIntervalSecs="+seconds+"\n", 0o600)
	}
	return []string{"-o", "ServerAliveInterval=" + seconds}, nil
}
