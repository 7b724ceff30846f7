// Package smbserviceexec is commands that run on a host by a service that was
// copied there.
package smbserviceexec

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/winrpc"
)

// Scenario copies a program to ADMIN$, installs and starts it as a service,
// gives it commands and takes both away.
var Scenario = lab.Scenario{
	Name:       "smb-service-exec",
	Doc:        "An intruder with an administrator's password copies a program to ADMIN$ and starts it as a service, which runs commands (the psexec pattern). Teaches upload, service manager and output in one SMB session.",
	Labels:     []label.Label{label.RemoteExecution, label.Command, label.Upload},
	Techniques: []string{"T1021.002", "T1569.002", "T1570"},
	Twin:       "service-admin",
	Hosts:      []string{"client", "server"},
	Variants:   winrpc.Variants("psexec", "service-file", "net-service"),
	Params:     winrpc.Params(lab.Param{Name: "size", Doc: "of the program in kB, about", Values: []string{"30", "120", "400"}}),
	Limit:      5 * time.Minute,
	Run: func(ctx context.Context, r *lab.Run) error {
		return winrpc.Play(ctx, r, winrpc.SMB(r), winrpc.Work{Size: r.ParamInt("size") << 10})
	},
}
