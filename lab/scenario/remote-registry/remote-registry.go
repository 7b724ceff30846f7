// Package remoteregistry is an intruder in the registry of a host.
package remoteregistry

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/winrpc"
)

// Scenario looks values up over the pipe winreg and lets a program start with
// the next login.
var Scenario = lab.Scenario{
	Name:       "remote-registry",
	Doc:        "An intruder looks values of a host's registry up over the pipe winreg, and sets one that starts a program with the next login. Teaches many small questions, and a change among them.",
	Labels:     []label.Label{label.Enumeration},
	Techniques: []string{"T1012", "T1112", "T1547.001", "T1021.002"},
	Twin:       "service-admin",
	Hosts:      []string{"client", "server"},
	Variants:   winrpc.AdminVariants(),
	Params: winrpc.Params(
		lab.Param{Name: "sets", Doc: "values that are set", Values: []string{"0", "1", "1"}}),
	Limit: 5 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	o := winrpc.SMB(r)
	o.Registry = true
	s, err := winrpc.Start(ctx, r, r.Host("server"), o)
	if err != nil {
		return err
	}
	pause, err := time.ParseDuration(r.Param("pause"))
	if err != nil {
		return err
	}
	if r.Profile().RTT.Duration() > 400*time.Millisecond && r.Variant() != "console" { // each task is dozens of round trips
		r.SetParam("sets", "0")
		r.SetParam("commands", "1")
	}
	tasks := s.DrawRegistryTasks(r.ParamInt("commands"), r.ParamInt("sets"), r.Rand())
	return s.Administer(ctx, r.Host("client"), r.Variant(), "registry", tasks, pause)
}
