// Package winrmexec is commands that an intruder runs over WinRM.
package winrmexec

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/winrpc"
)

// Scenario looks around on a host in shells of WinRM.
var Scenario = lab.Scenario{
	Name:       "winrm-exec",
	Doc:        "An intruder with an administrator's password looks around on a host over WinRM: shells, commands, output that is asked for. HTTP with encrypted messages or HTTPS. Teaches the rhythm of WS-Management.",
	Labels:     []label.Label{label.RemoteExecution, label.Command},
	Techniques: []string{"T1021.006", "T1059.001", "T1059.003"},
	Twin:       "winrm-admin",
	Hosts:      []string{"client", "server"},
	Variants:   winrpc.Variants("winrm-ntlm", "winrm-tls", "winrm-basic", "winrm-curl"),
	Params:     winrpc.WebParams(),
	Limit:      5 * time.Minute,
	Run:        run,
}

func run(ctx context.Context, r *lab.Run) error {
	s, err := winrpc.Start(ctx, r, r.Host("server"), winrpc.Options{WinRM: &winrpc.DefaultWinRM})
	if err != nil {
		return err
	}
	commands := s.Draw(r.ParamInt("commands"), r.Rand())
	if r.Rand().IntN(2) == 0 {
		commands = append(commands, s.DrawScripts(1+r.Rand().IntN(2), r.Rand())...)
	}
	pause, err := time.ParseDuration(r.Param("pause"))
	if err != nil {
		return err
	}
	session, err := s.Run(ctx, r.Host("client"), winrpc.Work{Way: r.Variant(), Commands: commands, Pause: pause})
	if err != nil {
		return err
	}
	session.Tell(label.RemoteExecution, label.Command)
	return nil
}
