package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"tyto/protocol"
	"tyto/protocol/all"
	"tyto/sensor"
)

var protocolsCommand = command{
	name:  "protocols",
	usage: "protocols",
	short: "list the protocols that are recognised",
	run: func(_ context.Context, c *cli, args []string) error {
		if len(args) > 0 {
			return usageError{errors.New("takes no arguments")}
		}
		defs := slices.Clone(everyProtocol().Definitions())
		slices.SortFunc(defs, func(a, b protocol.Definition) int { return strings.Compare(a.Name, b.Name) })
		for _, d := range defs {
			var ports []string
			for _, p := range d.Ports {
				ports = append(ports, strconv.Itoa(int(p)))
			}
			fmt.Fprintf(c.stdout, "%-14s %-24s %s\n", d.Name, clip(strings.Join(ports, ","), 24), d.Doc)
		}
		return nil
	},
}

var versionCommand = command{
	name:  "version",
	usage: "version",
	short: "print the version",
	run: func(_ context.Context, c *cli, _ []string) error {
		version := "development"
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
			version = info.Main.Version
		}
		fmt.Fprintln(c.stdout, "tyto", version)
		return nil
	},
}

// everyProtocol is what an analysis looks for.
func everyProtocol() *protocol.Set { return all.Set(sensor.TunnelDefinitions()...) }
