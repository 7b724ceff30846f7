// Package smbfileexec is commands that run on a host as services without a
// program of their own.
package smbfileexec

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/winrpc"
)

// Scenario makes a service of each command line, whose output is read from a
// file.
var Scenario = lab.Scenario{
	Name:       "smb-file-exec",
	Doc:        "An intruder makes a service of each command line, starts and deletes it, and reads the output from a file of a share (the smbexec pattern). Teaches remote execution without an upload.",
	Labels:     []label.Label{label.RemoteExecution, label.Command},
	Techniques: []string{"T1021.002", "T1569.002"},
	Twin:       "service-admin",
	Hosts:      []string{"client", "server"},
	Variants:   winrpc.Variants("smbexec", "net-command"),
	Params:     winrpc.Params(),
	Limit:      5 * time.Minute,
	Run: func(ctx context.Context, r *lab.Run) error {
		return winrpc.Play(ctx, r, winrpc.SMB(r), winrpc.Work{})
	},
}
