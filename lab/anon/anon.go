// Package anon is what the scenarios of anonymisers, proxies and tunnels share:
// the programs on both ends of a tunnel, and tunnels of the lab's own. What
// they carry is of package inner.
package anon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Entries starts, for each activity, an entry of its own on the host "client":
// so it is known whose connections those to the far end are. start makes the
// command of a program that is a SOCKS 5 proxy on a port of 127.0.0.1.
func Entries(r *lab.Run, start func(port int) (lab.Command, error), labels ...label.Label) func(context.Context, string) (inner.Way, error) {
	client := r.Host("client")
	return func(ctx context.Context, activity string) (inner.Way, error) {
		port := inner.LocalPort(activity)
		command, err := start(port)
		if err != nil {
			return inner.Way{}, err
		}
		p, err := client.Start(ctx, command)
		if err != nil {
			return inner.Way{}, err
		}
		if err := client.WaitListen(ctx, "tcp", port); err != nil {
			return inner.Way{}, fmt.Errorf("%w:\n%s", err, p.Output())
		}
		return inner.Way{Proxy: fmt.Sprintf("socks5h://127.0.0.1:%d", port), Outer: inner.Single(lab.Of(p)), Each: true, Labels: labels}, nil
	}
}

// StartProgram starts one of the scenario's programs whose only argument is a
// configuration, as JSON.
func StartProgram(ctx context.Context, h *lab.Host, program string, configuration any) (*lab.Process, error) {
	data, err := json.Marshal(configuration)
	if err != nil {
		return nil, err
	}
	return h.Start(ctx, lab.Command{Program: program, Args: []string{string(data)}})
}

// moduleVersion is that of a library in this program.
func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "unknown"
}

// Object is an object of JSON.
type Object = map[string]any

// WriteJSON writes a configuration file on a host.
func WriteJSON(h *lab.Host, name string, o Object) error {
	data, err := json.MarshalIndent(o, "", " ")
	return errors.Join(err, h.Write(name, string(data), 0o600))
}
