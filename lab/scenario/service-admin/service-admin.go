// Package serviceadmin is an administrator at the service manager of a host.
package serviceadmin

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/winrpc"
)

// Scenario lists, looks at and restarts services over the pipe svcctl.
var Scenario = lab.Scenario{
	Name:     "service-admin",
	Doc:      "An administrator lists services of a host, looks at some and restarts others, over the pipe svcctl. The benign twin of remote execution by the service manager.",
	Labels:   []label.Label{label.Enumeration, label.RemoteExecution},
	Twin:     "smb-service-exec",
	Hosts:    []string{"client", "server"},
	Variants: winrpc.AdminVariants(),
	Params: winrpc.Params(
		lab.Param{Name: "restarts", Doc: "of services", Values: []string{"0", "1", "1"}}),
	Limit: 5 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	s, err := winrpc.Start(ctx, r, r.Host("server"), winrpc.SMB(r))
	if err != nil {
		return err
	}
	pause, err := time.ParseDuration(r.Param("pause"))
	if err != nil {
		return err
	}
	if r.Profile().RTT.Duration() > 400*time.Millisecond && r.Variant() != "console" { // each task is some ten round trips
		r.SetParam("restarts", "0")
		r.SetParam("commands", "2")
	}
	tasks := s.DrawServiceTasks(r.ParamInt("commands"), r.ParamInt("restarts"), r.Rand())
	return s.Administer(ctx, r.Host("client"), r.Variant(), "services", tasks, pause)
}
