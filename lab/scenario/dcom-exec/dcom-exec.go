// Package dcomexec is commands that run on a host by objects of DCOM.
package dcomexec

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/winrpc"
)

// Scenario lets an object of the management console or of the shell start a
// program for each command.
var Scenario = lab.Scenario{
	Name:       "dcom-exec",
	Doc:        "An intruder lets an object of the management console or of the shell's windows start each command over DCOM with packet privacy, and reads the output from a file over SMB. Teaches IDispatch beside WMI.",
	Labels:     []label.Label{label.RemoteExecution, label.Command},
	Techniques: []string{"T1021.003", "T1021.002"},
	Twin:       "winrm-admin",
	Hosts:      []string{"client", "server"},
	Variants:   winrpc.Variants("mmc20", "shellwindows", "shellbrowser"),
	Params:     winrpc.Params(),
	Limit:      5 * time.Minute,
	Run: func(ctx context.Context, r *lab.Run) error {
		o := winrpc.SMB(r)
		o.DCOM = true
		return winrpc.Play(ctx, r, o, winrpc.Work{})
	},
}
