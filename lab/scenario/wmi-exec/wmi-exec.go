// Package wmiexec is commands that run on a host by WMI.
package wmiexec

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/winrpc"
)

// Scenario creates a process for each command through WMI over DCOM.
var Scenario = lab.Scenario{
	Name:       "wmi-exec",
	Doc:        "An intruder creates a process for each command through WMI over DCOM with packet privacy, and reads the output from a file over SMB or leaves it there. Teaches activation on port 135 and what follows on another.",
	Labels:     []label.Label{label.RemoteExecution, label.Command},
	Techniques: []string{"T1047", "T1021.002"},
	Twin:       "winrm-admin",
	Hosts:      []string{"client", "server"},
	Variants:   winrpc.Variants("wmiexec", "wmi"),
	Params:     winrpc.Params(),
	Limit:      5 * time.Minute,
	Run: func(ctx context.Context, r *lab.Run) error {
		o := winrpc.SMB(r)
		o.DCOM = true
		return winrpc.Play(ctx, r, o, winrpc.Work{})
	},
}
