package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tyto/behavior"
	"tyto/detection"
	"tyto/detection/all"
	"tyto/eval"
	"tyto/packet/pcapfile"
	"tyto/sensor"
)

const outsideHead = `# Captures from outside

Made by ` + "`tyto eval --outside`" + ` on public captures of which others wrote down what their flows are; none of them was
trained on. A flow is right if one of the labels that are told says what was written: labels that are heard, or that
follow from what protocols say in the clear (remote procedures, files on shares, refused logins). Flows of fewer than eight
packets are not listened to.

`

// evaluateOutside says of flows that others described what is heard in them.
func evaluateOutside(ctx context.Context, c *cli, v *evaluation) error {
	m, err := modelOf(options{model: v.model})
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(v.outside, "labels", "curated_flows.tsv"))
	if err != nil {
		return fmt.Errorf("--outside wants a directory of captures with labels/curated_flows.tsv: %w", err)
	}
	defer f.Close()
	flows, err := eval.ReadFlows(f)
	if err != nil {
		return err
	}
	analyze := func(detectors func() []detection.Detector) eval.Analyze {
		return func(ctx context.Context, path string, w io.Writer) error {
			src, err := pcapfile.Open(path)
			if err != nil {
				return err
			}
			defer src.Close()
			conf := sensor.Config{Set: everyProtocol(), JSON: w, Listener: func() behavior.Listener { return m.NewListener() }}
			if detectors != nil {
				conf.Detectors = detectors()
			}
			res, err := sensor.Run(ctx, src, conf, nil)
			if err != nil && res.Stats.Packets > 0 && ctx.Err() == nil {
				fmt.Fprintf(c.stderr, "tyto: %v\n", err) // what comes before was read
				return nil
			}
			return err
		}
	}
	said, err := eval.Outside(ctx, v.outside, flows, analyze(all.Detectors), analyze(nil))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(v.out, 0o755); err != nil {
		return err
	}
	path := filepath.Join(v.out, "outside.md")
	if err := writeWhole(path, []byte(outsideHead+eval.OutsideReport(said))); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s: %d flows\n", path, len(said))
	return err
}
