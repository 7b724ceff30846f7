// Package winrmadmin is an administrator's inventory and configuration over
// WinRM.
package winrmadmin

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/winrpc"
)

// Scenario runs scripts on one host after the other.
var Scenario = lab.Scenario{
	Name:     "winrm-admin",
	Doc:      "An administrator's program runs scripts of inventory and configuration over WinRM on one or two hosts. The benign twin of an intruder's commands.",
	Labels:   []label.Label{label.RemoteExecution, label.Command},
	Twin:     "winrm-exec",
	Hosts:    []string{"client", "server", "second"},
	Variants: winrpc.Variants("winrm-ntlm", "winrm-tls", "winrm-basic", "winrm-curl"),
	Params:   winrpc.WebParams(lab.Param{Name: "hosts", Doc: "that are managed", Values: []string{"1", "2"}}),
	Limit:    5 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	pause, err := time.ParseDuration(r.Param("pause"))
	if err != nil {
		return err
	}
	for _, name := range []string{"server", "second"}[:r.ParamInt("hosts")] {
		s, err := winrpc.Start(ctx, r, r.Host(name), winrpc.Options{WinRM: &winrpc.DefaultWinRM})
		if err != nil {
			return err
		}
		commands := s.DrawScripts(r.ParamInt("commands"), r.Rand())
		if r.Rand().IntN(2) == 0 {
			commands = append(s.Draw(1+r.Rand().IntN(2), r.Rand()), commands...)
		}
		session, err := s.Run(ctx, r.Host("client"), winrpc.Work{Way: r.Variant(), Commands: commands, Pause: pause})
		if err != nil {
			return err
		}
		session.Tell(label.RemoteExecution, label.Command)
	}
	return nil
}
