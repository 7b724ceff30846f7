// Package smbtaskexec is commands that run on a host as scheduled tasks.
package smbtaskexec

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/winrpc"
)

// Scenario registers a task for each command, runs and deletes it, and reads
// the output from a file.
var Scenario = lab.Scenario{
	Name:       "smb-task-exec",
	Doc:        "An intruder registers a scheduled task for each command over the pipe atsvc, runs and deletes it, and reads the output from a file of a share. Teaches the task scheduler with packet privacy inside SMB.",
	Labels:     []label.Label{label.RemoteExecution, label.Command},
	Techniques: []string{"T1053.005", "T1021.002"},
	Twin:       "service-admin",
	Hosts:      []string{"client", "server"},
	Variants:   winrpc.Variants("atexec", "task"),
	Params:     winrpc.Params(lab.Param{Name: "poll", Doc: "between looks whether the output is there", Values: []string{"200ms", "1s", "3s"}}),
	Limit:      5 * time.Minute,
	Run: func(ctx context.Context, r *lab.Run) error {
		poll, err := time.ParseDuration(r.Param("poll"))
		if err != nil {
			return err
		}
		return winrpc.Play(ctx, r, winrpc.SMB(r), winrpc.Work{Poll: poll})
	},
}
