package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"

	"tyto/packet/pcapfile"
	"tyto/sensor"
)

// demos are the captures inside the program, both recorded in the project's lab:
// the office by tools/record, the intrusion by lab/scenario/campaign-mixed.
//
//go:embed demo/*.gz
var demos embed.FS

// demo is one of them.
type demo struct {
	name, title string
	home        []string
}

var demoList = []demo{
	{"intrusion", "an intrusion over five machines, six minutes long", []string{"10.233.23.0/24"}},
	{"office", "a few minutes in a small office", []string{"10.20.0.0/16", "fe80::/10"}},
}

var demoCommand = command{
	name:  "demo",
	usage: "demo [intrusion | office] [--json] [--logs DIR]",
	short: "analyse a capture that is inside the program: an intrusion over several machines, or an office's traffic",
	run: func(ctx context.Context, c *cli, args []string) error {
		d := demoList[0]
		for i, known := range demoList {
			if len(args) > 0 && args[0] == known.name {
				d, args = demoList[i], args[1:]
				break
			}
		}
		o, files, err := parseAnalyze(append(args, "demo"))
		if err != nil {
			return err
		}
		if len(files) != 1 {
			return usageError{fmt.Errorf("there is no demo %q; \"tyto analyze %[1]s\" reads a capture", files[0])}
		}
		file := "demo/" + d.name + ".pcap.gz"
		data, err := demos.ReadFile(file)
		if err != nil {
			return err
		}
		r, err := pcapfile.NewReader(bytes.NewReader(data), file)
		if err != nil {
			return err
		}
		defer r.Close()
		if o.home == nil {
			o.home, err = sensor.Prefixes(d.home)
		}
		if err != nil {
			return err
		}
		return analyzeSource(ctx, c, &captures{Source: r}, o, file+": "+d.title)
	},
}
