package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"

	"tyto/packet/pcapfile"
	"tyto/sensor"
)

// demoCapture is a few minutes in a small office, recorded in the project's lab
// (tools/record).
//
//go:embed demo/office.pcap.gz
var demoCapture []byte

var demoCommand = command{
	name:  "demo",
	usage: "demo [--json] [--logs DIR]",
	short: "analyse the capture that is inside the program: a few minutes in a small office",
	run: func(ctx context.Context, c *cli, args []string) error {
		o, files, err := parseAnalyze(append(args, "demo"))
		if err != nil {
			return err
		}
		if len(files) != 1 {
			return usageError{fmt.Errorf("takes no capture; \"tyto analyze %s\" does", files[0])}
		}
		r, err := pcapfile.NewReader(bytes.NewReader(demoCapture), "demo/office.pcap.gz")
		if err != nil {
			return err
		}
		defer r.Close()
		if o.home == nil {
			o.home, err = sensor.Prefixes([]string{"10.20.0.0/16", "fe80::/10"})
		}
		if err != nil {
			return err
		}
		return analyzeSource(ctx, c, &captures{Source: r}, o, "demo/office.pcap.gz: a few minutes in a small office")
	},
}
